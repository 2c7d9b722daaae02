//! `status`: the worst first, for people and for programs.

use super::screen::{fits, shown};
use super::{hospital, manifest, seen};
use crate::cli::dump;
use mongodb::bson::doc;
use serde_json::{Value, json};

#[test]
fn the_worst_stands_first() {
    let place = hospital();
    place.run(&[], 0);
    place.write("collections.csv", manifest(&["hospital,gone,updated_at,", "hospital,never,updated_at,"]));
    place.run(&["--collection", "hospital.gone"], 1);
    dump(&place, "hospital", "never", &[doc! { "_id": 1 }]);
    place.write("lake/hospital/bills/date=2024-05-02/part-0.parquet", "foreign");

    let wide = place.lakefold(&["status", "--env", "test"]);
    assert_eq!(wide.code, 0, "{wide}");
    seen!("status_in_a_pipe", wide);
    let narrow = shown(&place, &["status", "--env", "test"], 80);
    assert_eq!(narrow.code, 0, "{narrow}");
    fits(&narrow.screen, 80);
    seen!("status_on_80_columns", narrow);

    let ended = place.lakefold(&["status", "--env", "test", "--json"]);
    let statuses: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let names: Vec<&str> =
        statuses.as_array().expect("a list").iter().filter_map(|s| s["collection"].as_str()).collect();
    assert_eq!(names, ["gone", "bills", "never", "wards"], "{ended}");
    let bills = &statuses[1];
    assert_eq!((&bills["rows"], &bills["files"], &bills["recent"]), (&json!(40), &json!(5), &json!(["ok"])));
    assert_eq!(bills["growth"], json!({ "rows": 40, "usual": null }));
    assert_eq!(bills["litter"], json!(["hospital/bills/date=2024-05-02/part-0.parquet"]));
}
