//! The exit codes, all in one place.

use crate::error::Kind;
use crate::model::record::{CatalogRecord, Outcome, RunRecord};
use crate::model::signal::Signal;

/// All landed, or nothing to do.
pub const OK: u8 = 0;
/// Some collection failed or was busy, or somebody could not be told.
pub const FAILED: u8 = 1;
/// Flags, environment or manifest are wrong; nothing was touched.
pub const INPUT: u8 = 2;
/// No collection was attempted.
pub const UNAVAILABLE: u8 = 3;

/// The table as `--help` shows it.
pub const HELP: &str = "\
Exit codes:
  0    all landed, or there was nothing to do
  1    some collection failed or was busy, or mail or Glue failed; what landed stays
  2    bad flags, environment or manifest; nothing was touched
  3    no collection was attempted: source or lake unreachable, refused, or missing
  130  interrupted (SIGINT), consistent
  143  terminated (SIGTERM), consistent
check ends with 0 when nothing failed, 1 when something did, 3 when source or lake cannot be used.
Commands that only read (plan, status, schema, report, query) end with 0, 1 or 2.";

/// The code of a signal, as shells have it: 128 and its number.
pub fn of_signal(signal: Signal) -> u8 {
    match signal {
        Signal::Interrupt => 130,
        Signal::Terminate => 143,
    }
}

/// The code of a command that ended with an error; `signal` is what asked it to stop, if anything did.
pub fn of_error(kind: Kind, signal: Option<Signal>) -> u8 {
    match kind {
        Kind::Input => INPUT,
        Kind::Unavailable => UNAVAILABLE,
        Kind::Interrupted => signal.map_or(FAILED, of_signal),
        Kind::Source | Kind::Schema | Kind::Lake | Kind::Conflict | Kind::Busy | Kind::Notify | Kind::Invariant => {
            FAILED
        }
    }
}

/// The code of a run that has a record, from everything in it but `exit_code` itself.
///
/// A signal outranks what failed. Whoever was not told makes it 1, although the data has landed.
pub fn of_run(record: &RunRecord, signal: Option<Signal>) -> u8 {
    let troubled = record.collections.iter().any(|c| matches!(c.outcome, Outcome::Failed | Outcome::Busy));
    let untold = record.notifications.iter().any(|told| told.outcome != crate::notify::SENT);
    match signal {
        Some(signal) => of_signal(signal),
        None if troubled || untold || record.catalog.iter().any(CatalogRecord::has_failed) => FAILED,
        None => OK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(outcomes: &[&str], notified: &[&str]) -> RunRecord {
        let collection = |outcome: &&str| {
            serde_json::json!({
                "database": "d", "collection": "c", "outcome": outcome, "reason": null, "mode": "full",
                "window_from": null, "watermark": null,
                "rows": {"read": 0, "inserted": 0, "updated": 0, "unchanged": 0, "superseded": 0, "quarantined": 0,
                    "moved": 0, "deleted": 0},
                "files": {"written": 0, "deleted": 0, "retyped": 0}, "bytes": {"read": 0, "written": 0},
                "partitions_new": 0, "seconds": 0.0, "schema_changes": [], "misfits": 0, "retries": 0
            })
        };
        let told = |outcome: &&str| serde_json::json!({"channel": "mail", "outcome": outcome});
        serde_json::from_value(serde_json::json!({
            "format": 1, "run_id": "r", "environment": "e", "started_at": "", "finished_at": "", "exit_code": 0,
            "collections": outcomes.iter().map(collection).collect::<Vec<_>>(), "catalog": [],
            "notifications": notified.iter().map(told).collect::<Vec<_>>()
        }))
        .unwrap()
    }

    #[test]
    fn a_run_ends_with_the_worst_of_it() {
        let code = |outcomes: &[&str], notified: &[&str], signal| of_run(&record(outcomes, notified), signal);
        assert_eq!(code(&[], &[], None), OK);
        assert_eq!(code(&["ok", "idle"], &["sent"], None), OK);
        assert_eq!(code(&["ok", "failed"], &["sent"], None), FAILED);
        assert_eq!(code(&["ok", "busy"], &[], None), FAILED);
        assert_eq!(code(&["ok"], &["disk full"], None), FAILED);
        assert_eq!(code(&["ok", "failed"], &["sent"], Some(Signal::Interrupt)), 130);
        assert_eq!(code(&["ok"], &[], Some(Signal::Terminate)), 143);
    }

    #[test]
    fn an_error_ends_with_the_code_of_its_kind() {
        assert_eq!(of_error(Kind::Input, Some(Signal::Interrupt)), INPUT);
        assert_eq!(of_error(Kind::Unavailable, None), UNAVAILABLE);
        assert_eq!(of_error(Kind::Interrupted, Some(Signal::Terminate)), 143);
        assert_eq!(of_error(Kind::Lake, None), FAILED);
    }

    #[test]
    fn the_table_in_the_help_names_every_code() {
        for code in ["0 ", "1 ", "2 ", "3 ", "130 ", "143 "] {
            assert!(HELP.lines().any(|line| line.trim_start().starts_with(code)), "{code}");
        }
    }
}
