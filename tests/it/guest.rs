//! lakefold as a guest at the source: what it costs, who it says it is, and what it tells when something is late.

use crate::support::eml;
use crate::support::lakefold::{Ended, Environment, Workplace};
use crate::support::mongod::{Mongod, fresh_database};
use futures::TryStreamExt;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::{Collection, Database};
use std::collections::BTreeSet;
use std::time::Instant;

async fn database() -> Database {
    Mongod::shared().client().await.database(&fresh_database("guest"))
}

fn document(id: i32, bytes: usize) -> Document {
    doc! { "_id": id, "updated_at": DateTime::now(), "padding": "x".repeat(bytes) }
}

/// The environment, with more lines in `[source]`, and a manifest.
fn place(source: &str, manifest: &str) -> Workplace {
    let place = Workplace::with(&Environment::of(Mongod::shared().uri()), manifest);
    let path = place.path().join("env/test.toml");
    let text = std::fs::read_to_string(&path).expect("the environment");
    place.write("env/test.toml", text.replace("[lake]", &format!("{source}\n[lake]")));
    place
}

async fn touch(collection: &Collection<Document>) {
    let change = doc! { "$set": { "updated_at": DateTime::now() } };
    collection.update_many(doc! {}, change).await.expect("update");
}

/// Summary, mail and record name it, with the command that mends it; typed in, it does.
#[tokio::test]
async fn a_window_without_an_index_is_named_with_the_command_that_makes_one() {
    let database = database().await;
    let documents = database.collection::<Document>("odd-name.bills");
    documents.insert_many((0..20).map(|id| document(id, 10))).await.expect("insert");
    let manifest = format!("database,collection,timestamp_column\n{},odd-name.bills,updated_at\n", database.name());
    let place = place("", &manifest);
    let first = place.run(&[], 0);
    assert_eq!(first["collections"][0].get("warnings"), None, "a full read needs none: {first:#}");

    touch(&documents).await;
    let ended = place.lakefold(&["run", "--env", "test"]);
    let name = database.name();
    let command =
        format!(r#"db.getSiblingDB("{name}").getCollection("odd-name.bills").createIndex({{"updated_at":1}})"#);
    assert!(ended.stdout.contains(&command), "{ended}");
    let mails = eml::texts(&place.path().join("mail"));
    assert!(mails.iter().any(|mail| mail.contains(&command)), "{mails:#?}");
    // An idle window costs the server as much.
    let idle = place.run(&[], 0);
    assert_eq!(idle["collections"][0]["outcome"], "idle");
    assert!(idle["collections"][0]["warnings"][0].as_str().expect("a warning").contains(&command), "{idle:#}");

    let (_, keys) = command.split_once("createIndex(").expect("keys");
    let keys: Document = serde_json::from_str(keys.trim_end_matches(')')).expect("JSON");
    documents.create_index(mongodb::IndexModel::builder().keys(keys).build()).await.expect("index");
    touch(&documents).await;
    let record = place.run(&[], 0);
    assert_eq!(record["collections"][0].get("warnings"), None, "{record:#}");
    assert_eq!(record["collections"][0]["rows"]["read"], 20);
    database.drop().await.expect("drop");
}

/// An index may leave documents out for a field that is not the timestamp: no window is read over it, and the warning
/// asks for another.
#[tokio::test]
async fn an_index_that_leaves_documents_out_serves_no_window() {
    // More than are read at a glance, which leaves the choice of the index to the server.
    const DOCUMENTS: i32 = 3000;
    let database = database().await;
    let documents = database.collection::<Document>("c");
    let some_placed = |id: i32| {
        let mut document = document(id, 10);
        if id % 3 == 0 {
            document.insert("location", doc! { "type": "Point", "coordinates": [f64::from(id % 90), 10.5] });
        }
        document
    };
    documents.insert_many((0..DOCUMENTS).map(some_placed)).await.expect("insert");
    let keys = doc! { "updated_at": 1, "location": "2dsphere" };
    documents.create_index(mongodb::IndexModel::builder().keys(keys).build()).await.expect("index");
    let place = place("", &format!("database,collection,timestamp_column\n{},c,updated_at\n", database.name()));
    place.run(&[], 0);
    touch(&documents).await;
    let record = place.run(&[], 0);
    let collection = &record["collections"][0];
    assert_eq!(collection["rows"]["updated"], DOCUMENTS, "{record:#}");
    let warning = collection["warnings"][0].as_str().expect("a warning");
    assert!(warning.contains("no index on updated_at") && warning.contains("createIndex"), "{record:#}");
    database.drop().await.expect("drop");
}

/// The bound holds for all collections of a run together.
#[tokio::test]
async fn a_rate_is_kept_by_all_collections_together() {
    let database = database().await;
    let mut manifest = "database,collection,timestamp_column\n".to_owned();
    for name in ["a", "b"] {
        database.collection(name).insert_many((0..300).map(|id| document(id, 10_000))).await.expect("insert");
        manifest += &format!("{},{name},updated_at\n", database.name());
    }
    let seconds = |source: &str| {
        let started = Instant::now();
        let record = place(source, &manifest).run(&[], 0);
        assert!(record["collections"].as_array().expect("collections").iter().all(|one| one["retries"] == 0));
        started.elapsed().as_secs_f64()
    };
    // 6 MB at 2 MB a second, less the second that may be used at once.
    let (bound, free) = (seconds("rate = \"2MB\""), seconds(""));
    assert!(bound >= 2.0 && bound >= free + 1.0, "{bound} s with a rate, {free} s without");
    database.drop().await.expect("drop");
}

/// Whoever looks at the server's profiler or at `currentOp` finds every query of the run by its comment and its name.
#[tokio::test]
async fn every_query_says_whose_it_is() {
    let database = database().await;
    let documents = database.collection::<Document>("c");
    documents.insert_many((0..12_000).map(|id| document(id, 300))).await.expect("insert");
    database.run_command(doc! { "profile": 2 }).await.expect("profile");
    let manifest = format!("database,collection,timestamp_column\n{},c,updated_at\n", database.name());
    let place = place("", &manifest);
    let full = place.run(&[], 0);
    touch(&documents).await;
    let window = place.run(&[], 0);
    database.run_command(doc! { "profile": 0 }).await.expect("profile");

    let profile = database.collection::<Document>("system.profile");
    let ours = profile.find(doc! { "appName": { "$regex": "^lakefold" } }).await.expect("find");
    let profile: Vec<Document> = ours.try_collect().await.expect("read");
    let mut comments = BTreeSet::new();
    let mut operations = BTreeSet::new();
    for entry in &profile {
        let command = entry.get_document("command").expect("a command");
        operations.insert(command.keys().next().cloned().unwrap_or_default());
        comments.insert(command.get_str("comment").unwrap_or_else(|_| panic!("no comment: {command}")).to_owned());
    }
    let runs = [&full, &window].map(|record| format!("lakefold/{}", record["run_id"].as_str().expect("a run")));
    assert_eq!(comments, BTreeSet::from(runs));
    for operation in ["find", "getMore", "aggregate", "listIndexes"] {
        assert!(operations.contains(operation), "{operation} is not among {operations:?}");
    }
    database.drop().await.expect("drop");
}

/// `max_lag` of the manifest: a warning in summary, mail and record, and exit 1 of `status`, whatever the reason is.
#[tokio::test]
async fn a_collection_that_lags_too_much_is_told() {
    let database = database().await;
    let documents = database.collection::<Document>("c");
    documents.insert_one(document(1, 1)).await.expect("insert");
    let manifest = |max_lag: &str| {
        format!("database,collection,timestamp_column,max_lag\n{},c,updated_at,{max_lag}\n", database.name())
    };
    let place = place("", &manifest("90m"));
    let status = || place.lakefold(&["status", "--env", "test"]);
    let never = status();
    never.refused(1, &["was never read to its end", "max_lag is 1h 30m"]);
    place.run(&[], 0);
    assert_eq!(status().code, 0);

    // Two hours ago.
    let path = place.lake().join(format!("_lakefold/watermarks/{}/c.csv", database.name()));
    let text = std::fs::read_to_string(&path).expect("the watermark file");
    let watermark = text.lines().last().and_then(|line| line.split(',').nth(4)).expect("a watermark");
    let time = chrono::DateTime::parse_from_rfc3339(watermark).expect("a time") - chrono::TimeDelta::hours(2);
    let earlier = time.with_timezone(&chrono::Utc).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    std::fs::write(&path, text.replace(watermark, &earlier)).expect("write it");
    documents.drop().await.expect("drop");

    let late = |ended: &Ended| ended.stdout.contains("2h") && ended.stdout.contains("behind, more than max_lag 1h 30m");
    let ended = place.lakefold(&["run", "--env", "test"]);
    assert!(ended.code == 1 && late(&ended), "{ended}");
    let mails = eml::texts(&place.path().join("mail"));
    assert!(mails.iter().any(|mail| mail.contains("behind, more than max_lag 1h 30m")), "{mails:#?}");
    status().refused(1, &["behind, more than max_lag 1h 30m"]);

    place.write("collections.csv", manifest("3h"));
    assert_eq!(status().code, 0, "within its limit");
    place.write("collections.csv", manifest("soon"));
    status().refused(2, &["max_lag", "`soon` is no length of time"]);
    database.drop().await.expect("drop");
}
