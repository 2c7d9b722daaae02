//! The partition folder of a document.

use super::canonical;
use super::raw::{Document, Value};
use crate::model::collection::{PartitionKey, PartitionUnit};
use crate::model::names::hash8;
use crate::model::time::time_of;
use chrono::{DateTime, Datelike, TimeZone, Timelike};
use chrono_tz::Tz;
use std::collections::HashMap;
use std::fmt::Write;

/// Where rows go that have no value for a key; Hive's name, which readers show as NULL.
const DEFAULT: &str = "__HIVE_DEFAULT_PARTITION__";
/// Longest escaped value in bytes.
const MAX_BYTES: usize = 200;

/// Partition folders met so far, numbered in order of first appearance.
#[derive(Debug)]
pub struct Partitions {
    keys: Vec<PartitionKey>,
    timezone: Tz,
    folders: Vec<String>,
    numbers: HashMap<String, u32>,
    scratch: String,
}

impl Partitions {
    /// No folder met yet.
    pub fn new(keys: Vec<PartitionKey>, timezone: Tz) -> Self {
        Self { keys, timezone, folders: Vec::new(), numbers: HashMap::new(), scratch: String::new() }
    }

    /// Numbers `folders` in their order, as if they had been met.
    pub fn resume(&mut self, folders: Vec<String>) {
        self.numbers = folders.iter().zip(0..).map(|(folder, number)| (folder.clone(), number)).collect();
        self.folders = folders;
    }

    /// The folders by number: `date=2024-05-01/id1=FAC001`, escaped; `""` when the table has no keys.
    pub fn folders(&self) -> &[String] {
        &self.folders
    }

    /// The paths of the keys, in their order.
    pub fn paths(&self) -> impl Iterator<Item = &[String]> {
        self.keys.iter().map(|key| key.path.0.as_slice())
    }

    /// The number of the document's folder, and whether every key found a value.
    pub fn place(&mut self, document: Document<'_>) -> (u32, bool) {
        let timezone = self.timezone;
        self.folder(|_, key, folder| {
            let text = |value: Value<'_>| {
                let mut text = String::new();
                append(value, key.unit, timezone, &mut text).then_some(text)
            };
            find(Value::Document(document), &key.path.0, &text).is_some_and(|text| {
                folder.push_str(&text);
                true
            })
        })
    }

    /// As [`Self::place`], of the values at [`Self::paths`] in a document that has no list on the way to them.
    pub fn place_values(&mut self, values: &[Option<Value<'_>>]) -> (u32, bool) {
        let timezone = self.timezone;
        self.folder(|at, key, folder| {
            values.get(at).copied().flatten().is_some_and(|value| append(value, key.unit, timezone, folder))
        })
    }

    /// `append` adds the escaped value of a key, if there is one.
    fn folder(&mut self, append: impl Fn(usize, &PartitionKey, &mut String) -> bool) -> (u32, bool) {
        let mut folder = std::mem::take(&mut self.scratch);
        folder.clear();
        let mut all = true;
        for (at, key) in self.keys.iter().enumerate() {
            if at > 0 {
                folder.push('/');
            }
            folder.push_str(&key.name);
            folder.push('=');
            if !append(at, key, &mut folder) {
                all = false;
                folder.push_str(DEFAULT);
            }
        }
        let number = match self.numbers.get(&folder) {
            Some(number) => *number,
            None => {
                let number = self.folders.len() as u32;
                self.folders.push(folder.clone());
                self.numbers.insert(folder.clone(), number);
                number
            }
        };
        self.scratch = folder;
        (number, all)
    }
}

/// The first text that values at `path` give, across arrays on the way; of a duplicate key the last counts.
fn find(value: Value<'_>, path: &[String], text: &dyn Fn(Value<'_>) -> Option<String>) -> Option<String> {
    match (value, path.split_first()) {
        (value, None) => text(value),
        (Value::Document(document), Some((name, rest))) => {
            let field = document.elements().filter(|element| element.key == name.as_bytes()).last()?;
            find(field.value(), rest, text)
        }
        (Value::Array(array), Some(_)) => array.elements().find_map(|element| find(element.value(), path, text)),
        _ => None,
    }
}

/// Appends the escaped text of a value to a folder name; `false`, and nothing appended, when it cannot be placed.
fn append(value: Value<'_>, unit: PartitionUnit, timezone: Tz, folder: &mut String) -> bool {
    match (value, unit) {
        (Value::Null | Value::Undefined | Value::Document(_) | Value::Array(_), _) => return false,
        (Value::String(text), PartitionUnit::Value) => {
            escape(text, folder);
            return !text.is_empty();
        }
        (value, PartitionUnit::Value) => {
            let mut text = String::new();
            canonical::text(value, &mut text);
            escape(&text, folder);
            return !text.is_empty();
        }
        _ => {}
    }
    let instant = milliseconds(value, timezone).and_then(DateTime::from_timestamp_millis);
    let Some(at) = instant.map(|instant| timezone.from_utc_datetime(&instant.naive_utc())) else { return false };
    let Some(year) = u32::try_from(at.year()).ok().filter(|year| (1..=9999).contains(year)) else { return false };
    digits(year, 4, folder);
    for (from, mark, value) in [
        (PartitionUnit::Month, '-', at.month()),
        (PartitionUnit::Day, '-', at.day()),
        (PartitionUnit::Hour, 'T', at.hour()),
    ] {
        if unit < from {
            break;
        }
        folder.push(mark);
        digits(value, 2, folder);
    }
    true
}

/// Appends a number with leading zeros.
fn digits(number: u32, width: u32, out: &mut String) {
    for place in (0..width).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        out.push(char::from(b'0' + digit as u8));
    }
}

/// The instant a value stands for, by the rules of the modified time.
fn milliseconds(value: Value<'_>, timezone: Tz) -> Option<i64> {
    use bson::RawBsonRef as Raw;
    let raw = match value {
        Value::Date(ms) => return Some(ms),
        Value::Int32(i) => Raw::Int32(i),
        Value::Int64(i) => Raw::Int64(i),
        Value::Double(x) => Raw::Double(x),
        Value::Decimal(bytes) => Raw::Decimal128(bson::Decimal128::from_bytes(bytes)),
        Value::String(text) => Raw::String(text),
        Value::Symbol(text) => Raw::Symbol(text),
        Value::ObjectId(id) => Raw::ObjectId(bson::oid::ObjectId::from_bytes(id)),
        Value::Timestamp { seconds, increment } => Raw::Timestamp(bson::Timestamp { time: seconds, increment }),
        _ => return None,
    };
    time_of(raw, timezone)
}

/// Appends `text` as part of a folder name: bytes outside `[A-Za-z0-9_.-]` as `%XX`, long texts cut and hashed. They are
/// cut between characters: readers refuse a whole table over one folder that is no UTF-8.
fn escape(text: &str, folder: &mut String) {
    let start = folder.len();
    let dots = text == "." || text == "..";
    let mut whole = folder.len();
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && !dots) {
            folder.push(char::from(byte));
        } else {
            let _ = write!(folder, "%{byte:02X}");
        }
        if folder.len() - start > MAX_BYTES {
            folder.truncate(whole);
            let _ = write!(folder, "_{}", hash8(text.as_bytes()));
            return;
        }
        if folder.len() - start <= MAX_BYTES - 9 && text.is_char_boundary(at + 1) {
            whole = folder.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_stores_and_readers_trip_over() {
        let escaped = |text: &str| {
            let mut out = String::new();
            escape(text, &mut out);
            out
        };
        assert_eq!(escaped("FAC-001.a_b"), "FAC-001.a_b");
        assert_eq!(escaped("a/b c=%"), "a%2Fb%20c%3D%25");
        assert_eq!(escaped(".."), "%2E%2E");
        assert_eq!(escaped("é"), "%C3%A9");
        let long = escaped(&"é".repeat(100));
        assert!(long.len() <= MAX_BYTES && long.ends_with(&hash8("é".repeat(100).as_bytes())));
        assert_eq!(escaped(&"x".repeat(200)), "x".repeat(200));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let decoded = |escaped: &str| {
            let mut parts = escaped.split('%');
            let mut bytes = parts.next().unwrap().as_bytes().to_vec();
            for part in parts {
                bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
                bytes.extend(part[2..].bytes());
            }
            String::from_utf8(bytes)
        };
        // Two, three and four bytes a character, begun at every place of one.
        for letter in ["é", "क", "\u{1f3e5}"] {
            for before in 0..12 {
                let text = "x".repeat(before) + &letter.repeat(100);
                let mut folder = "site=".to_owned();
                escape(&text, &mut folder);
                let value = folder.strip_prefix("site=").unwrap();
                let (kept, hash) = value.rsplit_once('_').unwrap();
                assert!(text.starts_with(&decoded(kept).unwrap()), "{before} {letter}");
                assert_eq!(hash, hash8(text.as_bytes()));
                assert!(value.len() <= MAX_BYTES && value.len() > MAX_BYTES - 12, "{before} {letter}: {}", value.len());
            }
        }
    }
}
