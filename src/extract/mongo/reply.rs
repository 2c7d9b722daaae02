//! From a reply of the server to batches, without copying documents.

use super::plan::Keep;
use crate::model::batch::RawBatch;
use bson::{Bson, RawBsonRef, RawDocument};
use bytes::Bytes;
use mongodb::raw_batch_cursor::RawBatch as Reply;

/// A reply's bytes, shared by the documents cut out of it.
struct Shared(Reply);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_raw_document().as_bytes()
    }
}

/// What one reply gave.
pub(super) struct Portion {
    /// Within the limits, none empty.
    pub batches: Vec<RawBatch>,
    /// The `_id` of the reply's last document, when it has one.
    pub last_id: Option<Bson>,
    /// Whether every document has an `_id`.
    pub all_have_ids: bool,
}

/// Cuts a reply into batches of the documents that are kept.
pub(super) fn portion(
    reply: Reply,
    keep: &Keep,
    bytes_max: usize,
    documents_max: usize,
) -> mongodb::error::Result<Portion> {
    let reply = Bytes::from_owner(Shared(reply));
    // The owner is inside `reply` now; its document is read again from the same bytes.
    let root = RawDocument::from_bytes(&reply)?;
    let mut kept: Vec<Bytes> = Vec::new();
    let mut last = None;
    let mut all_have_ids = true;
    for element in batch_of(root)?.iter_elements() {
        let value = element?.value()?;
        let Some(document) = value.as_document() else { continue };
        let id = document.get("_id").ok().flatten();
        all_have_ids &= id.is_some();
        last = id;
        if keep.keeps(document) {
            kept.push(reply.slice_ref(document.as_bytes()));
        }
    }
    // A few documents must not hold a reply of 16 MB in memory.
    let bytes: usize = kept.iter().map(Bytes::len).sum();
    if bytes * 2 < reply.len() {
        kept = kept.iter().map(|document| Bytes::copy_from_slice(document)).collect();
    }
    let last_id = last.and_then(|id| Bson::try_from(id).ok());
    Ok(Portion { batches: split(kept, bytes_max, documents_max), last_id, all_have_ids })
}

/// Whether a reply is all that its query finds, and no more than `most` documents.
pub(super) fn is_all(reply: &Reply, most: usize) -> bool {
    let root = reply.as_raw_document();
    let ended = root.get_document("cursor").is_ok_and(|cursor| cursor.get_i64("id").is_ok_and(|id| id == 0));
    ended && batch_of(root).is_ok_and(|batch| batch.iter_elements().count() <= most)
}

fn batch_of(root: &RawDocument) -> mongodb::error::Result<&bson::RawArray> {
    let cursor = root.get_document("cursor").map_err(|error| error.to_string());
    let batch = cursor.and_then(|cursor| {
        let first = cursor.get("firstBatch").map_err(|error| error.to_string())?;
        let next = cursor.get("nextBatch").map_err(|error| error.to_string())?;
        first.or(next).and_then(RawBsonRef::as_array).ok_or_else(|| "no batch".to_owned())
    });
    batch.map_err(mongodb::error::Error::custom)
}

fn split(documents: Vec<Bytes>, bytes_max: usize, documents_max: usize) -> Vec<RawBatch> {
    let mut batches: Vec<RawBatch> = Vec::new();
    let mut bytes = usize::MAX;
    for document in documents {
        let length = document.len();
        match batches.last_mut() {
            Some(batch) if bytes.saturating_add(length) <= bytes_max && batch.documents.len() < documents_max => {
                bytes += length;
                batch.documents.push(document);
            }
            _ => {
                bytes = length;
                batches.push(RawBatch { documents: vec![document] });
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_stay_within_both_limits() {
        let documents = |lengths: &[usize]| lengths.iter().map(|length| Bytes::from(vec![0; *length])).collect();
        let lengths = |batches: Vec<RawBatch>| -> Vec<Vec<usize>> {
            batches.iter().map(|batch| batch.documents.iter().map(Bytes::len).collect()).collect()
        };
        assert_eq!(
            lengths(split(documents(&[40, 40, 40, 200, 10]), 100, 9)),
            [vec![40, 40], vec![40], vec![200], vec![10]]
        );
        assert_eq!(lengths(split(documents(&[1, 1, 1]), 100, 2)), [vec![1, 1], vec![1]]);
        assert!(split(Vec::new(), 100, 2).is_empty());
    }
}
