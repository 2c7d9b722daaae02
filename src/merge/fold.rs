//! The fold: a streaming merge of a stored file with its changes, both sorted by `_id`, one row per `_id` out (P1),
//! every row of both counted (P6).

use super::SEQUENCE;
use super::writer::PartitionWriter;
use crate::error::{Error, Kind, Result, ResultExt};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{interleave_record_batch, take};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

/// Batches of the inputs that are held until what was picked from them is written: where few rows of many batches stay,
/// as after a purge, what fills a batch would hold the whole file.
const SOURCES_MAX: usize = 8;

/// Computes the id hashes of an `_id` column of the target schema.
pub type HashIds = Arc<dyn Fn(&dyn Array) -> Result<Vec<u128>> + Send + Sync>;

/// How changes and stored rows of one partition are brought together.
#[derive(Debug, Clone, Default)]
pub struct FoldRules {
    /// A dump may be older than the lake: the later modified time wins. Otherwise the change always does, because
    /// reads of a live source never go back in time.
    pub newest_wins: bool,
    /// A full run: stored rows without a change are gone.
    pub replace: bool,
    /// Ids whose row now stands in another partition.
    pub moved_out: Arc<HashSet<u128>>,
    /// That other partition is not written yet: their rows stay for the time being.
    pub moved_stay: bool,
    /// Ids whose row comes from another partition.
    pub moved_in: Arc<HashSet<u128>>,
    /// Ids whose stored row is in another partition and newer than the change.
    pub rejected: Arc<HashSet<u128>>,
}

/// What became of the rows of one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FoldCounts {
    /// New in the table.
    pub inserted: u64,
    /// Replaced a stored row that differs, here or in another partition.
    pub updated: u64,
    /// Of `updated`: came from another partition.
    pub moved_in: u64,
    /// Equal to the stored row.
    pub unchanged: u64,
    /// Lost against a newer reading, or against a newer stored row.
    pub superseded: u64,
    /// Stored rows that a full run did not find.
    pub deleted: u64,
    /// Stored rows that left for another partition.
    pub moved_out: u64,
}

impl FoldCounts {
    /// Whether the new file differs from the stored one.
    pub fn dirty(&self) -> bool {
        self.inserted + self.updated + self.deleted + self.moved_out > 0
    }
}

/// Merges `stored` and `changes` into `out`.
///
/// `stored` has the columns of `schema`; `changes` has them too and may carry the read order behind. Both come sorted
/// by `_id`, the changes with the newest reading of an id first. Everything it needs is its own, so that it can run on
/// any thread; it gives way after every batch, because its inputs may never make it wait.
pub async fn fold(
    stored: Option<SendableRecordBatchStream>,
    changes: Option<SendableRecordBatchStream>,
    schema: SchemaRef,
    rules: FoldRules,
    hash_ids: HashIds,
    batch_rows: usize,
    out: &mut PartitionWriter,
) -> Result<FoldCounts> {
    let mut counts = FoldCounts::default();
    let mut joined = Joined::new(schema.clone(), batch_rows);
    let hash_stored = (!rules.moved_out.is_empty()).then(|| hash_ids.clone());
    let hash_changes = (!rules.moved_in.is_empty() || !rules.rejected.is_empty()).then_some(hash_ids);
    // The changes first: their first row comes when they are sorted, which needs its memory for itself.
    let mut changes = Cursor::open(changes, &schema, hash_changes).await?;
    let mut stored = Cursor::open(stored, &schema, hash_stored).await?;

    loop {
        // Older readings of the id that was just decided follow it.
        while changes.repeats() {
            counts.superseded += 1;
            changes.advance().await?;
        }
        let side = match (stored.key(), changes.key()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(s), Some(c)) => s.cmp(&c),
        };
        match side {
            Ordering::Less => {
                if stored.hash().is_some_and(|h| rules.moved_out.contains(&h)) {
                    if rules.moved_stay {
                        joined.pick(Side::Stored, &mut stored);
                    } else {
                        counts.moved_out += 1;
                    }
                } else if rules.replace {
                    counts.deleted += 1;
                } else {
                    joined.pick(Side::Stored, &mut stored);
                }
                joined.flush_full(&mut counts, out).await?;
                stored.advance().await?;
            }
            Ordering::Greater => {
                if changes.hash().is_some_and(|h| rules.rejected.contains(&h)) {
                    counts.superseded += 1;
                    changes.advance().await?;
                    continue;
                }
                if changes.hash().is_some_and(|h| rules.moved_in.contains(&h)) {
                    counts.updated += 1;
                    counts.moved_in += 1;
                } else {
                    counts.inserted += 1;
                }
                joined.pick(Side::Change, &mut changes);
                joined.flush_full(&mut counts, out).await?;
                changes.advance().await?;
            }
            Ordering::Equal => {
                if changes.hash().is_some_and(|h| rules.rejected.contains(&h)) {
                    // The newest row of the id is in another partition, and neither of these is it.
                    counts.superseded += 1;
                    if stored.hash().is_some_and(|h| rules.moved_out.contains(&h)) && !rules.moved_stay {
                        counts.moved_out += 1;
                    } else {
                        joined.pick(Side::Stored, &mut stored);
                    }
                } else if rules.newest_wins && changes.modified() < stored.modified() {
                    counts.superseded += 1;
                    joined.pick(Side::Stored, &mut stored);
                } else {
                    joined.pick_pair(&mut stored, &mut changes);
                }
                joined.flush_full(&mut counts, out).await?;
                stored.advance().await?;
                changes.advance().await?;
            }
        }
    }
    joined.flush(&mut counts, out)?;
    Ok(counts)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Stored,
    Change,
}

/// One sorted input, a row at a time.
struct Cursor {
    stream: Option<SendableRecordBatchStream>,
    columns: usize,
    converter: RowConverter,
    hash_ids: Option<HashIds>,
    current: Option<Current>,
    /// The last key of the batch before the current one.
    before: Option<OwnedRow>,
    /// Distinguishes the batches of this input.
    generation: usize,
}

struct Current {
    /// Empty once the last of them was handed over: they may be 16 MB wide, and are written before the next are read.
    rows: RecordBatch,
    count: usize,
    keys: Rows,
    hashes: Vec<u128>,
    modified: Option<ArrayRef>,
    row: usize,
}

impl Cursor {
    async fn open(
        stream: Option<SendableRecordBatchStream>,
        schema: &SchemaRef,
        hash_ids: Option<HashIds>,
    ) -> Result<Self> {
        let id = schema.field(0).data_type().clone();
        let converter = RowConverter::new(vec![SortField::new(id)]).or_error(Kind::Invariant, "compare ids")?;
        let mut cursor = Self {
            stream,
            columns: schema.fields().len(),
            converter,
            hash_ids,
            current: None,
            before: None,
            generation: 0,
        };
        cursor.next_batch().await?;
        Ok(cursor)
    }

    fn key(&self) -> Option<arrow::row::Row<'_>> {
        self.current.as_ref().map(|c| c.keys.row(c.row))
    }

    /// Whether the current row has the id of the row before it.
    fn repeats(&self) -> bool {
        let Some(current) = &self.current else { return false };
        let key = current.keys.row(current.row);
        match current.row.checked_sub(1) {
            Some(before) => current.keys.row(before) == key,
            None => self.before.as_ref().is_some_and(|before| before.row() == key),
        }
    }

    fn hash(&self) -> Option<u128> {
        self.current.as_ref().and_then(|c| c.hashes.get(c.row).copied())
    }

    /// Milliseconds; none sorts before every time.
    fn modified(&self) -> Option<i64> {
        let current = self.current.as_ref()?;
        let times = current.modified.as_ref()?.as_primitive_opt::<Int64Type>()?;
        times.is_valid(current.row).then(|| times.value(current.row))
    }

    async fn advance(&mut self) -> Result<()> {
        if let Some(current) = &mut self.current {
            current.row += 1;
            if current.row < current.count {
                return Ok(());
            }
        }
        self.next_batch().await
    }

    async fn next_batch(&mut self) -> Result<()> {
        if let Some(last) = self.current.take() {
            self.before = last.count.checked_sub(1).map(|row| last.keys.row(row).owned());
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(super::plan::merge_error)?;
            if batch.num_rows() == 0 {
                continue;
            }
            let ids = batch.column(0).clone();
            let keys =
                self.converter.convert_columns(std::slice::from_ref(&ids)).or_error(Kind::Invariant, "compare ids")?;
            let hashes = match &self.hash_ids {
                Some(hash) => hash(ids.as_ref())?,
                None => Vec::new(),
            };
            let modified = batch.column_by_name("_modified_ms").cloned();
            // The read order has done its work in the sort.
            let width = batch.num_columns() - usize::from(batch.schema().column_with_name(SEQUENCE).is_some());
            if width != self.columns {
                return Err(Error::new(Kind::Invariant, "P7: rows of another schema reached the merge"));
            }
            let rows = batch.project(&(0..width).collect::<Vec<_>>()).or_error(Kind::Invariant, "merge rows")?;
            self.generation += 1;
            self.current = Some(Current { count: rows.num_rows(), rows, keys, hashes, modified, row: 0 });
            return Ok(());
        }
        self.stream = None;
        Ok(())
    }
}

/// Rows picked from both inputs, written out batch by batch.
struct Joined {
    schema: SchemaRef,
    limit: usize,
    sources: Vec<RecordBatch>,
    /// Which batch of which input a source is, newest last.
    origins: Vec<(Side, usize)>,
    picks: Vec<(usize, usize)>,
    /// Stored row and change of the same id, compared when the batch is full.
    pairs: Vec<[(usize, usize); 2]>,
}

impl Side {
    fn matches(self, origin: (Side, usize), generation: usize) -> bool {
        origin.0 == self && origin.1 == generation
    }
}

impl Joined {
    fn new(schema: SchemaRef, limit: usize) -> Self {
        Self { schema, limit, sources: Vec::new(), origins: Vec::new(), picks: Vec::new(), pairs: Vec::new() }
    }

    /// Writes what fills a batch, to be asked before more is read: rows that are 16 MB wide are in memory once then,
    /// and not once more with those that follow them.
    async fn flush_full(&mut self, counts: &mut FoldCounts, out: &mut PartitionWriter) -> Result<()> {
        if self.picks.len() >= self.limit || self.sources.len() >= SOURCES_MAX {
            self.flush(counts, out)?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn locate(&mut self, side: Side, cursor: &mut Cursor) -> Option<(usize, usize)> {
        let current = cursor.current.as_mut()?;
        let source = match self.origins.iter().rposition(|&o| side.matches(o, cursor.generation)) {
            Some(known) => known,
            None => {
                self.sources.push(current.rows.clone());
                self.origins.push((side, cursor.generation));
                self.sources.len() - 1
            }
        };
        if current.row + 1 == current.count {
            current.rows = RecordBatch::new_empty(current.rows.schema());
        }
        Some((source, current.row))
    }

    fn pick(&mut self, side: Side, cursor: &mut Cursor) {
        let place = self.locate(side, cursor);
        self.picks.extend(place);
    }

    /// The change takes the place of the stored row; whether they differ is found out in bulk.
    fn pick_pair(&mut self, stored: &mut Cursor, change: &mut Cursor) {
        if let (Some(s), Some(c)) = (self.locate(Side::Stored, stored), self.locate(Side::Change, change)) {
            self.pairs.push([s, c]);
            self.picks.push(c);
        }
    }

    fn flush(&mut self, counts: &mut FoldCounts, out: &mut PartitionWriter) -> Result<()> {
        if self.picks.is_empty() {
            return Ok(());
        }
        if !self.pairs.is_empty() {
            let side = |side: usize| -> Result<RecordBatch> {
                let places: Vec<(usize, usize)> = self.pairs.iter().filter_map(|p| p.get(side).copied()).collect();
                gather(&self.sources, &places)
            };
            let differing = differing(&side(0)?, &side(1)?)?;
            counts.updated += differing;
            counts.unchanged += self.pairs.len() as u64 - differing;
        }
        let rows = gather(&self.sources, &self.picks)?;
        let rows = RecordBatch::try_new(self.schema.clone(), rows.columns().to_vec())
            .or_error(Kind::Invariant, "P7: merge rows of one schema")?;
        self.picks.clear();
        self.pairs.clear();
        // Before the write, which takes memory of its own: a row may be 16 MB wide.
        self.sources.clear();
        self.origins.clear();
        out.write(&rows)
    }
}

/// Rows by their places, copied only where they do not stand together already.
fn gather(sources: &[RecordBatch], places: &[(usize, usize)]) -> Result<RecordBatch> {
    let together = places.windows(2).all(|pair| matches!(pair, [(s, row), (t, next)] if s == t && *next == row + 1));
    if let (true, Some(&(source, row))) = (together, places.first())
        && let Some(rows) = sources.get(source)
    {
        return Ok(rows.slice(row, places.len()));
    }
    let sources: Vec<&RecordBatch> = sources.iter().collect();
    interleave_record_batch(&sources, places).or_error(Kind::Invariant, "merge rows")
}

/// How many rows of two batches of the same shape differ.
fn differing(left: &RecordBatch, right: &RecordBatch) -> Result<u64> {
    let mut suspects: Vec<u32> = (0..left.num_rows() as u32).collect();
    let mut differing = 0;
    for (l, r) in left.columns().iter().zip(right.columns()) {
        if suspects.is_empty() {
            break;
        }
        // Columns of rows that are read again are nearly always equal as a whole.
        if l.to_data() == r.to_data() {
            continue;
        }
        if left.num_rows() == 1 {
            // Nothing is to be told apart, and the one row may be too wide to be copied once more.
            return Ok(1);
        }
        let index = arrow::array::UInt32Array::from(suspects.clone());
        let pick = |column: &ArrayRef| take(column, &index, None).or_error(Kind::Invariant, "compare rows");
        let (l, r) = (pick(l)?, pick(r)?);
        let mut at = 0;
        suspects.retain(|_| {
            let same = l.slice(at, 1).to_data() == r.slice(at, 1).to_data();
            at += 1;
            differing += u64::from(!same);
            same
        });
    }
    Ok(differing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::writer::FileSettings;
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use futures::stream;

    /// Batches of a hundred rows that share one column, so that the holders of it can be counted.
    const ROWS: i64 = 100;

    fn settings(schema: &SchemaRef) -> FileSettings {
        FileSettings {
            schema: schema.clone(),
            schema_version: 1,
            run_id: "r".to_owned(),
            zstd_level: 1,
            row_group_bytes: 1 << 20,
            dictionaries: Arc::default(),
        }
    }

    #[tokio::test]
    async fn few_rows_of_many_batches_do_not_hold_them_all() {
        let fields = vec![Field::new("_id", DataType::Int64, true), Field::new("text", DataType::Utf8, true)];
        let schema = Arc::new(Schema::new(fields));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["text"; ROWS as usize]));
        let (of, shared) = (schema.clone(), text.clone());
        let held = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let most = held.clone();
        let stored = stream::iter(0..400).map(move |batch: i64| {
            most.fetch_max(Arc::strong_count(&shared), std::sync::atomic::Ordering::Relaxed);
            let ids: Int64Array = (batch * ROWS..(batch + 1) * ROWS).collect();
            Ok(RecordBatch::try_new(of.clone(), vec![Arc::new(ids), shared.clone()])?)
        });
        // A full run that finds one row of each batch again.
        let ids: Int64Array = (0..400).map(|batch| batch * ROWS).collect();
        let found = Arc::new(StringArray::from(vec!["other"; 400]));
        let changes = RecordBatch::try_new(schema.clone(), vec![Arc::new(ids), found]).unwrap();
        let changes = stream::iter([Ok(changes)]);
        let folder = tempfile::tempdir().unwrap();
        let mut out = PartitionWriter::create(&folder.path().join("out"), &settings(&schema), false, 400, 16).unwrap();
        let counts = fold(
            Some(Box::pin(RecordBatchStreamAdapter::new(schema.clone(), stored))),
            Some(Box::pin(RecordBatchStreamAdapter::new(schema.clone(), changes))),
            schema,
            FoldRules { replace: true, ..FoldRules::default() },
            Arc::new(|_| Ok(Vec::new())),
            8192,
            &mut out,
        )
        .await
        .unwrap();
        assert_eq!((counts.updated, counts.deleted, out.finish().unwrap().rows), (400, 400 * (ROWS as u64 - 1), 400));
        let held = held.load(std::sync::atomic::Ordering::Relaxed);
        assert!(held < 3 * SOURCES_MAX, "{held} holders of batches at once");
    }
}
