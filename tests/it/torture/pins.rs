//! `pins.csv` beside the manifest.

use super::{UTC, by_id, bytes, dated, dump, holds, manifest};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use mongodb::bson::{DateTime, Document, doc};

const HEADER: &str = "database,collection,path,type\n";

fn documents() -> Vec<Document> {
    dated(&[
        doc! { "_id": 1, "age": 45, "lines": [{ "price": 1.5 }, { "price": "free" }], "raw": { "b": [1], "a": null } },
        doc! { "_id": 2, "age": "45 yrs", "lines": { "price": 2 }, "raw": "text", "when": "soon" },
        doc! { "_id": 3, "age": 46.5, "when": DateTime::from_millis(5) },
    ])
}

#[test]
fn a_pinned_column_keeps_its_type_and_misfits_what_does_not_fit() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,at,"));
    let pins = "h,c,age,bigint\nh,c,lines.price,\"decimal(38,10)\"\nh,c,raw,json\nh,c,when,timestamp\n";
    place.write("pins.csv", format!("{HEADER}{pins}"));
    dump(&place, "h/c", &bytes(&documents()[..1]));
    place.run(&["--strict"], 0);
    let types = |place: &Workplace| read_table(&place.lake(), "h/c").types;
    let before = types(&place);
    dump(&place, "h/c", &bytes(&documents()));
    let record = place.run(&["--strict"], 0);
    holds(&place, "h/c", UTC, &by_id(&documents()));
    let now = types(&place);
    assert!(before.iter().all(|(path, kind)| now[path] == *kind), "{before:?} {now:?}");
    assert_eq!((now["age"].as_str(), now["raw"].as_str()), ("Int64", "Utf8"));
    assert_eq!(
        (&now["lines[].element.price"], &now["when"]),
        (&"Decimal128(38, 10)".into(), &"Timestamp(ms, \"UTC\")".into())
    );
    assert_eq!(record["collections"][0]["misfits"], 4, "{record:#}");

    // Columns that miss many values are named to the operator, with their type.
    let warnings = record["collections"][0]["warnings"].to_string();
    for said in ["`age`: 2 values in 3 documents have no place in its type bigint", "`lines.price`", "`when`"] {
        assert!(warnings.contains(said), "{said}: {warnings}");
    }
    assert!(!warnings.contains("yrs") && !warnings.contains("soon"), "P10: {warnings}");
    let schema = place.lakefold(&["schema", "h.c", "--env", "test"]).stdout;
    assert!(schema.contains("pinned"), "{schema}");
}

#[test]
fn another_pin_under_a_table_fails_with_the_way_to_rebuild_it() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,at,"));
    place.write("pins.csv", format!("{HEADER}h,c,age,bigint\n"));
    dump(&place, "h/c", &bytes(&documents()));
    place.run(&[], 0);
    let before = read_table(&place.lake(), "h/c").rows;
    place.write("pins.csv", format!("{HEADER}h,c,age,double\n"));
    let record = place.run(&[], 1);
    let reason = record["collections"][0]["reason"].as_str().expect("a reason");
    for said in ["age bigint", "age double", "lakefold run", "--full"] {
        assert!(reason.contains(said), "{said}: {reason}");
    }
    assert_eq!(read_table(&place.lake(), "h/c").rows, before);
    // What the message says works.
    let command = reason.split('`').find(|part| part.starts_with("lakefold run")).unwrap_or(reason);
    let flags: Vec<&str> =
        command.split_whitespace().filter(|part| ["--full", "--forget-schema"].contains(part)).collect();
    place.run(&flags, 0);
    holds(&place, "h/c", UTC, &by_id(&documents()));
    assert_eq!(read_table(&place.lake(), "h/c").types["age"], "Float64");
}

#[test]
fn all_mistakes_of_the_file_are_told_with_their_lines() {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,at,date=day(born)"));
    dump(&place, "h/c", &bytes(&documents()));
    let wrong = "h,c,age,integer\nh,d,age,bigint\nh,c,_id,string\nh,c,born,string\nh,c,a,json\nh,c,a.b,json\n";
    place.write("pins.csv", format!("{HEADER}{wrong}"));
    let ended = place.lakefold(&["run", "--env", "test"]);
    ended.refused(2, &["pins.csv:2", "pins.csv:3", "pins.csv:4", "pins.csv:5", "pins.csv:7", "did you mean"]);
    assert!(!place.lake().exists(), "something was touched");
}
