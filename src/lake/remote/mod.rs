//! Conditional writes to an object store, and what their answers really mean.
//!
//! An answer of "already there", a 409 or no answer at all may follow a write that succeeded: the client repeats
//! requests by itself, and answers get lost. So every write carries a token of its own in the object's metadata,
//! and after each doubtful answer the object is looked at: our token means done, the expected version still there
//! means again, anything else is a conflict.

mod delete;
mod multipart;
#[cfg(test)]
mod tests;
mod uploads;

pub(super) use delete::S3Delete;
pub(super) use multipart::Completion;
pub(super) use uploads::S3Uploads;

use super::conflict;
use super::counting::{Counters, one};
use super::fault::{self, Fault};
use super::open::REPEATS;
use super::version::{Expect, Version};
use super::wire::Wire;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::lake::layout;
use bytes::Bytes;
use multipart::SINGLE_PUT_BYTES;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    PutResult,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How often one write is begun before it counts as failed. Each try already repeats what can be repeated blindly.
const TRIES: u32 = 4;

/// Metadata name of a write's token. One word: Azure takes identifiers only.
const TOKEN: &str = "lakefoldwrite";

/// Bytes that all uploads of a lake together hold (P10): a few large parts, or many small files.
const BUFFER_BYTES: u64 = 4 * SINGLE_PUT_BYTES;

/// What is counted of them.
const BUFFER_UNIT: u64 = 64 << 10;

/// How many units a buffer of `bytes` takes; one that is larger than all of them waits for all of them.
fn units(bytes: u64) -> u32 {
    bytes.min(BUFFER_BYTES).div_ceil(BUFFER_UNIT).max(1) as u32
}

/// An object store as a lake.
#[derive(Debug)]
pub(super) struct Remote {
    store: Arc<dyn ObjectStore>,
    completion: Completion,
    s3: S3Parts,
    wire: Arc<Wire>,
    counters: Arc<Counters>,
    buffers: Arc<Semaphore>,
}

/// What S3 offers beyond other stores; the default is a store that is not S3.
#[derive(Debug, Default)]
pub(super) struct S3Parts {
    pub(super) delete: Option<S3Delete>,
    pub(super) uploads: Option<S3Uploads>,
    /// Class of the data files; state objects are small, short-lived, and stay in the bucket's own.
    pub(super) storage_class: Option<String>,
    /// How often a request is repeated, when that was set.
    pub(super) repeats: Option<usize>,
}

/// What is to be written.
enum Body<'a> {
    Bytes(Bytes),
    Parts { file: &'a std::path::Path, size: u64 },
}

/// Why a try ended without success.
enum Failure {
    /// The store's answer, or none.
    Store(object_store::Error),
    /// The file to be sent cannot be read.
    File(Error),
}

impl From<object_store::Error> for Failure {
    fn from(e: object_store::Error) -> Self {
        Self::Store(e)
    }
}

impl Remote {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        completion: Completion,
        s3: S3Parts,
        wire: Arc<Wire>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { store, completion, s3, wire, counters, buffers: Arc::new(Semaphore::new(units(BUFFER_BYTES) as usize)) }
    }

    /// Aborts what was begun below `folder` and never completed.
    pub(super) async fn abort_uploads(&self, folder: &Path) -> Result<u64> {
        let Some(uploads) = &self.s3.uploads else { return Ok(0) };
        uploads.abort(folder).await.map_err(|e| e.context(format!("abort unfinished uploads below {folder}")))
    }

    /// How often a request is repeated at most.
    pub(super) fn repeats(&self) -> usize {
        self.s3.repeats.unwrap_or(REPEATS)
    }

    /// How many requests may be on their way at once.
    pub(super) fn at_once(&self) -> usize {
        self.wire.at_once()
    }

    /// The store's clock.
    pub(super) fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.wire.now()
    }

    pub(super) async fn put(&self, key: &Path, body: Bytes, expect: &Expect) -> Result<Version> {
        self.write(key, &Body::Bytes(body), expect).await
    }

    pub(super) async fn put_file(&self, key: &Path, file: &std::path::Path, expect: &Expect) -> Result<Version> {
        let what = || format!("read {} to write {}", file.display(), layout::shown(key.as_ref()));
        let size = tokio::fs::metadata(file).await.or_error(Kind::Lake, what())?.len();
        if size > SINGLE_PUT_BYTES && self.completion != Completion::Unconditional {
            return self.write(key, &Body::Parts { file, size }, expect).await;
        }
        let _buffer = self.buffers.acquire_many(units(size)).await.or_error(Kind::Lake, what())?;
        let body = tokio::fs::read(file).await.or_error(Kind::Lake, what())?;
        self.write(key, &Body::Bytes(body.into()), expect).await
    }

    /// Deletes the object; one that is gone already is fine.
    pub(super) async fn delete(&self, key: &Path, expect: &Expect) -> Result<()> {
        let what = || format!("delete {}", layout::shown(key.as_ref()));
        let condition = match expect {
            Expect::Any => Some(None),
            Expect::Version(version) => Some(Some(version)),
            Expect::Absent => None,
        };
        if let (Some(condition), Some(s3)) = (condition, &self.s3.delete) {
            one(&self.counters.deletes);
            return match s3.delete(key, condition).await.map_err(|e| e.context(what()))? {
                true => Ok(()),
                // The condition fails too when the object is gone, perhaps by a try whose answer got lost.
                false => match self.look(key).await.map_err(|e| fault::error(&e, what()))? {
                    None => Ok(()),
                    Some(_) => Err(conflict(true).context(what())),
                },
            };
        }
        if *expect != Expect::Any {
            let found = self.look(key).await.map_err(|e| fault::error(&e, what()))?;
            let Some((found, _)) = found else { return Ok(()) };
            if !expect.holds(Version::of_meta(&found).as_ref()) {
                return Err(conflict(true).context(what()));
            }
        }
        match self.store.delete(key).await {
            Err(e) if fault::classify(&e) != Fault::Missing => Err(fault::error(&e, what())),
            _ => Ok(()),
        }
    }

    async fn write(&self, key: &Path, body: &Body<'_>, expect: &Expect) -> Result<Version> {
        let what = || format!("write {}", layout::shown(key.as_ref()));
        let expect = self.with_generation(key, expect).await?;
        let token = format!("{:032x}", rand::random::<u128>());
        let mut tries = 1;
        loop {
            let failure = match self.send(key, body, &expect, &token).await {
                Ok(result) => return version_of_put(&result).map_err(|e| e.context(what())),
                Err(Failure::File(e)) => return Err(e.context(what())),
                Err(Failure::Store(e)) => e,
            };
            if matches!(fault::classify(&failure), Fault::Unusable | Fault::Refused) {
                return Err(fault::error(&failure, what()));
            }
            let found = self.look(key).await.map_err(|e| fault::error(&e, what()))?;
            let (version, ours) = match found {
                Some((meta, written_by)) => (Version::of_meta(&meta), written_by.as_deref() == Some(token.as_str())),
                None => (None, false),
            };
            match version {
                Some(version) if ours => return Ok(version),
                version if !expect.holds(version.as_ref()) => return Err(conflict(version.is_some()).context(what())),
                _ if tries == TRIES => return Err(fault::error(&failure, what())),
                _ => {}
            }
            let error = fault::error(&failure, what());
            tracing::debug!(tries, %error, "the write is begun again");
            // 409 means that another write of the key is on its way: a moment decides it.
            tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(tries)).await;
            tries += 1;
        }
    }

    /// Google conditions on generations, which a listing does not show.
    async fn with_generation(&self, key: &Path, expect: &Expect) -> Result<Expect> {
        match expect {
            Expect::Version(version) if self.completion == Completion::Google && version.generation().is_none() => {
                let found = self
                    .look(key)
                    .await
                    .map_err(|e| fault::error(&e, format!("write {}", layout::shown(key.as_ref()))))?;
                let found = found.and_then(|(meta, _)| Version::of_meta(&meta));
                match found {
                    Some(found) if found == *version => Ok(Expect::Version(found)),
                    found => Err(conflict(found.is_some()).context(format!("write {}", layout::shown(key.as_ref())))),
                }
            }
            expect => Ok(expect.clone()),
        }
    }

    async fn send(&self, key: &Path, body: &Body<'_>, expect: &Expect, token: &str) -> Result<PutResult, Failure> {
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::Metadata(TOKEN.into()), token.to_owned().into());
        if let Some(class) = self.s3.storage_class.as_ref().filter(|_| key.filename() == Some(layout::DATA_FILE)) {
            attributes.insert(Attribute::StorageClass, class.clone().into());
        }
        match body {
            Body::Bytes(bytes) => {
                let mode = match expect {
                    Expect::Absent => PutMode::Create,
                    Expect::Version(version) => PutMode::Update(version.to_update()),
                    Expect::Any => PutMode::Overwrite,
                };
                let options = PutOptions { mode, attributes, ..PutOptions::default() };
                Ok(self.store.put_opts(key, PutPayload::from_bytes(bytes.clone()), options).await?)
            }
            Body::Parts { file, size } => self.upload(key, file, *size, expect, attributes).await,
        }
    }

    /// What is at the key now, with the token of the write that made it.
    async fn look(&self, key: &Path) -> object_store::Result<Option<(ObjectMeta, Option<String>)>> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        match self.store.get_opts(key, options).await {
            Ok(found) => {
                let token = found.attributes.get(&Attribute::Metadata(TOKEN.into())).map(|v| v.as_ref().to_owned());
                Ok(Some((found.meta, token)))
            }
            Err(e) if fault::classify(&e) == Fault::Missing => Ok(None),
            Err(e) => Err(e),
        }
    }
}

fn version_of_put(result: &PutResult) -> Result<Version> {
    Version::of_put(result).ok_or_else(|| {
        Error::new(Kind::Unavailable, "the store answered without an ETag")
            .hint("use a store that supports conditional writes")
    })
}
