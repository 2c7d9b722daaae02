//! When a collection is further behind than its row of the manifest allows.

use super::collection::CollectionSpec;
use std::time::Duration;

/// What to say of a collection that lags more than its `max_lag`; `None`: it does not, or has none.
///
/// `lag_seconds` is the time since its watermark; `None`: it has no watermark, so it never was read to its end.
pub fn late(spec: &CollectionSpec, lag_seconds: Option<i64>) -> Option<String> {
    let max_lag = spec.max_lag?;
    let allowed = humantime::format_duration(max_lag);
    let Some(seconds) = lag_seconds else {
        return Some(format!("was never read to its end, and max_lag is {allowed}"));
    };
    // A watermark ahead of this machine's clock is not late.
    let lag = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    (lag > max_lag).then(|| format!("is {} behind, more than max_lag {allowed}", humantime::format_duration(lag)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::collection::{Mode, Namespace};

    #[test]
    fn only_more_than_the_limit_is_late() {
        let mut spec = CollectionSpec {
            namespace: Namespace { database: "h".into(), collection: "bills".into() },
            timestamp_column: None,
            partition_by: Vec::new(),
            partition_text: String::new(),
            exclude: Vec::new(),
            hash: Vec::new(),
            pins: Vec::new(),
            mode: Mode::Incremental,
            max_lag: Some(Duration::from_secs(3600)),
            line: 2,
        };
        assert_eq!(late(&spec, Some(3600)), None);
        assert_eq!(late(&spec, Some(-9)), None);
        assert_eq!(late(&spec, Some(3661)).unwrap(), "is 1h 1m 1s behind, more than max_lag 1h");
        assert_eq!(late(&spec, None).unwrap(), "was never read to its end, and max_lag is 1h");
        spec.max_lag = None;
        assert_eq!(late(&spec, None), None);
    }
}
