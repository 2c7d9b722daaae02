//! Runs that succeed: what they read, what they leave alone, what they tell.

use super::{at, collection, manifest};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mongod::{Mongod, fresh_database};
use mongodb::bson::{DateTime, Document, doc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

/// Ten days with ten bills each, all long ago.
fn bills() -> Vec<Document> {
    (0..100)
        .map(|id| {
            let day = at(&format!("2024-05-{:02}T10:00:00Z", id / 10 + 1));
            doc! { "_id": id, "updated_at": day, "created_at": day, "amount": id }
        })
        .collect()
}

/// A workplace on a fresh database of the shared server with `bills` in it.
async fn hospital(rows: &[&str]) -> (Workplace, String) {
    let database = fresh_database("runs");
    let rows: Vec<String> = rows.iter().map(|row| format!("{database},{row}")).collect();
    let place = Workplace::with(&Environment::of(Mongod::shared().uri()), &manifest(&rows.join("\n")));
    collection(&database, "bills").await.insert_many(bills()).await.expect("insert");
    (place, database)
}

/// Inode, modification time and length of every file below the lake's tables.
fn identity(place: &Workplace, table: &str) -> BTreeMap<String, (u64, i64, i64, u64)> {
    let files = read_table(&place.lake(), table).files;
    files
        .into_iter()
        .map(|(partition, path)| {
            let file = std::fs::metadata(path).expect("a data file");
            (partition, (file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
        })
        .collect()
}

#[tokio::test]
async fn nothing_new_writes_nothing_and_says_so() {
    let (place, database) = hospital(&["bills,updated_at,date=day(created_at)"]).await;
    place.run(&[], 0);
    let before = identity(&place, &format!("{database}/bills"));

    let record = place.run(&[], 0);
    let bills = &record["collections"][0];
    assert_eq!((&bills["outcome"], &bills["rows"]["read"]), (&json!("idle"), &json!(0)), "{bills:#}");
    assert_eq!(bills["files"], json!({ "written": 0, "deleted": 0, "retyped": 0 }));
    assert_eq!(identity(&place, &format!("{database}/bills")), before);
    let said = place.lakefold(&["run", "--env", "test"]);
    assert!(said.stdout.contains("idle") || said.stdout.contains("nothing new"), "{said}");
}

#[tokio::test]
async fn one_changed_document_rewrites_one_file() {
    let (place, database) = hospital(&["bills,updated_at,date=day(created_at)"]).await;
    place.run(&[], 0);
    let before = identity(&place, &format!("{database}/bills"));
    let change = doc! { "$set": { "amount": 999, "updated_at": DateTime::now() } };
    collection(&database, "bills").await.update_one(doc! { "_id": 42 }, change).await.expect("update");

    let record = place.run(&[], 0);
    let bills = &record["collections"][0];
    assert_eq!(bills["mode"], "incremental");
    assert_eq!(bills["rows"]["read"], 1, "{bills:#}");
    assert_eq!(bills["rows"]["updated"], 1);
    assert_eq!(bills["files"]["written"], 1);
    let after = identity(&place, &format!("{database}/bills"));
    let touched: Vec<&String> = after.iter().filter(|(day, file)| before[*day] != **file).map(|(day, _)| day).collect();
    assert_eq!(touched, ["date=2024-05-05"]);
}

#[tokio::test]
async fn a_document_that_moves_leaves_its_old_partition() {
    let (place, database) = hospital(&["bills,updated_at,date=day(created_at)"]).await;
    collection(&database, "bills")
        .await
        .insert_one(
            doc! { "_id": 1000, "updated_at": at("2024-06-01T00:00:00Z"), "created_at": at("2024-06-01T00:00:00Z") },
        )
        .await
        .expect("insert");
    place.run(&[], 0);
    let change = doc! { "$set": { "created_at": at("2024-05-01T00:00:00Z"), "updated_at": DateTime::now() } };
    collection(&database, "bills").await.update_one(doc! { "_id": 1000 }, change).await.expect("update");

    let record = place.run(&[], 0);
    let bills = &record["collections"][0];
    assert_eq!((&bills["rows"]["updated"], &bills["rows"]["moved"]), (&json!(1), &json!(1)), "{bills:#}");
    assert_eq!(bills["files"]["deleted"], 1, "a partition without rows loses its file");
    let table = read_table(&place.lake(), &format!("{database}/bills"));
    let places: Vec<&str> =
        table.rows.iter().filter(|row| row.columns["_id"] == 1000).map(|row| row.partition.as_str()).collect();
    assert_eq!(places, ["date=2024-05-01"]);
    assert!(!table.files.contains_key("date=2024-06-01"));
}

#[tokio::test]
async fn one_collection_is_rebuilt_and_the_other_left_alone() {
    let (place, database) = hospital(&["bills,updated_at,date=day(created_at)", "visits,updated_at,"]).await;
    collection(&database, "visits").await.insert_many(bills()).await.expect("insert");
    place.run(&[], 0);
    let visits = identity(&place, &format!("{database}/visits"));
    // Changes that no window sees.
    let target = collection(&database, "bills").await;
    target.update_one(doc! { "_id": 7 }, doc! { "$set": { "amount": -1 } }).await.expect("update");
    target.delete_one(doc! { "_id": 8 }).await.expect("delete");

    let record = place.run(&["--collection", &format!("{database}.bills"), "--full"], 0);
    let all = record["collections"].as_array().expect("collections");
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["mode"], "full");
    assert_eq!(
        all[0]["rows"],
        json!({ "read": 99, "inserted": 0, "updated": 1, "unchanged": 98, "superseded": 0, "quarantined": 0, "moved": 0, "deleted": 1 })
    );
    let amounts: BTreeMap<i64, Value> = read_table(&place.lake(), &format!("{database}/bills"))
        .rows
        .into_iter()
        .map(|row| (row.columns["_id"].as_i64().expect("an integer"), row.columns["amount"].clone()))
        .collect();
    assert_eq!((amounts.len(), &amounts[&7], amounts.get(&8)), (99, &json!(-1), None));
    assert_eq!(identity(&place, &format!("{database}/visits")), visits);
}

#[tokio::test]
async fn a_dry_run_reads_all_and_writes_nothing() {
    let (place, database) = hospital(&["bills,updated_at,date=day(created_at)"]).await;
    let record = place.run(&["--dry-run"], 0);
    assert_eq!(record["dry_run"], true);
    assert_eq!(record["collections"][0]["rows"]["inserted"], 100, "{record:#}");
    assert_eq!(read_table(&place.lake(), &format!("{database}/bills")).files.len(), 0);
    assert!(!place.path().join("mail").exists(), "a dry run mails nothing");
    let record = place.run(&[], 0);
    assert_eq!(record["collections"][0]["mode"], "full", "the dry run left no watermark");
}

/// The names are what other programs rely on.
#[tokio::test]
async fn the_record_has_its_shape_and_lies_in_the_lake() {
    let (place, database) = hospital(&["bills,updated_at,date=day(created_at)"]).await;
    let record = place.run(&[], 0);
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&record),
        [
            "catalog",
            "collections",
            "environment",
            "exit_code",
            "finished_at",
            "format",
            "notifications",
            "requests",
            "run_id",
            "started_at"
        ]
    );
    assert_eq!(
        (&record["format"], &record["exit_code"], &record["environment"]),
        (&json!(1), &json!(0), &json!("test"))
    );
    let bills = &record["collections"][0];
    let expected = [
        "bytes",
        "collection",
        "database",
        "files",
        "misfits",
        "mode",
        "outcome",
        "partitions_new",
        "reason",
        "retries",
        "rows",
        "schema_changes",
        "seconds",
        "watermark",
        "window_from",
    ];
    let found = keys(bills);
    let missing: Vec<&&str> = expected.iter().filter(|key| !found.contains(&(**key).to_owned())).collect();
    assert!(missing.is_empty(), "missing {missing:?}: {bills:#}");
    assert_eq!(keys(&bills["rows"]).len(), 8);
    assert_eq!((&bills["database"], &bills["partitions_new"]), (&json!(database), &json!(10)));
    assert_eq!(bills["rows"]["inserted"], 100);
    assert!(bills["bytes"]["read"].as_u64() > Some(0) && bills["bytes"]["written"].as_u64() > Some(0));
    let change = &bills["schema_changes"][0];
    assert_eq!(keys(change), ["column", "count", "example_ids", "from", "path", "to"]);
    assert_eq!(record["notifications"], json!([{ "channel": "mail", "outcome": "sent" }]));

    let run_id = record["run_id"].as_str().expect("a run id");
    assert!(run_id.len() == 23 && run_id.as_bytes()[8] == b'T' && run_id.as_bytes()[15] == b'Z', "{run_id}");
    let stored = std::fs::read(place.lake().join(format!("_lakefold/runs/{run_id}.json"))).expect("the stored record");
    assert_eq!(serde_json::from_slice::<Value>(&stored).expect("JSON"), record);
    let mail = std::fs::read_to_string(place.path().join(format!("mail/{run_id}.eml"))).expect("the mail");
    for part in ["To: data@example.org", "From: lake@example.org", "text/plain", "text/html", "bills"] {
        assert!(mail.contains(part), "the mail lacks {part:?}:\n{mail}");
    }
}

#[tokio::test]
async fn status_and_query_answer_from_the_lake() {
    let (place, database) = hospital(&["bills,updated_at,date=day(created_at)"]).await;
    let run = place.run(&[], 0);
    let ended = place.lakefold(&["status", "--env", "test", "--json"]);
    assert_eq!(ended.code, 0, "{ended}");
    let status: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&status[0]["rows"], &status[0]["files"]), (&json!(100), &json!(10)), "{status:#}");
    assert_eq!(status[0]["last"], json!({ "run_id": run["run_id"], "outcome": "ok", "reason": null }));
    assert_eq!((&status[0]["litter"], &status[0]["lease"]), (&json!([]), &Value::Null));

    let sql = format!(
        "SELECT date, count(*) AS n FROM {database}.bills WHERE date >= '2024-05-09' GROUP BY date ORDER BY date"
    );
    let ended = place.lakefold(&["query", "--env", "test", "--format", "csv", "-e", &sql]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "date,n\n2024-05-09,10\n2024-05-10,10\n"), "{ended}");
}
