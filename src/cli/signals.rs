//! SIGINT and SIGTERM end a run cleanly; the second one ends it at once.

use super::{exit, printer};
use crate::error::{Kind, Result, ResultExt};
use crate::model::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Becomes `Some` at the first signal. Must be called inside the runtime.
///
/// A second signal ends the process with the signal's code without waiting for anything: a run killed at any instant
/// is repaired by the next (P4), so nobody has to sit a slow end out.
///
/// # Errors
/// The system refuses the handlers.
pub fn listen() -> Result<watch::Receiver<Option<Signal>>> {
    let refused = "install the handlers of SIGINT and SIGTERM";
    let mut interrupt = signal(SignalKind::interrupt()).or_error(Kind::Invariant, refused)?;
    let mut terminate = signal(SignalKind::terminate()).or_error(Kind::Invariant, refused)?;
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        loop {
            let received = tokio::select! {
                _ = interrupt.recv() => Signal::Interrupt,
                _ = terminate.recv() => Signal::Terminate,
            };
            if sender.borrow().is_some() {
                end_now(received);
            }
            printer::talk(format!("{}: ending cleanly; send it again to end at once\n", received.as_str()).as_bytes());
            sender.send_replace(Some(received));
        }
    });
    Ok(receiver)
}

/// Waits for the first signal; forever when none can come any more.
pub async fn received(receiver: &mut watch::Receiver<Option<Signal>>) -> Signal {
    match receiver.wait_for(Option::is_some).await.map(|signal| *signal) {
        Ok(Some(signal)) => signal,
        _ => std::future::pending().await,
    }
}

#[expect(clippy::exit, reason = "the one place where somebody asked twice not to wait for destructors")]
fn end_now(signal: Signal) {
    std::process::exit(i32::from(exit::of_signal(signal)));
}
