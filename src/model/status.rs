//! Where a collection stands in the lake: the one thing that `status` and its `--json` are made of.

use super::record::Outcome;
use serde::{Deserialize, Serialize};

/// One collection's entry in `status --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionStatus {
    /// Source database.
    pub database: String,
    /// Source collection.
    pub collection: String,
    /// RFC 3339, UTC: how far the collection has been read. None: it has no watermark (a bare dump, or never run).
    pub watermark: Option<String>,
    /// Seconds between the watermark and now.
    pub lag_seconds: Option<i64>,
    /// Rows of the table, from the footers of its files.
    pub rows: u64,
    /// Data files of the table.
    pub files: u64,
    /// Bytes of the data files.
    pub bytes: u64,
    /// The newest run that says anything about the collection; none: no such record is kept.
    pub last: Option<LastRun>,
    /// Keys of objects that should not be there when no run is under way: foreign files in the table's folder,
    /// files left aside, an open journal.
    pub litter: Vec<String>,
    /// The run that holds the collection; none: nobody does.
    pub lease: Option<String>,
}

/// What the newest run said about a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// `YYYYMMDDTHHMMSSZ-xxxxxx`
    pub run_id: String,
    /// How the collection ended.
    pub outcome: Outcome,
    /// Why, when it failed or was busy.
    pub reason: Option<String>,
}
