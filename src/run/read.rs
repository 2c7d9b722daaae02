//! Reads a window: raw batches are shaped as they arrive and staged until all of it is known.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::merge::places::{Entry, SPOOL_MEMORY, Spool};
use crate::merge::stage::{Stage, Staged};
use crate::model::batch::RawBatch;
use crate::model::collection::Namespace;
use crate::model::progress::Progress;
use crate::run::interrupt::Interrupt;
use crate::run::quarantine::Quarantine;
use crate::shape::Shaper;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::path::Path;

/// Everything a window held.
pub struct Window {
    /// Rows by partition.
    pub staged: Staged,
    /// Ids, for finding old places.
    pub ids: Spool,
    /// The schema as it is after the window.
    pub shaper: Shaper,
    /// Counts.
    pub totals: Totals,
    /// Documents that could not be read.
    pub quarantined: Quarantine,
}

/// Counts of one window.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    /// Documents the source sent.
    pub documents: u64,
    /// Their BSON size.
    pub bytes: u64,
    /// Values kept in `_misfits`.
    pub misfits: u64,
    /// Documents that no window can see.
    pub blind: u64,
    /// Documents without a time at the timestamp column's path.
    pub untimed: u64,
    /// Documents without a placeable partition value.
    pub unplaced: u64,
}

/// How a window is read.
pub struct Reading<'a> {
    /// For progress.
    pub namespace: &'a Namespace,
    /// Told after every batch.
    pub progress: &'a dyn Progress,
    /// Looked at before every batch.
    pub interrupt: &'a Interrupt,
    /// Scratch folder of the collection.
    pub scratch: &'a Path,
    /// Bytes of rows kept in memory.
    pub chunk: usize,
    /// Bytes of one spilled batch.
    pub batch: usize,
}

/// A shaper and where its rows go: moved to a worker thread for every batch and back.
struct Desk {
    shaper: Shaper,
    stage: Stage,
    ids: Spool,
    totals: Totals,
    quarantined: Quarantine,
}

impl Reading<'_> {
    /// Reads `batches` to their end.
    pub async fn run(&self, shaper: Shaper, mut batches: BoxStream<'static, Result<RawBatch>>) -> Result<Window> {
        let mut desk = Desk {
            shaper,
            stage: Stage::new(self.scratch, self.chunk, self.batch),
            ids: Spool::new(self.scratch, "ids", SPOOL_MEMORY),
            totals: Totals::default(),
            quarantined: Quarantine::new(self.scratch),
        };
        loop {
            // A source that does not answer must not keep a run from ending.
            let batch = tokio::select! {
                biased;
                stopped = self.interrupt.stopped() => return Err(stopped),
                batch = batches.next() => batch,
            };
            let Some(batch) = batch.transpose()? else { break };
            let (documents, bytes) = (batch.documents.len() as u64, batch.bytes() as u64);
            desk = tokio::task::spawn_blocking(move || desk.take(&batch))
                .await
                // The panic's own text may quote what it choked on (P10).
                .map_err(|_| Error::new(Kind::Invariant, "shaping a batch of documents panicked"))??;
            self.progress.read(self.namespace, documents, bytes);
        }
        Ok(Window {
            staged: desk.stage.finish()?,
            ids: desk.ids,
            shaper: desk.shaper,
            totals: desk.totals,
            quarantined: desk.quarantined,
        })
    }
}

impl Desk {
    fn take(mut self, batch: &RawBatch) -> Result<Self> {
        self.totals.documents += batch.documents.len() as u64;
        self.totals.bytes += batch.bytes() as u64;
        let shaped = self.shaper.shape(batch)?;
        self.totals.misfits += shaped.misfits;
        self.totals.blind += shaped.blind;
        self.totals.untimed += shaped.untimed;
        self.totals.unplaced += shaped.unplaced;
        self.quarantined.extend(&shaped.quarantined)?;
        let (partition, hashes, modified) = (shaped.partition, shaped.id_hash, shaped.modified_ms);
        let first = self.stage.push(shaped.rows, shaped.version, partition.clone())?;
        for (row, ((&partition, &hash), modified)) in partition.iter().zip(&hashes).zip(&modified).enumerate() {
            self.ids.push(Entry {
                hash,
                partition,
                modified_ms: modified.unwrap_or(i64::MIN),
                sequence: first + row as u64,
            })?;
        }
        Ok(self)
    }
}

/// A folder on local disk that is gone when the collection is done.
pub fn scratch_folder() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("lakefold-")
        .tempdir()
        .or_error(Kind::Lake, "make a scratch folder")
        .map_err(|e| e.hint("set TMPDIR to a folder with room"))
}
