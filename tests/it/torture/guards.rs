//! Guards: what would make a table that no catalog can describe, or eat the memory.

use super::{UTC, by_id, bytes, dated, dump, holds, manifest};
use crate::support::lakefold::{Environment, Workplace};
use mongodb::bson::{Bson, Document, doc};
use serde_json::Value;
use std::fs;

fn keyed(keys: i32, name: &str, value: impl Fn(i32) -> Bson) -> Document {
    (0..keys).map(|key| (format!("{name}{key}"), value(key))).collect()
}

/// Folds documents into the table `h.c` and holds the rows against them; the place and the record.
fn folded(documents: &[Document]) -> (Workplace, Value) {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,at,"));
    dump(&place, "h/c", &bytes(&dated(documents)));
    let record = place.run(&["--strict"], 0);
    holds(&place, "h/c", UTC, &by_id(&dated(documents)));
    (place, record)
}

/// The schema as `lakefold schema --json` prints it.
fn schema(place: &Workplace) -> Value {
    let ended = place.lakefold(&["schema", "h.c", "--env", "test", "--json"]);
    assert_eq!(ended.code, 0, "{ended}");
    serde_json::from_str(&ended.stdout).expect("JSON")
}

fn type_of(place: &Workplace, column: &str) -> String {
    let schema = schema(place);
    let columns = schema["columns"].as_array().expect("columns").iter();
    let mut found =
        columns.filter(|found| found["name"] == column).map(|found| found["type"].as_str().expect("a type"));
    found.next_back().unwrap_or_else(|| panic!("no {column}: {schema:#}")).to_owned()
}

#[test]
fn keys_used_as_data_become_a_map_and_are_never_listed() {
    let stock = doc! { "_id": 1, "stock": keyed(501, "SKU-", Bson::Int32), "few": keyed(500, "k", Bson::Int32) };
    let mut documents = vec![stock];
    let (place, record) = folded(&documents);
    assert_eq!(type_of(&place, "stock"), "map<string,bigint>");
    assert!(type_of(&place, "few").starts_with("struct<k0:bigint"), "500 keys are names");
    let told =
        [record.to_string(), schema(&place).to_string(), place.lakefold(&["schema", "h.c", "--env", "test"]).stdout];
    assert!(told.iter().all(|text| !text.contains("SKU-7")), "keys that are data are shown");
    let mail = fs::read_dir(place.path().join("mail")).expect("mail").next().expect("a mail").expect("an entry").path();
    assert!(!fs::read_to_string(mail).expect("read the mail").contains("SKU-7"));

    // Values of several shapes: text. What is stored is converted, what comes is encoded, and a list of one stays one.
    documents.push(doc! { "_id": 2, "stock": { "SKU-1": [5], "SKU-2": 5, "SKU-3": { "n": 1.50 } } });
    dump(&place, "h/c", &bytes(&dated(&documents)));
    place.run(&["--strict"], 0);
    assert_eq!(type_of(&place, "stock"), "string");
    holds(&place, "h/c", UTC, &by_id(&dated(&documents)));
}

#[test]
fn thousands_of_leaves_give_up_the_widest_sub_document_and_say_so() {
    let parts = |id: i32, from: i32| {
        let mut document = doc! { "_id": id };
        // A list of one and a bare value, which are the same in a list column, and differ in text.
        for part in from..from + 5 {
            let leaf = move |n: i32| if n % 2 == 0 { Bson::Int32(n) } else { vec![n].into() };
            document.insert(format!("part{part}"), keyed(420 + part, "leaf", leaf));
        }
        document
    };
    let narrow = doc! { "_id": 1, "part4": { "leaf0": [1], "leaf1": 1, "leaf2": "x" } };
    let (place, record) = folded(std::slice::from_ref(&narrow));
    assert!(record["collections"][0].get("warnings").is_none(), "{record:#}");
    let documents = [narrow, parts(2, 0)];
    dump(&place, "h/c", &bytes(&dated(&documents)));
    let record = place.run(&["--strict"], 0);
    holds(&place, "h/c", UTC, &by_id(&dated(&documents)));
    assert_eq!((type_of(&place, "part4"), type_of(&place, "part3").starts_with("struct<")), ("string".into(), true));
    let warnings = record["collections"][0]["warnings"].to_string();
    assert!(warnings.contains("`part4`") && warnings.contains("JSON text"), "{warnings}");
    let mails = fs::read_dir(place.path().join("mail")).expect("mail");
    let texts: Vec<String> =
        mails.map(|mail| fs::read_to_string(mail.expect("an entry").path()).expect("read a mail")).collect();
    assert!(texts.iter().any(|text| text.contains("part4")), "no mail says what became text");
    let state = fs::read_to_string(place.lake().join("_lakefold/schemas/h/c.json")).expect("the schema file");
    assert!(state.contains("\"guard\":\"width\""), "the schema file does not keep it");
    // It stays so without a word.
    assert!(place.run(&[], 0)["collections"][0].get("warnings").is_none());
}

#[test]
fn a_type_longer_than_catalogs_take_is_cut() {
    let long = |n: i32| doc! { ("n".repeat(190) + &n.to_string()): n };
    let part = || (0..35).flat_map(long).collect::<Document>();
    let wide: Document = (0..20).map(|number| (format!("part{number}"), part().into())).collect();
    let documents = [doc! { "_id": 1, "wide": wide }];
    let (place, _) = folded(&documents);
    let kind = type_of(&place, "wide");
    assert!(kind.len() <= 131_072 && kind.starts_with("struct<part0:"), "{} characters", kind.len());
    let ended = place.lakefold(&["schema", "h.c", "--env", "test", "--ddl"]);
    assert_eq!(ended.code, 0, "{ended}");
}

#[test]
fn a_hundred_levels_become_text_where_columns_end() {
    let nest = |levels: usize, array: bool| {
        (0..levels).fold(Bson::Int32(7), |below, _| if array { vec![below].into() } else { doc! { "d": below }.into() })
    };
    let documents = [
        doc! { "_id": 1, "documents": nest(99, false), "arrays": nest(98, true), "text": "x" },
        doc! { "_id": 2, "documents": nest(31, false), "arrays": nest(3, true) },
    ];
    let (place, _) = folded(&documents);
    assert_eq!(type_of(&place, "documents").matches("struct<").count(), 32);
}

/// The largest documents MongoDB has, in little memory.
#[test]
fn the_largest_documents_and_a_million_elements() {
    const MAX: usize = 16 * 1024 * 1024;
    let number = |n: i32| if n % 100_000 == 7 { Bson::Null } else { Bson::Int32(n) };
    let list: Vec<Bson> = (0..1_000_000).map(number).collect();
    let documents = [
        doc! { "_id": 1, "list": list },
        doc! { "_id": 2, "text": "x".repeat(MAX - 100) },
        doc! { "_id": 3, "list": 3, "text": "short" },
    ];
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,at,"));
    dump(&place, "h/c", &bytes(&dated(&documents)));
    place.run(&["--strict"], 0);
    holds(&place, "h/c", UTC, &by_id(&dated(&documents)));
    assert_eq!(type_of(&place, "list"), "array<bigint>");
}
