//! What flows from stage to stage: raw documents, and Arrow batches of one schema.

use arrow::array::RecordBatch;
use bytes::Bytes;

/// Some documents as the source sent them, one after the other in one buffer.
///
/// Each document is complete BSON by its own length prefix; nothing else about it has been checked.
#[derive(Debug, Clone, Default)]
pub struct RawBatch {
    /// The documents, in the order they were read.
    pub documents: Vec<Bytes>,
}

impl RawBatch {
    /// Size of the documents in bytes.
    pub fn bytes(&self) -> usize {
        self.documents.iter().map(Bytes::len).sum()
    }
}

/// A document that could not be read, with its reason.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// What may be kept of it.
    pub remains: Remains,
    /// What is wrong with it, without any of its content.
    pub reason: String,
}

/// What the quarantine keeps of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remains {
    /// The document as it came, byte for byte.
    Raw(Bytes),
    /// Nothing of its content, because the lake must not hold all of it: fields of its collection are hashed or excluded,
    /// and where they stand in a document that cannot be read nobody knows (P10).
    Marked {
        /// Its length in bytes.
        length: u64,
        /// 8 hex digits that are the same for the same bytes.
        digest: String,
    },
}

/// Documents as rows of a table.
#[derive(Debug, Clone)]
pub struct ShapedBatch {
    /// The rows; their schema is the table's at `version`.
    pub rows: RecordBatch,
    /// Version of the table's schema the rows are written at.
    pub version: u64,
    /// For each row the index of its partition folder.
    pub partition: Vec<u32>,
    /// For each row the hash of its `_id`: equal exactly when the ids are.
    pub id_hash: Vec<u128>,
    /// For each row its modified time in milliseconds UTC, where it has one.
    pub modified_ms: Vec<Option<i64>>,
    /// Documents that could not be read.
    pub quarantined: Vec<Quarantined>,
    /// Values kept in `_misfits`.
    pub misfits: u64,
    /// Rows that no window can see: no usable time and no ObjectId `_id`.
    pub blind: u64,
    /// Rows without a time at the timestamp column's path itself.
    pub untimed: u64,
    /// Rows for which some partition key found no value to place.
    pub unplaced: u64,
}
