//! What happens to a replica set of three while it is read: nothing of it may cost a document or count one twice.

use crate::support::folding::{Flags, Folding, Midway};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use crate::support::replica_set::ReplicaSet;
use futures::TryStreamExt;
use lakefold::model::progress::{Progress, Silent};
use lakefold::model::record::{CollectionRecord, Outcome, Rows};
use mongodb::Collection;
use mongodb::bson::{DateTime, Document, doc};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Enough for ranges of `_id`, each of several replies.
const DOCUMENTS: i64 = 60_000;

fn document(id: i64) -> Document {
    doc! { "_id": id, "n": 0_i64, "updated_at": DateTime::now(), "padding": "x".repeat(1000) }
}

/// What each document of the collection says.
async fn source_of(collection: &Collection<Document>) -> BTreeMap<i64, i64> {
    let documents = collection.find(doc! {}).projection(doc! { "n": 1 }).await.expect("find");
    let pair = |document: Document| (document.get_i64("_id").expect("_id"), document.get_i64("n").expect("n"));
    documents.map_ok(pair).try_collect().await.expect("read")
}

/// What each row of the table says; an `_id` that stands twice is refused (P1).
fn lake_of(lake: &Path) -> BTreeMap<i64, i64> {
    let rows = read_table(lake, "h/c").rows;
    let number = |column: &serde_json::Value| column.as_i64().expect("a number");
    let found: BTreeMap<i64, i64> =
        rows.iter().map(|row| (number(&row.columns["_id"]), number(&row.columns["n"]))).collect();
    assert_eq!(found.len(), rows.len(), "an _id stands twice (P1)");
    found
}

#[track_caller]
fn landed(record: &CollectionRecord) -> Rows {
    assert_eq!(record.outcome, Outcome::Ok, "{record:#?}");
    let rows = record.rows;
    assert_eq!(rows.read, rows.inserted + rows.updated + rows.unchanged + rows.superseded + rows.quarantined, "P6");
    rows
}

/// Kills the cursors on `h.c` that rest; there must be one.
fn kill_cursors(set: &ReplicaSet) {
    let primary = set.await_primary();
    let started = Instant::now();
    while set.kill_cursors(primary, "h", "c") == 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "no cursor is open");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn midway(set: &ReplicaSet, act: impl Fn(&ReplicaSet) + Send + Sync + 'static) -> Arc<dyn Progress> {
    let set = set.clone();
    Arc::new(Midway::after(1, move || act(&set)))
}

/// A full read goes on in each range after the last `_id` that came; a window begins again, and what came twice is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_outlives_its_cursor_its_primary_and_a_member_that_comes_back() {
    let set = ReplicaSet::start();
    let client = set.client().await;
    let collection = client.database("h").collection::<Document>("c");
    collection.insert_many((0..DOCUMENTS).map(document)).await.expect("insert");
    let expected = source_of(&collection).await;
    let folding = || Folding::from(&set.uri("readPreference=primary"), "h", "updated_at,");

    let step_down: fn(&ReplicaSet) = ReplicaSet::step_down;
    for (what, breaks, act) in [("killCursors", true, kill_cursors as fn(&ReplicaSet)), ("step-down", false, step_down)]
    {
        let folding = folding();
        let record = folding.watched(Flags::default(), midway(&set, act)).await;
        let rows = landed(&record);
        assert_eq!((rows.read, rows.inserted), (DOCUMENTS as u64, DOCUMENTS as u64), "{what}: each document once");
        // Since MongoDB 4.2 a cursor outlives the office of its server.
        assert!(!breaks || record.retries > 0, "{what}: {record:#?}");
        assert!(lake_of(&folding.lake()) == expected, "{what}");
    }

    let folding = folding();
    let killed = Arc::new(std::sync::Mutex::new(None));
    let kill = {
        let killed = Arc::clone(&killed);
        move |set: &ReplicaSet| *killed.lock().expect("a place") = Some(set.kill_primary())
    };
    let record = folding.watched(Flags::default(), midway(&set, kill)).await;
    assert_eq!(landed(&record).read, DOCUMENTS as u64, "each document once: {record:#?}");
    assert!(record.retries > 0, "{record:#?}");
    assert!(lake_of(&folding.lake()) == expected, "the primary was killed");

    // The dead member comes back, and a window outlives a killed cursor.
    set.restart(killed.lock().expect("a place").expect("a member was killed"));
    let change = doc! { "$inc": { "n": 1_i64 }, "$set": { "updated_at": DateTime::now() } };
    collection.update_many(doc! { "_id": { "$lt": 8_000 } }, change).await.expect("update");
    let record = folding.watched(Flags::default(), midway(&set, kill_cursors)).await;
    let rows = landed(&record);
    assert!(record.retries > 0 && rows.superseded > 0, "the window began again: {record:#?}");
    // Whatever came twice: each document changed once.
    assert_eq!(rows.updated, 8_000, "{rows:?}");
    assert!(lake_of(&folding.lake()) == source_of(&collection).await, "the window");
}

/// Tries are counted and come to an end; then the collection fails, alone, and its watermark stays where it was.
#[tokio::test(flavor = "multi_thread")]
async fn retries_come_to_an_end() {
    let set = ReplicaSet::start();
    let client = set.client().await;
    for name in ["c", "d"] {
        client.database("h").collection(name).insert_many((0..50).map(document)).await.expect("insert");
    }
    let manifest = "database,collection,timestamp_column\nh,c,updated_at\nh,d,updated_at\n";
    let place = Workplace::with(&Environment::of(&set.uri("readPreference=primary")), manifest);
    place.run(&[], 0);
    let watermark = || {
        let text = std::fs::read_to_string(place.lake().join("_lakefold/watermarks/h/c.csv")).expect("a watermark");
        text.lines().last().expect("a line").to_owned()
    };
    let before = watermark();

    let change = doc! { "$inc": { "n": 1_i64 }, "$set": { "updated_at": DateTime::now() } };
    for name in ["c", "d"] {
        let collection = client.database("h").collection::<Document>(name);
        collection.update_many(doc! {}, change.clone()).await.expect("update");
    }
    let primary = set.await_primary();
    let fail = |mode: &str, code: i32| {
        let data = doc! { "failCommands": ["find"], "errorCode": code, "namespace": "h.c" };
        let point = doc! { "configureFailPoint": "failCommand", "mode": mode, "data": data };
        set.command(primary, "admin", point).expect("set the failpoint");
    };
    fail("alwaysOn", 11602);
    let record = place.run(&[], 1);
    let (c, d) = (&record["collections"][0], &record["collections"][1]);
    assert_eq!((c["outcome"].as_str(), d["outcome"].as_str()), (Some("failed"), Some("ok")), "{record:#}");
    assert_eq!((c["retries"].as_u64(), d["retries"].as_u64()), (Some(5), Some(0)), "{record:#}");
    assert!(c["reason"].as_str().expect("a reason").starts_with("read h.c: "), "{record:#}");
    assert_eq!(watermark(), before);
    assert_eq!(c["watermark"].as_str(), before.split(',').nth(4), "the record says where it stands");

    // Somebody who ends a query by killOp means it.
    fail("alwaysOn", 11601);
    let record = place.run(&[], 1);
    let c = &record["collections"][0];
    assert_eq!(c["retries"], 0, "{record:#}");
    assert!(c["reason"].as_str().expect("a reason").contains("somebody at the MongoDB ended the query"), "{record:#}");

    fail("off", 0);
    place.run(&[], 0);
    let stands = lake_of(&place.lake());
    assert!(stands.len() == 50 && stands.values().all(|n| *n == 1), "{stands:?}");
}

/// Awaits an operation of lakefold on a member.
fn await_operation(set: &ReplicaSet, member: usize) {
    let stages = vec![
        doc! { "$currentOp": { "allUsers": true } },
        doc! { "$match": { "appName": "lakefold", "command.find": "c" } },
    ];
    let running = doc! { "aggregate": 1, "pipeline": stages, "cursor": {} };
    let started = Instant::now();
    loop {
        let reply = set.command(member, "admin", running.clone()).expect("list operations");
        let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch")).expect("a batch");
        if !batch.is_empty() {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "nobody asks");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A secondary that is behind is waited for, and passed over when that would take too long; it is never believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_secondary_that_lags_costs_no_document() {
    const LATE: usize = 2;
    let set = ReplicaSet::with_tagged();
    let client = set.client().await;
    let collection = client.database("h").collection::<Document>("c");
    let mut written = 0_i64;
    let mut write = async || {
        collection.insert_many((written..written + 40).map(document)).await.expect("insert");
        written += 40;
        let change = doc! { "$inc": { "n": 1_i64 }, "$set": { "updated_at": DateTime::now() } };
        collection.update_many(doc! { "_id": { "$gte": written - 60 } }, change).await.expect("update");
    };
    let folding = |preference: &str| {
        let options = format!("readPreference={preference}&readPreferenceTags=role:late");
        Folding::from(&set.uri(&options), "h", "updated_at,")
    };

    write().await;
    let only_late = folding("secondary");
    only_late.run(Flags::default()).await;
    set.hold_back(LATE, true);
    write().await;
    let caught_up = {
        let set = set.clone();
        std::thread::spawn(move || {
            await_operation(&set, LATE);
            set.hold_back(LATE, false);
        })
    };
    let record = only_late.run(Flags::default()).await;
    caught_up.join().expect("somebody asked");
    assert_eq!(record.retries, 0, "a member that catches up is waited for: {record:#?}");
    assert!(lake_of(&only_late.lake()) == source_of(&collection).await, "it was asked too early");

    set.hold_back(LATE, true);
    write().await;
    let falls_back = folding("secondaryPreferred");
    let record = falls_back.run(Flags::default()).await;
    assert_eq!(record.retries, 1, "{record:#?}");
    assert!(lake_of(&falls_back.lake()) == source_of(&collection).await, "the primary answered");

    let before = lake_of(&only_late.lake());
    let record = only_late.watched(Flags::default(), Arc::new(Silent)).await;
    assert_eq!(record.outcome, Outcome::Failed, "{record:#?}");
    let reason = record.reason.expect("a reason");
    assert!(reason.contains("behind") && reason.contains("secondaryPreferred"), "{reason}");
    assert!(lake_of(&only_late.lake()) == before, "what cannot be read changes nothing");
    set.hold_back(LATE, false);

    // Configured to be late, and asked itself: how far was read is as old as what it shows.
    set.await_reply(LATE, "h", doc! { "count": "c" }, |reply| reply.get_i32("n").is_ok_and(|n| n == 120));
    set.set_delay(3600);
    let direct = Folding::from(&set.uri_of(LATE), "h", "updated_at,");
    direct.run(Flags::default()).await;
    write().await;
    direct.run(Flags::default()).await;
    assert_eq!(lake_of(&direct.lake()).len(), 120, "an hour late");
    set.set_delay(0);
    let newest = doc! { "count": "c", "query": { "_id": { "$gte": 120 }, "n": 1 } };
    set.await_reply(LATE, "h", newest, |reply| reply.get_i32("n").is_ok_and(|n| n == 40));
    direct.run(Flags::default()).await;
    assert!(lake_of(&direct.lake()) == source_of(&collection).await, "nothing was passed over meanwhile");
}
