//! The only file that prints: results go to stdout, talk goes to stderr.

use crate::error::{Error, Kind, Result};
use crate::model::problem::Problem;
use crate::model::redact;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// Characters a line of a result may have where no terminal says it.
const WIDTH: usize = 160;

/// Whether people look at stderr.
pub fn talks_to_terminal() -> bool {
    io::stderr().is_terminal()
}

/// How many characters a line of a result may have.
pub fn width() -> usize {
    // Asks the terminal behind stdout, and nothing when there is none.
    comfy_table::Table::new().width().map_or(WIDTH, usize::from)
}

/// Prints a result on stdout. A reader that has gone away (`| head`) has all it wanted: that is success.
///
/// # Errors
/// Stdout cannot take it, because a disk is full for example.
pub fn result(text: &str) -> Result<()> {
    let mut results = Results::new();
    match results.write_all(text.as_bytes()).and_then(|()| results.flush()) {
        Err(e) if !results.is_closed() => {
            Err(Error::new(Kind::Lake, redact::quoted(&e.to_string())).context("write the result to stdout"))
        }
        _ => Ok(()),
    }
}

/// Stdout for results that come in pieces; remembers whether its reader has gone away.
#[derive(Debug)]
pub struct Results {
    stdout: io::BufWriter<io::Stdout>,
    closed: bool,
}

impl Results {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self { stdout: io::BufWriter::new(io::stdout()), closed: false }
    }

    /// Whether writing failed because nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    fn note<T>(&mut self, written: io::Result<T>) -> io::Result<T> {
        if let Err(e) = &written {
            self.closed |= e.kind() == ErrorKind::BrokenPipe;
        }
        written
    }
}

impl Default for Results {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stdout.write(bytes);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.stdout.flush();
        self.note(flushed)
    }
}

/// Says in one line what went wrong, in another what to do next, and with `detail` what is known besides.
pub fn error(error: &Error, detail: bool) {
    let mut text = format!("error: {error}\n");
    if let Some(hint) = error.hint_text() {
        // Commands stand on lines of their own.
        text += &format!("  hint: {}\n", hint.replace('\n', "\n  "));
    }
    if let Some(more) = error.detail_text().filter(|_| detail) {
        text += &format!("  detail: {more}\n");
    }
    talk(text.as_bytes());
}

/// Says everything that is wrong with the files a person wrote, with what to write instead below each.
pub fn problems(problems: &[Problem]) {
    for problem in problems {
        let hint = problem.hint.as_ref().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
        talk(format!("error: {problem}\n{hint}").as_bytes());
    }
}

/// Shows help, version or a usage error as clap words it.
pub fn usage(message: &clap::Error) {
    // Nobody is left to tell when this cannot be shown.
    let _ = message.print();
}

/// Writes to stderr; when that fails there is nobody left to tell.
pub fn talk(bytes: &[u8]) {
    let _ = io::stderr().lock().write_all(bytes);
}
