//! The one upper bound of a run: the primary's clock and the cluster's time, from one reply.

use super::connect::Connection;
use super::failure::{TRIES, backoff, explain, is_refused, is_transient, is_unknown_command, is_unreachable};
use crate::error::{Error, Kind, Result};
use crate::model::window::{Bound, OperationTime};
use bson::{Document, doc};
use mongodb::options::{ReadPreference, SelectionCriteria};

const DOING: &str = "ask MongoDB for its time";

/// Asks the primary for its time; fails with [`Kind::Unavailable`] when it cannot be reached or refuses the user.
pub(super) async fn bound(connection: &Connection) -> Result<Bound> {
    let reply = hello(connection).await?;
    let admin = connection.client().await?.database("admin");
    let admitted =
        admin.run_command(doc! { "listDatabases": 1, "nameOnly": true, "comment": connection.comment() }).await;
    // `hello` is answered to anybody; whether this user may read anything at all shows here.
    if let Err(error) = admitted
        && is_refused(&error)
    {
        return Err(explain(Kind::Unavailable, &error, "log in to MongoDB", None));
    }
    from_hello(&reply)
}

async fn hello(connection: &Connection) -> Result<Document> {
    let admin = connection.client().await?.database("admin");
    // Only the primary's clock bounds what is committed: a secondary's data may be older than its clock.
    let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
    let ask = |command| admin.run_command(command).selection_criteria(primary.clone());
    let mut tries = 0;
    loop {
        let reply = match ask(doc! { "hello": 1, "comment": connection.comment() }).await {
            Err(error) if is_unknown_command(&error) => ask(doc! { "isMaster": 1 }).await,
            other => other,
        };
        tries += 1;
        match reply {
            // A primary that steps down just now has a successor in a moment; nobody at all was waited for already.
            Err(error) if is_transient(&error) && !is_unreachable(&error) && tries < TRIES => {
                tokio::time::sleep(backoff(tries)).await;
            }
            reply => return reply.map_err(|error| explain(Kind::Unavailable, &error, DOING, None)),
        }
    }
}

fn from_hello(reply: &Document) -> Result<Bound> {
    let operation_time = reply
        .get_timestamp("operationTime")
        .ok()
        .map(|time| OperationTime { seconds: time.time, increment: time.increment });
    let clock_ms = reply.get_datetime("localTime").map(|time| time.timestamp_millis());
    // A direct connection to a secondary shows data as old as its operationTime, whatever its clock says.
    let time_ms = match operation_time {
        Some(time) if reply.get_bool("secondary").unwrap_or(false) => i64::from(time.seconds) * 1000,
        _ => clock_ms.map_err(|_| Error::new(Kind::Unavailable, "the server does not tell its time").context(DOING))?,
    };
    Ok(Bound { time_ms: Some(time_ms), operation_time })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{DateTime, Timestamp};

    #[test]
    fn what_each_kind_of_server_tells() {
        let time = DateTime::from_millis(99_000);
        let standalone = from_hello(&doc! { "localTime": time }).unwrap();
        assert_eq!(standalone, Bound { time_ms: Some(99_000), operation_time: None });

        let operation_time = Timestamp { time: 95, increment: 2 };
        let primary = doc! { "localTime": time, "operationTime": operation_time };
        let expected = Some(OperationTime { seconds: 95, increment: 2 });
        assert_eq!(from_hello(&primary).unwrap(), Bound { time_ms: Some(99_000), operation_time: expected });

        let secondary = doc! { "localTime": time, "operationTime": operation_time, "secondary": true };
        assert_eq!(from_hello(&secondary).unwrap().time_ms, Some(95_000));

        assert_eq!(from_hello(&doc! { "ok": 1 }).unwrap_err().kind(), Kind::Unavailable);
    }
}
