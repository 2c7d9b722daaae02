//! The journal of an unfinished run: written before its first data write, removed after its watermark.

use crate::error::Result;
use crate::lake::{Expect, Lake, layout, state};
use crate::model::collection::Namespace;
use serde::{Deserialize, Serialize};

/// Version of the journal's JSON.
pub const FORMAT: u32 = 1;

/// `_lakefold/journal/<database>/<collection>.json`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// [`FORMAT`]
    pub format: u32,
    /// The run that did not finish.
    pub run_id: String,
    /// `full`, `dump` or `incremental`.
    pub mode: String,
    /// Partition folders the run writes.
    pub partitions: Vec<String>,
    /// Files are being rewritten because a column's type changed.
    pub retyping: bool,
    /// Stored files are replaced unread: they are of another layout than the schema.
    #[serde(default)]
    pub rebuild: bool,
    /// `--forget-schema`
    #[serde(default)]
    pub forget_schema: bool,
    /// `--allow-shrink`
    #[serde(default)]
    pub allow_shrink: bool,
}

impl Journal {
    /// The journal of a run that died, if there is one.
    pub async fn load(lake: &Lake, ns: &Namespace) -> Result<Option<Self>> {
        Ok(state::load(lake, &layout::journal_key(ns), FORMAT).await?.map(|(journal, _)| journal))
    }

    /// Puts the journal on record; it replaces that of a dead run, whose work the caller has finished or will.
    pub async fn store(&self, lake: &Lake, ns: &Namespace) -> Result<()> {
        state::store(lake, &layout::journal_key(ns), self, Expect::Any).await.map(|_| ())
    }

    /// The run is complete.
    pub async fn remove(lake: &Lake, ns: &Namespace) -> Result<()> {
        lake.delete(&layout::journal_key(ns), Expect::Any).await
    }
}
