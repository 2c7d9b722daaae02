//! A terminal: the program behind a real pty, and what its screen shows in the end.

use crate::support::lakefold::Workplace;
use portable_pty::{CommandBuilder, NativePtySystem, PtySize, PtySystem};
use std::io::Read;

/// Lines of the terminal: more than any command here needs, so that nothing scrolls away.
const ROWS: u16 = 200;

/// What was shown.
pub struct Shown {
    /// Exit code.
    pub code: u32,
    /// The screen at the end, without trailing blanks.
    pub screen: String,
    /// As [`Shown::screen`], with the lines that only the terminal broke put together again: how they are broken follows
    /// from how long a path is on this machine.
    pub lines: String,
    /// Every byte that was sent to the terminal.
    pub raw: String,
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {}\n--- screen\n{}", self.code, self.lines)
    }
}

/// Runs the program to its end on a terminal of `columns`, with more variables in its environment.
pub fn shown_with(place: &Workplace, arguments: &[&str], columns: u16, variables: &[(&str, &str)]) -> Shown {
    let size = PtySize { rows: ROWS, cols: columns, pixel_width: 0, pixel_height: 0 };
    let pair = NativePtySystem::default().openpty(size).expect("a pty");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_lakefold"));
    command.args(arguments);
    command.cwd(place.path());
    command.env_clear();
    for name in ["PATH", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("HOME", place.path());
    command.env("TERM", "xterm-256color");
    variables.iter().for_each(|(name, value)| command.env(name, value));
    let mut child = pair.slave.spawn_command(command).expect("start lakefold");
    // Ours would keep the terminal open for ever.
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().expect("a reader");
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    // The system ends a terminal that nobody holds open any more with an error.
    while let Ok(read @ 1..) = reader.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..read]);
    }
    let code = child.wait().expect("wait for lakefold").exit_code();
    let mut terminal = vt100::Parser::new(ROWS, columns, 0);
    terminal.process(&bytes);
    let rows: Vec<String> = terminal.screen().rows(0, columns).collect();
    let screen: Vec<&str> = rows.iter().map(|row| row.trim_end()).collect();
    let mut lines = String::new();
    for (row, at) in rows.iter().zip(0..) {
        match terminal.screen().row_wrapped(at) {
            true => lines += row,
            false => lines += &format!("{}\n", row.trim_end()),
        }
    }
    Shown {
        code,
        screen: screen.join("\n").trim_end().to_owned(),
        lines: lines.trim_end().to_owned(),
        raw: String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// As [`shown_with`], in an ordinary environment.
pub fn shown(place: &Workplace, arguments: &[&str], columns: u16) -> Shown {
    shown_with(place, arguments, columns, &[])
}

/// Insists that nothing was cut or broken by the terminal: every line was meant to be as long as it is. Lines that
/// hold something to be copied may be longer, and so may lines of the log.
#[track_caller]
pub fn fits(text: &str, columns: usize) {
    let copied = ["hint:", "rerun:", "error:", "ERROR", "WARN", "  lakefold ", "  db.", "file:"];
    for line in text.lines().filter(|line| !copied.iter().any(|word| line.contains(word))) {
        assert!(line.chars().count() <= columns, "wider than {columns}: {line}");
    }
}
