//! Large files in parts, from a few fixed buffers, and on the condition that small ones have.

use super::{Failure, Remote, units};
use crate::error::{Error, Kind};
use crate::kill_point::{KillPoint, reach};
use crate::lake::version::Expect;
use crate::lake::wire::{Condition, conditional};
use object_store::path::Path;
use object_store::{Attributes, HeaderValue, MultipartUpload, ObjectStore, PutMultipartOptions, PutResult};
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

/// Files up to this size are one request.
pub(super) const SINGLE_PUT_BYTES: u64 = 8 << 20;

/// S3 allows 10,000 parts; the last may be shorter.
const PARTS_MAX: u64 = 10_000;

/// Parts of one upload on their way at once.
const PARTS_IN_FLIGHT: usize = 2;

/// How a store makes the completion of a multipart upload conditional.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lake) enum Completion {
    /// `If-Match` and `If-None-Match`.
    S3,
    /// `x-goog-if-generation-match`.
    Google,
    /// In no way that the client lets through: files of every size go in one request.
    Unconditional,
}

impl Remote {
    /// One upload from its start to its completion, or to its abortion.
    pub(super) async fn upload(
        &self,
        key: &Path,
        file: &std::path::Path,
        size: u64,
        expect: &Expect,
        attributes: Attributes,
    ) -> Result<PutResult, Failure> {
        let condition = self.condition(expect)?;
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let mut upload = self.store.put_multipart_opts(key, options).await?;
        let sent = match self.send_parts(upload.as_mut(), file, size).await {
            Ok(()) => {
                self.counters.put(0);
                reach(KillPoint::BeforeUploadCompletes);
                conditional(condition, upload.complete()).await.map_err(Failure::from)
            }
            Err(failure) => Err(failure),
        };
        if sent.is_err() {
            // Parts nobody completes cost money until a lifecycle rule removes them. After a completion that
            // succeeded unseen there is nothing to abort, and saying so is not an error.
            let _ = upload.abort().await;
        }
        sent
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
            if left < size {
                reach(KillPoint::MidUpload);
            }
            let wanted = left.min(part_bytes);
            let buffer =
                Arc::clone(&self.buffers).acquire_many_owned(units(wanted)).await.map_err(|e| unreadable(&e))?;
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
}

fn joined(part: Option<std::result::Result<object_store::Result<()>, tokio::task::JoinError>>) -> Result<(), Failure> {
    match part {
        None => Ok(()),
        Some(Ok(sent)) => Ok(sent?),
        Some(Err(e)) => Err(Failure::File(Error::new(Kind::Lake, e).context("send a part"))),
    }
}
