//! `check`: everything at once, a mark for each, one verdict.

use super::screen::{fits, shown};
use super::{documents, hospital, manifest, seen};
use crate::support::free_port;
use crate::support::lakefold::{Ended, Environment, Workplace};
use crate::support::mongod::{Mongod, fresh_database};
use crate::support::s3::{BUCKET, S3};
use mongodb::bson::{Document, doc};
use serde_json::Value;

#[test]
fn all_is_well_and_then_it_is_not() {
    let place = hospital();
    let well = place.lakefold(&["check", "--env", "test"]);
    assert_eq!(well.code, 0, "{well}");
    seen!("check_in_a_pipe", well);
    let left: Vec<_> = std::fs::read_dir(place.lake().join("_lakefold")).into_iter().flatten().flatten().collect();
    let left: Vec<_> = left.iter().map(|entry| entry.file_name()).filter(|name| name == "check").collect();
    assert!(left.is_empty() || std::fs::read_dir(place.lake().join("_lakefold/check")).expect("a folder").count() == 0);

    place.run(&[], 0);
    place.write(
        "collections.csv",
        "database,collection,timestamp_column,partition_by,hash\n\
         hospital,bills,updatedAt,date=day(created_at),\n\
         hospital,wards,updated_at,,nmae\n\
         hospital,ward,updated_at,,\n",
    );
    place.write(
        "env/test.toml",
        "[source]\nuri = \"dump:source\"\n[lake]\nurl = \"file:lake\"\n[privacy]\nhash_key = \"k\"\n[mail]\n\
         transport = \"file\"\ndir = \"collections.csv\"\nfrom = \"a@b.c\"\nto = [\"a@b.c\"]\n",
    );
    let narrow = shown(&place, &["check", "--env", "test"], 80);
    assert_eq!(narrow.code, 1, "{narrow}");
    fits(&narrow.screen, 80);
    seen!("check_on_80_columns", narrow);
}

#[tokio::test]
async fn a_window_without_an_index_fails_its_row() {
    let database = fresh_database("check");
    let rows = format!("{database},bills,updated_at,date=day(created_at)");
    let place = Workplace::with(&Environment::of(Mongod::shared().uri()), &crate::cli::manifest(&rows));
    let client = Mongod::shared().client().await;
    let bills = client.database(&database).collection::<Document>("bills");
    bills.insert_many(documents(1..=40)).await.expect("insert");
    let subject = format!("{database}.bills");
    let ended = place.lakefold(&["check", "--env", "test", "--json"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert!(ended.marks(&subject).contains(&("index", "failed")), "{ended}");
    assert_eq!(ended.marks("clocks"), [("source", "ok")], "{ended}");

    // The hint is the command that mends it.
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let hint = report["findings"].as_array().expect("findings").iter().find(|f| f["what"] == "index").expect("it");
    let expected =
        format!("db.getSiblingDB(\"{database}\").getCollection(\"bills\").createIndex({{\"updated_at\":1}})");
    assert_eq!(hint["hint"], expected.as_str());
    let command = doc! { "createIndexes": "bills", "indexes": [{ "key": { "updated_at": 1 }, "name": "u" }] };
    client.database(&database).run_command(command).await.expect("the index");
    let ended = place.lakefold(&["check", "--env", "test", "--json"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert_eq!(ended.marks(&subject).len(), 4, "{ended}");
}

/// Everything unreachable is told in one go, and the exit code says that nothing can run.
#[test]
fn nobody_answers_and_the_lake_is_a_file() {
    let uri = format!("mongodb://reader:hunter2@127.0.0.1:{}/?serverSelectionTimeoutMS=300", free_port());
    let place = Workplace::with(&Environment::of(&uri), &manifest(&[]));
    place.write("lake", "in the way");
    let ended = place.lakefold(&["check", "--env", "test", "--json"]);
    assert_eq!(ended.code, 3, "{ended}");
    assert_eq!(ended.marks("source"), [("connect", "failed")]);
    assert_eq!(ended.marks("lake"), [("connect", "failed")]);
    assert_eq!(ended.marks("hospital.bills"), [("row", "skipped")]);
    assert!(!ended.stdout.contains("hunter2"), "{ended}");
}

/// On a store that does as S3 does, also the condition of writes and its clock are looked at, and nothing is left.
#[test]
fn a_bucket_is_written_read_and_cleared() {
    let server = S3::seaweed();
    let place = hospital();
    place.write(
        "env/test.toml",
        format!("[source]\nuri = \"dump:source\"\n[lake]\nurl = \"s3://{BUCKET}/checked\"\npath_style = true\n"),
    );
    let run = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.envs(server.variables());
        Ended::of(command.output().expect("start lakefold"))
    };
    let ended = run(&["check", "--env", "test", "--json"]);
    assert_eq!(ended.code, 0, "{ended}");
    let all = ["connect", "write", "condition", "read", "list", "delete", "lease"];
    assert_eq!(ended.marks("lake"), all.map(|what| (what, "ok")), "{ended}");
    assert_eq!(ended.marks("clocks"), [("lake", "ok")], "{ended}");
    assert_eq!(run(&["status", "--env", "test"]).code, 0);
}
