//! Stage 2: from a collection and a window to batches of raw BSON, out of a MongoDB or a mongodump folder.
//!
//! Does not look into documents further than the window needs, does not know tables, and remembers nothing between
//! runs. The two sources answer alike: the same documents give the same batches, whichever they come from, because
//! the server's filter only narrows what is sent and one function ([`crate::model::modified`]) decides.
//!
//! Nothing may be lost (P6): windows ask for every kind that can hold a time, full reads cover every type of `_id`,
//! and a read that breaks is resumed or repeated. A document may therefore come twice; the merge keeps one (P1).

mod dump;
mod filter;
mod mongo;
mod survey;

pub use survey::{Listed, ListedKind, Survey, WindowRequest, open as open_survey};

use crate::error::{Error, Kind, Result};
use crate::model::batch::RawBatch;
use crate::model::collection::{FieldPath, Namespace};
use crate::model::read_plan::{Position, ReadPlan};
use crate::model::settings::SourceSettings;
use crate::model::window::{Bound, OperationTime, Scope};
use async_trait::async_trait;
use chrono_tz::Tz;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use std::sync::Arc;

/// A batch, and how far its range has been read with it.
pub type Placed = (RawBatch, Option<Position>);

/// Where documents come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// The upper bound of the run; ask once, before anything is read.
    ///
    /// Fails with [`Kind::Unavailable`] when the source cannot be reached or refuses the user.
    async fn bound(&self) -> Result<Bound>;

    /// What is known of a collection before it is read; `timestamp` is the path whose index is looked for.
    ///
    /// Fails with [`Kind::Source`] for a collection that does not exist, and for those lakefold refuses: time-series
    /// and `system.*`.
    async fn describe(&self, namespace: &Namespace, timestamp: Option<&FieldPath>) -> Result<Described>;

    /// Whether the name still stands for what [`Source::describe`] found: asked anew each time. A collection that was
    /// dropped and made again, renamed, or restored from a backup is another one.
    async fn is_same(&self, namespace: &Namespace, described: &Described) -> Result<bool>;

    /// Reads a collection. The stream ends after its first error; batches are never empty.
    ///
    /// A [`Scope::Since`] yields exactly the documents whose modified time may be `from_ms` or later. Must be polled
    /// inside a Tokio runtime; dropping the stream stops the reading.
    fn read(&self, request: ReadRequest) -> BoxStream<'static, Result<RawBatch>>;

    /// Cuts a full read into ranges that a later run can go on with; `None`: it is too small, or cannot be cut.
    async fn plan(&self, _request: &ReadRequest) -> Result<Option<ReadPlan>> {
        Ok(None)
    }

    /// As [`Source::read`] of a whole collection, along a plan that [`Source::plan`] made for it. A batch may say how
    /// far its range has been read with it.
    fn read_along(&self, request: ReadRequest, _plan: ReadPlan) -> BoxStream<'static, Result<Placed>> {
        self.read(request).map_ok(|batch| (batch, None)).boxed()
    }

    /// How often a request about this collection was repeated after a transient error.
    fn retries(&self, namespace: &Namespace) -> u64;

    /// Whether this is a mongodump folder: always read whole, at the instant it was made.
    fn is_dump(&self) -> bool;
}

/// What to read, and in which portions.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// The collection.
    pub namespace: Namespace,
    /// How much of it.
    pub scope: Scope,
    /// The last-modified field; needed for [`Scope::Since`].
    pub timestamp: Option<FieldPath>,
    /// Zone of times written as text without one.
    pub timezone: Tz,
    /// Paths the server leaves out; a dump's documents come whole.
    pub exclude: Vec<FieldPath>,
    /// The cluster's time the reads must not be older than: the bound's, or the stored one if that is later.
    pub not_before: Option<OperationTime>,
    /// Size of a batch in bytes, about: one document may be larger.
    pub batch_bytes: usize,
    /// Most documents of a batch.
    pub batch_documents: usize,
    /// How many `_id` ranges of a full read are read at once.
    pub ranges: usize,
}

/// What is known of a collection before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// What it is.
    pub kind: CollectionKind,
    /// What tells it from another collection that had or will have its name: the server's UUID. `None`: views, dumps,
    /// and where the server does not tell.
    pub identity: Option<String>,
    /// Documents, by the server's counters; `None` where it has none.
    pub documents: Option<u64>,
    /// Bytes of BSON (of a dump: of its file), likewise.
    pub bytes: Option<u64>,
    /// Whether a window is read over an index; `None` where that question has no answer: views, dumps, no timestamp.
    pub timestamp_indexed: Option<bool>,
}

/// What can be read under a collection's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectionKind {
    /// An ordinary collection.
    Collection,
    /// The result of a pipeline; its `_id`s may be missing or repeated.
    View,
}

/// Opens the source an environment names, without connecting to it yet.
///
/// Fails with [`Kind::Input`] when the URI is none. `run_id` marks every query in the server's logs.
pub fn open(settings: &SourceSettings, run_id: &str) -> Result<Arc<dyn Source>> {
    let uri = settings.uri.expose();
    if let Some(folder) = uri.strip_prefix("dump:") {
        return Ok(Arc::new(dump::Dump::new(folder.into())));
    }
    if uri.starts_with("mongodb://") || uri.starts_with("mongodb+srv://") {
        return Ok(Arc::new(mongo::Mongo::new(settings, run_id)?));
    }
    Err(Error::new(Kind::Input, "[source] uri is neither a MongoDB nor a dump")
        .hint("write mongodb://HOST/, mongodb+srv://HOST/ or dump:FOLDER"))
}

/// Refuses MongoDB's own collections: their documents are not data, and many cannot be read.
fn refuse_system(namespace: &Namespace) -> Result<()> {
    if namespace.collection.starts_with("system.") {
        return Err(Error::new(Kind::Source, format!("{namespace} is one of MongoDB's own collections"))
            .hint("take its row out of the manifest"));
    }
    Ok(())
}

fn refuse_time_series(namespace: &Namespace) -> Error {
    Error::new(Kind::Source, format!("{namespace} is a time-series collection, which lakefold does not read"))
        .hint("take its row out of the manifest")
}

fn missing(namespace: &Namespace, place: &str) -> Error {
    Error::new(Kind::Source, format!("collection {namespace} does not exist {place}"))
        .hint("check database and collection in the manifest; upper and lower case matter")
}
