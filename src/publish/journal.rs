//! The journal of an unfinished run: written before its first data write, removed after its watermark.

use crate::error::{Kind, Result};
use crate::kill_point::{KillPoint, reach};
use crate::lake::{Expect, Lake, Version, layout, state};
use crate::model::collection::Namespace;
use serde::{Deserialize, Serialize};

/// Version of the journal's JSON.
pub const FORMAT: u32 = 1;

/// In the place of a run's id: of runs that wrote beside one that completed.
pub const BESIDE: &str = "beside";

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
    /// Fingerprint of the settings that the run makes the table with.
    #[serde(default)]
    pub settings: String,
    /// Rows of a table that is replaced, as they were counted to see whether the source has lost most of them.
    #[serde(default)]
    pub stored: u64,
    /// How often a run left word here that it wrote beside another: no two journals are alike then, and whoever has read
    /// this one before cannot replace it.
    #[serde(default)]
    pub beside: u32,
}

impl Journal {
    /// Of runs that may have left any file. It names none of them: none is to be believed more than another.
    fn of_nobody() -> Self {
        Self {
            format: FORMAT,
            run_id: BESIDE.to_owned(),
            mode: "incremental".to_owned(),
            partitions: Vec::new(),
            retyping: false,
            rebuild: false,
            forget_schema: false,
            allow_shrink: false,
            settings: String::new(),
            stored: 0,
            beside: 0,
        }
    }

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

    /// Leaves word that a run which has not completed may have written beside another one that took the collection from it:
    /// the next one looks at all files.
    ///
    /// A journal that is there stays that of its run and says so besides; it is another version then, so that its run
    /// cannot remove it.
    pub async fn leave(lake: &Lake, ns: &Namespace) -> Result<()> {
        let key = layout::journal_key(ns);
        let mut tries = 0;
        loop {
            tries += 1;
            let (journal, found) = Self::load(lake, ns).await?.unzip();
            let journal = journal.unwrap_or_else(Self::of_nobody);
            let journal = Self { beside: journal.beside + 1, ..journal };
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
