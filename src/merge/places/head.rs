//! The index's head: what the data files were when the index was written.

use crate::lake::Version;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Ids of one bucket, on average, at which the index is split finer.
const IDS_PER_BUCKET: u64 = 32_768;

/// Version of the head's JSON.
pub const FORMAT: u32 = 2;

/// Bytes of a version's digest that are kept.
const DIGEST_BYTES: usize = 8;

/// `head.json.zst`
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
    /// Stands for the store's version (ETag) of it: the first bytes of its SHA-256, in hexadecimal. Every window reads
    /// this of every file of the table, and an ETag is the part of it that no compression makes smaller.
    version: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

impl FileInfo {
    /// A file of this version, rows and size.
    pub fn new(version: &Version, rows: u64, bytes: u64) -> Self {
        Self { version: digest(version), rows, bytes }
    }

    /// Whether the file that the store has at `version` is this one.
    pub fn is_at(&self, version: &Version) -> bool {
        self.version == digest(version)
    }
}

fn digest(version: &Version) -> String {
    let mut text = String::with_capacity(2 * DIGEST_BYTES);
    for byte in &Sha256::digest(version.as_str())[..DIGEST_BYTES] {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Head {
    /// Rows of the whole table.
    pub fn rows(&self) -> u64 {
        self.files.values().map(|f| f.rows).sum()
    }

    /// Whether a partition is as it was when the index was written: its file at the version that the store has now, or
    /// without one then and now.
    pub fn agrees(&self, partition: &str, stored: Option<&Version>) -> bool {
        match (self.files.get(partition), stored) {
            (Some(file), Some(version)) => file.is_at(version),
            (file, version) => file.is_none() && version.is_none(),
        }
    }

    /// Whether there are so many rows that every bucket holds some: one that is not there has been lost.
    pub fn fills_buckets(&self) -> bool {
        // Hashes spread evenly: of buckets of 64 ids on average, one in 10^27 is empty.
        self.rows() >> self.bits >= if self.bits == 0 { 1 } else { 64 }
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
