//! What the catalog is still owed, on record before a watermark moves: a run that dies in between never leaves data
//! invisible for good, because the next one pays.
//!
//! One state object for each database. Runs on different collections of it write it at the same time, so every change
//! is read, changed and written again on the condition that nobody else wrote meanwhile.

use crate::error::{Error, Kind, Result};
use crate::kill_point::{KillPoint, reach};
use crate::lake::{Expect, Lake, Version, layout, state};
use crate::model::collection::Namespace;
use crate::model::names::fold;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::Mutex;

/// Version of the object's JSON.
pub const FORMAT: u32 = 1;

/// Partitions that are listed one by one; beyond that the whole table is compared instead.
const PARTITIONS_MAX: usize = 20_000;

/// How often a change is tried against others who change the object at the same moment.
const TRIES: u32 = 20;

/// `_lakefold/catalog/<database>.json`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debts {
    /// [`FORMAT`]
    pub format: u32,
    /// Tables that the catalog was ever told of, or is to be told of, by folded name.
    pub tables: BTreeMap<String, Entry>,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The collection as MongoDB spells it.
    pub collection: String,
    /// Where the catalog's knowledge of the table is kept, as [`Debts`] were paid last: `crawler:NAME` or
    /// `tables:DATABASE`. Anything else than today's place means that the catalog was never told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
    /// What is owed; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<Owed>,
}

/// What the catalog has to be told of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The run that owes the oldest part of it.
    pub since: String,
    /// Nothing is known of what changed: the catalog is compared with the lake.
    #[serde(default)]
    pub whole: bool,
    /// The table began with what is owed: every file it has is among `new`.
    #[serde(default)]
    pub all: bool,
    /// Columns or fields of structs are new.
    #[serde(default)]
    pub grown: bool,
    /// Columns have another type or are gone.
    #[serde(default)]
    pub retyped: bool,
    /// A file appeared where there was none: partition folders, and `""` for the file of a table without keys.
    #[serde(default)]
    pub new: BTreeSet<String>,
    /// Partition folders that have no file any more.
    #[serde(default)]
    pub gone: BTreeSet<String>,
}

impl Owed {
    /// Everything, of a table of which nothing is known.
    pub fn whole(run_id: &str) -> Self {
        Self { since: run_id.to_owned(), whole: true, ..Self::default() }
    }

    /// Whether there is anything the catalog has to be told.
    pub fn is_nothing(&self) -> bool {
        !self.whole && !self.grown && !self.retyped && self.new.is_empty() && self.gone.is_empty()
    }

    /// Whether a crawl would find something: a new partition or column.
    pub fn wants_crawl(&self) -> bool {
        self.whole || self.grown || !self.new.is_empty()
    }

    /// Whether the columns of the catalog have to be looked at.
    pub fn wants_columns(&self) -> bool {
        self.whole || self.retyped
    }

    /// Adds what a later run owes.
    pub fn merge(&mut self, later: Owed) {
        self.whole |= later.whole;
        self.all |= later.all;
        self.grown |= later.grown;
        self.retyped |= later.retyped;
        self.new.retain(|partition| !later.gone.contains(partition));
        self.gone.retain(|partition| !later.new.contains(partition));
        self.new.extend(later.new);
        self.gone.extend(later.gone);
        if self.new.len() + self.gone.len() > PARTITIONS_MAX {
            self.whole = true;
            self.new.clear();
            self.gone.clear();
        }
    }
}

/// A debt that was paid, wholly or in part.
#[derive(Debug, Clone)]
pub struct Payment {
    /// Folded name of the table.
    pub table: String,
    /// The collection as MongoDB spells it.
    pub collection: String,
    /// What was paid: an entry that owes anything else by now stays as it is.
    pub paid: Option<Owed>,
    /// What of it could not be paid.
    pub rest: Option<Owed>,
    /// As [`Entry::told`]; none: not told.
    pub told: Option<String>,
}

/// The debts of a lake.
#[derive(Debug)]
pub struct Ledger<'a> {
    lake: &'a Lake,
    /// Collections of one run do not have to race each other.
    writing: Mutex<()>,
}

impl<'a> Ledger<'a> {
    /// The debts of `lake`.
    pub fn new(lake: &'a Lake) -> Self {
        Self { lake, writing: Mutex::new(()) }
    }

    /// The debts of a database; `database` as MongoDB spells it, or folded.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when a newer lakefold wrote them; [`Kind::Lake`] when they cannot be read.
    pub async fn load(&self, database: &str) -> Result<Debts> {
        Ok(self.read(database).await?.0)
    }

    /// Puts on record what the catalog is owed of a table.
    ///
    /// # Errors
    /// When the record cannot be written; the watermark must not move then.
    pub async fn owe(&self, ns: &Namespace, owed: Owed) -> Result<()> {
        reach(KillPoint::BeforeDebt);
        let changed = self.change(&ns.database, |debts| {
            let entry = debts.tables.entry(fold(&ns.collection)).or_default();
            ns.collection.clone_into(&mut entry.collection);
            match &mut entry.owed {
                Some(older) => older.merge(owed.clone()),
                none => *none = Some(owed.clone()),
            }
        });
        changed.await?;
        reach(KillPoint::AfterDebt);
        Ok(())
    }

    /// Takes off the record what was paid.
    ///
    /// # Errors
    /// When the record cannot be written; the next run pays again, which changes nothing.
    pub async fn clear(&self, database: &str, payments: &[Payment]) -> Result<()> {
        reach(KillPoint::BeforeDebtCleared);
        let changed = self.change(database, |debts| {
            for payment in payments {
                let entry = debts.tables.entry(payment.table.clone()).or_default();
                payment.collection.clone_into(&mut entry.collection);
                if entry.owed == payment.paid {
                    entry.owed.clone_from(&payment.rest);
                }
                if payment.told.is_some() {
                    entry.told.clone_from(&payment.told);
                }
            }
        });
        changed.await?;
        reach(KillPoint::AfterDebtCleared);
        Ok(())
    }

    async fn read(&self, database: &str) -> Result<(Debts, Option<Version>)> {
        let found = state::load::<Debts>(self.lake, &layout::catalog_key(database), FORMAT).await?;
        Ok(match found {
            Some((debts, version)) => (debts, Some(version)),
            None => (Debts { format: FORMAT, ..Debts::default() }, None),
        })
    }

    async fn change(&self, database: &str, change: impl Fn(&mut Debts)) -> Result<()> {
        let key = layout::catalog_key(database);
        let _writing = self.writing.lock().await;
        for turn in 0..TRIES {
            let (mut debts, version) = self.read(database).await?;
            let before = debts.clone();
            change(&mut debts);
            if debts == before {
                return Ok(());
            }
            match state::store(self.lake, &key, &debts, Expect::unchanged(version)).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == Kind::Conflict => {
                    let wait = rand::random_range(1..=20 * u64::from(turn + 1));
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(Kind::Conflict, format!("other runs change {key} all the time")).hint("run again"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owed(new: &[&str], gone: &[&str]) -> Owed {
        let set = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Owed { since: "R".into(), new: set(new), gone: set(gone), ..Owed::default() }
    }

    #[test]
    fn of_a_partition_that_came_and_went_only_the_end_is_owed() {
        let mut all = owed(&["a", "b"], &["c"]);
        all.merge(owed(&["c"], &["a"]));
        assert_eq!(all, owed(&["b", "c"], &["a"]));
        assert!(all.wants_crawl() && !all.wants_columns());
        assert!(!owed(&[], &["a"]).wants_crawl(), "a crawl finds nothing in a folder that is gone");
    }

    #[test]
    fn very_many_partitions_are_compared_instead_of_listed() {
        let many = (0..=PARTITIONS_MAX).map(|n| n.to_string()).collect();
        let mut all = owed(&["a"], &[]);
        all.merge(Owed { new: many, ..Owed::default() });
        assert!(all.whole && all.new.is_empty());
    }

    #[tokio::test]
    async fn what_was_added_while_another_run_paid_stays_owed() {
        let folder = crate::publish::catalog::test_lake();
        let lake = Lake::open(&folder.1).await.expect("open");
        let ledger = Ledger::new(&lake);
        let ns = Namespace { database: "Hospital".into(), collection: "Bills".into() };
        ledger.owe(&ns, owed(&["a"], &[])).await.expect("owe");
        let seen = ledger.load("hospital").await.expect("load").tables["bills"].owed.clone();
        ledger.owe(&ns, owed(&["b"], &[])).await.expect("owe");
        let payment = |paid| Payment {
            table: "bills".into(),
            collection: "Bills".into(),
            paid,
            rest: None,
            told: Some("crawler:x".into()),
        };
        ledger.clear("hospital", &[payment(seen)]).await.expect("clear");
        let left = ledger.load("hospital").await.expect("load").tables["bills"].clone();
        assert_eq!(left.owed, Some(owed(&["a", "b"], &[])));
        ledger.clear("hospital", &[payment(left.owed)]).await.expect("clear");
        let entry = ledger.load("hospital").await.expect("load").tables["bills"].clone();
        assert_eq!((entry.owed, entry.told.as_deref()), (None, Some("crawler:x")));
    }
}
