//! `init`: a proposed manifest that runs as it is.

use super::{documents, hospital, seen};
use crate::cli::dump;
use crate::support::lakefold::Workplace;
use crate::support::mongod::Mongod;
use mongodb::bson::{Document, doc};
use serde_json::Value;

/// The whole way of somebody new: a MongoDB, a URI, and nothing else known.
#[tokio::test]
async fn the_hospital_in_a_mongodb_runs_with_what_is_proposed() {
    let server = Mongod::start();
    let place = Workplace::new();
    let made = place.lakefold(&["synth", "--out", server.uri(), "--seed", "7", "--scale", "0.05", "--quiet"]);
    assert_eq!(made.code, 0, "{made}");
    let hospital = server.client().await.database("hospital");
    let series = doc! { "create": "vitals", "timeseries": { "timeField": "at" } };
    hospital.run_command(series).await.expect("a time series");
    let view = doc! { "create": "open_bills", "viewOn": "bills", "pipeline": [{ "$match": { "status": "open" } }] };
    hospital.run_command(view).await.expect("a view");
    hospital.collection::<Document>("beds").drop_index("updated_at_1").await.expect("drop an index");

    // Nothing but the source, and the proposal on stdout. The collections are so small that a sample is all of them.
    place.write("env/test.toml", format!("[source]\nuri = \"{}\"\n", server.uri()));
    let proposed = place.lakefold(&["init", "--env", "test"]);
    assert_eq!((proposed.code, proposed.stderr.as_str()), (0, ""), "{proposed}");
    seen!("init_in_a_pipe", proposed);
    place.write("collections.csv", &proposed.stdout);
    place.write(
        "env/test.toml",
        format!("[source]\nuri = \"{}\"\n[lake]\nurl = \"file:lake\"\n[run]\nmemory = \"256MiB\"\n", server.uri()),
    );
    let record = place.run(&[], 0);
    let collections = record["collections"].as_array().expect("collections");
    assert!(collections.len() >= 10, "{record:#}");
    for collection in collections {
        assert_eq!(collection["outcome"], "ok", "{collection:#}");
        assert!(collection["rows"]["inserted"].as_u64() > Some(0), "{collection:#}");
    }
    let named = |name: &str| collections.iter().find(|c| c["collection"] == name).expect("a collection");
    assert!(named("bills")["partitions_new"].as_u64() > Some(1), "bills are cut: {:#}", named("bills"));
    // What synth did not write, it does not advance.
    for name in ["vitals", "open_bills"] {
        hospital.collection::<Document>(name).drop().await.expect("drop");
    }
    // What was chosen as the modified field makes the next run a small one.
    let advanced = place.lakefold(&["synth", "--out", server.uri(), "--advance", "1", "--quiet"]);
    assert_eq!(advanced.code, 0, "{advanced}");
    let next = place.run(&[], 0);
    let read = |record: &Value| -> u64 {
        let all = record["collections"].as_array().expect("collections");
        all.iter().filter_map(|c| c["rows"]["read"].as_u64()).sum()
    };
    assert!(read(&next) * 2 < read(&record), "{} of {} documents are read again", read(&next), read(&record));
}

#[test]
fn a_dump_is_looked_at_too() {
    let place = hospital();
    dump(&place, "hospital", "system.views", &[doc! { "_id": 1 }]);
    dump(&place, "admin", "accounts", &[doc! { "_id": 1 }]);
    dump(
        &place,
        "hospital",
        "notes",
        &documents(1..=3)
            .into_iter()
            .map(|mut d| {
                d.remove("updated_at");
                d
            })
            .collect::<Vec<_>>(),
    );
    let proposed = place.lakefold(&["init", "--env", "test"]);
    assert_eq!(proposed.code, 0, "{proposed}");
    let rows: Vec<&str> = proposed.stdout.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert_eq!(
        rows,
        [
            "database,collection,timestamp_column,partition_by",
            "hospital,bills,updated_at,",
            "hospital,notes,,",
            "hospital,wards,updated_at,"
        ],
        "{proposed}"
    );
    place.write("collections.csv", &proposed.stdout);
    place.run(&[], 0);
}

#[test]
fn a_source_without_collections_is_said() {
    let place = hospital();
    std::fs::remove_dir_all(place.path().join("source/hospital")).expect("remove the dump");
    place.lakefold(&["init", "--env", "test"]).refused(1, &["no collection", "hint: "]);
}
