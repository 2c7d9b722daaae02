//! A full read that dies goes on near where it was: counted at the server, not believed.

use crate::support::mongod::Mongod;
use crate::support::one_table::OneTable;
use mongodb::bson::{DateTime, Document, doc};
use serde_json::Value;

/// Documents of the collection, each of about a kilobyte.
const DOCUMENTS: i32 = 24_000;

/// BSON between two states, so that there are a dozen.
const EVERY: (&str, &str) = ("LAKEFOLD_STATE_EVERY_BYTES", "2000000");

const ROW: &str = "updated_at,site=site";

fn document(id: i32) -> Document {
    let updated_at = DateTime::from_millis(1_714_550_400_000 + i64::from(id));
    // Kinds come up late, so that rows were staged at several versions of the schema.
    let n = if id % 9_000 == 8_999 { "text".into() } else { mongodb::bson::Bson::Int32(id) };
    doc! { "_id": id, "site": format!("s{}", id % 7), "n": n, "text": "x".repeat(900), "updated_at": updated_at }
}

async fn filled(server: &Mongod) -> mongodb::Collection<Document> {
    let collection = server.client().await.database("db").collection("c");
    collection.insert_many((0..DOCUMENTS).map(document)).await.expect("insert");
    collection
}

/// Documents the server has sent so far.
fn sent(server: &Mongod) -> i64 {
    let status = server.command(doc! { "serverStatus": 1 }).expect("the server's counters");
    let metrics = status.get_document("metrics").and_then(|metrics| metrics.get_document("document"));
    metrics.and_then(|counts| counts.get_i64("returned")).expect("a count")
}

/// P6: every document read is accounted for.
fn accounted(record: &Value) {
    let rows = &record["rows"];
    let count = |name: &str| rows[name].as_u64().expect("a count");
    let landed = ["inserted", "updated", "unchanged", "superseded", "quarantined"].map(count).iter().sum::<u64>();
    assert_eq!(count("read"), landed, "{record:#}");
}

/// A lake whose first load was killed when it had made something durable for the n-th time.
fn killed<'a>(server: &Mongod, times: u32) -> OneTable<'a> {
    let lake = OneTable::of(server.uri(), "db", ROW, None);
    let trap = format!("after-resume-state:{times}");
    let ended = lake.attempt(&[], &[EVERY, ("LAKEFOLD_KILL_AT", trap.as_str())]);
    assert_eq!(ended.code, 137, "{ended}");
    lake
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_load_that_dies_reads_only_the_rest() {
    let server = Mongod::start();
    let collection = filled(&server).await;
    let undisturbed = OneTable::of(server.uri(), "db", ROW, None);
    undisturbed.run(&[], &[]);

    let lake = killed(&server, 8);
    let shown = lake.any(&["status", "--env", "test", "--json"]).output().expect("status");
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert!(shown[0]["litter"].to_string().contains("_lakefold/staged/db/c/"), "{shown:#}");
    assert!(shown[0]["litter"].to_string().contains("/tmp/lakefold-"), "no scratch folder: {shown:#}");

    // Changed and gone since the death: the first is seen by the next window, the second as in any run.
    let before = undisturbed.seen().await;
    let changed = doc! { "$set": { "n": -1, "updated_at": DateTime::now() } };
    let count = sent(&server);
    let record = lake.run(&[], &[EVERY]);
    let read = sent(&server) - count;
    accounted(&record);
    let resumed = record["rows"]["resumed"].as_i64().expect("a count");
    assert_eq!(record["rows"]["read"], DOCUMENTS, "{record:#}");
    // Eight states of two megabytes each; what the sample and the counters of the source send is little.
    assert!(resumed > 14_000, "{record:#}");
    assert!(read < i64::from(DOCUMENTS) - resumed + 1_500, "{read} documents sent, {resumed} were staged");
    assert_eq!(lake.seen().await, before);
    assert_eq!(lake.litter().await, [""; 0]);

    collection.update_one(doc! { "_id": 5 }, changed).await.expect("update");
    for lake in [&lake, &undisturbed] {
        accounted(&lake.run(&[], &[]));
    }
    assert_eq!(lake.seen().await, undisturbed.seen().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_since_the_death_comes_with_the_next_run() {
    let server = Mongod::start_replica_set();
    let collection = filled(&server).await;
    let lake = killed(&server, 6);
    let died = DateTime::now();
    let all = doc! { "$set": { "text": "changed", "updated_at": DateTime::now() } };
    collection.update_many(doc! { "_id": { "$mod": [100, 0] } }, all).await.expect("update");
    lake.run(&[], &[EVERY]);
    let watermarks = lake.watermarks().await;
    let last = watermarks.last().expect("a line")["watermark"].clone();
    let bound = DateTime::parse_rfc3339_str(&last).expect("a time");
    assert!(bound <= died, "{last}: the watermark hides what changed after the first attempt began");
    accounted(&lake.run(&[], &[]));
    let seen = lake.seen().await;
    let changed = seen.rows.iter().filter(|row| row.contains("\"changed\"")).count();
    assert_eq!(changed, DOCUMENTS as usize / 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_any_more_is_read_again() {
    let server = Mongod::start();
    filled(&server).await;
    let undisturbed = OneTable::of(server.uri(), "db", ROW, None);
    undisturbed.run(&[], &[]);
    let whole = undisturbed.seen().await;

    // A setting that the table is made with.
    let lake = killed(&server, 2);
    let environment = lake.path().join("env/test.toml");
    let text = std::fs::read_to_string(&environment).expect("the environment");
    std::fs::write(&environment, text.replace("timezone = \"UTC\"", "timezone = \"Asia/Kolkata\"")).expect("write");
    assert_eq!(lake.run(&[], &[EVERY])["rows"]["resumed"], Value::Null);
    assert_eq!((lake.litter().await, lake.seen().await.rows), (Vec::new(), whole.rows.clone()));

    // What was seen is to be forgotten.
    let lake = killed(&server, 2);
    assert_eq!(lake.run(&["--full", "--forget-schema"], &[EVERY])["rows"]["resumed"], Value::Null);
    assert_eq!((lake.litter().await, lake.seen().await.rows), (Vec::new(), whole.rows.clone()));

    // An object that is not what was written.
    let lake = killed(&server, 2);
    let staged = lake.path().join("lake/_lakefold/staged/db/c");
    let run = std::fs::read_dir(&staged).expect("list").map(|entry| entry.expect("an entry").path());
    let run = run.filter(|path| path.is_dir()).last().expect("the run's folder");
    let object = std::fs::read_dir(run).expect("list").last().expect("an object").expect("an entry").path();
    let mut bytes = std::fs::read(&object).expect("read");
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&object, bytes).expect("write");
    assert_eq!(lake.run(&[], &[EVERY])["rows"]["resumed"], Value::Null);
    assert_eq!((lake.litter().await, lake.seen().await.rows), (Vec::new(), whole.rows));
}

/// `--full` is the cure for what no window sees: a change without a time, a deletion.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_read_that_is_asked_for_goes_on_with_nothing() {
    let server = Mongod::start();
    let collection = filled(&server).await;
    let (lake, undisturbed) =
        (OneTable::of(server.uri(), "db", ROW, None), OneTable::of(server.uri(), "db", ROW, None));
    lake.run(&[], &[]);
    let killed = lake.attempt(&["--full"], &[EVERY, ("LAKEFOLD_KILL_AT", "after-resume-state:6")]);
    assert_eq!(killed.code, 137, "{killed}");
    collection.update_one(doc! { "_id": 5 }, doc! { "$set": { "n": -1 } }).await.expect("update");
    collection.delete_one(doc! { "_id": 7 }).await.expect("delete");
    let record = lake.run(&["--full"], &[EVERY]);
    assert_eq!(record["rows"]["resumed"], Value::Null, "{record:#}");
    undisturbed.run(&[], &[]);
    assert_eq!((lake.litter().await, lake.seen().await.rows), (Vec::new(), undisturbed.seen().await.rows));
}

/// The name is the same, the documents are not: of another cluster, or of a collection that was made again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_staged_of_another_collection_is_read_again() {
    let (server, elsewhere) = (Mongod::start(), Mongod::start());
    let collection = filled(&server).await;
    let few = || (0..2_000).map(|id| document(id * 20));
    let others = elsewhere.client().await.database("db").collection::<Document>("c");
    others.insert_many(few()).await.expect("insert");
    let undisturbed = OneTable::of(elsewhere.uri(), "db", ROW, None);
    undisturbed.run(&[], &[]);
    let whole = undisturbed.seen().await.rows;

    let lake = killed(&server, 2);
    let environment = lake.path().join("env/test.toml");
    let text = std::fs::read_to_string(&environment).expect("the environment");
    std::fs::write(&environment, text.replace(server.uri(), elsewhere.uri())).expect("write");
    let record = lake.run(&[], &[EVERY]);
    assert_eq!(record["rows"]["resumed"], Value::Null, "another cluster: {record:#}");
    assert_eq!((lake.litter().await, lake.seen().await.rows), (Vec::new(), whole.clone()));

    let lake = killed(&server, 2);
    collection.drop().await.expect("drop");
    collection.insert_many(few()).await.expect("insert");
    let record = lake.run(&[], &[EVERY]);
    assert_eq!(record["rows"]["resumed"], Value::Null, "made again: {record:#}");
    assert_eq!((lake.litter().await, lake.seen().await.rows), (Vec::new(), whole));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_dies_while_it_publishes_reads_nothing_again() {
    let server = Mongod::start();
    filled(&server).await;
    let undisturbed = OneTable::of(server.uri(), "db", ROW, None);
    undisturbed.run(&[], &[]);
    for point in ["after-journal", "after-schema", "after-data:3", "after-index-head"] {
        let lake = OneTable::of(server.uri(), "db", ROW, None);
        assert_eq!(lake.attempt(&[], &[EVERY, ("LAKEFOLD_KILL_AT", point)]).code, 137, "{point}");
        let count = sent(&server);
        let record = lake.run(&[], &[EVERY]);
        assert!(sent(&server) - count < 500, "{point}: {record:#}");
        assert_eq!(record["rows"]["resumed"], DOCUMENTS, "{point}: {record:#}");
        accounted(&record);
        assert_eq!(lake.seen().await, undisturbed.seen().await, "{point}");
        assert_eq!(lake.litter().await, [""; 0], "{point}");
    }
}
