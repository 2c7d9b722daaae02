//! Names at every depth, as no reader of the lake has to fear them.

use super::{UTC, by_id, bytes, dump, holds, manifest};
use crate::fuzz::{Element, Value, write};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use crate::support::read_back::Table;
use mongodb::bson::{Document, doc};
use std::collections::BTreeMap;

/// Case, dots, dollars, spaces, slashes, unicode, the empty name, a leading digit, a partition key, reserved names.
fn odd() -> Document {
    doc! {
        "Case": 1, "dot.ted": 2, "$dollar": 3, "two words": 4, "a/b~c": 5, "ключ": 6, "Straße": 7, "": 8, "2nd": 9,
        "DATE": 10, "_ID": 11, "_Misfits": 12, "_modified_ms": 13, "select": 14, "a-b": 15, "tab\tquote\"": 16,
        ("x".repeat(250)): 17, ("x".repeat(251)): 18,
    }
}

#[test]
fn names_are_folded_at_every_depth_and_lose_nothing() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,at,date=date"));
    let at = mongodb::bson::DateTime::from_millis(1_714_521_600_000);
    let mut top = doc! { "_id": 1, "at": at, "date": "D1" };
    top.extend(odd());
    let deep =
        doc! { "_id": 2, "at": at, "date": "D1", "Deep": { "er": [odd(), { "Value_": 1, "value_": "bare" }, "bare"] } };
    let documents = [top, deep];
    dump(&place, "h/c", &bytes(&documents));
    place.run(&["--strict"], 0);
    holds(&place, "h/c", Table { keys: &["date"], ..UTC }, &by_id(&documents));

    let types = read_table(&place.lake(), "h/c").types;
    for name in types.keys().flat_map(|path| path.split(['.', '[', ']'])).filter(|name| !name.is_empty()) {
        let fine = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        assert!(fine && name.len() <= 200 + "_field".len(), "{name}");
    }
    for column in
        ["case", "dot_ted", "_dollar", "____", "_", "2nd", "date_field", "_id_field", "_misfits_field", "select"]
    {
        assert!(types.contains_key(column), "{column}: {types:#?}");
    }
    for column in ["deep.er[].element.stra_e", "deep.er[].element.date", "deep.er[].element.value_"] {
        assert!(types.contains_key(column), "{column}: {types:#?}");
    }
    assert_eq!(types.keys().filter(|path| path.starts_with("xxxx")).count(), 2, "long names stay apart");
}

/// Names that fold alike, and duplicate keys, which only raw BSON can have, through a retyping.
#[test]
fn names_that_fold_alike_and_duplicate_keys_lose_nothing() {
    let long = |key: &str, value: i64| Element {
        tag: 0x12,
        key: key.as_bytes().to_vec(),
        value: Value::Bytes(value.to_le_bytes().to_vec()),
    };
    let alike = |id: i64| {
        let inner = vec![long("Price", 1), long("PRICE", 2), long("price", 3), long("price", 4), long("Price", 5)];
        let below = Element { tag: 0x03, key: b"below".to_vec(), value: Value::Elements(inner.clone()) };
        write(&[vec![long("_id", id), long("at", 1)], inner, vec![below.clone(), below]].concat())
    };
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,at,"));
    let mut documents = vec![alike(1), write(&[long("_id", 2), long("at", 2), long("PRICE", 7)])];
    for text in [None, Some(doc! { "_id": 3, "at": 3_i64, "price": "free", "below": [{ "price": "free" }, "N/A"] })] {
        documents.extend(text.map(|text| text.to_vec().expect("BSON")));
        dump(&place, "h/c", &documents);
        place.run(&["--strict"], 0);
        let expected: BTreeMap<i64, Vec<u8>> = (1..).zip(documents.clone()).collect();
        holds(&place, "h/c", UTC, &expected);
    }
    let row = read_table(&place.lake(), "h/c").rows.into_iter().find(|row| row.columns["_id"] == 1).expect("row 1");
    assert_eq!(row.columns["price"], "4", "of a duplicate key the last wins, and the column's own spelling");
}
