//! `report`: the page of a run, from its record alone.

use crate::support::lakefold::{Environment, Workplace, next_second};
use mongodb::bson::doc;

fn place() -> Workplace {
    let manifest = "database,collection,timestamp_column,partition_by\nhospital,bills,updated_at,\n";
    let place = Workplace::with(&Environment::of("dump:source"), manifest);
    let bill = doc! { "_id": 1, "updated_at": mongodb::bson::DateTime::from_millis(1_714_552_200_000) };
    place.write("source/hospital/bills.bson", bill.to_vec().expect("BSON"));
    place
}

#[test]
fn the_page_of_the_last_run_or_of_one_named() {
    let place = place();
    let none = place.lakefold(&["report", "--env", "test"]);
    none.refused(1, &["the lake has no run yet", "lakefold run"]);
    let first = place.run(&[], 0)["run_id"].as_str().expect("a run").to_owned();
    next_second();
    let second = place.run(&[], 0)["run_id"].as_str().expect("a run").to_owned();

    let last = place.lakefold(&["report", "--env", "test"]);
    assert_eq!(last.code, 0, "{last}");
    assert!(last.stdout.starts_with("<!DOCTYPE html>") && last.stdout.contains(&second), "{last}");
    assert!(last.stdout.contains("<svg ") && !last.stdout.contains("cid:"), "drawings stand in the page\n{last}");

    let out = place.lakefold(&["report", "--env", "test", "--run", &first, "--out", "page.html"]);
    assert_eq!((out.code, out.stdout.as_str()), (0, ""), "{out}");
    let page = std::fs::read_to_string(place.path().join("page.html")).expect("the page");
    assert!(page.contains(&first) && !page.contains(&second) && !page.contains("<svg "), "one run has no past\n{page}");

    let record = place.lakefold(&["report", "--env", "test", "--json"]);
    let record: serde_json::Value = serde_json::from_str(&record.stdout).expect("the record");
    assert_eq!(record["run_id"], second.as_str());
    let missing = place.lakefold(&["report", "--env", "test", "--run", "20990101T000000Z-000000"]);
    missing.refused(1, &["there is no run 20990101T000000Z-000000", &second]);
}
