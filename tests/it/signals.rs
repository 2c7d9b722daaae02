//! SIGINT and SIGTERM end a run soon and cleanly, wherever it is.

use crate::support::folding::Origin;
use crate::support::ground::{Clinic, Ground};
use crate::support::lakefold::{Ended, Environment, Workplace};
use crate::support::mongod::Mongod;
use crate::support::one_table::{OneTable, SMALL, signal};
use crate::support::s3::S3;
use crate::support::slow::Slow;
use mongodb::bson::{Document, doc};
use rand::Rng;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A run that was told to end has ended by then.
const SOON: Duration = Duration::from_secs(10);

/// How long the source hangs. The server waits for that long before it forgets the fail point.
const HANG_MS: i32 = 11_000;

/// Sends `signal` and waits for the end.
fn end(child: Child, signal: &str) -> Ended {
    let told = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("start kill");
    let started = Instant::now();
    let ended = Ended::of(child.wait_with_output().expect("wait"));
    assert!(started.elapsed() < SOON, "{signal} took {:?}\n{ended}", started.elapsed());
    assert!(told.success() || ended.code == 0, "{ended}");
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_hangs_does_not_keep_a_run_from_ending() {
    let server = Mongod::start();
    let collection = server.client().await.database("db").collection::<Document>("c");
    let documents = (0..500).map(|id| doc! { "_id": id, "text": "x".repeat(1000) });
    collection.insert_many(documents).await.expect("insert");
    let manifest = "database,collection,timestamp_column,partition_by\ndb,c,,\n";
    let place = Workplace::with(&Environment::of(server.uri()), manifest);
    for (signal, code, command) in [("-INT", 130, "find"), ("-TERM", 143, "hello")] {
        let data =
            doc! { "failCommands": [command], "blockConnection": true, "blockTimeMS": HANG_MS, "appName": "lakefold" };
        // `hello` is also what opens connections: those of this test carry no such name.
        let hang = doc! { "configureFailPoint": "failCommand", "mode": "alwaysOn", "data": data };
        let before = server.command(hang).expect("set the fail point").get_i32("count").unwrap_or_default();
        let child = place
            .command(&["run", "--env", "test", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start lakefold");
        let started = Instant::now();
        while hits(&server) == before && started.elapsed() < Duration::from_secs(3) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let ended = end(child, signal);
        assert!(ended.code == code, "{command}\n{ended}");
        server.command(doc! { "configureFailPoint": "failCommand", "mode": "off" }).expect("unset the fail point");
    }
    let record = place.run(&[], 0);
    assert!(record["collections"][0]["rows"]["read"] == 500, "{record:#}");
}

/// How often the fail point was met.
fn hits(server: &Mongod) -> i32 {
    let off = doc! { "getParameter": 1, "failpoint.failCommand": 1 };
    let reply = server.command(off).expect("ask for the fail point");
    let state = reply.get_document("failpoint.failCommand").expect("its state");
    state.get("timesEntered").and_then(|times| times.as_i32().or(times.as_i64().map(|n| n as i32))).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_at_any_moment_gives_the_lease_back() {
    let server = S3::moto();
    let mut clinic = Clinic::with(100).await;
    let (ground, undisturbed) = (Ground::s3(&clinic, &server, "lake"), Ground::disk(&clinic));
    undisturbed.run(&[]);
    ground.run(&[]);
    clinic.insert(3).await;
    let started = Instant::now();
    ground.run(&[]);
    let length = started.elapsed();
    clinic.insert(3).await;
    let mut rng = rand::rng();
    for round in 0..6 {
        let child = ground.start(&[]);
        let moment = length.mul_f64(rng.random_range(0.2..1.2));
        std::thread::sleep(moment);
        let (signal, code) = if round % 2 == 0 { ("-INT", 130) } else { ("-TERM", 143) };
        let ended = end(child, signal);
        assert!([0, code].contains(&ended.code), "{signal} after {moment:?}: {ended}");
        assert!(!ended.stderr.contains("panicked"), "{ended}");
        // Kept until it is looked at: the folder goes with it.
        let objects = ground.objects().await;
        let left = walk(&objects.path().join("_lakefold/leases"));
        assert_eq!(left, 0, "{signal} after {moment:?} left a lease\n{ended}");
        clinic.insert(3).await;
    }
    ground.run(&[]);
    undisturbed.run(&[]);
    assert_eq!(ground.seen().await, undisturbed.seen().await);
    ground.rests();
    clinic.drop().await;
}

/// Files below a folder.
fn walk(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}

/// A lake of one collection, and what its table looks like after a change that was folded without a signal.
struct Phases {
    origin: Origin,
    prepared: PathBuf,
    _first: OneTable<'static>,
    undisturbed: OneTable<'static>,
}

fn sited(turn: i32) -> Vec<Document> {
    (0..40).map(|id| doc! { "_id": id, "site": format!("s{}", (id + turn) % 5), "n": id * turn }).collect()
}

impl Phases {
    async fn new() -> Self {
        let origin = Origin::new().await;
        origin.becomes(&sited(1)).await;
        let first = table(&origin, None);
        first.run(&[], &[]);
        let prepared = first.objects().await.0;
        origin.becomes(&sited(2)).await;
        let undisturbed = table(&origin, None);
        undisturbed.becomes(&prepared).await;
        undisturbed.run(&[], &[]);
        Self { origin, prepared, _first: first, undisturbed }
    }
}

fn table<'a>(origin: &Origin, store: Option<(&'a S3, &str)>) -> OneTable<'a> {
    OneTable::of(Mongod::shared().uri(), &origin.database, "updated_at,site=site", store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_in_each_phase_leaves_everything_consistent() {
    let server = S3::moto();
    let phases = Phases::new().await;
    // Holding, reading, merging, publishing, finishing, telling.
    let points = [
        "after-lease",
        "after-spill",
        "before-journal",
        "before-cleaning",
        "after-cleaning",
        "before-index-head",
        "before-watermark",
        "before-journal-removed",
        "before-mail",
    ];
    for (turn, point) in points.into_iter().enumerate() {
        let (name, code) = if turn % 2 == 0 { ("-INT", 130) } else { ("-TERM", 143) };
        for store in [None, Some((&server, point))] {
            let lake = table(&phases.origin, store);
            lake.becomes(&phases.prepared).await;
            let child = lake.paused(&[], point, &SMALL).await;
            signal(&child, name);
            signal(&child, "-CONT");
            let started = Instant::now();
            let ended = Ended::of(child.wait_with_output().expect("wait"));
            assert!(started.elapsed() < SOON, "{point}, {name}: {:?}\n{ended}", started.elapsed());
            assert_eq!(ended.code, code, "{point}, {name}\n{ended}");
            let record: serde_json::Value = serde_json::from_str(&ended.stdout).expect("a record");
            let (objects, _kept) = lake.objects().await;
            let stored = objects.join(format!("_lakefold/runs/{}.json", record["run_id"].as_str().expect("an id")));
            assert!(stored.exists(), "{point}: no record of the run\n{ended}");
            assert!(!lake.state_in(&objects, "leases", "json").exists(), "{point}: a lease stays\n{ended}");
            lake.run(&[], &[]);
            assert_eq!(lake.seen().await.rows, phases.undisturbed.seen().await.rows, "{point}");
            assert_eq!(lake.litter().await, [""; 0], "{point}");
        }
    }
    phases.origin.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_slow_or_hangs_does_not_keep_a_run_from_ending() {
    let server = S3::moto();
    let phases = Phases::new().await;
    let cases = [("slow", Duration::from_millis(700)), ("hanging", Duration::from_secs(60))];
    for (name, delay) in cases {
        for point in ["before-journal", "before-cleaning", "before-watermark"] {
            let prefix = format!("{name}-{point}");
            let lake = table(&phases.origin, Some((&server, &prefix)));
            lake.becomes(&phases.prepared).await;
            let proxy = Slow::before(server.port());
            let endpoint = proxy.endpoint();
            let child = lake.paused(&[], point, &[("AWS_ENDPOINT_URL", endpoint.as_str())]).await;
            proxy.delay(delay);
            signal(&child, "-CONT");
            signal(&child, "-TERM");
            let ended = end(child, "-CONT");
            assert_eq!(ended.code, 143, "{prefix}\n{ended}");
            let (objects, _kept) = lake.objects().await;
            assert!(
                name == "hanging" || !lake.state_in(&objects, "leases", "json").exists(),
                "{prefix}: a lease\n{ended}"
            );
            lake.run(&[], &[]);
            assert_eq!(lake.seen().await.rows, phases.undisturbed.seen().await.rows, "{prefix}");
            assert_eq!(lake.litter().await, [""; 0], "{prefix}");
        }
    }
    // Asked twice, it does not wait for anything.
    let lake = table(&phases.origin, Some((&server, "twice")));
    lake.becomes(&phases.prepared).await;
    let proxy = Slow::before(server.port());
    let endpoint = proxy.endpoint();
    let mut child = lake.paused(&[], "before-cleaning", &[("AWS_ENDPOINT_URL", endpoint.as_str())]).await;
    proxy.delay(Duration::from_secs(60));
    signal(&child, "-CONT");
    signal(&child, "-INT");
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    while !said.contains("again to end at once") {
        assert!(stderr.read_line(&mut said).expect("read stderr") > 0, "{said}");
    }
    let started = Instant::now();
    let ended = end(child, "-INT");
    assert!(ended.code == 130 && started.elapsed() < Duration::from_secs(2), "{:?}: {ended}", started.elapsed());
    lake.run(&[], &[]);
    assert_eq!(lake.seen().await.rows, phases.undisturbed.seen().await.rows);
    phases.origin.drop().await;
}
