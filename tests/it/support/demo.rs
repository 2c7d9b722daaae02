//! The demo of `make run`, smaller: the same environment and manifest, a hospital of two facilities.

use super::lakefold::Workplace;
use std::path::Path;

/// A working directory with the demo's source, and the lake that it was folded into.
pub fn demo() -> Workplace {
    let place = Workplace::new();
    for file in ["env/demo.toml", "collections.csv"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        place.write(file, std::fs::read(path).expect("a file of the demo"));
    }
    let synth = ["synth", "--out", ".demo/source", "--seed", "7", "--scale", "0.1"];
    for arguments in [&synth[..], &["run", "--env", "demo"]] {
        let ended = place.lakefold(arguments);
        assert_eq!(ended.code, 0, "lakefold {arguments:?}\n{ended}");
    }
    place
}

/// The rows of a query of the demo's lake.
pub fn rows(place: &Workplace, sql: &str) -> Vec<serde_json::Map<String, serde_json::Value>> {
    place.write("query.sql", sql);
    let ended = place.lakefold(&["query", "--env", "demo", "--json", "query.sql"]);
    assert_eq!(ended.code, 0, "{sql}\n{ended}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}\n{sql}\n{ended}"))
}
