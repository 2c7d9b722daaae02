//! `lakefold schema`: what an operator sees of a table that disagreed with itself.

use super::{bytes, dump, manifest};
use crate::support::lakefold::{Environment, Workplace};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, Decimal128, Document, doc};
use serde_json::{Value, json};

fn documents() -> [Vec<Document>; 2] {
    let at = DateTime::from_millis(1_714_521_600_000);
    let id = |number: u8| ObjectId::from_bytes([number; 12]);
    let fine: Decimal128 = "1.123456789012345".parse().expect("a number");
    [
        vec![doc! { "_id": id(1), "at": at, "patientAge": 45, "items": ["bare"], "amount": 1.5, "old name": "x" }],
        vec![
            doc! { "_id": id(2), "at": at, "patientAge": "45 yrs", "items": [{ "Drug": "A" }], "amount": fine },
            doc! { "_id": "P-17", "at": at, "patientAge": 46, "Old.Name": "y" },
        ],
    ]
}

/// A table after two runs, and the record of the second.
fn table() -> (Workplace, Value) {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,Visits,at,date=day(at)"));
    let [first, second] = documents();
    dump(&place, "h/Visits", &bytes(&first));
    place.run(&["--strict"], 0);
    dump(&place, "h/Visits", &bytes(&second));
    let record = place.run(&["--strict"], 0);
    (place, record)
}

#[test]
fn a_table_is_described_with_kinds_examples_history_and_statement() {
    let (place, record) = table();
    let ended = place.lakefold(&["schema", "h.Visits", "--env", "test", "--json"]);
    assert_eq!(ended.code, 0, "{ended}");
    let schema: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let column = |name: &str| {
        let columns = schema["columns"].as_array().expect("columns");
        columns.iter().find(|column| column["name"] == name).unwrap_or_else(|| panic!("{name}: {schema:#}")).clone()
    };
    let seen = |column: &Value| {
        let kinds = column["seen"].as_array().expect("kinds").iter();
        kinds.map(|kind| (kind["kind"].clone(), kind["count"].clone(), kind["example_id"].clone())).collect::<Vec<_>>()
    };
    let (one, two) = ("010101010101010101010101", "020202020202020202020202");
    let age = column("patientage");
    assert_eq!((&age["type"], &age["original_names"]), (&json!("string"), &json!(["patientAge"])));
    assert_eq!(seen(&age), [(json!("int"), json!(2), json!(one)), (json!("string"), json!(1), json!(two))]);
    let change = &age["changes"][0];
    assert_eq!(
        (&change["from"], &change["to"], &change["run"]),
        (&json!("bigint"), &json!("string"), &record["run_id"])
    );
    assert!(age["since"]["run"].is_string() && age["since"]["run"] != record["run_id"], "{age:#}");
    assert_eq!(column("old_name")["original_names"], json!(["old name", "Old.Name"]));
    assert_eq!(column("items")["type"], "array<struct<drug:string,value_:string>>");
    assert_eq!(column("amount")["type"], "decimal(38,10)");
    assert_eq!(column("amount")["misfits"].as_array().map(Vec::len), Some(1), "{schema:#}");
    assert_eq!((&column("_id")["type"], column("_misfits")["type"].clone()), (&json!("string"), json!("string")));
    // P10: an id that is a text is shown by its hash.
    assert!(!ended.stdout.contains("P-17"));

    // The record lists what changed this time, no more.
    let changes = record["collections"][0]["schema_changes"].as_array().expect("changes");
    let mut told: Vec<&str> = changes.iter().map(|change| change["column"].as_str().expect("a column")).collect();
    told.sort_unstable();
    assert_eq!(told, ["amount", "items", "patientage"], "{record:#}");

    let words = place.lakefold(&["schema", "h.Visits", "--env", "test"]).stdout;
    for said in ["patientage", "patientAge", "string", "bigint", one, "_misfits", "old name"] {
        assert!(words.contains(said), "{said}:\n{words}");
    }
    let ddl = place.lakefold(&["schema", "h.Visits", "--env", "test", "--ddl"]).stdout;
    for line in [
        "CREATE EXTERNAL TABLE `h`.`visits` (",
        "  `patientage` string COMMENT 'patientAge',",
        "  `items` array<struct<`drug`:string,`value_`:string>>,",
        "PARTITIONED BY (`date` string)",
    ] {
        assert!(ddl.lines().any(|found| found == line), "{line}\n{ddl}");
    }
    let other = place.lakefold(&["schema", "h.Visit", "--env", "test"]);
    other.refused(1, &["h.Visit", "did you mean `h.Visits`?"]);
}
