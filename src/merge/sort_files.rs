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
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use tempfile::{Builder, TempPath};

/// Spilled runs that one sort merges at a time, each of which is an open file. What is wide or much spills hundreds of
/// runs, and memory alone would let all of them be merged at once; of more than these some are merged first.
pub(super) const RUNS_AT_ONCE: usize = 16;

/// Bytes that are read at once.
const READ: usize = 128 << 10;

type Folder = Box<dyn Fn() -> Result<PathBuf, Error> + Send + Sync>;

/// Plans spill into files of `folder`, which is asked for at each of them; only the disk says when it is full.
pub fn disk_manager(folder: impl Fn() -> Result<PathBuf, Error> + Send + Sync + 'static) -> DiskManagerBuilder {
    let files = SortFiles { folder: Box::new(folder) };
    DiskManagerBuilder::default().with_temp_file_factory(Arc::new(files)).with_max_spill_merge_fan_in(RUNS_AT_ONCE)
}

struct SortFiles {
    folder: Folder,
}

impl TempFileFactory for SortFiles {
    fn create_temp_file(&self, _: &str) -> Result<Arc<dyn SpillFile>> {
        let folder = (self.folder)().map_err(|e| DataFusionError::External(Box::new(e)))?;
        let file = Builder::new().prefix("sort-").tempfile_in(folder)?;
        Ok(Arc::new(SortFile { path: file.into_temp_path() }))
    }
}

/// A file that is removed with the last that needs it.
struct SortFile {
    path: TempPath,
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
