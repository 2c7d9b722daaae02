//! Conversions commute: encoding at a narrow schema and converting equals encoding at the wide schema.

use super::{Setup, batch};
use crate::shape::raw::{Value, Writer};
use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, JavaScriptCodeWithScope, Regex, Timestamp};
use proptest::prelude::*;

/// The driver's type cannot be made by hand, only read.
fn db_pointer() -> Bson {
    let mut writer = Writer::new();
    writer.append("p", Value::DbPointer { namespace: "db.c", id: [7; 12] });
    let document = Document::from_reader(writer.finish().as_slice()).unwrap();
    document.get("p").cloned().unwrap()
}

fn decimal() -> impl Strategy<Value = Bson> {
    prop_oneof![
        "-?[0-9]{1,34}".prop_filter_map("not a Decimal128", |t| t.parse().ok()),
        ("-?[0-9]{1,20}", 0..40_i32).prop_filter_map("not a Decimal128", |(t, e)| format!("{t}E-{e}").parse().ok()),
        ("-?[0-9]{1,5}", -6000..6000_i32).prop_filter_map("not a Decimal128", |(t, e)| format!("{t}E{e}").parse().ok()),
        prop::sample::select(vec!["NaN", "Infinity", "-Infinity", "0", "-0", "1.50", "0.1"])
            .prop_map(|t| t.parse().unwrap()),
    ]
    .prop_map(|d: Decimal128| Bson::Decimal128(d))
}

fn double() -> impl Strategy<Value = Bson> {
    prop_oneof![
        any::<f64>().prop_map(|x| if x.is_nan() { f64::NAN } else { x }),
        (-1_000_000_i64..1_000_000).prop_map(|cents| cents as f64 / 100.0),
        prop::sample::select(vec![
            0.0,
            -0.0,
            0.1,
            1e22,
            1e23,
            9007199254740993.0,
            f64::NAN,
            f64::INFINITY,
            0.00000000005,
            1e-300
        ]),
    ]
    .prop_map(Bson::Double)
}

/// Instants, with many in the repeated hours of Europe/Berlin and some outside the years people use.
fn instant() -> impl Strategy<Value = i64> {
    prop_oneof![
        3 => 1_729_980_000_000..1_729_998_000_000_i64,
        3 => 0..1_800_000_000_000_i64,
        1 => -62_135_600_000_000..-62_135_590_000_000_i64,
        1 => 253_402_300_000_000..253_402_400_000_000_i64,
        1 => any::<i64>(),
    ]
}

pub(super) fn scalar() -> impl Strategy<Value = Bson> {
    let text = || {
        prop_oneof![
            "[a-z]{0,3}",
            prop::sample::select(vec!["5", "1.50", "true", "N/A", "{\"a\":1}", "é\"\\\n", "1e+40"])
                .prop_map(str::to_owned)
        ]
    };
    prop_oneof![
        5 => any::<i32>().prop_map(Bson::Int32),
        4 => prop_oneof![any::<i64>(), Just(1 << 60), Just(9_007_199_254_740_993)].prop_map(Bson::Int64),
        4 => double(),
        3 => decimal(),
        2 => any::<bool>().prop_map(Bson::Boolean),
        4 => instant().prop_map(|ms| Bson::DateTime(DateTime::from_millis(ms))),
        2 => (any::<u32>(), 0..2_u32).prop_map(|(time, increment)| Bson::Timestamp(Timestamp { time, increment })),
        4 => text().prop_map(Bson::String),
        1 => text().prop_map(Bson::Symbol),
        1 => text().prop_map(Bson::JavaScriptCode),
        1 => text().prop_map(|code| Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code, scope: bson::doc! { "x": 1 } })),
        1 => Just(Bson::RegularExpression(Regex { pattern: "^a/b".try_into().unwrap(), options: "i".try_into().unwrap() })),
        1 => any::<[u8; 12]>().prop_map(|id| Bson::ObjectId(ObjectId::from_bytes(id))),
        1 => any::<[u8; 16]>().prop_map(|id| Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: id.to_vec() })),
        1 => (prop::collection::vec(any::<u8>(), 0..5), prop::sample::select(vec![0_u8, 2, 5, 128]))
            .prop_map(|(bytes, subtype)| Bson::Binary(Binary { subtype: subtype.into(), bytes })),
        1 => Just(db_pointer()),
        1 => Just(Bson::MinKey),
        1 => Just(Bson::MaxKey),
        2 => Just(Bson::Null),
        1 => Just(Bson::Undefined),
    ]
}

/// Names of which some fold alike and one wants the scalars' child for itself.
fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "A", "B c", "b C", "value_", "0", "x/y~z", "é"]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Bson> {
    scalar().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Bson::Array),
            prop::collection::btree_map(name(), inner, 0..4)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}

fn document() -> impl Strategy<Value = Document> {
    prop::collection::btree_map(name(), value(), 0..4).prop_map(|fields| fields.into_iter().collect())
}

pub(super) fn with_ids(documents: Vec<Document>, from: usize) -> Vec<Document> {
    documents
        .into_iter()
        .enumerate()
        .map(|(i, fields)| {
            let mut document = bson::doc! { "_id": (from + i) as i64 };
            document.extend(fields);
            document
        })
        .collect()
}

fn commutes(setup: &Setup, batches: Vec<Vec<Document>>) -> Result<(), TestCaseError> {
    let batches: Vec<_> = batches.into_iter().enumerate().map(|(i, docs)| batch(&with_ids(docs, i * 100))).collect();
    let mut growing = setup.shaper(setup.table());
    let mut shaped = Vec::new();
    let mut schemas = Vec::new();
    for raw in &batches {
        shaped.push(growing.shape(raw).unwrap());
        schemas.push(growing.table().clone());
    }
    let wide = growing.table().clone();
    let mut fresh = setup.shaper(wide.clone());
    for ((raw, narrow), from) in batches.iter().zip(&shaped).zip(0..) {
        let at_once = fresh.shape(raw).unwrap();
        prop_assert_eq!(fresh.table().version, wide.version, "the wide schema grew again");
        let converted = setup.convert(narrow, &wide);
        prop_assert_eq!(&converted, &at_once.rows, "converted at once");
        let mut step = narrow.clone();
        for schema in schemas.iter().skip(from) {
            step.rows = setup.convert(&step, schema);
            step.version = schema.version;
        }
        prop_assert_eq!(&step.rows, &at_once.rows, "converted step by step");
        prop_assert_eq!(&narrow.id_hash, &at_once.id_hash);
    }
    Ok(())
}

fn batches() -> impl Strategy<Value = Vec<Vec<Document>>> {
    prop::collection::vec(prop::collection::vec(document(), 0..4), 2..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn conversions_commute_in_utc(batches in batches()) {
        commutes(&Setup::new(), batches)?;
    }

    #[test]
    fn conversions_commute_in_local_time(batches in batches()) {
        commutes(&Setup::local(chrono_tz::Europe::Berlin), batches)?;
    }
}
