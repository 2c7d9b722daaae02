//! Instants as canonical text, and as the values of a timestamp column.

use chrono::{DateTime, Datelike, LocalResult, Offset, TimeZone};
use chrono_tz::Tz;
use std::fmt::Write;

/// 0001-01-01T00:00:00.000Z
const FIRST_MS: i64 = -62_135_596_800_000;
/// 9999-12-31T23:59:59.999Z
const LAST_MS: i64 = 253_402_300_799_999;

/// Appends `YYYY-MM-DDTHH:MM:SS.mmmZ`; `false`, and nothing written, when the year is outside 0001-9999.
pub fn write(ms: i64, out: &mut String) -> bool {
    if !(FIRST_MS..=LAST_MS).contains(&ms) {
        return false;
    }
    let Some(at) = DateTime::from_timestamp_millis(ms) else { return false };
    let of_day = ms.rem_euclid(86_400_000);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60);
    let date = at.date_naive();
    let (year, month, day, milli) = (date.year(), date.month(), date.day(), of_day % 1000);
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z").is_ok()
}

/// How instants stand in timestamp columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The timezone of the table.
    pub timezone: Tz,
    /// Wall clock of the timezone, instead of instants.
    pub local: bool,
}

/// A value of a timestamp column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Milliseconds since 1970, of the wall clock or UTC.
    pub value: i64,
    /// Another instant has the same value: the hour that is repeated when clocks go back.
    pub repeated: bool,
}

impl Clock {
    /// The value of a timestamp column for an instant; `None` outside the years 0001-9999.
    pub fn place(&self, ms: i64) -> Option<Placed> {
        if !(FIRST_MS..=LAST_MS).contains(&ms) {
            return None;
        }
        if !self.local {
            return Some(Placed { value: ms, repeated: false });
        }
        let instant = DateTime::from_timestamp_millis(ms)?.naive_utc();
        let offset = self.timezone.offset_from_utc_datetime(&instant).fix().local_minus_utc();
        let value = ms + i64::from(offset) * 1000;
        if !(FIRST_MS..=LAST_MS).contains(&value) {
            return None;
        }
        let wall = DateTime::from_timestamp_millis(value)?.naive_utc();
        let repeated = !matches!(self.timezone.offset_from_local_datetime(&wall), LocalResult::Single(_));
        Some(Placed { value, repeated })
    }

    /// The instant that [`Clock::place`] put there; of two, the earlier.
    pub fn instant(&self, value: i64) -> i64 {
        if !self.local {
            return value;
        }
        let Some(wall) = DateTime::from_timestamp_millis(value).map(|at| at.naive_utc()) else { return value };
        match self.timezone.offset_from_local_datetime(&wall).earliest() {
            Some(offset) => value - i64::from(offset.fix().local_minus_utc()) * 1000,
            None => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_four_digit_years_only() {
        let mut out = String::new();
        assert!(write(FIRST_MS, &mut out) && write(LAST_MS, &mut out));
        assert_eq!(out, "0001-01-01T00:00:00.000Z9999-12-31T23:59:59.999Z");
        assert!(!write(LAST_MS + 1, &mut out));
    }

    #[test]
    fn a_wall_clock_comes_back_except_in_the_repeated_hour() {
        let clock = Clock { timezone: chrono_tz::Europe::Berlin, local: true };
        let summer = 1_720_000_000_000;
        let placed = clock.place(summer).unwrap();
        assert_eq!((placed.value - summer, placed.repeated), (7_200_000, false));
        assert_eq!(clock.instant(placed.value), summer);
        let back = 1_729_987_200_000 + 1_800_000; // 2024-10-27T00:30Z: 02:30 for the first time
        let (first, second) = (clock.place(back).unwrap(), clock.place(back + 3_600_000).unwrap());
        assert_eq!(first, second);
        assert!(first.repeated);
    }
}
