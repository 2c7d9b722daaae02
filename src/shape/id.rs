//! The `_id` of a row: its text, its column and its hash.
//!
//! Texts are equal exactly when ids are, as MongoDB compares them: numbers by value whatever their kind, and never a
//! string with anything else. Only strings read differently once other kinds are there: those that look like another
//! kind's text are then quoted.

use super::canonical::{self, decimal::Decimal, decimal::Number, quote};
use super::raw::{Document, Value};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::seen::{Kind, KindSet};
use crate::model::table::TableSchema;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, new_empty_array,
};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::Arc;

/// The 128 bits by which ids are compared.
///
/// A cryptographic hash, cut: ids come from outside, and two that collide would make one row of two.
pub fn hash(text: &str) -> u128 {
    let digest = Sha256::digest(text.as_bytes());
    digest.first_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// Appends the text of an id that is not a string, or of a string among other kinds when `mixed`.
pub fn text(id: Value<'_>, mixed: bool, out: &mut String) {
    match id {
        Value::String(text) if mixed && reads_as_other(text) => quote(text, out),
        Value::String(text) => out.push_str(text),
        Value::Int32(i) => drop(write!(out, "{i}")),
        Value::Int64(i) => drop(write!(out, "{i}")),
        Value::Double(x) => double(x, out),
        Value::Decimal(bytes) => decimal(bytes, out),
        Value::Boolean(_) | Value::ObjectId(_) | Value::Date(_) => canonical::text(id, out),
        Value::Binary { subtype: 4, bytes } if bytes.len() == 16 => canonical::text(id, out),
        Value::Document(document) => object(document, out),
        other => canonical::extended(other, None, out),
    }
}

/// Integral doubles as exact integers, so that they equal the integers they are; a zero has no sign.
fn double(x: f64, out: &mut String) {
    if x.is_finite() && x.fract() == 0.0 {
        let _ = write!(out, "{:.0}", if x == 0.0 { 0.0 } else { x });
    } else {
        canonical::double(x, out);
    }
}

/// A Decimal128 as the integer or double it equals, else marked as what it is: 0.1 as a decimal is not the double 0.1.
fn decimal(bytes: [u8; 16], out: &mut String) {
    let Decimal::Finite(number) = Decimal::from_bytes(bytes) else { return Decimal::from_bytes(bytes).write(out) };
    let Number { negative, digits, exponent } = number;
    let sign = if negative && digits != 0 { "-" } else { "" };
    match u32::try_from(exponent) {
        Ok(zeros @ 0..=40) => {
            let _ = write!(out, "{sign}{digits}{:0<1$}", "", zeros as usize);
        }
        _ => {
            let mut shortest = String::new();
            number.write(&mut shortest);
            match shortest.parse::<f64>() {
                Ok(x) if is_double(digits, exponent) => canonical::double(x, out),
                _ => drop(write!(out, "{{\"$numberDecimal\":\"{shortest}\"}}")),
            }
        }
    }
}

/// Whether the fraction `digits * 10^exponent` is exactly a double: what is left without its fives fits 53 bits.
fn is_double(digits: u128, exponent: i32) -> bool {
    let fives =
        5_u128.checked_pow(exponent.unsigned_abs()).filter(|fives| exponent < 0 && digits.is_multiple_of(*fives));
    fives.is_some_and(|fives| {
        let numerator = digits / fives;
        numerator >> numerator.trailing_zeros() < 1 << 53
    })
}

/// A document as Extended JSON in its own order, its numbers by value: `{n: 1}` and `{n: 1.0}` are the same id.
fn object(document: Document<'_>, out: &mut String) {
    let wrapped = canonical::looks_wrapped(document);
    out.push_str(if wrapped { "{\"$document\":{" } else { "{" });
    for (i, element) in document.elements().enumerate() {
        if i > 0 {
            out.push(',');
        }
        quote(&String::from_utf8_lossy(element.key), out);
        out.push(':');
        member(element.value(), out);
    }
    out.push_str(if wrapped { "}}" } else { "}" });
}

fn member(value: Value<'_>, out: &mut String) {
    match value {
        Value::Document(document) => object(document, out),
        Value::Array(array) => {
            out.push('[');
            for (i, element) in array.elements().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                member(element.value(), out);
            }
            out.push(']');
        }
        Value::Int32(_) | Value::Int64(_) | Value::Double(_) | Value::Decimal(_) => {
            let mut number = String::new();
            text(value, true, &mut number);
            let name = match () {
                () if number.starts_with('{') => return out.push_str(&number),
                () if number.parse::<i32>().is_ok() => "$numberInt",
                () if number.parse::<i64>().is_ok() => "$numberLong",
                () => "$numberDouble",
            };
            let _ = write!(out, "{{\"{name}\":\"{number}\"}}");
        }
        other => canonical::extended(other, None, out),
    }
}

/// Whether a string could be taken for the text of an id of another kind.
fn reads_as_other(text: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let time = |text: &str| {
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        shape == "0000-00-00T00:00:00.000Z"
    };
    let uuid = |text: &str| {
        text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && hex(&text.replace('-', ""))
    };
    text.starts_with(['{', '[', '"'])
        || text == "true"
        || text == "false"
        || (text.len() == 24 && (hex(text) || time(text)))
        || uuid(text)
        || text.parse::<f64>().is_ok()
}

/// Whether these kinds of id are more than one in the sense of the `_id` column: numbers are one kind.
pub fn is_mixed(kinds: KindSet) -> bool {
    let numbers = KindSet::of(&[Kind::Int, Kind::Double, Kind::Decimal]);
    let others = kinds.without(numbers);
    others.len() + u32::from(others != kinds) > 1
}

/// Builds the `_id` column.
#[derive(Debug)]
pub enum Ids {
    /// Only integers.
    Bigint(Int64Builder),
    /// Only doubles.
    Double(Float64Builder),
    /// Only booleans.
    Boolean(BooleanBuilder),
    /// Text; strings quoted where needed when other kinds are there.
    Text {
        /// The texts.
        values: StringBuilder,
        /// More than one kind.
        mixed: bool,
    },
}

impl Ids {
    /// A builder for the `_id` column of the table as it is now.
    pub fn new(table: &TableSchema) -> Self {
        match table.id_type() {
            DataType::Int64 => Self::Bigint(Int64Builder::new()),
            DataType::Float64 => Self::Double(Float64Builder::new()),
            DataType::Boolean => Self::Boolean(BooleanBuilder::new()),
            _ => Self::Text { values: StringBuilder::new(), mixed: is_mixed(table.id_kinds(table.version)) },
        }
    }

    /// Appends an id of a kind the table knows; `scratch` is overwritten with its text among other kinds.
    pub fn append(&mut self, id: Value<'_>, scratch: &mut String) {
        scratch.clear();
        text(id, true, scratch);
        match (self, id) {
            (Self::Bigint(values), Value::Int32(i)) => values.append_value(i64::from(i)),
            (Self::Bigint(values), Value::Int64(i)) => values.append_value(i),
            (Self::Double(values), Value::Double(x)) => values.append_value(if x == 0.0 { 0.0 } else { x }),
            (Self::Boolean(values), Value::Boolean(b)) => values.append_value(b),
            (Self::Text { values, mixed: false }, Value::String(text)) => values.append_value(text),
            (Self::Text { values, .. }, _) => values.append_value(&*scratch),
            (Self::Bigint(values), _) => values.append_null(),
            (Self::Double(values), _) => values.append_null(),
            (Self::Boolean(values), _) => values.append_null(),
        }
    }

    /// The ids appended so far; the builder starts anew.
    pub fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bigint(values) => Arc::new(values.finish()),
            Self::Double(values) => Arc::new(values.finish()),
            Self::Boolean(values) => Arc::new(values.finish()),
            Self::Text { values, .. } => Arc::new(values.finish()),
        }
    }
}

/// Calls `take` with the text, as among other kinds, of each stored id of a file written at `from_version`.
fn each_text(ids: &dyn Array, from_version: u64, table: &TableSchema, mut take: impl FnMut(&str)) -> Result<()> {
    let only_strings = table.id_kinds(from_version).within(KindSet::of(&[Kind::String]));
    let mut scratch = String::new();
    for row in 0..ids.len() {
        if ids.is_null(row) {
            return Err(Error::new(ErrorKind::Invariant, "P1: a stored row has no _id"));
        }
        scratch.clear();
        let id = match ids.data_type() {
            DataType::Int64 => Value::Int64(ids.as_primitive::<Int64Type>().value(row)),
            DataType::Float64 => Value::Double(ids.as_primitive::<Float64Type>().value(row)),
            DataType::Boolean => Value::Boolean(ids.as_boolean().value(row)),
            DataType::Utf8 => Value::String(ids.as_string::<i32>().value(row)),
            other => return Err(Error::new(ErrorKind::Schema, format!("a stored _id column has type {other}"))),
        };
        text(id, only_strings, &mut scratch);
        take(&scratch);
    }
    Ok(())
}

/// 128-bit hash of each stored id, equal exactly when the ids are, whatever type the column had at `from_version`.
pub fn id_hashes(ids: &dyn Array, from_version: u64, table: &TableSchema) -> Result<Vec<u128>> {
    let mut hashes = Vec::with_capacity(ids.len());
    each_text(ids, from_version, table, |text| hashes.push(hash(text)))?;
    Ok(hashes)
}

/// Stored ids of a file written at `from_version` as the table's `_id` column now has them, its type or spelling being
/// another one; that is always text, but for files without rows.
pub fn rewrite(ids: &dyn Array, from_version: u64, table: &TableSchema) -> Result<ArrayRef> {
    if ids.is_empty() {
        return Ok(new_empty_array(&table.id_type()));
    }
    let mut values = StringBuilder::new();
    each_text(ids, from_version, table, |text| values.append_value(text))?;
    Ok(Arc::new(values.finish()))
}

/// How an id may be shown (P10): itself when it is an ObjectId, UUID or integer, else 8 hex digits of its hash.
pub fn discreet(id: Value<'_>) -> String {
    let mut shown = String::new();
    text(id, true, &mut shown);
    match id.kind() {
        Some(Kind::ObjectId | Kind::Uuid | Kind::Int) => shown,
        _ => crate::model::names::hash8(shown.as_bytes()),
    }
}
