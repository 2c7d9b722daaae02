//! Conditional writes to an object store, and what their answers really mean.
//!
//! An answer of "already there", a 409 or no answer at all may follow a write that succeeded: the client repeats
//! requests by itself, and answers get lost. So every write carries a token of its own in the object's metadata,
//! and after each doubtful answer the object is looked at: our token means done, the expected version still there
//! means again, anything else is a conflict.

use super::conflict;
use super::counting::{Counters, one};
use super::fault::{self, Fault};
use super::version::{Expect, Version};
use super::wire::{Condition, Wire, conditional};
use crate::error::{Error, Kind, Result, ResultExt};
use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Attribute, Attributes, GetOptions, HeaderValue, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How often one write is begun before it counts as failed. Each try already repeats what can be repeated blindly.
const TRIES: u32 = 4;

/// Metadata name of a write's token. One word: Azure takes identifiers only.
const TOKEN: &str = "lakefoldwrite";

/// Files up to this size are one request.
pub(super) const SINGLE_PUT_BYTES: u64 = 8 << 20;

/// S3 allows 10,000 parts; the last may be shorter.
const PARTS_MAX: u64 = 10_000;

/// Parts of one upload on their way at once.
const PARTS_IN_FLIGHT: usize = 2;

/// Buffers of [`SINGLE_PUT_BYTES`] held by all uploads of a lake together (P10).
const BUFFERS: usize = 4;

/// How a store makes the completion of a multipart upload conditional.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completion {
    /// `If-Match` and `If-None-Match`.
    S3,
    /// `x-goog-if-generation-match`.
    Google,
    /// In no way that the client lets through: files of every size go in one request.
    Unconditional,
}

/// Deletes on condition: `object_store` has no such call, S3 does.
#[derive(Debug)]
pub(super) struct S3Delete {
    pub(super) signer: AmazonS3,
    pub(super) http: HttpClient,
    /// What stands before every key in the bucket.
    pub(super) prefix: Path,
}

/// An object store as a lake.
#[derive(Debug)]
pub(super) struct Remote {
    store: Arc<dyn ObjectStore>,
    completion: Completion,
    delete: Option<S3Delete>,
    wire: Arc<Wire>,
    counters: Arc<Counters>,
    buffers: Arc<Semaphore>,
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
        delete: Option<S3Delete>,
        wire: Arc<Wire>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { store, completion, delete, wire, counters, buffers: Arc::new(Semaphore::new(BUFFERS)) }
    }

    /// The store's clock.
    pub(super) fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.wire.now()
    }

    pub(super) async fn put(&self, key: &Path, body: Bytes, expect: &Expect) -> Result<Version> {
        self.write(key, &Body::Bytes(body), expect).await
    }

    pub(super) async fn put_file(&self, key: &Path, file: &std::path::Path, expect: &Expect) -> Result<Version> {
        let what = || format!("read {} to write {key}", file.display());
        let size = tokio::fs::metadata(file).await.or_error(Kind::Lake, what())?.len();
        if size > SINGLE_PUT_BYTES && self.completion != Completion::Unconditional {
            return self.write(key, &Body::Parts { file, size }, expect).await;
        }
        let _buffer = self.buffers.acquire().await.or_error(Kind::Lake, what())?;
        let body = tokio::fs::read(file).await.or_error(Kind::Lake, what())?;
        self.write(key, &Body::Bytes(body.into()), expect).await
    }

    /// Deletes the object; one that is gone already is fine.
    pub(super) async fn delete(&self, key: &Path, expect: &Expect) -> Result<()> {
        let what = || format!("delete {key}");
        if let (Expect::Version(version), Some(s3)) = (expect, &self.delete) {
            one(&self.counters.deletes);
            return match s3.delete(key, version).await.map_err(|e| e.context(what()))? {
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
        let what = || format!("write {key}");
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
            tracing::debug!(%key, tries, error = %fault::error(&failure, "write"), "the write is begun again");
            // 409 means that another write of the key is on its way: a moment decides it.
            tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(tries)).await;
            tries += 1;
        }
    }

    /// Google conditions on generations, which a listing does not show.
    async fn with_generation(&self, key: &Path, expect: &Expect) -> Result<Expect> {
        match expect {
            Expect::Version(version) if self.completion == Completion::Google && version.generation().is_none() => {
                let found = self.look(key).await.map_err(|e| fault::error(&e, format!("write {key}")))?;
                let found = found.and_then(|(meta, _)| Version::of_meta(&meta));
                match found {
                    Some(found) if found == *version => Ok(Expect::Version(found)),
                    found => Err(conflict(found.is_some()).context(format!("write {key}"))),
                }
            }
            expect => Ok(expect.clone()),
        }
    }

    async fn send(&self, key: &Path, body: &Body<'_>, expect: &Expect, token: &str) -> Result<PutResult, Failure> {
        let mut attributes = Attributes::new();
        attributes.insert(Attribute::Metadata(TOKEN.into()), token.to_owned().into());
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
            Body::Parts { file, size } => {
                let condition = self.condition(expect)?;
                let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
                let mut upload = self.store.put_multipart_opts(key, options).await?;
                let sent = match self.send_parts(upload.as_mut(), file, *size).await {
                    Ok(()) => {
                        self.counters.put(0);
                        conditional(condition, upload.complete()).await.map_err(Failure::from)
                    }
                    Err(failure) => Err(failure),
                };
                if sent.is_err() {
                    // Parts nobody completes cost money until a lifecycle rule removes them. After a completion
                    // that succeeded unseen there is nothing to abort, and saying so is not an error.
                    let _ = upload.abort().await;
                }
                sent
            }
        }
    }

    /// Reads and sends part after part; two are on their way while the next waits for a buffer.
    async fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        file: &std::path::Path,
        size: u64,
    ) -> Result<(), Failure> {
        let unreadable = |e: &dyn std::fmt::Display| {
            Failure::File(Error::new(Kind::Lake, e).context(format!("read {}", file.display())))
        };
        let part_bytes = SINGLE_PUT_BYTES.max(size.div_ceil(PARTS_MAX));
        let mut reader = tokio::fs::File::open(file).await.map_err(|e| unreadable(&e))?;
        let mut left = size;
        let mut parts = JoinSet::new();
        while left > 0 {
            while parts.len() >= PARTS_IN_FLIGHT {
                joined(parts.join_next().await)?;
            }
            let buffer = Arc::clone(&self.buffers).acquire_owned().await.map_err(|e| unreadable(&e))?;
            let wanted = left.min(part_bytes);
            let mut part = vec![0; usize::try_from(wanted).map_err(|e| unreadable(&e))?];
            reader.read_exact(&mut part).await.map_err(|e| unreadable(&e))?;
            left -= wanted;
            self.counters.put(wanted);
            let sending = upload.put_part(part.into());
            // Spawned, so that it goes on while this task waits for a buffer.
            parts.spawn(async move {
                let sent = sending.await;
                drop(buffer);
                sent
            });
        }
        while let Some(part) = parts.join_next().await {
            joined(Some(part))?;
        }
        Ok(())
    }

    fn condition(&self, expect: &Expect) -> Result<Option<Condition>, Failure> {
        let (name, value) = match (self.completion, expect) {
            (_, Expect::Any) => return Ok(None),
            (Completion::Google, Expect::Absent) => ("x-goog-if-generation-match", "0"),
            (Completion::Google, Expect::Version(version)) => {
                ("x-goog-if-generation-match", version.generation().unwrap_or_default())
            }
            (_, Expect::Absent) => ("if-none-match", "*"),
            (_, Expect::Version(version)) => ("if-match", version.as_str()),
        };
        match HeaderValue::from_str(value) {
            Ok(value) => Ok(Some(Condition { name, value })),
            Err(e) => Err(Failure::File(Error::new(Kind::Lake, e).context("the store's ETag is no header value"))),
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

fn joined(part: Option<std::result::Result<object_store::Result<()>, tokio::task::JoinError>>) -> Result<(), Failure> {
    match part {
        None => Ok(()),
        Some(Ok(sent)) => Ok(sent?),
        Some(Err(e)) => Err(Failure::File(Error::new(Kind::Lake, e).context("send a part"))),
    }
}

fn version_of_put(result: &PutResult) -> Result<Version> {
    Version::of_put(result).ok_or_else(|| {
        Error::new(Kind::Unavailable, "the store answered without an ETag")
            .hint("use a store that supports conditional writes")
    })
}

impl S3Delete {
    /// Whether the condition held.
    async fn delete(&self, key: &Path, version: &Version) -> Result<bool> {
        let location: Path = self.prefix.parts().chain(key.parts()).collect();
        let mut tries = 1;
        loop {
            let method = "DELETE".parse().or_error(Kind::Lake, "name the method")?;
            let valid = Duration::from_secs(300);
            let url = self.signer.signed_url(method, &location, valid).await.map_err(|e| fault::error(&e, "sign"))?;
            let mut request = HttpRequest::new(HttpRequestBody::empty());
            *request.method_mut() = "DELETE".parse().or_error(Kind::Lake, "name the method")?;
            *request.uri_mut() = url.as_str().parse().map_err(|_| Error::new(Kind::Lake, "the signed URL is none"))?;
            let etag = HeaderValue::from_str(version.as_str()).or_error(Kind::Lake, "use the ETag as a condition")?;
            request.headers_mut().insert("if-match", etag);
            let status = self.http.execute(request).await.map(|response| response.status().as_u16());
            match status {
                Ok(200..=299) => return Ok(true),
                Ok(404 | 412) => return Ok(false),
                Ok(401 | 403) => return Err(Error::new(Kind::Unavailable, "no permission").hint("grant DeleteObject")),
                Ok(status @ 400..=499) if !matches!(status, 408 | 409 | 429) || tries == TRIES => {
                    return Err(Error::new(Kind::Lake, format!("the store answered {status}")));
                }
                Ok(status) if tries == TRIES => {
                    return Err(Error::new(Kind::Lake, format!("the store answered {status}")));
                }
                // The error's text would show the signed URL's host at most: the client strips the URL.
                Err(e) if tries == TRIES => return Err(e).or_error(Kind::Lake, "send the request"),
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(tries)).await,
            }
            tries += 1;
        }
    }
}
