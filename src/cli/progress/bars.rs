//! Bars on a terminal: one for each collection at work, one for all; what is done leaves the screen to the summary.

use super::lock;
use super::pace::Pace;
use crate::model::collection::Namespace;
use crate::model::progress::Progress;
use crate::notify::words::{count, duration};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often bars move while nothing is reported.
const TICK: Duration = Duration::from_millis(200);

/// Steps of a whole bar: finer than any terminal shows.
const WHOLE: u64 = 1_000;

/// With names of 24 characters and numbers of any size these stay within 80 columns.
const BAR: &str = "{prefix:24!} {bar:14} {msg}";
const SPINNER: &str = "{prefix:24!} {spinner:14} {msg}";

/// Draws bars.
pub struct Bars {
    all: MultiProgress,
    screen: Mutex<Screen>,
}

/// What is on the screen.
#[derive(Default)]
struct Screen {
    working: HashMap<Namespace, Work>,
    /// None while a run has one collection only, or it is no run.
    overall: Option<Overall>,
}

/// A collection at work.
struct Work {
    bar: ProgressBar,
    started: Instant,
    pace: Pace,
}

/// All collections together.
struct Overall {
    bar: ProgressBar,
    started: Instant,
    collections: u64,
    /// Collections that have ended.
    ended: u64,
    /// What those have read; they were read to their end, so that it is also what was there.
    read: Pace,
}

impl Bars {
    /// Bars drawn by `all`.
    pub fn new(all: MultiProgress) -> Self {
        Self { all, screen: Mutex::default() }
    }

    fn with(&self, collection: &Namespace, update: impl FnOnce(&mut Work)) {
        let mut screen = lock(&self.screen);
        if let Some(work) = screen.working.get_mut(collection) {
            update(work);
        }
        screen.show_overall();
    }
}

impl Progress for Bars {
    fn begin(&self, collections: usize) {
        let mut screen = lock(&self.screen);
        if collections > 1 {
            let bar = styled(ProgressBar::new(WHOLE), BAR);
            let bar = self.all.add(bar);
            bar.enable_steady_tick(TICK);
            let read = Pace::new(Some(0), Some(0));
            let collections = collections as u64;
            screen.overall = Some(Overall { bar, started: Instant::now(), collections, ended: 0, read });
            screen.show_overall();
        }
    }

    fn start(&self, collection: &Namespace, documents: Option<u64>, bytes: Option<u64>) {
        let pace = Pace::new(documents, bytes);
        let bar = match pace.share() {
            Some(_) => styled(ProgressBar::new(WHOLE), BAR),
            None => styled(ProgressBar::no_length(), SPINNER),
        };
        let bar = bar.with_prefix(collection.to_string());
        let mut screen = lock(&self.screen);
        // A window that is opened again begins anew.
        if let Some(old) = screen.working.remove(collection) {
            self.all.remove(&old.bar);
        }
        let bar = match &screen.overall {
            Some(overall) => self.all.insert_before(&overall.bar, bar),
            None => self.all.add(bar),
        };
        bar.enable_steady_tick(TICK);
        screen.working.insert(collection.clone(), Work { bar, started: Instant::now(), pace });
    }

    fn read(&self, collection: &Namespace, documents: u64, bytes: u64) {
        self.with(collection, |work| {
            work.pace.add(documents, bytes);
            work.bar.set_position(position(work.pace.share().unwrap_or_default()));
            work.bar.set_message(told(&work.pace, work.started.elapsed(), true));
        });
    }

    fn phase(&self, collection: &Namespace, phase: &'static str) {
        self.with(collection, |work| {
            let read =
                if work.pace.documents > 0 { format!("{} docs, ", count(work.pace.documents)) } else { String::new() };
            work.bar.set_message(format!("{read}{phase}"));
        });
    }

    fn merged(&self, collection: &Namespace, done: u64, total: u64) {
        self.with(collection, |work| {
            work.bar.set_message(format!("{} docs, wrote {done}/{total} files", count(work.pace.documents)));
        });
    }

    fn finish(&self, collection: &Namespace, _: &str) {
        let mut screen = lock(&self.screen);
        let ended = screen.working.remove(collection);
        if let Some(overall) = &mut screen.overall {
            overall.ended += 1;
            if let Some(work) = &ended {
                let Pace { documents, bytes, .. } = work.pace;
                let whole = Pace { documents, bytes, expected_documents: Some(documents), expected_bytes: Some(bytes) };
                overall.read = Pace::sum([overall.read, whole].iter());
            }
        }
        if let Some(Work { bar, .. }) = ended {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        screen.show_overall();
        if let Some(overall) = screen.overall.take_if(|overall| overall.ended >= overall.collections) {
            overall.bar.finish_and_clear();
            self.all.remove(&overall.bar);
        }
    }
}

impl Screen {
    fn show_overall(&self) {
        let Some(overall) = &self.overall else { return };
        let working = self.working.values();
        let shares: f64 = working.clone().map(|work| work.pace.share().unwrap_or_default().min(1.0)).sum();
        // Counts of collections are small.
        overall.bar.set_position(position((overall.ended as f64 + shares) / overall.collections.max(1) as f64));
        overall.bar.set_prefix(format!("all: {} of {} done", overall.ended, overall.collections));
        let pace = Pace::sum(working.map(|work| &work.pace).chain([&overall.read]));
        // How much collections hold that have not begun is unknown, and so is the time for all.
        let all_known = overall.ended + self.working.len() as u64 >= overall.collections;
        overall.bar.set_message(told(&pace, overall.started.elapsed(), all_known));
    }
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("━╸─")),
        // indicatif's own style tells the same.
        Err(_) => bar,
    }
}

fn position(share: f64) -> u64 {
    // A cast from a float saturates.
    (share.clamp(0.0, 1.0) * WHOLE as f64) as u64
}

/// `12,345 docs, 8.2 MB/s, 12s left`
fn told(pace: &Pace, elapsed: Duration, may_promise: bool) -> String {
    let mut text = format!("{} docs, {:.1} MB/s", count(pace.documents), pace.megabytes_a_second(elapsed));
    if let Some(left) = pace.left(elapsed).filter(|_| may_promise) {
        text += &format!(", {} left", duration(left.as_secs_f64()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::ProgressDrawTarget;

    fn named(name: &str) -> Namespace {
        Namespace::parse(name).unwrap()
    }

    fn bars() -> Bars {
        Bars::new(MultiProgress::with_draw_target(ProgressDrawTarget::hidden()))
    }

    fn shown(bars: &Bars, collection: &Namespace) -> (u64, String) {
        let bar = lock(&bars.screen).working[collection].bar.clone();
        (bar.position(), bar.message())
    }

    #[test]
    fn a_bar_follows_the_bytes_and_goes_away() {
        let (bars, bills) = (bars(), named("hospital.bills"));
        bars.start(&bills, Some(10), Some(1_000));
        bars.read(&bills, 1, 250);
        assert_eq!(shown(&bars, &bills).0, 250);
        // The counters were too low.
        bars.read(&bills, 24, 2_000);
        assert_eq!(shown(&bars, &bills).0, WHOLE);
        bars.phase(&bills, "merging");
        assert_eq!(shown(&bars, &bills).1, "25 docs, merging");
        let bar = lock(&bars.screen).working[&bills].bar.clone();
        bars.finish(&bills, "ok");
        assert!(bar.is_finished() && lock(&bars.screen).working.is_empty());
    }

    #[test]
    fn the_bar_of_all_counts_collections_and_those_half_done() {
        let (bars, bills, beds) = (bars(), named("hospital.bills"), named("hospital.beds"));
        bars.begin(4);
        bars.start(&bills, None, Some(1_000));
        bars.start(&beds, None, Some(1_000));
        bars.read(&bills, 1, 500);
        let overall = lock(&bars.screen).overall.as_ref().unwrap().bar.clone();
        assert_eq!(overall.position(), 125, "an eighth");
        bars.finish(&beds, "failed");
        assert_eq!((overall.position(), overall.prefix().as_str()), (375, "all: 1 of 4 done"));
        assert!(!overall.message().contains("left"), "two have not begun: {}", overall.message());
    }

    #[test]
    fn one_collection_has_no_bar_for_all() {
        let bars = bars();
        bars.begin(1);
        assert!(lock(&bars.screen).overall.is_none());
    }
}
