//! Excluded and hashed paths, at any depth and inside arrays: nothing of them is in the lake.

use super::{bytes, dump};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mongod::{Mongod, fresh_database};
use mongodb::bson::{Document, doc};
use serde_json::Value;
use std::collections::BTreeSet;
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
    with_row(source, &format!("{database},c,,,visits.notes.gone,visits.doctor.phone"))
}

fn with_row(source: &str, row: &str) -> Workplace {
    let place = Workplace::with(&Environment::of(source), &format!("{HEADER}{row}\n"));
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

/// The command that the refusal prints rebuilds the table, and nobody has to know that there is a `--forget-schema`.
#[test]
fn what_is_excluded_or_hashed_afterwards_is_gone_after_the_printed_command() {
    let place = with_row("dump:source", "h,c,,,,");
    dump(&place, "h/c", &bytes(&documents()));
    place.run(&["--strict"], 0);
    let before = read_table(&place.lake(), "h/c").types;
    assert!(["gone", "area"].iter().all(|name| before.keys().any(|path| path.contains(name))), "{before:#?}");

    place.write("collections.csv", format!("{HEADER}h,c,,,visits.notes.gone,visits.doctor.phone\n"));
    let ended = place.lakefold(&printed(&place.run(&[], 1)));
    assert_eq!(ended.code, 0, "{ended}");

    let table = read_table(&place.lake(), "h/c");
    let text = format!("{:?}", table.rows);
    assert!(!text.contains("gone-") && !text.contains("hidden-"), "{text}");
    assert!(text.contains("\"x\"") && text.contains("\"y\"") && text.contains("bare"), "{text}");
    let schema = fs::read_to_string(place.lake().join("_lakefold/schemas/h/c.json")).expect("the schema");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let said = |arguments: &[&str]| {
        let ended = place.lakefold(&[&["schema", "h.c", "--env", "test"], arguments].concat());
        assert_eq!(ended.code, 0, "{ended}");
        ended.stdout
    };
    let named = [
        format!("{:?}", table.types),
        format!("{} {} {}", schema["seen"], schema["columns"], schema["history"]),
        said(&["--ddl"]),
        said(&["--json"]),
    ];
    for text in &named {
        assert!(text.contains("kept") && text.contains("phone"), "{text}");
    }
    for text in named.iter().chain([&said(&["--views"])]) {
        assert!(!text.contains("gone") && !text.contains("area"), "{text}");
    }
}

/// What earlier runs have kept byte for byte holds the values too.
#[test]
fn what_is_hashed_afterwards_is_in_no_quarantine_after_the_printed_command() {
    let place = with_row("dump:source", "h,c,,,,");
    dump(&place, "h/c", &[bytes(&documents()), vec![damaged()]].concat());
    let quarantine = place.lake().join("_lakefold/quarantine/h/c");
    let kept = |record: &Value, extension: &str| {
        quarantine.join(record["run_id"].as_str().expect("a run")).with_extension(extension).exists()
    };
    let first = place.run(&[], 0);
    assert!(kept(&first, "bson"));

    place.write("collections.csv", format!("{HEADER}h,c,,,,visits.doctor.phone\n"));
    let ended = place.lakefold(&printed(&place.run(&[], 1)));
    assert_eq!(ended.code, 0, "{ended}");
    assert!(!kept(&first, "bson") && kept(&first, "jsonl"), "the reason stays");
    let mut all = Vec::new();
    everything(&place.lake(), &mut all);
    assert!(!all.windows(7).any(|window| window == b"hidden-"), "the lake holds what is hashed");
}

/// A document with both marks that cannot be read.
fn damaged() -> Vec<u8> {
    let visits = doc! { "notes": { "gone": "gone-9" }, "doctor": { "phone": "hidden-9" } };
    let mut damaged = doc! { "_id": 9, "visits": visits, "note": "broken" }.to_vec().expect("BSON");
    let at = damaged.windows(6).position(|six| six == b"broken").expect("the note");
    damaged[at] = 0xff;
    damaged
}

/// The arguments of the command that the refusal of a record prints.
fn printed(record: &Value) -> Vec<&str> {
    let reason = record["collections"][0]["reason"].as_str().expect("a reason");
    let command = reason.lines().map(str::trim).find(|line| line.starts_with("lakefold run")).expect("a command");
    assert!(command.ends_with(" --full"), "{command}");
    command.split(' ').skip(1).collect()
}

/// Where something stands in a document that cannot be read, nobody knows.
#[test]
fn damaged_documents_leave_nothing_of_what_is_hashed_or_excluded() {
    for row in ["h,c,,,,visits.doctor.phone", "h,c,,,visits.notes.gone,"] {
        let place = with_row("dump:source", row);
        let damaged = damaged();
        let length = damaged.len();
        dump(&place, "h/c", &[bytes(&documents()), vec![damaged]].concat());

        let mut digests = BTreeSet::new();
        for _ in 0..2 {
            let record = place.run(&[], 0);
            assert_eq!(record["collections"][0]["rows"]["quarantined"], 1, "{record:#}");
            let run = record["run_id"].as_str().expect("a run");
            let kept = place.lake().join("_lakefold/quarantine/h/c").join(run);
            assert!(!kept.with_extension("bson").exists());
            let lines = fs::read_to_string(kept.with_extension("jsonl")).expect("its reasons");
            let line: Value = serde_json::from_str(&lines).expect("one line");
            assert_eq!((&line["raw"], &line["length"]), (&false.into(), &length.into()), "{line}");
            assert!(line["reason"].as_str().is_some_and(|reason| reason.contains("UTF-8")), "{line}");
            let digest = line["digest"].as_str().expect("a digest").to_owned();
            assert_eq!(digest.len(), 8, "{line}");
            digests.insert(digest);
        }
        assert_eq!(digests.len(), 1, "one document is known by one digest: {digests:?}");
        let mut all = Vec::new();
        everything(&place.lake(), &mut all);
        everything(&place.path().join("mail"), &mut all);
        for mark in ["gone-9", "hidden-9"] {
            assert!(!all.windows(mark.len()).any(|window| window == mark.as_bytes()), "{row}: {mark} is in the lake");
        }
    }
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
