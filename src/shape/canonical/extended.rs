//! Canonical Extended JSON: every kind keeps its name, so values can be read back exactly.

use super::decimal::Decimal;
use super::json::quote;
use super::{hex, is_negative_zero, text};
use crate::shape::privacy::Privacy;
use crate::shape::raw::{Document, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;

/// Appends the canonical Extended JSON of a value; excluded parts are left out, hashed ones replaced.
pub fn extended(value: Value<'_>, privacy: Option<&Privacy>, out: &mut String) {
    if let (Some(hasher), false) = (privacy.and_then(Privacy::hasher), matches!(value, Value::Array(_))) {
        return quote(&hasher.digest(value), out);
    }
    match value {
        Value::Document(document) => object(document, privacy, out),
        Value::Array(array) => {
            out.push('[');
            for (i, element) in array.elements().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                extended(element.value(), privacy, out);
            }
            out.push(']');
        }
        _ => scalar(value, out),
    }
}

/// Names of the wrappers that stand for single values. A document that begins like one of them is wrapped itself, in
/// `$document`: Extended JSON alone cannot tell the document `{"$oid": "…"}` from an ObjectId.
const WRAPPERS: [&[u8]; 16] = [
    b"$numberInt",
    b"$numberLong",
    b"$numberDouble",
    b"$numberDecimal",
    b"$date",
    b"$timestamp",
    b"$oid",
    b"$binary",
    b"$regularExpression",
    b"$dbPointer",
    b"$code",
    b"$symbol",
    b"$minKey",
    b"$maxKey",
    b"$undefined",
    b"$document",
];

/// Whether a document begins like the wrapper of a single value.
pub fn looks_wrapped(document: Document<'_>) -> bool {
    document.elements().next().is_some_and(|first| WRAPPERS.contains(&first.key))
}

fn object(document: Document<'_>, privacy: Option<&Privacy>, out: &mut String) {
    if looks_wrapped(document) {
        out.push_str("{\"$document\":");
        fields(document, privacy, out);
        out.push('}');
    } else {
        fields(document, privacy, out);
    }
}

fn fields(document: Document<'_>, privacy: Option<&Privacy>, out: &mut String) {
    out.push('{');
    let mut first = true;
    for element in document.elements() {
        let below = privacy.and_then(|p| p.child(element.key));
        if below.is_some_and(Privacy::excluded) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        quote(&String::from_utf8_lossy(element.key), out);
        out.push(':');
        extended(element.value(), below, out);
    }
    out.push('}');
}

fn wrapped(name: &str, inner: &str, out: &mut String) {
    let _ = write!(out, "{{\"{name}\":");
    quote(inner, out);
    out.push('}');
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut out = String::new();
    hex(bytes, &mut out);
    out
}

fn scalar(value: Value<'_>, out: &mut String) {
    match value {
        Value::Null | Value::Document(_) | Value::Array(_) => out.push_str("null"),
        Value::Undefined => out.push_str("{\"$undefined\":true}"),
        Value::String(inner) => quote(inner, out),
        Value::Boolean(_) => text(value, out),
        Value::Int32(i) => wrapped("$numberInt", &i.to_string(), out),
        Value::Int64(i) => wrapped("$numberLong", &i.to_string(), out),
        Value::Double(x) => wrapped("$numberDouble", &double(x), out),
        Value::Decimal(bytes) => {
            wrapped("$numberDecimal", &bson::Decimal128::from_bytes(bytes).to_string(), out);
        }
        Value::Date(ms) => drop(write!(out, "{{\"$date\":{{\"$numberLong\":\"{ms}\"}}}}")),
        Value::Timestamp { seconds, increment } => {
            let _ = write!(out, "{{\"$timestamp\":{{\"t\":{seconds},\"i\":{increment}}}}}");
        }
        Value::ObjectId(id) => wrapped("$oid", &hexadecimal(&id), out),
        Value::Binary { subtype, bytes } => {
            let _ = write!(
                out,
                "{{\"$binary\":{{\"base64\":\"{}\",\"subType\":\"{subtype:02x}\"}}}}",
                STANDARD.encode(bytes)
            );
        }
        Value::Regex { pattern, options } => {
            out.push_str("{\"$regularExpression\":{\"pattern\":");
            quote(pattern, out);
            out.push_str(",\"options\":");
            quote(options, out);
            out.push_str("}}");
        }
        Value::DbPointer { namespace, id } => {
            out.push_str("{\"$dbPointer\":{\"$ref\":");
            quote(namespace, out);
            let _ = write!(out, ",\"$id\":{{\"$oid\":\"{}\"}}}}}}", hexadecimal(&id));
        }
        Value::Code(code) => wrapped("$code", code, out),
        Value::Symbol(symbol) => wrapped("$symbol", symbol, out),
        Value::CodeWithScope { code, scope } => {
            out.push_str("{\"$code\":");
            quote(code, out);
            out.push_str(",\"$scope\":");
            fields(scope, None, out);
            out.push('}');
        }
        Value::MinKey => out.push_str("{\"$minKey\":1}"),
        Value::MaxKey => out.push_str("{\"$maxKey\":1}"),
    }
}

/// A double as Extended JSON spells it: `1.0`, not `1`.
fn double(x: f64) -> String {
    let mut out = String::new();
    Decimal::from_double(x).write(&mut out);
    if (x.is_finite() || is_negative_zero(x)) && !out.contains(['.', 'e']) {
        out.push_str(".0");
    }
    out
}
