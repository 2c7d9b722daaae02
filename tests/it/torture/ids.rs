//! `_id` of any kind, mixed within a collection, on a real server: no document is skipped, no two ids fold together.

use super::manifest;
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mongod::{Mongod, fresh_database};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Decimal128, Document, JavaScriptCodeWithScope, Timestamp, doc};
use std::collections::BTreeSet;

fn decimal(text: &str) -> Bson {
    Bson::Decimal128(text.parse::<Decimal128>().expect("a number"))
}

fn binary(subtype: u8, bytes: &[u8]) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::from(subtype), bytes: bytes.to_vec() })
}

/// Ids that MongoDB takes for different, each beside those that are written alike.
fn ids() -> Vec<Bson> {
    let oid = ObjectId::from_bytes([0x65; 12]);
    vec![
        oid.into(),
        oid.to_hex().into(),
        Bson::Int32(7),
        "7".into(),
        "\"7\"".into(),
        Bson::Int64(1 << 60),
        Bson::Double(0.1),
        // Not the double, and not the text.
        decimal("0.1"),
        "0.1".into(),
        r#"{"$numberDecimal":"0.1"}"#.into(),
        Bson::Double(-0.0),
        "-0".into(),
        Bson::Double(f64::NAN),
        "NaN".into(),
        Bson::Double(f64::INFINITY),
        Bson::Double(f64::NEG_INFINITY),
        "Infinity".into(),
        decimal("1E+6000"),
        decimal("1234567890.12345678901234567890"),
        Bson::Boolean(true),
        Bson::Boolean(false),
        "true".into(),
        Bson::DateTime(DateTime::from_millis(0)),
        "1970-01-01T00:00:00.000Z".into(),
        Bson::DateTime(DateTime::from_millis(i64::MAX)),
        Bson::Timestamp(Timestamp { time: 5, increment: 1 }),
        Bson::Timestamp(Timestamp { time: 5, increment: 2 }),
        "".into(),
        "a".into(),
        "A".into(),
        "ä/ö".into(),
        Bson::Symbol("b".into()),
        Bson::JavaScriptCode("a".into()),
        Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code: "a".into(), scope: doc! { "x": 1 } }),
        binary(0, b"\x01"),
        binary(5, b"\x01"),
        binary(128, b"\x01"),
        binary(0, b""),
        "AQ==".into(),
        binary(4, &[0x11; 16]),
        binary(3, &[0x11; 16]),
        "11111111-1111-1111-1111-111111111111".into(),
        doc! { "a": 1, "b": 2 }.into(),
        doc! { "b": 2, "a": 1 }.into(),
        doc! { "a": 1 }.into(),
        doc! { "a": "1" }.into(),
        r#"{"a":{"$numberInt":"1"}}"#.into(),
        doc! { "a": { "b": [1, { "c": Bson::Null }] } }.into(),
        Bson::MinKey,
        Bson::MaxKey,
        "MinKey".into(),
    ]
}

/// Ids equal by value to one above, whatever their kind; the server refuses to store both.
fn equals() -> Vec<Bson> {
    vec![
        Bson::Double(7.0),
        decimal("7.00"),
        Bson::Int64(7),
        Bson::Int32(0),
        decimal("-0.0"),
        decimal("NaN"),
        Bson::Double((1_u64 << 60) as f64),
        doc! { "a": 1.0, "b": 2_i64 }.into(),
    ]
}

#[tokio::test]
async fn every_id_has_its_row() {
    let database = fresh_database("ids");
    let rows = format!("{database},c,,");
    let place = Workplace::with(&Environment::of(Mongod::shared().uri()), &manifest(&rows));
    let collection = Mongod::shared().client().await.database(&database).collection::<Document>("c");
    let mut stored = 0;
    // One kind at first, then more with every run: the column and its spellings change under rows that stay.
    for portion in ids().chunks(10) {
        let documents = portion
            .iter()
            .map(|id| doc! { "_id": id.clone(), "n": stored, "kind": format!("{:?}", id.element_type()) });
        collection.insert_many(documents).await.expect("ids that differ");
        stored += portion.len() as i64;
        let record = place.run(&["--strict"], 0);
        assert_eq!(record["collections"][0]["rows"]["read"], stored, "{record:#}");
        assert_eq!(record["collections"][0]["rows"]["inserted"], portion.len() as u64, "{record:#}");
        let table = read_table(&place.lake(), &format!("{database}/c"));
        let texts: BTreeSet<String> = table.rows.iter().map(|row| row.columns["_id"].to_string()).collect();
        assert_eq!((table.rows.len() as i64, texts.len() as i64), (stored, stored), "{texts:#?}");
    }
    // An id equal by value is the same document, for the server and for the lake.
    for (number, id) in (0..).zip(equals()) {
        let twin = doc! { "_id": id.clone(), "n": -1 };
        let refused = collection.insert_one(&twin).await.expect_err("an id that is there already").to_string();
        assert!(refused.contains("E11000"), "{id}: {refused}");
        let replaced = collection.replace_one(doc! { "_id": id.clone() }, doc! { "n": -100 - number }).await;
        assert_eq!(replaced.expect("replace").matched_count, 1, "{id}");
    }
    place.run(&["--strict"], 0);
    let table = read_table(&place.lake(), &format!("{database}/c"));
    assert_eq!(table.rows.len() as i64, stored);
    Mongod::shared().client().await.database(&database).drop().await.expect("drop");
}

/// A dump can hold both of two ids that are equal by value, each written as its kind: one row, the later one.
#[test]
fn ids_equal_by_value_are_one_row() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,at,"));
    let pairs: [(Bson, Bson); 6] = [
        (Bson::Int32(1), Bson::Double(1.0)),
        (Bson::Double(-0.0), decimal("0E+3")),
        (Bson::Double(0.5), decimal("0.50")),
        (Bson::Double(f64::NAN), decimal("NaN")),
        (Bson::Int64(i64::MAX), decimal("9223372036854775807")),
        (doc! { "n": 1 }.into(), doc! { "n": 1.0 }.into()),
    ];
    let version = |id: &Bson, at: i64| doc! { "_id": id.clone(), "at": DateTime::from_millis(at), "n": at };
    let dump = |documents: Vec<Document>| super::dump(&place, "h/c", &super::bytes(&documents));
    dump(pairs.iter().map(|(one, _)| version(one, 1)).collect());
    place.run(&[], 0);
    dump(pairs.iter().flat_map(|(one, other)| [version(other, 3), version(one, 2)]).collect());
    let record = place.run(&[], 0);
    let counts = &record["collections"][0]["rows"];
    assert_eq!((&counts["updated"], &counts["superseded"]), (&6.into(), &6.into()), "{record:#}");
    let rows = read_table(&place.lake(), "h/c").rows;
    assert!(rows.len() == pairs.len() && rows.iter().all(|row| row.columns["n"] == 3), "{rows:#?}");
}

/// A server refuses names with dollars in an `_id`, a dump may have them: documents that read as single values.
#[test]
fn ids_that_look_like_the_text_of_others_stay_apart() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,,"));
    let ids: [Bson; 6] = [
        doc! { "a": 1 }.into(),
        doc! { "a": { "$numberInt": "1" } }.into(),
        doc! { "a": { "$document": { "$numberInt": "1" } } }.into(),
        decimal("0.1"),
        doc! { "$numberDecimal": "0.1" }.into(),
        r#"{"$numberDecimal":"0.1"}"#.into(),
    ];
    let documents: Vec<Document> = ids.iter().map(|id| doc! { "_id": id.clone() }).collect();
    super::dump(&place, "h/c", &super::bytes(&documents));
    let record = place.run(&["--strict"], 0);
    assert_eq!(record["collections"][0]["rows"]["inserted"], 6, "{record:#}");
}

#[tokio::test]
async fn the_server_takes_no_id_that_the_lake_cannot_hold() {
    let database = fresh_database("ids");
    let collection = Mongod::shared().client().await.database(&database).collection::<Document>("c");
    for id in [Bson::Array(vec![1.into()]), Bson::Undefined] {
        collection.insert_one(doc! { "_id": id.clone() }).await.expect_err("no id");
    }
    Mongod::shared().client().await.database(&database).drop().await.expect("drop");
}
