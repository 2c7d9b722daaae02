//! Names that fold alike, reserved names, duplicate keys.

use super::{Setup, batch, cell, shape, types};
use crate::model::batch::RawBatch;
use crate::shape::raw::{Value, Writer};
use bson::doc;

#[test]
fn names_that_fold_alike_share_a_column() {
    let (table, shaped) = shape(
        &Setup::new(),
        &[
            doc! { "_id": 1, "Price": 1, "PRICE": 2 },
            doc! { "_id": 2, "Price": 3, "price": 4, "PRICE": 5 },
            doc! { "_id": 3, "Price": 6, "price": null },
            doc! { "_id": 4, "_ID": 7, "_Misfits": 8, "a": { "value_": 9, "value__field": 10 } },
        ],
    );
    assert_eq!(
        types(&table),
        ["price bigint", "_id_field bigint", "_misfits_field bigint", "a struct<value__field:bigint>"]
    );
    let price: Vec<_> = (0..3).map(|row| cell(&shaped.rows, "price", row).unwrap()).collect();
    assert_eq!(price, ["2", "4", "6"]);
    let misfits: Vec<_> = (0..4).map(|row| cell(&shaped.rows, "_misfits", row)).collect();
    assert_eq!(misfits[0].as_deref(), Some(r#"{"/PRICE~=":true,"/Price":{"$numberInt":"1"}}"#));
    assert_eq!(misfits[1].as_deref(), Some(r#"{"/PRICE":{"$numberInt":"5"},"/Price":{"$numberInt":"3"}}"#));
    assert_eq!(misfits[2].as_deref(), Some(r#"{"/Price~=":true}"#));
    assert_eq!(misfits[3].as_deref(), Some(r#"{"/a/value_":{"$numberInt":"9"}}"#));
}

#[test]
fn of_a_duplicate_key_the_last_wins_and_conversion_keeps_the_others() {
    let document = |id, values: &[(&str, i64)]| {
        let mut writer = Writer::new();
        writer.append("_id", Value::Int32(id));
        values.iter().for_each(|(key, value)| writer.append(key, Value::Int64(*value)));
        bytes::Bytes::from(writer.finish())
    };
    let raw = RawBatch { documents: vec![document(1, &[("a", 1), ("a", 2), ("a", 3), ("A", 4), ("A", 5)])] };
    let setup = Setup::new();
    let mut shaper = setup.shaper(setup.table());
    let narrow = shaper.shape(&raw).unwrap();
    assert_eq!(cell(&narrow.rows, "a", 0).as_deref(), Some("3"));
    assert_eq!(
        cell(&narrow.rows, "_misfits", 0).as_deref(),
        Some(concat!(
            r#"{"/A":{"$numberLong":"5"},"/A~#1":{"$numberLong":"4"},"#,
            r#""/a~#1":{"$numberLong":"1"},"/a~#2":{"$numberLong":"2"}}"#
        ))
    );
    shaper.shape(&batch(&[doc! { "_id": 2, "a": "text" }])).unwrap();
    let wide = shaper.table().clone();
    let converted = setup.convert(&narrow, &wide);
    assert_eq!(converted, setup.shaper(wide).shape(&raw).unwrap().rows);
}
