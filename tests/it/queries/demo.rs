//! The demo as `make run` leaves it after three calls: a hospital, folded, and two days of changes, folded one by one.

use super::documents::Hospital;
use crate::support::lakefold::{Ended, Workplace};
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Three facilities with every ward, about six thousand documents.
const SCALE: &str = "0.3";

/// A lake, and what it was made of.
pub struct Demo {
    /// With `env/demo.toml` and `collections.csv` as they are in the repository.
    pub place: Workplace,
    /// The documents of the last day.
    pub hospital: Hospital,
    _sweeper: Child,
}

impl Demo {
    /// The one that all tests share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Demo> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    fn new() -> Self {
        let place = Workplace::new();
        let sweeper = sweeper(place.path());
        for file in ["collections.csv", "env/demo.toml"] {
            place.write(file, fs::read(repository().join(file)).expect("a file of the repository"));
        }
        let runs: [&[&str]; 3] = [&["--scale", SCALE], &["--advance", "1"], &["--advance", "1"]];
        for (day, flags) in runs.iter().enumerate() {
            let made = place.lakefold(&[&["synth", "--out", ".demo/source"], *flags].concat());
            assert_eq!(made.code, 0, "{made}");
            let folded = place.lakefold(&["run", "--env", "demo", "--json"]);
            assert_eq!(folded.code, 0, "{folded}");
            let record: Value = serde_json::from_str(&folded.stdout).expect("a record");
            let updated = |one: &Value| one["rows"]["updated"].as_u64().expect("a count");
            let updates: u64 = record["collections"].as_array().expect("collections").iter().map(updated).sum();
            assert_eq!(updates > 0, day > 0, "{updates} documents changed on day {day}");
        }
        let hospital = Hospital::read(&place.path().join(".demo/source/hospital"));
        Self { place, hospital, _sweeper: sweeper }
    }

    /// The folder of the lake.
    pub fn lake(&self) -> PathBuf {
        self.place.path().join(".demo/lake")
    }

    /// The rows that a query gives, in their order.
    pub fn rows(&self, sql: &str, params: &[(&str, &str)]) -> Vec<Map<String, Value>> {
        rows(self.ask(sql, params), sql)
    }

    /// `lakefold query` of a text.
    pub fn ask(&self, sql: &str, params: &[(&str, &str)]) -> Ended {
        let params: Vec<String> = params.iter().map(|(name, value)| format!("--param={name}={value}")).collect();
        let mut arguments = vec!["query", "--env", "demo", "--format", "json", "-e", sql];
        arguments.extend(params.iter().map(String::as_str));
        self.place.lakefold(&arguments)
    }
}

/// The rows that a query printed as JSON.
#[track_caller]
pub fn rows(ended: Ended, what: &str) -> Vec<Map<String, Value>> {
    assert_eq!(ended.code, 0, "{what}\n{ended}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{what}: {error}\n{ended}"))
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every query of `queries/`, as `financial/revenue` and its text.
pub fn queries() -> Vec<(String, String)> {
    let root = repository().join("queries");
    let mut found = Vec::new();
    for subject in fs::read_dir(&root).expect("list queries/") {
        for file in fs::read_dir(subject.expect("an entry").path()).expect("list a subject") {
            let path = file.expect("an entry").path();
            let name = path.strip_prefix(&root).expect("below").with_extension("").display().to_string();
            found.push((name, fs::read_to_string(&path).expect("read a query")));
        }
    }
    found.sort();
    assert!(found.len() >= 30, "the queries are gone");
    found
}

/// The text of one query.
pub fn query(name: &str) -> String {
    fs::read_to_string(repository().join("queries").join(name).with_extension("sql")).expect("read a query")
}

/// Removes the folder when this process ends, which is when a static goes.
fn sweeper(folder: &Path) -> Child {
    let script = "trap '' INT TERM HUP; read -r _; rm -rf \"$0\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(folder).stdin(Stdio::piped()).spawn().expect("start a shell")
}
