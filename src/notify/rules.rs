//! Which runs a channel is told of.

use crate::model::record::{CollectionRecord, RunRecord};
use crate::model::settings::Rules;
use chrono::DateTime;

/// Whether any of the rules holds for the run.
pub(super) fn hold(rules: &Rules, record: &RunRecord) -> bool {
    let changed = || record.collections.iter().any(|c| !c.schema_changes.is_empty());
    let lags = |limit| record.collections.iter().filter_map(|c| lag_seconds(record, c)).any(|lag| lag > limit);
    rules.always
        || (rules.failure && record.exit_code != 0)
        || (rules.schema_change && changed())
        || rules.lag.is_some_and(|limit| lags(limit.as_secs_f64()))
}

/// How old the collection's watermark was when the run ended, in seconds; none: it has no watermark.
pub(super) fn lag_seconds(record: &RunRecord, collection: &CollectionRecord) -> Option<f64> {
    let time = |text: &str| DateTime::parse_from_rfc3339(text).ok();
    let watermark = time(collection.watermark.as_deref()?)?;
    Some((time(&record.finished_at)? - watermark).as_seconds_f64().max(0.0))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{collection, record};
    use super::*;
    use crate::model::record::{Outcome, SchemaChange};
    use std::time::Duration;

    #[test]
    fn each_rule_is_enough_and_none_is_silent() {
        let quiet = record(0, vec![collection("bills", Outcome::Ok)]);
        let never = Rules { always: false, ..Rules::default() };
        assert!(hold(&Rules::default(), &quiet) && !hold(&never, &quiet));

        let failure = Rules { failure: true, ..never.clone() };
        let failed = record(1, vec![collection("bills", Outcome::Failed)]);
        assert!(hold(&failure, &failed) && !hold(&failure, &quiet) && !hold(&never, &failed));

        let schema = Rules { schema_change: true, ..never.clone() };
        let mut changed = quiet.clone();
        changed.collections[0].schema_changes = vec![SchemaChange {
            path: "a".into(),
            column: "a".into(),
            from: None,
            to: "bigint".into(),
            count: 1,
            example_ids: vec![],
        }];
        assert!(hold(&schema, &changed) && !hold(&schema, &quiet) && !hold(&schema, &failed));

        // The watermark is 187 seconds old when the run ends.
        let lag = |seconds| Rules { lag: Some(Duration::from_secs(seconds)), ..never.clone() };
        assert!(hold(&lag(186), &quiet) && !hold(&lag(187), &quiet));
        let mut unknown = quiet.clone();
        unknown.collections[0].watermark = None;
        assert!(!hold(&lag(1), &unknown));
    }
}
