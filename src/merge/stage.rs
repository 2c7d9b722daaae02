//! Keeps what was read until the whole window is known: runs of rows, grouped by partition and sorted within it, in
//! memory while they fit and on local disk beyond.
//!
//! The schema may grow with every batch, so rows are kept at the version they were shaped at and brought to the final
//! one when they are read back.

use super::SEQUENCE;
use super::order::Order;
use super::spill::{Spill, SpillWriter};
use super::widths::{Widths, cuts, of_rows};
use crate::error::{Error, Kind, Result, ResultExt};
use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A contiguous piece of a run's batch that belongs to one partition.
#[derive(Debug, Clone, Copy)]
struct Segment {
    batch: usize,
    batch_bytes: u64,
    offset: usize,
    widths: Widths,
}

/// Where the batches of a run are.
#[derive(Debug)]
enum Batches {
    Memory(Vec<RecordBatch>),
    Disk(Arc<Spill>),
}

/// Rows of one schema version, grouped by partition.
#[derive(Debug)]
struct Run {
    batches: Batches,
    version: u64,
    schema: SchemaRef,
    segments: HashMap<u32, Vec<Segment>>,
}

/// Rows that were shaped and not grouped yet.
struct Pending {
    rows: RecordBatch,
    partition: Vec<u32>,
    widths: Vec<u64>,
}

/// Where one of them stands, and how its id begins.
#[derive(Clone, Copy)]
struct Place {
    prefix: u128,
    width: u64,
    partition: u32,
    piece: u32,
    row: u32,
}

/// Batches of a run are this much smaller than all of it: a merge holds one of each run.
const BATCHES_OF_A_RUN: usize = 128;

/// The rows of a partition that has this many bytes in a run begin a batch of their own, so that merging it reads nothing
/// else.
const OWN_BATCH_BYTES: u64 = 64 << 10;

/// Collects shaped rows; [`Stage::finish`] gives them back by partition.
pub struct Stage {
    folder: PathBuf,
    limit: usize,
    batch_bytes: usize,
    version: u64,
    pending: Vec<Pending>,
    pending_bytes: usize,
    runs: Vec<Run>,
    next_sequence: u64,
}

impl Stage {
    /// Keeps `limit` bytes in memory and writes the rest below `folder`, in batches of about `batch_bytes`.
    pub fn new(folder: &Path, limit: usize, batch_bytes: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            limit,
            batch_bytes,
            version: 0,
            pending: Vec::new(),
            pending_bytes: 0,
            runs: Vec::new(),
            next_sequence: 0,
        }
    }

    /// Adds the rows of one shaped batch; `partition` has an ordinal per row. Returns the sequence number of the
    /// first row: rows read later have higher numbers.
    pub fn push(&mut self, rows: RecordBatch, version: u64, partition: Vec<u32>) -> Result<u64> {
        let first = self.next_sequence;
        if rows.num_rows() == 0 {
            return Ok(first);
        }
        if version != self.version {
            self.flush(false)?;
            self.version = version;
        }
        self.next_sequence += rows.num_rows() as u64;
        let rows = with_sequence(&rows, first)?;
        self.pending_bytes += rows.get_array_memory_size();
        self.pending.push(Pending { widths: of_rows(&rows), rows, partition });
        if self.pending_bytes >= self.limit {
            self.flush(true)?;
        }
        Ok(first)
    }

    /// No more rows will come. Wide ones leave the memory to the merge, where several copies of each are needed.
    pub fn finish(mut self) -> Result<Staged> {
        let wide =
            self.pending.iter().flat_map(|pending| &pending.widths).any(|&width| width > self.batch_bytes as u64);
        self.flush(wide)?;
        Ok(Staged { runs: self.runs })
    }

    /// Groups what is pending into a run; it goes to disk when the memory is needed.
    fn flush(&mut self, to_disk: bool) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        // Runs of earlier versions stay in memory only while all of them together are within the limit.
        let held: usize = self.runs.iter().map(Run::memory).sum();
        let to_disk = to_disk || held + self.pending_bytes > self.limit;
        let pending = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;

        let rows = sorted(&pending)?;
        let sources: Vec<&RecordBatch> = pending.iter().map(|p| &p.rows).collect();
        let Some(schema) = sources.first().map(|rows| rows.schema()) else { return Ok(()) };
        let mut sink = Sink::new(to_disk.then(|| self.folder.join(format!("run-{}.arrow", self.runs.len()))));
        let mut segments: HashMap<u32, Vec<Segment>> = HashMap::new();
        let mut start = 0;
        for (batch, end) in self.cuts(&rows).into_iter().enumerate() {
            let chunk = rows.get(start..end).unwrap_or_default();
            start = end;
            let batch_bytes = chunk.iter().map(|place| place.width).sum();
            for (at, place) in chunk.iter().enumerate() {
                let of = segments.entry(place.partition).or_default();
                match of.last_mut() {
                    Some(last) if last.batch == batch => last.widths.add(place.width),
                    _ => {
                        let mut widths = Widths::default();
                        widths.add(place.width);
                        of.push(Segment { batch, batch_bytes, offset: at, widths });
                    }
                }
            }
            let picks: Vec<(usize, usize)> =
                chunk.iter().map(|place| (place.piece as usize, place.row as usize)).collect();
            let grouped =
                interleave_record_batch(&sources, &picks).or_error(Kind::Invariant, "group rows by partition")?;
            sink.write(grouped)?;
        }
        self.runs.push(Run { batches: sink.finish()?, version: self.version, schema, segments });
        Ok(())
    }

    /// Where the batches of a run end.
    fn cuts(&self, rows: &[Place]) -> Vec<usize> {
        let limit = (self.limit / BATCHES_OF_A_RUN).clamp(1, self.batch_bytes);
        let mut ends: Vec<usize> = Vec::new();
        // Rows that share batches, and the partitions among them that are small.
        let (mut from, mut to) = (0, 0);
        let mut close = |from: usize, to: usize| {
            let widths = rows.get(from..to).unwrap_or_default().iter().map(|place| place.width);
            ends.extend(cuts(limit, widths).into_iter().map(|end| from + end));
        };
        for rows in rows.chunk_by(|a, b| a.partition == b.partition) {
            if rows.iter().map(|place| place.width).sum::<u64>() >= OWN_BATCH_BYTES {
                close(from, to);
                close(to, to + rows.len());
                from = to + rows.len();
            }
            to += rows.len();
        }
        close(from, to);
        ends
    }
}

/// The pending rows by partition, and within it in the order in which they are merged.
fn sorted(pending: &[Pending]) -> Result<Vec<Place>> {
    let orders = pending.iter().map(|pending| Order::of(&pending.rows)).collect::<Result<Vec<_>>>()?;
    let mut rows: Vec<Place> = Vec::with_capacity(pending.iter().map(|p| p.partition.len()).sum());
    for ((piece, pending), order) in (0..).zip(pending).zip(&orders) {
        let places = (0..).zip(pending.partition.iter().zip(&pending.widths));
        rows.extend(places.map(|(row, (&partition, &width))| Place {
            prefix: order.prefix(row as usize),
            width,
            partition,
            piece,
            row,
        }));
    }
    rows.sort_unstable_by(|a, b| {
        let beginnings = (a.partition, a.prefix).cmp(&(b.partition, b.prefix));
        beginnings.then_with(|| match (orders.get(a.piece as usize), orders.get(b.piece as usize)) {
            (Some(here), Some(there)) => here.compare(a.row as usize, there, b.row as usize),
            _ => Ordering::Equal,
        })
    });
    Ok(rows)
}

/// Appends the read order as a column.
fn with_sequence(rows: &RecordBatch, first: u64) -> Result<RecordBatch> {
    let mut fields = rows.schema().fields().to_vec();
    fields.push(Arc::new(Field::new(SEQUENCE, DataType::UInt64, false)));
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(UInt64Array::from_iter_values(first..first + rows.num_rows() as u64)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).or_error(Kind::Invariant, "number the rows read")
}

/// Takes a run's batches, to memory or disk.
enum Sink {
    Memory(Vec<RecordBatch>),
    Disk(Box<SpillWriter>),
}

impl Sink {
    fn new(path: Option<PathBuf>) -> Self {
        match path {
            Some(path) => Sink::Disk(Box::new(SpillWriter::new(path))),
            None => Sink::Memory(Vec::new()),
        }
    }

    fn write(&mut self, rows: RecordBatch) -> Result<()> {
        match self {
            Sink::Memory(batches) => batches.push(rows),
            Sink::Disk(writer) => writer.write(&rows)?,
        }
        Ok(())
    }

    fn finish(self) -> Result<Batches> {
        match self {
            Sink::Memory(batches) => Ok(Batches::Memory(batches)),
            Sink::Disk(writer) => Ok(Batches::Disk(Arc::new(writer.finish()?))),
        }
    }
}

impl Run {
    fn memory(&self) -> usize {
        match &self.batches {
            Batches::Memory(batches) => batches.iter().map(RecordBatch::get_array_memory_size).sum(),
            Batches::Disk(_) => 0,
        }
    }
}

/// Everything a window held, readable partition by partition.
#[derive(Debug)]
pub struct Staged {
    runs: Vec<Run>,
}

/// A reader of one partition's rows in one run, in the order in which they are merged. A spilled run is opened when its first row is wanted and closed after
/// the last: there may be more runs than a process may have files open.
pub struct Slices {
    source: SliceSource,
    segments: std::vec::IntoIter<Segment>,
    /// Schema version of the rows.
    pub version: u64,
    /// Their schema, the read order included.
    pub schema: SchemaRef,
    /// Bytes of the largest batch that is read for them; what is in memory anyway counts nothing.
    pub batch_bytes: u64,
}

enum SliceSource {
    Memory(Vec<RecordBatch>),
    Disk(Arc<Spill>),
}

impl Staged {
    /// Rows staged for each partition ordinal.
    pub fn rows(&self) -> BTreeMap<u32, u64> {
        let mut rows = BTreeMap::new();
        for run in &self.runs {
            for (&partition, segments) in &run.segments {
                *rows.entry(partition).or_default() += segments.iter().map(|s| s.widths.rows).sum::<u64>();
            }
        }
        rows
    }

    /// How wide the partition's rows are, by groups of rows that are read together.
    pub fn widths(&self, partition: u32) -> impl Iterator<Item = Widths> {
        self.runs.iter().filter_map(move |run| run.segments.get(&partition)).flatten().map(|segment| segment.widths)
    }

    /// Bytes of the widest row.
    pub fn widest(&self) -> u64 {
        let segments = self.runs.iter().flat_map(|run| run.segments.values()).flatten();
        segments.map(|segment| segment.widths.widest).max().unwrap_or_default()
    }

    /// Readers of the partition's rows, one for each run that has some, oldest run first.
    pub fn slices(&self, partition: u32) -> Vec<Slices> {
        let readers = self.runs.iter().filter_map(|run| {
            let segments = run.segments.get(&partition)?.clone();
            let source = match &run.batches {
                Batches::Memory(batches) => SliceSource::Memory(batches.clone()),
                Batches::Disk(spill) => SliceSource::Disk(spill.clone()),
            };
            let batch_bytes = match source {
                SliceSource::Memory(_) => 0,
                SliceSource::Disk(_) => segments.iter().map(|segment| segment.batch_bytes).max().unwrap_or_default(),
            };
            let segments = segments.into_iter();
            Some(Slices { source, segments, version: run.version, schema: run.schema.clone(), batch_bytes })
        });
        readers.collect()
    }
}

impl SliceSource {
    fn batch(&self, number: usize) -> Result<RecordBatch> {
        match self {
            SliceSource::Memory(batches) => {
                batches.get(number).cloned().ok_or_else(|| Error::new(Kind::Invariant, "a staged batch is gone"))
            }
            SliceSource::Disk(spill) => spill.batch(number),
        }
    }
}

impl Iterator for Slices {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let segment = self.segments.next()?;
        let batch = self.source.batch(segment.batch);
        let rows = usize::try_from(segment.widths.rows).unwrap_or(usize::MAX);
        Some(batch.map(|batch| batch.slice(segment.offset, rows)))
    }
}
