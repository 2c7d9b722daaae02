//! The newest row of each `_id` where an older job left several, and one name for each facility whatever its records
//! call it.

use super::administrative::names;
use super::demo::{Demo, query, rows};
use super::documents::text;
use crate::support::lakefold::{Environment, Workplace};
use arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// The view of `administrative/current_rows.sql`, with another question asked of it.
fn of_the_view(question: &str) -> String {
    let sql = query("administrative/current_rows");
    let (view, _) = sql.split_once("\nSELECT\n    facility_id,").expect("the view, and what the query asks of it");
    format!("{view}\n{question}")
}

#[test]
fn the_current_row_of_a_folded_table_is_its_only_one() {
    let demo = Demo::shared();
    let stored = demo.rows("SELECT * FROM hospital.bills ORDER BY _id", &[]);
    let mut current = demo.rows(&of_the_view("SELECT * FROM ranked WHERE place = 1 ORDER BY _id"), &[]);
    for row in &mut current {
        assert_eq!(row.remove("place"), Some(json!(1)));
    }
    assert_eq!(stored.len(), demo.hospital.all("bills").len());
    assert!(stored == current, "the view changes the rows of a table that has no doubles");
}

/// A bill as an older job wrote it down: another row for each change, wherever the change was found.
struct Version(&'static str, Option<i64>, &'static str);

fn write(lake: &Path, partition: &str, versions: &[Version]) {
    let folder = lake.join("hospital/bills").join(partition);
    fs::create_dir_all(&folder).expect("make a folder");
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(versions.iter().map(|version| version.0)));
    let times: ArrayRef = Arc::new(TimestampMillisecondArray::from_iter(versions.iter().map(|version| version.1)));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(versions.iter().map(|version| version.2)));
    let columns = [("_id", ids), ("updated_at", times), ("status", texts)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)));
    let batch = batch.expect("a batch");
    let file = File::create(folder.join("data.parquet")).expect("create a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("write");
    writer.close().expect("close");
}

#[test]
fn of_several_versions_the_newest_is_the_current_row() {
    let place = Workplace::with(&Environment::of("dump:none"), "database,collection\nhospital,bills\n");
    let first = [
        Version("a", Some(10), "open"),
        Version("a", Some(30), "paid"),
        Version("b", Some(10), "only one"),
        Version("c", Some(50), "newest, in the older file"),
        // Written by an import, before anybody noted times.
        Version("d", None, "without a time"),
        Version("e", None, "nothing else is known"),
    ];
    let second = [
        Version("a", Some(20), "part-paid"),
        Version("c", Some(40), "older, in the newer file"),
        Version("d", Some(1), "has a time"),
    ];
    write(&place.lake(), "date=2024-03-01/facility_id=FAC001", &first);
    write(&place.lake(), "date=2024-03-02/facility_id=FAC001", &second);
    let ask = |sql: &str| rows(place.lakefold(&["query", "--env", "test", "--format", "json", "-e", sql]), sql);

    let current = ask(&of_the_view("SELECT _id, status FROM ranked WHERE place = 1 ORDER BY _id"));
    let of = |name: &str| current.iter().map(|row| row[name].as_str().expect("a text").to_owned()).collect::<Vec<_>>();
    assert_eq!(of("_id"), ["a", "b", "c", "d", "e"]);
    let newest = ["paid", "only one", "newest, in the older file", "has a time", "nothing else is known"];
    assert_eq!(of("status"), newest);
    let counted: Vec<Map<String, Value>> = ask(&query("administrative/current_rows"));
    let expected = json!([{ "facility_id": "FAC001", "stored_rows": 9, "current_rows": 5, "doubles": 4 }]);
    assert_eq!(json!(counted), expected);
}

/// Records spell a facility in several ways, and one was renamed in between: its agreed name finds all of them by the id,
/// where a filter by the spelling finds some.
#[test]
fn a_filter_by_the_agreed_name_loses_no_row() {
    let demo = Demo::shared();
    let names_sql = query("administrative/facility_names");
    let names_sql = names_sql.trim_end().strip_suffix("ORDER BY facility_id").expect("its order");
    let mut by_name = 0;
    for (facility, (name, spellings)) in names(&demo.hospital) {
        assert!(spellings > 1, "{facility} is always called {name}");
        let bills =
            demo.hospital.all("bills").iter().filter(|bill| text(bill, "facility.id") == facility.as_str().into());
        let bills = bills.count();
        let count = |sql: String| {
            let rows = demo.rows(&sql, &[]);
            usize::try_from(rows[0]["n"].as_u64().expect("a count")).expect("a count")
        };
        let agreed = count(format!(
            "WITH names AS (SELECT * FROM ({names_sql}) AS agreed) SELECT count(*) AS n FROM hospital.bills AS b \
             JOIN names ON names.facility_id = b.facility_id WHERE names.name = '{name}'"
        ));
        assert_eq!(agreed, bills, "{name}");
        let spelled = count(format!(
            "SELECT count(*) AS n FROM hospital.bills AS b WHERE b.facility_id = '{facility}' AND b.facility.name = '{name}'"
        ));
        assert!(spelled < bills, "{name} is spelled in one way only");
        by_name += agreed;
    }
    assert_eq!(by_name, demo.hospital.all("bills").len(), "a bill has no facility, or two");
}
