//! The files that DataFusion's plans spill to.
//!
//! Its own stay open for as long as they exist: hundreds for a sort that spills hundreds of runs, and a process may
//! have few. These are open only while they are written or read.

use crate::error::Error;
use bytes::{Bytes, BytesMut};
use datafusion::common::DataFusionError;
use datafusion::error::Result;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::spill_file::{SpillFile, SpillWriter, TempFileFactory};
use futures::stream::{self, Stream, StreamExt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use tempfile::{Builder, TempDir, TempPath};

/// Spilled runs that one sort merges at a time, each of which is an open file. What is wide or much spills hundreds of
/// runs, and memory alone would let all of them be merged at once; of more than these some are merged first.
pub(super) const RUNS_AT_ONCE: usize = 16;

/// Bytes that are read at once.
const READ: usize = 128 << 10;

type MakeFolder = Box<dyn Fn() -> Result<TempDir, Error> + Send + Sync>;

/// Plans spill into files of a folder that `make` makes for the first of them; only the disk says when it is full.
pub fn disk_manager(make: impl Fn() -> Result<TempDir, Error> + Send + Sync + 'static) -> DiskManagerBuilder {
    let files = SortFiles { make: Box::new(make), folder: OnceLock::new() };
    DiskManagerBuilder::default().with_temp_file_factory(Arc::new(files)).with_max_spill_merge_fan_in(RUNS_AT_ONCE)
}

struct SortFiles {
    make: MakeFolder,
    folder: OnceLock<Arc<TempDir>>,
}

impl SortFiles {
    fn folder(&self) -> Result<Arc<TempDir>> {
        if let Some(folder) = self.folder.get() {
            return Ok(Arc::clone(folder));
        }
        let made = (self.make)().map_err(|e| DataFusionError::External(Box::new(e)))?;
        // Of two threads that make one, the first stays.
        Ok(Arc::clone(self.folder.get_or_init(|| Arc::new(made))))
    }
}

impl TempFileFactory for SortFiles {
    fn create_temp_file(&self, _: &str) -> Result<Arc<dyn SpillFile>> {
        let folder = self.folder()?;
        let file = Builder::new().prefix("sort-").tempfile_in(folder.path())?;
        Ok(Arc::new(SortFile { path: file.into_temp_path(), _folder: folder }))
    }
}

/// A file that is removed with the last that needs it, and its folder with the last file.
struct SortFile {
    path: TempPath,
    _folder: Arc<TempDir>,
}

impl SpillFile for SortFile {
    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn size(&self) -> Option<u64> {
        self.path.metadata().ok().map(|metadata| metadata.len())
    }

    /// Opens the file when the first bytes are wanted.
    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let (path, mut opened) = (self.path.to_path_buf(), None);
        let mut next = move || -> std::io::Result<Option<Bytes>> {
            let file = match &mut opened {
                Some(file) => file,
                none => none.insert(File::open(&path)?),
            };
            let mut bytes = BytesMut::zeroed(READ);
            let length = file.read(&mut bytes)?;
            bytes.truncate(length);
            Ok((length > 0).then(|| bytes.freeze()))
        };
        Ok(stream::iter(std::iter::from_fn(move || next().map_err(Into::into).transpose())).boxed())
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(SortWriter(OpenOptions::new().append(true).open(&self.path)?)))
    }
}

struct SortWriter(File);

impl Write for SortWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl SpillWriter for SortWriter {
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}
