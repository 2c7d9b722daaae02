//! The only call to this machine's clock, and the identity of a run.

use chrono::{DateTime, SecondsFormat, Utc};
use rand::Rng;

/// Now.
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

/// Milliseconds since 1970 as RFC 3339, UTC; none for a time no calendar has.
pub fn rfc3339(ms: i64) -> Option<String> {
    DateTime::from_timestamp_millis(ms).map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// `YYYYMMDDTHHMMSSZ-xxxxxx`: of the six digits the first two are 1/256 seconds, so that runs of the same second stand
/// in the order they were started in; the others are chance.
pub fn run_id(started: DateTime<Utc>) -> String {
    let part = u64::from(started.timestamp_subsec_nanos().min(999_999_999)) * 256 / 1_000_000_000;
    format!("{}-{part:02x}{:04x}", started.format("%Y%m%dT%H%M%SZ"), rand::rng().random::<u16>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_second_stand_in_their_order() {
        let id = |ms: i64| run_id(DateTime::from_timestamp_millis(1_714_521_600_000 + ms).unwrap());
        assert!(id(0) < id(10) && id(10) < id(500) && id(500) < id(999) && id(999) < id(1_000), "whatever chance says");
        assert_eq!(id(500)[..19], *"20240501T000000Z-80");
    }
}
