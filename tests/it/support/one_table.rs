//! The real binary and a lake, on disk or in S3, of one collection: lakes that can be filled with a copy of another, so
//! that many runs begin at the same place.

use super::lake_rows::{Row, read_table};
use super::lakefold::{Ended, Environment, Workplace};
use super::s3::S3;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Makes of a small collection what only large ones are: cut into ranges, spilled to disk, staged in the lake.
pub const SMALL: [(&str, &str); 3] =
    [("LAKEFOLD_RANGES_FROM", "10"), ("LAKEFOLD_STATE_EVERY_BYTES", "2000"), ("LAKEFOLD_SPILL_BYTES", "2000")];

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// A lake and the binary set up for it.
pub struct OneTable<'a> {
    place: Workplace,
    store: Option<(&'a S3, String)>,
    database: String,
}

/// What a reader sees of a table, and the columns its schema state has.
#[derive(Debug, PartialEq)]
pub struct Seen {
    /// Partition and columns of each row.
    pub rows: BTreeSet<String>,
    /// Type of each leaf.
    pub types: BTreeMap<String, String>,
    /// `columns` and `misfits` of the schema state.
    pub schema: (Value, Value),
}

impl<'a> OneTable<'a> {
    /// A lake of `database.c` read from `uri`; `row` is what follows the collection in the manifest.
    pub fn of(uri: &str, database: &str, row: &str, store: Option<(&'a S3, &str)>) -> Self {
        let manifest = format!("database,collection,timestamp_column,partition_by\n{database},c,{row}\n");
        let place = Workplace::with(&Environment::of(uri), &manifest);
        fs::create_dir(place.path().join("tmp")).expect("make a folder");
        if let Some((server, prefix)) = store {
            let path = place.path().join("env/test.toml");
            let text = fs::read_to_string(&path).expect("the environment");
            place.write("env/test.toml", text.replace("file:lake", &server.url(prefix)));
        }
        Self { place, store: store.map(|(server, prefix)| (server, prefix.to_owned())), database: database.to_owned() }
    }

    /// Adds a line to `[run]`.
    pub fn setting(&self, line: &str) {
        let text = fs::read_to_string(self.place.path().join("env/test.toml")).expect("the environment");
        self.place.write("env/test.toml", format!("{text}{line}\n"));
    }

    /// `lakefold run --env test --json` with more flags, ready for more settings.
    pub fn command(&self, flags: &[&str]) -> Command {
        self.any(&[&["run", "--env", "test", "--json"], flags].concat())
    }

    /// The program with any arguments.
    pub fn any(&self, arguments: &[&str]) -> Command {
        let mut command = self.place.command(arguments);
        command.env("TMPDIR", self.place.path().join("tmp"));
        if let Some((server, _)) = &self.store {
            command.envs(server.variables());
        }
        command
    }

    /// Starts a run with more environment variables.
    pub fn start(&self, flags: &[&str], variables: &[(&str, &str)]) -> Child {
        let mut command = self.command(flags);
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("start lakefold")
    }

    /// A run that stops itself at a point (SIGSTOP); comes back when it has stopped.
    pub async fn paused(&self, flags: &[&str], point: &str, variables: &[(&str, &str)]) -> Child {
        let mut child = self.start(flags, &[variables, &[("LAKEFOLD_STOP_AT", point)]].concat());
        let started = Instant::now();
        while !is_stopped(child.id()) {
            if let Some(status) = child.try_wait().expect("look at the run") {
                let ended = Ended::of(child.wait_with_output().expect("wait"));
                panic!("{point}: the run ended with {status} and never stopped\n{ended}");
            }
            assert!(started.elapsed() < SOON, "{point} is not reached");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        child
    }

    /// As [`OneTable::start`], to its end.
    pub fn attempt(&self, flags: &[&str], variables: &[(&str, &str)]) -> Ended {
        Ended::of(self.start(flags, variables).wait_with_output().expect("wait"))
    }

    /// Runs to a good end; the record of the one collection.
    pub fn run(&self, flags: &[&str], variables: &[(&str, &str)]) -> Value {
        let ended = self.attempt(flags, variables);
        assert_eq!(ended.code, 0, "{flags:?}\n{ended}");
        let record: Value = serde_json::from_str(&ended.stdout).expect("a record");
        record["collections"][0].clone()
    }

    /// Fills the lake with a copy of another one.
    pub async fn becomes(&self, lake: &Path) {
        match &self.store {
            Some((server, prefix)) => server.upload(lake, prefix).await,
            None => link(lake, &self.place.lake()),
        }
    }

    /// The lake's objects in a folder, with what keeps that folder.
    pub async fn objects(&self) -> (PathBuf, Option<TempDir>) {
        match &self.store {
            None => (self.place.lake(), None),
            Some((server, prefix)) => {
                let folder = tempfile::Builder::new().prefix("lakefold-test-").tempdir().expect("a temporary folder");
                server.download(prefix, folder.path()).await;
                (folder.path().to_owned(), Some(folder))
            }
        }
    }

    /// What a reader sees; insists on what holds at rest (P1, P2, P7).
    pub async fn seen(&self) -> Seen {
        let (lake, _kept) = self.objects().await;
        let table = read_table(&lake, &format!("{}/c", self.database));
        let ids: BTreeSet<String> = table.rows.iter().map(|row| row.columns["_id"].to_string()).collect();
        let which = self.store.as_ref().map_or("on disk", |(_, prefix)| prefix.as_str());
        assert_eq!(ids.len(), table.rows.len(), "{which}: an _id stands twice (P1): {:#?}", table.rows);
        let text = |row: &Row| format!("{} {}", row.partition, Value::Object(row.columns.clone()));
        let schema = fs::read(self.state_in(&lake, "schemas", "json")).expect("the schema state");
        let schema: Value = serde_json::from_slice(&schema).expect("JSON");
        Seen {
            rows: table.rows.iter().map(text).collect(),
            types: table.types,
            schema: (schema["columns"].clone(), schema["misfits"].clone()),
        }
    }

    /// Lines of the watermark file, columns by name.
    pub async fn watermarks(&self) -> Vec<BTreeMap<String, String>> {
        let (lake, _kept) = self.objects().await;
        let path = self.state_in(&lake, "watermarks", "csv");
        if !path.exists() {
            return Vec::new();
        }
        let mut reader = csv::Reader::from_path(path).expect("the watermark file");
        reader.deserialize().map(|line| line.expect("a line")).collect()
    }

    /// A state object of the collection in a copy of the lake.
    pub fn state_in(&self, lake: &Path, kind: &str, extension: &str) -> PathBuf {
        lake.join(format!("_lakefold/{kind}/{}/c.{extension}", self.database))
    }

    /// What dead runs have left: below the folders of state that are empty at rest, and in the folder of temporary
    /// files. A dead owner's lease is none: it gives way by itself, and an idle run takes none.
    pub async fn litter(&self) -> Vec<String> {
        let (lake, _kept) = self.objects().await;
        let mut found = Vec::new();
        for folder in ["journal", "staged", "tmp"] {
            collect(&lake.join("_lakefold").join(folder), &mut found);
        }
        let scratch = fs::read_dir(self.place.path().join("tmp")).expect("list");
        found.extend(scratch.map(|entry| entry.expect("an entry").path().display().to_string()));
        found
    }

    /// Where the working directory is.
    pub fn path(&self) -> &Path {
        self.place.path()
    }
}

/// By `/proc`: state `T`.
pub fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// Sends a signal to a run: `-TERM`.
pub fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().expect("start kill").success());
}

/// Files below a folder.
fn collect(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => collect(&path, found),
            false => found.push(path.display().to_string()),
        }
    }
}

/// A copy by hard links, since versions of files on disk are those of their inodes; lakefold never writes into a file
/// that is there, but for the locks, which come into being again.
fn link(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("make a folder");
    for entry in fs::read_dir(from).expect("list a folder") {
        let entry = entry.expect("an entry");
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true if entry.file_name() == "leases" => {}
            true => link(&path, &target),
            false if entry.file_name() == "write.lock" => {}
            false => fs::hard_link(&path, &target).expect("link a file"),
        }
    }
}
