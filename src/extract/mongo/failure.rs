//! What a driver's error means: worth another try, and what to tell the operator.

use crate::error::{Error, Kind};
use crate::model::redact;
use mongodb::error::ErrorKind;
use std::time::Duration;

/// Tries of one request that bring nothing new, before it fails.
pub(super) const TRIES: u32 = 6;

/// Wait before the first repetition; doubles with each.
const BACKOFF: Duration = Duration::from_millis(200);

/// How long to wait after so many tries: twice as long each time, and never the same for two readers.
pub(super) fn backoff(tries: u32) -> Duration {
    BACKOFF.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1))).mul_f64(rand::random_range(0.5..1.5))
}

/// Numbers of server errors, as MongoDB's `error_codes.yml` names them.
mod code {
    pub const UNAUTHORIZED: i32 = 13;
    pub const AUTHENTICATION_FAILED: i32 = 18;
    pub const MAX_TIME_MS_EXPIRED: i32 = 50;
    pub const COMMAND_NOT_FOUND: i32 = 59;
    pub const INVALID_OPTIONS: i32 = 72;
    /// Somebody ended it: `killOp`, `killSessions`.
    pub const INTERRUPTED: i32 = 11601;
    /// The server steps down, restarts, lost a cursor, or moves data between shards.
    pub const TRANSIENT: [i32; 21] = [
        6,     // HostUnreachable
        7,     // HostNotFound
        43,    // CursorNotFound
        63,    // StaleShardVersion
        89,    // NetworkTimeout
        91,    // ShutdownInProgress
        133,   // FailedToSatisfyReadPreference
        134,   // ReadConcernMajorityNotAvailableYet
        150,   // StaleEpoch
        175,   // QueryPlanKilled
        189,   // PrimarySteppedDown
        237,   // CursorKilled
        262,   // ExceededTimeLimit
        317,   // ConnectionPoolExpired
        9001,  // SocketException
        10107, // NotWritablePrimary
        11600, // InterruptedAtShutdown
        11602, // InterruptedDueToReplStateChange
        13388, // StaleConfig
        13435, // NotPrimaryNoSecondaryOk
        13436, // NotPrimaryOrSecondary
    ];
    /// CommandNotSupported, ReadConcernMajorityNotEnabled, NotImplemented.
    pub const MAJORITY_REFUSED: [i32; 3] = [115, 148, 238];
}

/// Whether the same request may succeed when it is repeated.
pub(super) fn is_transient(error: &mongodb::error::Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::ServerSelection { .. } => true,
        ErrorKind::Command(command) => code::TRANSIENT.contains(&command.code),
        _ => false,
    }
}

/// Whether no server that would do was found in time.
pub(super) fn is_unreachable(error: &mongodb::error::Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::ServerSelection { .. })
}

/// Whether the server gave up at the request's own limit.
pub(super) fn is_too_slow(error: &mongodb::error::Error) -> bool {
    server_code(error) == Some(code::MAX_TIME_MS_EXPIRED)
}

/// Whether the server has no read concern majority.
pub(super) fn refuses_majority(error: &mongodb::error::Error) -> bool {
    server_code(error).is_some_and(|code| code::MAJORITY_REFUSED.contains(&code))
}

/// Whether the server does not know the command.
pub(super) fn is_unknown_command(error: &mongodb::error::Error) -> bool {
    server_code(error) == Some(code::COMMAND_NOT_FOUND)
}

/// Whether the server demands another user, or any.
pub(super) fn is_refused(error: &mongodb::error::Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Authentication { .. })
        || matches!(server_code(error), Some(code::UNAUTHORIZED | code::AUTHENTICATION_FAILED))
}

/// Whether the user is known and may not do this.
pub(super) fn is_forbidden(error: &mongodb::error::Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(command)
        if command.code == code::UNAUTHORIZED && !command.message.contains("requires authentication"))
}

/// What lets `user`, who is known to the database `source`, read `database`: a line for mongosh.
pub(super) fn grant(user: &str, source: &str, database: &str) -> String {
    // A JSON text is one of JavaScript.
    let text = |text: &str| serde_json::Value::from(text).to_string();
    format!(
        "db.getSiblingDB({}).grantRolesToUser({}, [{{ role: \"read\", db: {} }}])",
        text(source),
        text(user),
        text(database)
    )
}

fn server_code(error: &mongodb::error::Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

/// The driver's error in lakefold's words; `kind` is for what concerns this request alone. Quoted values and
/// credentials are dropped (P10).
pub(super) fn explain(kind: Kind, error: &mongodb::error::Error, doing: &str) -> Error {
    let text = redact::quoted(&error.kind.to_string());
    let new = |kind, message: String| Error::new(kind, message).context(doing);
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. } => refused_login(doing),
        ErrorKind::Command(command) if command.code == code::AUTHENTICATION_FAILED => refused_login(doing),
        ErrorKind::Command(command) if command.code == code::UNAUTHORIZED => {
            if command.message.contains("requires authentication") {
                return new(Kind::Unavailable, "MongoDB wants a user and a password".into())
                    .hint("put them into [source] uri: mongodb://USER:PASSWORD@HOST/?authSource=admin");
            }
            new(kind, "MongoDB does not allow it to this user".into())
                .hint("grant the user the role read on the database")
        }
        ErrorKind::Command(command) if command.code == code::INTERRUPTED => {
            new(kind, "somebody at the MongoDB ended the query (killOp or killSessions)".into())
                .hint("ask the administrator why; [source] rate makes reads gentler")
        }
        ErrorKind::Command(command)
            if command.code == code::INVALID_OPTIONS && command.message.contains("afterClusterTime") =>
        {
            new(kind, "the cluster's time is before the time up to which the lake was already read".into())
                .hint("another or a restored cluster? read everything again with --full")
        }
        ErrorKind::ServerSelection { .. } => {
            new(Kind::Unavailable, format!("no suitable MongoDB server answers{}", servers(&text)))
                .hint("check host, port, firewall, TLS and replicaSet of [source] uri, and its read preference")
                .detail(text)
        }
        ErrorKind::DnsResolve { .. } => {
            new(Kind::Unavailable, text).hint("check the host name in [source] uri and the machine's DNS")
        }
        ErrorKind::InvalidTlsConfig { .. } => {
            new(Kind::Unavailable, text).hint("check tlsCAFile and tlsCertificateKeyFile of [source] uri")
        }
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => {
            new(kind, format!("the connection to MongoDB broke: {text}"))
        }
        _ => new(kind, text),
    }
}

/// ` at HOST:PORT, HOST:PORT: REASON` out of the driver's description of all servers; the last reason stands for all.
fn servers(topology: &str) -> String {
    let after = |marker| topology.split(marker).skip(1);
    let addresses: Vec<&str> = after("Address: ").filter_map(|rest| rest.split([',', ' ']).next()).collect();
    if addresses.is_empty() {
        return format!(": {topology}");
    }
    let reason = after("Error: Kind: ").last().and_then(|rest| rest.split(", labels:").next());
    format!(" at {}{}", addresses.join(", "), reason.map(|reason| format!(": {reason}")).unwrap_or_default())
}

fn refused_login(doing: &str) -> Error {
    Error::new(Kind::Unavailable, "MongoDB refuses the user or the password")
        .context(doing)
        .hint("check user, password and authSource of [source] uri; special characters must be percent-encoded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_are_told_in_one_line() {
        let one = "Server selection timeout: No available servers. Topology: { Type: Unknown, Servers: [ { Address: \
                   127.0.0.1:27099, Type: Unknown, Error: Kind: I/O error: Connection refused (os error 111), labels: \
                   {} } ] }";
        assert_eq!(servers(one), " at 127.0.0.1:27099: I/O error: Connection refused (os error 111)");
        let two = "Topology: { Type: ReplicaSetNoPrimary, Servers: [ { Address: a:1, Type: RsSecondary }, { Address: \
                   b:2, Type: RsSecondary } ] }";
        assert_eq!(servers(two), " at a:1, b:2");
        assert_eq!(servers("No servers"), ": No servers");
    }
}
