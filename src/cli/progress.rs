//! How far a run is: bars on a terminal, now and then a log line elsewhere, nothing with `--quiet`.
//!
//! Lines go through the log, so that `--log json` makes them JSON and the log's level decides about them.

use super::args::{Global, LogFormat};
use super::printer;
use crate::model::collection::Namespace;
use crate::model::progress::{Progress, Silent};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Least time between two lines of one collection.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// How often bars move while nothing is reported.
const TICK: Duration = Duration::from_millis(200);

/// The renderer that suits flags and terminal, and the bars that log lines have to pause.
pub fn of(global: &Global) -> (Arc<dyn Progress>, Option<MultiProgress>) {
    if global.quiet {
        (Arc::new(Silent), None)
    } else if global.log == LogFormat::Text && printer::talks_to_terminal() {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        (Arc::new(Bars::new(bars.clone())), Some(bars))
    } else {
        (Arc::new(Lines::new(LINE_EVERY)), None)
    }
}

/// One bar for each collection at work; what is done leaves the screen to the summary.
struct Bars {
    all: MultiProgress,
    by_collection: Mutex<HashMap<Namespace, ProgressBar>>,
}

impl Bars {
    fn new(all: MultiProgress) -> Self {
        Self { all, by_collection: Mutex::default() }
    }

    fn with(&self, collection: &Namespace, update: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = lock(&self.by_collection).get(collection) {
            update(bar);
        }
    }
}

impl Progress for Bars {
    fn start(&self, collection: &Namespace, documents: Option<u64>, _: Option<u64>) {
        let (bar, template) = match documents {
            Some(documents) => {
                (ProgressBar::new(documents), "{prefix:28!} {bar:24} {human_pos}/{human_len} {per_sec} {msg} {elapsed}")
            }
            None => (ProgressBar::no_length(), "{prefix:28!} {spinner} {human_pos} {per_sec} {msg} {elapsed}"),
        };
        // A template that does not parse leaves indicatif's own style, which tells the same.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let bar = self.all.add(bar.with_prefix(collection.to_string()));
        bar.enable_steady_tick(TICK);
        lock(&self.by_collection).insert(collection.clone(), bar);
    }

    fn read(&self, collection: &Namespace, documents: u64, _: u64) {
        self.with(collection, |bar| {
            bar.inc(documents);
            // The length is an estimate that new documents outgrow.
            if bar.length().is_some_and(|length| length < bar.position()) {
                bar.set_length(bar.position());
            }
        });
    }

    fn phase(&self, collection: &Namespace, phase: &'static str) {
        self.with(collection, |bar| bar.set_message(phase));
    }

    fn merged(&self, collection: &Namespace, done: u64, total: u64) {
        self.with(collection, |bar| bar.set_message(format!("merged {done}/{total} partitions")));
    }

    fn finish(&self, collection: &Namespace, _: &str) {
        if let Some(bar) = lock(&self.by_collection).remove(collection) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }
}

/// Log lines, a few seconds apart for each collection.
struct Lines {
    every: Duration,
    by_collection: Mutex<HashMap<Namespace, Line>>,
}

/// What is known of one collection.
struct Line {
    started: Instant,
    spoke: Instant,
    phase: &'static str,
    documents: u64,
    expected: Option<u64>,
    bytes: u64,
}

impl Lines {
    fn new(every: Duration) -> Self {
        Self { every, by_collection: Mutex::default() }
    }

    /// Notes something and says it when the last line is long enough ago.
    fn note(&self, collection: &Namespace, update: impl FnOnce(&mut Line), partitions: Option<(u64, u64)>) {
        let mut lines = lock(&self.by_collection);
        let Some(line) = lines.get_mut(collection) else {
            return;
        };
        update(line);
        if line.spoke.elapsed() < self.every {
            return;
        }
        line.spoke = Instant::now();
        tracing::info!(
            %collection,
            documents = line.documents,
            expected = line.expected,
            bytes = line.bytes,
            partitions_done = partitions.map(|(done, _)| done),
            partitions = partitions.map(|(_, total)| total),
            "{}",
            line.phase
        );
    }
}

impl Progress for Lines {
    fn start(&self, collection: &Namespace, documents: Option<u64>, _: Option<u64>) {
        let now = Instant::now();
        let line = Line { started: now, spoke: now, phase: "reading", documents: 0, expected: documents, bytes: 0 };
        lock(&self.by_collection).insert(collection.clone(), line);
    }

    fn read(&self, collection: &Namespace, documents: u64, bytes: u64) {
        let add = |line: &mut Line| {
            line.documents += documents;
            line.bytes += bytes;
        };
        self.note(collection, add, None);
    }

    fn phase(&self, collection: &Namespace, phase: &'static str) {
        self.note(collection, |line| line.phase = phase, None);
    }

    fn merged(&self, collection: &Namespace, done: u64, total: u64) {
        self.note(collection, |_| {}, Some((done, total)));
    }

    fn finish(&self, collection: &Namespace, outcome: &str) {
        if let Some(line) = lock(&self.by_collection).remove(collection) {
            let seconds = (line.started.elapsed().as_secs_f64() * 1e3).round() / 1e3;
            tracing::info!(%collection, documents = line.documents, bytes = line.bytes, seconds, "{outcome}");
        }
    }
}

/// A panic elsewhere leaves counters behind that are good enough to show.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// What `work` logs, as text.
    fn logged(work: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Sink(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                lock(&self.0).extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let sink = Sink::default();
        let writer = sink.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(lock(&sink.0).clone()).unwrap()
    }

    fn bills() -> Namespace {
        Namespace::parse("hospital.bills").unwrap()
    }

    #[test]
    fn lines_count_up_and_end_with_the_outcome() {
        let text = logged(|| {
            let lines = Lines::new(Duration::ZERO);
            lines.start(&bills(), Some(30), None);
            lines.read(&bills(), 10, 100);
            lines.read(&bills(), 5, 50);
            lines.phase(&bills(), "merging");
            lines.merged(&bills(), 1, 2);
            lines.finish(&bills(), "ok");
        });
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines[..4],
            [
                "INFO reading collection=hospital.bills documents=10 expected=30 bytes=100",
                "INFO reading collection=hospital.bills documents=15 expected=30 bytes=150",
                "INFO merging collection=hospital.bills documents=15 expected=30 bytes=150",
                "INFO merging collection=hospital.bills documents=15 expected=30 bytes=150 partitions_done=1 partitions=2",
            ]
        );
        assert!(lines[4].starts_with("INFO ok collection=hospital.bills documents=15 bytes=150 seconds="), "{text}");
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
    fn bars_follow_estimates_that_were_too_low_and_go_away() {
        let bars = Bars::new(MultiProgress::with_draw_target(ProgressDrawTarget::hidden()));
        bars.start(&bills(), Some(10), None);
        bars.read(&bills(), 25, 0);
        bars.phase(&bills(), "merging");
        let bar = lock(&bars.by_collection).get(&bills()).unwrap().clone();
        assert_eq!((bar.position(), bar.length(), bar.message()), (25, Some(25), "merging".to_owned()));
        bars.finish(&bills(), "ok");
        assert!(bar.is_finished() && lock(&bars.by_collection).is_empty());
    }
}
