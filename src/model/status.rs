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
    /// How the newest runs ended for the collection, newest first, at most [`RECENT_MAX`].
    #[serde(default)]
    pub recent: Vec<Outcome>,
    /// How the table grows; none: no run on record has landed anything.
    #[serde(default)]
    pub growth: Option<Growth>,
    /// Keys of objects that should not be there when no run is under way: foreign files in the table's folder,
    /// files left aside, an open journal, a damaged watermark file.
    pub litter: Vec<String>,
    /// The run that holds the collection; none: nobody does.
    pub lease: Option<String>,
}

/// Outcomes kept in [`CollectionStatus::recent`].
pub const RECENT_MAX: usize = 5;

impl CollectionStatus {
    /// How urgently somebody has to look, 0 being worst: failed, busy, litter, never run, fine.
    pub fn severity(&self) -> u8 {
        match self.last.as_ref().map(|last| last.outcome) {
            Some(Outcome::Failed) => 0,
            Some(Outcome::Busy) => 1,
            _ if !self.litter.is_empty() => 2,
            None => 3,
            Some(Outcome::Ok | Outcome::Idle) => 4,
        }
    }
}

/// Rows that runs added to a table, those they removed taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// By the newest run that landed.
    pub rows: i64,
    /// By such a run usually: the median of those before it. None: it was the first.
    pub usual: Option<i64>,
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
