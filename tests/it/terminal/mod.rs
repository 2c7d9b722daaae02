//! What people see: every command on a terminal of 80 columns, on a wide one, and in a pipe, with its exit code.
//!
//! Snapshots are few and whole. Times, sizes and identities are replaced, and so is the width of columns that follows
//! from them; that no line is wider than the terminal is checked before.

mod check;
mod copied;
mod errors;
mod everywhere;
mod help;
mod init;
mod plan;
mod progress;
mod run;
mod screen;
mod status;

use crate::cli::{at, dump};
use crate::support::lakefold::Workplace;
use mongodb::bson::{Document, doc};

/// A dump of two collections, an environment that folds one collection at a time, and a manifest of the two.
fn hospital() -> Workplace {
    let place = Workplace::new();
    place.write(
        "env/test.toml",
        "[source]\nuri = \"dump:source\"\noverlap = \"0s\"\n[lake]\nurl = \"file:lake\"\n[run]\nmemory = \"256MiB\"\n\
         collections = 1\n",
    );
    place.write("source/dump.json", r#"{"started_at": "2024-06-01T00:00:00Z"}"#);
    dump(&place, "hospital", "bills", &documents(1..=40));
    dump(&place, "hospital", "wards", &[doc! { "_id": 1, "name": "A", "updated_at": at("2024-05-01T00:00:00Z") }]);
    place.write("collections.csv", manifest(&[]));
    place
}

/// The manifest of [`hospital`] with more rows.
fn manifest(more: &[&str]) -> String {
    let rows = ["hospital,bills,updated_at,date=day(created_at)", "hospital,wards,updated_at,"];
    let rows: Vec<&str> = rows.iter().chain(more).copied().collect();
    crate::cli::manifest(&rows.join("\n"))
}

/// Bills, ten a day.
fn documents(ids: std::ops::RangeInclusive<i32>) -> Vec<Document> {
    ids.map(|id| {
        let day = at(&format!("2024-05-{:02}T10:00:00Z", id / 10 + 1));
        doc! { "_id": id, "updated_at": day, "created_at": day, "amount": id * 10, "facility": { "id": "F1" } }
    })
    .collect()
}

/// Compares with the stored snapshot, with everything replaced that differs from run to run.
macro_rules! seen {
    ($name:expr, $text:expr) => {
        insta::with_settings!({
            filters => vec![
                (r"\d{8}T\d{6}Z-[0-9a-f]{6}", "[run]"),
                (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "[time]"),
                (r"/[^ \n]*lakefold-test-\w+", "[place]"),
                (r"127\.0\.0\.1:\d+", "127.0.0.1:[port]"),
                (r#""(seconds|reads|lists)": \d+(\.\d+)?"#, r#""$1": [n]"#),
                (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "[time]"),
                (r"seconds=\d+(\.\d+)?", "seconds=[n]"),
                (r" \d+d\d\dh\b", " [lag]"),
                (r" is \d+\w.* behind,", " is [lag] behind,"),
                (r"\d+(\.\d+)? (B|KiB|MiB)\b", "[size]"),
                (r"\b\d+\.\ds\b", "[secs]"),
                (r"\bv(\d+) \d{4}-\d\d-\d\d", "v$1 [day]"),
                (r"─{3,}", "───"),
                (r"(\S) {2,}", "$1  "),
            ],
            omit_expression => true,
        }, {
            insta::assert_snapshot!($name, $text.to_string());
        });
    };
}
pub(crate) use seen;
