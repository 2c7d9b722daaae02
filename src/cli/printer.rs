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
    result_bytes(text.as_bytes())
}

/// [`result`] for what is not text.
///
/// # Errors
/// As for [`result`].
pub fn result_bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            Err(Error::new(Kind::Lake, redact::quoted(&e.to_string())).context("write the result to stdout"))
        }
        _ => Ok(()),
    }
}

/// Says in one line what went wrong and what to do next.
pub fn error(error: &Error) {
    let hint = error.hint_text().map(|hint| format!(" ({hint})")).unwrap_or_default();
    talk(format!("error: {error}{hint}\n").as_bytes());
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
