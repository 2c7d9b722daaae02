//! P9: an owner that slept through its lease and wakes up cannot overwrite its successor's work.
//!
//! The process stops itself with SIGSTOP between its last look at the lease and a write, which is the worst moment
//! there is; another run completes; SIGCONT. SeaweedFS, because it checks the conditions of deletions and of multipart
//! completions as AWS does, and moto does not.

use crate::support::folding::Origin;
use crate::support::lakefold::Ended;
use crate::support::mongod::Mongod;
use crate::support::one_table::{OneTable, SMALL, signal};
use crate::support::s3::S3;
use crate::support::s3_proxy::{Fault, Rule, S3Proxy};
use crate::support::s3_request::{Kind, Place, Verb};
use crate::support::slow::Slow;
use mongodb::bson::{Binary, DateTime, Document, doc, spec::BinarySubtype};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Child;
use std::time::{Duration, Instant};

/// A lease runs out while the test waits.
const LEASE: (&str, &str) = ("LAKEFOLD_LEASE_SECONDS", "6");

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// Moments right before a write of an incremental run.
const POINTS: [&str; 11] = [
    "before-journal",
    "before-schema",
    "before-retype",
    "before-data",
    "before-cleaning",
    "before-file-removed",
    "before-index-bucket",
    "before-index-head",
    "before-quarantine",
    "before-watermark",
    "before-journal-removed",
];

fn at(id: i32, site: &str) -> Document {
    doc! { "_id": id, "site": site, "n": id }
}

/// Everything the paused owner will write: a retyping, a move in a circle, an emptied partition, a broken document.
fn changed(turn: i32) -> Vec<Document> {
    let mut documents: Vec<Document> = (0..20).map(|id| at(id, "d")).collect();
    let moved = [(30, "b"), (31, "c"), (32, "a"), (33, "a"), (34, "b"), (35, "c"), (36, "new")];
    documents.extend(moved.map(|(id, site)| doc! { "_id": id, "site": site, "n": format!("turn {turn}") }));
    documents.push(doc! { "_id": mongodb::bson::Bson::Null, "site": "a", "n": turn });
    documents
}

fn before() -> Vec<Document> {
    let mut documents: Vec<Document> = (0..20).map(|id| at(id, "d")).collect();
    documents.extend(
        [(30, "a"), (31, "b"), (32, "c"), (33, "a"), (34, "b"), (35, "c"), (36, "e")].map(|(id, site)| at(id, site)),
    );
    documents
}

fn table<'a>(origin: &Origin, store: Option<(&'a S3, &str)>) -> OneTable<'a> {
    OneTable::of(Mongod::shared().uri(), &origin.database, "updated_at,site=site", store)
}

/// A run that stops itself at a point; comes back when it has stopped.
async fn paused(lake: &OneTable<'_>, point: &str) -> Child {
    lake.paused(&[], point, &[&SMALL[..], &[LEASE]].concat()).await
}

/// The next run, as soon as the lease has run out; who held it until then has been named.
async fn successor(lake: &OneTable<'_>, paused: &Child) -> Value {
    let started = Instant::now();
    loop {
        let ended = lake.attempt(&[], &SMALL);
        let record: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended}"));
        let collection = record["collections"][0].clone();
        if collection["outcome"] != "busy" {
            assert_eq!(collection["outcome"], "ok", "{collection:#}");
            return collection;
        }
        assert!(collection["reason"].to_string().contains(&format!("(pid {})", paused.id())), "{collection:#}");
        assert!(started.elapsed() < SOON, "the lease never gives way");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Waits until another run has taken the lease, and died of it.
async fn is_succeeded(lake: &OneTable<'_>) {
    let started = Instant::now();
    while lake.attempt(&[], &[("LAKEFOLD_KILL_AT", "after-lease")]).code == 1 {
        assert!(started.elapsed() < SOON, "the lease never gives way");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// How a paused process ends that goes on now.
fn woken(paused: Child) -> Ended {
    signal(&paused, "-CONT");
    Ended::of(paused.wait_with_output().expect("wait"))
}

/// Lets the paused owner go on, which must fail and change nothing of what its successor wrote.
async fn wakes(lake: &OneTable<'_>, paused: Child, point: &str) {
    let left = work(lake).await;
    let ended = woken(paused);
    // One that had moved its watermark before it slept has done its part.
    let complete = point == "before-journal-removed";
    assert!(ended.code == 1 || complete, "{point}: the paused owner ended well\n{ended}");
    let (now, changed) = (work(lake).await, |key: &&String| !left.contains_key(*key));
    for (key, bytes) in &left {
        assert!(now.get(key) == Some(bytes), "{point}: {key} is not what the successor wrote\n{ended}");
    }
    let added: Vec<&String> = now.keys().filter(changed).collect();
    assert!(added.is_empty(), "{point}: {added:?}\n{ended}");
}

/// What a run leaves for others: data, schema, watermark, index; journals and records of runs are each run's own.
async fn work(lake: &OneTable<'_>) -> BTreeMap<String, Vec<u8>> {
    let (folder, _kept) = lake.objects().await;
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.clone()];
    while let Some(below) = pending.pop() {
        for entry in std::fs::read_dir(below).expect("list") {
            let path = entry.expect("an entry").path();
            let key = path.strip_prefix(&folder).expect("below").to_str().expect("UTF-8").to_owned();
            let own = ["runs", "journal", "leases", "quarantine"]
                .iter()
                .any(|of| key.starts_with(&format!("_lakefold/{of}")));
            match path.is_dir() {
                true => pending.push(path),
                false if own => {}
                false => drop(found.insert(key, std::fs::read(&path).expect("read"))),
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_owner_cannot_overwrite_its_successor() {
    let server = S3::seaweed();
    let origin = Origin::new().await;
    origin.becomes(&before()).await;
    let first = table(&origin, Some((&server, "first")));
    first.run(&[], &[]);
    let (prepared, _kept) = first.objects().await;
    origin.becomes(&changed(1)).await;
    let mut lakes = Vec::new();
    for point in POINTS {
        let lake = table(&origin, Some((&server, point)));
        lake.becomes(&prepared).await;
        let paused = paused(&lake, point).await;
        lakes.push((point, lake, paused));
    }
    origin.becomes(&changed(2)).await;
    let undisturbed = table(&origin, None);
    undisturbed.run(&[], &[]);
    for (point, lake, paused) in lakes {
        successor(&lake, &paused).await;
        let seen = lake.seen().await;
        assert_eq!(seen.rows, undisturbed.seen().await.rows, "{point}");
        wakes(&lake, paused, point).await;
        lake.run(&[], &[]);
        assert_eq!(lake.seen().await.rows, seen.rows, "{point}: after one more run");
        assert_eq!(lake.litter().await, [""; 0], "{point}");
    }
    origin.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_owner_cannot_overwrite_a_large_file() {
    let server = S3::seaweed();
    let origin = Origin::new().await;
    let document = |seed: u64| {
        use rand::{RngCore, SeedableRng};
        let mut bytes = vec![0; 9 << 20];
        rand_chacha::ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        [doc! { "_id": 1, "site": "a", "noise": Binary { subtype: BinarySubtype::Generic, bytes } }]
    };
    for (turn, prepared) in [("create", false), ("replace", true)] {
        let lake = table(&origin, Some((&server, turn)));
        if prepared {
            origin.becomes(&document(1)).await;
            lake.run(&[], &[]);
        }
        origin.becomes(&document(2)).await;
        let paused = paused(&lake, "before-upload-completes").await;
        origin.becomes(&document(3)).await;
        successor(&lake, &paused).await;
        wakes(&lake, paused, turn).await;
    }
    origin.drop().await;
}

/// An owner that sleeps before it writes document 50 to `x`. The document is at `y` by then, so that its successor expects
/// nothing at `x`.
async fn asleep_before_x<'a>(origin: &Origin, server: &'a S3, variables: &[(&str, &str)]) -> (OneTable<'a>, Child) {
    let with = |site: &str| [before(), vec![at(50, site)]].concat();
    origin.becomes(&before()).await;
    let lake = table(origin, Some((server, "lake")));
    lake.run(&[], &[]);
    origin.becomes(&with("x")).await;
    let owner = lake.paused(&[], "before-data", &[&SMALL[..], &[LEASE], variables].concat()).await;
    origin.becomes(&with("y")).await;
    (lake, owner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_paused_owner_adds_beside_its_successors_work_is_mended_by_the_next_run() {
    let server = S3::seaweed();
    let origin = Origin::new().await;
    let (lake, paused) = asleep_before_x(&origin, &server, &[]).await;
    successor(&lake, &paused).await;
    let seen = lake.seen().await;
    let ended = woken(paused);
    assert_eq!(ended.code, 1, "{ended}");
    lake.run(&[], &[]);
    assert_eq!(lake.seen().await.rows, seen.rows);
    assert_eq!(lake.litter().await, [""; 0]);
    origin.drop().await;
}

/// The owner is told to end in its sleep, and the answer to its write does not come in time: it never gets to ask for its
/// lease, and the next run has to know all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_paused_owner_adds_when_it_is_stopped_is_mended_by_the_next_run() {
    let server = S3::seaweed();
    let origin = Origin::new().await;
    let proxy = S3Proxy::before(server.port());
    let rule = Rule::always(Kind(Verb::Put, Place::Data), Fault::DoneThenSilence);
    proxy.set(Rule { key: "x/data.parquet".to_owned(), ..rule });
    let through = proxy.endpoint();
    let (lake, owner) = asleep_before_x(&origin, &server, &[("AWS_ENDPOINT_URL", &through)]).await;
    successor(&lake, &owner).await;
    let seen = lake.seen().await;
    signal(&owner, "-TERM");
    let ended = woken(owner);
    assert_eq!(ended.code, 143, "{ended}");
    assert!(!proxy.hit().is_empty(), "the write was answered");
    assert!(work(&lake).await.keys().any(|key| key.contains("/site=x/")), "nothing was written beside the successor");
    lake.run(&[], &[]);
    assert_eq!(lake.seen().await.rows, seen.rows);
    assert_eq!(lake.litter().await, [""; 0]);
    origin.drop().await;
}

/// A renewal is carried out and its answer lost for longer than the lease lasts: nobody has taken it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_whose_answer_is_lost_costs_no_run() {
    let server = S3::seaweed();
    let origin = Origin::new().await;
    origin.becomes(&before()).await;
    let (proxy, source) = (S3Proxy::before(server.port()), Slow::before(Mongod::shared().port()));
    let uri = source.endpoint().replace("http:", "mongodb:") + "/?directConnection=true";
    let lake = OneTable::of(&uri, &origin.database, "updated_at,site=site", Some((&server, "lake")));
    let through = proxy.endpoint();
    let run = lake.paused(&[], "after-lease", &[LEASE, ("AWS_ENDPOINT_URL", &through)]).await;
    let renewal = Kind(Verb::Put, Place::Lease);
    proxy.set(Rule { times: 1, ..Rule::always(renewal, Fault::DoneThenSilence) });
    // So that it goes on reading until the renewal after that one.
    source.delay(Duration::from_secs(5));
    let ended = woken(run);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(proxy.hit().contains(&renewal) && ended.stderr.contains("not renewed: no answer"), "{ended}");
    assert!(proxy.seen()[&renewal] > 1, "it ended before the next renewal");
    assert_eq!(lake.seen().await.rows.len(), before().len());
    origin.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_owner_does_not_remove_the_journal_of_a_run_under_way() {
    let server = S3::seaweed();
    let origin = Origin::new().await;
    origin.becomes(&before()).await;
    let lake = table(&origin, Some((&server, "lake")));
    let owner = paused(&lake, "before-journal-removed").await;
    origin.becomes(&changed(1)).await;
    // Nothing new until the lease has run out; then the successor stops when its journal is written.
    is_succeeded(&lake).await;
    let under_way = paused(&lake, "after-journal").await;
    let journal = |folder: &std::path::Path| std::fs::read(lake.state_in(folder, "journal", "json")).ok();
    let (folder, _kept) = lake.objects().await;
    let written = journal(&folder).expect("a journal");
    signal(&owner, "-CONT");
    owner.wait_with_output().expect("wait");
    let (folder, _kept) = lake.objects().await;
    assert_eq!(journal(&folder), Some(written), "the journal is not that of the run under way");
    signal(&under_way, "-CONT");
    under_way.wait_with_output().expect("wait");
    lake.run(&[], &[]);
    assert_eq!(lake.litter().await, [""; 0]);
    origin.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_owner_keeps_a_lake_on_disk() {
    let origin = Origin::new().await;
    origin.becomes(&before()).await;
    let (lake, undisturbed) = (table(&origin, None), table(&origin, None));
    lake.run(&[], &[]);
    undisturbed.run(&[], &[]);
    origin.becomes(&changed(1)).await;
    // The lock of a disk does not run out: it ends with its process.
    let paused = paused(&lake, "before-data").await;
    let busy = lake.attempt(&[], &[LEASE]);
    assert!(busy.code == 1 && busy.stdout.contains(&format!("(pid {})", paused.id())), "{busy}");
    let ended = woken(paused);
    assert_eq!(ended.code, 0, "{ended}");
    undisturbed.run(&[], &[]);
    assert_eq!(lake.seen().await, undisturbed.seen().await);
    origin.drop().await;
}

/// A run that finishes a dead one's work and loses its lease at the journal leaves that work to the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_sleeps_at_its_journal_leaves_the_work_of_a_dead_one_on_record() {
    let server = S3::seaweed();
    let origin = Origin::new().await;
    origin.becomes(&before()).await;
    let (lake, undisturbed) = (table(&origin, Some((&server, "lake"))), table(&origin, None));
    lake.run(&[], &[]);
    undisturbed.run(&[], &[]);
    // Files that no document of the window stands in are still of the old type.
    origin.becomes(&changed(1)).await;
    let killed = lake.attempt(&[], &[("LAKEFOLD_KILL_AT", "after-schema")]);
    assert_eq!(killed.code, 137, "{killed}");
    let paused = lake.paused(&[], "before-journal", &[LEASE]).await;
    is_succeeded(&lake).await;
    let ended = woken(paused);
    assert_eq!(ended.code, 1, "{ended}");
    undisturbed.run(&[], &[]);
    lake.run(&[], &[]);
    assert_eq!(lake.seen().await, undisturbed.seen().await);
    assert_eq!(lake.litter().await, [""; 0]);
    origin.drop().await;
}

/// As above, but the owner wakes up while its successor is publishing: that one's journal is the place to leave word in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_paused_owner_adds_while_its_successor_publishes_is_mended_by_the_next_run() {
    let server = S3::seaweed();
    let origin = Origin::new().await;
    let (lake, owner) = asleep_before_x(&origin, &server, &[]).await;
    is_succeeded(&lake).await;
    let under_way = lake.paused(&[], "after-journal", &[]).await;
    let ended = woken(owner);
    assert_eq!(ended.code, 1, "{ended}");
    signal(&under_way, "-CONT");
    under_way.wait_with_output().expect("wait");
    lake.run(&[], &[]);
    let sites: Vec<bool> = lake.seen().await.rows.iter().map(|row| row.starts_with("site=y ")).collect();
    assert_eq!((sites.len(), sites.iter().filter(|at_y| **at_y).count()), (28, 1), "{:?}", lake.seen().await.rows);
    assert_eq!(lake.litter().await, [""; 0]);
    origin.drop().await;
}

/// A window is looked into before there is a lease. Meanwhile a document changes without getting a later time, and another
/// run folds it, whole or until it is killed: what was seen first is older than what is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_slept_before_its_lease_reads_its_window_again() {
    for dies in [&[][..], &[("LAKEFOLD_KILL_AT", "before-watermark")]] {
        let origin = Origin::new().await;
        let documents = origin.documents();
        let write = async |n: i32, time: DateTime| {
            let document = doc! { "_id": 1, "site": "a", "n": n, "updated_at": time };
            documents.replace_one(doc! { "_id": 1 }, document).upsert(true).await.expect("write");
        };
        let lake = table(&origin, None);
        write(1, DateTime::now()).await;
        lake.run(&[], &[]);
        let time = DateTime::now();
        write(2, time).await;
        let sleeper = lake.paused(&[], "before-lease", &[]).await;
        write(3, time).await;
        let other = lake.attempt(&[], dies);
        assert_eq!(other.code == 0, dies.is_empty(), "{other}");
        let ended = woken(sleeper);
        assert_eq!(ended.code, 0, "{ended}");
        let rows = lake.seen().await.rows;
        assert!(rows.iter().all(|row| row.contains("\"n\":3")), "{dies:?}: {rows:?}");
        origin.drop().await;
    }
}
