//! What is different from the runs before: what fails anew or still, what is well again, what is out of its usual
//! bounds. A number alone says little; beside what is usual it says whether to look.

use super::chart::seconds;
use super::digest::listed;
use super::words::{count, duration, minute, several};
use crate::model::record::{CollectionRecord, Outcome, RunRecord};

/// Runs needed before anything is called usual.
const USUAL_AFTER: usize = 5;

/// A collection that usually changes fewer rows is never out of bounds: small numbers jump.
const ROWS_MIN: u64 = 50;

/// Times more, or less, than usual that is told.
const OUT_OF_BOUNDS: u64 = 10;

/// Sentences at most; a manifest taken over anew would fill the page.
const SENTENCES_MAX: usize = 12;

/// Sentences about `record` against the runs `before` it, oldest first.
pub(super) fn sentences(record: &RunRecord, before: &[&RunRecord]) -> Vec<String> {
    if before.is_empty() {
        return Vec::new();
    }
    let mut sentences = Vec::new();
    sentences.extend(totals(record, before));
    sentences.extend(of_collections(record, before));
    let more = sentences.len().saturating_sub(SENTENCES_MAX);
    sentences.truncate(SENTENCES_MAX);
    if more > 0 {
        sentences.push(format!("and {more} more differences"));
    }
    sentences
}

/// Rows and time beside the medians of runs over the same collections.
fn totals(record: &RunRecord, before: &[&RunRecord]) -> Option<String> {
    let same = |run: &&&RunRecord| {
        record.collections.iter().all(|c| find(run, c).is_some()) && run.collections.len() == record.collections.len()
    };
    let alike: Vec<&&RunRecord> = before.iter().filter(same).collect();
    if alike.len() < USUAL_AFTER {
        return None;
    }
    let all = |run: &RunRecord| run.collections.iter().map(changed).sum::<u64>();
    let usual_rows = median(alike.iter().map(|run| all(run)).collect());
    // Milliseconds, so that one median serves both.
    let usual_time = median(alike.iter().map(|run| (seconds(run) * 1_000.0) as u64).collect()) as f64 / 1_000.0;
    Some(format!(
        "{} changed in {}; usual are {} in {} (the middle of {} runs)",
        several(all(record), "row"),
        duration(seconds(record)),
        count(usual_rows),
        duration(usual_time),
        alike.len()
    ))
}

/// One sentence for all collections of which the same is to be said: on a day when the source is down, that is one.
fn of_collections(record: &RunRecord, before: &[&RunRecord]) -> Vec<String> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for collection in &record.collections {
        let Some(said) = of_collection(collection, before) else { continue };
        let name = format!("{}.{}", collection.database, collection.collection);
        match groups.iter_mut().find(|(of, _)| *of == said) {
            Some((_, names)) => names.push(name),
            None => groups.push((said, vec![name])),
        }
    }
    let sentence = |(said, names): (String, Vec<String>)| {
        let said = match (names.len(), said.split_once(' ')) {
            (2.., Some(("is", rest))) => format!("are {rest}"),
            (2.., Some(("was", rest))) => format!("were {rest}"),
            _ => said,
        };
        format!("{} {said}", listed(&names))
    };
    groups.into_iter().map(sentence).collect()
}

/// What is to be said of a collection, without its name.
fn of_collection(collection: &CollectionRecord, before: &[&RunRecord]) -> Option<String> {
    let past: Vec<(&RunRecord, &CollectionRecord)> =
        before.iter().filter_map(|run| Some((*run, find(run, collection)?))).collect();
    if past.is_empty() {
        return Some("is here for the first time".to_owned());
    }
    let bad = |outcome| matches!(outcome, Outcome::Failed | Outcome::Busy);
    let streak: Vec<_> = past.iter().rev().take_while(|(_, c)| bad(c.outcome)).collect();
    match (collection.outcome, streak.last()) {
        (Outcome::Failed, None) => Some(format!("failed, after {}", several(past.len() as u64, "good run"))),
        (Outcome::Failed | Outcome::Busy, Some((first, _))) => {
            let times = ordinal(streak.len() + 1);
            let since = minute(&first.started_at);
            Some(format!("was not brought up to date for the {times} time in a row, first at {since}"))
        }
        (Outcome::Busy, None) => None,
        (Outcome::Ok | Outcome::Idle, Some(_)) => {
            Some(format!("is well again, after {}", several(streak.len() as u64, "failed run")))
        }
        (Outcome::Ok | Outcome::Idle, None) => unusual(collection, &past),
    }
}

fn unusual(collection: &CollectionRecord, past: &[(&RunRecord, &CollectionRecord)]) -> Option<String> {
    let rows = changed(collection);
    // A full read of many rows says nothing about windows, nor the other way round.
    let alike: Vec<u64> = past.iter().filter(|(_, c)| c.mode == collection.mode).map(|(_, c)| changed(c)).collect();
    if alike.len() < USUAL_AFTER {
        return None;
    }
    let usual = median(alike);
    let far =
        rows > usual.max(ROWS_MIN).saturating_mul(OUT_OF_BOUNDS) || (usual >= ROWS_MIN && rows < usual / OUT_OF_BOUNDS);
    far.then(|| format!("changed {}, usual are {}", several(rows, "row"), count(usual)))
}

fn changed(collection: &CollectionRecord) -> u64 {
    let rows = &collection.rows;
    rows.inserted + rows.updated + rows.deleted
}

fn find<'r>(run: &'r RunRecord, of: &CollectionRecord) -> Option<&'r CollectionRecord> {
    run.collections.iter().find(|c| c.database == of.database && c.collection == of.collection)
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// `2nd`, `3rd`, `11th`
fn ordinal(n: usize) -> String {
    let ending = match (n % 10, n % 100) {
        (1, not) if not != 11 => "st",
        (2, not) if not != 12 => "nd",
        (3, not) if not != 13 => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{collection, record};
    use super::*;

    fn run(outcome: Outcome, rows: u64) -> RunRecord {
        let mut one = collection("bills", outcome);
        one.rows.inserted = rows;
        record(0, vec![one])
    }

    fn told(now: &RunRecord, before: &[RunRecord]) -> Vec<String> {
        sentences(now, &before.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_first_run_is_compared_with_nothing() {
        assert!(told(&run(Outcome::Ok, 5), &[]).is_empty());
    }

    #[test]
    fn failures_are_told_with_their_history() {
        let good = run(Outcome::Ok, 5);
        let bad = run(Outcome::Failed, 0);
        assert_eq!(told(&bad, &[good.clone(), good.clone()]), ["hospital.bills failed, after 2 good runs"]);
        assert_eq!(
            told(&bad, &[good.clone(), bad.clone()]),
            ["hospital.bills was not brought up to date for the 2nd time in a row, first at 2026-11-21 04:00 UTC"]
        );
        assert_eq!(told(&good, &[bad.clone(), bad]), ["hospital.bills is well again, after 2 failed runs"]);
        let other = record(0, vec![collection("visits", Outcome::Ok)]);
        assert_eq!(told(&good, &[other]), ["hospital.bills is here for the first time"]);
    }

    #[test]
    fn numbers_stand_beside_what_is_usual() {
        let usual = vec![run(Outcome::Ok, 1_000); 6];
        let both = told(&run(Outcome::Ok, 20_000), &usual);
        assert_eq!(
            both,
            [
                "20,000 rows changed in 3m05s; usual are 1,000 in 3m05s (the middle of 6 runs)",
                "hospital.bills changed 20,000 rows, usual are 1,000",
            ]
        );
        assert_eq!(told(&run(Outcome::Ok, 900), &usual).len(), 1, "nine hundred are as usual");
        assert_eq!(told(&run(Outcome::Idle, 0), &usual).len(), 2, "none are not");
    }

    #[test]
    fn ordinals() {
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 102].map(ordinal).join(" "),
            "1st 2nd 3rd 4th 11th 12th 13th 21st 102nd"
        );
    }
}
