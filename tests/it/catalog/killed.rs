//! P4 where the catalog is told: SIGKILL before and after every debt, every call that changes Glue and every payment, and
//! then a run to the end, which must leave Glue as a run does that was never killed.

use super::stand::{Stand, at};
use crate::support::lakefold::Ended;
use lakefold::kill_point::KillPoint;
use mongodb::bson::Document;
use std::collections::BTreeMap;

/// The points of this part of a run; `killed_at_each_point` leaves them to this test.
pub const POINTS: [KillPoint; 6] = [
    KillPoint::BeforeDebt,
    KillPoint::AfterDebt,
    KillPoint::BeforeCatalogWrite,
    KillPoint::AfterCatalogWrite,
    KillPoint::BeforeDebtCleared,
    KillPoint::AfterDebtCleared,
];

/// An exit code: 128 and SIGKILL.
const KILLED: i32 = 137;

/// What a run tells the catalog when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// Nothing is in Glue, and lakefold writes it itself.
    FirstTables,
    /// A retyping, a new column, a partition that is new and one that is gone, a table that somebody dropped.
    ChangedTables,
    /// Other partition keys.
    CutAnew,
    /// Nothing is in Glue, and a crawler is to be made.
    FirstCrawler,
    /// A retyping of what a crawler made, and one more target.
    ChangedCrawler,
}

fn with_n(id: i32, site: &str, n: impl Into<mongodb::bson::Bson>, minute: i64) -> Document {
    let mut document = at(id, site, minute);
    document.insert("n", n);
    document
}

impl Scenario {
    fn catalog(self) -> &'static str {
        match self {
            Self::FirstTables | Self::ChangedTables | Self::CutAnew => "mode = \"tables\"",
            Self::FirstCrawler => "mode = \"crawler\"\ncreate = true\nrole = \"lake-crawler\"",
            Self::ChangedCrawler => "mode = \"crawler\"",
        }
    }

    /// The calls that change Glue, in the order of a run that nobody kills.
    fn writes(self) -> &'static [&'static str] {
        match self {
            Self::FirstTables => &["CreateDatabase", "CreateTable", "CreateTable", "BatchCreatePartition"],
            Self::ChangedTables => &[
                "UpdateTable",
                "CreateTable",
                "BatchCreatePartition",
                "UpdateTable",
                "BatchUpdatePartition",
                "BatchCreatePartition",
                "BatchDeletePartition",
            ],
            Self::CutAnew => &["DeleteTable", "CreateTable", "BatchCreatePartition"],
            Self::FirstCrawler => &["CreateDatabase", "CreateCrawler", "StartCrawler"],
            Self::ChangedCrawler => &["UpdateTable", "BatchUpdatePartition", "UpdateCrawler", "StartCrawler"],
        }
    }

    fn flags(self) -> &'static [&'static str] {
        if self == Self::CutAnew { &["--full"] } else { &[] }
    }

    /// Brings lake, Glue and source to where the run begins; gives the number of its collections.
    async fn prepare(self, stand: &Stand, database: &str) -> usize {
        let rows = |rows: &[&str]| {
            let rows: Vec<String> = rows.iter().map(|row| format!("{database},{row}")).collect();
            stand.manifest(&rows.iter().map(String::as_str).collect::<Vec<_>>());
            rows.len()
        };
        let source = |collection: &str, documents: &[Document]| stand.source(database, collection, documents);
        match self {
            Self::FirstTables | Self::FirstCrawler => {
                source("visits", &[at(1, "a", 0), at(2, "b", 0)]);
                source("beds", &[at(1, "a", 0)]);
                rows(&["visits,updated_at,site=place", "beds,updated_at,"])
            }
            Self::ChangedTables => {
                let visits = [with_n(1, "a", 7, 0), with_n(2, "b", 7, 0), with_n(3, "b", 7, 0), with_n(4, "c", 7, 0)];
                source("visits", &visits);
                source("rooms", &[at(1, "a", 0), at(2, "b", 0)]);
                source("beds", &[at(1, "a", 0)]);
                let number = rows(&["visits,updated_at,site=place", "rooms,updated_at,site=place", "beds,updated_at,"]);
                stand.run(&[], 0);
                stand.glue.delete_table().database_name(database).name("rooms").send().await.expect("drop");
                let [_, two, three, four] = visits;
                source("visits", &[with_n(1, "b", "seven", 3), two, three, four, with_n(5, "d", 7, 3)]);
                source("rooms", &[at(1, "a", 0), at(2, "b", 0), at(3, "c", 3)]);
                source("beds", &[with_n(1, "a", 7, 3)]);
                number
            }
            Self::CutAnew => {
                source("visits", &[with_n(1, "a", 1, 0), with_n(2, "b", 2, 0), with_n(3, "b", 2, 0)]);
                rows(&["visits,updated_at,site=place"]);
                stand.run(&[], 0);
                rows(&["visits,updated_at,shard=n"])
            }
            Self::ChangedCrawler => {
                source("visits", &[with_n(1, "a", 7, 0), with_n(2, "b", 7, 0)]);
                rows(&["visits,updated_at,site=place"]);
                stand.crawler(&format!("test-{database}"), database, vec![]).await;
                stand.run(&[], 0);
                let columns = [
                    ("_id", "bigint"),
                    ("_modified_ms", "bigint"),
                    ("place", "string"),
                    ("updated_at", "timestamp"),
                    ("n", "bigint"),
                ];
                stand.as_crawled(database, "visits", &columns, "site", &["a", "b"]).await;
                source("visits", &[with_n(1, "a", "seven", 3), with_n(2, "b", 7, 0), with_n(3, "c", 7, 3)]);
                source("beds", &[at(1, "a", 0)]);
                rows(&["visits,updated_at,site=place", "beds,updated_at,"])
            }
        }
    }

    /// Kills a run of this scenario at every point, each over a database of its own.
    async fn survives(self) {
        let stand = Stand::new(self.catalog());
        stand.crawls_take(0.0);
        let collections = self.prepare(&stand, "undisturbed").await;
        stand.calls();
        stand.run(self.flags(), 0);
        let writes: Vec<String> =
            stand.calls().into_iter().map(|(action, _)| action).filter(|action| !action.starts_with("Get")).collect();
        assert_eq!(writes, self.writes(), "the calls that a run of {self:?} changes Glue with");
        let undisturbed = seen(&stand, "undisturbed").await;

        let mut traps: Vec<String> = POINTS.iter().map(|point| format!("{}:1", point.name())).collect();
        // What is left after one call is what is left before the next.
        traps.extend((2..=writes.len()).map(|n| format!("{}:{n}", KillPoint::AfterCatalogWrite.name())));
        // The lease on this part of the catalog comes after those of the collections.
        traps.extend(
            [KillPoint::AfterLease, KillPoint::BeforeLeaseReleased]
                .map(|point| format!("{}:{}", point.name(), collections + 1)),
        );
        for (number, trap) in traps.iter().enumerate() {
            let database = format!("killed{number}");
            self.prepare(&stand, &database).await;
            let mut command = stand.command(self.flags());
            let killed = Ended::of(command.env("LAKEFOLD_KILL_AT", trap).output().expect("start lakefold"));
            assert_eq!(killed.code, KILLED, "no run of {self:?} reaches {trap}: {killed}");
            stand.run(&[], 0);
            assert_eq!(seen(&stand, &database).await, undisturbed, "{trap}: killed (left), undisturbed (right)");
            // What was found missing while it was paid is owed for one run more, killed or not.
            stand.run(&[], 0);
            assert_eq!(stand.owed(&database), BTreeMap::new(), "{trap}: something is still owed");
            assert_eq!(seen(&stand, &database).await, undisturbed, "{trap}: after one more run");
        }
    }
}

/// All that Glue has of a database: itself, its tables with their partitions, its crawler.
async fn seen(stand: &Stand, database: &str) -> Vec<String> {
    let mut seen = Vec::new();
    if let Some(found) = stand.glue.get_database().name(database).send().await.ok().and_then(|answer| answer.database) {
        seen.push(format!("{:?} {:?} {:?}", found.location_uri(), found.description(), found.parameters()));
        let tables = stand.glue.get_tables().database_name(database).send().await.expect("the tables").table_list;
        for table in tables.unwrap_or_default() {
            let mut parameters: BTreeMap<_, _> = table.parameters().into_iter().flatten().collect();
            // Counts the changes of the schema: one that is made again after a death counts twice.
            parameters.retain(|key, _| *key != "lakefold.schema");
            let (name, keys) = (table.name(), table.partition_keys());
            seen.push(format!(
                "{name} {:?} {keys:?} {parameters:?} {:?}",
                table.table_type(),
                table.storage_descriptor()
            ));
            for (values, partition) in stand.partitions(database, name).await {
                seen.push(format!("{name} {values:?} {:?}", partition.storage_descriptor()));
            }
        }
    }
    let name = format!("test-{database}");
    if let Some(found) = stand.glue.get_crawler().name(&name).send().await.ok().and_then(|answer| answer.crawler) {
        let crawled = found.last_crawl().is_some();
        seen.push(format!("{:?} {:?} {crawled} {:?}", found.role(), found.configuration(), stand.targets(&name).await));
    }
    seen.sort();
    seen.into_iter().map(|text| text.replace(database, "DATABASE")).collect()
}

#[tokio::test]
async fn a_run_killed_while_it_writes_new_tables_is_repaired_by_the_next() {
    Scenario::FirstTables.survives().await;
}

#[tokio::test]
async fn a_run_killed_while_it_changes_tables_is_repaired_by_the_next() {
    Scenario::ChangedTables.survives().await;
}

#[tokio::test]
async fn a_run_killed_while_it_cuts_a_table_anew_is_repaired_by_the_next() {
    Scenario::CutAnew.survives().await;
}

#[tokio::test]
async fn a_run_killed_while_it_makes_a_crawler_is_repaired_by_the_next() {
    Scenario::FirstCrawler.survives().await;
}

#[tokio::test]
async fn a_run_killed_while_it_points_a_crawler_is_repaired_by_the_next() {
    Scenario::ChangedCrawler.survives().await;
}
