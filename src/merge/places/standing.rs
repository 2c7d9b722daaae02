//! Ids that stand in the very file their row goes to.
//!
//! An id is in one place only, so one that is found there is nowhere else and needs no look into the index. Most
//! changes are such: a window that touches a few files of a large table then reads those, which the merge reads anyway,
//! instead of buckets with the ids of all others.

use super::head::Head;
use super::spool::Entry;
use crate::error::Result;
use crate::lake::Lake;
use crate::merge::plan::Shapes;
use crate::merge::stored::StoredFile;
use arrow::array::RecordBatch;
use futures::StreamExt;
use std::collections::HashMap;

/// Files that are opened for it at most: what small ones hold stays in memory until they are merged.
const FILES: usize = 32;

/// Ids that are held for it at most.
const IDS: u64 = 1 << 18;

/// Bytes of one batch of ids.
const BATCH_BYTES: usize = 1 << 20;

/// Ids by the ordinal of the partition that holds them, each partition's sorted by hash.
#[derive(Debug, Default)]
pub struct Standing {
    ids: HashMap<u32, Vec<u128>>,
}

impl Standing {
    /// Whether looking into the files of `folders` reads less than looking up `ids` of them in the index.
    pub fn pays(head: &Head, folders: &[String], ids: u64) -> bool {
        let touched: u64 = folders.iter().filter_map(|folder| head.files.get(folder)).map(|file| file.rows).sum();
        let buckets = 1 << head.bits;
        let looked_up = head.rows() / buckets * ids.min(buckets);
        folders.len() <= FILES && touched <= IDS.min(looked_up)
    }

    /// Adds the ids of the file of the partition with that ordinal.
    pub async fn add(&mut self, ordinal: u32, file: &StoredFile, lake: &Lake, shapes: &dyn Shapes) -> Result<()> {
        let mut ids = Vec::new();
        let mut rows = file.rows(lake, BATCH_BYTES, Some(&["_id"])).await?;
        while let Some(batch) = rows.next().await {
            let batch: RecordBatch = batch?;
            ids.extend(shapes.hash_ids(batch.column(0).as_ref(), file.version())?);
        }
        ids.sort_unstable();
        self.ids.insert(ordinal, ids);
        Ok(())
    }

    /// Whether the row of an id is where it goes to.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        self.ids.get(&entry.partition).is_some_and(|ids| ids.binary_search(&entry.hash).is_ok())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::lake::Version;
    use crate::merge::places::FileInfo;

    /// That `hashes` stand in the partition `ordinal`.
    pub fn standing(ordinal: u32, hashes: &[u128]) -> Standing {
        Standing { ids: [(ordinal, hashes.to_vec())].into() }
    }

    #[test]
    fn files_are_looked_into_where_that_is_less() {
        let file = |rows| FileInfo::new(&Version::from_text("v"), rows, 1);
        let files = [("small".to_owned(), file(1_000)), ("large".to_owned(), file(99_000))].into();
        let head = Head { bits: 2, files, ..Head::default() };
        let pays =
            |folders: &[&str], ids| Standing::pays(&head, &folders.iter().map(|&f| f.into()).collect::<Vec<_>>(), ids);
        assert!(pays(&["small"], 1));
        assert!(pays(&["small", "new"], 1_000));
        assert!(!pays(&["large"], 3), "three buckets have fewer ids");
        assert!(pays(&["large"], 4));
        assert!(!pays(&["new"; FILES + 1], 1), "too many files");
        let head = Head { files: [("huge".to_owned(), file(IDS + 1))].into(), ..Head::default() };
        assert!(!Standing::pays(&head, &["huge".into()], 1_000), "too many ids");
    }
}
