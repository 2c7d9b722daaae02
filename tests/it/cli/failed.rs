//! A collection that fails changes nothing, says why and what to do, and the others land (P8): exit 1.

use super::{at, dump, manifest};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use mongodb::bson::{Document, doc};
use serde_json::Value;

fn bill(id: i32) -> Document {
    doc! { "_id": id, "updated_at": at("2024-05-01T10:00:00Z"), "created_at": at("2024-05-01T10:00:00Z"), "amount": id }
}

fn bills(count: i32) -> Vec<Document> {
    (0..count).map(bill).collect()
}

#[track_caller]
fn failed<'a>(record: &'a Value, collection: &str, says: &[&str]) -> &'a Value {
    let all = record["collections"].as_array().expect("collections");
    let one = all.iter().find(|one| one["collection"] == collection).expect("the collection is in the record");
    assert_eq!(one["outcome"], "failed", "{one:#}");
    let reason = one["reason"].as_str().expect("a reason");
    for part in says {
        assert!(reason.contains(part), "the reason does not say {part:?}: {reason}");
    }
    one
}

#[test]
fn a_truncated_dump_fails_alone() {
    let rows = "hospital,bills,updated_at,\nhospital,visits,updated_at,";
    let place = Workplace::with(&Environment::of("dump:source"), &manifest(rows));
    dump(&place, "hospital", "visits", &bills(3));
    let mut bytes = bills(3).iter().flat_map(|bill| bill.to_vec().expect("BSON")).collect::<Vec<u8>>();
    bytes.truncate(bytes.len() - 7);
    place.write("source/hospital/bills.bson", &bytes);

    let record = place.run(&[], 1);
    failed(&record, "bills", &["bills.bson", "cut"]);
    assert_eq!(record["collections"][1]["outcome"], "ok");
    assert_eq!(read_table(&place.lake(), "hospital/bills").rows.len(), 0);
    assert_eq!(read_table(&place.lake(), "hospital/visits").rows.len(), 3);

    dump(&place, "hospital", "bills", &bills(3));
    place.run(&[], 0);
    assert_eq!(read_table(&place.lake(), "hospital/bills").rows.len(), 3);
}

#[test]
fn a_timestamp_path_that_no_document_has() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("hospital,bills,modified.at,"));
    dump(&place, "hospital", "bills", &bills(3));
    failed(&place.run(&[], 1), "bills", &["modified.at", "line 2"]);
    assert_eq!(read_table(&place.lake(), "hospital/bills").rows.len(), 0);
}

#[test]
fn a_partition_path_that_no_document_has() {
    let row = "hospital,bills,updated_at,date=day(made_at)";
    let place = Workplace::with(&Environment::of("dump:source"), &manifest(row));
    dump(&place, "hospital", "bills", &bills(3));
    failed(&place.run(&[], 1), "bills", &["date=day(made_at)", "line 2"]);
}

#[test]
fn a_collection_that_the_source_does_not_have() {
    let rows = "hospital,bills,updated_at,\nhospital,ghosts,updated_at,";
    let place = Workplace::with(&Environment::of("dump:source"), &manifest(rows));
    dump(&place, "hospital", "bills", &bills(3));
    let record = place.run(&[], 1);
    failed(&record, "ghosts", &["hospital.ghosts"]);
    assert_eq!(read_table(&place.lake(), "hospital/bills").rows.len(), 3);
}

/// Files that lakefold did not write are never taken for its own, and never removed by a run that nobody forced.
#[test]
fn a_folder_that_holds_foreign_files() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("hospital,bills,updated_at,"));
    dump(&place, "hospital", "bills", &bills(3));
    place.write("lake/hospital/bills/data.parquet", "somebody's");
    failed(&place.run(&[], 1), "bills", &["hospital/bills"]);
    let left = std::fs::read(place.lake().join("hospital/bills/data.parquet")).expect("the file is still there");
    assert_eq!(left, b"somebody's");

    // Beside files of ours, too: a reader takes every file of the folder for data.
    std::fs::remove_file(place.lake().join("hospital/bills/data.parquet")).expect("take it away");
    place.run(&[], 0);
    place.write("lake/hospital/bills/part-0001.parquet", "somebody's");
    failed(&place.run(&["--full"], 1), "bills", &["part-0001.parquet", "did not write"]);
    assert_eq!(read_table_without(&place, "part-0001.parquet"), 3);
}

/// Rows of the table once that file of its folder is taken away.
fn read_table_without(place: &Workplace, file: &str) -> usize {
    std::fs::remove_file(place.lake().join("hospital/bills").join(file)).expect("take it away");
    read_table(&place.lake(), "hospital/bills").rows.len()
}

#[test]
fn a_full_run_on_a_source_that_lost_most_of_its_documents() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("hospital,bills,updated_at,"));
    dump(&place, "hospital", "bills", &bills(10));
    place.run(&[], 0);
    dump(&place, "hospital", "bills", &bills(4));
    failed(&place.run(&["--full"], 1), "bills", &["6 of", "10 rows", "--allow-shrink"]);
    assert_eq!(read_table(&place.lake(), "hospital/bills").rows.len(), 10);

    let record = place.run(&["--full", "--allow-shrink"], 0);
    assert_eq!(record["collections"][0]["rows"]["deleted"], 6);
    assert_eq!(read_table(&place.lake(), "hospital/bills").rows.len(), 4);
}

#[test]
fn settings_of_a_table_that_exists_do_not_change_silently() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("hospital,bills,updated_at,"));
    dump(&place, "hospital", "bills", &bills(3));
    place.run(&[], 0);
    place.write("collections.csv", manifest("hospital,bills,updated_at,date=day(created_at)"));
    failed(&place.run(&[], 1), "bills", &["partition_by", "--collection hospital.bills --full"]);
    place.run(&["--collection", "hospital.bills", "--full"], 0);
    let table = read_table(&place.lake(), "hospital/bills");
    assert_eq!(table.files.keys().collect::<Vec<_>>(), ["date=2024-05-01"]);
}

/// Digests under two keys cannot be joined: a table has those of one.
#[test]
fn another_hash_key_under_a_table_that_exists_is_noticed() {
    let header = "database,collection,timestamp_column,hash";
    let place =
        Workplace::with(&Environment::of("dump:source"), &format!("{header}\nhospital,bills,updated_at,amount\n"));
    let environment = std::fs::read_to_string(place.path().join("env/test.toml")).expect("the environment");
    let keyed = |key: &str| place.write("env/test.toml", format!("{environment}[privacy]\nhash_key = \"{key}\"\n"));
    dump(&place, "hospital", "bills", &bills(3));
    keyed("key-of-before");
    place.run(&[], 0);
    let digests = |place: &Workplace| -> Vec<Value> {
        read_table(&place.lake(), "hospital/bills").rows.iter().map(|row| row.columns["amount"].clone()).collect()
    };
    let before = digests(&place);

    keyed("key-of-today");
    let record = place.run(&[], 1);
    let one = failed(&record, "bills", &["hash_key", "--collection hospital.bills --full"]);
    assert!(!one.to_string().contains("key-of-"), "{one:#}");
    assert_eq!(place.lakefold(&["check", "--env", "test"]).code, 1);
    assert_eq!(digests(&place), before);
    place.run(&["--collection", "hospital.bills", "--full"], 0);
    let now = digests(&place);
    assert!(now.len() == 3 && now.iter().all(|digest| !before.contains(digest)), "{now:?}");
    place.run(&[], 0);
}

/// The summary says it too, and so does the mail.
#[test]
fn people_are_told_what_failed() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("hospital,bills,modified_at,"));
    dump(&place, "hospital", "bills", &bills(3));
    let ended = place.lakefold(&["run", "--env", "test"]);
    assert_eq!(ended.code, 1, "{ended}");
    assert!(ended.stdout.contains("hospital.bills") && ended.stdout.contains("modified_at"), "{ended}");
    let mails: Vec<_> = std::fs::read_dir(place.path().join("mail")).expect("the mail folder").collect();
    assert_eq!(mails.len(), 1);
}
