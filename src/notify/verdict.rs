//! What a run means, in one line: the first thing anybody reads.

use super::words::{count, several};
use crate::model::record::{CollectionRecord, Outcome, RunRecord};
use serde::Serialize;

/// How a run went as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mood {
    /// Every table is as fresh as it can be.
    Good,
    /// The data landed, but somebody should look (a warning, a channel or crawler that did not answer).
    Look,
    /// A table is not up to date.
    Bad,
}

impl Mood {
    /// The word that stands for the mood where colours do not reach.
    pub(super) fn word(self) -> &'static str {
        match self {
            Mood::Good => "OK",
            Mood::Look => "OK, with warnings",
            Mood::Bad => "FAILED",
        }
    }
}

/// The verdict of a run and what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) mood: Mood,
    /// `10 collections: 9 landed, 1 failed, 1,234 rows new, 56 updated`
    pub(super) line: String,
}

/// How many collections ended each way, and the rows that changed.
#[derive(Debug, Default)]
struct Tally {
    all: u64,
    landed: u64,
    idle: u64,
    failed: u64,
    busy: u64,
    inserted: u64,
    updated: u64,
    deleted: u64,
    files: u64,
}

impl Tally {
    fn of(collections: &[CollectionRecord]) -> Self {
        let mut tally = Self::default();
        for collection in collections {
            tally.all += 1;
            match collection.outcome {
                Outcome::Ok => tally.landed += 1,
                Outcome::Idle => tally.idle += 1,
                Outcome::Failed => tally.failed += 1,
                Outcome::Busy => tally.busy += 1,
            }
            tally.inserted += collection.rows.inserted;
            tally.updated += collection.rows.updated;
            tally.deleted += collection.rows.deleted;
            tally.files += collection.files.written + collection.files.deleted;
        }
        tally
    }

    /// Everything that was looked at is unchanged, down to the last file.
    fn nothing_new(&self) -> bool {
        self.failed + self.busy == 0 && self.files + self.inserted + self.updated + self.deleted == 0
    }

    /// `9 landed, 1 failed`: only what happened.
    fn outcomes(&self, dry_run: bool) -> String {
        let landed = if dry_run { "would land" } else { "landed" };
        [(self.landed, landed), (self.idle, "idle"), (self.failed, "failed"), (self.busy, "busy")]
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, word)| format!("{} {word}", count(n)))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// `1,234 rows new, 56 updated`
    fn rows(&self) -> String {
        let mut text = format!("{} new, {} updated", several(self.inserted, "row"), count(self.updated));
        if self.deleted > 0 {
            text += &format!(", {} deleted", count(self.deleted));
        }
        text
    }
}

/// Judges a run.
pub(super) fn of(record: &RunRecord) -> Verdict {
    let tally = Tally::of(&record.collections);
    let mood = mood(record, &tally);
    let interrupted = matches!(record.exit_code, 130 | 143);
    let mut line = if tally.all == 0 {
        "no collection was attempted".to_owned()
    } else if tally.nothing_new() && !interrupted {
        format!("{}: nothing new: no data file was written", several(tally.all, "collection"))
    } else {
        format!("{}: {}, {}", several(tally.all, "collection"), tally.outcomes(record.dry_run), tally.rows())
    };
    if interrupted {
        line = format!("interrupted; {line}");
    }
    if record.dry_run {
        line = format!("dry run, nothing was written; {line}");
    }
    Verdict { mood, line }
}

/// The subject of the mail: environment, verdict, counts, and the names of what failed as far as they fit.
pub(super) fn subject(record: &RunRecord) -> String {
    let tally = Tally::of(&record.collections);
    let verdict = of(record);
    let environment = &record.environment;
    if verdict.mood != Mood::Bad || tally.failed + tally.busy == 0 {
        return format!("[{environment}] lakefold {}: {}", verdict.mood.word(), verdict.line);
    }
    let troubled: Vec<String> = record
        .collections
        .iter()
        .filter(|c| matches!(c.outcome, Outcome::Failed | Outcome::Busy))
        .map(|c| format!("{}.{}", c.database, c.collection))
        .collect();
    let names = match troubled.as_slice() {
        few if few.len() <= 2 => few.join(", "),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => String::new(),
    };
    format!(
        "[{environment}] lakefold FAILED: {} of {} ({names}); {}",
        tally.failed + tally.busy,
        several(tally.all, "collection"),
        tally.rows()
    )
}

fn mood(record: &RunRecord, tally: &Tally) -> Mood {
    let untold = record.notifications.iter().any(|n| n.outcome != super::SENT);
    let warned = record.collections.iter().any(|c| !c.warnings.is_empty() || c.rows.quarantined > 0);
    if tally.failed + tally.busy > 0 || record.exit_code > 1 {
        Mood::Bad
    } else if untold || warned || record.exit_code == 1 {
        Mood::Look
    } else {
        Mood::Good
    }
}
