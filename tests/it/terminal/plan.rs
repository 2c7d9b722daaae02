//! `plan`: what a run would do, without doing it.

use super::screen::{fits, shown};
use super::{documents, hospital, manifest, seen};
use crate::cli::{at, dump};
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mongod::{Mongod, fresh_database};
use mongodb::IndexModel;
use mongodb::bson::{DateTime, Document, doc};
use serde_json::{Value, json};
use std::path::Path;

/// Every file below a folder with its length.
fn files(folder: &Path) -> Vec<(String, u64)> {
    let mut pending = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let entry = entry.expect("an entry");
            match entry.metadata().expect("metadata") {
                data if data.is_dir() => pending.push(entry.path()),
                data => found.push((entry.path().display().to_string(), data.len())),
            }
        }
    }
    found.sort();
    found
}

fn plan(place: &Workplace, flags: &[&str]) -> Value {
    let ended = place.lakefold(&[&["plan", "--env", "test", "--json"], flags].concat());
    assert_eq!(ended.code, 0, "{ended}");
    serde_json::from_str(&ended.stdout).expect("JSON")
}

#[test]
fn a_dump_before_and_after_its_first_run() {
    let place = hospital();
    place.write("collections.csv", manifest(&["hospital,gone,updated_at,"]));
    let first = place.lakefold(&["plan", "--env", "test"]);
    assert_eq!(first.code, 0, "{first}");
    seen!("plan_in_a_pipe", first);

    place.run(&[], 1);
    let mut changed = documents(1..=40);
    changed[4].insert("amount", "not known");
    changed[4].insert("updated_at", at("2024-06-02T00:00:00Z"));
    changed
        .push(doc! { "_id": 41, "updated_at": at("2024-06-02T00:00:00Z"), "created_at": at("2024-06-02T00:00:00Z") });
    dump(&place, "hospital", "bills", &changed);
    place.write("source/dump.json", r#"{"started_at": "2024-06-03T00:00:00Z"}"#);
    let before = files(&place.lake());
    let narrow = shown(&place, &["plan", "--env", "test"], 80);
    assert_eq!(narrow.code, 0, "{narrow}");
    fits(&narrow.screen, 80);
    seen!("plan_on_80_columns", narrow);
    let planned = plan(&place, &[]);
    let bills = &planned["collections"][0];
    assert_eq!(bills["retyping"], json!([{ "column": "amount", "from": "bigint", "to": "string" }]), "{bills:#}");
    assert_eq!(bills["partitions"], json!({ "count": 2, "at_least": false, "new": 1 }));
    assert_eq!(files(&place.lake()), before, "a plan changes nothing");

    // What was planned is what is done.
    let record = place.run(&[], 1);
    let done = &record["collections"][0];
    assert_eq!(done["rows"]["read"], bills["documents"], "{done:#}");
    assert_eq!(done["partitions_new"], 1);
    assert_eq!(done["schema_changes"][0]["to"], "string", "{done:#}");
}

#[tokio::test]
async fn a_window_is_counted_over_its_index() {
    let database = fresh_database("plan");
    let rows = [format!("{database},bills,updated_at,date=day(created_at)"), format!("{database},bare,updated_at,")];
    let place = Workplace::with(&Environment::of(Mongod::shared().uri()), &crate::cli::manifest(&rows.join("\n")));
    let client = Mongod::shared().client().await;
    for name in ["bills", "bare"] {
        let collection = client.database(&database).collection::<Document>(name);
        collection.insert_many(documents(1..=40)).await.expect("insert");
    }
    let bills = client.database(&database).collection::<Document>("bills");
    bills.create_index(IndexModel::builder().keys(doc! { "updated_at": 1 }).build()).await.expect("an index");

    let first = plan(&place, &[]);
    assert_eq!(
        (&first["collections"][0]["documents"], &first["collections"][0]["why"]),
        (&json!(40), &json!("first run"))
    );
    assert_eq!(first["seconds"], Value::Null, "no past run tells");
    place.run(&[], 0);
    bills
        .update_many(doc! { "_id": { "$lte": 3 } }, doc! { "$set": { "updated_at": DateTime::now() } })
        .await
        .expect("update");
    let next = plan(&place, &[]);
    let (counted, bare) = (&next["collections"][0], &next["collections"][1]);
    assert_eq!((&counted["mode"], &counted["documents"]), (&json!("incremental"), &json!(3)), "{next:#}");
    assert_eq!(counted["rewrite"]["files"], 1, "{next:#}");
    assert!(counted["seconds"].is_number(), "a past run tells");
    assert_eq!(bare["documents"], Value::Null);
    assert!(bare["notes"][0].as_str().is_some_and(|note| note.contains("no index on updated_at")), "{next:#}");
    let full = plan(&place, &["--full", "--collection", &format!("{database}.bills")]);
    assert_eq!(
        (&full["collections"][0]["mode"], &full["collections"][0]["rewrite"]["files"]),
        (&json!("full"), &json!(5))
    );
}
