//! The grammars of single values, shared by the environment file and the flags.

use bytesize::ByteSize;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use std::time::Duration;

/// The least memory a run accepts, in bytes (P10).
pub const MEMORY_MIN: u64 = 128 << 20;

/// `256MiB`, `1GiB`, `2GB`: bytes, at least [`MEMORY_MIN`].
///
/// # Errors
/// What to write instead.
pub fn memory(text: &str) -> Result<u64, String> {
    let ByteSize(bytes) = text.trim().parse().map_err(|_| "is no size; write `256MiB` or `1GiB`".to_owned())?;
    if bytes < MEMORY_MIN {
        return Err("is too little; the least is `128MiB`".to_owned());
    }
    Ok(bytes)
}

/// The time of `--deadline`: `14m`, `840s`, more than nothing.
///
/// # Errors
/// What to write instead.
pub fn length(text: &str) -> Result<Duration, String> {
    duration(text).filter(|length| !length.is_zero()).ok_or_else(|| "is no length of time; write `14m`".to_owned())
}

/// The least bytes a second that a source may be read with: a cursor must not rest so long that the server forgets it.
const RATE_MIN: u64 = 1_000_000;

/// `20MB`, `100MiB`: bytes a second; `0`: no bound.
///
/// # Errors
/// What to write instead.
pub(super) fn rate(text: &str) -> Result<Option<u64>, String> {
    match text.trim().parse().map_err(|_| "is no amount a second; write `20MB`".to_owned())? {
        ByteSize(0) => Ok(None),
        ByteSize(rate) if rate < RATE_MIN => Err("is too little; the least is `1MB`".to_owned()),
        ByteSize(rate) => Ok(Some(rate)),
    }
}

/// `10m`, `36h`, `30d`, `0s`, `0`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    match text.trim() {
        "0" => Some(Duration::ZERO),
        text => humantime::parse_duration(text).ok(),
    }
}

/// The time of `--since` in milliseconds since 1970: RFC 3339, a date (its first instant in `timezone`), or a length
/// of time before `now` such as `3d`.
///
/// # Errors
/// What to write instead.
pub fn since(text: &str, timezone: Tz, now: DateTime<Utc>) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no time; write `2024-05-01T06:00:00+05:30`, `2024-05-01` or `3d`");
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_millis());
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return first_instant(date, timezone).map(|time| time.timestamp_millis()).ok_or_else(wrong);
    }
    let back = duration(text).and_then(|back| TimeDelta::from_std(back).ok()).ok_or_else(wrong)?;
    now.checked_sub_signed(back).map(|time| time.timestamp_millis()).ok_or_else(wrong)
}

/// When a day begins: usually at midnight, but in some zones the clock goes forward at midnight and the day begins at
/// one, and where it goes back there are two midnights, of which the first counts.
fn first_instant(date: NaiveDate, timezone: Tz) -> Option<DateTime<Tz>> {
    date.checked_add_days(Days::new(1))?;
    let midnight = date.and_time(NaiveTime::MIN);
    (0..=4)
        .find_map(|quarters| timezone.from_local_datetime(&(midnight + TimeDelta::minutes(30 * quarters))).earliest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_least() {
        assert_eq!(memory("128MiB"), Ok(128 << 20));
        assert_eq!(memory("1GiB"), Ok(1 << 30));
        assert_eq!(memory("134217728"), Ok(128 << 20));
        assert_eq!(memory("127MiB"), Err("is too little; the least is `128MiB`".to_owned()));
        assert_eq!(memory("lots"), Err("is no size; write `256MiB` or `1GiB`".to_owned()));
    }

    #[test]
    fn rates_have_a_least_or_are_none() {
        assert_eq!(rate("20MB"), Ok(Some(20_000_000)));
        assert_eq!(rate("1MiB"), Ok(Some(1 << 20)));
        assert_eq!(rate("0"), Ok(None));
        assert_eq!(rate("500KB"), Err("is too little; the least is `1MB`".to_owned()));
        assert_eq!(rate("20 a second"), Err("is no amount a second; write `20MB`".to_owned()));
    }

    #[test]
    fn durations_may_be_zero() {
        assert_eq!(duration("0"), Some(Duration::ZERO));
        assert_eq!(duration("0s"), Some(Duration::ZERO));
        assert_eq!(duration("10m"), Some(Duration::from_secs(600)));
        assert_eq!(duration("30d"), Some(Duration::from_secs(30 * 86_400)));
        assert_eq!(duration("10"), None);
        assert_eq!(duration("soon"), None);
    }

    #[test]
    fn since_knows_times_dates_and_lengths() {
        let now = Utc.with_ymd_and_hms(2024, 5, 4, 12, 0, 0).unwrap();
        let at = |text: &str, zone: Tz| {
            since(text, zone, now).map(|ms| DateTime::from_timestamp_millis(ms).unwrap().to_rfc3339())
        };
        assert_eq!(at("2024-05-01T06:00:00+05:30", Tz::UTC).unwrap(), "2024-05-01T00:30:00+00:00");
        assert_eq!(at("2024-05-01", Tz::Asia__Kolkata).unwrap(), "2024-04-30T18:30:00+00:00");
        assert_eq!(at("3d", Tz::Asia__Kolkata).unwrap(), "2024-05-01T12:00:00+00:00");
        // In 2018 Brazil went from 00:00 to 01:00: the day began at 03:00 UTC all the same.
        assert_eq!(at("2018-11-04", Tz::America__Sao_Paulo).unwrap(), "2018-11-04T03:00:00+00:00");
        // Havana went from 01:00 back to 00:00: of two midnights the first counts.
        assert_eq!(at("2024-11-03", Tz::America__Havana).unwrap(), "2024-11-03T04:00:00+00:00");
    }

    #[test]
    fn since_refuses_the_rest() {
        let now = Utc::now();
        for bad in ["yesterday", "2024-13-01", "2024-05-01T06:00:00", "", "3", "99999999999d"] {
            assert!(since(bad, Tz::UTC, now).unwrap_err().contains("is no time; write"), "{bad}");
        }
    }
}
