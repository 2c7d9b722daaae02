//! What flows from stage to stage: raw documents, and Arrow batches of one schema.

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

/// A document that could not be read, kept byte for byte with its reason.
#[derive(Debug, Clone)]
pub struct Quarantined {
    /// The document as it came.
    pub document: Bytes,
    /// What is wrong with it, without any of its content.
    pub reason: String,
}
