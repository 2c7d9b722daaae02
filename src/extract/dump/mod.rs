//! A mongodump folder: `<root>/<database>/<collection>.bson`, or the same gzipped as `.bson.gz`.
//!
//! A dump has no clock of its own; `dump.json` in its root, `{"started_at": "2024-05-01T00:00:00Z"}`, gives it one.

mod reader;
mod survey;

use super::filter::Window;
use super::{
    CollectionKind, Described, Listed, ReadRequest, Source, Survey, WindowRequest, missing, refuse_system,
    refuse_time_series,
};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::batch::RawBatch;
use crate::model::collection::{FieldPath, Namespace};
use crate::model::time::time_of_text;
use crate::model::window::{Bound, Scope};
use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use reader::{Documents, Portions};
use serde::Deserialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Batches that may wait for the next stage while the following one is read.
const WAITING: usize = 1;

/// A mongodump folder.
pub(super) struct Dump {
    root: PathBuf,
}

/// `dump.json`
#[derive(Deserialize)]
struct Manifest {
    started_at: String,
}

/// What lakefold needs of `<collection>.metadata.json`.
#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default, rename = "type")]
    kind: String,
}

/// The file of a collection.
struct Found {
    path: PathBuf,
    gzipped: bool,
    bytes: u64,
}

impl Dump {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder's own time, in milliseconds UTC, when it has one.
    fn started_ms(&self) -> Result<Option<i64>> {
        let path = self.root.join("dump.json");
        let Some(text) = read_optional(&path)? else { return Ok(None) };
        let damaged = || {
            Error::new(Kind::Unavailable, format!("{} has no RFC 3339 time as started_at", path.display()))
                .hint("correct the file, or remove it: the dump is then read whole")
        };
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| damaged())?;
        time_of_text(&manifest.started_at, chrono_tz::UTC).map(Some).ok_or_else(damaged)
    }

    fn find(&self, namespace: &Namespace) -> Result<Found> {
        refuse_system(namespace)?;
        let stem = self.root.join(escape(&namespace.database)).join(escape(&namespace.collection));
        let with = |suffix: &str| {
            let mut path = stem.clone().into_os_string();
            path.push(suffix);
            PathBuf::from(path)
        };
        for (suffix, gzipped) in [(".metadata.json", false), (".metadata.json.gz", true)] {
            if metadata(&with(suffix), gzipped)?.kind == "timeseries" {
                return Err(refuse_time_series(namespace));
            }
        }
        match (found(with(".bson"), false)?, found(with(".bson.gz"), true)?) {
            // Nothing tells which of them is of this dump.
            (Some(plain), Some(packed)) => {
                let (plain, packed) = (plain.path.display(), packed.path.display());
                Err(Error::new(Kind::Source, format!("{plain} and {packed} are both there, of one collection"))
                    .hint("remove the one that an earlier dump has left"))
            }
            (Some(found), None) | (None, Some(found)) => Ok(found),
            (None, None) => Err(missing(namespace, &format!("in the dump {}", self.root.display()))),
        }
    }

    fn portions(&self, request: ReadRequest) -> Result<Portions> {
        let found = self.find(&request.namespace)?;
        let window = match request.scope {
            Scope::Full | Scope::Whole => None,
            Scope::Since { from_ms } => {
                let path = request.timestamp.ok_or_else(|| {
                    Error::new(Kind::Invariant, format!("a window of {} without a timestamp column", request.namespace))
                })?;
                Some(Window { path, from_ms, timezone: request.timezone })
            }
        };
        let documents = Documents::open(found.path, found.gzipped)?;
        Ok(Portions::new(documents, window, request.batch_bytes, request.batch_documents))
    }
}

#[async_trait]
impl Source for Dump {
    async fn bound(&self) -> Result<Bound> {
        if !self.root.is_dir() {
            return Err(Error::new(Kind::Unavailable, format!("{} is not a folder", self.root.display()))
                .hint("point [source] uri at the folder that mongodump wrote: dump:FOLDER"));
        }
        Ok(Bound { time_ms: self.started_ms()?, operation_time: None })
    }

    async fn describe(&self, namespace: &Namespace, _timestamp: Option<&FieldPath>) -> Result<Described> {
        let found = self.find(namespace)?;
        Ok(Described {
            kind: CollectionKind::Collection,
            identity: None,
            documents: None,
            // The size of a packed file says nothing of its documents.
            bytes: (!found.gzipped).then_some(found.bytes),
            timestamp_indexed: None,
        })
    }

    /// A dump is a picture of a moment, and its file was opened once.
    async fn is_same(&self, _namespace: &Namespace, _described: &Described) -> Result<bool> {
        Ok(true)
    }

    fn read(&self, request: ReadRequest) -> BoxStream<'static, Result<RawBatch>> {
        let portions = match self.portions(request) {
            Ok(portions) => portions,
            Err(error) => return stream::once(async { Err(error) }).boxed(),
        };
        let started = async {
            // Files and gzip block: they get a thread of their own, which ends when nobody listens any more.
            let (sender, receiver) = mpsc::channel(WAITING);
            let thread = tokio::task::spawn_blocking(move || {
                for portion in portions {
                    if sender.blocking_send(portion).is_err() {
                        break;
                    }
                }
            });
            stream::unfold((receiver, Some(thread)), next_portion)
        };
        stream::once(started).flatten().boxed()
    }

    fn retries(&self, _namespace: &Namespace) -> u64 {
        0
    }

    fn is_dump(&self) -> bool {
        true
    }
}

#[async_trait]
impl Survey for Dump {
    async fn collections(&self) -> Result<Vec<Listed>> {
        self.listed()
    }

    async fn window_documents(&self, _window: &WindowRequest) -> Result<Option<u64>> {
        // A dump is read whole to count anything in it.
        Ok(None)
    }

    async fn sample(&self, namespace: &Namespace, _exclude: &[FieldPath], documents: usize) -> Result<RawBatch> {
        let (dump, namespace) = (Self::new(self.root.clone()), namespace.clone());
        tokio::task::spawn_blocking(move || dump.spread(&namespace, documents))
            .await
            .or_error(Kind::Invariant, "look into a dump")?
    }
}

/// A thread's batches, and in the end whether it ended well.
type Reading = (mpsc::Receiver<Result<RawBatch>>, Option<JoinHandle<()>>);

/// A thread that panicked must not look like the end of the file.
async fn next_portion((mut receiver, mut thread): Reading) -> Option<(Result<RawBatch>, Reading)> {
    if let Some(portion) = receiver.recv().await {
        return Some((portion, (receiver, thread)));
    }
    let ended = thread.take()?.await;
    let error = ended.or_error(Kind::Invariant, "read a dump").err()?;
    Some((Err(error), (receiver, None)))
}

/// The file name mongodump gives a database or collection: what a path cannot hold is percent-encoded.
fn escape(name: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+=@".contains(&byte);
    let escaped =
        name.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    match name {
        // Never a way out of the folder.
        "." | ".." => name.replace('.', "%2E"),
        _ => escaped.collect(),
    }
}

/// What [`escape`] made a file name of.
fn unescape(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match code.filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn found(path: PathBuf, gzipped: bool) -> Result<Option<Found>> {
    match std::fs::metadata(&path) {
        Ok(found) => Ok(Some(Found { path, gzipped, bytes: found.len() })),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).or_error(Kind::Source, format!("find {}", path.display())),
    }
}

fn metadata(path: &Path, gzipped: bool) -> Result<Metadata> {
    let Some(bytes) = read_optional(path)? else { return Ok(Metadata::default()) };
    let doing = || format!("read {}", path.display());
    let text = if gzipped { reader::gunzip(&bytes).or_error(Kind::Source, doing())? } else { bytes };
    serde_json::from_slice(&text).or_error(Kind::Source, doing())
}

fn read_optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error).or_error(Kind::Source, format!("read {}", path.display())),
    }
}

#[cfg(test)]
mod tests;
