//! How far a run is: bars on a terminal, now and then a log line elsewhere, nothing with `--quiet`.

mod bars;
mod lines;
mod pace;

use super::args::{Global, LogFormat};
use super::printer;
use crate::model::progress::{Progress, Silent};
use bars::Bars;
use indicatif::{MultiProgress, ProgressDrawTarget};
use lines::Lines;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time from a collection's start to its first log line.
const FIRST_LINE: Duration = Duration::from_secs(5);

/// The renderer that suits flags and terminal, and the bars that log lines have to pause.
pub fn of(global: &Global) -> (Arc<dyn Progress>, Option<MultiProgress>) {
    if global.quiet {
        (Arc::new(Silent), None)
    } else if global.log == LogFormat::Text && printer::talks_to_terminal() {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        (Arc::new(Bars::new(bars.clone())), Some(bars))
    } else {
        (Arc::new(Lines::new(FIRST_LINE)), None)
    }
}

/// A panic elsewhere leaves counters behind that are good enough to show.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
