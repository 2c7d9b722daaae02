//! The record of a run: the one thing that summary, mail, `--json`, status and exit code are made of.

use super::collection::Namespace;
use serde::{Deserialize, Serialize};

/// Version of the record's JSON.
pub const FORMAT: u32 = 1;

/// Where in the lake the record of a run is.
pub fn key(run_id: &str) -> String {
    format!("_lakefold/runs/{run_id}.json")
}

/// The whole run, as it is kept at [`key`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`FORMAT`]
    pub format: u32,
    /// `YYYYMMDDTHHMMSSZ-xxxxxx`
    pub run_id: String,
    /// Name of the environment.
    pub environment: String,
    /// What `--env` said, where that was a path or a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub finished_at: String,
    /// What the process exits with.
    pub exit_code: u8,
    /// `true` when nothing was written (`--dry-run`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// In manifest order.
    pub collections: Vec<CollectionRecord>,
    /// What was asked of the catalog.
    pub catalog: Vec<CatalogRecord>,
    /// Who was told.
    pub notifications: Vec<NotificationRecord>,
    /// What all of it took in requests; none in records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Requests>,
}

impl RunRecord {
    /// What `--env` has to say for this environment.
    pub fn env(&self) -> &str {
        self.named.as_deref().unwrap_or(&self.environment)
    }
}

/// Requests of a run to the lake's store and to AWS, with the limits they were under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// Objects or parts of objects read, and looked at.
    pub reads: u64,
    /// Objects or parts of objects written.
    pub writes: u64,
    /// Listings, whatever their number of pages.
    pub lists: u64,
    /// Deletions.
    pub deletes: u64,
    /// Attempts at the store that failed for a passing reason and were repeated.
    pub repeated: u64,
    /// As `repeated`, of the other services: Glue, SES, secrets.
    pub repeated_aws: u64,
    /// How many requests to the store may be on their way at once; 0: no limit, the lake is a local folder.
    pub at_once: u64,
    /// How often one request to the store is repeated at most.
    pub repeats: u64,
    /// For how long one request to the store is repeated at most, in seconds.
    pub repeats_within: u64,
}

/// How a collection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Read and landed.
    Ok,
    /// Nothing new at the source.
    Idle,
    /// Changed nothing; `reason` says why.
    Failed,
    /// Another run holds it.
    Busy,
}

impl Outcome {
    /// The word used in records, logs and watermark files.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Idle => "idle",
            Outcome::Failed => "failed",
            Outcome::Busy => "busy",
        }
    }
}

/// One collection's part of the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollectionRecord {
    /// Source database.
    pub database: String,
    /// Source collection.
    pub collection: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed or is busy, with what to do next.
    pub reason: Option<String>,
    /// `full`, `incremental` or `dump` (read whole, folded over what is stored).
    pub mode: String,
    /// RFC 3339; none for full reads.
    pub window_from: Option<String>,
    /// RFC 3339; how far the collection has been read after this run.
    pub watermark: Option<String>,
    /// P6: `read = inserted + updated + unchanged + superseded + quarantined`.
    pub rows: Rows,
    /// Data files.
    pub files: Files,
    /// BSON read, Parquet written.
    pub bytes: Bytes,
    /// Partitions that did not exist before.
    pub partitions_new: u64,
    /// Wall time.
    pub seconds: f64,
    /// Columns that appeared or changed their type.
    pub schema_changes: Vec<SchemaChange>,
    /// Values kept in `_misfits`.
    pub misfits: u64,
    /// Requests that were repeated.
    pub retries: u64,
    /// What an operator should know although nothing failed: documents no window sees, a missing index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl CollectionRecord {
    /// The record of a collection of which nothing has happened yet: failed, until it ends otherwise.
    pub fn begun(ns: &Namespace) -> Self {
        Self {
            database: ns.database.clone(),
            collection: ns.collection.clone(),
            outcome: Outcome::Failed,
            reason: None,
            mode: String::new(),
            window_from: None,
            watermark: None,
            rows: Rows::default(),
            files: Files::default(),
            bytes: Bytes::default(),
            partitions_new: 0,
            seconds: 0.0,
            schema_changes: Vec::new(),
            misfits: 0,
            retries: 0,
            warnings: Vec::new(),
        }
    }
}

/// Counts of documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Documents the source sent.
    pub read: u64,
    /// New in the table.
    pub inserted: u64,
    /// Replaced the stored row.
    pub updated: u64,
    /// Equal to the stored row.
    pub unchanged: u64,
    /// Lost against a newer reading of the same `_id`.
    pub superseded: u64,
    /// Could not be read; the quarantine has them.
    pub quarantined: u64,
    /// Left their old partition (part of `updated`).
    pub moved: u64,
    /// Rows of the table that a full run did not find any more.
    pub deleted: u64,
    /// Read by a run that died, and not again (part of `read`).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resumed: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Counts of data files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Created or replaced.
    pub written: u64,
    /// Removed because no row was left.
    pub deleted: u64,
    /// Rewritten because a column's type changed.
    pub retyped: u64,
}

/// Amounts in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// BSON from the source.
    pub read: u64,
    /// Parquet into the lake.
    pub written: u64,
}

/// A column that appeared or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaChange {
    /// Dotted path in original names.
    pub path: String,
    /// Name in the lake, dotted.
    pub column: String,
    /// Type before; none: the column is new.
    pub from: Option<String>,
    /// Type now.
    pub to: String,
    /// Values of the new kinds seen in this run.
    pub count: u64,
    /// Some `_id`s that show it, discreet (P10).
    pub example_ids: Vec<String>,
}

/// One crawler, or one database of a catalog that is written without one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogRecord {
    /// Name of the crawler; empty when the catalog is written without one.
    pub crawler: String,
    /// What happened to it: one of the words below.
    pub outcome: String,
    /// Include paths added.
    pub targets_added: u64,
    /// Databases of the catalog.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// Tables that lakefold wrote itself, or that an awaited crawl changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Partitions that lakefold created, changed or removed itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub partitions: u64,
    /// What failed, each with what to do next; the next run tries it again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl CatalogRecord {
    /// The crawler was started.
    pub const STARTED: &str = "started";
    /// The crawler was started, and its crawl awaited.
    pub const FINISHED: &str = "finished";
    /// No crawl was needed; what there was to write, lakefold has written.
    pub const WRITTEN: &str = "written";
    /// Something is still owed; the reasons say what, and what to do next.
    pub const FAILED: &str = "failed";

    /// Whether the catalog is still owed something.
    pub fn has_failed(&self) -> bool {
        self.outcome == Self::FAILED
    }

    /// Whether there was nothing to do after all.
    pub fn is_idle(&self) -> bool {
        self.outcome == Self::WRITTEN && self.tables.is_empty() && self.partitions == 0
    }
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRecord {
    /// `mail`
    pub channel: String,
    /// `sent`, or why not.
    pub outcome: String,
}
