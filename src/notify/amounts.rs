//! Bytes by collection over the runs shown: which tables the time and the storage go to.

use super::words::bytes;
use crate::model::record::RunRecord;
use serde::Serialize;
use std::collections::BTreeMap;

/// Collections told one by one.
const TOLD: usize = 8;

/// One collection's part, as a bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Amount {
    pub(super) name: String,
    /// `298 MiB`
    pub(super) shown: String,
    /// Of the largest, 1 to 100.
    pub(super) percent: u64,
}

/// Parquet written by `runs`, largest first, the small ones together.
pub(super) fn written(runs: &[&RunRecord]) -> Vec<Amount> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for collection in runs.iter().flat_map(|run| &run.collections).filter(|c| c.bytes.written > 0) {
        *sums.entry(format!("{}.{}", collection.database, collection.collection)).or_default() +=
            collection.bytes.written;
    }
    let mut sorted: Vec<(String, u64)> = sums.into_iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let rest = sorted.split_off(sorted.len().min(TOLD));
    if !rest.is_empty() {
        sorted.push((format!("{} others", rest.len()), rest.iter().map(|(_, n)| n).sum()));
    }
    let most = sorted.iter().map(|(_, n)| *n).max().unwrap_or(1).max(1);
    let amount = |(name, n): (String, u64)| {
        let percent = (u128::from(n) * 100).div_ceil(u128::from(most));
        // At most 100, because nothing is more than the largest.
        Amount { name, shown: bytes(n), percent: u64::try_from(percent).unwrap_or(100) }
    };
    sorted.into_iter().map(amount).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{collection, record};
    use super::*;
    use crate::model::record::Outcome;

    #[test]
    fn the_largest_stand_first_and_the_small_together() {
        let mut collections: Vec<_> = (0..11).map(|n| collection(&format!("c{n:02}"), Outcome::Ok)).collect();
        for (n, one) in collections.iter_mut().enumerate() {
            one.bytes.written = 1_000 * n as u64;
        }
        let run = record(0, collections);
        let told = written(&[&run, &run]);
        assert_eq!(told.len(), 9);
        assert_eq!((told[0].name.as_str(), told[0].shown.as_str(), told[0].percent), ("hospital.c10", "20 KiB", 100));
        assert_eq!((told[8].name.as_str(), told[8].shown.as_str(), told[8].percent), ("2 others", "5.9 KiB", 30));
    }
}
