//! Named moments at which a test may kill or stop the real process, and sizes a test may bend.
//!
//! P4 says that a run may die at any instant. The instants that matter are those just before and just after a step
//! that leaves something behind, so each of them has a name here, and one test kills the program at every name there
//! is (`tests/it/killed_at_each_point.rs`). In a build without debug assertions all of this is nothing: [`reach`] is
//! empty, and [`bent`] never finds anything.
//!
//! - `LAKEFOLD_KILL_AT=name[:n]` sends SIGKILL to the process when it reaches the point for the n-th time (1).
//! - `LAKEFOLD_STOP_AT=name[:n]` sends SIGSTOP, as a machine does that goes to sleep with a lease in its hands (P9).

macro_rules! kill_points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)+) => {
        /// A moment before, within or after a step that leaves something behind.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum KillPoint { $($(#[$doc])* $point,)+ }

        impl KillPoint {
            /// Every point, in the order in which a run meets them.
            pub const ALL: &[KillPoint] = &[$(KillPoint::$point,)+];

            /// The name in `LAKEFOLD_KILL_AT`.
            pub fn name(self) -> &'static str {
                match self { $(KillPoint::$point => $name,)+ }
            }
        }
    };
}

kill_points! {
    /// Nobody holds the collection yet.
    BeforeLease = "before-lease",
    /// This run holds it.
    AfterLease = "after-lease",
    /// Rows read are about to go to local disk.
    BeforeSpill = "before-spill",
    /// They are in the scratch folder.
    AfterSpill = "after-spill",
    /// Rows read are about to be kept in the lake, for the run after a death.
    BeforeStagedRows = "before-staged-rows",
    /// They are there, and no state names them.
    AfterStagedRows = "after-staged-rows",
    /// The state that makes them count is about to be written.
    BeforeResumeState = "before-resume-state",
    /// It is written.
    AfterResumeState = "after-resume-state",
    /// The window is read; nothing of it is in the lake.
    BeforeJournal = "before-journal",
    /// The journal names this run.
    AfterJournal = "after-journal",
    /// The journal is written, the schema not.
    BeforeSchema = "before-schema",
    /// The schema is ahead of the files.
    AfterSchema = "after-schema",
    /// A file of an old type is about to be rewritten.
    BeforeRetype = "before-retype",
    /// It is rewritten.
    AfterRetype = "after-retype",
    /// A partition is about to be replaced.
    BeforeData = "before-data",
    /// The first part of a large file is in the store.
    MidUpload = "mid-upload",
    /// All parts are, and the file is not.
    BeforeUploadCompletes = "before-upload-completes",
    /// A partition is replaced.
    AfterData = "after-data",
    /// Rows that moved away are about to leave their old partition.
    BeforeCleaning = "before-cleaning",
    /// They have left it.
    AfterCleaning = "after-cleaning",
    /// A file without rows is about to be removed.
    BeforeFileRemoved = "before-file-removed",
    /// It is removed.
    AfterFileRemoved = "after-file-removed",
    /// A full run is about to remove a file none of whose rows it read.
    BeforeUnreadRemoved = "before-unread-removed",
    /// It is removed.
    AfterUnreadRemoved = "after-unread-removed",
    /// The files are in place; the index does not know them.
    BeforeIndexBucket = "before-index-bucket",
    /// A bucket of the index is written.
    AfterIndexBucket = "after-index-bucket",
    /// The head of the index is about to be written.
    BeforeIndexHead = "before-index-head",
    /// It is written.
    AfterIndexHead = "after-index-head",
    /// Buckets of an old generation are about to be removed.
    BeforeIndexCleaned = "before-index-cleaned",
    /// They are removed.
    AfterIndexCleaned = "after-index-cleaned",
    /// Documents that cannot be read are about to be kept.
    BeforeQuarantine = "before-quarantine",
    /// Their bytes are kept, the reasons not.
    MidQuarantine = "mid-quarantine",
    /// Both are kept.
    AfterQuarantine = "after-quarantine",
    /// What the catalog will be owed is about to go on record.
    BeforeDebt = "before-debt",
    /// It is on record, and the watermark has not moved.
    AfterDebt = "after-debt",
    /// Everything that the watermark covers is in the lake.
    BeforeWatermark = "before-watermark",
    /// The watermark has moved.
    AfterWatermark = "after-watermark",
    /// The journal of a complete run is about to be removed.
    BeforeJournalRemoved = "before-journal-removed",
    /// It is removed.
    AfterJournalRemoved = "after-journal-removed",
    /// Rows that were kept for a run after a death are about to be removed.
    BeforeStagedRemoved = "before-staged-removed",
    /// Their state is removed, they are not.
    MidStagedRemoved = "mid-staged-removed",
    /// All of it is removed.
    AfterStagedRemoved = "after-staged-removed",
    /// The lease is about to be given back.
    BeforeLeaseReleased = "before-lease-released",
    /// It is given back.
    AfterLeaseReleased = "after-lease-released",
    /// The catalog is about to be changed by one call.
    BeforeCatalogWrite = "before-catalog-write",
    /// It is changed.
    AfterCatalogWrite = "after-catalog-write",
    /// The catalog has all that was owed; the debt is still on record.
    BeforeDebtCleared = "before-debt-cleared",
    /// It is off the record.
    AfterDebtCleared = "after-debt-cleared",
    /// Nobody has been told.
    BeforeMail = "before-mail",
    /// The mail is out.
    AfterMail = "after-mail",
    /// There is no record of the run.
    BeforeRunRecord = "before-run-record",
    /// The record is written.
    AfterRunRecord = "after-run-record",
}

/// The process is at `point`.
#[inline]
pub fn reach(point: KillPoint) {
    #[cfg(debug_assertions)]
    armed::reach(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

/// A size or count that a test has set in the environment, so that a small collection meets what only large ones do.
#[inline]
pub fn bent(name: &str) -> Option<u64> {
    #[cfg(debug_assertions)]
    return std::env::var(name).ok()?.parse().ok();
    #[cfg(not(debug_assertions))]
    {
        let _ = name;
        None
    }
}

#[cfg(debug_assertions)]
mod armed {
    use super::KillPoint;
    use std::process::{Command, Stdio};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// What the environment asks for: a signal at the n-th time of a point.
    struct Trap {
        signal: &'static str,
        point: String,
        times: u64,
        reached: AtomicU64,
    }

    fn traps() -> &'static [Trap] {
        static TRAPS: OnceLock<Vec<Trap>> = OnceLock::new();
        TRAPS.get_or_init(|| {
            let set = [("LAKEFOLD_KILL_AT", "-KILL"), ("LAKEFOLD_STOP_AT", "-STOP")];
            set.into_iter()
                .filter_map(|(name, signal)| {
                    let text = std::env::var(name).ok()?;
                    let (point, times) = text.split_once(':').unwrap_or((&text, "1"));
                    let times = times.parse().ok()?;
                    Some(Trap { signal, point: point.to_owned(), times, reached: AtomicU64::new(0) })
                })
                .collect()
        })
    }

    pub(super) fn reach(point: KillPoint) {
        for trap in traps().iter().filter(|trap| trap.point == point.name()) {
            if trap.reached.fetch_add(1, Ordering::AcqRel) + 1 == trap.times {
                // `unsafe` is denied, so the signal comes from outside; this thread goes no further meanwhile.
                let process = std::process::id().to_string();
                let _ = Command::new("kill").args([trap.signal, &process]).stdin(Stdio::null()).status();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_point_has_a_name_of_its_own() {
        let names: HashSet<&str> = KillPoint::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), KillPoint::ALL.len());
    }
}
