//! Keys that are cut from the `_id`: every row lies in its folder, in a table's first batch and in all that follow.

use super::{bytes, dated, dump, manifest};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use chrono::DateTime;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use std::collections::BTreeSet;

/// More than a batch holds.
const DOCUMENTS: u32 = 9_000;

const START: u32 = 1_714_521_600;

/// Documents whose ids were made in the course of five days, from the number `first` on.
fn documents(first: u32) -> Vec<Document> {
    let id = |number: u32| {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&(START + number % 5 * 86_400 + number / 5).to_be_bytes());
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        ObjectId::from_bytes(bytes)
    };
    (first..first + DOCUMENTS).map(|number| doc! { "_id": id(number), "a": i64::from(number) }).collect()
}

#[test]
fn rows_lie_in_the_folders_of_their_ids_run_after_run() {
    let rows = "h,days,at,date=day(_id)\nh,sites,at,site=_id\nh,inner,at,site=_id.site";
    let place = Workplace::with(&Environment::of("dump:source"), &manifest(rows));
    let sites = |run: u32| -> Vec<Document> {
        (0..4_i32).map(|number| doc! { "_id": format!("S{run}-{number}"), "a": number }).collect()
    };
    let inner = |run: u32| -> Vec<Document> {
        let id = |number: i32| doc! { "site": number % 2, "run": i64::from(run), "number": number };
        (0..4).map(|number| doc! { "_id": id(number), "a": number }).collect()
    };
    for run in 0..2 {
        dump(&place, "h/days", &bytes(&dated(&documents(run * DOCUMENTS))));
        dump(&place, "h/sites", &bytes(&dated(&sites(run))));
        dump(&place, "h/inner", &bytes(&dated(&inner(run))));
        let record = place.run(&["--strict"], 0);
        assert!(!record.to_string().contains("__HIVE_DEFAULT_PARTITION__"), "{record:#}");
    }
    let days = read_table(&place.lake(), "h/days");
    assert_eq!((days.rows.len(), days.files.len()), (2 * DOCUMENTS as usize, 5));
    for row in &days.rows {
        let id = row.columns["_id"].as_str().expect("an id");
        let seconds = u32::from_str_radix(&id[..8], 16).expect("an ObjectId");
        let day = DateTime::from_timestamp(i64::from(seconds), 0).expect("a time");
        assert_eq!(row.partition, day.format("date=%Y-%m-%d").to_string(), "{id}");
    }
    let sites = read_table(&place.lake(), "h/sites");
    assert_eq!(sites.rows.len(), 8);
    for row in &sites.rows {
        assert_eq!(row.partition, format!("site={}", row.columns["_id"].as_str().expect("an id")));
    }
    let inner = read_table(&place.lake(), "h/inner");
    assert_eq!(inner.rows.len(), 8);
    assert_eq!(inner.files.keys().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(["site=0", "site=1"]));
}
