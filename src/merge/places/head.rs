//! The index's head: what the data files were when the index was written.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Ids of one bucket, on average, at which the index is split finer.
const IDS_PER_BUCKET: u64 = 32_768;

/// Version of the head's JSON.
pub const FORMAT: u32 = 1;

/// `head.json`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`FORMAT`]
    pub format: u32,
    /// The run that wrote it.
    pub run_id: String,
    /// Folder of the buckets: the run that built the index anew.
    pub generation: String,
    /// The index has `2^bits` buckets.
    pub bits: u32,
    /// Data files by partition folder (`""` when the table has one file).
    pub files: BTreeMap<String, FileInfo>,
}

/// A data file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileInfo {
    /// The store's version (ETag) of it.
    pub version: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

impl Head {
    /// Rows of the whole table.
    pub fn rows(&self) -> u64 {
        self.files.values().map(|f| f.rows).sum()
    }

    /// Whether the table has outgrown its buckets, so that building the index anew pays.
    pub fn outgrown(&self) -> bool {
        Self::bits_for(self.rows()) > self.bits + 2
    }

    /// Bits that suit a table of `rows` rows.
    pub fn bits_for(rows: u64) -> u32 {
        (rows / IDS_PER_BUCKET).checked_ilog2().map_or(0, |bits| bits + 1).min(16)
    }
}

/// The bucket a hash falls into.
pub fn bucket_of(hash: u128, bits: u32) -> u32 {
    if bits == 0 { 0 } else { (hash >> (128 - bits)) as u32 }
}
