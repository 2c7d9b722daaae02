//! The texts that stand for BSON values in the lake, written anew from the description of them: canonical text, JSON
//! text and canonical Extended JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::{RawArray, RawBsonRef, RawDocument};
use chrono::{DateTime, Datelike, SecondsFormat};
use serde::de::IgnoredAny;
use serde_json::json;

/// Null, Undefined, and what holds nothing else.
pub fn is_void(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Null | RawBsonRef::Undefined => true,
        RawBsonRef::Document(document) => fields(document).into_iter().all(|(_, value)| is_void(value)),
        RawBsonRef::Array(array) => elements(array).into_iter().all(is_void),
        _ => false,
    }
}

/// The fields of a document that is known to be sound, duplicate keys included.
pub fn fields(document: &RawDocument) -> Vec<(&str, RawBsonRef<'_>)> {
    let fields = document.iter().map(|field| field.map(|(key, value)| (key.as_str(), value)));
    fields.collect::<Result<_, _>>().expect("a document that was checked")
}

/// The elements of an array of such a document.
pub fn elements(array: &RawArray) -> Vec<RawBsonRef<'_>> {
    array.into_iter().collect::<Result<_, _>>().expect("a document that was checked")
}

/// Canonical text of a scalar.
pub fn text(value: RawBsonRef<'_>) -> String {
    match value {
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) | RawBsonRef::JavaScriptCode(text) => text.to_owned(),
        RawBsonRef::Int32(number) => number.to_string(),
        RawBsonRef::Int64(number) => number.to_string(),
        RawBsonRef::Double(number) => number_text(&format!("{number:e}")),
        RawBsonRef::Decimal128(number) => number_text(&number.to_string()),
        RawBsonRef::Boolean(truth) => truth.to_string(),
        RawBsonRef::DateTime(time) => time_text(time.timestamp_millis()).unwrap_or_else(|| extended(value)),
        RawBsonRef::Timestamp(time) => {
            time_text(i64::from(time.time) * 1000).expect("32 bits of seconds are our calendar")
        }
        RawBsonRef::ObjectId(id) => id.to_hex(),
        RawBsonRef::Binary(binary) if u8::from(binary.subtype) == 4 && binary.bytes.len() == 16 => {
            let hex: String = binary.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
        }
        RawBsonRef::Binary(binary) => STANDARD.encode(binary.bytes),
        RawBsonRef::RegularExpression(regex) => format!("/{}/{}", regex.pattern.as_str(), regex.options.as_str()),
        RawBsonRef::MinKey => "MinKey".to_owned(),
        RawBsonRef::MaxKey => "MaxKey".to_owned(),
        other => extended(other),
    }
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ`; none outside the years 1 to 9999.
fn time_text(millis: i64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(millis).filter(|time| (1..=9999).contains(&time.year()))?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Any spelling of a number (`-1.50E+3`, `1e-7`, `NaN`) as the shortest one: plain while its first digit stands between
/// 10^-7 and 10^39.
pub fn number_text(spelled: &str) -> String {
    let spelled = spelled.to_lowercase();
    let (sign, unsigned) = spelled.strip_prefix('-').map_or(("", spelled.as_str()), |rest| ("-", rest));
    match unsigned {
        "nan" => return "NaN".to_owned(),
        "inf" | "infinity" => return format!("{sign}Infinity"),
        _ => {}
    }
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut power: i64 = exponent.parse::<i64>().expect("an exponent") - fraction.len() as i64;
    let digits = format!("{whole}{fraction}");
    let mut digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return format!("{sign}0");
    }
    let cut = digits.trim_end_matches('0');
    power += (digits.len() - cut.len()) as i64;
    digits = cut;
    let first = power + digits.len() as i64 - 1;
    if !(-7..=39).contains(&first) {
        let rest = if digits.len() > 1 { format!(".{}", &digits[1..]) } else { String::new() };
        return format!("{sign}{}{rest}e{first:+}", &digits[..1]);
    }
    if power >= 0 {
        return format!("{sign}{digits}{}", "0".repeat(power as usize));
    }
    match usize::try_from(first) {
        Ok(first) => format!("{sign}{}.{}", &digits[..=first], &digits[first + 1..]),
        Err(_) => format!("{sign}0.{}{digits}", "0".repeat((-first - 1) as usize)),
    }
}

/// JSON text: original keys sorted, voids left out, scalars by their canonical text, which alone says whether they stand
/// bare.
pub fn json_text(value: RawBsonRef<'_>) -> String {
    match value {
        RawBsonRef::Document(document) => {
            let mut kept = fields(document);
            kept.retain(|(_, value)| !is_void(*value));
            kept.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            let kept: Vec<String> =
                kept.into_iter().map(|(key, value)| format!("{}:{}", quoted(key), json_text(value))).collect();
            format!("{{{}}}", kept.join(","))
        }
        RawBsonRef::Array(array) => {
            let element = |value| if is_void(value) { "null".to_owned() } else { json_text(value) };
            let elements: Vec<String> = elements(array).into_iter().map(element).collect();
            format!("[{}]", elements.join(","))
        }
        scalar => {
            let text = match scalar {
                RawBsonRef::Timestamp(time) if time.increment > 0 => extended(scalar),
                _ => text(scalar),
            };
            let json = text.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(&text).is_ok();
            if json || text == "true" || text == "false" || is_number(&text) { text } else { quoted(&text) }
        }
    }
}

/// `-?whole[.fraction][e±exponent]` without a zero that says nothing.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "+1"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "1"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or("");
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && digits(fraction)
        && !fraction.ends_with('0')
        && digits(exponent)
        && !exponent.starts_with('0')
}

/// A JSON string.
pub fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        // JSON has short forms of these two, which lakefold does not use.
        '\u{8}' => "\\u0008".to_owned(),
        '\u{c}' => "\\u000c".to_owned(),
        c => {
            let quoted = serde_json::to_string(&c).expect("a letter");
            quoted[1..quoted.len() - 1].to_owned()
        }
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// Names that stand for single values.
const WRAPPERS: [&str; 16] = [
    "$binary",
    "$code",
    "$date",
    "$dbPointer",
    "$document",
    "$maxKey",
    "$minKey",
    "$numberDecimal",
    "$numberDouble",
    "$numberInt",
    "$numberLong",
    "$oid",
    "$regularExpression",
    "$symbol",
    "$timestamp",
    "$undefined",
];

/// Canonical Extended JSON, its fields in their own order.
pub fn extended(value: RawBsonRef<'_>) -> String {
    let plain = |document: &RawDocument| {
        let fields: Vec<String> =
            fields(document).into_iter().map(|(key, value)| format!("{}:{}", quoted(key), extended(value))).collect();
        format!("{{{}}}", fields.join(","))
    };
    let typed = |name: &str, inner: String| format!("{{\"{name}\":{}}}", quoted(&inner));
    match value {
        // A document that would be taken for one of the wrappers below.
        RawBsonRef::Document(inner) if fields(inner).first().is_some_and(|(key, _)| WRAPPERS.contains(key)) => {
            format!("{{\"$document\":{}}}", plain(inner))
        }
        RawBsonRef::Document(inner) => plain(inner),
        RawBsonRef::Array(array) => {
            let elements: Vec<String> = elements(array).into_iter().map(extended).collect();
            format!("[{}]", elements.join(","))
        }
        RawBsonRef::Null => "null".to_owned(),
        RawBsonRef::Undefined => r#"{"$undefined":true}"#.to_owned(),
        RawBsonRef::Boolean(truth) => truth.to_string(),
        RawBsonRef::String(text) => quoted(text),
        RawBsonRef::Int32(number) => typed("$numberInt", number.to_string()),
        RawBsonRef::Int64(number) => typed("$numberLong", number.to_string()),
        RawBsonRef::Double(number) => {
            let shortest = text(value);
            let plain = number.is_finite() && !shortest.contains(['.', 'e']);
            typed("$numberDouble", if plain { format!("{shortest}.0") } else { shortest })
        }
        RawBsonRef::Decimal128(number) => typed("$numberDecimal", number.to_string()),
        RawBsonRef::DateTime(time) => {
            json!({ "$date": { "$numberLong": time.timestamp_millis().to_string() } }).to_string()
        }
        RawBsonRef::Timestamp(time) => {
            format!("{{\"$timestamp\":{{\"t\":{},\"i\":{}}}}}", time.time, time.increment)
        }
        RawBsonRef::ObjectId(id) => typed("$oid", id.to_hex()),
        RawBsonRef::Binary(binary) => format!(
            "{{\"$binary\":{{\"base64\":\"{}\",\"subType\":\"{:02x}\"}}}}",
            STANDARD.encode(binary.bytes),
            u8::from(binary.subtype)
        ),
        RawBsonRef::RegularExpression(regex) => format!(
            "{{\"$regularExpression\":{{\"pattern\":{},\"options\":{}}}}}",
            quoted(regex.pattern.as_str()),
            quoted(regex.options.as_str())
        ),
        RawBsonRef::DbPointer(_) => {
            let (namespace, id) = pointed(value);
            format!("{{\"$dbPointer\":{{\"$ref\":{},\"$id\":{{\"$oid\":\"{id}\"}}}}}}", quoted(&namespace))
        }
        RawBsonRef::JavaScriptCode(code) => typed("$code", code.to_owned()),
        RawBsonRef::Symbol(symbol) => typed("$symbol", symbol.to_owned()),
        RawBsonRef::JavaScriptCodeWithScope(code) => {
            format!("{{\"$code\":{},\"$scope\":{}}}", quoted(code.code), plain(code.scope))
        }
        RawBsonRef::MinKey => r#"{"$minKey":1}"#.to_owned(),
        RawBsonRef::MaxKey => r#"{"$maxKey":1}"#.to_owned(),
    }
}

/// Namespace and hexadecimal id of a DBPointer, which the driver's type shows to nobody: from its bytes.
fn pointed(pointer: RawBsonRef<'_>) -> (String, String) {
    let owned = bson::Bson::try_from(pointer).expect("a pointer");
    let bytes = bson::doc! { "p": owned }.to_vec().expect("BSON");
    // Length, type, name; length of the namespace; behind it a zero, the id and the document's end.
    let (name, id) = (&bytes[4 + 3 + 4..bytes.len() - 14], &bytes[bytes.len() - 13..bytes.len() - 1]);
    let hex = id.iter().map(|byte| format!("{byte:02x}")).collect();
    (String::from_utf8(name.to_vec()).expect("UTF-8"), hex)
}

#[test]
fn numbers_have_one_spelling() {
    for (spelled, text) in [
        ("-1.50E+3", "-1500"),
        ("1e-7", "0.0000001"),
        ("1e-8", "1e-8"),
        ("0E-10", "0"),
        ("-0", "-0"),
        ("123456e-3", "123.456"),
        ("1.5e40", "1.5e+40"),
        ("1e39", &format!("1{}", "0".repeat(39))),
        ("inf", "Infinity"),
    ] {
        assert_eq!(number_text(spelled), text, "{spelled}");
    }
    assert!(is_number("-0.5e-8") && !is_number("007") && !is_number("1.0") && !is_number("1e5") && !is_number(""));
}
