//! The oracle: random histories of two collections on a real mongod, folded by random runs, compared after every run
//! with a plain model of the documents, row by row, value by value (P1, P5, P6).
//!
//! `LAKEFOLD_ORACLE_SEQUENCES=N` runs N other histories, `LAKEFOLD_ORACLE_SEED=N` one. Modified times are drawn around the
//! clock of the day, so a seed repeats the decisions and the kinds, not the milliseconds.

mod documents;
mod expected;
mod model;
mod sequence;

use crate::support::mongod::Mongod;
use crate::support::soak::{Patience, covered, seeds};
use futures::{StreamExt, stream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;

/// Histories in an ordinary test run.
const SEQUENCES: u64 = 200;

/// Histories at once.
const AT_ONCE: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_history_leaves_the_rows_that_a_plain_model_says() {
    let (seeds, patience) = (seeds("LAKEFOLD_ORACLE_SEED", "LAKEFOLD_ORACLE_SEQUENCES", SEQUENCES), Patience::new());
    let (first, told) = (seeds.start, AtomicU64::new(0));
    let client = Mongod::shared().client().await;
    let failures: Vec<String> = stream::iter(seeds.take_while(|_| patience.lasts()))
        .map(|seed| {
            told.fetch_add(1, Ordering::Relaxed);
            let (client, log) = (client.clone(), Arc::new(Mutex::new(Vec::new())));
            let (runtime, entries) = (Handle::current(), log.clone());
            // On a thread of its own: a history that panics is reported with its log, and the others go on.
            let history = tokio::task::spawn_blocking(move || runtime.block_on(sequence::run(seed, client, entries)));
            async move {
                let panic = history.await.err()?.into_panic();
                let why = panic
                    .downcast_ref::<String>()
                    .map(String::as_str)
                    .or_else(|| panic.downcast_ref::<&str>().copied())
                    .unwrap_or("panicked");
                let log = log.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).join("\n  ");
                Some(format!("LAKEFOLD_ORACLE_SEED={seed}\n  {log}\n{why}"))
            }
        })
        .buffered(AT_ONCE)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    covered(format_args!("{} histories, from seed {first}", told.load(Ordering::Relaxed)));
    let names = failures.iter().filter_map(|failure| failure.lines().next()).collect::<Vec<_>>().join(", ");
    assert!(failures.is_empty(), "{} histories went wrong: {names}; the first:\n{}", failures.len(), failures[0]);
}
