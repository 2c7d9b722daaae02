//! `_id`s of every kind: texts are equal exactly when ids are.

use super::{Setup, batch, cell};
use crate::shape::id_hashes;
use arrow::datatypes::DataType;
use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, doc};
use proptest::prelude::*;
use std::collections::HashSet;

fn documents(ids: &[Bson]) -> Vec<Document> {
    ids.iter().map(|id| doc! { "_id": id.clone() }).collect()
}

fn decimal(text: &str) -> Bson {
    Bson::Decimal128(text.parse::<Decimal128>().unwrap())
}

#[test]
fn one_kind_keeps_its_own_column() {
    let of = |ids: &[Bson]| {
        let setup = Setup::new();
        let mut shaper = setup.shaper(setup.table());
        let shaped = shaper.shape(&batch(&documents(ids))).unwrap();
        let texts: Vec<String> = (0..ids.len()).map(|row| cell(&shaped.rows, "_id", row).unwrap()).collect();
        (shaper.table().id_type(), texts.join(" "))
    };
    assert_eq!(of(&[Bson::Int32(1), Bson::Int64(-2)]), (DataType::Int64, "1 -2".into()));
    assert_eq!(of(&[Bson::Double(1.5), Bson::Double(-0.0)]), (DataType::Float64, "1.5 0.0".into()));
    assert_eq!(of(&[Bson::Boolean(true)]), (DataType::Boolean, "true".into()));
    assert_eq!(of(&["007".into(), "{".into()]), (DataType::Utf8, "007 {".into()));
    assert_eq!(of(&[Bson::Int32(1), Bson::Double(1e20)]), (DataType::Utf8, "1 100000000000000000000".into()));
    assert_eq!(
        of(&[decimal("0.1"), decimal("0.5"), decimal("1E2")]),
        (DataType::Utf8, r#"{"$numberDecimal":"0.1"} 0.5 100"#.into())
    );
}

#[test]
fn mixed_kinds_quote_the_strings_that_read_as_another() {
    let oid = ObjectId::parse_str("65f000000000000000000000").unwrap();
    let ids: Vec<Bson> = vec![
        oid.into(),
        oid.to_hex().into(),
        Bson::Int32(7),
        "7".into(),
        "P-7".into(),
        Bson::Boolean(true),
        "true".into(),
        DateTime::from_millis(0).into(),
        "1970-01-01T00:00:00.000Z".into(),
        doc! { "a": 1 }.into(),
        "{\"a\":1}".into(),
        Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: vec![1] }),
        "AQ==".into(),
        Bson::MinKey,
        "MinKey".into(),
    ];
    let setup = Setup::new();
    let mut shaper = setup.shaper(setup.table());
    let shaped = shaper.shape(&batch(&documents(&ids))).unwrap();
    let texts: Vec<String> = (0..ids.len()).map(|row| cell(&shaped.rows, "_id", row).unwrap()).collect();
    assert_eq!(
        texts,
        [
            "65f000000000000000000000",
            "\"65f000000000000000000000\"",
            "7",
            "\"7\"",
            "P-7",
            "true",
            "\"true\"",
            "1970-01-01T00:00:00.000Z",
            "\"1970-01-01T00:00:00.000Z\"",
            r#"{"a":{"$numberInt":"1"}}"#,
            r#""{\"a\":1}""#,
            r#"{"$binary":{"base64":"AQ==","subType":"00"}}"#,
            "AQ==",
            r#"{"$minKey":1}"#,
            "MinKey",
        ]
    );
    assert_eq!(shaped.id_hash.iter().collect::<HashSet<_>>().len(), ids.len());
}

#[test]
fn a_retyped_id_is_a_change_with_an_example() {
    let setup = Setup::new();
    let mut first = setup.shaper(setup.table());
    first.shape(&batch(&documents(&[Bson::Int32(1)]))).unwrap();
    let mut second = setup.shaper(first.table().clone());
    second.shape(&batch(&documents(&["P-1".into(), Bson::Int32(2)]))).unwrap();
    let changes = second.changes();
    assert_eq!(
        (changes[0].column.as_str(), changes[0].from.as_deref(), changes[0].to.as_str()),
        ("_id", Some("bigint"), "string")
    );
    assert_eq!(changes[0].count, 1);
    assert_ne!(changes[0].example_ids, ["P-1"]);
}

#[test]
fn a_schema_without_rows_takes_any_id() {
    let setup = Setup::new();
    let mut shaper = setup.shaper(setup.table());
    let empty = shaper.shape(&batch(&[])).unwrap();
    shaper.shape(&batch(&documents(&[Bson::Int32(1)]))).unwrap();
    assert_eq!(setup.convert(&empty, shaper.table()).num_rows(), 0);
}

fn id() -> impl Strategy<Value = Bson> {
    prop_oneof![
        4 => prop::sample::select(vec![
            Bson::Int32(1), Bson::Int64(1), Bson::Double(1.0), decimal("1"), decimal("1.0"), decimal("0.1"), Bson::Double(0.1),
            Bson::Double(-0.0), Bson::Int32(0), decimal("-0"), decimal("0.5"), Bson::Double(0.5), Bson::Double(f64::NAN), decimal("NaN"),
            Bson::Int64(1 << 60), Bson::Double((1_u64 << 60) as f64), decimal("1152921504606846976"), decimal("1E+22"), Bson::Double(1e22),
            Bson::Double(1e23), decimal("1E+23"), "1".into(), "0.1".into(), "\"1\"".into(), "NaN".into(), "a".into(),
        ]),
        1 => super::commute::scalar().prop_filter("void", |b| !matches!(b, Bson::Null | Bson::Undefined)),
        1 => any::<i32>().prop_map(|n| doc! { "n": n }.into()),
        1 => any::<i32>().prop_map(|n| doc! { "n": f64::from(n) }.into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever the column's type was when a file was written, hashes and converted ids are those of the wide schema.
    #[test]
    fn ids_convert_and_hash_alike(batches in prop::collection::vec(prop::collection::vec(id(), 0..4), 2..4)) {
        let setup = Setup::new();
        let mut shaper = setup.shaper(setup.table());
        let shaped: Vec<_> = batches.iter().map(|ids| shaper.shape(&batch(&documents(ids))).unwrap()).collect();
        let wide = shaper.table().clone();
        let mut fresh = setup.shaper(wide.clone());
        for (ids, narrow) in batches.iter().zip(&shaped) {
            let at_once = fresh.shape(&batch(&documents(ids))).unwrap();
            prop_assert_eq!(&setup.convert(narrow, &wide), &at_once.rows);
            prop_assert_eq!(&id_hashes(narrow.rows.column(0), narrow.version, &wide).unwrap(), &at_once.id_hash);
            prop_assert_eq!(&narrow.id_hash, &at_once.id_hash);
            for (row, hash) in at_once.id_hash.iter().enumerate() {
                for (other, other_hash) in at_once.id_hash.iter().enumerate() {
                    let same = cell(&at_once.rows, "_id", row) == cell(&at_once.rows, "_id", other);
                    prop_assert_eq!(hash == other_hash, same);
                }
            }
        }
    }
}

#[test]
fn numbers_are_equal_by_value_only() {
    let setup = Setup::new();
    let hash = |id: Bson| setup.shaper(setup.table()).shape(&batch(&documents(&[id]))).unwrap().id_hash[0];
    for (a, b) in [
        (Bson::Int32(1), decimal("1.00")),
        (Bson::Double(0.5), decimal("0.50")),
        (Bson::Double(-0.0), Bson::Int32(0)),
        (Bson::Int64(1 << 60), Bson::Double((1_u64 << 60) as f64)),
        (Bson::Double(1e22), decimal("1E22")),
        (doc! { "n": 1 }.into(), doc! { "n": 1.0 }.into()),
        (Bson::Double(2_f64.powi(-30)), decimal("9.31322574615478515625E-10")),
        (Bson::Double(f64::NAN), decimal("NaN")),
    ] {
        assert_eq!(hash(a.clone()), hash(b.clone()), "{a} {b}");
    }
    for (a, b) in
        [(Bson::Double(0.1), decimal("0.1")), (Bson::Double(1e23), decimal("1E23")), (Bson::Int32(1), "1".into())]
    {
        assert_ne!(hash(a.clone()), hash(b.clone()), "{a} {b}");
    }
}
