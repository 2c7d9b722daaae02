//! P4, step by step: a run is stopped before each of its data writes in turn, the next one is stopped too, the one
//! after that finishes, without the flags of the first. What is left must be what an undisturbed run leaves.

use crate::support::folding::{Flags, Folding, Origin};
use lakefold::model::record::Outcome;
use mongodb::bson::{Document, doc};

/// Steps at which runs are stopped; no scenario lands more partitions.
const STEPS: u64 = 7;

struct Scenario {
    /// The manifest's row behind the collection, when the table is made and afterwards.
    rows: [&'static str; 2],
    /// The source at first.
    before: Vec<Document>,
    /// What the disturbed run folds.
    after: Vec<Document>,
    /// The source when it is run again.
    finally: Option<Vec<Document>>,
    /// Flags of the disturbed run.
    flags: Flags,
}

impl Scenario {
    fn of(before: Vec<Document>, after: Vec<Document>) -> Self {
        Self { rows: ["updated_at,site=site"; 2], before, after, finally: None, flags: Flags::default() }
    }

    async fn survives(self) {
        let origin = Origin::new().await;
        origin.becomes(&self.before).await;
        let mut lakes = Vec::new();
        for _ in 0..=STEPS {
            let mut lake = Folding::of(&origin, self.rows[0]);
            lake.run(Flags::default()).await;
            lake.row = self.rows[1];
            lakes.push(lake);
        }
        let undisturbed = lakes.pop().expect("one more than steps");

        origin.becomes(&self.after).await;
        undisturbed.run(self.flags).await;
        let mut stopped = 0;
        for (step, lake) in (0..).zip(&lakes) {
            let record = lake.attempt(self.flags, Some(step)).await;
            stopped += u32::from(record.outcome == Outcome::Failed);
            assert_eq!(record.outcome == Outcome::Failed, lake.state("journal", "json").exists(), "{record:#?}");
        }
        assert!(stopped > 0, "no run was stopped");
        if let Some(finally) = &self.finally {
            origin.becomes(finally).await;
            undisturbed.run(Flags::default()).await;
        }
        for (step, lake) in (0..).zip(&lakes) {
            lake.attempt(Flags::default(), Some(step % 2)).await;
            lake.run(Flags::default()).await;
            assert_eq!(lake.seen(), undisturbed.seen(), "stopped after {step} partitions (left), undisturbed (right)");
            let again = lake.run(Flags::default()).await;
            assert_eq!(again.files.written + again.files.deleted, 0, "a further run writes: {again:#?}");
            assert!(!lake.state("journal", "json").exists(), "the journal stays");
        }
        origin.drop().await;
    }
}

fn at(id: i32, site: &str) -> Document {
    doc! { "_id": id, "site": site, "n": id }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_move_in_a_circle_are_never_lost_nor_doubled() {
    let before = vec![at(1, "a"), at(2, "b"), at(3, "c"), at(4, "a"), at(5, "d")];
    let after = vec![at(1, "b"), at(2, "c"), at(3, "a"), at(4, "a"), at(5, "e"), at(6, "b")];
    Scenario::of(before, after).survives().await;
}

/// Nothing would read the moved rows again: each must stand somewhere at every moment. An incremental run takes nothing
/// away that is gone at the source.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_that_moved_and_are_gone_when_it_is_run_again_keep_their_rows() {
    let origin = Origin::new().await;
    origin.becomes(&[at(1, "a"), at(2, "b"), at(3, "c"), at(4, "a"), at(5, "d")]).await;
    let lakes: Vec<Folding> = (0..STEPS).map(|_| Folding::of(&origin, "updated_at,site=site")).collect();
    for lake in &lakes {
        lake.run(Flags::default()).await;
    }
    origin.becomes(&[at(1, "b"), at(2, "c"), at(3, "a"), at(4, "a"), at(5, "e")]).await;
    let mut stopped = 0;
    for (step, lake) in (0..).zip(&lakes) {
        stopped += u32::from(lake.attempt(Flags::default(), Some(step)).await.outcome == Outcome::Failed);
    }
    assert!(stopped > 1, "no run was stopped");
    origin.becomes(&[at(4, "a")]).await;
    for (step, lake) in lakes.iter().enumerate() {
        lake.run(Flags::default()).await;
        let rows = lake.seen().0;
        assert_eq!(rows.len(), 5, "stopped after {step} partitions: {rows:#?}");
    }
    origin.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_run_over_circles_and_deletions_is_finished_as_one() {
    let stay = |site: &str, ids: std::ops::Range<i32>| ids.map(|id| at(id, site)).collect::<Vec<_>>();
    let (a, b, c) = (stay("a", 20..24), stay("b", 30..34), stay("c", 40..44));
    let before = [vec![at(1, "a"), at(2, "b"), at(3, "a"), at(4, "b"), at(5, "gone")], a.clone(), b.clone(), c.clone()];
    let after = [vec![at(1, "b"), at(2, "a")], a, b, c];
    let flags = Flags { full: true, ..Flags::default() };
    Scenario { flags, ..Scenario::of(before.concat(), after.concat()) }.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retyping_reaches_every_file() {
    let before = vec![at(1, "a"), at(2, "b"), at(3, "c"), at(4, "d")];
    let text = doc! { "_id": 9, "site": "a", "n": "nine" };
    let after = [before.clone(), vec![text.clone()]].concat();
    Scenario::of(before, after).survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retyping_reaches_the_file_whose_document_went_elsewhere_meanwhile() {
    let before = vec![at(1, "a")];
    let texts = |site: &str| doc! { "_id": 9, "site": site, "n": "nine" };
    let finally = Some(vec![at(1, "a"), texts("z")]);
    Scenario { finally, ..Scenario::of(before, vec![at(1, "a"), texts("a")]) }.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_to_be_forgotten_stays_forgotten() {
    let before: Vec<Document> =
        (1..5).map(|id| doc! { "_id": id, "site": format!("s{id}"), "n": "text", "old": true }).collect();
    let after: Vec<Document> = (1..5).map(|id| at(id, &format!("s{id}"))).collect();
    let flags = Flags { full: true, forget_schema: true, ..Flags::default() };
    Scenario { flags, ..Scenario::of(before, after) }.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_cut_anew_is_finished_as_one() {
    let documents: Vec<Document> =
        (0..6).map(|id| doc! { "_id": id, "site": format!("s{}", id % 3), "ward": format!("w{}", id % 2) }).collect();
    let rows = ["updated_at,site=site", "updated_at,ward=ward"];
    let flags = Flags { full: true, ..Flags::default() };
    Scenario { rows, flags, ..Scenario::of(documents.clone(), documents) }.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_that_was_accepted_stays_accepted() {
    let before: Vec<Document> = (0..12).map(|id| at(id, ["a", "b", "c", "d"][id as usize % 4])).collect();
    let flags = Flags { full: true, allow_shrink: true, ..Flags::default() };
    Scenario { flags, ..Scenario::of(before, vec![at(0, "a"), at(1, "b")]) }.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_left_in_two_places_are_no_loss() {
    // Everything moves and some of it is gone, less than half: doubles must not be counted as rows to be lost.
    let before: Vec<Document> = (0..10).map(|id| at(id, ["a", "b"][id as usize % 2])).collect();
    let after: Vec<Document> = (0..6).map(|id| at(id, ["x", "y"][id as usize % 2])).collect();
    let flags = Flags { full: true, ..Flags::default() };
    Scenario { flags, ..Scenario::of(before, after) }.survives().await;
}
