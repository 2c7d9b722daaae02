//! JSON text of documents and lists that are not taken apart into columns.

use super::{extended, text};
use crate::shape::privacy::{Privacy, is_void_element};
use crate::shape::raw::Value;
use serde::de::IgnoredAny;
use std::fmt::Write;

/// Appends JSON text: original keys in sorted order, void fields left out, void elements `null`, scalars by their
/// canonical text.
///
/// A scalar's form follows from its canonical text alone (numbers, booleans, and JSON of documents and lists bare,
/// everything else a string), so that a value that came through a column of text gives the same JSON.
pub fn json(value: Value<'_>, privacy: Option<&Privacy>, out: &mut String) {
    if let (Some(hasher), false) = (privacy.and_then(Privacy::hasher), matches!(value, Value::Array(_))) {
        return quote(&hasher.digest(value), out);
    }
    match value {
        Value::Document(document) => {
            let mut fields: Vec<_> = document
                .elements()
                .map(|element| (element, privacy.and_then(|p| p.child(element.key))))
                .filter(|(element, below)| !below.is_some_and(Privacy::excluded) && !is_void_element(element, *below))
                .collect();
            fields.sort_by_key(|(element, _)| element.key);
            out.push('{');
            for (i, (element, below)) in fields.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                quote(&String::from_utf8_lossy(element.key), out);
                out.push(':');
                json(element.value(), below, out);
            }
            out.push('}');
        }
        Value::Array(array) => {
            out.push('[');
            for (i, element) in array.elements().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                if is_void_element(&element, privacy) {
                    out.push_str("null");
                } else {
                    json(element.value(), privacy, out);
                }
            }
            out.push(']');
        }
        scalar => {
            let mut inner = String::new();
            match scalar {
                // Its canonical text leaves the counter out, and inside a text there is no misfit to keep it.
                Value::Timestamp { increment: 1.., .. } => extended(scalar, None, &mut inner),
                _ => text(scalar, &mut inner),
            }
            if is_bare(&inner) { out.push_str(&inner) } else { quote(&inner, out) }
        }
    }
}

/// Whether a canonical text is a boolean, a number, or what a document or list is in a column of JSON text.
fn is_bare(text: &str) -> bool {
    if text == "true" || text == "false" {
        return true;
    }
    if text.starts_with(['{', '[']) {
        return serde_json::from_str::<IgnoredAny>(text).is_ok();
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once('e').map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let whole_fine = digits(whole) && (whole == "0" || !whole.starts_with('0'));
    let fraction_fine = fraction.is_none_or(|f| digits(f) && !f.ends_with('0'));
    let exponent_fine =
        exponent.is_none_or(|e| e.strip_prefix(['+', '-']).is_some_and(|e| digits(e) && !e.starts_with('0')));
    whole_fine && fraction_fine && exponent_fine
}

/// Appends a JSON string.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => drop(write!(out, "\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_booleans_are_bare() {
        for text in ["0", "-1", "12.5", "1e+40", "1.5e-8", "true", "{\"a\":[1,\"x\"]}", "[null,2]"] {
            assert!(is_bare(text), "{text}");
        }
        for text in ["", "-", "007", "1.", ".5", "1.50", "NaN", "Infinity", "1e5", "0x1", "TRUE", "1-2", "{a}", "[1"] {
            assert!(!is_bare(text), "{text}");
        }
    }
}
