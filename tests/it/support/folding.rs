//! Runs of lakefold inside the test's own process, which can be stopped at an exact step, and sources for them.

use super::lake_rows::{Row, read_table};
use super::mongod::{Mongod, fresh_database};
use chrono::Utc;
use futures::TryStreamExt;
use lakefold::manifest::{self, Context};
use lakefold::model::collection::Namespace;
use lakefold::model::progress::Progress;
use lakefold::model::record::{CollectionRecord, Outcome};
use lakefold::model::secret::Secret;
use lakefold::model::settings::{LakeSettings, RunSettings, Settings, SourceSettings};
use lakefold::model::signal::Signal;
use lakefold::run::options::RunOptions;
use mongodb::bson::{Bson, DateTime, Document, doc};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;

/// A collection `c` in a database of its own on the shared server, whose documents have `updated_at`.
pub struct Origin {
    client: mongodb::Client,
    /// Name of the database.
    pub database: String,
}

impl Origin {
    /// An empty collection, which exists.
    pub async fn new() -> Self {
        let origin = Self { client: Mongod::shared().client().await, database: fresh_database("fold") };
        origin.client.database(&origin.database).create_collection("c").await.expect("create the collection");
        origin
    }

    /// The collection.
    pub fn documents(&self) -> mongodb::Collection<Document> {
        self.client.database(&self.database).collection("c")
    }

    /// Makes the collection hold exactly `documents`; those that differ from what is there are modified now.
    pub async fn becomes(&self, documents: &[Document]) {
        let collection = self.documents();
        let mut there: BTreeMap<String, Document> = BTreeMap::new();
        let found: Vec<Document> = collection.find(doc! {}).await.expect("find").try_collect().await.expect("read");
        for mut document in found {
            document.remove("updated_at");
            there.insert(document.get("_id").expect("an _id").to_string(), document);
        }
        for document in documents {
            let id = document.get("_id").expect("an _id");
            if there.remove(&id.to_string()).as_ref() != Some(document) {
                let mut document = document.clone();
                document.insert("updated_at", DateTime::from_millis(Utc::now().timestamp_millis()));
                let filter = doc! { "_id": id.clone() };
                collection.replace_one(filter, document).upsert(true).await.expect("write a document");
            }
        }
        let gone: Vec<Bson> = there.into_values().filter_map(|document| document.get("_id").cloned()).collect();
        collection.delete_many(doc! { "_id": { "$in": gone } }).await.expect("delete");
    }

    /// Drops the database.
    pub async fn drop(self) {
        self.client.database(&self.database).drop().await.expect("drop the database");
    }
}

/// A lake on disk and the one collection folded into it.
pub struct Folding {
    folder: TempDir,
    database: String,
    source: String,
    /// The manifest's row behind the collection: `updated_at,site=site`.
    pub row: &'static str,
}

/// Flags of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flags {
    /// `--full`
    pub full: bool,
    /// `--forget-schema`
    pub forget_schema: bool,
    /// `--allow-shrink`
    pub allow_shrink: bool,
    /// `--dry-run`
    pub dry_run: bool,
}

/// Rows by text, and types by path: all a reader can see of a table.
pub type Seen = (Vec<String>, BTreeMap<String, String>);

impl Folding {
    /// An empty lake for an origin.
    pub fn of(origin: &Origin, row: &'static str) -> Self {
        Self::from(Mongod::shared().uri(), &origin.database, row)
    }

    /// An empty lake for the collection `c` of any source.
    pub fn from(source: &str, database: &str, row: &'static str) -> Self {
        let folder = tempfile::Builder::new().prefix("lakefold-test-").tempdir().expect("a temporary folder");
        Self { folder, database: database.to_owned(), source: source.to_owned(), row }
    }

    /// The lake's folder.
    pub fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// Runs to the end; the collection must land.
    pub async fn run(&self, flags: Flags) -> CollectionRecord {
        let record = self.attempt(flags, None).await;
        assert!(matches!(record.outcome, Outcome::Ok | Outcome::Idle), "{flags:?}: {record:#?}");
        record
    }

    /// Runs, and is told to stop after `landed` partitions have landed (0: when all is ready to be landed).
    pub async fn attempt(&self, flags: Flags, landed: Option<u64>) -> CollectionRecord {
        let (sender, interrupt) = watch::channel(None);
        self.told(flags, interrupt, Arc::new(Stop { landed, sender })).await
    }

    /// Runs to the end, good or bad, while `progress` is told how far it is.
    pub async fn watched(&self, flags: Flags, progress: Arc<dyn Progress>) -> CollectionRecord {
        let (_sender, interrupt) = watch::channel(None);
        self.told(flags, interrupt, progress).await
    }

    async fn told(
        &self,
        flags: Flags,
        interrupt: watch::Receiver<Option<Signal>>,
        progress: Arc<dyn Progress>,
    ) -> CollectionRecord {
        let Flags { full, forget_schema, allow_shrink, dry_run } = flags;
        let (since, strict, wait, only) = (None, false, false, Vec::new());
        let options = RunOptions { only, full, forget_schema, allow_shrink, since, dry_run, strict, wait, interrupt };
        let text = format!("database,collection,timestamp_column,partition_by\n{},c,{}\n", self.database, self.row);
        let context = Context { file: "collections.csv", environment: "test", hash_key: false, pins: None };
        let specs = manifest::load(&text, &context).unwrap_or_else(|problems| panic!("{problems:?}"));
        let mut record = lakefold::run::run(&self.settings(), specs, options, progress).await.expect("a run");
        record.collections.remove(0)
    }

    /// What a reader sees; insists on what holds at rest (P1, P2, P7).
    pub fn seen(&self) -> Seen {
        see(&self.lake(), &self.database)
    }

    /// Files of the lake by path, with their bytes; run records left out.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.lake(), &mut files);
        files.retain(|path, _| !path.starts_with(self.lake().join("_lakefold/runs")));
        files
    }

    /// A state object: `watermarks` and `csv`, `schemas` and `json`, `journal` and `json`.
    pub fn state(&self, kind: &str, extension: &str) -> PathBuf {
        let namespace = Namespace { database: self.database.clone(), collection: "c".to_owned() };
        self.lake().join("_lakefold").join(kind).join(namespace.folder()).with_extension(extension)
    }

    fn settings(&self) -> Settings {
        let lake = format!("file:{}", self.lake().display());
        let settings = Settings::new("test", Secret::new(self.source.clone()), &lake);
        let read_preference = "primary".to_owned();
        Settings {
            source: SourceSettings { read_preference, overlap: Duration::ZERO, ..settings.source },
            lake: LakeSettings { zstd_level: 1, ..settings.lake },
            // One partition after the other.
            run: RunSettings { memory: 128 << 20, collections: 1, ..settings.run },
            ..settings
        }
    }
}

/// What a reader sees of `database.c` in a lake.
pub fn see(lake: &Path, database: &str) -> Seen {
    let table = read_table(lake, &Namespace { database: database.to_owned(), collection: "c".to_owned() }.folder());
    let ids: std::collections::BTreeSet<String> = table.rows.iter().map(|row| row.columns["_id"].to_string()).collect();
    assert_eq!(ids.len(), table.rows.len(), "an _id stands twice (P1): {:#?}", table.rows);
    let text = |row: &Row| format!("{} {}", row.partition, serde_json::Value::Object(row.columns.clone()));
    let mut rows: Vec<String> = table.rows.iter().map(text).collect();
    rows.sort();
    (rows, table.types)
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let bytes = std::fs::read(&path).expect("read a file");
            files.insert(path, bytes);
        }
    }
}

/// Does something once, when so many batches have been read.
pub struct Midway<F> {
    after: u64,
    batches: AtomicU64,
    act: F,
}

impl<F: Fn() + Send + Sync> Midway<F> {
    /// Calls `act` after the batch `after`, counted from 1.
    pub fn after(after: u64, act: F) -> Self {
        Self { after, batches: AtomicU64::new(0), act }
    }
}

impl<F: Fn() + Send + Sync> Progress for Midway<F> {
    fn start(&self, _: &Namespace, _: Option<u64>, _: Option<u64>) {}
    fn read(&self, _: &Namespace, _: u64, _: u64) {
        if self.batches.fetch_add(1, Ordering::Relaxed) + 1 == self.after {
            (self.act)();
        }
    }
    fn phase(&self, _: &Namespace, _: &'static str) {}
    fn merged(&self, _: &Namespace, _: u64, _: u64) {}
    fn finish(&self, _: &Namespace, _: &str) {}
}

/// Sends the signal at a step of the run.
struct Stop {
    landed: Option<u64>,
    sender: watch::Sender<Option<Signal>>,
}

impl Stop {
    fn at(&self, landed: u64) {
        if self.landed == Some(landed) {
            self.sender.send_replace(Some(Signal::Terminate));
        }
    }
}

impl Progress for Stop {
    fn start(&self, _: &Namespace, _: Option<u64>, _: Option<u64>) {}
    fn read(&self, _: &Namespace, _: u64, _: u64) {}
    fn phase(&self, _: &Namespace, phase: &'static str) {
        if phase == "publishing" {
            self.at(0);
        }
    }
    fn merged(&self, _: &Namespace, done: u64, _: u64) {
        self.at(done);
    }
    fn finish(&self, _: &Namespace, _: &str) {}
}
