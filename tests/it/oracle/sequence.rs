//! One history: documents are written, changed, moved and deleted, runs of all modes fold them, and the lake is
//! compared with the model after each.

use super::documents::{Author, Known, Layout};
use super::expected::Clock;
use super::model::{Counts, Documents, Reads, Table};
use crate::support::lake_rows::read_table;
use crate::support::mongod::{Mongod, fresh_database};
use chrono::{DateTime, Utc};
use lakefold::manifest::{self, Context};
use lakefold::model::collection::{CollectionSpec, Namespace};
use lakefold::model::progress::Silent;
use lakefold::model::record::{CollectionRecord, Outcome};
use lakefold::model::secret::Secret;
use lakefold::model::settings::{LakeSettings, RunSettings, Settings, SourceSettings, Timestamps};
use lakefold::run::options::RunOptions;
use mongodb::bson::{Bson, Document, doc};
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// What happened so far, for the message of a failure.
pub type Log = Arc<Mutex<Vec<String>>>;

/// One history from its seed; panics where lake and model differ.
pub async fn run(seed: u64, client: mongodb::Client, log: Log) {
    let mut history = History::new(seed, client, log);
    for (at, wild) in [(0, 0), (1, 0)] {
        history.write(at, 6, wild).await;
    }
    history.fold(Plan::Incremental, None).await;
    let rounds = history.rng.random_range(3..=6);
    for round in 0..rounds {
        for at in 0..history.collections.len() {
            let documents = history.rng.random_range(0..6);
            // Unusual kinds come later: tables that exist have to be retyped.
            history.write(at, documents, 15 * round).await;
        }
        let only = history.rng.random_ratio(1, 4).then(|| history.rng.random_range(0..2));
        let plan = history.plan();
        history.fold(plan, only).await;
    }
    history.fold(Plan::Full, None).await;
    history.fold(Plan::Incremental, None).await;
    history.client.database(&history.database).drop().await.expect("drop the database");
}

/// How a run is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    Incremental,
    Full,
    /// So many milliseconds before the watermark; negative: a gap behind it.
    Since(i64),
    DryRun,
}

struct Collection {
    namespace: Namespace,
    layout: Layout,
    mixed_ids: bool,
    /// What the source holds now.
    source: Documents,
    /// What the lake must hold.
    table: Table,
    written: i64,
}

struct History {
    rng: ChaCha8Rng,
    client: mongodb::Client,
    log: Log,
    database: String,
    lake: TempDir,
    settings: Settings,
    clock: Clock,
    collections: Vec<Collection>,
}

impl History {
    fn new(seed: u64, client: mongodb::Client, log: Log) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let lake = tempfile::Builder::new().prefix("lakefold-oracle-").tempdir().expect("a temporary folder");
        let zone = [chrono_tz::Asia::Kolkata, chrono_tz::UTC, chrono_tz::America::New_York][rng.random_range(0..3)];
        let clock = Clock { zone, local: rng.random() };
        let overlap = [Duration::ZERO, Duration::from_secs(600)][rng.random_range(0..2)];
        let layouts = [Layout::Whole, Layout::ByDay, Layout::ByMonthAndWard];
        let database = fresh_database("oracle");
        let collections: Vec<Collection> = ["Bills", "visits"]
            .into_iter()
            .map(|name| {
                let layout = layouts[rng.random_range(0..3)];
                Collection {
                    namespace: Namespace { database: database.clone(), collection: name.to_owned() },
                    layout,
                    mixed_ids: rng.random(),
                    source: Documents::new(),
                    table: Table::new(layout, clock),
                    written: 0,
                }
            })
            .collect();
        let history =
            Self { rng, client, log, database, settings: settings(&lake, clock, overlap), lake, clock, collections };
        let layouts: Vec<Layout> = history.collections.iter().map(|collection| collection.layout).collect();
        history.note(format!("{zone}, local {}, overlap {overlap:?}, {layouts:?}", clock.local));
        history
    }

    fn note(&self, text: String) {
        self.log.lock().expect("nobody panics while noting").push(text);
    }

    /// Inserts, replaces and deletes `documents` of a collection.
    async fn write(&mut self, at: usize, documents: u32, wild: u32) {
        let Self { rng, client, clock, collections, .. } = self;
        let collection = &mut collections[at];
        let target =
            client.database(&collection.namespace.database).collection::<Document>(&collection.namespace.collection);
        let mut notes = Vec::new();
        for _ in 0..documents {
            let known_ids = collection.source.values().map(|known| known.document.get("_id").cloned());
            let old = known_ids.flatten().choose(rng).filter(|_| rng.random_ratio(1, 2));
            if let Some(id) = old.clone().filter(|_| collection.source.len() > 4 && rng.random_ratio(1, 6)) {
                target.delete_one(doc! { "_id": id.clone() }).await.expect("delete");
                collection.source.remove(&id.to_string());
                notes.push(format!("deleted {id}"));
                continue;
            }
            let mut author =
                Author { rng, clock: *clock, layout: collection.layout, wild, now_ms: Utc::now().timestamp_millis() };
            collection.written += 1;
            let id: Bson = old.unwrap_or_else(|| author.id(collection.written, collection.mixed_ids));
            let known: Known = author.write(id.clone());
            target
                .replace_one(doc! { "_id": id.clone() }, known.document.clone())
                .upsert(true)
                .await
                .expect("write a document");
            notes.push(format!("{} modified {:?} in {:?}", known.document, known.modified_ms, known.partition));
            collection.source.insert(id.to_string(), known);
        }
        let what = format!("{}:", self.collections[at].namespace.collection);
        notes.into_iter().for_each(|note| self.note(format!("{what} {note}")));
    }

    fn plan(&mut self) -> Plan {
        match self.rng.random_range(0..20) {
            0..=9 => Plan::Incremental,
            10..=13 => Plan::Full,
            14..=18 => Plan::Since(self.rng.random_range(-5..30) * 60_000),
            _ => Plan::DryRun,
        }
    }

    /// Runs lakefold and holds what it says and what it left against the model.
    async fn fold(&mut self, plan: Plan, only: Option<usize>) {
        let chosen: Vec<usize> = only.map_or_else(|| (0..self.collections.len()).collect(), |at| vec![at]);
        let watermarks: Vec<Option<i64>> = self.collections.iter().map(|c| watermark(self.lake.path(), c)).collect();
        let since = match plan {
            Plan::Since(before) => watermarks[chosen[0]].map(|watermark| watermark - before),
            _ => None,
        };
        self.note(format!("run {plan:?} since {since:?} of {only:?}, watermarks {watermarks:?}"));
        let options = RunOptions {
            only: only.map(|at| self.collections[at].namespace.clone()).into_iter().collect(),
            full: plan == Plan::Full,
            forget_schema: false,
            allow_shrink: plan == Plan::Full,
            since,
            dry_run: plan == Plan::DryRun,
            strict: true,
            wait: false,
            interrupt: tokio::sync::watch::channel(None).1,
        };
        let record = lakefold::run::run(&self.settings, self.specs(), options, Arc::new(Silent)).await.expect("a run");
        assert_eq!(record.exit_code, 0, "{record:#?}");
        assert_eq!(record.collections.len(), chosen.len(), "{record:#?}");

        for (&at, record) in chosen.iter().zip(&record.collections) {
            let collection = &mut self.collections[at];
            let reads = match (plan, since, watermarks[at]) {
                (Plan::Full, _, _) | (_, None, None) => Reads::Everything,
                (_, Some(since), _) => Reads::Since(since),
                (_, None, Some(watermark)) => {
                    Reads::Since(watermark - i64::try_from(self.settings.source.overlap.as_millis()).expect("minutes"))
                }
            };
            let mut table = collection.table.clone();
            let counts = table.fold(&collection.source, reads);
            if plan != Plan::DryRun {
                collection.table = table;
            }
            check_rows(self.lake.path(), collection);
            check_record(record, counts);
            check_watermark(self.lake.path(), collection, plan, since, watermarks[at]);
        }
        for collection in &self.collections {
            check_rows(self.lake.path(), collection);
        }
    }

    fn specs(&self) -> Vec<CollectionSpec> {
        let mut text = "database,collection,timestamp_column,partition_by\n".to_owned();
        for Collection { namespace, layout, .. } in &self.collections {
            let Namespace { database, collection } = namespace;
            text += &format!("{database},{collection},updated_at,{}\n", layout.partition_by());
        }
        let context = Context { file: "collections.csv", environment: "oracle", hash_key: false, pins: None };
        manifest::load(&text, &context).unwrap_or_else(|problems| panic!("{problems:?}"))
    }
}

fn settings(lake: &TempDir, clock: Clock, overlap: Duration) -> Settings {
    let uri = Secret::new(Mongod::shared().uri().to_owned());
    let settings = Settings::new("oracle", uri, &format!("file:{}", lake.path().display()));
    Settings {
        timezone: clock.zone,
        timestamps: if clock.local { Timestamps::Local } else { Timestamps::Utc },
        source: SourceSettings { read_preference: "primary".to_owned(), overlap, ..settings.source },
        lake: LakeSettings { zstd_level: 1, ..settings.lake },
        run: RunSettings { memory: 256 << 20, collections: 2, ..settings.run },
        ..settings
    }
}

/// P6, and each number by itself.
fn check_record(record: &CollectionRecord, expected: Counts) {
    let rows = record.rows;
    let told = Counts {
        read: rows.read,
        inserted: rows.inserted,
        updated: rows.updated,
        unchanged: rows.unchanged,
        moved: rows.moved,
        deleted: rows.deleted,
    };
    assert_eq!(told, expected, "the counts of the record (left) and of the model (right) differ: {record:#?}");
    assert_eq!((rows.superseded, rows.quarantined), (0, 0), "{record:#?}");
    let changed = expected.inserted + expected.updated + expected.deleted > 0 || !record.schema_changes.is_empty();
    assert!(changed || record.files.written == 0, "nothing changed, and a file was written: {record:#?}");
    let expected_outcome = if expected.read == 0 && expected.deleted == 0 { Outcome::Idle } else { Outcome::Ok };
    assert_eq!(record.outcome, expected_outcome, "{record:#?}");
}

/// P3 in small: the watermark moves forward, and only where no gap would be left.
fn check_watermark(lake: &Path, collection: &Collection, plan: Plan, since: Option<i64>, before: Option<i64>) {
    let after = watermark(lake, collection);
    let gap = since.is_some_and(|since| before.is_none_or(|before| since > before));
    if plan == Plan::DryRun || gap {
        assert_eq!(after, before, "the watermark moved");
    } else {
        assert!(after.is_some() && after >= before, "the watermark went from {before:?} to {after:?}");
        assert!(after <= Some(Utc::now().timestamp_millis()), "the watermark is in the future");
    }
    let journal = lake.join("_lakefold/journal").join(collection.namespace.folder()).with_extension("json");
    assert!(!journal.exists(), "the journal of a finished run is still there");
}

/// Every row and every value.
fn check_rows(lake: &Path, collection: &Collection) {
    let table = read_table(lake, &collection.namespace.folder());
    let stored = table.rows.len();
    let found: BTreeMap<(String, String), Map<String, Value>> = table
        .rows
        .into_iter()
        .map(|row| {
            let mut columns = row.columns;
            if let Some(Value::String(text)) = columns.get("_misfits") {
                let misfits = serde_json::from_str(text).expect("_misfits is JSON");
                columns.insert("_misfits".to_owned(), misfits);
            }
            ((row.partition, columns["_id"].to_string()), columns)
        })
        .collect();
    let expected = collection.table.rows();
    let places = (Vec::from_iter(found.keys()), Vec::from_iter(expected.keys()));
    assert_eq!(places.0, places.1, "{}: the lake (left) has other rows than the model (right)", collection.namespace);
    for (place, row) in &expected {
        assert_eq!(
            &found[place], row,
            "{} {place:?}: the lake (left) and the model (right) differ",
            collection.namespace
        );
    }
    assert_eq!(stored, collection.table.len(), "{} holds an _id twice (P1)", collection.namespace);
}

/// The watermark as the lake's own file has it, milliseconds.
fn watermark(lake: &Path, collection: &Collection) -> Option<i64> {
    let path = lake.join("_lakefold/watermarks").join(collection.namespace.folder()).with_extension("csv");
    let mut reader = csv::Reader::from_path(path).ok()?;
    let lines: Vec<BTreeMap<String, String>> = reader.deserialize().map(|line| line.expect("a line of CSV")).collect();
    let text = &lines.iter().rfind(|line| line["outcome"] == "ok")?["watermark"];
    Some(DateTime::parse_from_rfc3339(text).expect("a time").timestamp_millis())
}
