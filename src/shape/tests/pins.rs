//! Columns whose type the operator has fixed.

use super::commute::{batches, commutes};
use super::{Setup, batch, cell, shape, types};
use crate::model::pin::{Pin, PinType};
use crate::model::settings::Timestamps;
use crate::model::table::TableSettings;
use crate::shape::{Shaper, describe};
use bson::{Bson, Decimal128, Document, doc};
use proptest::prelude::*;

#[test]
fn what_does_not_fit_is_kept_and_never_changes_the_column() {
    let setup = Setup::new()
        .pinning("age", PinType::Bigint)
        .pinning("items.price", PinType::Decimal)
        .pinning("note", PinType::String)
        .pinning("flag", PinType::Boolean)
        .pinning("at", PinType::Timestamp)
        .pinning("dose", PinType::Double);
    let (table, shaped) = shape(
        &setup,
        &[
            doc! { "_id": 1, "age": 45, "items": [{ "price": 1.5 }, { "price": "free" }], "note": 7, "flag": true, "dose": 1 },
            doc! { "_id": 2, "age": "45 yrs", "items": { "price": 2 }, "note": ["x"], "flag": "yes", "at": "soon",
            "dose": Bson::Decimal128("0.1".parse::<Decimal128>().unwrap()) },
            doc! { "_id": 3, "age": { "years": 45 } },
        ],
    );
    assert_eq!(
        types(&table),
        [
            "age bigint",
            "items array<struct<price:decimal(38,10)>>",
            "note string",
            "flag boolean",
            "dose double",
            "at timestamp",
        ]
    );
    let value = |column: &str, row: usize| cell(&shaped.rows, column, row);
    assert_eq!((value("age", 0).as_deref(), value("age", 1), value("age", 2)), (Some("45"), None, None));
    assert_eq!(value("items", 0).as_deref(), Some("[{price: 1.5000000000}, {price: NULL}]"));
    assert_eq!((value("note", 0).as_deref(), value("note", 1)), (Some("7"), None));
    assert_eq!(value("_misfits", 0).as_deref(), Some(r#"{"/items/1/price":"free"}"#));
    assert_eq!(
        value("_misfits", 1).as_deref(),
        Some(r#"{"/age":"45 yrs","/at":"soon","/dose":{"$numberDecimal":"0.1"},"/flag":"yes","/note":["x"]}"#)
    );
    assert_eq!(value("_misfits", 2).as_deref(), Some(r#"{"/age":{"years":{"$numberInt":"45"}}}"#));
    let age = describe(&table).into_iter().find(|column| column.name == "age").unwrap();
    assert!(age.pinned && age.misfits.len() == 1, "{age:?}");
}

#[test]
fn json_takes_documents_lists_and_scalars_as_text() {
    let setup = Setup::new().pinning("raw", PinType::Json);
    let keys: Document = (0..600).map(|key| (format!("k{key}"), Bson::Int32(key))).collect();
    let (table, shaped) = shape(
        &setup,
        &[
            doc! { "_id": 1, "raw": { "b": [1, "x"], "a": null } },
            doc! { "_id": 2, "raw": 5 },
            doc! { "_id": 3, "raw": keys },
        ],
    );
    assert_eq!((types(&table), table.misfits), (vec!["raw string".to_owned()], false));
    assert_eq!(cell(&shaped.rows, "raw", 0).as_deref(), Some(r#"{"b":[1,"x"]}"#));
    assert_eq!(cell(&shaped.rows, "raw", 1).as_deref(), Some("5"));
}

/// Which spelling of a column arrives first must not matter.
#[test]
fn all_spellings_of_a_column_share_its_pin() {
    let setup = Setup::new().pinning("Age", PinType::Bigint);
    let (table, _) = shape(&setup, &[doc! { "_id": 1, "age": "old" }]);
    assert_eq!(types(&table), ["age bigint"]);
}

#[test]
fn a_pin_that_a_guard_would_swallow_is_a_contradiction() {
    let setup = Setup::new().pinning("stock.a", PinType::Bigint);
    let keys: Document = (0..600).map(|key| (format!("k{key}"), Bson::Int32(key))).collect();
    let error = setup.shaper(setup.table()).shape(&batch(&[doc! { "_id": 1, "stock": keys }])).unwrap_err();
    assert!(error.to_string().contains("`stock`") && error.hint_text().is_some(), "{error}");
}

/// The widest sub-document becomes text, but not one that holds a pinned field.
#[test]
fn a_wide_table_keeps_its_pins() {
    let wide = |name: &str, leaves: i32| -> Document {
        let groups = (0..5).map(|group| {
            let fields: Document = (0..leaves).map(|at| (format!("{name}{at}"), Bson::Int32(at))).collect();
            (format!("g{group}"), Bson::Document(fields))
        });
        groups.collect()
    };
    let setup = Setup::new().pinning("kept.g0.kept0", PinType::String);
    let (table, _) = shape(&setup, &[doc! { "_id": 1, "kept": wide("kept", 300), "other": wide("other", 290) }]);
    let kept = table.column("kept").unwrap().to_string();
    assert!(kept.starts_with("struct<g0:struct<kept0:string,kept1:bigint"), "{}", &kept[..60]);
}

#[test]
fn another_pin_under_an_existing_table_is_refused() {
    let table = Setup::new().pinning("age", PinType::Bigint).table();
    let other = Setup::new().pinning("age", PinType::Double);
    let error = Shaper::new(other.spec.clone(), other.timezone, other.timestamps, None, table).unwrap_err();
    assert!(error.to_string().contains("pins") && error.to_string().contains("age bigint"), "{error}");
}

#[test]
fn settings_without_pins_are_written_as_before() {
    let settings = TableSettings::of(&Setup::new().spec, chrono_tz::UTC, Timestamps::Utc, None);
    assert!(!serde_json::to_string(&settings).unwrap().contains("pins"));
    let pinned = Setup::new().pinning("a.b", PinType::Decimal).table().settings;
    let text = serde_json::to_string(&pinned).unwrap();
    assert!(text.contains(r#""pins":[{"path":["a","b"],"type":"decimal"}]"#), "{text}");
    assert_eq!(serde_json::from_str::<TableSettings>(&text).unwrap(), pinned);
}

/// Pins at the names that random documents have, none below another.
fn pins() -> impl Strategy<Value = Vec<Pin>> {
    let name = || prop::sample::select(vec!["a", "B c", "value_", "0", "x/y~z", "é"]);
    let path = prop::collection::vec(name().prop_map(str::to_owned), 1..4);
    let kind = prop::sample::select(vec![
        PinType::Boolean,
        PinType::Bigint,
        PinType::Double,
        PinType::Decimal,
        PinType::Timestamp,
        PinType::String,
        PinType::Json,
    ]);
    let pin = (path, kind).prop_map(|(path, kind)| Pin { path: crate::model::collection::FieldPath(path), kind });
    prop::collection::vec(pin, 1..5).prop_map(|pins| {
        let mut kept: Vec<Pin> = Vec::new();
        for pin in pins {
            if !kept.iter().any(|other| other.path.covers(&pin.path) || pin.path.covers(&other.path)) {
                kept.push(pin);
            }
        }
        kept
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn conversions_commute_given_pins(batches in batches(), pins in pins()) {
        let mut setup = Setup::local(chrono_tz::Europe::Berlin);
        setup.spec.pins = pins;
        commutes(&setup, batches)?;
    }
}
