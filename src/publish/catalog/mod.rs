//! The catalog: Athena and all who ask Glue find every table of the lake, with the columns its files have.
//!
//! - **Debts first** ([`Ledger`]): what the catalog is owed of a table is on record before the table's watermark moves,
//!   and cleared when Glue accepted it (P3, P4). Paying twice changes nothing.
//! - **By crawler** ([`Catalog::pay`], `crawler.rs`): the crawler is pointed at each table's folder and started when
//!   there is something to find. Crawlers never retype, so lakefold writes retyped columns itself.
//! - **Without** (`tables.rs`): database, tables and partitions are written by lakefold, only what changed.
//!
//! Nothing here undoes data, and what fails for one crawler or table fails for no other (P8).

mod crawler;
mod debt;
mod glue;
mod probe;
mod tables;

pub use debt::{Debts, Ledger, Owed, Payment};
pub use probe::CatalogProbe;

use crate::aws::Aws;
use crate::error::Result;
use crate::lake::{Lake, layout, state};
use crate::model::athena;
use crate::model::catalog::{CatalogTable, columns};
use crate::model::collection::Namespace;
use crate::model::command;
use crate::model::names::fold;
use crate::model::record::CatalogRecord;
use crate::model::settings::{CatalogMode, CatalogSettings, Settings};
use crate::model::table::{self, TableSchema};
use futures::TryStreamExt;
use glue::{Fault, Glue, Refusal};
use std::collections::BTreeSet;

/// How often a change is tried when Glue says that somebody else made one at the same moment.
const TRIES: u32 = 5;

/// Longest `ALTER TABLE` that is printed, in bytes; what is longer belongs into a file.
const STATEMENT_SHOWN: usize = 16_384;

/// Where the tables of a database are told of: what debts are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name of the crawler; none: lakefold writes the tables itself.
    pub crawler: Option<String>,
    /// Name of the database in the catalog; of several that share a crawler, the crawler's own counts.
    pub database: String,
}

impl Place {
    /// Where tables of the source's `database` are told of; `None`: nowhere.
    pub fn of(settings: &CatalogSettings, environment: &str, database: &str) -> Option<Self> {
        let crawler = match settings.mode {
            CatalogMode::None => return None,
            CatalogMode::Crawler => Some(settings.crawler_of(environment, database)),
            CatalogMode::Tables => None,
        };
        Some(Self { crawler, database: settings.database_of(environment, database) })
    }

    /// What is shared by all whose debts are paid together, and what the lease on it is called.
    pub fn group(&self) -> String {
        match &self.crawler {
            Some(crawler) => format!("crawler:{crawler}"),
            None => format!("tables:{}", self.database),
        }
    }
}

/// A table that the catalog has to be told of.
#[derive(Debug, Clone)]
pub struct Due {
    /// The collection.
    pub namespace: Namespace,
    /// What is owed.
    pub owed: Owed,
    /// What of it is on record.
    pub recorded: Option<Owed>,
}

/// What became of the debts of one group.
#[derive(Debug, Default)]
pub struct Settled {
    /// For the run's record.
    pub record: CatalogRecord,
    /// What to take off the record, each with the database it belongs to.
    pub payments: Vec<(String, Payment)>,
}

/// A catalog that debts are paid to.
#[derive(Debug)]
pub struct Catalog<'a> {
    glue: Glue,
    lake: &'a Lake,
    settings: &'a CatalogSettings,
    /// What `--env` said.
    named: &'a str,
    wait: bool,
}

impl<'a> Catalog<'a> {
    /// The catalog of `lake`; with `wait` crawls are awaited.
    pub async fn new(aws: &Aws, lake: &'a Lake, settings: &'a Settings, wait: bool) -> Self {
        let glue = Glue::new(aws, settings.lake.region.as_deref()).await;
        Self { glue, lake, settings: &settings.catalog, named: &settings.named, wait }
    }

    /// Pays what is due at `place`; with `always` a crawler is started even when nothing is due. Never fails: the
    /// record says what did.
    pub async fn pay(&self, place: &Place, due: &[Due], always: bool) -> Settled {
        match &place.crawler {
            Some(crawler) => self.pay_by_crawler(crawler, place, due, always).await,
            None => self.pay_by_tables(place, due).await,
        }
    }

    /// The table as the catalog has to know it; `None`: the lake has no schema for it.
    async fn table_of(&self, ns: &Namespace) -> Result<Option<CatalogTable>> {
        let found = state::load::<TableSchema>(self.lake, &layout::schema_key(ns), table::FORMAT).await?;
        Ok(found.map(|(schema, _)| CatalogTable {
            collection: ns.to_string(),
            name: fold(&ns.collection),
            location: self.folder_url(&layout::table_prefix(ns)),
            columns: columns(&schema),
            keys: schema.settings.partition_keys.clone(),
            version: schema.version,
        }))
    }

    /// URL of a folder whose key ends in `/`.
    fn folder_url(&self, key: &str) -> String {
        layout::folder_url(self.lake.url(), key)
    }

    /// The partition folders that have a file; `""` for the file of a table without keys.
    async fn partitions_of(&self, ns: &Namespace) -> Result<BTreeSet<String>> {
        let prefix = layout::table_prefix(ns);
        let files = self.lake.list(&prefix);
        files.try_filter_map(async |file| Ok(layout::partition_of(&file.key).map(str::to_owned))).try_collect().await
    }

    /// Whether the table has a file at all.
    async fn has_data(&self, ns: &Namespace) -> Result<bool> {
        let prefix = layout::table_prefix(ns);
        Ok(self.lake.list(&prefix).try_next().await?.is_some())
    }
}

/// A refusal put into words, for a table of the catalog that is not as the lake has it; without the permission somebody
/// else has to run the statement that is said, and `then` after it.
fn unwritten(refusal: Refusal, named: &str, database: &str, wanted: &CatalogTable, then: &str) -> String {
    let (fault, call) = (refusal.fault, refusal.call);
    let text = format!("{database}.{}: {}", wanted.name, told(refusal.into_error()));
    let statement = match call {
        _ if fault != Fault::Denied => return text,
        "glue:CreateTable" => {
            return format!("{text}; or run what this prints:\n  {}", command::ddl(named, &wanted.collection));
        }
        "glue:BatchCreatePartition" => athena::repair(database, &wanted.name),
        "glue:GetTable" | "glue:UpdateTable" | "glue:GetPartitions" | "glue:BatchUpdatePartition" => {
            athena::replace_columns(database, &wanted.name, &wanted.columns)
        }
        _ => return text,
    };
    if statement.len() <= STATEMENT_SHOWN {
        format!("{text}; or run this{then}:\n  {statement}")
    } else {
        format!(
            "{text}; or drop the table and run what this prints{then}:\n  {}",
            command::ddl(named, &wanted.collection)
        )
    }
}

/// An error with its hint, as a record has it.
fn told(error: crate::error::Error) -> String {
    error.in_one_line()
}

/// A lake in a folder of its own, which lives as long as the first of both.
#[cfg(test)]
fn test_lake() -> (tempfile::TempDir, crate::model::settings::LakeSettings) {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = crate::model::settings::LakeSettings::at(&format!("file:{}", folder.path().display()));
    (folder, settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debts_are_grouped_by_what_they_are_paid_to() {
        let of = |mode, crawler: &str| {
            let settings = CatalogSettings { mode, crawler: crawler.into(), ..CatalogSettings::default() };
            Place::of(&settings, "prod", "Lab Results").map(|place| place.group())
        };
        assert_eq!(of(CatalogMode::None, "x"), None);
        assert_eq!(of(CatalogMode::Crawler, "{env}-{database}").as_deref(), Some("crawler:prod-lab_results"));
        assert_eq!(of(CatalogMode::Crawler, "all").as_deref(), Some("crawler:all"));
        assert_eq!(of(CatalogMode::Tables, "x").as_deref(), Some("tables:lab_results"));
    }
}
