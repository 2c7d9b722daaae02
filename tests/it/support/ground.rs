//! A lake on disk or in S3 that the real binary folds into, and the two collections it folds.

use super::lake_rows::read_table;
use super::lakefold::{Ended, Environment, Workplace};
use super::mongod::{Mongod, fresh_database};
use super::s3::S3;
use chrono::{DateTime, Utc};
use mongodb::bson::{self, Bson, Document, doc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The two collections of a [`Clinic`].
pub const COLLECTIONS: [&str; 2] = ["bills", "visits"];

/// Places documents are at.
const SITES: i32 = 6;

/// A database on the shared server whose documents are changed at random.
pub struct Clinic {
    client: mongodb::Client,
    /// Its name.
    pub database: String,
    next_id: i32,
}

impl Clinic {
    /// Both collections with `documents` each.
    pub async fn with(documents: i32) -> Self {
        let client = Mongod::shared().client().await;
        let mut clinic = Self { client, database: fresh_database("clinic"), next_id: 0 };
        clinic.insert(documents).await;
        clinic
    }

    /// The rows of the manifest.
    pub fn manifest(&self) -> String {
        let rows = [("bills", "site=site"), ("visits", "date=day(at)/site=site")];
        let row = |(name, partition): &(&str, &str)| format!("{},{name},updated_at,{partition}\n", self.database);
        "database,collection,timestamp_column,partition_by\n".to_owned() + &rows.iter().map(row).collect::<String>()
    }

    /// One of the collections.
    pub fn collection(&self, name: &str) -> mongodb::Collection<Document> {
        self.client.database(&self.database).collection(name)
    }

    /// Adds documents to both.
    pub async fn insert(&mut self, documents: i32) {
        let ids = self.next_id..self.next_id + documents;
        self.next_id = ids.end;
        for name in COLLECTIONS {
            let made = ids.clone().map(|id| doc! {
                "_id": id, "site": site(id), "n": id, "at": bson::DateTime::from_millis(1_714_550_400_000), "updated_at": now(),
            });
            self.collection(name).insert_many(made).await.expect("insert");
        }
    }

    /// Sets `fields` in the document `id` of both.
    pub async fn set(&self, id: impl Into<Bson>, fields: Document) {
        let id = id.into();
        for name in COLLECTIONS {
            let mut fields = fields.clone();
            fields.insert("updated_at", now());
            let update = doc! { "$set": fields };
            self.collection(name).update_one(doc! { "_id": id.clone() }, update).upsert(true).await.expect("update");
        }
    }

    /// Inserts some, updates some and moves some.
    pub async fn change(&mut self, rng: &mut ChaCha8Rng) {
        self.insert(5).await;
        for _ in 0..10 {
            let (id, to) = (rng.random_range(0..self.next_id), rng.random_range(0..SITES));
            let fields = if rng.random() {
                doc! { "n": rng.random_range(0..1000) }
            } else {
                doc! { "site": site(to) }
            };
            self.set(id, fields).await;
        }
    }

    /// Deletes the documents in a range of ids from both.
    pub async fn delete(&self, ids: std::ops::Range<i32>) {
        for name in COLLECTIONS {
            let filter = doc! { "_id": { "$gte": ids.start, "$lt": ids.end } };
            self.collection(name).delete_many(filter).await.expect("delete");
        }
    }

    /// Drops the database.
    pub async fn drop(self) {
        self.client.database(&self.database).drop().await.expect("drop the database");
    }
}

fn site(id: i32) -> String {
    format!("S{}", id.rem_euclid(SITES))
}

fn now() -> bson::DateTime {
    bson::DateTime::from_millis(Utc::now().timestamp_millis())
}

/// A lake, and the binary set up for it.
pub struct Ground<'a> {
    place: Workplace,
    store: Option<(&'a S3, String)>,
    database: String,
}

impl<'a> Ground<'a> {
    /// A lake on disk.
    pub fn disk(clinic: &Clinic) -> Self {
        let place = Workplace::with(&Environment::of(Mongod::shared().uri()), &clinic.manifest());
        Self { place, store: None, database: clinic.database.clone() }
    }

    /// A lake below `prefix` in the server's bucket.
    pub fn s3(clinic: &Clinic, server: &'a S3, prefix: &str) -> Self {
        let ground = Self { store: Some((server, prefix.to_owned())), ..Self::disk(clinic) };
        ground.lake_url(&server.url(prefix));
        ground
    }

    /// Points the environment at another lake.
    pub fn lake_url(&self, url: &str) {
        let path = self.place.path().join("env/test.toml");
        let text = fs::read_to_string(&path).expect("the environment");
        let lines = text.lines().map(|line| match line.starts_with("url = ") {
            true => format!("url = \"{url}\"\n"),
            false => format!("{line}\n"),
        });
        self.place.write("env/test.toml", lines.collect::<String>());
    }

    /// `lakefold run --env test --json` with more flags, ready for more settings.
    pub fn command(&self, flags: &[&str]) -> Command {
        let mut command = self.place.command(&[&["run", "--env", "test", "--json"], flags].concat());
        if let Some((server, _)) = &self.store {
            command.envs(server.variables());
        }
        command
    }

    /// Starts it.
    pub fn start(&self, flags: &[&str]) -> Child {
        self.command(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start lakefold")
    }

    /// Runs it to its end, which must be good; gives the record.
    pub fn run(&self, flags: &[&str]) -> Value {
        let ended = Ended::of(self.command(flags).output().expect("start lakefold"));
        assert_eq!(ended.code, 0, "{flags:?}\n{ended}");
        serde_json::from_str(&ended.stdout).expect("a record")
    }

    /// The lake's objects in a folder, as a reader finds them.
    pub async fn objects(&self) -> TempDir {
        let folder = tempfile::Builder::new().prefix("lakefold-test-").tempdir().expect("a temporary folder");
        match &self.store {
            Some((server, prefix)) => server.download(prefix, folder.path()).await,
            None => copy(&self.place.lake(), folder.path()),
        }
        folder
    }

    /// What a reader sees of each collection, and its watermark: rows by text, types by path.
    pub async fn seen(&self) -> Vec<Seen> {
        let objects = self.objects().await;
        COLLECTIONS.iter().map(|name| see(objects.path(), &self.database, name)).collect()
    }

    /// Runs once more and insists that there was nothing to do.
    pub fn rests(&self) {
        let record = self.run(&[]);
        for collection in record["collections"].as_array().expect("collections") {
            let files = &collection["files"];
            assert!(files["written"] == 0 && files["deleted"] == 0, "a further run writes: {collection:#}");
        }
    }
}

/// A table as a reader finds it.
#[derive(Debug, PartialEq)]
pub struct Seen {
    /// Partition and columns of each row.
    pub rows: BTreeSet<String>,
    /// Type of each leaf.
    pub types: BTreeMap<String, String>,
    /// How far it has been read, milliseconds; not what a reader sees of the table.
    pub watermark: Watermark,
}

/// A watermark, equal to every other: runs that end at different times have different ones.
#[derive(Debug, Clone, Copy)]
pub struct Watermark(pub i64);

impl PartialEq for Watermark {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

fn see(lake: &std::path::Path, database: &str, name: &str) -> Seen {
    let table = read_table(lake, &format!("{database}/{name}"));
    let ids: BTreeSet<String> = table.rows.iter().map(|row| row.columns["_id"].to_string()).collect();
    assert_eq!(ids.len(), table.rows.len(), "{name} holds an _id twice (P1)");
    let text = |row: &super::lake_rows::Row| format!("{} {}", row.partition, Value::Object(row.columns.clone()));
    let rows = table.rows.iter().map(text).collect();
    let path = lake.join(format!("_lakefold/watermarks/{database}/{name}.csv"));
    let mut reader = csv::Reader::from_path(path).expect("the watermark file");
    let lines: Vec<BTreeMap<String, String>> = reader.deserialize().map(|line| line.expect("a line")).collect();
    let last = lines.iter().rfind(|line| line["outcome"] == "ok").expect("a run that ended well");
    let watermark = DateTime::parse_from_rfc3339(&last["watermark"]).expect("a time").timestamp_millis();
    Seen { rows, types: table.types, watermark: Watermark(watermark) }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).expect("make a folder");
    for entry in fs::read_dir(from).expect("list a folder") {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).expect("an entry");
        match path.is_dir() {
            true => copy(&path, &to.join(name)),
            false => drop(fs::copy(&path, to.join(name)).expect("copy a file")),
        }
    }
}
