//! Log lines on stderr, as text or JSON, that leave progress bars whole.

use super::args::{Global, LogFormat};
use super::{printer, settings};
use indicatif::MultiProgress;
use std::io;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Turns logging on for the process; bars pause while a line is written.
pub fn init(global: &Global, bars: Option<MultiProgress>) {
    let terminal = printer::talks_to_terminal();
    let color = terminal && settings::wants_color();
    let writer = Stderr { bars };
    let filter = levels(global.verbose, global.quiet);
    let registry = tracing_subscriber::registry();
    // Only a second call in one process could fail, and then the first goes on.
    let _ = match (global.log, terminal) {
        (LogFormat::Json, _) => registry.with(json(writer).with_filter(filter)).try_init(),
        // A person at a terminal knows the time; whoever reads a scheduler's log does not.
        (LogFormat::Text, true) => {
            let layer = fmt::layer().with_writer(writer).with_ansi(color).with_target(false).without_time();
            registry.with(layer.with_filter(filter)).try_init()
        }
        (LogFormat::Text, false) => {
            let layer = fmt::layer().with_writer(writer).with_ansi(false).with_target(false);
            registry.with(layer.with_filter(filter)).try_init()
        }
    };
}

/// One object a line: `timestamp`, `level`, `message` and the fields of the event side by side.
fn json<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    fmt::layer().json().flatten_event(true).with_current_span(false).with_span_list(false).with_writer(writer)
}

/// lakefold by the flags; other crates only when they warn, because nobody has checked what else they show (P10).
fn levels(verbose: u8, quiet: bool) -> Targets {
    let own = match (quiet, verbose) {
        (true, _) => LevelFilter::WARN,
        (false, 0) => LevelFilter::INFO,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let foreign = if quiet { LevelFilter::ERROR } else { LevelFilter::WARN };
    Targets::new().with_default(foreign).with_target("lakefold", own)
}

/// Stderr, with the bars taken away while a line is written.
#[derive(Clone)]
struct Stderr {
    bars: Option<MultiProgress>,
}

impl io::Write for Stderr {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &self.bars {
            Some(bars) => bars.suspend(|| printer::talk(line)),
            None => printer::talk(line),
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Stderr {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn other_crates_speak_only_when_they_warn() {
        for (verbose, quiet, own) in
            [(0, true, Level::WARN), (0, false, Level::INFO), (1, false, Level::DEBUG), (2, false, Level::TRACE)]
        {
            let levels = levels(verbose, quiet);
            assert!(levels.would_enable("lakefold::run", &own));
            assert!(!levels.would_enable("mongodb", &Level::INFO));
            assert_eq!(levels.would_enable("mongodb", &Level::WARN), !quiet);
        }
        assert!(!levels(0, true).would_enable("lakefold::run", &Level::INFO));
    }
}
