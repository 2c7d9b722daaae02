//! Which member of a replica set answers the reads of a run, and that it is the primaries behind a mongos.
//!
//! A read as of the bound's time never shows less than what the bound covers: a secondary that is behind waits until
//! it has caught up, and a secondary that is delayed or cut off waits for ever. So a member is asked once, with a limit,
//! before it is read from; one that is too far behind is passed over, and where the read preference allows it the
//! primary answers instead.
//!
//! Behind a mongos only the primaries are read, whatever the settings say. When a range has moved to another shard,
//! the shard it left deletes its documents once no cursor on its primary reads them any more; cursors on its
//! secondaries are not waited for, and a long one misses those documents without a word.

use super::connect::Connection;
use super::failure::{self, backoff};
use crate::error::{Error, Kind, Result};
use crate::model::collection::Namespace;
use crate::model::window::OperationTime;
use bson::{Bson, Document, Timestamp, doc};
use mongodb::options::{ReadPreference, SelectionCriteria, ServerAddress};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long a member may take to catch up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same for a member that was behind before in this run.
const LITTLE_PATIENCE: Duration = Duration::from_secs(1);

/// How often a member is looked for when only secondaries may be read: another one may answer.
const LOOKS: u32 = 3;

/// What a run knows of the members.
#[derive(Default)]
pub(super) struct Members {
    /// The one that reads go to, and the time it is known to have reached.
    chosen: Mutex<Option<(ServerAddress, OperationTime)>>,
    /// Those that were too far behind.
    behind: Mutex<HashSet<ServerAddress>>,
    /// Whether a mongos stands before them; asked once.
    routed: OnceCell<bool>,
}

impl Members {
    fn chosen(&self, time: OperationTime) -> Option<ServerAddress> {
        let chosen = self.chosen.lock().unwrap_or_else(PoisonError::into_inner);
        chosen.as_ref().filter(|(_, reached)| *reached >= time).map(|(address, _)| address.clone())
    }

    fn choose(&self, address: &ServerAddress, reached: OperationTime) {
        *self.chosen.lock().unwrap_or_else(PoisonError::into_inner) = Some((address.clone(), reached));
    }

    fn is_behind(&self, address: &ServerAddress) -> bool {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner).contains(address)
    }

    /// `true` the first time.
    fn note_behind(&self, address: &ServerAddress) -> bool {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner).insert(address.clone())
    }

    /// A read broke: the next one looks for a member anew.
    pub fn forget(&self) {
        *self.chosen.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// How a member can fail to be found.
pub(super) enum Unfound {
    /// The driver's words: as if the read itself had failed.
    Driver(mongodb::error::Error),
    /// No member may be read.
    Refused(Error),
}

/// Where to read what has to show at least `time`, if it has to wait for any; `None`: wherever the driver likes.
pub(super) async fn choose(
    connection: &Connection,
    namespace: &Namespace,
    time: Option<OperationTime>,
) -> Result<Option<SelectionCriteria>, Unfound> {
    let client = connection.client().await.map_err(Unfound::Refused)?;
    let Some(SelectionCriteria::ReadPreference(preference)) = client.selection_criteria() else { return Ok(None) };
    if *preference == ReadPreference::Primary {
        return Ok(None);
    }
    let members = connection.members();
    if *members.routed.get_or_try_init(|| is_routed(connection, preference)).await? {
        return Ok(Some(ReadPreference::Primary.into()));
    }
    let Some(time) = time.filter(|_| !connection.is_direct()) else { return Ok(None) };
    if let Some(address) = members.chosen(time) {
        return Ok(Some(only(address)));
    }
    for looks in 1..=LOOKS {
        let Some(address) = member(&hello(connection, preference).await?) else { return Ok(None) };
        let known = members.is_behind(&address);
        if known && allows_primary(preference) {
            return Ok(Some(ReadPreference::Primary.into()));
        }
        let patience = if known { LITTLE_PATIENCE } else { PATIENCE };
        if has_reached(connection, namespace, &address, time, patience).await? {
            members.choose(&address, time);
            return Ok(Some(only(address)));
        }
        connection.count_retry(namespace);
        if members.note_behind(&address) {
            tracing::warn!(collection = %namespace, member = %address, "the member is behind; passing it over");
        }
        if !allows_primary(preference) && looks < LOOKS {
            tokio::time::sleep(backoff(looks)).await;
        }
    }
    let message = format!("every secondary that may be read is more than {} s behind", PATIENCE.as_secs());
    Err(Unfound::Refused(
        Error::new(Kind::Source, message)
            .hint("look at rs.printSecondaryReplicationInfo(), or set [source] read_preference to secondaryPreferred"),
    ))
}

/// Asks whoever would be read from who it is.
async fn hello(connection: &Connection, preference: &ReadPreference) -> Result<Document, Unfound> {
    let admin = connection.client().await.map_err(Unfound::Refused)?.database("admin");
    let ask = |command| admin.run_command(command).selection_criteria(preference.clone().into());
    let reply = match ask(doc! { "hello": 1, "comment": connection.comment() }).await {
        Err(error) if failure::is_unknown_command(&error) => ask(doc! { "isMaster": 1 }).await,
        reply => reply,
    };
    reply.map_err(Unfound::Driver)
}

async fn is_routed(connection: &Connection, preference: &ReadPreference) -> Result<bool, Unfound> {
    let routed = is_mongos(&hello(connection, preference).await?);
    if routed {
        tracing::info!("a sharded cluster: reading from its primaries, whatever read_preference says");
    }
    Ok(routed)
}

/// Whether it was a mongos that answered, itself or through a load balancer.
fn is_mongos(hello: &Document) -> bool {
    hello.get_str("msg").is_ok_and(|message| message == "isdbgrid")
}

/// Asks a member for nothing, as of `time`.
async fn has_reached(
    connection: &Connection,
    namespace: &Namespace,
    address: &ServerAddress,
    time: OperationTime,
    patience: Duration,
) -> Result<bool, Unfound> {
    let database = connection.client().await.map_err(Unfound::Refused)?.database(&namespace.database);
    let nothing = doc! { "_id": { "$in": Bson::Array(Vec::new()) } };
    let mut concern = doc! { "afterClusterTime": Timestamp { time: time.seconds, increment: time.increment } };
    if connection.majority() {
        concern.insert("level", "majority");
    }
    let ask = doc! {
        "find": &namespace.collection, "filter": nothing, "limit": 1, "singleBatch": true, "readConcern": concern,
        "maxTimeMS": i64::try_from(patience.as_millis()).unwrap_or(i64::MAX), "comment": connection.comment(),
    };
    match database.run_command(ask).selection_criteria(only(address.clone())).await {
        Ok(_) => Ok(true),
        Err(error) if failure::is_too_slow(&error) => Ok(false),
        Err(error) => Err(Unfound::Driver(error)),
    }
}

/// The name by which the driver knows the member of a replica set that answered.
fn member(hello: &Document) -> Option<ServerAddress> {
    hello.get_str("setName").ok()?;
    ServerAddress::parse(hello.get_str("me").ok()?).ok()
}

fn allows_primary(preference: &ReadPreference) -> bool {
    !matches!(preference, ReadPreference::Secondary { .. })
}

fn only(address: ServerAddress) -> SelectionCriteria {
    SelectionCriteria::Predicate(Arc::new(move |server| *server.address() == address))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLY: OperationTime = OperationTime { seconds: 5, increment: 1 };
    const LATE: OperationTime = OperationTime { seconds: 5, increment: 2 };

    #[test]
    fn a_member_serves_what_it_has_reached() {
        let members = Members::default();
        let address = ServerAddress::parse("a.example:27017").unwrap();
        members.choose(&address, EARLY);
        assert_eq!(members.chosen(EARLY), Some(address));
        assert_eq!(members.chosen(LATE), None);
        members.forget();
        assert_eq!(members.chosen(EARLY), None);
    }

    #[test]
    fn only_members_of_a_replica_set_have_a_name() {
        let me = doc! { "setName": "rs0", "me": "a.example:27018" };
        assert_eq!(member(&me), ServerAddress::parse("a.example:27018").ok());
        assert_eq!(member(&doc! { "msg": "isdbgrid" }), None);
        assert_eq!(member(&doc! { "me": "a.example" }), None);
    }

    #[test]
    fn only_a_mongos_hides_whom_it_reads_from() {
        assert!(is_mongos(&doc! { "isWritablePrimary": true, "msg": "isdbgrid", "maxWireVersion": 17 }));
        assert!(!is_mongos(&doc! { "setName": "rs0", "me": "a.example:27018", "secondary": true }));
        assert!(!is_mongos(&doc! { "isWritablePrimary": true, "maxWireVersion": 17 }));
    }
}
