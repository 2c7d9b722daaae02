//! Log lines where no terminal is: soon at first, then seldomer, so that neither a minute nor a night fills a log.
//!
//! They go through the log, so that `--log json` makes them JSON and the log's level decides about them.

use super::lock;
use super::pace::Pace;
use crate::model::collection::Namespace;
use crate::model::progress::Progress;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Most time between two lines of one collection.
const SELDOMEST: Duration = Duration::from_secs(60);

/// Says how far every collection is.
pub struct Lines {
    /// Time from a collection's start to its first line; it doubles with each.
    first: Duration,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    working: HashMap<Namespace, Line>,
    /// Collections that have ended, and all of the run; none when it is no run.
    ended: u64,
    collections: Option<u64>,
}

/// What is known of one collection.
struct Line {
    started: Instant,
    spoke: Instant,
    every: Duration,
    phase: &'static str,
    pace: Pace,
}

impl Lines {
    /// The first line of a collection comes after `first`.
    pub fn new(first: Duration) -> Self {
        Self { first, said: Mutex::default() }
    }

    /// Notes something and says it when the last line is long enough ago.
    fn note(&self, collection: &Namespace, update: impl FnOnce(&mut Line), files: Option<(u64, u64)>) {
        let mut said = lock(&self.said);
        let Some(line) = said.working.get_mut(collection) else { return };
        update(line);
        if line.spoke.elapsed() < line.every {
            return;
        }
        line.spoke = Instant::now();
        line.every = (line.every * 2).min(SELDOMEST);
        let elapsed = line.started.elapsed();
        let reading = line.phase == "reading";
        tracing::info!(
            %collection,
            documents = line.pace.documents,
            expected = line.pace.expected_documents,
            bytes = line.pace.bytes,
            mb_per_second = reading.then(|| tenths(line.pace.megabytes_a_second(elapsed))),
            seconds_left = line.pace.left(elapsed).filter(|_| reading).map(|left| left.as_secs()),
            files_done = files.map(|(done, _)| done),
            files = files.map(|(_, total)| total),
            "{}",
            line.phase
        );
    }
}

impl Progress for Lines {
    fn begin(&self, collections: usize) {
        lock(&self.said).collections = Some(collections as u64);
    }

    fn start(&self, collection: &Namespace, documents: Option<u64>, bytes: Option<u64>) {
        let now = Instant::now();
        let pace = Pace::new(documents, bytes);
        let line = Line { started: now, spoke: now, every: self.first, phase: "reading", pace };
        lock(&self.said).working.insert(collection.clone(), line);
    }

    fn read(&self, collection: &Namespace, documents: u64, bytes: u64) {
        self.note(collection, |line| line.pace.add(documents, bytes), None);
    }

    fn phase(&self, collection: &Namespace, phase: &'static str) {
        self.note(collection, |line| line.phase = phase, None);
    }

    fn merged(&self, collection: &Namespace, done: u64, total: u64) {
        self.note(collection, |_| {}, Some((done, total)));
    }

    fn finish(&self, collection: &Namespace, outcome: &str) {
        let mut said = lock(&self.said);
        said.ended += 1;
        let (ended, of) = (said.ended, said.collections);
        let line = said.working.remove(collection);
        let pace = line.as_ref().map(|line| line.pace).unwrap_or_default();
        let seconds = line.map_or(0.0, |line| (line.started.elapsed().as_secs_f64() * 1e3).round() / 1e3);
        tracing::info!(
            %collection,
            documents = pace.documents,
            bytes = pace.bytes,
            seconds,
            done = of.map(|_| ended),
            of,
            "{outcome}"
        );
    }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::logging::logged;

    fn bills() -> Namespace {
        Namespace::parse("hospital.bills").unwrap()
    }

    #[test]
    fn lines_count_up_and_end_with_the_outcome() {
        let text = logged(|| {
            let lines = Lines::new(Duration::ZERO);
            lines.begin(2);
            lines.start(&bills(), Some(30), None);
            lines.read(&bills(), 10, 100);
            lines.phase(&bills(), "merging");
            lines.merged(&bills(), 1, 2);
            lines.finish(&bills(), "ok");
        });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("INFO hospital.bills: reading documents=10 expected=30 bytes=100 mb_per_second="));
        assert_eq!(
            lines[1..3],
            [
                "INFO hospital.bills: merging documents=10 expected=30 bytes=100",
                "INFO hospital.bills: merging documents=10 expected=30 bytes=100 files_done=1 files=2",
            ]
        );
        assert!(lines[3].starts_with("INFO hospital.bills: ok documents=10 bytes=100 seconds="), "{text}");
        assert!(lines[3].ends_with("done=1 of=2"), "{text}");
    }

    #[test]
    fn a_quick_collection_is_one_line() {
        let text = logged(|| {
            let lines = Lines::new(Duration::from_secs(3600));
            lines.start(&bills(), None, None);
            (0..1000).for_each(|_| lines.read(&bills(), 1, 1));
            lines.finish(&bills(), "ok");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
    }

    #[test]
    fn a_collection_that_fails_before_it_starts_is_said_too() {
        let text = logged(|| Lines::new(Duration::ZERO).finish(&bills(), "failed"));
        assert!(text.starts_with("INFO hospital.bills: failed documents=0"), "{text}");
    }
}
