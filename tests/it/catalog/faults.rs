//! What Glue may answer instead: the data are safe, the record names it, the exit code is 1, the debt stays.

use super::stand::{Stand, at, reasons, told};
use serde_json::{Value, json};
use std::process::Stdio;

fn two_databases(catalog: &str) -> Stand {
    let stand = Stand::new(catalog);
    stand.manifest(&["clinic,visits,updated_at,site=place", "ward,beds,updated_at,"]);
    stand.source("clinic", "visits", &[at(1, "a", 0)]);
    stand.source("ward", "beds", &[at(1, "a", 0)]);
    stand
}

fn landed(record: &Value) -> bool {
    record["collections"].as_array().expect("a list").iter().all(|collection| collection["outcome"] == "ok")
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let stand = two_databases("mode = \"crawler\"");
    stand.crawler("test-clinic", "clinic", vec![]).await;
    stand.crawler("test-ward", "ward", vec![]).await;
    let throttled = |action: &str| json!({ "action": action, "code": "ThrottlingException", "message": "Rate exceeded", "times": 3 });
    stand.refuse(json!([throttled("GetCrawler"), throttled("UpdateCrawler"), throttled("StartCrawler")]));
    let record = stand.run(&[], 0);
    assert_eq!(told(&record)["test-clinic"]["outcome"], "started");
    assert_eq!(stand.targets("test-clinic").await, [stand.location("clinic/visits")]);
}

#[tokio::test]
async fn an_order_to_crawl_whose_answer_is_lost_is_carried_out_once() {
    let stand = two_databases("mode = \"crawler\"\nready_within = \"3s\"");
    stand.crawler("test-clinic", "clinic", vec![]).await;
    stand.crawler("test-ward", "ward", vec![]).await;
    stand.crawls_take(3600.0);
    stand.calls();
    // One crawl begins and nobody hears of it; the other does not begin, which looks the same.
    let fault = "InternalServiceException";
    stand.refuse(json!([
        { "action": "StartCrawler", "lost": true, "times": 1, "match": "test-clinic" },
        { "action": "StartCrawler", "code": fault, "status": 500, "times": 1, "match": "test-ward" },
    ]));
    let record = stand.run(&[], 0);
    let told = told(&record);
    assert_eq!(
        (&told["test-clinic"]["outcome"], &told["test-ward"]["outcome"]),
        (&json!("started"), &json!("started"))
    );
    let calls = stand.calls();
    let orders =
        |crawler: &str| calls.iter().filter(|(call, of)| call == "StartCrawler" && of["Name"] == crawler).count();
    assert_eq!((orders("test-clinic"), orders("test-ward")), (1, 2));
    assert!(stand.owed("clinic").is_empty() && stand.owed("ward").is_empty());
}

#[tokio::test]
async fn what_one_crawler_refuses_fails_no_other_and_is_owed() {
    let stand = two_databases("mode = \"crawler\"");
    stand.crawler("test-clinic", "clinic", vec![]).await;
    stand.crawler("test-ward", "ward", vec![]).await;
    stand.refuse(
        json!([{ "action": "UpdateCrawler", "code": "AccessDeniedException", "message": "no", "match": "test-ward" }]),
    );
    let record = stand.run(&[], 1);
    assert!(landed(&record), "{record:#}");
    assert_eq!(told(&record)["test-clinic"]["outcome"], "started");
    assert_eq!(told(&record)["test-ward"]["outcome"], "failed");
    assert!(reasons(&record).contains("allow glue:UpdateCrawler"), "{}", reasons(&record));
    assert_eq!((stand.owed("clinic").len(), stand.owed("ward").len()), (0, 1));

    // Nothing is new, and the debt is paid.
    stand.refuse(json!([]));
    let record = stand.run(&[], 0);
    let told = told(&record);
    assert_eq!((told.len(), &told["test-ward"]["outcome"]), (1, &json!("started")));
    assert_eq!(stand.targets("test-ward").await, [stand.location("ward/beds")]);
    assert!(stand.owed("ward").is_empty());
}

#[tokio::test]
async fn a_missing_crawler_is_named_with_its_command_or_created() {
    let stand = two_databases("mode = \"crawler\"");
    let record = stand.run(&[], 1);
    assert!(landed(&record));
    let said = reasons(&record);
    assert!(said.contains("aws glue create-crawler --name 'test-clinic'"), "{said}");
    assert!(said.contains(&stand.location("clinic/visits")), "{said}");

    stand.catalog("mode = \"crawler\"\ncreate = true\nrole = \"lake-crawler\"\ndatabase = \"db_{database}\"");
    let record = stand.run(&[], 0);
    assert_eq!(told(&record)["test-clinic"]["targets_added"], 1);
    let crawler = stand.glue.get_crawler().name("test-clinic").send().await.unwrap().crawler.unwrap();
    assert_eq!((crawler.role(), crawler.database_name()), (Some("lake-crawler"), Some("db_clinic")));
    let configuration: Value = serde_json::from_str(crawler.configuration().expect("a configuration")).expect("JSON");
    // s3://lake-bucket/lake/clinic/visits: the bucket is level 1.
    assert_eq!(
        configuration,
        json!({
            "Version": 1.0,
            "CrawlerOutput": {
                "Partitions": { "AddOrUpdateBehavior": "InheritFromTable" },
                "Tables": { "AddOrUpdateBehavior": "MergeNewColumns" },
            },
            "Grouping": { "TableGroupingPolicy": "CombineCompatibleSchemas", "TableLevelConfiguration": 4 },
        })
    );
    assert_eq!(stand.counts()["StartCrawler"], 2);
    assert!(stand.glue.get_database().name("db_ward").send().await.is_ok());
}

#[tokio::test]
async fn a_crawler_that_runs_is_waited_for_and_then_owed() {
    let stand = two_databases("mode = \"crawler\"\nready_within = \"2s\"");
    stand.crawler("test-clinic", "clinic", vec![]).await;
    stand.crawler("test-ward", "ward", vec![]).await;
    stand.crawls_take(3600.0);
    stand.glue.start_crawler().name("test-ward").send().await.expect("start");
    let record = stand.run(&[], 1);
    assert!(landed(&record));
    assert_eq!(told(&record)["test-clinic"]["outcome"], "started");
    assert!(reasons(&record).contains("it still runs after 2s"), "{}", reasons(&record));
    assert_eq!(stand.owed("ward").len(), 1);

    // It ends while the next run waits for it.
    stand.catalog("mode = \"crawler\"\nready_within = \"60s\"");
    stand.calls();
    let next = stand.command(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start");
    stand.called("GetCrawler").await;
    stand.crawls_take(0.0);
    let ended = crate::support::lakefold::Ended::of(next.wait_with_output().expect("wait"));
    assert_eq!(ended.code, 0, "{ended}");
    assert_eq!(stand.targets("test-ward").await, [stand.location("ward/beds")]);
    assert!(stand.owed("ward").is_empty());
}

#[tokio::test]
async fn a_run_killed_before_it_told_the_catalog_leaves_the_debt() {
    let stand = Stand::new("mode = \"crawler\"");
    stand.manifest(&["clinic,visits,updated_at,site=place"]);
    stand.source("clinic", "visits", &[at(1, "a", 0)]);
    stand.crawler("test-clinic", "clinic", vec![]).await;
    stand.crawls_take(3600.0);
    stand.run(&[], 0);

    // The data have landed and the watermark has moved; the crawler still runs, and the run waits for it.
    stand.source("clinic", "visits", &[at(1, "a", 0), at(2, "b", 1)]);
    stand.calls();
    let mut waiting = stand.command(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start");
    stand.called("GetCrawler").await;
    waiting.kill().expect("kill it");
    waiting.wait().expect("wait for its end");
    assert_eq!(stand.owed("clinic")["visits"]["new"], json!(["site=b"]));

    stand.crawls_take(0.0);
    stand.calls();
    let record = stand.run(&[], 0);
    assert_eq!(record["collections"][0]["rows"]["inserted"], 0, "nothing is new: {record:#}");
    assert_eq!(stand.counts()["StartCrawler"], 1);
    assert!(stand.owed("clinic").is_empty());
}

#[tokio::test]
async fn a_run_that_cannot_read_the_debts_says_so() {
    let stand = two_databases("mode = \"crawler\"");
    stand.crawler("test-clinic", "clinic", vec![]).await;
    stand.crawler("test-ward", "ward", vec![]).await;
    stand.run(&[], 0);
    stand.s3.signed("PUT", "lake/_lakefold/catalog/ward.json", r#"{"format":99}"#);
    let record = stand.run(&[], 1);
    assert!(reasons(&record).contains("newer"), "{}", reasons(&record));
    assert_eq!(record["collections"][0]["outcome"], "ok");
}
