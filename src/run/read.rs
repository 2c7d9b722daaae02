//! Reads a window: raw batches are shaped as they arrive and staged until all of it is known.

use super::resume::{Piece, Resume, RowsWriter, Staging, is_due, read_rows};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::extract::Placed;
use crate::lake::Lake;
use crate::merge::places::{Entry, SPOOL_MEMORY, Spool};
use crate::merge::stage::{Stage, Staged};
use crate::model::batch::{RawBatch, ShapedBatch};
use crate::model::collection::Namespace;
use crate::model::progress::Progress;
use crate::model::read_plan::Position;
use crate::model::table::{self, TableSchema};
use crate::run::interrupt::Interrupt;
use crate::run::quarantine::Quarantine;
use crate::shape::{Shaper, id_hashes};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

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
    /// Documents among them that a run that died had read.
    pub resumed: u64,
    /// Documents that could not be read.
    pub quarantined: Quarantine,
}

/// Counts of one window.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
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

/// Where shaped rows go: moved to a worker thread for every batch and back.
struct Shelf {
    stage: Stage,
    ids: Spool,
    totals: Totals,
    quarantined: Quarantine,
    /// Rows that are not staged in the lake yet; none when nothing is staged.
    unstaged: Option<RowsWriter>,
}

/// A batch that was shaped and is not on the shelf yet.
struct Shaped {
    batch: ShapedBatch,
    documents: u64,
    bytes: u64,
    position: Option<Position>,
    /// Given back when it is on the shelf.
    _room: OwnedSemaphorePermit,
}

/// What the shaping hands over.
enum Handed {
    /// Rows.
    Rows(Box<Shaped>),
    /// The schema and the partition folders that all rows before it have, to be kept with them.
    Schema(Box<(TableSchema, Vec<String>)>),
}

/// Batches of the usual size that wait for the shelf, which rests while it writes a run to disk. Of larger ones fewer do:
/// a document of 16 MB waits alone.
const WAITING: usize = 6;

/// Rows of one turn of shaping have at most so many bytes of spilled batches, where their documents are more than one.
const SHAPED_BATCHES: usize = 4;

/// How much larger rows are than their documents. Each element of a list has a place for every field that any element has
/// ever had: of sparse elements come a hundred times their bytes (P10).
struct Growth {
    rows: u64,
    documents: u64,
}

impl Default for Growth {
    /// Nothing is known: little is tried first.
    fn default() -> Self {
        Self { rows: 32, documents: 1 }
    }
}

impl Growth {
    /// Bytes of the rows of documents of so many bytes.
    fn of(&self, bytes: u64) -> u64 {
        (bytes.saturating_mul(self.rows) / self.documents).max(bytes)
    }

    /// How many of the documents, of which there are some, have rows of `limit` bytes; one at least.
    fn documents_within(&self, limit: usize, documents: &[Bytes]) -> usize {
        let mut bytes = 0;
        let fit = documents.iter().take_while(|document| {
            bytes += document.len() as u64;
            self.of(bytes) <= limit as u64
        });
        fit.count().max(1)
    }

    /// Documents of so many bytes have become rows of so many.
    fn learn(&mut self, documents: u64, rows: u64) {
        *self = Self { rows, documents: documents.max(1) };
    }
}

impl Reading<'_> {
    /// Reads `batches` to their end, after what `resume` holds; `staging` keeps what a later run could go on with.
    ///
    /// Documents are shaped on one thread and put on the shelf on another.
    pub async fn run(
        &self,
        mut shaper: Shaper,
        batches: BoxStream<'static, Result<Placed>>,
        resume: Option<(&Resume, &Lake)>,
        mut staging: Option<Staging<'_>>,
    ) -> Result<Window> {
        let mut shelf = Shelf {
            stage: Stage::new(self.scratch, self.chunk, self.batch),
            ids: Spool::new(self.scratch, "ids", SPOOL_MEMORY),
            totals: Totals::default(),
            quarantined: Quarantine::new(self.scratch),
            unstaged: staging.as_ref().map(|_| RowsWriter::new()).transpose()?,
        };
        if let Some((resume, lake)) = resume {
            (shaper, shelf) = self.restore(shaper, shelf, resume, lake).await?;
        }
        let resumed = shelf.totals.documents;
        let (sender, receiver) = mpsc::channel(WAITING);
        let shaping = self.shape(shaper, batches, sender, staging.is_some());
        let shelving = shelve(shelf, receiver, staging.as_mut());
        let (shaper, mut shelf) = tokio::try_join!(shaping, shelving)?;
        if let Some(staging) = &mut staging {
            // What comes now may die too, and takes long for a large collection.
            shelf.keep(staging, Some((shaper.table(), shaper.partitions()))).await?;
        }
        Ok(Window {
            staged: shelf.stage.finish()?,
            ids: shelf.ids,
            shaper,
            totals: shelf.totals,
            resumed,
            quarantined: shelf.quarantined,
        })
    }

    /// Shapes batch after batch; where they are `staged`, the schema follows whenever a state is due.
    async fn shape(
        &self,
        mut shaper: Shaper,
        mut batches: BoxStream<'static, Result<Placed>>,
        sender: mpsc::Sender<Handed>,
        staged: bool,
    ) -> Result<Shaper> {
        let (mut unsaved, mut saved_at) = (0, Instant::now());
        let mut growth = Growth::default();
        let room_for = u32::try_from(WAITING * self.batch).unwrap_or(u32::MAX);
        let room = Arc::new(Semaphore::new(room_for as usize));
        // The other side goes away only with an error of its own, which ends this one as well.
        let gone = |_| Error::new(Kind::Invariant, "nobody takes the rows that were read");
        loop {
            // A source that does not answer must not keep a run from ending.
            let batch = tokio::select! {
                biased;
                stopped = self.interrupt.stopped() => return Err(stopped),
                batch = batches.next() => batch,
            };
            let Some((batch, position)) = batch.transpose()? else { return Ok(shaper) };
            let (documents, bytes) = (batch.documents.len() as u64, batch.bytes() as u64);
            let mut left = batch.documents;
            while !left.is_empty() {
                let rest = left.split_off(growth.documents_within(SHAPED_BATCHES * self.batch, &left));
                let piece = RawBatch { documents: std::mem::replace(&mut left, rest) };
                let (documents, bytes) = (piece.documents.len() as u64, piece.bytes() as u64);
                let needed = u32::try_from(growth.of(bytes)).unwrap_or(u32::MAX).min(room_for);
                let taken =
                    Arc::clone(&room).acquire_many_owned(needed).await.or_error(Kind::Invariant, "wait for room")?;
                let (back, batch) = aside(move || {
                    let batch = shaper.shape(&piece)?;
                    Ok((shaper, batch))
                })
                .await?;
                shaper = back;
                growth.learn(bytes, batch.rows.get_array_memory_size() as u64);
                // A later run goes on behind whole batches.
                let position = position.clone().filter(|_| left.is_empty());
                let shaped = Shaped { batch, documents, bytes, position, _room: taken };
                sender.send(Handed::Rows(Box::new(shaped))).await.map_err(gone)?;
            }
            unsaved += bytes;
            if staged && is_due(unsaved, saved_at) {
                (unsaved, saved_at) = (0, Instant::now());
                let schema = (shaper.table().clone(), shaper.partitions().to_vec());
                sender.send(Handed::Schema(Box::new(schema))).await.map_err(gone)?;
            }
            self.progress.read(self.namespace, documents, bytes);
        }
    }

    /// Puts what a run that died has read in front of what is left to be read.
    async fn restore(
        &self,
        mut shaper: Shaper,
        mut shelf: Shelf,
        resume: &Resume,
        lake: &Lake,
    ) -> Result<(Shaper, Shelf)> {
        for key in resume.keys(self.namespace) {
            self.interrupt.check()?;
            let object = resume.object(lake, &key).await?;
            let restoring = aside(move || {
                let shelf = shelf.restore(&object, &shaper)?;
                Ok((shaper, shelf))
            });
            (shaper, shelf) = restoring.await.map_err(|e| {
                resume.damaged.get_or_init(|| ());
                e.context(&key).hint("run again: it will be read from the start")
            })?;
        }
        shelf.totals = resume.state.totals;
        self.progress.read(self.namespace, shelf.totals.documents, shelf.totals.bytes);
        Ok((shaper, shelf))
    }
}

/// Puts batch after batch on the shelf, and into the lake what a later run could go on with.
async fn shelve(
    mut shelf: Shelf,
    mut handed: mpsc::Receiver<Handed>,
    mut staging: Option<&mut Staging<'_>>,
) -> Result<Shelf> {
    while let Some(next) = handed.recv().await {
        match (next, staging.as_deref_mut()) {
            (Handed::Rows(shaped), staging) => {
                let position = shaped.position.clone();
                shelf = aside(move || shelf.take(*shaped)).await?;
                if let Some(staging) = staging {
                    staging.read(position);
                    shelf.keep(staging, None).await?;
                }
            }
            (Handed::Schema(schema), Some(staging)) => shelf.keep(staging, Some((&schema.0, &schema.1))).await?,
            (Handed::Schema(_), None) => {}
        }
    }
    Ok(shelf)
}

/// Runs the shaping of documents off the async threads.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    // The panic's own text may quote what it choked on (P10).
    done.map_err(|_| Error::new(Kind::Invariant, "shaping a batch of documents panicked"))?
}

impl Shelf {
    fn take(mut self, Shaped { batch, documents, bytes, .. }: Shaped) -> Result<Self> {
        self.totals.documents += documents;
        self.totals.bytes += bytes;
        self.totals.misfits += batch.misfits;
        self.totals.blind += batch.blind;
        self.totals.untimed += batch.untimed;
        self.totals.unplaced += batch.unplaced;
        if let Some(unstaged) = &mut self.unstaged {
            unstaged.push(&batch)?;
        }
        self.quarantined.extend(&batch.quarantined)?;
        self.place(batch.rows, batch.version, batch.partition, &batch.id_hash, &batch.modified_ms)?;
        Ok(self)
    }

    fn place(
        &mut self,
        rows: RecordBatch,
        version: u64,
        partition: Vec<u32>,
        hashes: &[u128],
        modified: &[Option<i64>],
    ) -> Result<()> {
        let first = self.stage.push(rows, version, partition.clone())?;
        for (row, ((&partition, &hash), modified)) in partition.iter().zip(hashes).zip(modified).enumerate() {
            self.ids.push(Entry {
                hash,
                partition,
                modified_ms: modified.unwrap_or(i64::MIN),
                sequence: first + row as u64,
            })?;
        }
        Ok(())
    }

    /// Takes in an object of staged rows.
    fn restore(mut self, object: &[u8], shaper: &Shaper) -> Result<Self> {
        read_rows(object, |piece| match piece {
            Piece::Quarantined(documents) => {
                self.quarantined.extend(&documents)?;
                Ok(())
            }
            Piece::Rows { rows, version, partition } => {
                let ids = rows.column_by_name(table::ID);
                let ids = ids.ok_or_else(|| Error::new(Kind::Lake, "staged rows have no _id"))?;
                let hashes = id_hashes(ids.as_ref(), version, shaper.table())?;
                let times = rows.column_by_name(table::MODIFIED).and_then(|c| c.as_primitive_opt::<Int64Type>());
                let modified: Vec<Option<i64>> = match times {
                    Some(times) => times.iter().collect(),
                    None => vec![None; rows.num_rows()],
                };
                self.place(rows, version, partition, &hashes, &modified)
            }
        })?;
        Ok(self)
    }

    /// Puts rows into the lake when they fill an object, and all of them when everything read so far is to count: `all` are
    /// its schema and its partition folders then.
    async fn keep(&mut self, staging: &mut Staging<'_>, all: Option<(&TableSchema, &[String])>) -> Result<()> {
        let ripe = |rows: &RowsWriter| !rows.is_empty() && (all.is_some() || staging.fills(rows));
        if self.unstaged.as_ref().is_some_and(ripe)
            && let Some(rows) = self.unstaged.replace(RowsWriter::new()?)
        {
            staging.put(rows.finish()?).await?;
        }
        if let Some((table, partitions)) = all {
            staging.save(table, partitions, self.totals).await?;
        }
        Ok(())
    }
}
