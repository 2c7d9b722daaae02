//! Keeps documents that could not be read, byte for byte, with the reason beside each; of a collection whose fields are
//! hashed or excluded the reason alone, with what the document is known by.
//!
//! They wait on local disk: a collection none of whose documents can be read must not fill the memory either (P10).

use crate::error::{Kind, Result, ResultExt};
use crate::kill_point::{KillPoint, reach};
use crate::lake::{Expect, Lake, Lease, Object, layout};
use crate::model::batch::{Quarantined, Remains};
use crate::model::collection::{CollectionSpec, Namespace};
use futures::TryStreamExt;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The documents of one window that could not be read.
pub struct Quarantine {
    folder: PathBuf,
    documents: u64,
    /// Of those that are kept byte for byte.
    bytes: u64,
    first: Option<String>,
}

impl Quarantine {
    /// An empty one, which will wait below `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), documents: 0, bytes: 0, first: None }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.documents
    }

    /// Why the first of them could not be read; none: every document could.
    pub fn first_reason(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// Adds some.
    pub fn extend(&mut self, quarantined: &[Quarantined]) -> Result<()> {
        let Some(first) = quarantined.first() else { return Ok(()) };
        self.first.get_or_insert_with(|| first.reason.clone());
        let (mut documents, mut reasons) = (self.append_to("bson")?, self.append_to("jsonl")?);
        for Quarantined { remains, reason } in quarantined {
            let (raw, line) = match remains {
                Remains::Raw(raw) => (&raw[..], json!({ "offset": self.bytes, "length": raw.len(), "reason": reason })),
                Remains::Marked { length, digest } => {
                    (&b""[..], json!({ "raw": false, "length": length, "digest": digest, "reason": reason }))
                }
            };
            let written = documents.write_all(raw).and_then(|()| reasons.write_all(format!("{line}\n").as_bytes()));
            written.or_error(Kind::Lake, self.doing())?;
            self.bytes += raw.len() as u64;
            self.documents += 1;
        }
        Ok(())
    }

    /// Writes `quarantine/<database>/<collection>/<run_id>.bson` (the bytes, if any are kept) and `.jsonl` (offset, length
    /// and reason; `"raw": false` and a digest instead of the offset where the bytes are not kept).
    pub async fn store(&self, lake: &Lake, ns: &Namespace, run_id: &str) -> Result<()> {
        if self.documents == 0 {
            return Ok(());
        }
        reach(KillPoint::BeforeQuarantine);
        if self.bytes > 0 {
            self.put(lake, ns, run_id, "bson").await?;
        }
        reach(KillPoint::MidQuarantine);
        self.put(lake, ns, run_id, "jsonl").await?;
        reach(KillPoint::AfterQuarantine);
        Ok(())
    }

    /// Removes what earlier runs kept byte for byte when the collection of `spec` has hashed or excluded fields by now:
    /// a full run takes their values out of the lake (P10). The reasons stay.
    pub async fn forget(lake: &Lake, spec: &CollectionSpec, lease: &Lease) -> Result<()> {
        if spec.exclude.is_empty() && spec.hash.is_empty() {
            return Ok(());
        }
        let kept: Vec<Object> = lake.list(&layout::quarantine_prefix(&spec.namespace)).try_collect().await?;
        for object in kept.into_iter().filter(|object| object.key.ends_with(".bson")) {
            lease.check()?;
            lake.delete(&object.key, Expect::Version(object.version)).await?;
        }
        Ok(())
    }

    async fn put(&self, lake: &Lake, ns: &Namespace, run_id: &str, extension: &str) -> Result<()> {
        let key = layout::quarantine_key(ns, run_id, extension);
        lake.put_file(&key, &self.path(extension), Expect::Any).await.map(|_| ())
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("quarantine.{extension}"))
    }

    fn append_to(&self, extension: &str) -> Result<File> {
        OpenOptions::new().create(true).append(true).open(self.path(extension)).or_error(Kind::Lake, self.doing())
    }

    fn doing(&self) -> String {
        format!("keep documents that cannot be read in {}", self.folder.display())
    }
}
