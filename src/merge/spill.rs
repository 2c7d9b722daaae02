//! A run's batches on local disk, as an Arrow IPC file: written once, read in any order by as many readers as there are
//! partitions.

use super::scratch;
use crate::error::Result;
use crate::kill_point::{KillPoint, reach};
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::writer::FileWriter;
use arrow::ipc::{Block, root_as_footer};
use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes at the end of the file that say how long its footer is.
const TRAILER: usize = 10;

/// Batches on their way to disk.
pub struct SpillWriter {
    path: PathBuf,
    writer: Option<FileWriter<BufWriter<File>>>,
}

impl SpillWriter {
    /// A writer to `path`, where a file is made with the first batch.
    pub fn new(path: PathBuf) -> Self {
        Self { path, writer: None }
    }

    /// Appends a batch.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let failed = |e: &dyn Display| scratch::error("write spill file", &self.path, e);
        let writer = match self.writer.take() {
            Some(writer) => self.writer.insert(writer),
            None => {
                reach(KillPoint::BeforeSpill);
                let file = BufWriter::new(File::create(&self.path).map_err(|e| failed(&e))?);
                self.writer.insert(FileWriter::try_new(file, &rows.schema()).map_err(|e| failed(&e))?)
            }
        };
        writer.write(rows).map_err(|e| failed(&e))
    }

    /// The batches, to be read.
    pub fn finish(self) -> Result<Spill> {
        if let Some(mut writer) = self.writer {
            writer.finish().map_err(|e| scratch::error("finish spill file", &self.path, &e))?;
        }
        reach(KillPoint::AfterSpill);
        Spill::open(self.path)
    }
}

/// Batches on disk. No file is open but while one is read: there may be more runs than a process may have files open.
#[derive(Debug)]
pub struct Spill {
    path: PathBuf,
    decoder: FileDecoder,
    blocks: Vec<Block>,
}

impl Spill {
    /// Reads where the batches are, once for all readers.
    fn open(path: PathBuf) -> Result<Self> {
        let failed = |e: &dyn Display| scratch::error("open spill file", &path, e);
        let mut file = File::open(&path).map_err(|e| failed(&e))?;
        let length = file.metadata().map_err(|e| failed(&e))?.len();
        let trailer = read(&mut file, length.saturating_sub(TRAILER as u64), TRAILER).map_err(|e| failed(&e))?;
        let trailer = trailer.first_chunk::<TRAILER>().ok_or_else(|| failed(&"it is cut"))?;
        let footer_length = read_footer_length(*trailer).map_err(|e| failed(&e))?;
        let start = length.saturating_sub((TRAILER + footer_length) as u64);
        let footer = read(&mut file, start, footer_length).map_err(|e| failed(&e))?;
        let footer = root_as_footer(&footer).map_err(|e| failed(&e))?;
        let schema = footer.schema().ok_or_else(|| failed(&"it has no schema"))?;
        let decoder = FileDecoder::new(Arc::new(fb_to_schema(schema)), footer.version());
        let blocks = footer.recordBatches().map(|blocks| blocks.iter().copied().collect()).unwrap_or_default();
        Ok(Self { path, decoder, blocks })
    }

    /// A batch by its number. The file is opened for it: a merge reads a batch of each run in turn, and would keep all of
    /// them open.
    pub fn batch(&self, number: usize) -> Result<RecordBatch> {
        let failed = |e: &dyn Display| scratch::error("read spill file", &self.path, e);
        let block = self.blocks.get(number).ok_or_else(|| failed(&"it ends early"))?;
        let sizes = (usize::try_from(block.metaDataLength()), usize::try_from(block.bodyLength()));
        let (Ok(metadata), Ok(body)) = sizes else { return Err(failed(&"it is damaged")) };
        let offset = u64::try_from(block.offset()).map_err(|e| failed(&e))?;
        let mut file = File::open(&self.path).map_err(|e| failed(&e))?;
        let bytes = read(&mut file, offset, metadata + body).map_err(|e| failed(&e))?;
        let read: std::result::Result<_, ArrowError> = self.decoder.read_record_batch(block, &bytes.into());
        read.map_err(|e| failed(&e))?.ok_or_else(|| failed(&"it is damaged"))
    }
}

fn read(file: &mut File, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    file.seek(SeekFrom::Start(offset))?;
    file.by_ref().take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() == length { Ok(bytes) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}
