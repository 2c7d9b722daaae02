//! The command line: flags, files, and what is shown. Nothing is decided here about data.
//!
//! Whatever a person wrote is checked before anything is touched, and all that is wrong with it is told at once.

pub mod args;
pub mod exit;
pub mod files;
mod input;
mod logging;
pub mod printer;
mod progress;
pub mod settings;
mod signals;

use crate::error::{Error, Kind, Result};
use args::{Cli, Command, Global, RunArgs};
use clap::Parser;
use input::Refused;
use std::process::ExitCode;

/// Runs the program: arguments in, exit code out.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            printer::usage(&message);
            return ExitCode::from(if message.use_stderr() { exit::INPUT } else { exit::OK });
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            printer::error(&Error::new(Kind::Unavailable, e).context("start the threads"));
            return ExitCode::from(exit::UNAVAILABLE);
        }
    };
    let code = runtime.block_on(dispatch(&cli));
    // A blocking task that a signal left behind must not hold the process up.
    runtime.shutdown_background();
    ExitCode::from(code)
}
