//! Texts that stand for values: canonical text, canonical Extended JSON and JSON text.
//!
//! Equal values have equal texts whatever their BSON kind, because a value may reach a string column directly or through
//! a narrower column, and both ways must leave the same bytes (P5).

pub mod decimal;
mod extended;
mod json;
mod parse;
pub mod time;

pub use extended::{extended, looks_wrapped};
pub use json::{json, quote};
pub use parse::Json;

use super::raw::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use decimal::{Decimal, double_of};
use std::fmt::Write;

/// Appends the canonical text of a value; documents and arrays are canonical Extended JSON.
pub fn text(value: Value<'_>, out: &mut String) {
    match value {
        Value::String(text) | Value::Symbol(text) | Value::Code(text) => out.push_str(text),
        Value::Int32(i) => drop(write!(out, "{i}")),
        Value::Int64(i) => drop(write!(out, "{i}")),
        Value::Double(x) => double(x, out),
        Value::Decimal(bytes) => Decimal::from_bytes(bytes).write(out),
        Value::Boolean(b) => out.push_str(if b { "true" } else { "false" }),
        Value::Date(ms) => {
            if !time::write(ms, out) {
                extended(value, None, out);
            }
        }
        Value::Timestamp { seconds, .. } => {
            time::write(i64::from(seconds) * 1000, out);
        }
        Value::ObjectId(id) => hex(&id, out),
        Value::Binary { subtype: 4, bytes } if bytes.len() == 16 => uuid(bytes, out),
        Value::Binary { bytes, .. } => STANDARD.encode_string(bytes, out),
        Value::Regex { pattern, options } => drop(write!(out, "/{pattern}/{options}")),
        Value::MinKey => out.push_str("MinKey"),
        Value::MaxKey => out.push_str("MaxKey"),
        Value::Null
        | Value::Undefined
        | Value::Document(_)
        | Value::Array(_)
        | Value::DbPointer { .. }
        | Value::CodeWithScope { .. } => extended(value, None, out),
    }
}

/// Appends a double's canonical text; integers of up to 15 digits, by far the most, need no search for digits.
pub fn double(x: f64, out: &mut String) {
    let whole = x as i64;
    if whole as f64 == x
        && whole.unsigned_abs() < 1_000_000_000_000_000
        && double_of(whole) == Some(x)
        && !is_negative_zero(x)
    {
        let _ = write!(out, "{whole}");
    } else {
        Decimal::from_double(x).write(out);
    }
}

/// Whether `x` is `-0.0`, which equals `0.0` and yet is another value.
pub fn is_negative_zero(x: f64) -> bool {
    x == 0.0 && x.is_sign_negative()
}

/// Appends lower-case hex digits.
pub fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn uuid(bytes: &[u8], out: &mut String) {
    let mut from = 0;
    for (i, to) in [4, 6, 8, 10, 16].into_iter().enumerate() {
        if i > 0 {
            out.push('-');
        }
        hex(bytes.get(from..to).unwrap_or_default(), out);
        from = to;
    }
}
