//! A lake in S3, a Glue beside it, a dump to fold, and a look at all three.

use crate::support::lakefold::{Ended, Workplace};
use crate::support::s3::S3;
use aws_sdk_glue::Client;
use aws_sdk_glue::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_glue::types::{
    Column, CrawlerTargets, DatabaseInput, Partition, PartitionInput, S3Target, SerDeInfo, StorageDescriptor, Table,
    TableInput,
};
use mongodb::bson::{DateTime, Document, doc};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Everything a test of the catalog needs.
pub struct Stand {
    pub s3: S3,
    pub glue: Client,
    pub place: Workplace,
}

/// The name of the lake in its bucket.
pub const LAKE: &str = "lake";

impl Stand {
    /// A stand whose environment says `catalog` below `[catalog]`.
    pub fn new(catalog: &str) -> Self {
        let s3 = S3::aws();
        let config = aws_sdk_glue::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(Credentials::new("test", "testtest", None, None, "test"))
            .region(Region::new("us-east-1"))
            .endpoint_url(s3.endpoint())
            .build();
        let stand = Self { glue: Client::from_conf(config), place: Workplace::new(), s3 };
        stand.catalog(catalog);
        stand
    }

    /// Writes the environment anew.
    pub fn catalog(&self, catalog: &str) {
        let url = self.s3.url(LAKE);
        let text = format!(
            "[source]\nuri = \"dump:source\"\n[lake]\nurl = \"{url}\"\n[catalog]\n{catalog}\n[run]\nmemory = \"256MiB\"\n"
        );
        self.place.write("env/test.toml", text);
    }

    /// Writes the manifest: rows behind `database,collection,timestamp_column,partition_by`.
    pub fn manifest(&self, rows: &[&str]) {
        let text = format!("database,collection,timestamp_column,partition_by\n{}\n", rows.join("\n"));
        self.place.write("collections.csv", text);
    }

    /// Makes a collection of the source hold `documents`.
    pub fn source(&self, database: &str, collection: &str, documents: &[Document]) {
        let bytes: Vec<u8> = documents.iter().flat_map(|d| mongodb::bson::serialize_to_vec(d).expect("BSON")).collect();
        self.place.write(&format!("source/{database}/{collection}.bson"), bytes);
    }

    /// `lakefold run --json`, which must end with `code`; gives the record.
    pub fn run(&self, flags: &[&str], code: i32) -> Value {
        let ended = self.attempt(flags);
        assert_eq!(ended.code, code, "{ended}");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("stdout is no record: {error}\n{ended}"))
    }

    /// As [`Stand::run`], whatever it ends with.
    pub fn attempt(&self, flags: &[&str]) -> Ended {
        Ended::of(self.command(flags).output().expect("start lakefold"))
    }

    /// `lakefold run --json`, not started yet.
    pub fn command(&self, flags: &[&str]) -> std::process::Command {
        let mut command = self.place.command(&[&["run", "--env", "test", "--json"], flags].concat());
        command.envs(self.s3.variables());
        command
    }

    /// `lakefold run` as people see it: stdout.
    pub fn summary(&self) -> String {
        let mut command = self.place.command(&["run", "--env", "test"]);
        Ended::of(command.envs(self.s3.variables()).output().expect("start lakefold")).stdout
    }

    /// Refuses calls from now on, instead of what was refused before.
    pub fn refuse(&self, faults: Value) {
        assert_eq!(self.s3.plain("POST", "/stand-in/faults", &faults.to_string()).0, 200);
    }

    /// Lets crawls take so long from now on, those that run included.
    pub fn crawls_take(&self, seconds: f64) {
        assert_eq!(self.s3.plain("POST", "/stand-in/crawl-seconds", &seconds.to_string()).0, 200);
    }

    /// The calls of Glue since the last time this was asked: action and parameters.
    pub fn calls(&self) -> Vec<(String, Value)> {
        let (_, body) = self.s3.plain("DELETE", "/stand-in/calls", "");
        let calls: Vec<Value> = serde_json::from_str(&body).expect("a list of calls");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        calls.iter().map(|c| (text(&c["action"]), serde_json::from_str(&text(&c["body"])).expect("JSON"))).collect()
    }

    /// Waits until an action is called; calls up to then are forgotten.
    pub async fn called(&self, action: &str) {
        let started = Instant::now();
        while !self.calls().iter().any(|(called, _)| called == action) {
            assert!(started.elapsed() < Duration::from_secs(60), "nobody calls {action}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// How often each action was called since the last time calls were asked for.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (action, _) in self.calls() {
            *counts.entry(action).or_default() += 1;
        }
        counts
    }

    /// URL of a table's folder.
    pub fn location(&self, table: &str) -> String {
        format!("{}/{table}/", self.s3.url(LAKE))
    }

    /// A state object of the lake.
    pub fn state(&self, key: &str) -> Option<Value> {
        let (status, body) = self.s3.signed("GET", &format!("{LAKE}/_lakefold/{key}"), "");
        (status == 200).then(|| serde_json::from_str(&body).expect("JSON"))
    }

    /// What the catalog is owed of a database, by table.
    pub fn owed(&self, database: &str) -> BTreeMap<String, Value> {
        let debts = self.state(&format!("catalog/{database}.json")).unwrap_or(json!({ "tables": {} }));
        let tables = debts["tables"].as_object().expect("tables").iter();
        tables.filter(|(_, entry)| !entry["owed"].is_null()).map(|(k, v)| (k.clone(), v["owed"].clone())).collect()
    }

    /// Creates a crawler as an operator would, with targets of its own.
    pub async fn crawler(&self, name: &str, database: &str, targets: Vec<S3Target>) {
        let targets = CrawlerTargets::builder().set_s3_targets(Some(targets)).build();
        let request = self.glue.create_crawler().name(name).role("crawler").database_name(database).targets(targets);
        request.description("the operator's").send().await.expect("create a crawler");
    }

    /// The include paths of a crawler, sorted.
    pub async fn targets(&self, name: &str) -> Vec<String> {
        let found = self.glue.get_crawler().name(name).send().await.expect("look at a crawler").crawler.expect("one");
        let targets = found.targets.expect("targets");
        let mut paths: Vec<String> =
            targets.s3_targets().iter().map(|target| target.path().expect("a path").to_owned()).collect();
        paths.sort();
        paths
    }

    /// A table of the catalog.
    pub async fn table(&self, database: &str, name: &str) -> Option<Table> {
        self.glue.get_table().database_name(database).name(name).send().await.ok()?.table
    }

    /// Names and types of a table's columns.
    pub async fn columns(&self, database: &str, name: &str) -> Vec<(String, String)> {
        let table = self.table(database, name).await.expect("the table");
        columns_of(table.storage_descriptor())
    }

    /// The partitions of a table by their values.
    pub async fn partitions(&self, database: &str, table: &str) -> BTreeMap<Vec<String>, Partition> {
        let mut pages = self.glue.get_partitions().database_name(database).table_name(table).into_paginator().send();
        let mut found = BTreeMap::new();
        while let Some(page) = pages.next().await {
            for partition in page.expect("a page of partitions").partitions.unwrap_or_default() {
                found.insert(partition.values.clone().expect("values"), partition);
            }
        }
        found
    }

    /// Puts a table into the catalog as a crawler writes it, with one partition for each of `values`.
    pub async fn as_crawled(&self, database: &str, name: &str, columns: &[(&str, &str)], key: &str, values: &[&str]) {
        let input = DatabaseInput::builder().name(database).build().expect("a database");
        // There already, when another table of it was crawled.
        let _ = self.glue.create_database().database_input(input).send().await;
        let column =
            |(name, kind): &(&str, &str)| Column::builder().name(*name).r#type(*kind).build().expect("a column");
        let location = self.location(&format!("{database}/{name}"));
        let storage = |location: &str| {
            StorageDescriptor::builder()
                .set_columns(Some(columns.iter().map(column).collect()))
                .location(location)
                .parameters("CrawlerSchemaSerializerVersion", "1.0")
                .serde_info(SerDeInfo::builder().serialization_library("parquet").build())
                .build()
        };
        let table = TableInput::builder()
            .name(name)
            .owner("owner")
            .table_type("EXTERNAL_TABLE")
            .storage_descriptor(storage(&location))
            .partition_keys(column(&(key, "string")))
            .parameters("UPDATED_BY_CRAWLER", "crawler")
            .build()
            .expect("a table");
        self.glue.create_table().database_name(database).table_input(table).send().await.expect("create a table");
        for value in values {
            let input = PartitionInput::builder()
                .values(*value)
                .storage_descriptor(storage(&format!("{location}{key}={value}/")))
                .build();
            let request = self.glue.create_partition().database_name(database).table_name(name).partition_input(input);
            request.send().await.expect("create a partition");
        }
    }
}

/// Names and types.
pub fn columns_of(storage: Option<&StorageDescriptor>) -> Vec<(String, String)> {
    let of = |column: &Column| (column.name().to_owned(), column.r#type().expect("a type").to_owned());
    storage.expect("a storage descriptor").columns().iter().map(of).collect()
}

/// A document of `place`, modified in minute `minute`.
pub fn at(id: i32, place: &str, minute: i64) -> Document {
    doc! { "_id": id, "place": place, "updated_at": DateTime::from_millis(1_714_500_000_000 + minute * 60_000) }
}

/// The catalog's part of a record, by crawler or database.
pub fn told(record: &Value) -> BTreeMap<String, Value> {
    let name = |told: &Value| match told["crawler"].as_str() {
        Some("") | None => told["databases"][0].as_str().expect("a database").to_owned(),
        Some(crawler) => crawler.to_owned(),
    };
    record["catalog"].as_array().expect("a list").iter().map(|told| (name(told), told.clone())).collect()
}

/// Everything that a record says of failures of the catalog.
pub fn reasons(record: &Value) -> String {
    let reasons = record["catalog"].as_array().expect("a list").iter().filter_map(|told| told["reasons"].as_array());
    reasons.flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
}
