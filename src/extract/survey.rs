//! Looking at a source without folding it: what it holds, how much a window would be, what its documents look like.
//!
//! For the commands that come before a run. Everything here is cheap for the server: names, counters, counts over an
//! index and small samples, each with a limit on its time.

use super::{Source, dump, mongo};
use crate::error::Result;
use crate::model::batch::RawBatch;
use crate::model::collection::{FieldPath, Namespace};
use crate::model::settings::SourceSettings;
use async_trait::async_trait;
use chrono_tz::Tz;
use std::sync::Arc;

/// Databases that hold MongoDB's own affairs.
pub(super) const OWN_DATABASES: [&str; 3] = ["admin", "config", "local"];

/// A sample ends at so many bytes, however few documents that are.
pub(super) const SAMPLE_BYTES: usize = 16 << 20;

/// A source that can be looked at.
#[async_trait]
pub trait Survey: Source {
    /// Every collection and view that may be read, sorted, without MongoDB's own.
    ///
    /// Fails with [`Kind::Unavailable`](crate::error::Kind::Unavailable) when the source cannot be reached.
    async fn collections(&self) -> Result<Vec<Listed>>;

    /// How many documents a window holds, about: never too few, and a little too many where times are texts or
    /// numbers. `None`: that cannot be told cheaply, because no index serves or the server took too long.
    async fn window_documents(&self, window: &WindowRequest) -> Result<Option<u64>>;

    /// Up to `documents` documents from all over the collection, without the paths in `exclude`.
    async fn sample(&self, namespace: &Namespace, exclude: &[FieldPath], documents: usize) -> Result<RawBatch>;
}

/// A collection by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name.
    pub namespace: Namespace,
    /// What it is.
    pub kind: ListedKind,
}

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListedKind {
    /// An ordinary collection.
    Collection,
    /// The result of a pipeline.
    View,
    /// A time-series collection, which lakefold does not read.
    TimeSeries,
}

/// Everything of a collection modified at `from_ms` or later.
#[derive(Debug, Clone)]
pub struct WindowRequest {
    /// The collection.
    pub namespace: Namespace,
    /// The last-modified field.
    pub timestamp: FieldPath,
    /// Milliseconds UTC.
    pub from_ms: i64,
    /// Zone of texts without one.
    pub timezone: Tz,
}

/// Opens the source an environment names to look at it, without connecting yet; as [`super::open`] otherwise.
///
/// # Errors
/// The URI is none.
pub fn open(settings: &SourceSettings, run_id: &str) -> Result<Arc<dyn Survey>> {
    match settings.uri.expose().strip_prefix("dump:") {
        Some(folder) => Ok(Arc::new(dump::Dump::new(folder.into()))),
        None => Ok(Arc::new(mongo::Mongo::new(settings, run_id)?)),
    }
}
