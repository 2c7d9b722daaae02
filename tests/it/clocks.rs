//! Clocks that are wrong, times that lie, and writers that do not wait: what a window may not lose.

use crate::support::folding::Origin;
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Ended, Environment, Workplace};
use crate::support::mongod::{Mongod, fresh_database};
use crate::support::one_table::{OneTable, signal};
use crate::support::soak::{asked, covered};
use crate::support::tcp_proxy::TcpProxy;
use chrono::Utc;
use futures::TryStreamExt;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Decimal128, Document, Timestamp, doc};
use mongodb::{Client, Collection};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A collection of the shared server and the program set up to fold it.
struct Scene {
    place: Workplace,
    database: String,
    documents: Collection<Document>,
}

impl Scene {
    async fn new(overlap: &str, timezone: &str, row: &str) -> Self {
        let database = fresh_database("clocks");
        let manifest = format!("database,collection,timestamp_column,partition_by\n{database},c,{row}\n");
        let environment = Environment { overlap, timezone, ..Environment::of(Mongod::shared().uri()) };
        let place = Workplace::with(&environment, &manifest);
        let documents = Mongod::shared().client().await.database(&database).collection("c");
        Self { place, database, documents }
    }

    async fn put(&self, id: i32, n: i32, at: impl Into<Bson>) {
        let document = doc! { "_id": id, "n": n, "at": at.into() };
        self.documents.replace_one(doc! { "_id": id }, document).upsert(true).await.expect("write");
    }

    /// Runs to a good end; gives the collection's part of the record.
    fn run(&self, flags: &[&str]) -> Value {
        self.place.run(flags, 0)["collections"][0].take()
    }

    /// `n` of each row, by its `_id`.
    fn rows(&self) -> BTreeMap<i64, i64> {
        let rows = read_table(&self.place.lake(), &format!("{}/c", self.database)).rows;
        let found: BTreeMap<i64, i64> =
            rows.iter().map(|row| (number(&row.columns["_id"]), number(&row.columns["n"]))).collect();
        assert_eq!(found.len(), rows.len(), "an _id stands twice (P1)");
        found
    }

    fn watermark_file(&self) -> PathBuf {
        self.place.lake().join(format!("_lakefold/watermarks/{}/c.csv", self.database))
    }

    /// Milliseconds of the watermark.
    fn watermark(&self) -> i64 {
        let mut reader = csv::Reader::from_path(self.watermark_file()).expect("the watermark file");
        let lines: Vec<BTreeMap<String, String>> = reader.deserialize().map(|line| line.expect("a line")).collect();
        let text = &lines.last().expect("a line")["watermark"];
        chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp_millis()
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).expect("a number")
}

fn now() -> i64 {
    Utc::now().timestamp_millis()
}

fn date(ms: i64) -> DateTime {
    DateTime::from_millis(ms)
}

fn at(text: &str) -> DateTime {
    DateTime::parse_rfc3339_str(text).expect("a time")
}

/// The watermark is the run's bound, never the latest time seen.
#[tokio::test]
async fn a_document_dated_in_the_future_hides_none() {
    let scene = Scene::new("0s", "UTC", "at,").await;
    scene.put(1, 0, at("2999-01-01T00:00:00Z")).await;
    scene.put(2, 0, date(now())).await;
    scene.run(&[]);
    assert!(scene.watermark() <= now());

    scene.put(2, 1, date(now())).await;
    scene.put(3, 1, date(now())).await;
    let record = scene.run(&[]);
    assert_eq!(scene.rows(), [(1, 0), (2, 1), (3, 1)].into());
    assert_eq!(record["rows"]["unchanged"], 1, "the one of the future is read again: {record:#}");

    // It is changed, still dated in the future, and then by somebody whose clock is right: time goes backwards.
    scene.put(1, 2, at("2998-01-01T00:00:00Z")).await;
    scene.run(&[]);
    assert_eq!(scene.rows()[&1], 2);
    scene.put(1, 3, date(now())).await;
    scene.run(&[]);
    assert_eq!(scene.rows()[&1], 3, "a later run replaces, whatever the times say (P1)");
}

/// Windows are closed below: what happened in the watermark's very millisecond is read again.
#[tokio::test]
async fn equal_times_at_the_boundary() {
    let scene = Scene::new("0s", "UTC", "at,").await;
    scene.put(1, 0, date(now())).await;
    scene.run(&[]);
    let boundary = scene.watermark();
    for id in 2..5 {
        scene.put(id, 0, date(boundary)).await;
    }
    scene.put(5, 0, date(boundary - 1)).await;
    scene.run(&[]);
    let rows = scene.rows();
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 4], "from the boundary on, and only from there");
}

/// Within the overlap a client's clock may be wrong and a time may go backwards.
#[tokio::test]
async fn clocks_that_are_behind_and_ahead() {
    let scene = Scene::new("60s", "UTC", "at,").await;
    scene.put(1, 0, date(now() + 30_000)).await;
    scene.put(2, 0, date(now())).await;
    scene.run(&[]);
    // Written after the bound, stamped before it.
    scene.put(3, 0, date(scene.watermark() - 40_000)).await;
    scene.put(1, 1, date(scene.watermark() - 50_000)).await;
    scene.run(&[]);
    assert_eq!(scene.rows(), [(1, 1), (2, 0), (3, 0)].into());
    // Beyond the overlap only a full run finds it, which is what `full_every` is for.
    scene.put(2, 9, date(scene.watermark() - 3_600_000)).await;
    scene.run(&[]);
    assert_eq!(scene.rows()[&2], 0);
    scene.run(&["--full"]);
    assert_eq!(scene.rows()[&2], 9);
}

/// What was a date becomes a number, a text, an ObjectId: the window asks for all of them every time.
#[tokio::test]
async fn a_timestamp_that_changes_its_kind_from_run_to_run() {
    let scene = Scene::new("0s", "Asia/Kolkata", "at,").await;
    let kinds: [fn(i64) -> Bson; 11] = [
        |ms| date(ms).into(),
        Bson::Int64,
        |ms| Bson::Int32(i32::try_from(ms / 1000).expect("seconds")),
        |ms| Bson::Double(ms as f64),
        |ms| ms.to_string().parse::<Decimal128>().expect("a decimal").into(),
        |ms| Timestamp { time: u32::try_from(ms / 1000).expect("seconds"), increment: 1 }.into(),
        |ms| ObjectId::from_parts(u32::try_from(ms / 1000).expect("seconds"), [1; 5], [2; 3]).into(),
        |ms| chrono::DateTime::from_timestamp_millis(ms).expect("a time").to_rfc3339().into(),
        |ms| {
            let local = chrono::DateTime::from_timestamp_millis(ms).expect("a time");
            local.with_timezone(&chrono_tz::Asia::Kolkata).format("%Y-%m-%d %H:%M:%S%.3f").to_string().into()
        },
        |ms| Bson::Array(vec!["n/a".into(), date(ms).into()]),
        |ms| date(ms).into(),
    ];
    for (n, kind) in (0..).zip(kinds) {
        scene.put(1, n, kind(now())).await;
        scene.put(100 + n, n, kind(now())).await;
        scene.run(&[]);
        let rows = scene.rows();
        assert_eq!((rows[&1], rows.len()), (i64::from(n), n as usize + 2), "kind {n}: {rows:?}");
    }
    let table = read_table(&scene.place.lake(), &format!("{}/c", scene.database));
    let near = |row: &Value| (number(row) - now()).abs() < 120_000;
    assert!(table.rows.iter().all(|row| near(&row.columns["_modified_ms"])), "merging compares instants");
}

#[tokio::test]
async fn days_before_1970() {
    let scene = Scene::new("0s", "UTC", "at,day=day(at)").await;
    let days = ["1969-12-31T23:59:59.999Z", "1950-02-03T04:05:06.007Z", "1899-12-31T12:00:00Z", "0042-01-01T00:00:00Z"];
    for (id, day) in (0..).zip(days) {
        scene.put(id, 0, at(day)).await;
    }
    scene.run(&[]);
    let folders: Vec<String> =
        read_table(&scene.place.lake(), &format!("{}/c", scene.database)).files.into_keys().collect();
    assert_eq!(folders, ["day=0042-01-01", "day=1899-12-31", "day=1950-02-03", "day=1969-12-31"]);

    // A window that begins before 1970 finds what lies in it, in every kind that reaches so far.
    scene.put(0, 1, "1969-12-31T23:59:59.999Z").await;
    scene.put(1, 1, Bson::Int64(-628_000_000)).await;
    scene.put(2, 1, at("1899-12-31T12:00:00Z")).await;
    scene.run(&["--since", "1940-01-01"]);
    assert_eq!(scene.rows(), [(0, 1), (1, 1), (2, 0), (3, 0)].into());
}

/// Texts without a zone are wall clock of `timezone`, also where that hour is repeated or left out.
#[tokio::test]
async fn windows_over_wall_clocks_with_daylight_saving() {
    let scene = Scene::new("0s", "America/New_York", "at,").await;
    let texts = [
        "2024-11-03 00:59:59",
        "2024-11-03 01:00:00",
        "2024-11-03 01:30:00",
        "2024-03-10 01:59:59",
        "2024-03-10 02:30:00",
    ];
    let put = async |n: i32| {
        for (id, text) in (0..).zip(texts) {
            scene.put(id, n, text).await;
        }
    };
    put(0).await;
    scene.run(&[]);
    put(1).await;
    // 01:00 summer time; the repeated hour counts as its first.
    scene.run(&["--since", "2024-11-03T05:00:00Z"]);
    assert_eq!(scene.rows(), [(0, 0), (1, 1), (2, 1), (3, 0), (4, 0)].into());
    // 03:00 summer time, one second after 01:59:59; 02:30 never was and counts as 03:30.
    scene.run(&["--since", "2024-03-10T07:00:00Z"]);
    assert_eq!(scene.rows(), [(0, 1), (1, 1), (2, 1), (3, 0), (4, 1)].into());
    // 01:45 summer time: after it the clock shows 01:00 and 01:30 once more, and nobody can tell which was meant.
    put(2).await;
    let record = scene.run(&["--since", "2024-11-03T05:45:00Z"]);
    assert_eq!((&record["rows"]["read"], scene.rows()), (&2.into(), [(0, 1), (1, 2), (2, 2), (3, 0), (4, 1)].into()));
    // 01:31 winter time.
    put(3).await;
    let record = scene.run(&["--since", "2024-11-03T06:31:00Z"]);
    assert_eq!(record["rows"]["read"], 0, "{record:#}");
}

/// A stamp that only tells the day lies before every window that begins on it.
#[tokio::test]
async fn a_day_as_a_stamp_hides_nothing_that_came_later_on_it() {
    let scene = Scene::new("0s", "Asia/Kolkata", "at,").await;
    let today = || {
        let now = chrono::DateTime::from_timestamp_millis(now()).expect("a time");
        now.with_timezone(&chrono_tz::Asia::Kolkata).format("%Y-%m-%d").to_string()
    };
    scene.put(1, 0, today()).await;
    scene.run(&[]);
    scene.put(1, 1, today()).await;
    scene.put(2, 0, today()).await;
    scene.run(&[]);
    assert_eq!(scene.rows(), [(1, 1), (2, 0)].into());
    let record = scene.run(&[]);
    let files = &record["files"]["written"];
    assert!(files == 0, "what is read again and has not changed is not written again: {record:#}");
}

/// A cluster that was restored from a backup, or another one, has not reached the time up to which was read: nothing of
/// it can be believed to be newer, and `--full` begins anew.
#[tokio::test]
async fn a_cluster_that_is_set_back() {
    let scene = Scene::new("0s", "UTC", "at,").await;
    scene.put(1, 0, date(now())).await;
    scene.run(&[]);
    let path = scene.watermark_file();
    let text = std::fs::read_to_string(&path).expect("the watermark file");
    let reached = text.lines().last().and_then(|line| line.split(',').nth(5)).expect("an operation_time");
    let seconds: u32 = reached.split(':').next().and_then(|seconds| seconds.parse().ok()).expect("seconds");
    std::fs::write(&path, text.replace(reached, &format!("{}:1", seconds + 86_400))).expect("write it");

    scene.put(1, 1, date(now())).await;
    let record = scene.place.run(&[], 1);
    let reason = record["collections"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("before the time up to which the lake was already read"), "{reason}");
    assert_eq!(scene.rows(), [(1, 0)].into());
    scene.run(&["--full"]);
    assert_eq!(scene.rows(), [(1, 1)].into());
    scene.put(1, 2, date(now())).await;
    scene.run(&[]);
    assert_eq!(scene.rows(), [(1, 2)].into());
}

/// A run under a clock that was ahead has left a watermark of times to come. Documents stamped by clocks that are right
/// lie before it until then.
#[tokio::test]
async fn a_watermark_of_a_clock_that_was_ahead_hides_none() {
    // Farther ahead than the overlap, and within it.
    for (ahead, expected) in [(3_600_000, [1, 2, 3].as_slice()), (30_000, &[1, 3])] {
        let scene = Scene::new("60s", "UTC", "at,").await;
        scene.put(1, 0, date(now() - 600_000)).await;
        scene.run(&[]);
        let path = scene.watermark_file();
        let text = std::fs::read_to_string(&path).expect("the watermark file");
        let reached = text.lines().last().and_then(|line| line.split(',').nth(4)).expect("a watermark");
        std::fs::write(&path, text.replace(reached, &date(now() + ahead).try_to_rfc3339_string().expect("a time")))
            .expect("write it");
        // Nobody knows how long ago the last run was. Else nothing is in the window, and yet the next one begins here.
        if ahead > 60_000 {
            scene.put(2, 0, date(now() - 1_800_000)).await;
        }
        scene.run(&[]);
        assert!(scene.watermark() <= now(), "the next window begins in the future");
        scene.put(3, 0, date(now())).await;
        scene.run(&[]);
        assert_eq!(scene.rows().into_keys().collect::<Vec<_>>(), expected);
    }
}

/// A run decides once what it reads: a full run that falls due while it takes the collection is the next run's, or what
/// was read as a window would replace the table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_run_that_falls_due_meanwhile_is_the_next_runs() {
    let origin = Origin::new().await;
    let with = |n: i32| (0..4).map(|id| doc! { "_id": id, "n": if id == 0 { 0 } else { n } }).collect::<Vec<_>>();
    origin.becomes(&with(0)).await;
    let lake = OneTable::of(Mongod::shared().uri(), &origin.database, "updated_at,", None);
    lake.setting("full_every = \"5s\"");
    lake.run(&[], &[]);
    let due = tokio::time::Instant::now() + Duration::from_secs(6);
    origin.becomes(&with(1)).await;
    let paused = lake.paused(&[], "after-lease", &[]).await;
    tokio::time::sleep_until(due).await;
    signal(&paused, "-CONT");
    let ended = Ended::of(paused.wait_with_output().expect("wait"));
    assert_eq!(ended.code, 0, "{ended}");
    assert_eq!(lake.seen().await.rows.len(), 4, "{ended}");
    origin.drop().await;
}

/// Clocks of the writers, seconds ahead or behind; the overlap is more than that and [`COMMIT`] together.
const SKEWS: [i64; 3] = [-1500, 0, 1500];
/// Longest time between taking a time and committing, milliseconds.
const COMMIT: u64 = 400;

/// Writers that neither wait nor agree on the time change a collection through a whole series of runs; after one quiet
/// run the lake holds every document as it is.
#[tokio::test(flavor = "multi_thread")]
async fn writers_that_hammer_the_collection_through_every_run() {
    let scene = Scene::new("4s", "UTC", "at,site=site").await;
    let over = Arc::new(AtomicBool::new(false));
    let client = Mongod::shared().client().await;
    let writers: Vec<_> = (0..)
        .zip(SKEWS.repeat(4))
        .map(|(number, skew)| {
            let (client, database, over) = (client.clone(), scene.database.clone(), Arc::clone(&over));
            tokio::spawn(async move { hammer(client, database, number, skew, &over).await })
        })
        .collect();
    let runs = asked("LAKEFOLD_HAMMER_RUNS").map_or(6, |runs| usize::try_from(runs).expect("a number of runs"));
    let mut read = 0;
    // The first run needs a collection to be there.
    while scene.documents.estimated_document_count().await.expect("count") < 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let slow = TcpProxy::before(Mongod::shared().port());
    slow.slow(15_000);
    for run in 1..=runs {
        if run == runs {
            // Seconds pass between the first document that is read and the last, in which documents change that have
            // been read: the watermark must be from before.
            let path = scene.place.path().join("env/test.toml");
            let text = std::fs::read_to_string(&path).expect("the environment");
            scene.place.write("env/test.toml", text.replace(Mongod::shared().uri(), &slow.uri("appName=slow")));
        }
        let record = tokio::task::block_in_place(|| scene.run(&[]));
        read += record["rows"]["read"].as_u64().expect("a count");
    }
    over.store(true, Ordering::SeqCst);
    let mut written = 0;
    for writer in writers {
        written += writer.await.expect("a writer");
    }
    tokio::task::block_in_place(|| scene.run(&[]));
    assert!(read > 0 && written > 20 * runs, "{written} writes in {runs} runs");
    covered(format_args!("{written} writes during {runs} runs that read {read} documents"));

    let all: Vec<Document> = scene.documents.find(doc! {}).await.expect("find").try_collect().await.expect("read");
    let expected: BTreeMap<String, (i64, String)> = all
        .iter()
        .map(|document| {
            let n = i64::from(document.get_i32("n").expect("n"));
            let site = format!("site={}", document.get_i32("site").expect("a site"));
            (document.get_str("_id").expect("an _id").to_owned(), (n, site))
        })
        .collect();
    let rows = read_table(&scene.place.lake(), &format!("{}/c", scene.database)).rows;
    let found: BTreeMap<String, (i64, String)> = rows
        .iter()
        .map(|row| {
            (row.columns["_id"].as_str().expect("text").to_owned(), (number(&row.columns["n"]), row.partition.clone()))
        })
        .collect();
    assert_eq!(found.len(), rows.len(), "an _id stands twice (P1)");
    let differing: Vec<_> = expected.iter().filter(|(id, value)| found.get(*id) != Some(value)).take(5).collect();
    assert!(differing.is_empty() && found.len() == expected.len(), "of {}: {differing:?}", expected.len());
}

/// Inserts, changes and moves documents until it is over; gives the number of writes.
async fn hammer(client: Client, database: String, number: u64, skew: i64, over: &AtomicBool) -> usize {
    let collection = client.database(&database).collection::<Document>("c");
    let mut dice = ChaCha8Rng::seed_from_u64(number);
    let mut writes = 0;
    while !over.load(Ordering::SeqCst) {
        let id = format!("{number}-{}", dice.random_range(0..300));
        let stamped = date(now() + skew);
        if dice.random_ratio(1, 8) {
            tokio::time::sleep(Duration::from_millis(dice.random_range(0..COMMIT))).await;
        }
        let site = dice.random_range(0..4);
        let change = doc! { "$inc": { "n": 1 }, "$set": { "at": stamped, "site": site } };
        collection.update_one(doc! { "_id": id }, change).upsert(true).await.expect("write");
        writes += 1;
    }
    writes
}
