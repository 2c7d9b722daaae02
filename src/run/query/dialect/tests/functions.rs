//! `date_diff` and `day_of_week`: the examples of Trino's documentation, and what Joda, which counts for it, says of months.

use super::{Kind, TestLake, bills};
use arrow::array::{ArrayRef, TimestampMillisecondArray};
use std::sync::Arc;

/// The one value of `SELECT expression`.
async fn value(lake: &TestLake, expression: &str) -> String {
    let rows = lake.csv(&format!("SELECT {expression} AS v, 1 AS one")).await;
    rows.strip_prefix("v,one\n").unwrap().strip_suffix(",1\n").unwrap().to_owned()
}

#[tokio::test]
async fn differences_are_whole_units_cut_towards_zero() {
    let lake = bills();
    for (unit, from, to, expected) in [
        ("second", "TIMESTAMP '2020-03-01 00:00:00'", "TIMESTAMP '2020-03-02 00:00:00'", "86400"),
        ("hour", "TIMESTAMP '2020-03-01 00:00:00'", "TIMESTAMP '2020-03-02 00:00:00'", "24"),
        ("day", "DATE '2020-03-01'", "DATE '2020-03-02'", "1"),
        ("second", "TIMESTAMP '2020-06-01 12:30:45.000000000'", "TIMESTAMP '2020-06-02 12:30:45.123456789'", "86400"),
        (
            "millisecond",
            "TIMESTAMP '2020-06-01 12:30:45.000000000'",
            "TIMESTAMP '2020-06-02 12:30:45.123456789'",
            "86400123",
        ),
        ("minute", "TIMESTAMP '2024-01-01 00:00:30'", "TIMESTAMP '2024-01-01 00:02:29'", "1"),
        ("DAY", "TIMESTAMP '2024-01-01 12:00:00'", "TIMESTAMP '2024-01-03 11:59:59'", "1"),
        ("day", "TIMESTAMP '2024-01-02 00:00:00'", "TIMESTAMP '2024-01-01 12:00:00'", "0"),
        ("hour", "TIMESTAMP '2024-01-02 00:00:00'", "TIMESTAMP '2024-01-01 12:00:00'", "-12"),
        ("week", "DATE '2024-01-01'", "DATE '2024-01-14'", "1"),
        ("week", "DATE '2024-01-01'", "DATE '2024-01-15'", "2"),
        ("day", "DATE '1969-12-31'", "DATE '1970-01-02'", "2"),
        ("month", "DATE '2024-01-15'", "DATE '2024-03-14'", "1"),
        ("month", "DATE '2024-01-15'", "DATE '2024-03-15'", "2"),
        // A month that has no such day ends with its last.
        ("month", "DATE '2024-01-31'", "DATE '2024-02-28'", "0"),
        ("month", "DATE '2024-01-31'", "DATE '2024-02-29'", "1"),
        ("month", "TIMESTAMP '2024-01-31 10:00:00'", "TIMESTAMP '2024-02-29 09:59:59'", "0"),
        ("month", "DATE '2024-02-29'", "DATE '2024-03-28'", "0"),
        ("month", "DATE '2024-03-31'", "DATE '2024-02-29'", "-1"),
        ("month", "DATE '2024-12-31'", "DATE '2025-02-28'", "2"),
        ("quarter", "DATE '2024-01-01'", "DATE '2024-12-31'", "3"),
        ("year", "DATE '2024-02-29'", "DATE '2025-02-28'", "1"),
        ("year", "DATE '2024-03-01'", "DATE '2025-02-28'", "0"),
        ("year", "DATE '2023-02-28'", "DATE '2024-02-28'", "1"),
        ("year", "DATE '2025-02-28'", "DATE '2023-03-01'", "-1"),
        // A day and a moment.
        ("hour", "DATE '2024-01-01'", "TIMESTAMP '2024-01-01 13:30:00'", "13"),
        ("day", "NULL", "DATE '2024-01-01'", ""),
        ("day", "DATE '2024-01-01'", "NULL", ""),
    ] {
        let expression = format!("date_diff('{unit}', {from}, {to})");
        assert_eq!(value(&lake, &expression).await, expected, "{expression}");
    }
}

#[tokio::test]
async fn weekdays_count_from_monday() {
    let lake = bills();
    for (time, expected) in [
        ("DATE '2024-02-26'", "1"),
        ("DATE '2024-02-29'", "4"),
        ("TIMESTAMP '2024-03-03 23:59:59.999'", "7"),
        ("TIMESTAMP '2024-03-04 00:00:00'", "1"),
        ("DATE '1969-12-31'", "3"),
        ("NULL", ""),
    ] {
        assert_eq!(value(&lake, &format!("day_of_week({time})")).await, expected, "{time}");
    }
}

/// A lake holds instants or wall clocks, to the millisecond.
#[tokio::test]
async fn columns_of_both_kinds_of_time_are_taken() {
    let lake = TestLake::new();
    // 2024-05-01T22:00:00 and NULL; 2024-05-02T00:30:00 twice.
    let from = TimestampMillisecondArray::from(vec![Some(1_714_600_800_000), None]);
    let to = TimestampMillisecondArray::from(vec![1_714_609_800_000; 2]);
    let utc: ArrayRef = Arc::new(from.clone().with_timezone("UTC"));
    let to_utc: ArrayRef = Arc::new(to.clone().with_timezone("UTC"));
    let columns: Vec<(&str, ArrayRef)> = vec![("a", Arc::new(from)), ("b", Arc::new(to)), ("au", utc), ("bu", to_utc)];
    lake.write("hospital/times/data.parquet", columns);
    let sql = "SELECT date_diff('minute', t.a, t.b) AS local, date_diff('minute', t.au, t.bu) AS utc, \
               day_of_week(t.b) AS w, day_of_week(t.bu) AS wu, sum(date_diff('hour', t.a, t.b)) OVER () AS s \
               FROM hospital.times AS t ORDER BY 1";
    assert_eq!(lake.csv(sql).await, "local,utc,w,wu,s\n150,150,4,4,2\n,,4,4,2\n");
    let sql = "SELECT count(*) AS n FROM hospital.times AS t WHERE date_diff('day', t.a, t.b) = 0";
    assert_eq!(lake.csv(sql).await, "n\n1\n");
}

#[tokio::test]
async fn what_they_do_not_take_is_said_before_a_row_is_read() {
    let lake = bills();
    let all = "millisecond, second, minute, hour, day, week, month, quarter, year";
    for (expression, expected) in [
        ("date_diff('fortnight', DATE '2024-01-01', DATE '2024-01-02')", all),
        ("date_diff('days', b.amount, b.amount)", "date_diff takes a unit and two times"),
        ("date_diff('day', DATE '2024-01-01')", "date_diff takes a unit and two times"),
        ("date_diff(DATE '2024-01-01', DATE '2024-01-02')", "date_diff takes a unit and two times"),
        ("day_of_week('2024-01-01')", "day_of_week takes one time"),
        ("day_of_week()", "day_of_week"),
    ] {
        let (kind, text) = lake.refusal(&format!("SELECT {expression} AS v FROM hospital.bills AS b"), &[]).await;
        assert_eq!(kind, Kind::Input, "{expression}: {text}");
        assert!(text.contains(expected), "{expression}: {text}");
    }
}
