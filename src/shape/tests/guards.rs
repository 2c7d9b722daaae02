//! Documents whose keys are data, that are too deep, or make a table too wide.

use super::{Setup, batch, cell, types};
use bson::{Bson, Document, doc};

fn keyed(keys: std::ops::Range<usize>, value: impl Fn(usize) -> Bson) -> Document {
    keys.map(|i| (format!("K{i}"), value(i))).collect()
}

#[test]
fn keys_that_are_data_become_a_map_and_then_text() {
    let setup = Setup::new();
    let mut shaper = setup.shaper(setup.table());
    let first = batch(&[doc! { "_id": 1, "stock": keyed(0..300, |i| Bson::Int32(i as i32)) }]);
    let narrow = shaper.shape(&first).unwrap();
    shaper.shape(&batch(&[doc! { "_id": 2, "stock": keyed(300..600, |_| Bson::Double(0.5)) }])).unwrap();
    assert_eq!(types(shaper.table()), ["stock map<string,double>"]);
    let map = shaper.table().clone();
    assert_eq!(setup.convert(&narrow, &map), setup.shaper(map.clone()).shape(&first).unwrap().rows);
    shaper.shape(&batch(&[doc! { "_id": 3, "stock": { "a": { "b": 1 } } }])).unwrap();
    assert_eq!(types(shaper.table()), ["stock string"]);
    let text = shaper.table().clone();
    let converted = setup.convert(&narrow, &text);
    assert_eq!(converted, setup.shaper(text).shape(&first).unwrap().rows);
    assert!(cell(&converted, "stock", 0).unwrap().starts_with(r#"{"K0":0,"K1":1,"K10":10"#));
}

#[test]
fn what_is_too_deep_becomes_json_text() {
    let mut value = doc! { "end": [1, "x"] };
    for _ in 0..100 {
        value = doc! { "d": value };
    }
    let setup = Setup::new();
    let mut shaper = setup.shaper(setup.table());
    let shaped = shaper.shape(&batch(&[doc! { "_id": 1, "d": value }])).unwrap();
    assert_eq!(shaped.quarantined.len(), 0);
    let kind = &types(shaper.table())[0];
    assert_eq!(kind.matches("struct<").count(), 32);
    assert!(cell(&shaped.rows, "d", 0).unwrap().contains(r#"{"d":{"d":{"#));
}

#[test]
fn a_table_too_wide_gives_up_its_widest_sub_document() {
    let setup = Setup::new();
    let mut shaper = setup.shaper(setup.table());
    for part in 0..5 {
        let mut document = doc! { "_id": part, "small": { "a": 1 } };
        document.insert(format!("part{part}"), keyed(0..450 + part as usize, |_| Bson::Int32(1)));
        shaper.shape(&batch(&[document])).unwrap();
    }
    let types = types(shaper.table());
    assert_eq!(types[0], "small struct<a:bigint>");
    assert_eq!(types.iter().filter(|t| t.ends_with(" string")).count(), 1);
    assert_eq!(types[5], "part4 string");
}

#[test]
fn a_list_of_a_million_elements_is_a_list() {
    let setup = Setup::new();
    let list: Vec<Bson> = (0..1_000_000).map(Bson::Int32).collect();
    let mut shaper = setup.shaper(setup.table());
    let shaped = shaper.shape(&batch(&[doc! { "_id": 1, "list": list }])).unwrap();
    assert_eq!(types(shaper.table()), ["list array<bigint>"]);
    assert_eq!(shaped.rows.num_rows(), 1);
}
