//! P4 with the real program: SIGKILL at every named point there is, on disk and in S3, and then a run to the end. What
//! is left must be what a run leaves that was never killed.

use crate::catalog::killed;
use crate::support::folding::Origin;
use crate::support::mongod::Mongod;
use crate::support::one_table::{OneTable, SMALL, Seen};
use crate::support::s3::S3;
use crate::support::soak::{covered, soaking};
use lakefold::kill_point::{KillPoint, KillPoint as P};
use mongodb::bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use std::path::PathBuf;
use tempfile::TempDir;

/// An exit code: 128 and SIGKILL.
const KILLED: i32 = 137;

/// What a run does when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// The first load.
    FirstLoad,
    /// Moves in a circle, a retyping, a partition that loses its file, a document that cannot be read.
    Change,
    /// As that, with `--full`, and a partition whose documents are gone.
    Full,
    /// A file that is sent in parts; only in an object store.
    Large,
    /// What the catalog is told, in a test of its own: `catalog::killed`.
    Catalog,
}

impl Scenario {
    const ALL: [Self; 3] = [Self::FirstLoad, Self::Change, Self::Full];

    /// One that meets the point.
    fn of(point: KillPoint) -> Self {
        match point {
            P::MidUpload | P::BeforeUploadCompletes => Self::Large,
            point if killed::POINTS.contains(&point) => Self::Catalog,
            P::BeforeSpill
            | P::AfterSpill
            | P::BeforeStagedRows
            | P::AfterStagedRows
            | P::BeforeResumeState
            | P::AfterResumeState
            | P::BeforeStagedRemoved
            | P::MidStagedRemoved
            | P::AfterStagedRemoved => Self::FirstLoad,
            P::BeforeUnreadRemoved | P::AfterUnreadRemoved | P::BeforeIndexCleaned | P::AfterIndexCleaned => Self::Full,
            _ => Self::Change,
        }
    }

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Full => &["--full"],
            _ => &[],
        }
    }
}

fn at(id: i32, site: &str) -> Document {
    doc! { "_id": id, "site": site, "n": id }
}

fn before() -> Vec<Document> {
    let mut documents: Vec<Document> =
        (0..120).map(|id| at(id, ["a", "b", "c", "d", "e", "f"][id as usize % 6])).collect();
    documents.push(doc! { "_id": Bson::Null, "site": "a", "n": 1 });
    documents
}

fn after() -> Vec<Document> {
    let change = |mut document: Document| {
        let id = document.get_i32("_id").ok()?;
        let to = match (id, id % 6) {
            // A circle, and all of `f` to a new place.
            (0..12, 0) => "b",
            (0..12, 1) => "c",
            (0..12, 2) => "a",
            (_, 5) => "new",
            // Nobody is left in `e`.
            (_, 4) => return None,
            _ => return Some(document),
        };
        document.insert("site", to);
        Some(document)
    };
    let mut documents: Vec<Document> = before().into_iter().filter_map(change).collect();
    // Integers and texts: the column changes its type, also in `d`, of which nothing else changes.
    documents.push(doc! { "_id": 100, "site": "b", "n": "hundred" });
    documents.push(doc! { "_id": Bson::Null, "site": "b", "n": 2 });
    documents
}

/// A server, a source, and how lakes of it look that were never disturbed.
struct Course<'a> {
    origin: Origin,
    store: Option<&'a S3>,
    /// The lake before the change.
    prepared: (PathBuf, Option<TempDir>),
    _first: OneTable<'a>,
    undisturbed: Vec<(Scenario, Seen)>,
}

impl<'a> Course<'a> {
    async fn new(store: Option<&'a S3>) -> Self {
        let origin = Origin::new().await;
        origin.becomes(&before()).await;
        let first = table(&origin, store, "first");
        first.run(&[], &[]);
        let prepared = first.objects().await;
        origin.becomes(&after()).await;
        let mut course = Self { origin, store, prepared, _first: first, undisturbed: Vec::new() };
        for scenario in Scenario::ALL {
            let lake = course.lake(scenario, &format!("undisturbed-{scenario:?}")).await;
            lake.run(scenario.flags(), &[]);
            course.undisturbed.push((scenario, lake.seen().await));
        }
        course
    }

    /// A lake as a run of `scenario` finds it.
    async fn lake(&self, scenario: Scenario, name: &str) -> OneTable<'a> {
        let lake = table(&self.origin, self.store, name);
        if scenario != Scenario::FirstLoad {
            lake.becomes(&self.prepared.0).await;
        }
        lake
    }

    /// Kills a run at the n-th time of a point, runs again, compares. Whether the point was reached.
    async fn survives(&self, scenario: Scenario, point: KillPoint, times: u32) -> bool {
        let name = format!("{scenario:?}-{}-{times}", point.name());
        let lake = self.lake(scenario, &name).await;
        let known = lake.watermarks().await.len();
        let trap = format!("{}:{times}", point.name());
        let killed = lake.attempt(scenario.flags(), &[&SMALL[..], &[("LAKEFOLD_KILL_AT", trap.as_str())]].concat());
        if killed.code != KILLED {
            assert_eq!(killed.code, 0, "{name}: {killed}");
            return false;
        }
        // P3: what the watermark covers is in the lake, and it never moves twice for one window.
        let moved = lake.watermarks().await.len() > known;
        let after_watermark = KillPoint::ALL.iter().position(|p| *p == KillPoint::AfterWatermark);
        let position = KillPoint::ALL.iter().position(|p| *p == point);
        assert_eq!(moved, position >= after_watermark, "{name}: the watermark");

        lake.run(scenario.flags(), &SMALL);
        let undisturbed = self.undisturbed.iter().find(|(of, _)| *of == scenario).map(|(_, seen)| seen);
        assert_eq!(Some(&lake.seen().await), undisturbed, "{name}: killed (left), undisturbed (right)");
        let watermarks = lake.watermarks().await;
        let last = watermarks.last().expect("a line");
        assert!(watermarks.iter().all(|line| line["watermark"] <= last["watermark"]), "{name}: it moved back");
        assert_eq!(lake.litter().await, [""; 0], "{name}: litter");
        true
    }
}

fn table<'a>(origin: &Origin, store: Option<&'a S3>, name: &str) -> OneTable<'a> {
    let store = store.map(|server| (server, name));
    OneTable::of(Mongod::shared().uri(), &origin.database, "updated_at,site=site", store)
}

/// A soak tries every point in every scenario that meets it, and at later times, too.
async fn killed_at_each_point(store: Option<&S3>) {
    let course = Course::new(store).await;
    let mut kills = 0;
    for &point in KillPoint::ALL {
        let of_point = Scenario::of(point);
        if matches!(of_point, Scenario::Large | Scenario::Catalog) {
            continue;
        }
        assert!(course.survives(of_point, point, 1).await, "no run of {of_point:?} reaches {}", point.name());
        kills += 1;
        if soaking() {
            for scenario in Scenario::ALL {
                // Once has been tried above, and a lake in a bucket is not emptied.
                let first = if scenario == of_point { 2 } else { 1 };
                for times in first..4 {
                    kills += u32::from(course.survives(scenario, point, times).await);
                }
            }
        }
    }
    covered(format_args!("killed at {} points, {kills} times", KillPoint::ALL.len()));
    course.origin.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_killed_at_any_point_on_disk_is_repaired_by_the_next() {
    killed_at_each_point(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_killed_at_any_point_in_s3_is_repaired_by_the_next() {
    killed_at_each_point(Some(&S3::moto())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_killed_half_sent_is_sent_again() {
    let server = S3::moto();
    let origin = Origin::new().await;
    let noise = |seed: u64| {
        use rand::{RngCore, SeedableRng};
        let mut bytes = vec![0; 9 << 20];
        rand_chacha::ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        Binary { subtype: BinarySubtype::Generic, bytes }
    };
    origin.becomes(&[doc! { "_id": 1, "site": "a", "noise": noise(1) }]).await;
    let undisturbed = table(&origin, None, "undisturbed");
    undisturbed.run(&[], &[]);
    for point in [KillPoint::MidUpload, KillPoint::BeforeUploadCompletes] {
        let lake = table(&origin, Some(&server), point.name());
        let killed = lake.attempt(&[], &[("LAKEFOLD_KILL_AT", point.name())]);
        assert_eq!(killed.code, KILLED, "no run reaches {}: {killed}", point.name());
        lake.run(&[], &[]);
        assert_eq!(lake.seen().await, undisturbed.seen().await, "{}", point.name());
        assert_eq!(lake.litter().await, [""; 0], "{}", point.name());
    }
    origin.drop().await;
}

/// Rows that stand twice without a journal to say so, as a restored file leaves them, are found when the index of places
/// has to be built anew. That a run has found them must not be lost with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubles_that_a_killed_run_had_found_are_mended_by_the_next() {
    let origin = Origin::new().await;
    origin.becomes(&before()).await;
    let lake = table(&origin, None, "lake");
    lake.run(&[], &[]);
    let (objects, _) = lake.objects().await;
    let emptied = objects.join(format!("{}/c/site=f/data.parquet", origin.database));
    let bytes = std::fs::read(&emptied).expect("a file that the change takes away");
    origin.becomes(&after()).await;
    lake.run(&[], &[]);
    let seen = lake.seen().await;
    std::fs::create_dir_all(emptied.parent().expect("a folder")).expect("make it again");
    std::fs::write(&emptied, bytes).expect("restore the file");
    std::fs::remove_file(objects.join(format!("_lakefold/index/{}/c/head.json.zst", origin.database)))
        .expect("lose the index");
    origin
        .documents()
        .update_one(doc! { "_id": 13 }, doc! { "$currentDate": { "updated_at": true } })
        .await
        .expect("touch");
    for point in [P::BeforeJournal, P::AfterIndexBucket] {
        let killed = lake.attempt(&[], &[("LAKEFOLD_KILL_AT", point.name())]);
        assert_eq!(killed.code, KILLED, "no run reaches {}: {killed}", point.name());
    }
    lake.run(&[], &[]);
    assert_eq!(lake.seen().await.rows.len(), seen.rows.len());
    origin.drop().await;
}

/// Flags are of one run only: the next one finds in the journal what it has to finish, also when no state shows it yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_run_was_told_is_done_by_the_next() {
    let origin = Origin::new().await;
    let before: Vec<Document> = (0..12_i32)
        .map(|id| doc! { "_id": id, "site": (["a", "b", "c"][id as usize % 3]), "n": "text", "old": true })
        .collect();
    origin.becomes(&before).await;
    let first = table(&origin, None, "first");
    first.run(&[], &[]);
    let (prepared, _kept) = first.objects().await;
    // Most rows are gone, a column has vanished, another one has become narrower.
    origin.becomes(&[at(0, "a"), at(1, "b"), at(4, "d")]).await;
    let told = ["--full", "--forget-schema", "--allow-shrink"];
    let undisturbed = table(&origin, None, "undisturbed");
    undisturbed.becomes(&prepared).await;
    undisturbed.run(&told, &[]);
    for point in [P::AfterJournal, P::BeforeSchema, P::AfterSchema, P::AfterData, P::AfterUnreadRemoved] {
        let lake = table(&origin, None, point.name());
        lake.becomes(&prepared).await;
        let killed = lake.attempt(&told, &[("LAKEFOLD_KILL_AT", point.name())]);
        assert_eq!(killed.code, KILLED, "no run reaches {}: {killed}", point.name());
        lake.run(&[], &[]);
        assert_eq!(lake.seen().await, undisturbed.seen().await, "{}", point.name());
        assert_eq!(lake.litter().await, [""; 0], "{}", point.name());
    }
    origin.drop().await;
}

#[test]
fn every_point_is_killed_at() {
    let of = |scenario| KillPoint::ALL.iter().filter(move |point| Scenario::of(**point) == scenario).count();
    assert_eq!(of(Scenario::Large), 2, "a_large_file_killed_half_sent_is_sent_again names them by hand");
    assert_eq!(of(Scenario::Catalog), killed::POINTS.len(), "catalog::killed takes all of these");
}
