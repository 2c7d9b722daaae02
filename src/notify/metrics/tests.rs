use super::super::mail::Mail;
use super::super::tests::{eventful, mornings, quiet};
use super::*;
use std::collections::BTreeSet;

fn report<'a>(record: &'a RunRecord, history: &'a [RunRecord]) -> Report<'a> {
    let mail = Mail { subject: String::new(), text: String::new(), html: String::new(), pictures: Vec::new() };
    Report { record, history, mail }
}

#[test]
fn a_run_becomes_prometheus_text() {
    let record = eventful();
    insta::assert_snapshot!("eventful_metrics", text(&report(&record, &[])).unwrap());
}

#[test]
fn a_run_of_one_collection_keeps_the_numbers_of_the_others() {
    let mut rerun = eventful();
    rerun.collections.retain(|c| c.collection == "patients");
    rerun.collections[0].outcome = Outcome::Ok;
    let before = [mornings(), vec![eventful()]].concat();
    let text = text(&report(&rerun, &before)).unwrap();
    let value = |collection: &str, outcome: &str| {
        let labels = format!(
            "lakefold_collection_outcome{{collection=\"{collection}\",database=\"hospital\",environment=\"prod\",\
             outcome=\"{outcome}\"}} "
        );
        text.lines().find_map(|line| line.strip_prefix(&labels)).map(str::to_owned)
    };
    assert_eq!(value("patients", "ok").as_deref(), Some("1"));
    assert_eq!(value("patients", "failed").as_deref(), Some("0"));
    assert_eq!(value("pharmacy_stock_movements", "busy").as_deref(), Some("1"), "of the run before");
    let elsewhere = RunRecord { environment: "test".into(), ..quiet() };
    assert!(!super::text(&report(&elsewhere, &before)).unwrap().contains("patients"), "another environment's");
}

/// Names of metrics in a query: words that begin as ours do.
fn names(query: &str) -> impl Iterator<Item = String> {
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map(str::to_owned);
    words.filter(|word| word.starts_with("lakefold_"))
}

fn queries(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    serde_json::Value::String(text) if key == "expr" || key == "query" => found.push(text.clone()),
                    other => queries(other, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

/// The dashboard asks for nothing that is not exported, and no metric is exported that it does not show.
#[test]
fn the_dashboard_fits_the_metrics() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/dashboards/lakefold.json");
    let dashboard: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    let asked: BTreeSet<String> = found.iter().flat_map(|query| names(query)).collect();
    let mut record = eventful();
    record.exit_code = 0;
    let text = text(&report(&record, &[])).unwrap();
    let exported: BTreeSet<String> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).map(str::to_owned).collect();
    assert!(exported.len() > 10, "{exported:?}");
    assert_eq!(asked.difference(&exported).collect::<Vec<_>>(), Vec::<&String>::new(), "asked but not exported");
    assert_eq!(exported.difference(&asked).collect::<Vec<_>>(), Vec::<&String>::new(), "exported but not shown");
    // Labels asked for are labels there are.
    for label in ["environment", "database", "collection", "outcome", "kind", "direction", "channel"] {
        assert!(text.contains(&format!("{label}=\"")), "{label}");
    }
}
