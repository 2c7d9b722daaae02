//! Which instant a BSON value stands for, for every kind that can hold a time.
//!
//! Windows, merging and partitions all ask here, so that a document is never new to one of them and old to another.
//! What this accepts, the filter of a window must find: a new spelling here needs a clause there.

use bson::RawBsonRef;
use bson::raw::RawElement;
use bson::spec::ElementType;
use chrono::{FixedOffset, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

/// Numbers below this size are seconds since 1970, others milliseconds: 1e11 seconds are the year 5138, 1e11
/// milliseconds are 1973.
pub const SECONDS_BELOW: i64 = 100_000_000_000;

/// Milliseconds UTC the value stands for; in an array the latest element counts. `None`: not a time.
///
/// - Date, Timestamp, ObjectId: their time.
/// - Numbers of any kind: seconds below [`SECONDS_BELOW`], else milliseconds; NaN and infinities are no times.
/// - Strings: year first, `2024-05-01`, `2024-05-01T13:00:00.123Z`, `2024/5/1 13:00 +0530`; those without a zone are
///   wall clock of `tz` (the earlier of a repeated hour; a skipped hour counts as if the clock had not been moved).
/// - Arrays inside an array are not looked into: the server's queries do not either.
pub fn time_of(value: RawBsonRef<'_>, tz: Tz) -> Option<i64> {
    match value {
        RawBsonRef::Array(array) => array
            .iter_elements()
            .map_while(|element| element.ok())
            .filter_map(|element| time_of_scalar(&element, tz))
            .max(),
        other => scalar(other, tz),
    }
}

/// [`time_of`] for one element of a document.
pub(crate) fn time_of_element(element: &RawElement<'_>, tz: Tz) -> Option<i64> {
    match element.element_type() {
        ElementType::Array => time_of(element.value().ok()?, tz),
        _ => time_of_scalar(element, tz),
    }
}

/// Parses only what can be a time: most values of a document never are, and need not be valid either.
fn time_of_scalar(element: &RawElement<'_>, tz: Tz) -> Option<i64> {
    match element.element_type() {
        ElementType::DateTime
        | ElementType::Timestamp
        | ElementType::ObjectId
        | ElementType::Int32
        | ElementType::Int64
        | ElementType::Double
        | ElementType::Decimal128
        | ElementType::String
        | ElementType::Symbol => scalar(element.value().ok()?, tz),
        _ => None,
    }
}

fn scalar(value: RawBsonRef<'_>, tz: Tz) -> Option<i64> {
    match value {
        RawBsonRef::DateTime(date) => Some(date.timestamp_millis()),
        RawBsonRef::Timestamp(timestamp) => Some(i64::from(timestamp.time) * 1000),
        RawBsonRef::ObjectId(id) => Some(id.timestamp().timestamp_millis()),
        RawBsonRef::Int32(number) => Some(time_of_integer(i64::from(number))),
        RawBsonRef::Int64(number) => Some(time_of_integer(number)),
        RawBsonRef::Double(number) => time_of_double(number),
        // A double's 53 bits hold milliseconds exactly for 285,000 years.
        RawBsonRef::Decimal128(number) => time_of_double(number.to_string().parse().ok()?),
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) => time_of_text(text, tz),
        _ => None,
    }
}

fn time_of_integer(number: i64) -> i64 {
    if number.unsigned_abs() < SECONDS_BELOW.unsigned_abs() { number * 1000 } else { number }
}

fn time_of_double(number: f64) -> Option<i64> {
    let milliseconds = if number.abs() < SECONDS_BELOW as f64 { number * 1000.0 } else { number };
    // `as` saturates: a number beyond every calendar stays a time of the far past or future.
    number.is_finite().then(|| milliseconds.floor() as i64)
}

/// Milliseconds UTC of a text that starts with a four-digit year; texts without a zone are wall clock of `tz`.
pub fn time_of_text(text: &str, tz: Tz) -> Option<i64> {
    let mut text = Scanner { rest: text.trim_end().as_bytes() };
    let date = text.date()?;
    if text.rest.is_empty() {
        return Some(local_ms(date.and_time(NaiveTime::MIN), tz));
    }
    text.one_of(b"Tt ")?;
    let local = date.and_time(NaiveTime::MIN).checked_add_signed(text.time_of_day()?)?;
    match text.zone()? {
        Some(offset) => Some(local.and_utc().timestamp_millis() - i64::from(offset.local_minus_utc()) * 1000),
        None => Some(local_ms(local, tz)),
    }
}

/// The instant a wall clock of `tz` shows `local`: the earlier of two; in a gap, as if the clock had not been moved.
fn local_ms(local: NaiveDateTime, tz: Tz) -> i64 {
    let offset = match tz.offset_from_local_datetime(&local) {
        LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => offset.fix(),
        // The widest gap ever was a day (Samoa, 2011); the wall clock two days before it was whole.
        LocalResult::None => tz.offset_from_utc_datetime(&(local - TimeDelta::days(2))).fix(),
    };
    local.and_utc().timestamp_millis() - i64::from(offset.local_minus_utc()) * 1000
}

/// Reads a text from the left; every step takes what it recognizes or gives up.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    /// One byte out of `set`.
    fn one_of(&mut self, set: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        set.contains(first).then(|| {
            self.rest = rest;
            *first
        })
    }

    /// A number of `least` to `most` digits.
    fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let digits = self.rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.rest.split_at(digits);
        (digits >= least).then(|| {
            self.rest = rest;
            number.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'))
        })
    }

    /// `2024-05-01`, `2024/5/1`
    fn date(&mut self) -> Option<NaiveDate> {
        let year = self.number(4, 4)?;
        let separator = self.one_of(b"-/")?;
        let month = self.number(1, 2)?;
        self.one_of(&[separator])?;
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, self.number(1, 2)?)
    }

    /// `13:00`, `13:00:00`, `13:00:00.123`; digits below the millisecond are dropped, second 60 is a leap second.
    fn time_of_day(&mut self) -> Option<TimeDelta> {
        let hour = self.number(1, 2)?;
        self.one_of(b":")?;
        let minute = self.number(2, 2)?;
        let (mut second, mut millisecond) = (0, 0);
        if self.one_of(b":").is_some() {
            second = self.number(2, 2)?;
            if self.one_of(b".,").is_some() {
                let before = self.rest.len();
                millisecond = self.number(1, 3)?;
                millisecond *= 10_u32.pow(3 - u32::try_from(before - self.rest.len()).ok()?);
                while self.number(1, 9).is_some() {}
            }
        }
        let valid = hour < 24 && minute < 60 && second <= 60;
        valid.then(|| TimeDelta::milliseconds(i64::from(((hour * 60 + minute) * 60 + second) * 1000 + millisecond)))
    }

    /// `Z`, `UTC`, `+05:30`, `+0530`, `-08`, after a space or not; `Some(None)`: the text ends here.
    fn zone(&mut self) -> Option<Option<FixedOffset>> {
        if self.rest.is_empty() {
            return Some(None);
        }
        let _ = self.one_of(b" ");
        if [&b"Z"[..], b"z", b"UTC", b"GMT"].contains(&self.rest) {
            return Some(FixedOffset::east_opt(0));
        }
        let sign = if self.one_of(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.number(2, 2)?;
        let _ = self.one_of(b":");
        let minutes = if self.rest.is_empty() { 0 } else { self.number(2, 2)? };
        let valid = self.rest.is_empty() && hours < 24 && minutes < 60;
        let seconds = i32::try_from((hours * 60 + minutes) * 60).ok()?;
        valid.then(|| FixedOffset::east_opt(sign * seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{DateTime, Decimal128, RawArrayBuf, RawBson, Timestamp, oid::ObjectId};
    use chrono_tz::{America, Asia, Pacific, UTC};

    /// 2024-05-01T00:00:00Z
    const MAY: i64 = 1_714_521_600_000;

    fn ms(value: impl Into<RawBson>) -> Option<i64> {
        time_of(value.into().as_raw_bson_ref(), UTC)
    }

    #[test]
    fn every_kind_that_can_hold_a_time() {
        let seconds = (MAY / 1000) as u32;
        assert_eq!(ms(DateTime::from_millis(MAY + 7)), Some(MAY + 7));
        assert_eq!(ms(Timestamp { time: seconds, increment: 9 }), Some(MAY));
        assert_eq!(ms(ObjectId::from_parts(seconds, [1; 5], [2; 3])), Some(MAY));
        assert_eq!(ms(seconds as i32), Some(MAY));
        assert_eq!(ms(MAY / 1000), Some(MAY));
        assert_eq!(ms(MAY), Some(MAY));
        assert_eq!(ms(MAY as f64 / 1000.0 + 0.5), Some(MAY + 500));
        assert_eq!(ms("1714521600.25".parse::<Decimal128>().unwrap()), Some(MAY + 250));
        assert_eq!(ms("2024-05-01"), Some(MAY));
        assert_eq!(ms(RawBson::Symbol("2024-05-01".into())), Some(MAY));
        assert_eq!(ms(-86_400_i32), Some(-86_400_000));
    }

    #[test]
    fn what_is_not_a_time() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(ms(value), None);
        }
        assert_eq!(ms("Infinity".parse::<Decimal128>().unwrap()), None);
        assert_eq!(ms("1E+6000".parse::<Decimal128>().unwrap()), None);
        assert_eq!(ms(true), None);
        assert_eq!(ms(RawBson::Null), None);
        assert_eq!(ms(bson::rawdoc! { "a": DateTime::from_millis(MAY) }), None);
        for text in ["", "soon", "20240501", "1714521600000", "2024-05", "2024-02-30", "2024-05/01", " 2024-05-01"] {
            assert_eq!(ms(text), None, "{text}");
        }
        for text in
            ["2024-05-01T", "2024-05-01T24:00", "2024-05-01T1300", "2024-05-01T13:00Zulu", "2024-05-01T13:00:00."]
        {
            assert_eq!(ms(text), None, "{text}");
        }
        for text in ["2024-05-01T13:00+5", "2024-05-01T13:00+05:30x", "2024-05-01T13:00:61", "2024-05-01T13:00+24:00"] {
            assert_eq!(ms(text), None, "{text}");
        }
    }

    #[test]
    fn spellings_of_one_instant() {
        let expected = MAY + 13 * 3_600_000;
        for text in [
            "2024-05-01T13:00:00Z",
            "2024-05-01t13:00z",
            "2024-05-01 13:00:00",
            "2024-05-01 13:00:00 UTC",
            "2024-05-01T13:00:00.000000000Z",
            "2024-05-01T18:30:00+05:30",
            "2024-05-01T18:30:00+0530",
            "2024-05-01T18:30:00 +0530",
            "2024-05-01T05:00:00-08",
            "2024/5/1 13:00",
            "2024-5-1 13:00  ",
        ] {
            assert_eq!(ms(text), Some(expected), "{text}");
        }
        assert_eq!(ms("2024-05-01T13:00:00.5Z"), Some(expected + 500));
        assert_eq!(ms("2024-05-01T13:00:00,1239999"), Some(expected + 123));
        assert_eq!(ms("2016-12-31T23:59:60Z"), ms("2017-01-01T00:00:00Z"));
    }

    #[test]
    fn wall_clocks_of_other_zones() {
        assert_eq!(time_of_text("2024-05-01", Asia::Kolkata), Some(MAY - 19_800_000));
        // Clocks went from 02:00 to 03:00, and back from 02:00 to 01:00.
        let new_york = |text| time_of_text(text, America::New_York);
        assert_eq!(new_york("2024-03-10T02:30"), new_york("2024-03-10T03:30"));
        assert_eq!(new_york("2024-11-03T01:30"), new_york("2024-11-03T01:30-04:00"));
        // Samoa skipped 30 December 2011 whole.
        assert_eq!(time_of_text("2011-12-30", Pacific::Apia), time_of_text("2011-12-30T00:00-10:00", UTC));
    }

    #[test]
    fn the_latest_element_of_an_array_counts() {
        let mut array = RawArrayBuf::new();
        array.push("never");
        array.push(DateTime::from_millis(MAY));
        array.push(MAY + 1);
        let mut inner = RawArrayBuf::new();
        inner.push(DateTime::from_millis(MAY + 99));
        array.push(inner);
        assert_eq!(ms(array), Some(MAY + 1));
        assert_eq!(ms(RawArrayBuf::new()), None);
    }
}
