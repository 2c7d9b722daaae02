//! What is said while a run works: bars, lines, JSON, or nothing.

use super::hospital;
use super::screen::{shown, shown_with};
use serde_json::Value;

#[test]
fn bars_come_and_go_on_a_terminal() {
    let place = hospital();
    let run = shown(&place, &["run", "--env", "test"], 80);
    assert_eq!(run.code, 0, "{run}");
    for part in ["all: 0 of 2 done", "hospital.bills", "MB/s"] {
        assert!(run.raw.contains(part), "no {part:?} was drawn: {}", run.raw);
    }
    assert!(!run.screen.contains("done") && !run.screen.contains("MB/s"), "bars are left over\n{run}");
}

/// Every line a run writes is one JSON object with the run, and with the collection where it is about one.
#[test]
fn json_lines_name_run_and_collection() {
    let place = hospital();
    place.write("collections.csv", super::manifest(&["hospital,gone,updated_at,"]));
    let ended = place.lakefold(&["run", "--env", "test", "--log", "json", "--json"]);
    assert_eq!(ended.code, 1, "{ended}");
    let record: Value = serde_json::from_str(&ended.stdout).expect("the record");
    let lines: Vec<Value> = ended.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().all(|line| line["run"] == record["run_id"]), "{ended}");
    let about = |collection: &str, level: &str| {
        lines.iter().any(|line| line["collection"] == collection && line["level"] == level)
    };
    assert!(about("hospital.bills", "INFO") && about("hospital.gone", "ERROR"), "{ended}");
    let finished = lines.iter().find(|line| line["message"] == "ok").expect("the end of a collection");
    assert_eq!((&finished["documents"], &finished["of"]), (&40.into(), &3.into()), "{ended}");
}

#[test]
fn errors_are_json_too() {
    let place = hospital();
    place.write("env/test.toml", "[source]\nuri = \"dump:source\"\n[lake]\nurl = \"file:lake\"\nzone = 1\n");
    let ended = place.lakefold(&["status", "--env", "test", "--log", "json"]);
    assert_eq!(ended.code, 2, "{ended}");
    let line: Value = serde_json::from_str(ended.stderr.trim()).expect("one JSON object");
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().is_some_and(|text| text.contains("lake.zone")), "{line}");
}

#[test]
fn colours_are_left_out_when_they_are_not_wanted() {
    let place = hospital();
    place.write("collections.csv", super::manifest(&["hospital,gone,updated_at,"]));
    let red = "\u{1b}[31m";
    assert!(shown(&place, &["run", "--env", "test"], 80).raw.contains(red), "an error is red");
    let plain = shown_with(&place, &["run", "--env", "test"], 80, &[("NO_COLOR", "1")]);
    assert!(!plain.raw.contains(red) && plain.raw.contains("ERROR"), "{}", plain.raw);
}
