//! After the collections: what the catalog is owed is paid, old debts and new ones together.
//!
//! A debt is recorded by each collection before its watermark moves ([`owed`]), and paid here by crawler or database,
//! under a lease, so that two runs on different collections of one database do not lose each other's targets. What one
//! of them cannot pay stays on record for the next run, and fails nothing else (P8).

use super::interrupt::Interrupt;
use super::options::RunOptions;
use super::partitions::Done;
use crate::aws::Aws;
use crate::error::{Error, Kind, Result};
use crate::lake::{Lake, Lease, layout};
use crate::model::catalog::drift;
use crate::model::collection::{CollectionSpec, Namespace};
use crate::model::names::fold;
use crate::model::record::{CatalogRecord, CollectionRecord, Outcome};
use crate::model::settings::{CatalogMode, Settings};
use crate::model::table::TableSchema;
use crate::publish::catalog::{Catalog, Debts, Due, Ledger, Owed, Place};
use futures::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Databases whose debts are read at once, and crawlers that are served at once.
const AT_ONCE: usize = 8;

/// How often a lease that another run holds is tried.
const LEASE_EVERY: Duration = Duration::from_secs(1);

/// Whether this run tells the catalog anything.
pub fn is_told(settings: &Settings, options: &RunOptions) -> bool {
    settings.catalog.mode != CatalogMode::None && !options.dry_run
}

/// What the catalog is owed of a fold that is about to move the watermark.
///
/// `unfinished`: a run died here before it had put on record what it owed, so that nothing is known of what it landed.
pub fn owed<'d>(
    before: Option<&TableSchema>,
    after: &TableSchema,
    done: impl Iterator<Item = &'d Done>,
    removed: Vec<String>,
    unfinished: bool,
    run_id: &str,
) -> Owed {
    let mut owed = Owed { since: run_id.to_owned(), gone: removed.into_iter().collect(), ..Owed::default() };
    if let Some(before) = before {
        let drift = drift(before, after);
        (owed.grown, owed.retyped) = (drift.grown, drift.retyped);
        owed.whole = before.settings.partition_keys != after.settings.partition_keys;
    }
    let mut kept = false;
    for done in done {
        match (done.new, done.file.is_some()) {
            (true, true) => _ = owed.new.insert(done.partition.clone()),
            (false, false) => _ = owed.gone.insert(done.partition.clone()),
            (false, true) => kept = true,
            (true, false) => {}
        }
    }
    // Files that stood there without a schema state: it was lost, and nobody knows which columns were told of.
    let begins = before.is_none() && !kept && owed.gone.is_empty();
    owed.whole |= unfinished || (before.is_none() && !begins);
    owed.all = begins && !unfinished;
    owed
}

/// The end of a run, as far as the catalog is concerned.
pub struct Telling<'a> {
    /// The environment.
    pub settings: &'a Settings,
    /// The lake.
    pub lake: &'a Lake,
    /// What is owed.
    pub ledger: &'a Ledger<'a>,
    /// Flags.
    pub options: &'a RunOptions,
    /// This run.
    pub run_id: &'a str,
}

/// What is paid together.
#[derive(Debug)]
struct Group {
    /// Where; of databases that share a crawler, that of the first.
    place: Place,
    /// The source's databases.
    databases: Vec<String>,
    /// Something is owed, or the crawler is to be started anyway.
    open: bool,
    /// A debt of an earlier run is among it.
    old: bool,
}

impl Telling<'_> {
    /// Pays what is owed to every crawler or database of the environment, after collections ended as in `records`.
    /// Never fails: what could not be paid is said in what it returns.
    pub async fn settle(
        &self,
        specs: &[CollectionSpec],
        records: &[CollectionRecord],
        interrupt: &Interrupt,
    ) -> Vec<CatalogRecord> {
        let databases: BTreeSet<&str> = specs.iter().map(|spec| spec.namespace.database.as_str()).collect();
        let looked: Vec<(&str, Result<Debts>)> = stream::iter(databases)
            .map(|database| async move { (database, self.ledger.load(database).await) })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let mut told = Vec::new();
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for (database, debts) in looked {
            let Some(place) = self.place(database) else { continue };
            match debts {
                Ok(debts) => {
                    let due = self.due(database, &debts, records);
                    let new = || Group { place: place.clone(), databases: Vec::new(), open: false, old: false };
                    let group = groups.entry(place.group()).or_insert_with(new);
                    group.open |= !due.is_empty() || (self.settings.catalog.always && is_landed(database, records));
                    group.old |= due.iter().any(|due| due.recorded.is_some() && due.owed.since != self.run_id);
                    group.databases.push(database.to_owned());
                }
                Err(error) => told.push(failed(&place, &[database.to_owned()], &error)),
            }
        }
        let mut open: Vec<Group> = groups.into_values().filter(|group| group.open).collect();
        if open.is_empty() {
            return told;
        }
        // Old debts first.
        open.sort_by_key(|group| !group.old);
        if let Err(stopped) = interrupt.check() {
            // As when it has to end a moment later: tables that nobody can see yet are not to look like a good end.
            told.extend(open.iter().map(|group| failed(&group.place, &group.databases, &stopped)));
        } else {
            let catalog = Catalog::new(Aws::of_process(), self.lake, self.settings, self.options.wait).await;
            let paid: Vec<Option<CatalogRecord>> = stream::iter(open)
                .map(|group| {
                    let catalog = &catalog;
                    async move { self.pay(catalog, &group.place, &group.databases, records, interrupt).await }
                })
                .buffered(AT_ONCE)
                .collect()
                .await;
            told.extend(paid.into_iter().flatten());
        }
        for record in told.iter().filter(|record| record.has_failed()) {
            tracing::warn!(crawler = record.crawler, databases = ?record.databases, "{}", record.reasons.join("; "));
        }
        told
    }

    async fn pay(
        &self,
        catalog: &Catalog<'_>,
        place: &Place,
        databases: &[String],
        records: &[CollectionRecord],
        interrupt: &Interrupt,
    ) -> Option<CatalogRecord> {
        let lease = match self.lease(place, interrupt).await {
            Ok(lease) => lease,
            Err(error) => return Some(failed(place, databases, &error)),
        };
        let paying = async {
            // Another run may have paid, or owe more, since the first look.
            let mut due = Vec::new();
            for database in databases {
                due.extend(self.due(database, &self.ledger.load(database).await?, records));
            }
            let always = self.settings.catalog.always && databases.iter().any(|d| is_landed(d, records));
            if due.is_empty() && !always {
                return Ok(None);
            }
            let mut settled = catalog.pay(place, &due, always).await;
            lease.check()?;
            if place.crawler.is_some() {
                settled.record.databases = databases.iter().map(|database| fold(database)).collect();
            }
            for database in databases {
                let of = settled.payments.iter().filter(|(owner, _)| owner == database);
                let payments: Vec<_> = of.map(|(_, payment)| payment.clone()).collect();
                if !payments.is_empty() {
                    self.ledger.clear(database, &payments).await?;
                }
            }
            Ok((!settled.record.is_idle()).then_some(settled.record))
        };
        let paid = tokio::select! {
            paid = paying => paid,
            stopped = interrupt.stopped() => Err(stopped),
        };
        if let Err(error) = lease.release().await {
            tracing::warn!("{error}");
        }
        paid.unwrap_or_else(|error| Some(failed(place, databases, &error)))
    }

    /// The lease on a crawler or database of the catalog; another run that holds it is waited for.
    async fn lease(&self, place: &Place, interrupt: &Interrupt) -> Result<Lease> {
        let name = layout::catalog_lease(&place.group());
        let deadline = Instant::now() + self.settings.catalog.ready_within;
        loop {
            match self.lake.lease(&name, self.run_id).await {
                Err(error) if error.kind() == Kind::Busy && Instant::now() < deadline => {
                    tokio::select! {
                        () = tokio::time::sleep(LEASE_EVERY) => {}
                        stopped = interrupt.stopped() => return Err(stopped),
                    }
                }
                answer => return answer,
            }
        }
    }

    fn place(&self, database: &str) -> Option<Place> {
        Place::of(&self.settings.catalog, &self.settings.environment, database)
    }

    fn due(&self, database: &str, debts: &Debts, records: &[CollectionRecord]) -> Vec<Due> {
        let place = self.place(database).map(|place| place.group());
        let of_database: Vec<&CollectionRecord> = records.iter().filter(|record| record.database == database).collect();
        due(database, place.as_deref(), debts, &of_database, self.run_id)
    }
}

/// What is on record as owed of `database`, and tables of this run that the catalog was never told of in `place`, which
/// is where it is told today.
fn due(database: &str, place: Option<&str>, debts: &Debts, records: &[&CollectionRecord], run_id: &str) -> Vec<Due> {
    let namespace = |collection: &str| Namespace { database: database.to_owned(), collection: collection.to_owned() };
    let (up, down): (Vec<&CollectionRecord>, Vec<&CollectionRecord>) = records.iter().partition(|record| is_up(record));
    let down: BTreeSet<String> = down.iter().map(|record| fold(&record.collection)).collect();
    let mut due: BTreeMap<String, Due> = BTreeMap::new();
    for (table, entry) in &debts.tables {
        // A collection that failed after all has no part in what this run tells; what it owes stays on record.
        let stays = |owed: &Owed| owed.since == run_id && down.contains(table);
        if let Some(mut owed) = entry.owed.clone().filter(|owed| !owed.is_nothing() && !stays(owed)) {
            let recorded = Some(owed.clone());
            // A table that begins with what is owed is not the one that the catalog was told of before.
            owed.whole |= owed.all && entry.told.is_some();
            due.insert(table.clone(), Due { namespace: namespace(&entry.collection), recorded, owed });
        }
    }
    for record in up {
        let table = fold(&record.collection);
        let entry = debts.tables.get(&table);
        if place.is_some() && entry.is_some_and(|entry| entry.told.as_deref() == place) {
            continue;
        }
        match due.get_mut(&table) {
            // Every file it has is on record: there is nothing to compare.
            Some(due) if due.owed.all && entry.is_some_and(|entry| entry.told.is_none()) => {}
            Some(due) => due.owed.merge(Owed::whole(run_id)),
            None => {
                let owed = Owed::whole(run_id);
                due.insert(table, Due { namespace: namespace(&record.collection), recorded: None, owed });
            }
        }
    }
    due.into_values().collect()
}

fn is_up(record: &CollectionRecord) -> bool {
    matches!(record.outcome, Outcome::Ok | Outcome::Idle)
}

fn is_landed(database: &str, records: &[CollectionRecord]) -> bool {
    records.iter().any(|record| record.database == database && is_up(record))
}

fn failed(place: &Place, databases: &[String], error: &Error) -> CatalogRecord {
    CatalogRecord {
        crawler: place.crawler.clone().unwrap_or_default(),
        outcome: CatalogRecord::FAILED.to_owned(),
        databases: databases.iter().map(|database| fold(database)).collect(),
        reasons: vec![error.in_one_line()],
        ..CatalogRecord::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::Version;
    use crate::merge::places::FileInfo;
    use crate::model::settings::CatalogSettings;
    use crate::model::table::TableSettings;
    use crate::run::test_lake::{TestLake, spec};
    use tokio::sync::watch;

    fn record(collection: &str, outcome: Outcome) -> CollectionRecord {
        let ns = Namespace { database: "h".into(), collection: collection.into() };
        CollectionRecord { outcome, ..CollectionRecord::begun(&ns) }
    }

    fn new(since: &str, partition: &str) -> Owed {
        Owed { since: since.into(), new: [partition.to_owned()].into(), ..Owed::default() }
    }

    fn debts(tables: &[(&str, Option<&str>, Option<Owed>)]) -> Debts {
        let mut debts = Debts::default();
        for (name, told, owed) in tables {
            let entry = debts.tables.entry((*name).to_owned()).or_default();
            (*name).clone_into(&mut entry.collection);
            entry.told = told.map(str::to_owned);
            entry.owed.clone_from(owed);
        }
        debts
    }

    fn names(debts: &Debts, records: &[CollectionRecord]) -> Vec<(String, bool)> {
        let records: Vec<&CollectionRecord> = records.iter().collect();
        let due = due("h", Some("crawler:x"), debts, &records, "R2");
        due.into_iter().map(|due| (due.namespace.collection, due.owed.whole)).collect()
    }

    #[test]
    fn old_debts_are_due_whatever_became_of_their_collection_and_new_ones_of_what_failed_are_not() {
        let debts = debts(&[
            ("old", Some("crawler:x"), Some(new("R1", "a"))),
            ("broken", Some("crawler:x"), Some(new("R2", "a"))),
            ("fine", Some("crawler:x"), Some(new("R2", "a"))),
            ("idle", Some("crawler:x"), None),
        ]);
        let records = [
            record("old", Outcome::Failed),
            record("broken", Outcome::Failed),
            record("fine", Outcome::Ok),
            record("idle", Outcome::Idle),
        ];
        assert_eq!(names(&debts, &records), [("fine".to_owned(), false), ("old".to_owned(), false)]);
    }

    #[test]
    fn a_table_never_told_of_is_compared_unless_all_of_it_is_on_record() {
        let first = Owed { all: true, ..new("R2", "a") };
        let debts = debts(&[
            ("again", Some("crawler:x"), Some(first.clone())),
            ("first", None, Some(first)),
            ("later", None, Some(new("R2", "b"))),
            ("elsewhere", Some("tables:h"), None),
        ]);
        let of_run = ["again", "first", "later", "elsewhere", "unknown"];
        let records = of_run.map(|collection| record(collection, Outcome::Ok));
        let expected = [("again", true), ("elsewhere", true), ("first", false), ("later", true), ("unknown", true)];
        assert_eq!(names(&debts, &records), expected.map(|(name, whole)| (name.to_owned(), whole)));
    }

    #[tokio::test]
    async fn a_deadline_that_passed_before_the_catalog_is_told_is_no_good_end() {
        let folder = TestLake::new();
        let catalog = CatalogSettings { mode: CatalogMode::Crawler, ..CatalogSettings::default() };
        let settings = Settings { catalog, ..folder.settings() };
        let lake = Lake::open(&settings.lake).await.unwrap();
        let (ledger, visits) = (Ledger::new(&lake), spec("visits"));
        ledger.owe(&visits.namespace, new("R1", "a")).await.unwrap();
        let (_signals, interrupt) = watch::channel(None);
        let options = RunOptions {
            only: vec![],
            full: false,
            forget_schema: false,
            allow_shrink: false,
            since: None,
            dry_run: false,
            strict: false,
            wait: false,
            interrupt: interrupt.clone(),
        };
        let telling = Telling { settings: &settings, lake: &lake, ledger: &ledger, options: &options, run_id: "R2" };
        let overdue = Interrupt::new(interrupt, Some(Instant::now()));
        let told = telling.settle(&[visits], &[], &overdue).await;
        assert!(told.len() == 1 && told[0].has_failed() && told[0].databases == ["hospital"], "{told:?}");
        assert!(told[0].reasons[0].contains("the deadline of the run has passed"), "{told:?}");
        assert!(ledger.load("hospital").await.unwrap().tables["visits"].owed.is_some());
    }

    #[test]
    fn what_a_dead_run_landed_is_not_known() {
        let table = TableSchema::new(TableSettings::default());
        let done = |partition: &str, new: bool, file: bool| Done {
            partition: partition.into(),
            new,
            file: file.then(|| FileInfo::new(&Version::from_text("1"), 1, 1)),
            ..Done::default()
        };
        let landed = [done("a", true, true), done("b", false, true), done("c", false, false), done("d", true, false)];
        let of = |unfinished| owed(Some(&table), &table, landed.iter(), vec!["e".into()], unfinished, "R");
        let fold = of(false);
        assert_eq!((fold.new, fold.gone), (["a".to_owned()].into(), ["c".to_owned(), "e".to_owned()].into()));
        assert!(!fold.whole && of(true).whole);
        assert!(!fold.all && !of(true).all);
    }

    #[test]
    fn a_table_without_a_schema_begins_only_where_no_file_was() {
        let table = TableSchema::new(TableSettings::default());
        let of = |new: bool, file: bool, removed: &[&str], unfinished: bool| {
            let file = file.then(|| FileInfo::new(&Version::from_text("1"), 1, 1));
            let done = Done { partition: "a".into(), new, file, ..Done::default() };
            let removed = removed.iter().map(|&partition| partition.to_owned()).collect();
            let owed = owed(None, &table, [done].iter(), removed, unfinished, "R");
            (owed.all, owed.whole)
        };
        let (begins, compared) = ((true, false), (false, true));
        assert_eq!((of(true, true, &[], false), of(true, false, &[], false)), (begins, begins));
        assert_eq!(of(false, true, &[], false), compared, "a file was replaced");
        assert_eq!(of(false, false, &[], false), compared, "a file was emptied");
        assert_eq!(of(true, true, &["b"], false), compared, "a file was removed");
        assert_eq!(of(true, true, &[], true), compared, "a run died");
    }
}
