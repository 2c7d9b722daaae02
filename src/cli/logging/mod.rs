//! Log lines on stderr, as text or JSON, that leave progress bars whole.

mod line;

use super::args::{Global, LogFormat};
use super::{printer, settings};
use indicatif::MultiProgress;
use line::{Lines, Look};
use std::io;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Turns logging on for the process; bars pause while a line is written.
pub fn init(global: &Global, bars: Option<MultiProgress>) {
    let terminal = printer::talks_to_terminal();
    let look = match global.log {
        LogFormat::Json => Look::Json,
        LogFormat::Text => Look::Text { time: !terminal, color: terminal && settings::wants_color() },
    };
    let layer = Lines::new(look, Stderr { bars }).with_filter(levels(global.verbose, global.quiet));
    // Only a second call in one process could fail, and then the first goes on.
    let _ = tracing_subscriber::registry().with(layer).try_init();
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

/// What `work` logs, as a person reads it in a pipe but for the time.
#[cfg(test)]
pub fn logged(work: impl FnOnce()) -> String {
    logged_as(Look::Text { time: false, color: false }, work)
}

/// What `work` logs.
#[cfg(test)]
fn logged_as(look: Look, work: impl FnOnce()) -> String {
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let sink = Sink::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::registry().with(Lines::new(look, move || writer.clone()));
    tracing::subscriber::with_default(subscriber, work);
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
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
