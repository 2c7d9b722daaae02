//! Flags, environment and manifest that are wrong: all of it told at once, exit 2, nothing touched.

use super::manifest;
use crate::support::lakefold::{Environment, Workplace};

/// The program must not get as far as its source.
const NOWHERE: &str = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=1";

#[test]
fn both_files_are_judged_together() {
    let place = Workplace::new();
    place.write(
        "env/test.toml",
        "timezone = \"Asia/Calcuta\"\n\
         [source]\n\
         uri = \"${HOSPITAL_URI}\"\n\
         overlapp = \"10m\"\n\
         [lake]\n\
         url = \"file:lake\"\n",
    );
    place.write("collections.csv", "database,collection,partition\nhospital,bills,\n");
    let ended = place.lakefold(&["run", "--env", "test"]);
    ended.refused(
        2,
        &[
            "env/test.toml:1: timezone",
            "env/test.toml:3: source.uri",
            "HOSPITAL_URI",
            "env/test.toml:4: source.overlapp",
            "unknown key",
            "`overlap`",
            "collections.csv:1: partition",
            "unknown column",
        ],
    );
    assert_eq!(ended.stdout, "", "talk belongs on stderr");
    assert!(!place.lake().exists(), "the lake was touched");
}

#[test]
fn each_slip_in_the_manifest_is_named_by_line() {
    let cases = [
        ("hospital,bills,updated_at,\nhospital,bills,updated_at,", "collections.csv:3", "hospital.bills"),
        ("hospital,Bills,updated_at,\nhospital,bills,updated_at,", "collections.csv:3", "hospital.bills"),
        ("hospital,bills,updated_at,date=week(created_at)", "collections.csv:2: partition_by", "week"),
        ("hospital,bills,updated_at,date", "collections.csv:2: partition_by", "date"),
        ("hospital,bills,updated_at,Date=day(created_at)", "collections.csv:2: partition_by", "Date"),
        ("hospital,,updated_at,", "collections.csv:2: collection", "empty"),
        ("hospital,bills,updated..at,", "collections.csv:2: timestamp_column", "updated..at"),
        ("hospital,bills", "collections.csv:2", "2 fields"),
    ];
    for (rows, place_named, word) in cases {
        let place = Workplace::with(&Environment::of(NOWHERE), &manifest(rows));
        let ended = place.lakefold(&["run", "--env", "test"]);
        ended.refused(2, &[place_named, word]);
        assert!(!place.lake().exists(), "the lake was touched: {rows}");
    }
}

#[test]
fn rows_that_hide_need_what_hiding_needs() {
    let header = "database,collection,timestamp_column,partition_by,exclude,hash\n";
    let cases = [
        ("hospital,bills,updated_at,,,patient.name", "hash", "hash_key"),
        ("hospital,bills,updated_at,,_id,", "exclude", "_id"),
        ("hospital,bills,meta.updated_at,,meta,", "exclude", "meta"),
        ("hospital,bills,updated_at,date=day(created_at),created_at,", "exclude", "created_at"),
    ];
    for (row, column, word) in cases {
        let place = Workplace::with(&Environment::of(NOWHERE), &format!("{header}{row}\n"));
        let ended = place.lakefold(&["run", "--env", "test"]);
        ended.refused(2, &[&format!("collections.csv:2: {column}"), word]);
    }
}

#[test]
fn flags_are_checked_before_anything_is_touched() {
    let place = Workplace::with(&Environment::of(NOWHERE), &manifest("hospital,bills,updated_at,"));
    let cases: [(&[&str], &str); 7] = [
        (&["run", "--env", "test", "--collection", "hospital.visits"], "hospital.visits"),
        (&["run", "--env", "test", "--collection", "bills"], "DATABASE.COLLECTION"),
        (&["run", "--env", "test", "--since", "soon"], "--since"),
        (&["run", "--env", "test", "--memory", "1MiB"], "128MiB"),
        (&["run", "--env", "test", "--allow-shrink"], "--full"),
        (&["run", "--env", "tset"], "`--env test`"),
        (&["run"], "--env"),
    ];
    for (arguments, says) in cases {
        place.lakefold(arguments).refused(2, &[says]);
    }
    assert!(!place.lake().exists(), "the lake was touched");
}

#[test]
fn a_variable_may_have_a_default_and_its_value_is_never_shown() {
    let place = Workplace::with(&Environment::of("${SOURCE:-ftp://user:hunter2@host}"), &manifest("a,b,c,"));
    let ended = place.lakefold(&["run", "--env", "test"]);
    ended.refused(2, &["env/test.toml:4: source.uri"]);
    assert!(!ended.stderr.contains("hunter2"), "{ended}");
}
