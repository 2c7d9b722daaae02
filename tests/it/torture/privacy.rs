//! Excluded and hashed paths, at any depth and inside arrays: nothing of them is in the lake.

use super::{bytes, dump};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mongod::{Mongod, fresh_database};
use mongodb::bson::{Document, doc};
use std::fs;
use std::path::Path;

const HEADER: &str = "database,collection,timestamp_column,partition_by,exclude,hash\n";

/// The marks of what must not be seen: `gone` is excluded, `hidden` is hashed.
fn documents() -> Vec<Document> {
    vec![
        doc! { "_id": 1, "visits": [{ "notes": { "gone": "gone-1", "kept": "x" }, "doctor": { "phone": ["hidden-1", "hidden-2"] } }, "bare"] },
        doc! { "_id": 2, "visits": { "notes": [{ "gone": ["gone-2"] }, { "kept": "y" }], "doctor": [{ "phone": "hidden-1" }] } },
        doc! { "_id": 3, "visits": [[{ "doctor": { "phone": { "area": "hidden-3" } } }]] },
    ]
}

/// Every byte of a lake, state objects and mails included.
fn everything(folder: &Path, found: &mut Vec<u8>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() { everything(&path, found) } else { found.extend(fs::read(&path).expect("read")) }
    }
}

fn check(place: &Workplace, table: &str) {
    place.run(&["--strict"], 0);
    let table = read_table(&place.lake(), table);
    assert_eq!(table.rows.len(), 3);
    let text = format!("{:?}", table.rows);
    assert!(!text.contains("gone-") && !text.contains("hidden-"), "{text}");
    assert!(!table.types.keys().any(|path| path.contains("gone")), "{:#?}", table.types);
    assert!(text.contains("\"x\"") && text.contains("\"y\"") && text.contains("bare"), "what is beside stays: {text}");
    // Equal values have equal digests, wherever they stand.
    let digests: Vec<&str> = text.split('"').filter(|part| part.len() == 64).collect();
    assert_eq!(digests.len(), 4, "{text}");
    let twins = digests.iter().filter(|digest| **digest == digests[0]).count();
    assert_eq!(twins, 2, "{digests:?}");
    let mut all = Vec::new();
    everything(&place.lake().join("_lakefold"), &mut all);
    everything(&place.path().join("mail"), &mut all);
    for mark in ["gone-", "hidden-"] {
        assert!(!all.windows(mark.len()).any(|window| window == mark.as_bytes()), "{mark} is in a state or a mail");
    }
}

fn workplace(source: &str, database: &str) -> Workplace {
    let row = format!("{database},c,,,visits.notes.gone,visits.doctor.phone\n");
    let place = Workplace::with(&Environment::of(source), &format!("{HEADER}{row}"));
    let environment = fs::read_to_string(place.path().join("env/test.toml")).expect("the environment");
    place.write("env/test.toml", format!("{environment}\n[privacy]\nhash_key = \"a key\"\n"));
    place
}

#[test]
fn paths_inside_arrays_are_excluded_and_hashed_in_a_dump() {
    let place = workplace("dump:source", "h");
    dump(&place, "h/c", &bytes(&documents()));
    check(&place, "h/c");

    // Changing them under a table fails, with the way to rebuild it.
    place.write("collections.csv", format!("{HEADER}h,c,,,visits.notes.gone,visits.doctor\n"));
    let record = place.run(&[], 1);
    let reason = record["collections"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("hash") && reason.contains("--full"), "{reason}");
    place.run(&["--full", "--forget-schema"], 0);
}

#[tokio::test]
async fn paths_inside_arrays_are_excluded_and_hashed_on_a_server() {
    let database = fresh_database("privacy");
    let place = workplace(Mongod::shared().uri(), &database);
    let client = Mongod::shared().client().await;
    client.database(&database).collection::<Document>("c").insert_many(documents()).await.expect("insert");
    check(&place, &format!("{database}/c"));
    client.database(&database).drop().await.expect("drop");
}
