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

/// `YYYYMMDDTHHMMSSZ-xxxxxx`
pub fn run_id(started: DateTime<Utc>) -> String {
    format!("{}-{:06x}", started.format("%Y%m%dT%H%M%SZ"), rand::rng().random::<u32>() & 0xff_ffff)
}
