//! The ids of a window, on local disk when they are many, readable bucket by bucket.

use super::head::bucket_of;
use crate::error::{Kind, Result, ResultExt};
use crate::merge::scratch;
use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The spool is cut into `2^SPOOL_BITS` parts when it does not fit into memory.
const SPOOL_BITS: u32 = 8;

/// Bytes of ids that a run keeps in memory before they go to local disk.
pub const SPOOL_MEMORY: usize = 8 << 20;

/// Bytes of an entry on disk.
const ENTRY_BYTES: usize = 16 + 4 + 8 + 8;

/// One reading of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Hash of the id.
    pub hash: u128,
    /// Ordinal of the partition the row belongs to.
    pub partition: u32,
    /// Modified time in milliseconds; `i64::MIN` when there is none.
    pub modified_ms: i64,
    /// Read order.
    pub sequence: u64,
}

/// Collects entries.
pub struct Spool {
    folder: PathBuf,
    name: &'static str,
    limit: usize,
    memory: Vec<Entry>,
    spilled: bool,
    entries: u64,
}

impl Spool {
    /// Keeps `limit` bytes in memory, the rest in files below `folder` that are named after `name`.
    pub fn new(folder: &Path, name: &'static str, limit: usize) -> Self {
        Self { folder: folder.to_owned(), name, limit, memory: Vec::new(), spilled: false, entries: 0 }
    }

    /// Adds one reading.
    pub fn push(&mut self, entry: Entry) -> Result<()> {
        self.entries += 1;
        self.memory.push(entry);
        if self.memory.len() * size_of::<Entry>() >= self.limit {
            self.spill()?;
        }
        Ok(())
    }

    /// How many readings there are.
    pub fn len(&self) -> u64 {
        self.entries
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// All entries in groups that share their leading hash bits, so that no group needs the memory of the whole; entries
    /// of one id are always in one group. May be asked again.
    pub fn groups(&mut self) -> Result<Vec<Group<'_>>> {
        if !self.spilled {
            return Ok(vec![Group::Memory(&mut self.memory)]);
        }
        if !self.memory.is_empty() {
            self.spill()?;
        }
        Ok((0..1 << SPOOL_BITS).map(|part| Group::Disk(self.path(part))).collect())
    }

    fn path(&self, part: u32) -> PathBuf {
        self.folder.join(format!("{}-{part}.bin", self.name))
    }

    /// Appends what is in memory to the files. One is open at a time: all of them, for each of the collections of a run,
    /// would be more than a process may have.
    fn spill(&mut self) -> Result<()> {
        self.memory.sort_unstable_by_key(|entry| bucket_of(entry.hash, SPOOL_BITS));
        let mut parts = self.memory.chunk_by(|a, b| bucket_of(a.hash, SPOOL_BITS) == bucket_of(b.hash, SPOOL_BITS));
        for part in 0..1 << SPOOL_BITS {
            let path = self.path(part);
            let failed = |e: std::io::Error| scratch::error("write the ids of the window to", &path, &e);
            // Every file is there once any is.
            let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
            let mut file = BufWriter::new(file);
            let is_next = |entries: &&[Entry]| entries.first().is_some_and(|e| bucket_of(e.hash, SPOOL_BITS) == part);
            let Some(entries) = parts.clone().next().filter(is_next) else { continue };
            parts.next();
            for entry in entries {
                let mut bytes = [0; ENTRY_BYTES];
                bytes[..16].copy_from_slice(&entry.hash.to_le_bytes());
                bytes[16..20].copy_from_slice(&entry.partition.to_le_bytes());
                bytes[20..28].copy_from_slice(&entry.modified_ms.to_le_bytes());
                bytes[28..].copy_from_slice(&entry.sequence.to_le_bytes());
                file.write_all(&bytes).map_err(failed)?;
            }
            file.flush().map_err(failed)?;
        }
        self.memory.clear();
        self.spilled = true;
        Ok(())
    }
}

/// A group of entries, loaded when its turn comes.
pub enum Group<'a> {
    Memory(&'a mut Vec<Entry>),
    Disk(PathBuf),
}

impl<'a> Group<'a> {
    /// The entries, sorted by hash, the newest reading of each id first.
    pub fn load(self) -> Result<Cow<'a, [Entry]>> {
        let order = |a: &Entry, b: &Entry| {
            a.hash.cmp(&b.hash).then(b.modified_ms.cmp(&a.modified_ms)).then(b.sequence.cmp(&a.sequence))
        };
        match self {
            Group::Memory(entries) => {
                entries.sort_unstable_by(order);
                Ok(Cow::Borrowed(entries))
            }
            Group::Disk(path) => {
                let mut bytes = Vec::new();
                let doing = "read the ids of the window from local disk";
                File::open(&path).or_error(Kind::Lake, doing)?.read_to_end(&mut bytes).or_error(Kind::Lake, doing)?;
                let mut entries: Vec<Entry> = bytes.chunks_exact(ENTRY_BYTES).map(parse).collect();
                entries.sort_unstable_by(order);
                Ok(Cow::Owned(entries))
            }
        }
    }
}

fn parse(bytes: &[u8]) -> Entry {
    fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
        let mut part = [0; N];
        part.copy_from_slice(&bytes[at..at + N]);
        part
    }
    Entry {
        hash: u128::from_le_bytes(part(bytes, 0)),
        partition: u32::from_le_bytes(part(bytes, 16)),
        modified_ms: i64::from_le_bytes(part(bytes, 20)),
        sequence: u64::from_le_bytes(part(bytes, 28)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_ids_keep_no_file_open() {
        let folder = tempfile::tempdir().unwrap();
        let hash = |number: u64| u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        let mut spool = Spool::new(folder.path(), "ids", 1000);
        for sequence in 0..500 {
            spool.push(Entry { hash: hash(sequence), partition: 1, modified_ms: 2, sequence }).unwrap();
            assert_eq!(scratch::open_files(folder.path()), 0);
        }
        assert_eq!(spool.len(), 500);
        let mut found: Vec<u64> = Vec::new();
        for group in spool.groups().unwrap() {
            let entries = group.load().unwrap();
            assert!(
                entries
                    .windows(2)
                    .all(|pair| bucket_of(pair[0].hash, SPOOL_BITS) == bucket_of(pair[1].hash, SPOOL_BITS))
            );
            found.extend(entries.iter().inspect(|e| assert_eq!(e.hash, hash(e.sequence))).map(|e| e.sequence));
        }
        found.sort_unstable();
        assert_eq!(found, (0..500).collect::<Vec<_>>());
        let again: usize = spool.groups().unwrap().into_iter().map(|group| group.load().unwrap().len()).sum();
        assert_eq!(again, 500);
    }
}
