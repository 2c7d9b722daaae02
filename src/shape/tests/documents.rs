//! Ordinary documents, all kinds of values, and what happens to the extraordinary ones.

use super::{Setup, batch, cell, shape, types};
use crate::model::batch::RawBatch;
use crate::model::collection::{FieldPath, PartitionKey, PartitionUnit};
use crate::model::secret::Secret;
use crate::model::table::{TableSchema, TableSettings};
use crate::shape::Shaper;
use crate::shape::raw::Tape;
use bson::{Bson, DateTime, Decimal128, Timestamp, doc};
use proptest::prelude::*;

fn decimal(text: &str) -> Decimal128 {
    text.parse().unwrap()
}

#[test]
fn every_rule_of_types_gives_its_column() {
    let (table, shaped) = shape(
        &Setup::new(),
        &[
            doc! { "_id": 1, "int": 1, "double": 1, "decimal": 1, "time": DateTime::from_millis(0), "flag": true,
            "tags": ["a", "b"], "mixed": 5, "person": { "Name": "Asha" }, "both": "N/A", "items": ["bare"], "void": {} },
            doc! { "_id": 2_i64, "int": 2_i64, "double": 1.5, "decimal": decimal("2.50"),
            "time": Timestamp { time: 1, increment: 0 }, "tags": "c", "mixed": "five", "person": { "age": "45 yrs" },
            "both": { "x": 1 }, "items": [{ "drug": "A", "n": 1 }, null, { "n": [2, 3] }], "void": [null, {}] },
        ],
    );
    assert_eq!(
        types(&table),
        [
            "int bigint",
            "double double",
            "decimal decimal(38,10)",
            "time timestamp",
            "flag boolean",
            "tags array<string>",
            "mixed string",
            "person struct<name:string,age:string>",
            "both struct<x:bigint,value_:string>",
            "items array<struct<drug:string,n:array<bigint>,value_:string>>",
        ]
    );
    assert_eq!((shaped.version, shaped.misfits), (1, 0));
    let value = |column: &str, row: usize| cell(&shaped.rows, column, row);
    assert_eq!((value("_misfits", 0), value("_misfits", 1).as_deref()), (None, Some(r#"{"/items/0/n~-":true}"#)));
    assert_eq!(value("mixed", 0).as_deref(), Some("5"));
    assert_eq!(value("tags", 1).as_deref(), Some("[c]"));
    assert_eq!(value("decimal", 1).as_deref(), Some("2.5000000000"));
    assert_eq!(value("both", 0).as_deref(), Some("{x: NULL, value_: N/A}"));
    assert_eq!(value("items", 0).as_deref(), Some("[{drug: NULL, n: NULL, value_: bare}]"));
    assert_eq!(
        value("items", 1).as_deref(),
        Some("[{drug: A, n: [1], value_: NULL}, NULL, {drug: NULL, n: [2, 3], value_: NULL}]")
    );
    assert_eq!(value("flag", 1), None);
}

#[test]
fn what_a_column_cannot_hold_is_kept_exactly() {
    let (table, shaped) = shape(
        &Setup::new(),
        &[
            doc! { "_id": 1, "amounts": [decimal("1.123456789012345"), f64::NAN, 0.1], "big": [9_007_199_254_740_993_i64, 0.5],
            "at": DateTime::from_millis(i64::MAX), "op": Timestamp { time: 7, increment: 3 } },
        ],
    );
    assert!(table.misfits);
    assert_eq!(shaped.misfits, 5);
    assert_eq!(cell(&shaped.rows, "amounts", 0).as_deref(), Some("[1.1234567890, NULL, 0.1000000000]"));
    assert_eq!(cell(&shaped.rows, "at", 0), None);
    assert_eq!(
        cell(&shaped.rows, "_misfits", 0).as_deref(),
        Some(concat!(
            r#"{"/amounts/0":{"$numberDecimal":"1.123456789012345"},"/amounts/1":{"$numberDouble":"NaN"},"#,
            r#""/at":{"$date":{"$numberLong":"9223372036854775807"}},"/big/0":{"$numberLong":"9007199254740993"},"#,
            r#""/op":{"$timestamp":{"t":7,"i":3}}}"#
        ))
    );
}

#[test]
fn local_time_is_wall_clock_and_the_repeated_hour_keeps_its_instant() {
    let berlin = Setup::local(chrono_tz::Europe::Berlin);
    let documents: Vec<_> = [1_720_000_000_000, 1_729_989_000_000, 1_729_992_600_000]
        .into_iter()
        .enumerate()
        .map(|(i, ms)| doc! { "_id": i as i32, "at": DateTime::from_millis(ms) })
        .collect();
    let (_, shaped) = shape(&berlin, &documents);
    let at = |row| cell(&shaped.rows, "at", row).unwrap();
    assert_eq!([at(0), at(1), at(2)], ["2024-07-03T11:46:40", "2024-10-27T02:30:00", "2024-10-27T02:30:00"]);
    assert_eq!(cell(&shaped.rows, "_misfits", 0), None);
    assert_ne!(cell(&shaped.rows, "_misfits", 1), cell(&shaped.rows, "_misfits", 2));
}

#[test]
fn excluded_and_hashed_paths_leave_nothing_behind() {
    let setup = Setup::new().excluding("items.secret").hashing("patient.phone").hashing("items.codes");
    let (table, shaped) = shape(
        &setup,
        &[
            doc! { "_id": 1, "patient": { "phone": 5, "PHONE": "other" }, "items": [{ "secret": 1 }, { "codes": ["x", "x", { "y": 1 }] }] },
        ],
    );
    assert_eq!(types(&table), ["patient struct<phone:string>", "items array<struct<codes:array<string>>>"]);
    let text = format!("{:?} {:?}", shaped.rows, table.seen);
    assert!(!text.contains("secret") && !text.contains("\"x\""), "{text}");
    assert_eq!(cell(&shaped.rows, "_misfits", 0).as_deref(), Some(r#"{"/patient/PHONE":"other"}"#));
    let phone = cell(&shaped.rows, "patient", 0).unwrap();
    assert_eq!(phone.len(), "{phone: }".len() + 64, "{phone}");
    let codes = cell(&shaped.rows, "items", 0).unwrap();
    assert!(codes.starts_with("[NULL, {codes: ["), "{codes}");
}

#[test]
fn rows_find_their_partition() {
    let key =
        |name: &str, unit, path: &str| PartitionKey { name: name.into(), unit, path: FieldPath::parse(path).unwrap() };
    let keys = vec![key("date", PartitionUnit::Day, "at"), key("id1", PartitionUnit::Value, "facility.id")];
    let setup = Setup { timezone: chrono_tz::Asia::Kolkata, ..Setup::new() };
    let setup = setup.partitioned("date=day(at)/id1=facility.id", keys);
    let mut shaper = setup.shaper(setup.table());
    let late = DateTime::from_millis(1_714_588_200_000); // 2024-05-01T18:30Z is midnight in Kolkata
    let shaped = shaper
        .shape(&batch(&[
            doc! { "_id": 1, "at": late, "facility": { "id": "F/1" }, "date": "kept" },
            doc! { "_id": 2, "at": "soon", "facility": [{ "id": null }, { "id": 7 }] },
            doc! { "_id": 3, "at": late, "facility": { "id": "F/1" } },
        ]))
        .unwrap();
    assert_eq!(shaper.partitions(), ["date=2024-05-02/id1=F%2F1", "date=__HIVE_DEFAULT_PARTITION__/id1=7"]);
    assert_eq!(shaped.partition, [0, 1, 0]);
    assert_eq!(shaped.unplaced, 1);
    assert_eq!(types(shaper.table())[2], "date_field string");
}

#[test]
fn modified_time_stands_in_every_row_and_blind_ones_are_counted() {
    let mut setup = Setup::new();
    setup.spec.timestamp_column = FieldPath::parse("updated");
    let id = bson::oid::ObjectId::parse_str("65f000000000000000000000").unwrap();
    let (_, shaped) =
        shape(&setup, &[doc! { "_id": 1, "updated": DateTime::from_millis(5) }, doc! { "_id": id }, doc! { "_id": 2 }]);
    assert_eq!(shaped.modified_ms, [Some(5), Some(0x65f0_0000 * 1000), None]);
    assert_eq!(shaped.blind, 1);
    assert_eq!(cell(&shaped.rows, "_modified_ms", 0).as_deref(), Some("5"));
}

#[test]
fn documents_without_a_usable_id_are_quarantined() {
    let (_, shaped) =
        shape(&Setup::new(), &[doc! { "a": 1 }, doc! { "_id": null }, doc! { "_id": {} }, doc! { "_id": 1 }]);
    assert_eq!((shaped.rows.num_rows(), shaped.quarantined.len()), (1, 3));
}

#[test]
fn a_schema_keeps_growing_over_batches_and_is_stable_once_grown() {
    let setup = Setup::new();
    let mut shaper = setup.shaper(setup.table());
    for (document, version) in [
        (doc! { "_id": 1, "b": 1 }, 1),
        (doc! { "_id": 2, "b": 2 }, 1),
        (doc! { "_id": 3, "a": { "x": 1 }, "b": 2.5 }, 2),
        (doc! { "_id": 4, "a": { "w": 1, "x": "n" } }, 3),
    ] {
        assert_eq!(shaper.shape(&batch(&[document])).unwrap().version, version);
    }
    assert_eq!(types(shaper.table()), ["b double", "a struct<x:string,w:bigint>"]);
    let changes: Vec<String> = shaper.changes().iter().map(|c| format!("{} {:?} {}", c.path, c.from, c.to)).collect();
    assert_eq!(changes, ["b None double", "a None struct<x:string,w:bigint>"]);
    let stored = serde_json::to_string(shaper.table()).unwrap();
    let mut again = setup.shaper(serde_json::from_str(&stored).unwrap());
    again.shape(&batch(&[doc! { "_id": 5, "a": { "x": true, "new": 1 } }])).unwrap();
    assert_eq!(again.changes().len(), 1);
    assert_eq!((again.changes()[0].path.as_str(), again.changes()[0].count), ("a.new", 1));
}

#[test]
fn other_settings_are_refused() {
    let table = Setup::new().table();
    let other = Setup::local(chrono_tz::Asia::Kolkata);
    let error = Shaper::new(other.spec.clone(), other.timezone, other.timestamps, None, table).unwrap_err();
    assert!(error.to_string().contains("timezone") && error.to_string().contains("timestamps"), "{error}");
}

#[test]
fn another_hash_key_is_refused_and_an_older_state_takes_it_over() {
    let setup = Setup::new().hashing("name");
    let with = |key: &str, table: TableSchema| {
        let key = Some(Secret::new(key.into()));
        Shaper::new(setup.spec.clone(), setup.timezone, setup.timestamps, key, table)
    };
    let made = setup.table();
    let error = with("another", made.clone()).unwrap_err().to_string();
    assert!(error.contains("hash_key: the table was made with another one"), "{error}");
    assert!(!error.contains(&made.settings.hash_key), "{error}");

    let mut older = made.clone();
    older.settings.hash_key.clear();
    let text = serde_json::to_string(&older.settings).unwrap();
    assert!(!text.contains("hash_key"), "{text}");
    assert_eq!(serde_json::from_str::<TableSettings>(&text).unwrap(), older.settings);
    let adopted = with("another", older).unwrap().table().clone();
    assert!(with("another", adopted.clone()).is_ok() && with("key", adopted).is_err());

    // Where nothing is hashed, the key says nothing about the table.
    assert_eq!(Setup::new().table().settings.hash_key, "");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Any bytes, and any document with bytes changed or cut off, become a row or a quarantined document.
    #[test]
    fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(), cutting in any::<bool>()) {
        let document = doc! { "_id": 1, "s": "text", "d": { "a": [1, 2.5, { "b": null }] }, "r": bson::Regex { pattern: "a".try_into().unwrap(), options: "i".try_into().unwrap() },
            "c": Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope { code: "f".into(), scope: doc! { "x": 1 } }), "n": decimal("1.5") };
        let mut bytes = document.to_vec().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if cutting {
            bytes.truncate(cut.index(bytes.len()));
        }
        let setup = Setup::new();
        let shaped = setup.shaper(setup.table()).shape(&RawBatch { documents: vec![bytes.into()] }).unwrap();
        prop_assert_eq!(shaped.rows.num_rows() + shaped.quarantined.len(), 1);
    }

    #[test]
    fn garbage_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..200), framed in any::<bool>()) {
        if framed && bytes.len() > 4 {
            // Chance never frames it as a document, without which nobody looks further.
            let length = i32::try_from(bytes.len()).unwrap().to_le_bytes();
            bytes[..4].copy_from_slice(&length);
            bytes.pop();
            bytes.push(0);
        }
        let setup = Setup::new();
        let shaped = setup.shaper(setup.table()).shape(&RawBatch { documents: vec![bytes.into()] }).unwrap();
        prop_assert_eq!(shaped.rows.num_rows() + shaped.quarantined.len(), 1);
    }

    /// P6: a scalar can be read back from its column or its misfit, whatever else was seen at its path.
    #[test]
    fn scalars_can_be_read_back(values in prop::collection::vec(super::commute::scalar(), 1..6)) {
        let documents: Vec<_> = values.iter().enumerate().map(|(i, v)| doc! { "_id": i as i32, "v": v.clone() }).collect();
        let (table, shaped) = shape(&Setup::local(chrono_tz::Europe::Berlin), &documents);
        for (row, value) in values.iter().enumerate() {
            let bytes = doc! { "v": value.clone() }.to_vec().unwrap();
            let mut tape = Tape::default();
            let laid = tape.lay(&bytes).unwrap();
            let original = tape.document(&bytes, laid).elements().next().unwrap().value();
            let mut exact = String::new();
            super::super::canonical::extended(original, None, &mut exact);
            let misfits = cell(&shaped.rows, "_misfits", row);
            let stored = cell(&shaped.rows, "v", row);
            if let Some(misfits) = misfits {
                prop_assert_eq!(misfits, format!("{{\"/v\":{exact}}}"));
            } else if matches!(value, Bson::Null | Bson::Undefined) {
                prop_assert_eq!(stored, None);
            } else if table.columns[0].kind == crate::model::column::ColumnType::String {
                let mut text = String::new();
                super::super::canonical::text(original, &mut text);
                prop_assert_eq!(stored, Some(text));
            } else {
                prop_assert!(stored.is_some(), "{:?} is NULL without a misfit", value);
            }
        }
    }
}
