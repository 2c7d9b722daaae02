//! How fresh each database is: the question of whoever reads its dashboards.

use super::rules::lag_seconds;
use super::words::{duration, minute};
use crate::model::record::{Outcome, RunRecord};
use serde::Serialize;

/// One database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Freshness {
    pub(super) database: String,
    /// Tables of it that the run looked at.
    pub(super) tables: u64,
    /// Those that are not up to date.
    pub(super) late: u64,
    /// `2026-11-21 04:00 UTC`: every table holds at least what the source had then. None: a table has no watermark.
    pub(super) as_of: Option<String>,
    /// How long before the run's end that was.
    pub(super) behind: Option<String>,
}

/// Every database of the run, by name.
pub(super) fn of(record: &RunRecord) -> Vec<Freshness> {
    let mut databases: Vec<&str> = record.collections.iter().map(|c| c.database.as_str()).collect();
    databases.sort_unstable();
    databases.dedup();
    let one = |database: &str| {
        let tables: Vec<_> = record.collections.iter().filter(|c| c.database == database).collect();
        let late = tables.iter().filter(|c| matches!(c.outcome, Outcome::Failed | Outcome::Busy)).count();
        let known = tables.iter().all(|c| c.watermark.is_some());
        let oldest = tables.iter().copied().max_by(|a, b| {
            lag_seconds(record, a).unwrap_or_default().total_cmp(&lag_seconds(record, b).unwrap_or_default())
        });
        let oldest = oldest.filter(|_| known);
        Freshness {
            database: database.to_owned(),
            tables: tables.len() as u64,
            late: late as u64,
            as_of: oldest.and_then(|c| c.watermark.as_deref()).map(minute),
            behind: oldest.and_then(|c| lag_seconds(record, c)).map(duration),
        }
    };
    databases.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{collection, record};
    use super::*;

    #[test]
    fn a_database_is_as_fresh_as_its_oldest_table() {
        let mut old = collection("bills", Outcome::Failed);
        old.watermark = Some("2026-11-20T04:03:07Z".into());
        let mut elsewhere = collection("claims", Outcome::Ok);
        elsewhere.database = "billing".into();
        elsewhere.watermark = None;
        let found = of(&record(1, vec![collection("visits", Outcome::Ok), old, elsewhere]));
        let told: Vec<_> = found.iter().map(|f| (f.database.as_str(), f.tables, f.late)).collect();
        assert_eq!(told, [("billing", 1, 0), ("hospital", 2, 1)]);
        assert_eq!((found[0].as_of.as_deref(), found[0].behind.as_deref()), (None, None));
        assert_eq!(found[1].as_of.as_deref(), Some("2026-11-20 04:03 UTC"));
        assert_eq!(found[1].behind.as_deref(), Some("1d00h"));
    }
}
