//! What a run reads of a collection: a pure decision over the manifest, the flags and the stored watermark.

use crate::lake::watermark::Watermarks;
use crate::model::collection::{CollectionSpec, Mode};
use crate::model::window::{Bound, Scope};
use std::time::Duration;

/// What the decision depends on.
pub struct Facts<'a> {
    /// The manifest's row.
    pub spec: &'a CollectionSpec,
    /// `--full`
    pub full: bool,
    /// Under the name stands another collection than was read before.
    pub another: bool,
    /// `--since`, milliseconds UTC.
    pub since: Option<i64>,
    /// The stored watermark, milliseconds UTC.
    pub watermark: Option<i64>,
    /// The last full run is longer ago than `full_every`.
    pub full_due: bool,
    /// A full run died while it replaced the table.
    pub full_unfinished: bool,
    /// The run's upper bound.
    pub bound: &'a Bound,
    /// How far a window reaches back, milliseconds.
    pub overlap_ms: i64,
}

/// What is read, and how far the collection counts as read afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What is read.
    pub scope: Scope,
    /// The watermark after success, milliseconds UTC; none: there is none yet.
    pub watermark: Option<i64>,
}

impl Decision {
    /// The word in records and watermark files.
    pub fn mode(&self) -> &'static str {
        match self.scope {
            Scope::Full => "full",
            Scope::Whole => "dump",
            Scope::Since { .. } => "incremental",
        }
    }

    /// Start of the window, milliseconds UTC.
    pub fn window_from(&self) -> Option<i64> {
        match self.scope {
            Scope::Since { from_ms } => Some(from_ms),
            Scope::Full | Scope::Whole => None,
        }
    }
}

/// Whether the last full run is longer ago than `every`; a collection never read as a whole is due. One that is longer
/// ahead was made under a clock that was wrong, and nobody knows when.
pub fn full_due(every: Option<Duration>, watermarks: &Watermarks, now_ms: i64) -> bool {
    every.is_some_and(|every| {
        let age = watermarks.last_full().map(|line| now_ms - line.written_at);
        age.is_none_or(|age| u128::from(age.unsigned_abs()) >= every.as_millis())
    })
}

/// Decides.
///
/// The next watermark is the bound that was fixed before reading, never the largest time seen: a document dated in
/// the future must not hide those after it.
///
/// Nor may a stored one hide any that is later than the bound: a clock that was ahead has left it. Nobody knows when that
/// run read, so that a window which the overlap does not cover is of all times, and the watermark moves back.
pub fn decide(facts: &Facts<'_>) -> Decision {
    let spec = facts.spec;
    let next = facts.bound.time_ms;
    let reached = match (facts.watermark, next) {
        (Some(watermark), Some(bound)) if watermark.saturating_sub(facts.overlap_ms) > bound => Some(0),
        (Some(watermark), Some(bound)) => Some(watermark.min(bound)),
        (watermark, None) => watermark,
        (None, Some(_)) => None,
    };
    let always_full = spec.mode == Mode::Full || spec.timestamp_column.is_none();
    if facts.full || facts.another || always_full || facts.full_due || facts.full_unfinished {
        return Decision { scope: Scope::Full, watermark: next };
    }
    if let Some(since) = facts.since {
        // A window that begins after the one that is due leaves a gap, so the watermark has to stay below it.
        let reaches_back = reached.is_some_and(|w| since <= w.saturating_sub(facts.overlap_ms));
        return Decision {
            scope: Scope::Since { from_ms: since },
            watermark: if reaches_back { next.or(facts.watermark) } else { facts.watermark },
        };
    }
    match (next, reached) {
        (None, _) => Decision { scope: Scope::Whole, watermark: facts.watermark },
        (Some(_), None) => Decision { scope: Scope::Full, watermark: next },
        (Some(_), Some(reached)) => {
            Decision { scope: Scope::Since { from_ms: reached.saturating_sub(facts.overlap_ms) }, watermark: next }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::watermark::Line;
    use crate::model::collection::{FieldPath, Namespace};
    use crate::model::record::Outcome;

    #[test]
    fn a_full_run_is_due_when_the_last_is_long_ago_or_ahead() {
        let line = |written_at: i64| Line {
            written_at,
            run_id: "R".into(),
            mode: "full".into(),
            window_from: None,
            watermark: None,
            operation_time: None,
            rows_read: 0,
            rows_inserted: 0,
            rows_updated: 0,
            outcome: Outcome::Ok,
            settings: String::new(),
            collection: None,
        };
        let due = |written_at: Option<i64>| {
            let mut watermarks = Watermarks::default();
            written_at.into_iter().for_each(|at| watermarks.append(line(at)));
            full_due(Some(Duration::from_millis(100)), &watermarks, 1000)
        };
        let found = [None, Some(900), Some(901), Some(1000), Some(1099), Some(1_000_000)].map(due);
        assert_eq!(found, [true, true, false, false, false, true]);
    }

    fn spec(mode: Mode, timestamp: Option<&str>) -> CollectionSpec {
        CollectionSpec {
            namespace: Namespace { database: "db".into(), collection: "c".into() },
            timestamp_column: timestamp.and_then(FieldPath::parse),
            partition_by: Vec::new(),
            partition_text: String::new(),
            exclude: Vec::new(),
            hash: Vec::new(),
            pins: Vec::new(),
            mode,
            max_lag: None,
            line: 2,
        }
    }

    fn facts<'a>(spec: &'a CollectionSpec, bound: &'a Bound, watermark: Option<i64>) -> Facts<'a> {
        Facts {
            spec,
            full: false,
            another: false,
            since: None,
            watermark,
            full_due: false,
            full_unfinished: false,
            bound,
            overlap_ms: 10,
        }
    }

    const CLOCK: Bound = Bound { time_ms: Some(1000), operation_time: None };

    #[test]
    fn the_window_reaches_back_and_the_watermark_is_the_bound() {
        let spec = spec(Mode::Incremental, Some("t"));
        let decision = decide(&facts(&spec, &CLOCK, Some(500)));
        assert_eq!(decision, Decision { scope: Scope::Since { from_ms: 490 }, watermark: Some(1000) });
    }

    #[test]
    fn the_first_run_and_those_without_timestamp_are_full() {
        let with = spec(Mode::Incremental, Some("t"));
        assert_eq!(decide(&facts(&with, &CLOCK, None)).scope, Scope::Full);
        let without = spec(Mode::Incremental, None);
        assert_eq!(decide(&facts(&without, &CLOCK, Some(5))).scope, Scope::Full);
    }

    #[test]
    fn since_moves_the_watermark_only_without_a_gap() {
        let spec = spec(Mode::Incremental, Some("t"));
        let gap = decide(&Facts { since: Some(600), ..facts(&spec, &CLOCK, Some(500)) });
        assert_eq!(gap.watermark, Some(500));
        let overlap_gap = decide(&Facts { since: Some(495), ..facts(&spec, &CLOCK, Some(500)) });
        assert_eq!(overlap_gap.watermark, Some(500));
        let back = decide(&Facts { since: Some(400), ..facts(&spec, &CLOCK, Some(500)) });
        assert_eq!(back.watermark, Some(1000));
        let never_loaded = decide(&Facts { since: Some(400), ..facts(&spec, &CLOCK, None) });
        assert_eq!(never_loaded.watermark, None);
    }

    #[test]
    fn a_watermark_later_than_the_clock_hides_nothing() {
        let spec = spec(Mode::Incremental, Some("t"));
        let little = facts(&spec, &CLOCK, Some(1010));
        assert_eq!(decide(&little), Decision { scope: Scope::Since { from_ms: 990 }, watermark: Some(1000) });
        let ahead = facts(&spec, &CLOCK, Some(5000));
        assert_eq!(decide(&ahead), Decision { scope: Scope::Since { from_ms: -10 }, watermark: Some(1000) });
        let full = decide(&Facts { full: true, ..ahead });
        assert_eq!(full, Decision { scope: Scope::Full, watermark: Some(1000) });
    }

    #[test]
    fn a_table_replaced_by_a_dump_without_clock_has_no_watermark() {
        let spec = spec(Mode::Incremental, Some("t"));
        let bound = Bound { time_ms: None, operation_time: None };
        let full = decide(&Facts { full: true, ..facts(&spec, &bound, Some(500)) });
        assert_eq!(full, Decision { scope: Scope::Full, watermark: None });
        let since = decide(&Facts { since: Some(400), ..facts(&spec, &bound, Some(500)) });
        assert_eq!(since.watermark, Some(500), "what is only added to it keeps its own");
    }

    #[test]
    fn a_dump_without_clock_is_read_whole() {
        let spec = spec(Mode::Incremental, Some("t"));
        let bound = Bound { time_ms: None, operation_time: None };
        assert_eq!(decide(&facts(&spec, &bound, None)), Decision { scope: Scope::Whole, watermark: None });
    }
}
