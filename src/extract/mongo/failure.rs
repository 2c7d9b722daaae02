//! What a driver's error means: worth another try, and what to tell the operator.

use crate::error::{Error, Kind};
use crate::model::collection::Namespace;
use crate::model::redact;
use mongodb::error::{CommandError, ErrorKind};
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
    pub const BAD_VALUE: i32 = 2;
    pub const UNAUTHORIZED: i32 = 13;
    pub const AUTHENTICATION_FAILED: i32 = 18;
    pub const MAX_TIME_MS_EXPIRED: i32 = 50;
    pub const COMMAND_NOT_FOUND: i32 = 59;
    pub const INVALID_OPTIONS: i32 = 72;
    /// What a cursor stands on is gone: its index, its range of a shard, or its collection. Only of the last the same
    /// query, asked again under the same name, would go on in another collection, or find nothing where there is none.
    pub const QUERY_PLAN_KILLED: i32 = 175;
    /// Atlas, whatever it refuses.
    pub const ATLAS_ERROR: i32 = 8000;
    /// Somebody ended it: `killOp`, `killSessions`.
    pub const INTERRUPTED: i32 = 11601;
    /// The server steps down, restarts, lost a cursor, or moves data between shards.
    pub const TRANSIENT: [i32; 20] = [
        6,     // HostUnreachable
        7,     // HostNotFound
        43,    // CursorNotFound
        63,    // StaleShardVersion
        89,    // NetworkTimeout
        91,    // ShutdownInProgress
        133,   // FailedToSatisfyReadPreference
        134,   // ReadConcernMajorityNotAvailableYet
        150,   // StaleEpoch
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
    /// Besides the transient ones: what the server says with these is about names, times and limits, never about what
    /// a document holds.
    pub const DISCREET: [i32; 11] = [
        26,  // NamespaceNotFound
        27,  // IndexNotFound
        50,  // MaxTimeMSExpired
        59,  // CommandNotFound
        73,  // InvalidNamespace
        115, // CommandNotSupported
        146, // ExceededMemoryLimit
        148, // ReadConcernMajorityNotEnabled
        166, // CommandNotSupportedOnView
        246, // SnapshotUnavailable
        292, // QueryExceededMemoryLimitNoDiskUseAllowed
    ];
}

/// Whether the same request may succeed when it is repeated.
pub(super) fn is_transient(error: &mongodb::error::Error) -> bool {
    match error.kind.as_ref() {
        ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } | ErrorKind::ServerSelection { .. } => true,
        ErrorKind::Command(command) => code::TRANSIENT.contains(&command.code),
        _ => false,
    }
}

/// Whether the server ended the query because something it stood on is gone, which may be the collection itself.
pub(super) fn is_plan_killed(error: &mongodb::error::Error) -> bool {
    server_code(error) == Some(code::QUERY_PLAN_KILLED)
}

/// Whether the index of the query's hint is not there: dropped, or still being built, when `listIndexes` shows it too.
pub(super) fn refuses_hint(error: &mongodb::error::Error) -> bool {
    matches!(error.kind.as_ref(), ErrorKind::Command(command)
        if command.code == code::BAD_VALUE && command.message.contains("hint provided does not correspond"))
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

/// Whether the server, or Atlas before it, does not let this user ask that.
pub(super) fn is_not_permitted(error: &mongodb::error::Error) -> bool {
    matches!(server_code(error), Some(code::UNAUTHORIZED | code::ATLAS_ERROR))
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

/// The driver's error in lakefold's words; `kind` is for what concerns this request alone, `view` the view whose
/// pipeline ran. Credentials are dropped, and what may quote a document, which servers do in quotes and without (P10).
pub(super) fn explain(kind: Kind, error: &mongodb::error::Error, doing: &str, view: Option<&Namespace>) -> Error {
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
        ErrorKind::Command(command)
            if command.code == code::ATLAS_ERROR && command.message.contains("is not allowed to do action") =>
        {
            new(kind, "Atlas does not allow it to this user".into())
                .hint("give the user the role read on the database, under Database Access of the Atlas project")
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
        ErrorKind::Command(command) if command.code == code::QUERY_PLAN_KILLED => {
            new(kind, "the collection was dropped, renamed or restored while it was read, or its index dropped".into())
                .hint("run it again when that is over; the watermark has not moved")
        }
        ErrorKind::Command(command) if !is_discreet(command) => {
            let told = new(kind, format!("MongoDB answers with error {}", named(command)))
                .hint("its words may quote documents and are not shown; the same query in mongosh shows them");
            match view {
                Some(view) => told.hint(format!(
                    "a stage of the view's pipeline failed; the server's words may quote documents and are not shown: \
                     see them in mongosh\n  {}",
                    view.read_all()
                )),
                None => told,
            }
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

/// Whether what the server says with this error can be shown.
fn is_discreet(command: &CommandError) -> bool {
    code::TRANSIENT.contains(&command.code) || code::DISCREET.contains(&command.code)
}

/// `241 (ConversionFailure)`
fn named(command: &CommandError) -> String {
    let CommandError { code, code_name, .. } = command;
    let is_name = !code_name.is_empty() && code_name.chars().all(|c| c.is_ascii_alphanumeric());
    if is_name { format!("{code} ({code_name})") } else { code.to_string() }
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

    fn answer(code: i32, name: &str, message: &str) -> mongodb::error::Error {
        let command = serde_json::json!({ "code": code, "codeName": name, "errmsg": message });
        ErrorKind::Command(serde_json::from_value(command).unwrap()).into()
    }

    #[test]
    fn what_may_quote_a_document_is_not_shown() {
        let view = Namespace { database: "h".into(), collection: "v".into() };
        for (code, name, message) in [
            (241, "ConversionFailure", "Failed to parse number 'O'Brien 12' in $convert with no onError value: Bad"),
            (241, "ConversionFailure", "Conversion would overflow target type in $convert: 9876543210 Brien"),
            (11000, "DuplicateKey", "E11000 duplicate key error dup key: { email: \"Brien\" }"),
            (16609, "Location16609", "$add only supports numeric or date types, not string Brien"),
            (2, "BadValue", "Cannot convert Brien from string"),
            (8000, "AtlasError", "PlanExecutor error during aggregation :: caused by :: Brien"),
        ] {
            for view in [None, Some(&view)] {
                let error = explain(Kind::Source, &answer(code, name, message), "read h.v", view);
                assert_eq!(error.to_string(), format!("read h.v: MongoDB answers with error {code} ({name})"));
                let all = format!("{error:?}{:?}", error.detail_text());
                assert!(!all.contains("Brien") && !all.contains("9876543210"), "{all}");
                assert_eq!(all.contains(r#"db.getSiblingDB("h").getCollection("v")"#), view.is_some(), "{all}");
            }
        }
        let odd = explain(Kind::Source, &answer(9, "O'Brien 12", "Brien"), "read h.v", None);
        assert_eq!(odd.to_string(), "read h.v: MongoDB answers with error 9");
    }

    #[test]
    fn what_is_about_names_and_limits_is_shown() {
        let slow =
            explain(Kind::Source, &answer(50, "MaxTimeMSExpired", "operation exceeded time limit"), "read", None);
        assert!(slow.to_string().contains("operation exceeded time limit"), "{slow}");
    }

    #[test]
    fn a_hint_is_refused_when_its_index_is_not_there() {
        let planner = "planner returned error :: caused by :: hint provided does not correspond to an existing index";
        assert!(refuses_hint(&answer(2, "BadValue", planner)));
        assert!(!refuses_hint(&answer(2, "BadValue", "Cannot convert Brien from string")));
    }

    #[test]
    fn a_cursor_whose_collection_is_gone_is_no_passing_trouble() {
        let killed = answer(175, "QueryPlanKilled", "collection dropped. UUID 07070707-0707-0707-0707-070707070707");
        assert!(!is_transient(&killed) && is_plan_killed(&killed));
        let told = explain(Kind::Source, &killed, "read h.c", None);
        assert!(told.to_string().contains("dropped, renamed or restored"), "{told}");
        assert!(is_transient(&answer(43, "CursorNotFound", "cursor id 5 not found")));
    }

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
