//! The hospital's own calendar: days since it opened its books, in Asia/Kolkata, independent of the wall clock.
//!
//! India keeps UTC+05:30 all year, so local days are plain arithmetic.

use bson::DateTime;
use chrono::{DateTime as Chrono, FixedOffset, SecondsFormat};

/// Milliseconds UTC since 1970, as BSON dates count.
pub type Instant = i64;

/// 2024-03-01T00:00:00+05:30, the start of day 0.
const OPENING: Instant = 1_709_231_400_000;
/// One minute in milliseconds.
pub const MINUTE: Instant = 60_000;
/// One hour in milliseconds.
pub const HOUR: Instant = 60 * MINUTE;
/// One day in milliseconds.
pub const DAY: Instant = 24 * HOUR;
/// UTC+05:30 in seconds.
const OFFSET_SECONDS: i32 = 19_800;

/// Days a new hospital already has behind it.
pub const HISTORY_DAYS: u32 = 60;

/// Local midnight at which `day` begins.
pub fn start_of(day: u32) -> Instant {
    OPENING + i64::from(day) * DAY
}

/// The local day an instant falls on; instants before the opening count as day 0.
pub fn day_of(at: Instant) -> u32 {
    u32::try_from((at - OPENING).div_euclid(DAY)).unwrap_or(0)
}

/// 0 is Monday. The books open on a Friday.
pub fn weekday(day: u32) -> usize {
    (day as usize + 4) % 7
}

/// As a BSON date.
pub fn date(at: Instant) -> DateTime {
    DateTime::from_millis(at)
}

/// RFC 3339 in local time, `2024-04-30T00:00:00+05:30`.
pub fn rfc3339(at: Instant) -> String {
    local(at).map(|t| t.to_rfc3339_opts(SecondsFormat::Secs, false)).unwrap_or_default()
}

/// Local time in a `strftime` pattern.
pub fn text(at: Instant, pattern: &str) -> String {
    local(at).map(|t| t.format(pattern).to_string()).unwrap_or_default()
}

fn local(at: Instant) -> Option<Chrono<FixedOffset>> {
    Some(Chrono::from_timestamp_millis(at)?.with_timezone(&FixedOffset::east_opt(OFFSET_SECONDS)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_cut_at_local_midnight() {
        assert_eq!(rfc3339(start_of(0)), "2024-03-01T00:00:00+05:30");
        assert_eq!(rfc3339(start_of(HISTORY_DAYS)), "2024-04-30T00:00:00+05:30");
        assert_eq!(day_of(start_of(7)), 7);
        assert_eq!(day_of(start_of(7) - 1), 6);
        assert_eq!(text(start_of(3), "%A"), "Monday");
        assert_eq!(weekday(3), 0);
    }
}
