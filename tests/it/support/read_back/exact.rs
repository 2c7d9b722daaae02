//! Single values against single cells, and JSON that keeps the order of its fields.

use super::Table;
use super::texts::{number_text, quoted, text};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, TimestampMillisecondType};
use bson::RawBsonRef;
use chrono::{DateTime, LocalResult, TimeZone};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Whether a scalar stands exactly in a column of numbers, booleans or times.
pub fn stands(table: Table<'_>, value: RawBsonRef<'_>, array: &dyn Array, index: usize) -> bool {
    let integer = match value {
        RawBsonRef::Int32(number) => Some(i64::from(number)),
        RawBsonRef::Int64(number) => Some(number),
        _ => None,
    };
    match array.data_type() {
        DataType::Boolean => value == RawBsonRef::Boolean(array.as_boolean().value(index)),
        DataType::Int64 => integer == Some(array.as_primitive::<Int64Type>().value(index)),
        DataType::Float64 => {
            let stored = array.as_primitive::<Float64Type>().value(index);
            match (value, integer) {
                // 2^63 as a double is one more than the greatest integer, which a cast would hide.
                (_, Some(integer)) => stored as i128 == i128::from(integer),
                (RawBsonRef::Double(number), _) => {
                    number.to_bits() == stored.to_bits() || (number.is_nan() && stored.is_nan())
                }
                _ => false,
            }
        }
        DataType::Decimal128(_, scale) => {
            let unscaled = array.as_primitive::<Decimal128Type>().value(index);
            let number = matches!(value, RawBsonRef::Double(_) | RawBsonRef::Decimal128(_)) || integer.is_some();
            number && number_text(&format!("{unscaled}e-{scale}")) == text(value)
        }
        DataType::Timestamp(_, zone) => {
            let millis = match value {
                RawBsonRef::DateTime(time) => time.timestamp_millis(),
                RawBsonRef::Timestamp(time) if time.increment == 0 => i64::from(time.time) * 1000,
                _ => return false,
            };
            let stored = array.as_primitive::<TimestampMillisecondType>().value(index);
            zone.is_some() != table.local && instant(table, stored) == Some(millis)
        }
        _ => false,
    }
}

/// The only instant that a cell can mean.
fn instant(table: Table<'_>, stored: i64) -> Option<i64> {
    if !table.local {
        return Some(stored);
    }
    let wall = DateTime::from_timestamp_millis(stored)?.naive_utc();
    match table.zone.from_local_datetime(&wall) {
        LocalResult::Single(time) => Some(time.timestamp_millis()),
        _ => None,
    }
}

/// JSON as it is spelled, duplicate keys and order included; numbers are whole, as in canonical Extended JSON.
pub enum Json {
    Null,
    Boolean(bool),
    Number(u64),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Boolean(truth) => truth.fmt(f),
            Json::Number(number) => number.fmt(f),
            Json::String(text) => f.write_str(&quoted(text)),
            Json::Array(elements) => {
                let elements: Vec<String> = elements.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", elements.join(","))
            }
            Json::Object(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
                write!(f, "{{{}}}", fields.join(","))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
                Ok(Json::Boolean(truth))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
                Ok(Json::Number(number))
            }
            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::String(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Json, A::Error> {
                let mut found = Vec::new();
                while let Some(element) = elements.next_element()? {
                    found.push(element);
                }
                Ok(Json::Array(found))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
                let mut found = Vec::new();
                while let Some(field) = fields.next_entry()? {
                    found.push(field);
                }
                Ok(Json::Object(found))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
