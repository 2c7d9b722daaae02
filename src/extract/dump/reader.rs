//! A file of BSON documents, one after the other, read in portions of bounded size.

use crate::error::{Error, Kind, Result};
use crate::extract::filter::Window;
use crate::model::batch::RawBatch;
use bson::RawDocument;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::ops::Range;
use std::path::PathBuf;

/// The empty document.
const SHORTEST: usize = 5;

/// MongoDB's 16 MiB and the 16 KiB it grants its own tools on top.
const LONGEST: usize = 16 * 1024 * 1024 + 16 * 1024;

/// Size of the file's buffer in bytes.
const BUFFER: usize = 256 * 1024;

/// The documents of one file.
pub(super) struct Documents {
    path: PathBuf,
    input: Box<dyn Read + Send>,
    /// Bytes before the next document, of the unpacked file.
    offset: u64,
}

impl Documents {
    pub fn open(path: PathBuf, gzipped: bool) -> Result<Self> {
        let opened = File::open(&path);
        let file = opened.map_err(|error| Error::new(Kind::Source, format!("open {}: {error}", path.display())))?;
        let file = BufReader::with_capacity(BUFFER, file);
        let input: Box<dyn Read + Send> = if gzipped {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        Ok(Self { path, input, offset: 0 })
    }

    /// Appends the next document to `buffer`; `None` at the end of the file.
    pub fn next_into(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Range<usize>>> {
        let start = buffer.len();
        let prefix = self.fill(buffer, 4)?;
        let length = match prefix {
            0 => return Ok(None),
            4 => declared_length(buffer.get(start..).unwrap_or_default()),
            _ => return Err(self.damaged("ends inside the length of a document")),
        };
        let Some(length) = length.filter(|length| (SHORTEST..=LONGEST).contains(length)) else {
            return Err(self.damaged("has an impossible length of a document"));
        };
        if self.fill(buffer, length - 4)? < length - 4 {
            return Err(self.damaged(&format!("ends inside a document of {length} bytes")));
        }
        if buffer.last() != Some(&0) {
            return Err(self.damaged(&format!("has a document whose length, {length} bytes, is wrong")));
        }
        self.offset += length as u64;
        Ok(Some(start..buffer.len()))
    }

    /// Bytes read so far, of the unpacked file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads up to `length` bytes behind what `buffer` holds; fewer only at the end of the file.
    fn fill(&mut self, buffer: &mut Vec<u8>, length: usize) -> Result<usize> {
        match self.input.by_ref().take(length as u64).read_to_end(buffer) {
            Ok(read) => Ok(read),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(self.damaged("ends inside its gzip stream")),
            Err(error) => Err(self.damaged(&format!("cannot be read: {error}"))),
        }
    }

    fn damaged(&self, what: &str) -> Error {
        Error::new(
            Kind::Source,
            format!("{} {what}, at byte {} of the unpacked file", self.path.display(), self.offset),
        )
        .hint("the dump was cut off, or is damaged there or in the document before: take it again")
    }
}

fn declared_length(prefix: &[u8]) -> Option<usize> {
    let length = i32::from_le_bytes(prefix.try_into().ok()?);
    usize::try_from(length).ok()
}

/// Unpacks a small gzipped file.
pub(super) fn gunzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut text)?;
    Ok(text)
}

/// The documents of a file that belong to a window, in batches; ends after its first error.
pub(super) struct Portions {
    documents: Documents,
    window: Option<Window>,
    bytes_max: usize,
    documents_max: usize,
    ended: bool,
}

impl Portions {
    pub fn new(documents: Documents, window: Option<Window>, bytes_max: usize, documents_max: usize) -> Self {
        Self { documents, window, bytes_max, documents_max, ended: false }
    }

    fn portion(&mut self) -> Result<RawBatch> {
        let mut buffer = Vec::new();
        let mut places = Vec::new();
        while buffer.len() < self.bytes_max && places.len() < self.documents_max.max(1) {
            let Some(place) = self.documents.next_into(&mut buffer)? else {
                self.ended = true;
                break;
            };
            if self.holds(buffer.get(place.clone()).unwrap_or_default()) {
                places.push(place);
            } else {
                buffer.truncate(place.start);
            }
        }
        let buffer = Bytes::from(buffer);
        Ok(RawBatch { documents: places.into_iter().map(|place| buffer.slice(place)).collect() })
    }

    fn holds(&self, document: &[u8]) -> bool {
        let Some(window) = &self.window else { return true };
        RawDocument::from_bytes(document)
            .map_or(true, |document| window.holds(document) || window.is_hidden_from(document))
    }
}

impl Iterator for Portions {
    type Item = Result<RawBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.portion() {
                Ok(batch) if batch.documents.is_empty() => {}
                Ok(batch) => return Some(Ok(batch)),
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
