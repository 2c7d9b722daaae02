//! Columns that a crawler would leave as they are: lakefold writes them itself.

use super::stand::{Stand, at, columns_of, reasons, told};
use serde_json::json;

const CRAWLER: &str = "mode = \"crawler\"\ncrawler = \"{env}-{database}\"";

/// A stand with a table of two partitions as a crawler has written it, `n` being whole numbers so far.
async fn crawled() -> Stand {
    let stand = Stand::new(CRAWLER);
    stand.manifest(&["clinic,visits,updated_at,site=place"]);
    stand.crawler("test-clinic", "clinic", vec![]).await;
    let mut documents = [at(1, "a", 0), at(2, "b", 0)];
    documents.iter_mut().for_each(|document| {
        document.insert("n", 7);
    });
    stand.source("clinic", "visits", &documents);
    stand.run(&[], 0);
    let columns = [
        ("_id", "bigint"),
        ("_modified_ms", "bigint"),
        ("place", "string"),
        ("updated_at", "timestamp"),
        ("n", "bigint"),
    ];
    stand.as_crawled("clinic", "visits", &columns, "site", &["a", "b"]).await;
    documents[0].insert("n", "seven");
    documents[0].insert("updated_at", at(1, "a", 5).get_datetime("updated_at").expect("a time"));
    stand.source("clinic", "visits", &documents);
    stand.calls();
    stand
}

fn retyped() -> Vec<(String, String)> {
    [("_id", "bigint"), ("_modified_ms", "bigint"), ("place", "string"), ("updated_at", "timestamp"), ("n", "string")]
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .to_vec()
}

#[tokio::test]
async fn a_retyped_column_is_written_to_table_and_partitions_and_starts_no_crawler() {
    let stand = crawled().await;
    let record = stand.run(&[], 0);
    let calls = stand.calls();
    let update = &calls.iter().find(|(action, _)| action == "UpdateTable").expect("an update").1;
    assert_eq!((&update["SkipArchive"], &update["VersionId"]), (&json!(true), &json!("1")), "{update:#}");
    assert!(calls.iter().all(|(action, _)| action != "StartCrawler"), "nothing is new: {calls:?}");
    assert_eq!(told(&record)["test-clinic"]["outcome"], "written");
    assert_eq!(told(&record)["test-clinic"]["tables"], json!(["clinic.visits"]));

    assert_eq!(stand.columns("clinic", "visits").await, retyped());
    let table = stand.table("clinic", "visits").await.expect("the table");
    // What the crawler wrote beside the columns is the crawler's.
    assert_eq!(table.parameters().expect("parameters")["UPDATED_BY_CRAWLER"], "crawler");
    let storage = table.storage_descriptor().expect("a storage descriptor");
    assert_eq!(storage.parameters().expect("parameters")["CrawlerSchemaSerializerVersion"], "1.0");
    let partitions = stand.partitions("clinic", "visits").await;
    assert_eq!(partitions.len(), 2);
    for partition in partitions.values() {
        assert_eq!(columns_of(partition.storage_descriptor()), retyped());
    }
    stand.calls();
    stand.run(&[], 0);
    assert!(stand.counts().is_empty(), "nothing is owed any more");
}

#[tokio::test]
async fn a_column_that_vanished_is_taken_out() {
    let stand = crawled().await;
    stand.source("clinic", "visits", &[at(1, "a", 9), at(2, "b", 9)]);
    stand.run(&["--full", "--forget-schema"], 0);
    let columns = stand.columns("clinic", "visits").await;
    assert!(columns.iter().all(|(name, _)| name != "n"), "{columns:?}");
    for partition in stand.partitions("clinic", "visits").await.values() {
        assert_eq!(columns_of(partition.storage_descriptor()), columns);
    }
}

#[tokio::test]
async fn without_the_permission_the_statement_is_printed_until_the_columns_are_right() {
    let stand = crawled().await;
    let denied = json!([{ "action": "UpdateTable", "code": "AccessDeniedException",
        "message": "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: glue:UpdateTable" }]);
    stand.refuse(denied);
    let record = stand.run(&[], 1);
    assert_eq!(record["collections"][0]["outcome"], "ok", "the data are safe");
    let said = reasons(&record);
    let statement = "ALTER TABLE `clinic`.`visits` REPLACE COLUMNS (`_id` bigint, `_modified_ms` bigint, \
                     `place` string, `updated_at` timestamp, `n` string)";
    assert!(said.contains(statement) && said.contains("allow glue:UpdateTable"), "{said}");
    assert!(stand.owed("clinic")["visits"]["retyped"].as_bool().unwrap_or_default());
    let summary = stand.summary();
    assert!(summary.contains("ALTER") && summary.contains("test-clinic: failed"), "{summary}");

    stand.refuse(json!([]));
    let record = stand.run(&[], 0);
    assert_eq!(told(&record)["test-clinic"]["outcome"], "written");
    assert_eq!(stand.columns("clinic", "visits").await, retyped());
    assert!(stand.owed("clinic").is_empty());
}

#[tokio::test]
async fn a_table_changed_at_the_same_moment_is_looked_at_again() {
    let stand = crawled().await;
    stand.refuse(json!([
        { "action": "UpdateTable", "code": "ConcurrentModificationException", "times": 2 },
        { "action": "GetPartitions", "code": "ThrottlingException", "times": 2 },
    ]));
    stand.run(&[], 0);
    assert_eq!(stand.columns("clinic", "visits").await, retyped());
}
