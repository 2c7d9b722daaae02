//! SIGINT and SIGTERM end a run soon and cleanly, wherever it is.

use crate::support::ground::{Clinic, Ground};
use crate::support::lakefold::{Ended, Environment, Workplace};
use crate::support::mongod::Mongod;
use crate::support::s3::S3;
use mongodb::bson::{Document, doc};
use rand::Rng;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A run that was told to end has ended by then.
const SOON: Duration = Duration::from_secs(10);

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
    for (signal, code, command) in [("-INT", 130, "find"), ("-TERM", 143, "getMore"), ("-TERM", 143, "hello")] {
        let data =
            doc! { "failCommands": [command], "blockConnection": true, "blockTimeMS": 60_000, "appName": "lakefold" };
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
        assert!(ended.code == code || ended.code == 0 && command == "getMore", "{command}\n{ended}");
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
    let started = Instant::now();
    undisturbed.run(&[]);
    let length = started.elapsed();
    let mut rng = rand::rng();
    for round in 0..6 {
        let child = ground.start(&[]);
        let moment = length.mul_f64(rng.random_range(0.2..1.2));
        std::thread::sleep(moment);
        let (signal, code) = if round % 2 == 0 { ("-INT", 130) } else { ("-TERM", 143) };
        let ended = end(child, signal);
        assert!([0, code].contains(&ended.code), "{signal} after {moment:?}: {ended}");
        assert!(!ended.stderr.contains("panicked"), "{ended}");
        let leases = ground.objects().await.path().join("_lakefold/leases");
        let left = walk(&leases);
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
