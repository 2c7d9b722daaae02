//! The journal of an unfinished run: written before its first data write, removed after its watermark.

use crate::error::{Kind, Result};
use crate::kill_point::{KillPoint, reach};
use crate::lake::{Expect, Lake, Version, layout, state};
use crate::model::collection::Namespace;
use serde::{Deserialize, Serialize};

/// Version of the journal's JSON.
pub const FORMAT: u32 = 1;

/// How often word is left again when the other run changes the journal meanwhile, which it does twice.
const LEAVING_TRIES: usize = 4;

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
    /// How often a run left word here that it wrote beside another: no two journals are alike then, and whoever has read
    /// this one before cannot replace it.
    #[serde(default)]
    pub beside: u32,
}

impl Default for Journal {
    /// Of a run that may have left any file, and nothing else.
    fn default() -> Self {
        Self {
            format: FORMAT,
            run_id: String::new(),
            mode: "incremental".to_owned(),
            partitions: Vec::new(),
            retyping: false,
            rebuild: false,
            forget_schema: false,
            allow_shrink: false,
            beside: 0,
        }
    }
}

impl Journal {
    /// The journal of a run that died, if there is one, with its version.
    pub async fn load(lake: &Lake, ns: &Namespace) -> Result<Option<(Self, Version)>> {
        state::load(lake, &layout::journal_key(ns), FORMAT).await
    }

    /// Puts the journal on record. It replaces that of a dead run, whose work the caller has finished or will, and no
    /// other one: `found` is the version that was there when this run took the collection (P9).
    ///
    /// # Errors
    /// [`crate::error::Kind::Conflict`] when another run has written or removed it since.
    pub async fn store(&self, lake: &Lake, ns: &Namespace, found: Option<Version>) -> Result<Version> {
        reach(KillPoint::BeforeJournal);
        let version = state::store(lake, &layout::journal_key(ns), self, Expect::unchanged(found)).await?;
        reach(KillPoint::AfterJournal);
        Ok(version)
    }

    /// Leaves word that `run_id`, which has not completed, may have written beside another run that took the collection
    /// from it: the next one looks at all files.
    ///
    /// A journal that is there is signed over to it with all it says, so that the run it belongs to cannot remove it.
    pub async fn leave(lake: &Lake, ns: &Namespace, run_id: &str) -> Result<()> {
        let key = layout::journal_key(ns);
        let mut tries = 0;
        loop {
            tries += 1;
            let (journal, found) = Self::load(lake, ns).await?.unzip();
            let journal = journal.unwrap_or_default();
            let journal = Self { run_id: run_id.to_owned(), beside: journal.beside + 1, ..journal };
            match state::store(lake, &key, &journal, Expect::unchanged(found)).await {
                Err(error) if error.kind() == Kind::Conflict && tries < LEAVING_TRIES => {}
                stored => return stored.map(drop),
            }
        }
    }

    /// The run is complete; `stored` is the version it wrote.
    ///
    /// # Errors
    /// [`crate::error::Kind::Conflict`] when the journal there is not this run's.
    pub async fn remove(lake: &Lake, ns: &Namespace, stored: Version) -> Result<()> {
        reach(KillPoint::BeforeJournalRemoved);
        lake.delete(&layout::journal_key(ns), Expect::Version(stored)).await?;
        reach(KillPoint::AfterJournalRemoved);
        Ok(())
    }
}
