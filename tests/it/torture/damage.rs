//! Damaged documents: into the quarantine byte for byte, with their reasons, counted, and the run goes on; or it fails,
//! when it is told to be strict.

use super::{UTC, by_id, bytes, dump, holds, manifest};
use crate::fuzz::{Corpus, Element, Value as Bytes, write};
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mongod::{Mongod, fresh_database};
use mongodb::bson::{Document, RawDocumentBuf, doc};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// Documents of the corpus that end where their length says, and hold damage or no usable id.
fn damaged() -> Vec<Vec<u8>> {
    let framed = |bytes: &Vec<u8>| {
        let length = bytes.first_chunk().map(|prefix| i32::from_le_bytes(*prefix) as usize);
        length == Some(bytes.len()) && bytes.len() > 4 && bytes.ends_with(&[0])
    };
    let corpus = Corpus::load();
    let wrong = |name: &str| name.starts_with("damage_") || name.starts_with("id_") || name == "too_deep";
    let cases = corpus.cases().filter(|(name, _)| wrong(name));
    let found: Vec<Vec<u8>> = cases.flat_map(|(_, case)| case).filter(|bytes| framed(bytes)).cloned().collect();
    assert!(found.len() >= 18, "{} damaged documents", found.len());
    found
}

/// The documents of a quarantine, from its index, with their reasons.
fn quarantine(place: &Workplace, table: &str, run: &Value) -> Vec<(Vec<u8>, String)> {
    let run = run["run_id"].as_str().expect("a run");
    let at =
        |extension: &str| -> PathBuf { place.lake().join(format!("_lakefold/quarantine/{table}/{run}.{extension}")) };
    let bytes = fs::read(at("bson")).expect("the quarantine");
    let lines = fs::read_to_string(at("jsonl")).expect("its reasons");
    lines
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let number = |key: &str| line[key].as_u64().expect("a number") as usize;
            let document = bytes[number("offset")..number("offset") + number("length")].to_vec();
            (document, line["reason"].as_str().expect("a reason").to_owned())
        })
        .collect()
}

#[test]
fn what_is_damaged_is_quarantined_byte_for_byte_and_the_rest_lands() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,at,\nh,other,,"));
    let sound = [doc! { "_id": 1, "a": "x", "at": 5_i64 }, doc! { "_id": 2, "a": { "b": 1 } }];
    let damaged = damaged();
    let [first, second] = &bytes(&sound)[..] else { unreachable!() };
    let all = [&[first.clone()][..], &damaged, std::slice::from_ref(second)].concat();
    dump(&place, "h/c", &all);
    dump(&place, "h/other", &bytes(&sound));

    // Strict: the collection fails and says how many and why, the other lands, nothing is written for it.
    let record = place.run(&["--strict"], 1);
    let [strict, other] = &record["collections"].as_array().expect("two")[..] else { panic!("{record:#}") };
    let reason = strict["reason"].as_str().expect("a reason");
    assert!(reason.contains(&format!("{} documents cannot be read", damaged.len())), "{reason}");
    assert_eq!((&strict["outcome"], &other["outcome"]), (&"failed".into(), &"ok".into()));
    assert!(!place.lake().join("h/c").exists());

    let record = place.run(&[], 0);
    let rows = &record["collections"][0]["rows"];
    assert_eq!((&rows["read"], &rows["inserted"]), (&(all.len() as u64).into(), &2.into()), "{record:#}");
    assert_eq!(rows["quarantined"], damaged.len() as u64);
    holds(&place, "h/c", UTC, &by_id(&sound));
    let kept = quarantine(&place, "h/c", &record);
    assert_eq!(kept.iter().map(|(document, _)| document.clone()).collect::<Vec<_>>(), damaged);
    let reasons: Vec<&str> = kept.iter().map(|(_, reason)| reason.as_str()).collect();
    for said in ["not valid UTF-8", "a length prefix", "ends inside", "unknown BSON type", "boolean", "_id", "deeper"] {
        assert!(reasons.iter().any(|reason| reason.contains(said)), "{said}: {reasons:#?}");
    }
}

/// What a window leaves out must not be left out because it could not be read.
#[test]
fn damage_before_the_modified_time_is_not_taken_for_an_old_document() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,at,"));
    let at = |time: &str| mongodb::bson::DateTime::parse_rfc3339_str(time).expect("a time");
    let old = doc! { "_id": 1, "at": at("2024-05-01T00:00:00Z") };
    place.write("source/dump.json", r#"{"started_at": "2024-05-02T00:00:00Z"}"#);
    dump(&place, "h/c", &bytes(std::slice::from_ref(&old)));
    place.run(&[], 0);
    let text = |value: &[u8]| Bytes::Bytes([&(value.len() as i32 + 1).to_le_bytes()[..], value, b"\0"].concat());
    let field = |tag, key: &str, value| Element { tag, key: key.as_bytes().to_vec(), value };
    let damaged = write(&[
        field(0x10, "_id", Bytes::Bytes(vec![2, 0, 0, 0])),
        field(0x02, "note", text(b"\xff\xfe")),
        field(0x09, "at", Bytes::Bytes(at("2024-05-03T00:00:00Z").timestamp_millis().to_le_bytes().to_vec())),
    ]);
    let cut = write(&[
        field(0x10, "_id", Bytes::Bytes(vec![3, 0, 0, 0])),
        field(0x02, "note", Bytes::Bytes(vec![99, 0, 0, 0, b'x', 0])),
        field(0x09, "at", Bytes::Bytes(at("2024-05-03T00:00:00Z").timestamp_millis().to_le_bytes().to_vec())),
    ]);
    place.write("source/dump.json", r#"{"started_at": "2024-05-04T00:00:00Z"}"#);
    let documents = [bytes(&[old]), vec![damaged.clone(), cut.clone()]].concat();
    dump(&place, "h/c", &documents);
    let record = place.run(&[], 0);
    let kept: Vec<Vec<u8>> = quarantine(&place, "h/c", &record).into_iter().map(|(document, _)| document).collect();
    assert_eq!(kept, [damaged, cut]);
}

/// A server stores texts that are no UTF-8 without a word.
#[tokio::test]
async fn a_server_can_hold_damage_too() {
    let database = fresh_database("damage");
    let rows = format!("{database},c,,");
    let place = Workplace::with(&Environment::of(Mongod::shared().uri()), &manifest(&rows));
    let db = Mongod::shared().client().await.database(&database);
    db.collection::<Document>("c").insert_one(doc! { "_id": 1, "a": 5 }).await.expect("insert");
    let mut damaged = doc! { "_id": 2, "a": { "b": ["marked here"] } }.to_vec().expect("BSON");
    let mark = damaged.windows(6).position(|six| six == b"marked").expect("the mark");
    damaged[mark..mark + 2].copy_from_slice(b"\xff\xfe");
    let insert = RawDocumentBuf::from_bytes(with_document(&damaged)).expect("a command");
    let told = db.run_raw_command(insert).await.expect("insert bytes");
    assert_eq!(told.get_i32("n").ok(), Some(1), "{told}");

    let record = place.run(&["--strict"], 1);
    assert!(record["collections"][0]["reason"].to_string().contains("not valid UTF-8"), "{record:#}");
    let record = place.run(&[], 0);
    assert_eq!(record["collections"][0]["rows"]["quarantined"], 1);
    let kept = quarantine(&place, &format!("{database}/c"), &record);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].0, damaged, "{}", kept[0].1);
    holds(&place, &format!("{database}/c"), UTC, &by_id(&[doc! { "_id": 1, "a": 5 }]));
    db.drop().await.expect("drop");
}

/// `{insert: "c", documents: [<bytes>]}` with bytes that no driver would take.
fn with_document(document: &[u8]) -> Vec<u8> {
    let text = |text: &str| Bytes::Bytes([&(text.len() as i32 + 1).to_le_bytes()[..], text.as_bytes(), b"\0"].concat());
    let field = |tag, key: &str, value| Element { tag, key: key.as_bytes().to_vec(), value };
    let list = vec![field(0x03, "0", Bytes::Bytes(document.to_vec()))];
    write(&[field(0x02, "insert", text("c")), field(0x04, "documents", Bytes::Elements(list))])
}
