//! Stopping before the end: SIGINT, SIGTERM or the deadline.

use crate::error::{Error, Kind, Result};
use crate::model::signal::Signal;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a step under way may go on. An operator who sends a signal waits for ten seconds at most.
const GRACE: Duration = Duration::from_secs(4);

/// How long telling people may go on after a signal.
const FAREWELL: Duration = Duration::from_secs(2);

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
        match self.signal() {
            Some(signal) => Err(signalled(signal)),
            None if self.deadline.is_some_and(|at| Instant::now() >= at) => Err(overdue()),
            None => Ok(()),
        }
    }

    /// Waits until the run has to stop and then [`GRACE`] more, for a step that ends neither by itself nor at
    /// [`Interrupt::check`]: a large file on its way to a slow store.
    pub async fn overdue(&self) -> Error {
        let stopped = self.stopped().await;
        tokio::time::sleep(GRACE).await;
        stopped
    }

    /// Waits for a signal and then [`FAREWELL`] more: a deadline leaves time to tell how the run went, a person who
    /// wants it to end does not wait for that.
    pub async fn sent_away(&self) -> Error {
        let signal = self.signalled().await;
        tokio::time::sleep(FAREWELL).await;
        signalled(signal)
    }

    /// Waits until the run has to stop, which may be for ever: to be raced against what may hang.
    pub async fn stopped(&self) -> Error {
        let signal = self.signalled();
        let deadline = async {
            match self.deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            signal = signal => signalled(signal),
            () = deadline => overdue(),
        }
    }

    async fn signalled(&self) -> Signal {
        let mut signals = self.signal.clone();
        match signals.wait_for(Option::is_some).await.map(|signal| *signal) {
            Ok(Some(signal)) => signal,
            // Nobody is left who could send one.
            _ => std::future::pending().await,
        }
    }
}

fn signalled(signal: Signal) -> Error {
    Error::new(Kind::Interrupted, format!("stopped by {}", signal.as_str()))
        .hint("nothing is lost: the next run goes on from the stored watermark")
}

fn overdue() -> Error {
    Error::new(Kind::Interrupted, "the deadline of the run has passed")
        .hint("raise [run] deadline, or run this collection by itself")
}
