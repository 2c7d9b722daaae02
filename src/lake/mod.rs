//! The floor under the stages: one lake, on a local disk or in an object store.
//!
//! Here live the layout of keys ([`layout`]), writes that are conditional on the version read (data files of every
//! size included), leases, state objects and Parquet footers. This folder knows nothing of documents, schemas or
//! the order of a run.
//!
//! - **P2, P4**: a write is visible as a whole or not at all: [`Lake::put`], [`Lake::put_file`].
//! - **P9**: a write meets the version it expects or is a [`Kind::Conflict`]; a collection is held by one run:
//!   [`Lake::lease`].
//! - **P10**: large files are sent in parts from a few fixed buffers; errors name keys, never contents.

mod counting;
mod credentials;
mod fault;
pub mod file;
mod footer;
pub mod layout;
mod lease;
mod local;
mod open;
mod owner;
mod remote;
mod s3;
pub mod state;
mod version;
pub mod watermark;
mod wire;

pub use counting::RequestCounts;
pub use fault::{answered, refusal};
pub use footer::{Footer, RUN_KEY, SCHEMA_KEY};
pub use lease::{Holder, Lease};
pub use owner::{is_abandoned, mark};
pub use version::{Expect, Object, Version};

use crate::aws::Aws;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::record::Requests;
use crate::model::settings::LakeSettings;
use bytes::Bytes;
use counting::Counters;
use fault::Fault;
use futures::StreamExt;
use futures::stream::BoxStream;
use local::{Content, Disk};
use object_store::path::Path as StorePath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use remote::Remote;
use std::path::Path;
use std::sync::Arc;

/// A lake that answered when it was opened; clones share connections and counters.
#[derive(Debug, Clone)]
pub struct Lake {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    url: String,
    store: Arc<dyn ObjectStore>,
    backend: Backend,
    counters: Arc<Counters>,
}

/// What differs between a disk and an object store: conditions and leases. Reading is the same for both.
#[derive(Debug)]
enum Backend {
    Local(Arc<Disk>),
    Remote(Arc<Remote>),
}

impl Lake {
    /// Opens the lake at `settings.url`; the folder of a `file:` lake is created.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when the bucket is missing, credentials or permissions do not suffice, nothing answers
    /// or the path is not a folder; [`Kind::Input`] when the URL is not one of a lake.
    pub async fn open(settings: &LakeSettings) -> Result<Self> {
        Ok(Self { inner: Arc::new(open::open(settings, Aws::of_process(), &open::aws_variables()).await?) })
    }

    /// As [`Lake::open`], with `(name, value)` pairs in place of this process's `AWS_` variables.
    pub async fn open_with(settings: &LakeSettings, aws: &[(String, String)]) -> Result<Self> {
        Ok(Self { inner: Arc::new(open::open(settings, &Aws::of_variables(aws), aws).await?) })
    }

    /// The lake's URL without credentials, to be shown.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// The bytes at `key` with the version they are; `None`: there is no such object.
    pub async fn get(&self, key: &str) -> Result<Option<(Bytes, Version)>> {
        let what = || format!("read {}", layout::shown(key));
        let result = match self.inner.store.get(&self.path(key)?).await {
            Ok(result) => result,
            Err(e) if fault::classify(&e) == Fault::Missing => return Ok(None),
            Err(e) => return Err(fault::error(&e, what())),
        };
        let version = version_of(&result.meta, key)?;
        let bytes = result.bytes().await.map_err(|e| fault::error(&e, what()))?;
        Ok(Some((bytes, version)))
    }

    /// What is at `key`, without its bytes; `None`: nothing.
    pub async fn head(&self, key: &str) -> Result<Option<Object>> {
        match self.inner.store.head(&self.path(key)?).await {
            // The prefixed store answers with the whole path in the bucket.
            Ok(meta) => object(meta).map(|found| Some(Object { key: key.to_owned(), ..found })),
            Err(e) if fault::classify(&e) == Fault::Missing => Ok(None),
            Err(e) => Err(fault::error(&e, format!("look at {}", layout::shown(key)))),
        }
    }

    /// Writes the whole object in one atomic step.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when `expect` does not hold: nothing was written then.
    pub async fn put(&self, key: &str, body: Bytes, expect: Expect) -> Result<Version> {
        let path = self.path(key)?;
        match &self.inner.backend {
            Backend::Remote(remote) => remote.put(&path, body, &expect).await,
            Backend::Local(disk) => {
                let disk = Arc::clone(disk);
                let content = Content::Bytes(body);
                blocking("write", move || disk.put(&path, &content, &expect)).await
            }
        }
    }

    /// Writes the content of a local file, of any size, in one atomic step; the file stays as it is.
    ///
    /// # Errors
    /// As [`Lake::put`].
    pub async fn put_file(&self, key: &str, file: &Path, expect: Expect) -> Result<Version> {
        let path = self.path(key)?;
        match &self.inner.backend {
            Backend::Remote(remote) => remote.put_file(&path, file, &expect).await,
            Backend::Local(disk) => {
                let disk = Arc::clone(disk);
                let content = Content::File(file.to_owned());
                blocking("write", move || disk.put(&path, &content, &expect)).await
            }
        }
    }

    /// Deletes the object. One that is gone already is fine under every expectation, so that a deletion can be
    /// repeated from a journal.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when something is there that `expect` does not name.
    pub async fn delete(&self, key: &str, expect: Expect) -> Result<()> {
        let path = self.path(key)?;
        match &self.inner.backend {
            Backend::Remote(remote) => remote.delete(&path, &expect).await,
            Backend::Local(disk) => {
                let disk = Arc::clone(disk);
                blocking("delete", move || disk.delete(&path, &expect)).await
            }
        }
    }

    /// Every object below the folder `prefix` (`""`: the whole lake), in no particular order.
    pub fn list(&self, prefix: &str) -> BoxStream<'_, Result<Object>> {
        let path = match self.path(prefix) {
            Ok(path) => path,
            Err(e) => return futures::stream::once(async { Err(e) }).boxed(),
        };
        let what = format!("list {prefix}");
        let objects = self.inner.store.list((!path.is_root()).then_some(&path));
        objects.map(move |meta| object(meta.map_err(|e| fault::error(&e, &what))?)).boxed()
    }

    /// As [`Lake::list`], beginning behind the key `after`, so that of many objects only the last are listed.
    pub fn list_after(&self, prefix: &str, after: &str) -> BoxStream<'_, Result<Object>> {
        let (path, after) = match self.path(prefix).and_then(|path| Ok((path, self.path(after)?))) {
            Ok(paths) => paths,
            Err(e) => return futures::stream::once(async { Err(e) }).boxed(),
        };
        let what = format!("list {prefix}");
        let objects = self.inner.store.list_with_offset((!path.is_root()).then_some(&path), &after);
        objects.map(move |meta| object(meta.map_err(|e| fault::error(&e, &what))?)).boxed()
    }

    /// The store itself, counted, for readers of Parquet. Writing through it would bypass every condition.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.inner.store)
    }

    /// A key as the store's path. Keys come escaped: `%20` in one is three characters, also in the store.
    pub fn path(&self, key: &str) -> Result<StorePath> {
        StorePath::parse(key).or_error(Kind::Lake, "read a key of the lake")
    }

    /// The store's clock, by the answers it gave so far; `None` on a disk, whose clock is this machine's.
    pub fn store_time(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        match &self.inner.backend {
            Backend::Remote(remote) => Some(remote.now()),
            Backend::Local(_) => None,
        }
    }

    /// Aborts the multipart uploads below the folder `prefix` that a dead run left unfinished; returns how many. Only
    /// for a folder this run holds the lease of. Stores other than S3 forget such uploads by themselves.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] without the permission for it; the data do not suffer from uploads that stay.
    pub async fn abort_uploads(&self, prefix: &str) -> Result<u64> {
        let path = self.path(prefix)?;
        match &self.inner.backend {
            Backend::Remote(remote) => remote.abort_uploads(&path).await,
            Backend::Local(_) => Ok(0),
        }
    }

    /// What was asked of the store so far.
    pub fn requests(&self) -> RequestCounts {
        self.inner.counters.snapshot()
    }

    /// The same for the record of a run, with the limits requests are under.
    pub fn requests_record(&self) -> Requests {
        let counts = self.requests();
        let mut record = Requests {
            reads: counts.gets + counts.heads,
            writes: counts.puts,
            lists: counts.lists,
            deletes: counts.deletes,
            repeated: counts.retries,
            ..Requests::default()
        };
        if let Backend::Remote(remote) = &self.inner.backend {
            record.at_once = remote.at_once() as u64;
            record.repeats = remote.repeats() as u64;
            record.repeats_within = open::REPEATS_WITHIN.as_secs();
        }
        record
    }
}

/// Runs file operations off the async threads.
async fn blocking<T: Send + 'static>(what: &str, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.or_error(Kind::Lake, what)?
}

/// The error of a condition that did not hold; `present`: something is at the key.
fn conflict(present: bool) -> Error {
    let found = if present { "another version is there now" } else { "it is gone" };
    Error::new(Kind::Conflict, format!("{found}: something else writes this table"))
        .hint("run again; when it happens again, look for a second writer")
}

fn version_of(meta: &ObjectMeta, key: &str) -> Result<Version> {
    Version::of_meta(meta).ok_or_else(|| {
        Error::new(Kind::Unavailable, format!("the store gives {} no ETag", layout::shown(key)))
            .hint("use a store that supports conditional writes")
    })
}

fn object(meta: ObjectMeta) -> Result<Object> {
    let key = String::from(meta.location.clone());
    let version = version_of(&meta, &key)?;
    Ok(Object { key, size: meta.size, version, modified: meta.last_modified })
}
