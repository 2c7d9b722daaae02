//! Which instant a BSON value stands for, for every kind that can hold a time.
//!
//! Windows, merging and partitions all ask here, so that a document is never new to one of them and old to another.
//! What this accepts, the filter of a window must find: a new spelling here needs a clause there.

use bson::RawBsonRef;
use bson::oid::ObjectId;
use bson::raw::RawElement;
use bson::spec::ElementType;
use chrono::{FixedOffset, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

/// Numbers below this size are seconds since 1970, others milliseconds: 1e11 seconds are the year 5138, 1e11
/// milliseconds are 1973.
pub const SECONDS_BELOW: i64 = 100_000_000_000;

/// In milliseconds.
const SECOND: i64 = 1000;

/// The instants a value may stand for, milliseconds UTC: whole seconds, days or a repeated hour are more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The one that counts, wherever there can be but one.
    pub first: i64,
    /// A document stamped with the value may have been changed as late as this: windows ask for it.
    pub last: i64,
}

impl Span {
    fn at(first: i64) -> Self {
        Self::of(first, 1)
    }

    /// What is cut to `unit` milliseconds.
    fn of(first: i64, unit: i64) -> Self {
        Self { first, last: first.saturating_add(unit - 1) }
    }

    /// Of two values, the latest of each.
    pub(super) fn or_later(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), last: self.last.max(other.last) }
    }
}

/// Milliseconds UTC the value stands for; in an array the latest element counts. `None`: not a time.
///
/// - Date, Timestamp, ObjectId: their time.
/// - Numbers of any kind: seconds below [`SECONDS_BELOW`], else milliseconds; NaN and infinities are no times.
/// - Strings: year first, `2024-05-01`, `2024-05-01T13:00:00.123Z`, `2024/5/1 13:00 +0530`; those without a zone are
///   wall clock of `tz` (the earlier of a repeated hour; a skipped hour counts as if the clock had not been moved).
/// - Arrays inside an array are not looked into: the server's queries do not either.
pub fn time_of(value: RawBsonRef<'_>, tz: Tz) -> Option<i64> {
    span_of(value, tz).map(|span| span.first)
}

/// [`time_of`], and how much later it may have been.
fn span_of(value: RawBsonRef<'_>, tz: Tz) -> Option<Span> {
    match value {
        RawBsonRef::Array(array) => array
            .iter_elements()
            .map_while(|element| element.ok())
            .filter_map(|element| span_of_scalar(&element, tz))
            .reduce(Span::or_later),
        other => scalar(other, tz),
    }
}

/// [`span_of`] for one element of a document.
pub(super) fn span_of_element(element: &RawElement<'_>, tz: Tz) -> Option<Span> {
    match element.element_type() {
        ElementType::Array => span_of(element.value().ok()?, tz),
        _ => span_of_scalar(element, tz),
    }
}

/// The second of an ObjectId.
pub(super) fn span_of_id(id: ObjectId) -> Span {
    Span::of(id.timestamp().timestamp_millis(), SECOND)
}

/// Parses only what can be a time: most values of a document never are, and need not be valid either.
fn span_of_scalar(element: &RawElement<'_>, tz: Tz) -> Option<Span> {
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

fn scalar(value: RawBsonRef<'_>, tz: Tz) -> Option<Span> {
    match value {
        RawBsonRef::DateTime(date) => Some(Span::at(date.timestamp_millis())),
        RawBsonRef::Timestamp(timestamp) => Some(Span::of(i64::from(timestamp.time) * 1000, SECOND)),
        RawBsonRef::ObjectId(id) => Some(span_of_id(id)),
        RawBsonRef::Int32(number) => Some(span_of_integer(i64::from(number))),
        RawBsonRef::Int64(number) => Some(span_of_integer(number)),
        RawBsonRef::Double(number) => span_of_double(number),
        // A double's 53 bits hold milliseconds exactly for 285,000 years.
        RawBsonRef::Decimal128(number) => span_of_double(number.to_string().parse().ok()?),
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) => span_of_text(text, tz),
        _ => None,
    }
}

fn span_of_integer(number: i64) -> Span {
    if number.unsigned_abs() < SECONDS_BELOW.unsigned_abs() {
        Span::of(number * 1000, SECOND)
    } else {
        Span::at(number)
    }
}

fn span_of_double(number: f64) -> Option<Span> {
    let seconds = number.abs() < SECONDS_BELOW as f64;
    let milliseconds = if seconds { number * 1000.0 } else { number };
    let unit = if seconds && number.fract() == 0.0 { SECOND } else { 1 };
    // `as` saturates: a number beyond every calendar stays a time of the far past or future.
    number.is_finite().then(|| Span::of(milliseconds.floor() as i64, unit))
}

/// Milliseconds UTC of a text that starts with a four-digit year; texts without a zone are wall clock of `tz`.
pub fn time_of_text(text: &str, tz: Tz) -> Option<i64> {
    span_of_text(text, tz).map(|span| span.first)
}

fn span_of_text(text: &str, tz: Tz) -> Option<Span> {
    let mut text = Scanner { rest: text.trim_end().as_bytes() };
    let date = text.date()?;
    if text.rest.is_empty() {
        let midnight = |date: NaiveDate| local(date.and_time(NaiveTime::MIN), tz);
        let day = midnight(date);
        // A day that a zone left out has no end of its own.
        let last = date.succ_opt().map_or(day.last, |next| midnight(next).last - 1).max(day.last);
        return Some(Span { last, ..day });
    }
    text.one_of(b"Tt ")?;
    let (time, unit) = text.time_of_day()?;
    let wall = date.and_time(NaiveTime::MIN).checked_add_signed(time)?;
    let span = match text.zone()? {
        Some(offset) => Span::at(wall.and_utc().timestamp_millis() - i64::from(offset.local_minus_utc()) * 1000),
        None => local(wall, tz),
    };
    Some(Span { last: span.last + unit - 1, ..span })
}

/// When a wall clock of `tz` shows `local`: of a repeated hour first and last time; in a gap, as if the clock had not been
/// moved.
fn local(local: NaiveDateTime, tz: Tz) -> Span {
    let (first, last) = match tz.offset_from_local_datetime(&local) {
        LocalResult::Single(offset) => (offset.fix(), offset.fix()),
        LocalResult::Ambiguous(first, last) => (first.fix(), last.fix()),
        // The widest gap ever was a day (Samoa, 2011); the wall clock two days before it was whole.
        LocalResult::None => {
            let before = tz.offset_from_utc_datetime(&(local - TimeDelta::days(2))).fix();
            (before, before)
        }
    };
    let at = |offset: FixedOffset| local.and_utc().timestamp_millis() - i64::from(offset.local_minus_utc()) * 1000;
    Span { first: at(first), last: at(last) }
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

    /// `13:00`, `13:00:00`, `13:00:00.123`, and the milliseconds of its last digit; digits below the millisecond are dropped,
    /// second 60 is a leap second.
    fn time_of_day(&mut self) -> Option<(TimeDelta, i64)> {
        let hour = self.number(1, 2)?;
        self.one_of(b":")?;
        let minute = self.number(2, 2)?;
        let (mut second, mut millisecond, mut unit) = (0, 0, 60 * SECOND);
        if self.one_of(b":").is_some() {
            second = self.number(2, 2)?;
            unit = SECOND;
            if self.one_of(b".,").is_some() {
                let before = self.rest.len();
                millisecond = self.number(1, 3)?;
                let cut = 10_u32.pow(3 - u32::try_from(before - self.rest.len()).ok()?);
                millisecond *= cut;
                unit = i64::from(cut);
                while self.number(1, 9).is_some() {}
            }
        }
        let valid = hour < 24 && minute < 60 && second <= 60;
        let time = i64::from(((hour * 60 + minute) * 60 + second) * 1000 + millisecond);
        valid.then(|| (TimeDelta::milliseconds(time), unit))
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
    fn what_is_coarse_may_have_been_later() {
        let later = |value: RawBson, tz| {
            let span = span_of(value.as_raw_bson_ref(), tz).unwrap();
            span.last - span.first
        };
        let (seconds, day, hour) = ((MAY / 1000) as i32, 86_400_000, 3_600_000);
        for (value, expected) in [
            (DateTime::from_millis(MAY).into(), 0),
            (RawBson::Int64(MAY), 0),
            (RawBson::Int32(seconds), 999),
            (RawBson::Double(f64::from(seconds)), 999),
            (RawBson::Double(f64::from(seconds) + 0.25), 0),
            (Timestamp { time: seconds as u32, increment: 9 }.into(), 999),
            (ObjectId::from_parts(seconds as u32, [1; 5], [2; 3]).into(), 999),
            ("2024-05-01T13:00:00.123Z".into(), 0),
            ("2024-05-01T13:00:00.5Z".into(), 99),
            ("2024-05-01T13:00:00Z".into(), 999),
            ("2024-05-01 13:00".into(), 59_999),
            ("2024-05-01".into(), day - 1),
            ("9999-12-31".into(), day - 1),
        ] {
            assert_eq!(later(value.clone(), UTC), expected, "{value:?}");
        }
        let new_york = |text: &str| later(text.into(), America::New_York);
        // The clock showed it twice; that day had 25 hours, the other one 23, and one that never was has none.
        assert_eq!(new_york("2024-11-03 01:30:00.000"), hour);
        assert_eq!((new_york("2024-11-03"), new_york("2024-03-10")), (day + hour - 1, day - hour - 1));
        assert_eq!(later("2011-12-30".into(), Pacific::Apia), 0);
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
