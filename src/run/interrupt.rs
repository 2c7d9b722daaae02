//! Stopping before the end: SIGINT, SIGTERM or the deadline.

use crate::error::{Error, Kind, Result};
use crate::model::signal::Signal;
use std::time::Instant;
use tokio::sync::watch;

/// Asked at every step that can be left cleanly.
#[derive(Debug, Clone)]
pub struct Interrupt {
    signal: watch::Receiver<Option<Signal>>,
    deadline: Option<Instant>,
}

impl Interrupt {
    /// Stops at a signal, or when `deadline` has passed.
    pub fn new(signal: watch::Receiver<Option<Signal>>, deadline: Option<Instant>) -> Self {
        Self { signal, deadline }
    }

    /// The signal that came, if one did.
    pub fn signal(&self) -> Option<Signal> {
        *self.signal.borrow()
    }

    /// # Errors
    /// [`Kind::Interrupted`] once the run has to stop.
    pub fn check(&self) -> Result<()> {
        if let Some(signal) = self.signal() {
            return Err(Error::new(Kind::Interrupted, format!("stopped by {}", signal.as_str()))
                .hint("nothing is lost: the next run goes on from the stored watermark"));
        }
        if self.deadline.is_some_and(|at| Instant::now() >= at) {
            return Err(Error::new(Kind::Interrupted, "the deadline of the run has passed")
                .hint("raise [run] deadline, or run this collection by itself"));
        }
        Ok(())
    }
}
