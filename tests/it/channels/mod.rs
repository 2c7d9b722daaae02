//! Who is told of a run, by real receivers on this machine: what arrives, and that one channel down costs nothing else.

mod looks;
mod mail;
mod metrics;
mod probes;
mod webhooks;

use crate::support::lakefold::{Ended, Workplace};
use mongodb::bson::{Document, doc};
use serde_json::Value;

/// A workplace over a small dump, whose environment ends with `channels`.
fn place(channels: &str) -> Workplace {
    let place = Workplace::new();
    place.write("collections.csv", "database,collection,timestamp_column,partition_by\nhospital,bills,updated_at,\n");
    write_bills(&place, 3);
    environment(&place, channels);
    place
}

/// Writes `env/test.toml` anew, ended with `channels`.
fn environment(place: &Workplace, channels: &str) {
    let base = "[source]\nuri = \"dump:source\"\n[lake]\nurl = \"file:lake\"\n[run]\nmemory = \"128MiB\"\n";
    place.write("env/test.toml", format!("{base}{channels}"));
}

/// Writes so many bills into the dump.
fn write_bills(place: &Workplace, count: i32) {
    let bill = |id: i32| doc! { "_id": id, "updated_at": mongodb::bson::DateTime::from_millis(1_714_552_200_000) };
    let bytes: Vec<u8> = (0..count).map(bill).flat_map(|bill: Document| bill.to_vec().expect("BSON")).collect();
    place.write("source/hospital/bills.bson", bytes);
}

/// `lakefold run` that ends with `code`, and its record.
#[track_caller]
fn run(place: &Workplace, code: i32) -> (Ended, Value) {
    let ended = place.lakefold(&["run", "--env", "test", "--json"]);
    assert_eq!(ended.code, code, "{ended}");
    let record = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("no record: {error}\n{ended}"));
    (ended, record)
}

/// What the record says of a channel.
fn outcome<'r>(record: &'r Value, channel: &str) -> &'r str {
    let all = record["notifications"].as_array().expect("notifications");
    let one = all.iter().find(|one| one["channel"] == channel).unwrap_or_else(|| panic!("no {channel}: {all:?}"));
    one["outcome"].as_str().expect("an outcome")
}
