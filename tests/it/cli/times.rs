//! `timezone` cuts the days, `timestamps` says how times are written: in a zone without and in one with daylight saving.

use super::{at, dump, manifest};
use crate::support::lake_rows::{Table, read_table};
use crate::support::lakefold::{Environment, Workplace};
use mongodb::bson::{Document, doc};

fn fold(timezone: &str, timestamps: &str, times: &[&str]) -> Table {
    let environment = Environment { timezone, timestamps, ..Environment::of("dump:source") };
    let place = Workplace::with(&environment, &manifest("hospital,visits,seen,date=day(seen)"));
    let visits: Vec<Document> =
        times.iter().enumerate().map(|(id, time)| doc! { "_id": id as i64, "seen": at(time) }).collect();
    dump(&place, "hospital", "visits", &visits);
    place.run(&[], 0);
    read_table(&place.lake(), "hospital/visits")
}

/// Partition and written time of each row, in the order of the documents.
fn placed(table: &Table) -> Vec<(&str, &str)> {
    let mut rows: Vec<_> = table.rows.iter().collect();
    rows.sort_by_key(|row| row.columns["_id"].as_i64());
    rows.iter().map(|row| (row.partition.as_str(), row.columns["seen"].as_str().expect("a time"))).collect()
}

const KOLKATA_MIDNIGHT: [&str; 2] = ["2024-04-30T18:29:59.999Z", "2024-04-30T18:30:00.000Z"];

#[test]
fn wall_clock_of_kolkata() {
    let table = fold("Asia/Kolkata", "local", &KOLKATA_MIDNIGHT);
    assert_eq!(
        placed(&table),
        [("date=2024-04-30", "2024-04-30T23:59:59.999"), ("date=2024-05-01", "2024-05-01T00:00:00.000")]
    );
    assert_eq!(table.rows[0].columns["_modified_ms"], 1_714_501_799_999_i64, "merging compares UTC");
}

#[test]
fn instants_of_kolkata() {
    let table = fold("Asia/Kolkata", "utc", &KOLKATA_MIDNIGHT);
    assert_eq!(
        placed(&table),
        [("date=2024-04-30", "2024-04-30T18:29:59.999Z"), ("date=2024-05-01", "2024-04-30T18:30:00.000Z")]
    );
}

/// The clock jumps from 02:00 to 03:00 on 10 March and repeats 01:00 to 02:00 on 3 November; days begin at UTC-5 before
/// and UTC-4 between.
const NEW_YORK: [&str; 6] = [
    "2024-03-10T04:59:59.000Z",
    "2024-03-10T06:59:59.000Z",
    "2024-03-10T07:00:00.000Z",
    "2024-03-11T04:00:00.000Z",
    "2024-11-03T05:30:00.000Z",
    "2024-11-03T06:30:00.000Z",
];

#[test]
fn wall_clock_of_new_york() {
    let table = fold("America/New_York", "local", &NEW_YORK);
    assert_eq!(
        placed(&table),
        [
            ("date=2024-03-09", "2024-03-09T23:59:59.000"),
            ("date=2024-03-10", "2024-03-10T01:59:59.000"),
            ("date=2024-03-10", "2024-03-10T03:00:00.000"),
            ("date=2024-03-11", "2024-03-11T00:00:00.000"),
            ("date=2024-11-03", "2024-11-03T01:30:00.000"),
            ("date=2024-11-03", "2024-11-03T01:30:00.000"),
        ]
    );
    // Of the repeated hour nothing is lost: the exact instant stands beside at least one of the two (P6).
    let twice: Vec<_> = table.rows.iter().filter(|row| row.partition == "date=2024-11-03").collect();
    assert_eq!(twice.len(), 2);
    assert_ne!(twice[0].columns.get("_misfits"), twice[1].columns.get("_misfits"));
}

#[test]
fn instants_of_new_york() {
    let table = fold("America/New_York", "utc", &NEW_YORK);
    let placed = placed(&table);
    let days: Vec<&str> = placed.iter().map(|(day, _)| *day).collect();
    assert_eq!(
        days,
        [
            "date=2024-03-09",
            "date=2024-03-10",
            "date=2024-03-10",
            "date=2024-03-11",
            "date=2024-11-03",
            "date=2024-11-03"
        ]
    );
    assert!(placed.iter().map(|(_, time)| *time).eq(NEW_YORK), "{placed:?}");
    assert!(!table.types.contains_key("_misfits"));
}
