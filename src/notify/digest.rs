//! What people are told of a run, worked out once: terminal summary, plain text and HTML only lay it out.

use super::amounts::{self, Amount};
use super::freshness::{self, Freshness};
use super::verdict::{self, Mood};
use super::words::{bytes, count, duration, minute, several};
use super::{RUNS_SHOWN, SENT, changes, compared};
use crate::model::command;
use crate::model::record::{CatalogRecord, CollectionRecord, Outcome, Requests, RunRecord};
use serde::Serialize;

/// Tables named in one sentence.
const NAMES_SHOWN: usize = 5;

/// A run, put into words.
#[derive(Debug, Serialize)]
pub(super) struct Digest {
    pub(super) environment: String,
    pub(super) run_id: String,
    /// `2026-11-21 04:03 UTC`
    pub(super) started: String,
    pub(super) took: String,
    pub(super) mood: Mood,
    pub(super) word: &'static str,
    pub(super) verdict: String,
    /// Whether today's numbers can be trusted, and which not.
    pub(super) trust: String,
    /// What is different from the runs before.
    pub(super) compared: Vec<String>,
    pub(super) freshness: Vec<Freshness>,
    /// Bytes written over the runs shown, by collection.
    pub(super) amounts: Vec<Amount>,
    pub(super) collections: Vec<Line>,
    pub(super) troubles: Vec<Trouble>,
    pub(super) changes: Vec<Note>,
    pub(super) warnings: Vec<Note>,
    /// What happened that is neither trouble nor warning: moved and deleted rows, retyped files, misfits.
    pub(super) remarks: Vec<Note>,
    pub(super) catalog: Vec<String>,
    /// What the run asked of the store, and within which limits.
    pub(super) requests: Option<String>,
    /// Channels that could not be told, and why; known only after the mail.
    pub(super) untold: Vec<String>,
    /// Tells them again.
    pub(super) tell_again: String,
}

/// One collection's numbers.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    /// `database.collection`
    pub(super) collection: String,
    pub(super) database: String,
    /// The collection without its database.
    pub(super) short: String,
    pub(super) outcome: &'static str,
    pub(super) read: u64,
    pub(super) inserted: u64,
    pub(super) updated: u64,
    pub(super) unchanged: u64,
    pub(super) superseded: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
}

/// One or more collections that are not up to date, for one reason.
#[derive(Debug, Serialize)]
pub(super) struct Trouble {
    /// Their names, as far as they fit.
    pub(super) collection: String,
    pub(super) names: Vec<String>,
    pub(super) outcome: &'static str,
    pub(super) reason: String,
    /// The lines after the reason's first: what to do next.
    pub(super) hint: Option<String>,
    /// Until when each table can be trusted.
    pub(super) fresh_until: Vec<Option<String>>,
    /// Runs just these collections again.
    pub(super) command: String,
}

/// A remark about one collection.
#[derive(Debug, Serialize)]
pub(super) struct Note {
    pub(super) collection: String,
    pub(super) text: String,
}

impl Digest {
    /// Puts `record` into words, beside the runs of `history`, oldest first.
    pub(super) fn of(record: &RunRecord, history: &[RunRecord]) -> Self {
        let verdict = verdict::of(record);
        let troubles = troubles(record);
        let before = before(record, history);
        let runs: Vec<&RunRecord> = before.iter().copied().chain(std::iter::once(record)).collect();
        Self {
            environment: record.environment.clone(),
            run_id: record.run_id.clone(),
            started: minute(&record.started_at),
            took: took(record),
            mood: verdict.mood,
            word: verdict.mood.word(),
            verdict: verdict.line,
            trust: trust(record, &troubles),
            compared: compared::sentences(record, &before),
            freshness: freshness::of(record),
            amounts: amounts::written(&runs),
            collections: record.collections.iter().map(line).collect(),
            changes: notes(record, |c| changes::sentences(&c.schema_changes)),
            warnings: notes(record, warnings),
            remarks: notes(record, remarks),
            catalog: record.catalog.iter().map(catalog).collect(),
            requests: record.requests.as_ref().map(requests),
            untold: record
                .notifications
                .iter()
                .filter(|told| told.outcome != SENT)
                .map(|told| format!("{}: {}", told.channel, told.outcome))
                .collect(),
            tell_again: command::tell_again(record.env(), &record.run_id),
            troubles,
        }
    }
}

/// The runs of the same environment before `record`, oldest first, as many as are shown beside it.
pub(super) fn before<'r>(record: &RunRecord, history: &'r [RunRecord]) -> Vec<&'r RunRecord> {
    let same = |run: &&RunRecord| run.environment == record.environment && run.run_id < record.run_id;
    let runs: Vec<&RunRecord> = history.iter().filter(same).collect();
    let first = runs.len().saturating_sub(RUNS_SHOWN - 1);
    runs.into_iter().skip(first).collect()
}

/// The name people know a collection by.
fn name(collection: &CollectionRecord) -> String {
    format!("{}.{}", collection.database, collection.collection)
}

fn took(record: &RunRecord) -> String {
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
    match (time(&record.started_at), time(&record.finished_at)) {
        (Some(from), Some(to)) => duration((to - from).as_seconds_f64()),
        _ => "unknown".to_owned(),
    }
}

fn line(collection: &CollectionRecord) -> Line {
    let rows = &collection.rows;
    Line {
        collection: name(collection),
        database: collection.database.clone(),
        short: collection.collection.clone(),
        outcome: collection.outcome.as_str(),
        read: rows.read,
        inserted: rows.inserted,
        updated: rows.updated,
        unchanged: rows.unchanged,
        superseded: rows.superseded,
        files: collection.files.written,
        bytes: collection.bytes.written,
        seconds: collection.seconds,
    }
}

/// What is not up to date; collections that failed for one reason stand together.
fn troubles(record: &RunRecord) -> Vec<Trouble> {
    let mut groups: Vec<Vec<&CollectionRecord>> = Vec::new();
    for collection in record.collections.iter().filter(|c| matches!(c.outcome, Outcome::Failed | Outcome::Busy)) {
        let alike = |group: &&mut Vec<&CollectionRecord>| {
            group.first().is_some_and(|c| c.outcome == collection.outcome && c.reason == collection.reason)
        };
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(collection),
            None => groups.push(vec![collection]),
        }
    }
    groups.iter().filter_map(|group| trouble(group, record)).collect()
}

fn trouble(group: &[&CollectionRecord], record: &RunRecord) -> Option<Trouble> {
    let first = group.first()?;
    let reason = first.reason.as_deref().unwrap_or("no reason was recorded").trim();
    let (reason, hint) = match reason.split_once('\n') {
        Some((reason, hint)) => (reason.trim_end(), Some(hint.trim().to_owned())),
        None => (reason, None),
    };
    let names: Vec<String> = group.iter().map(|c| name(c)).collect();
    let all = names.len() > 1 && names.len() == record.collections.len();
    Some(Trouble {
        collection: listed(&names),
        outcome: first.outcome.as_str(),
        reason: reason.to_owned(),
        hint,
        fresh_until: group.iter().map(|c| c.watermark.as_deref().map(minute)).collect(),
        command: command::rerun(record.env(), if all { &[] } else { &names }),
        names,
    })
}

/// The first few of `names`, and how many more there are.
pub(super) fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Says which tables can be believed, and as of when.
fn trust(record: &RunRecord, troubles: &[Trouble]) -> String {
    if record.dry_run {
        return "This was a dry run: the lake is as it was.".to_owned();
    }
    if record.collections.is_empty() {
        return "No table was touched; all of them are as the run before left them.".to_owned();
    }
    if troubles.is_empty() {
        // The oldest watermark holds for every table; texts of one format and zone sort like their times.
        let oldest = record.collections.iter().filter_map(|c| c.watermark.as_deref()).min();
        return match oldest {
            Some(time) => format!("Every table holds what the source had at {}.", minute(time)),
            None => "Every table holds what the source had.".to_owned(),
        };
    }
    let mut untils = troubles.iter().flat_map(|t| &t.fresh_until);
    let names: Vec<String> = troubles.iter().flat_map(|t| &t.names).cloned().collect();
    let common = untils.next().filter(|first| names.len() > 1 && untils.all(|until| until == *first));
    let stale: Vec<String> = troubles
        .iter()
        .flat_map(|t| t.names.iter().zip(&t.fresh_until))
        .map(|(name, until)| match until {
            Some(time) => format!("{name} (holds what the source had at {time})"),
            None => name.clone(),
        })
        .collect();
    let fresh = (record.collections.len() - stale.len()) as u64;
    let others = match fresh {
        0 => String::new(),
        1 => " The other table is up to date.".to_owned(),
        n => format!(" The other {} tables are up to date.", count(n)),
    };
    match common {
        Some(Some(time)) => {
            format!("Not up to date: {}; they hold what the source had at {time}.{others}", listed(&names))
        }
        _ => format!("Not up to date: {}.{others}", listed(&stale)),
    }
}

fn notes(record: &RunRecord, of: impl Fn(&CollectionRecord) -> Vec<String>) -> Vec<Note> {
    let of = &of;
    record
        .collections
        .iter()
        .flat_map(|c| of(c).into_iter().map(move |text| Note { collection: name(c), text }))
        .collect()
}

fn warnings(collection: &CollectionRecord) -> Vec<String> {
    let mut texts = collection.warnings.clone();
    if collection.rows.quarantined > 0 {
        let documents = several(collection.rows.quarantined, "document");
        texts.push(format!("{documents} could not be read; see _lakefold/quarantine/"));
    }
    texts
}

fn remarks(collection: &CollectionRecord) -> Vec<String> {
    let CollectionRecord { rows, files, bytes: amount, .. } = collection;
    let mut texts = Vec::new();
    let mut say = |n: u64, one: &str, what: &str| {
        if n > 0 {
            texts.push(format!("{} {what}", several(n, one)));
        }
    };
    say(rows.moved, "row", "moved to another partition");
    say(rows.deleted, "row", "removed, no longer at the source");
    say(collection.partitions_new, "partition", "new");
    say(files.deleted, "file", "removed, no row was left in it");
    say(files.retyped, "file", "rewritten because a column changed its type");
    say(collection.misfits, "value", "did not fit the column's type; the exact originals are in _misfits");
    say(collection.retries, "request", "repeated");
    if amount.read > 0 && collection.mode == "full" {
        texts.push(format!("read in full, {}", bytes(amount.read)));
    }
    // One line a collection: on most days it is all there is to say.
    if texts.is_empty() { texts } else { vec![texts.join("; ")] }
}

/// `1,204 reads, 87 writes, 3 repeated; at most 64 at once, each repeated up to 10 times in 180 s`
fn requests(made: &Requests) -> String {
    let mut text = format!(
        "{}, {}, {}, {}",
        several(made.reads, "read"),
        several(made.writes, "write"),
        several(made.lists, "listing"),
        several(made.deletes, "deletion")
    );
    if made.repeated > 0 {
        text += &format!(", {} repeated", count(made.repeated));
    }
    if made.at_once > 0 {
        text += &format!(
            "; at most {} at once, each repeated up to {} times in {} s",
            count(made.at_once),
            count(made.repeats),
            count(made.repeats_within)
        );
    }
    if made.repeated_aws > 0 {
        text += &format!("; {} of other AWS services repeated", several(made.repeated_aws, "request"));
    }
    text
}

fn catalog(record: &CatalogRecord) -> String {
    let named = if record.crawler.is_empty() { record.databases.join(", ") } else { record.crawler.clone() };
    let mut text = format!("{named}: {}", record.outcome);
    let mut say = |n: u64, one: &str, what: &str| {
        if n > 0 {
            text += &format!(", {} {what}", several(n, one));
        }
    };
    say(record.targets_added, "target", "added");
    say(record.partitions, "partition", "written");
    if !record.tables.is_empty() {
        text += &format!(", changed: {}", record.tables.join(", "));
    }
    if !record.reasons.is_empty() {
        // A reason may end with a command on a line of its own.
        text += &format!("; {}", record.reasons.join("\n"));
    }
    text
}
