//! Keeps what was read until the whole window is known: runs of rows grouped by partition, in memory while they fit
//! and on local disk beyond.
//!
//! The schema may grow with every batch, so rows are kept at the version they were shaped at and brought to the final
//! one when they are read back.

use super::widths::{Widths, cuts, of_rows};
use super::{SEQUENCE, scratch};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::kill_point::{KillPoint, reach};
use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::interleave_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A contiguous piece of a run's batch that belongs to one partition.
#[derive(Debug, Clone, Copy)]
struct Segment {
    batch: usize,
    offset: usize,
    widths: Widths,
}

/// Where the batches of a run are.
#[derive(Debug)]
enum Batches {
    Memory(Vec<RecordBatch>),
    Disk(PathBuf),
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

/// Where one of them stands.
#[derive(Clone, Copy)]
struct Place {
    partition: u32,
    piece: usize,
    row: usize,
    width: u64,
}

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

        let mut rows: Vec<Place> = Vec::with_capacity(pending.iter().map(|p| p.partition.len()).sum());
        for (piece, pending) in pending.iter().enumerate() {
            let places = pending.partition.iter().zip(&pending.widths).enumerate();
            rows.extend(places.map(|(row, (&partition, &width))| Place { partition, piece, row, width }));
        }
        rows.sort_by_key(|place| place.partition);

        let sources: Vec<&RecordBatch> = pending.iter().map(|p| &p.rows).collect();
        let Some(schema) = sources.first().map(|rows| rows.schema()) else { return Ok(()) };
        let mut sink = Sink::new(to_disk.then(|| self.folder.join(format!("run-{}.arrow", self.runs.len()))));
        let mut segments: HashMap<u32, Vec<Segment>> = HashMap::new();
        let mut start = 0;
        for (batch, end) in cuts(self.batch_bytes, rows.iter().map(|place| place.width)).into_iter().enumerate() {
            let chunk = rows.get(start..end).unwrap_or_default();
            start = end;
            for (at, place) in chunk.iter().enumerate() {
                let of = segments.entry(place.partition).or_default();
                match of.last_mut() {
                    Some(last) if last.batch == batch => last.widths.add(place.width),
                    _ => {
                        let mut widths = Widths::default();
                        widths.add(place.width);
                        of.push(Segment { batch, offset: at, widths });
                    }
                }
            }
            let picks: Vec<(usize, usize)> = chunk.iter().map(|place| (place.piece, place.row)).collect();
            let grouped =
                interleave_record_batch(&sources, &picks).or_error(Kind::Invariant, "group rows by partition")?;
            sink.write(grouped)?;
        }
        self.runs.push(Run { batches: sink.finish()?, version: self.version, schema, segments });
        Ok(())
    }
}

/// Appends the read order as a column.
fn with_sequence(rows: &RecordBatch, first: u64) -> Result<RecordBatch> {
    let mut fields = rows.schema().fields().to_vec();
    fields.push(Arc::new(Field::new(SEQUENCE, DataType::UInt64, false)));
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(UInt64Array::from_iter_values(first..first + rows.num_rows() as u64)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).or_error(Kind::Invariant, "number the rows read")
}

/// Writes a run's batches to memory or disk.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
enum Sink {
    Memory(Vec<RecordBatch>),
    Disk { path: PathBuf, writer: Option<FileWriter<BufWriter<File>>> },
}

impl Sink {
    fn new(path: Option<PathBuf>) -> Self {
        match path {
            Some(path) => Sink::Disk { path, writer: None },
            None => Sink::Memory(Vec::new()),
        }
    }

    fn write(&mut self, rows: RecordBatch) -> Result<()> {
        match self {
            Sink::Memory(batches) => batches.push(rows),
            Sink::Disk { path, writer } => {
                let spill = |e: &dyn std::fmt::Display| scratch::error("write spill file", path, e);
                if writer.is_none() {
                    reach(KillPoint::BeforeSpill);
                    let file = File::create(&*path).map_err(|e| spill(&e))?;
                    *writer = Some(FileWriter::try_new(BufWriter::new(file), &rows.schema()).map_err(|e| spill(&e))?);
                }
                if let Some(writer) = writer {
                    writer.write(&rows).map_err(|e| spill(&e))?;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Batches> {
        match self {
            Sink::Memory(batches) => Ok(Batches::Memory(batches)),
            Sink::Disk { path, writer } => {
                if let Some(mut writer) = writer {
                    writer.finish().map_err(|e| scratch::error("finish spill file", &path, &e))?;
                }
                reach(KillPoint::AfterSpill);
                Ok(Batches::Disk(path))
            }
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

/// A reader of one partition's rows in one run. A spilled run is opened when its first row is wanted and closed after
/// the last: there may be more runs than a process may have files open.
pub struct Slices {
    source: SliceSource,
    segments: std::iter::Peekable<std::vec::IntoIter<Segment>>,
    /// Schema version of the rows.
    pub version: u64,
    /// Their schema, the read order included.
    pub schema: SchemaRef,
}

enum SliceSource {
    Memory(Vec<RecordBatch>),
    Disk { path: PathBuf, reader: Option<Box<FileReader<BufReader<File>>>> },
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
                Batches::Disk(path) => SliceSource::Disk { path: path.clone(), reader: None },
            };
            let segments = segments.into_iter().peekable();
            Some(Slices { source, segments, version: run.version, schema: run.schema.clone() })
        });
        readers.collect()
    }
}

impl SliceSource {
    fn batch(&mut self, number: usize) -> Result<RecordBatch> {
        match self {
            SliceSource::Memory(batches) => {
                batches.get(number).cloned().ok_or_else(|| Error::new(Kind::Invariant, "a staged batch is gone"))
            }
            SliceSource::Disk { path, reader } => {
                let open = match reader.take() {
                    Some(open) => open,
                    None => {
                        let file = File::open(&*path).map_err(|e| scratch::error("open spill file", path, &e))?;
                        let open = FileReader::try_new(BufReader::new(file), None);
                        Box::new(open.map_err(|e| scratch::error("open spill file", path, &e))?)
                    }
                };
                let open = reader.insert(open);
                open.set_index(number).map_err(|e| scratch::error("read spill file", path, &e))?;
                match open.next() {
                    Some(batch) => batch.map_err(|e| scratch::error("read spill file", path, &e)),
                    None => Err(scratch::error("read spill file", path, &"it ends early")),
                }
            }
        }
    }
}

impl Iterator for Slices {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let segment = self.segments.next()?;
        let batch = self.source.batch(segment.batch);
        if let (SliceSource::Disk { reader, .. }, None) = (&mut self.source, self.segments.peek()) {
            *reader = None;
        }
        let rows = usize::try_from(segment.widths.rows).unwrap_or(usize::MAX);
        Some(batch.map(|batch| batch.slice(segment.offset, rows)))
    }
}
