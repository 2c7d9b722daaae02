//! The crawler's targets and starts.

use super::stand::{Stand, at, told};
use crate::support::lakefold::Ended;
use crate::support::one_table::{is_stopped, signal};
use aws_sdk_glue::types::S3Target;
use serde_json::json;
use std::process::Stdio;
use std::time::{Duration, Instant};

const CRAWLER: &str = "mode = \"crawler\"\ncrawler = \"{env}-{database}\"";

#[tokio::test]
async fn thirty_collections_over_three_databases_leave_exactly_the_right_targets() {
    let stand = Stand::new(CRAWLER);
    let databases = ["clinic", "Lab-Results", "ward"];
    let folded = ["clinic", "lab_results", "ward"];
    let mut rows = Vec::new();
    for database in databases {
        for n in 0..10 {
            rows.push(format!("{database},Coll{n},updated_at,site=place"));
            stand.source(database, &format!("Coll{n}"), &[at(1, "a", 0), at(2, "b", 0)]);
        }
    }
    // Two collections are missing from the source.
    for failing in ["source/clinic/Coll3.bson", "source/ward/Coll7.bson"] {
        std::fs::remove_file(stand.place.path().join(failing)).expect("remove a file");
    }
    stand.manifest(&rows.iter().map(String::as_str).collect::<Vec<_>>());
    let own = S3Target::builder().path("s3://other/exports/").exclusions("**.tmp").exclusions("_*").build();
    // With and without a slash at the end it is the same target.
    let already = S3Target::builder().path(stand.location("clinic/coll0").trim_end_matches('/')).build();
    stand.crawler("test-clinic", "clinic", vec![own.clone(), already.clone()]).await;
    stand.crawler("test-lab_results", "lab_results", vec![own.clone()]).await;
    stand.crawler("test-ward", "ward", vec![own.clone()]).await;
    stand.calls();

    let record = stand.run(&[], 1);
    let counts = stand.counts();
    assert_eq!((counts["StartCrawler"], counts["UpdateCrawler"]), (3, 3), "{counts:?}");
    for (folder, failed) in folded.into_iter().zip([Some(3), None, Some(7)]) {
        let mut expected: Vec<String> =
            (0..10).filter(|n| Some(*n) != failed).map(|n| stand.location(&format!("{folder}/coll{n}"))).collect();
        if folder == "clinic" {
            expected[0] = already.path().expect("a path").to_owned();
        }
        expected.push("s3://other/exports/".to_owned());
        expected.sort();
        assert_eq!(stand.targets(&format!("test-{folder}")).await, expected);
        let crawler = stand.glue.get_crawler().name(format!("test-{folder}")).send().await.unwrap().crawler.unwrap();
        assert!(crawler.targets.unwrap().s3_targets().contains(&own), "exclusions of what it had are kept");
        assert_eq!(crawler.description.as_deref(), Some("the operator's"));
        assert!(stand.owed(folder).is_empty());
    }
    let told = told(&record);
    assert_eq!(told["test-lab_results"]["outcome"], "started");
    let added: Vec<_> = told.values().map(|told| told["targets_added"].as_u64().unwrap()).collect();
    assert_eq!(added, [8, 10, 9]);

    let again = stand.run(&[], 1);
    assert_eq!(again["catalog"], json!([]), "nothing new starts no crawler");
    assert!(stand.counts().keys().all(|action| action == "GetCrawler"), "only the test looked at the crawlers");

    // One of the failed ones is there now: only its crawler is started, and its target comes to the others.
    stand.source("ward", "Coll7", &[at(1, "a", 0)]);
    stand.run(&[], 1);
    assert_eq!(stand.counts()["StartCrawler"], 1);
    assert_eq!(stand.targets("test-ward").await.len(), 11);
}

#[tokio::test]
async fn a_crawler_is_started_for_new_partitions_and_columns_or_always() {
    let stand = Stand::new(CRAWLER);
    stand.manifest(&["clinic,visits,updated_at,site=place"]);
    stand.source("clinic", "visits", &[at(1, "a", 0)]);
    stand.crawler("test-clinic", "clinic", vec![]).await;
    let starts = || stand.counts().get("StartCrawler").copied().unwrap_or(0);

    // The first run awaits the crawl, in whose time a table appears in the database of the crawler.
    stand.crawls_take(3600.0);
    let mut waiting = stand.command(&["--wait"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start");
    stand.called("StartCrawler").await;
    let columns = [("_id", "bigint"), ("_modified_ms", "bigint"), ("place", "string"), ("updated_at", "timestamp")];
    stand.as_crawled("clinic", "visits", &columns, "site", &["a"]).await;
    assert!(waiting.try_wait().expect("look at it").is_none(), "it did not wait");
    stand.crawls_take(0.0);
    let ended = Ended::of(waiting.wait_with_output().expect("wait"));
    assert_eq!(ended.code, 0, "{ended}");
    let record: serde_json::Value = serde_json::from_str(&ended.stdout).expect("a record");
    assert_eq!(told(&record)["test-clinic"]["outcome"], "finished");
    assert_eq!(told(&record)["test-clinic"]["tables"], json!(["clinic.visits"]));
    stand.calls();

    stand.source("clinic", "visits", &[at(1, "a", 1), at(2, "a", 1)]);
    let record = stand.run(&[], 0);
    assert_eq!(
        (record["collections"][0]["rows"]["inserted"].as_u64(), starts()),
        (Some(1), 0),
        "rows alone are no news"
    );
    stand.source("clinic", "visits", &[at(1, "a", 1), at(2, "a", 1), at(3, "b", 1)]);
    stand.run(&[], 0);
    assert_eq!(starts(), 1, "a new partition");
    let mut wider = at(4, "b", 2);
    wider.insert("ward", "x");
    stand.source("clinic", "visits", &[at(1, "a", 1), at(2, "a", 1), at(3, "b", 1), wider]);
    stand.run(&["--dry-run"], 0);
    assert_eq!((starts(), stand.owed("clinic").len()), (0, 0), "a dry run tells nobody");
    stand.run(&[], 0);
    assert_eq!(starts(), 1, "a new column");
    stand.catalog(&format!("{CRAWLER}\nalways = true"));
    stand.run(&[], 0);
    assert_eq!(starts(), 1, "nothing new, and started all the same");
    assert_eq!(stand.targets("test-clinic").await, [stand.location("clinic/visits")]);
}

#[tokio::test]
async fn what_died_or_came_before_the_catalog_is_told_all_the_same() {
    let stand = Stand::new("mode = \"none\"");
    stand.manifest(&["clinic,visits,updated_at,site=place"]);
    stand.source("clinic", "visits", &[at(1, "a", 0)]);
    assert_eq!(stand.run(&[], 0)["catalog"], json!([]));
    assert!(stand.state("catalog/clinic.json").is_none());

    // The catalog comes later than the table.
    stand.crawler("test-clinic", "clinic", vec![]).await;
    stand.catalog(CRAWLER);
    stand.run(&[], 0);
    assert_eq!(stand.targets("test-clinic").await, [stand.location("clinic/visits")]);
    assert_eq!(stand.counts()["StartCrawler"], 1);

    // A run lands a partition and dies before it has put on record what it owes: data and journal are all it leaves.
    let watermark = "lake/_lakefold/watermarks/clinic/visits.csv";
    let before = stand.s3.signed("GET", watermark, "").1;
    stand.catalog("mode = \"none\"");
    stand.source("clinic", "visits", &[at(1, "a", 0), at(2, "b", 1)]);
    stand.run(&[], 0);
    assert_eq!(stand.s3.signed("PUT", watermark, &before).0, 200);
    let journal = json!({ "format": 1, "run_id": "20240501T000000Z-aaaaaa", "mode": "dump", "partitions": ["site=b"],
        "retyping": false });
    let key = "lake/_lakefold/journal/clinic/visits.json";
    assert_eq!(stand.s3.signed("PUT", key, &journal.to_string()).0, 200);
    stand.catalog(CRAWLER);
    let record = stand.run(&[], 0);
    assert_eq!(record["collections"][0]["partitions_new"], 0, "to this run the partition is not new: {record:#}");
    assert_eq!(stand.counts()["StartCrawler"], 1);

    // Another crawler by the template: it was never told.
    stand.crawler("clinic-2", "clinic", vec![]).await;
    stand.catalog("mode = \"crawler\"\ncrawler = \"{database}-2\"");
    stand.run(&[], 0);
    assert_eq!(stand.targets("clinic-2").await, [stand.location("clinic/visits")]);
}

#[tokio::test]
async fn two_runs_on_one_database_keep_each_others_targets() {
    let stand = Stand::new(CRAWLER);
    let collections: Vec<String> = (0..4).map(|n| format!("c{n}")).collect();
    let rows: Vec<String> = collections.iter().map(|name| format!("clinic,{name},updated_at,")).collect();
    stand.manifest(&rows.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &collections {
        stand.source("clinic", name, &[at(1, "a", 0)]);
    }
    stand.crawler("test-clinic", "clinic", vec![]).await;
    let names: Vec<String> = collections.iter().map(|name| format!("clinic.{name}")).collect();
    let running: Vec<_> = names
        .iter()
        .map(|name| {
            let mut command = stand.command(&["--collection", name]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start")
        })
        .collect();
    for run in running {
        let ended = Ended::of(run.wait_with_output().expect("wait"));
        assert_eq!(ended.code, 0, "{ended}");
    }
    let mut expected: Vec<String> = collections.iter().map(|c| stand.location(&format!("clinic/{c}"))).collect();
    expected.sort();
    assert_eq!(stand.targets("test-clinic").await, expected);
    assert!(stand.owed("clinic").is_empty());
}

/// Between its look at the targets and its change of them a run is held up as long as it takes another to do all of it.
#[tokio::test]
async fn a_run_that_is_held_up_takes_no_targets_of_another_away() {
    let stand = Stand::new(CRAWLER);
    stand.manifest(&["clinic,c0,updated_at,", "clinic,c1,updated_at,"]);
    for name in ["c0", "c1"] {
        stand.source("clinic", name, &[at(1, "a", 0)]);
    }
    stand.crawler("test-clinic", "clinic", vec![]).await;
    let start = |collection: &str, stop: &str| {
        let mut command = stand.command(&["--collection", collection]);
        command.env("LAKEFOLD_STOP_AT", stop).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("start")
    };
    let held_up = start("clinic.c0", "before-catalog-write");
    let started = Instant::now();
    while !is_stopped(held_up.id()) {
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is about to be changed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut other = start("clinic.c1", "never");
    while stand.owed("clinic").len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(60), "the other run owes nothing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(other.try_wait().expect("look at it").is_none(), "it did not wait for its turn");
    signal(&held_up, "-CONT");
    for run in [held_up, other] {
        let ended = Ended::of(run.wait_with_output().expect("wait"));
        assert_eq!(ended.code, 0, "{ended}");
    }
    assert_eq!(stand.targets("test-clinic").await, ["c0", "c1"].map(|c| stand.location(&format!("clinic/{c}"))));
    assert!(stand.owed("clinic").is_empty());
}
