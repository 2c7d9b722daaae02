//! What a run would do, as far as that can be told cheaply: the one thing that `plan` and its `--json` are made of.

use serde::{Deserialize, Serialize};

/// The whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// Name of the environment.
    pub environment: String,
    /// In manifest order.
    pub collections: Vec<CollectionPlan>,
    /// Seconds of the whole run, its collections side by side; none: no past run tells.
    pub seconds: Option<f64>,
}

/// One collection. Numbers are estimates; what is unknown is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CollectionPlan {
    /// Source database.
    pub database: String,
    /// Source collection.
    pub collection: String,
    /// `full`, `incremental` or `dump`; empty when that could not be decided.
    pub mode: String,
    /// Why it is read that way: `first run`, `--full`, …; empty for an ordinary window.
    pub why: String,
    /// RFC 3339; none for full reads.
    pub window_from: Option<String>,
    /// RFC 3339; how far the collection has been read so far.
    pub watermark: Option<String>,
    /// Documents that would be read, the overlap with the last window included.
    pub documents: Option<u64>,
    /// Bytes of BSON that would be read.
    pub bytes: Option<u64>,
    /// Partitions that would be touched.
    pub partitions: Option<Touched>,
    /// Files that would be rewritten at most, and their bytes in the lake.
    pub rewrite: Rewrite,
    /// Columns whose type would change, so far as a sample shows.
    pub retyping: Vec<Retyping>,
    /// Wall time, from past runs of the collection; none: no past run tells.
    pub seconds: Option<f64>,
    /// What an operator should know beforehand.
    pub notes: Vec<String>,
    /// Why the run would fail, with what to do next.
    pub problem: Option<String>,
}

/// Partitions that a window touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// So many.
    pub count: u64,
    /// They come from a sample: there may be more.
    pub at_least: bool,
    /// Those of them that have no file yet.
    pub new: u64,
}

/// Stored files that would be replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Rewrite {
    /// From here on a rewrite is announced: it takes minutes, and queries meet files being replaced.
    const LARGE_BYTES: u64 = 1 << 30;
    /// Likewise, for tables of many small files.
    const LARGE_FILES: u64 = 5_000;

    /// Whether somebody should be told beforehand.
    pub fn is_large(&self) -> bool {
        self.bytes >= Self::LARGE_BYTES || self.files >= Self::LARGE_FILES
    }
}

/// A published column whose type would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retyping {
    /// Dotted name in the lake.
    pub column: String,
    /// Type now.
    pub from: String,
    /// Type afterwards.
    pub to: String,
}
