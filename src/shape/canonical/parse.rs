//! Reads canonical Extended JSON back into raw BSON, keeping the order of fields.

use super::quote;
use crate::shape::raw::{Tape, Value, Writer};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// JSON whose objects keep their order and their duplicate keys, which misfits may have.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Boolean(bool),
    Integer(u64),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("canonical Extended JSON")
            }
            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Boolean(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Integer(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Json, E> {
                Ok(Json::String(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Json::Array(elements))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Json::Object(fields))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Json {
    /// Appends the text it was read from, without insignificant space.
    pub fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Boolean(b) => out.push_str(if *b { "true" } else { "false" }),
            Json::Integer(i) => out.push_str(&i.to_string()),
            Json::String(text) => quote(text, out),
            Json::Array(elements) => {
                out.push('[');
                for (i, element) in elements.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    element.write(out);
                }
                out.push(']');
            }
            Json::Object(fields) => {
                out.push('{');
                for (i, (name, value)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    quote(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// Appends the value it stands for to an open document or array.
    pub fn append(&self, key: &str, writer: &mut Writer) {
        match self {
            Json::Null => writer.append(key, Value::Null),
            Json::Boolean(b) => writer.append(key, Value::Boolean(*b)),
            Json::Integer(i) => writer.append(key, Value::Int64(i64::try_from(*i).unwrap_or(i64::MAX))),
            Json::String(text) => writer.append(key, Value::String(text)),
            Json::Array(elements) => {
                writer.open_array(key);
                for (i, element) in elements.iter().enumerate() {
                    element.append(&i.to_string(), writer);
                }
                writer.close();
            }
            Json::Object(fields) => {
                if typed(fields, key, writer).is_none() {
                    writer.open_document(key);
                    fields.iter().for_each(|(name, value)| value.append(name, writer));
                    writer.close();
                }
            }
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    fn field(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(fields) => fields.iter().find(|(n, _)| n == name).map(|(_, value)| value),
            _ => None,
        }
    }

    fn number(&self) -> Option<u32> {
        match self {
            Json::Integer(i) => u32::try_from(*i).ok(),
            _ => None,
        }
    }
}

/// Appends the value of a `{"$type": ...}` wrapper; `None` when the object is an ordinary document.
fn typed(fields: &[(String, Json)], key: &str, writer: &mut Writer) -> Option<()> {
    let ((name, inner), more) = fields.split_first()?;
    if let ("$code", Some((scope, Json::Object(fields)))) = (name.as_str(), more.first())
        && scope == "$scope"
    {
        let mut inside = Writer::new();
        fields.iter().for_each(|(name, value)| value.append(name, &mut inside));
        let bytes = inside.finish();
        let mut tape = Tape::default();
        let laid = tape.lay(&bytes).ok()?;
        writer.append(key, Value::CodeWithScope { code: inner.text()?, scope: tape.document(&bytes, laid) });
        return Some(());
    }
    if !more.is_empty() {
        return None;
    }
    match name.as_str() {
        "$numberInt" => writer.append(key, Value::Int32(inner.text()?.parse().ok()?)),
        "$numberLong" => writer.append(key, Value::Int64(inner.text()?.parse().ok()?)),
        "$numberDouble" => writer.append(key, Value::Double(inner.text()?.parse().ok()?)),
        "$numberDecimal" => {
            let decimal: bson::Decimal128 = inner.text()?.parse().ok()?;
            writer.append(key, Value::Decimal(decimal.bytes()));
        }
        "$date" => writer.append(key, Value::Date(inner.field("$numberLong")?.text()?.parse().ok()?)),
        "$timestamp" => {
            let (seconds, increment) = (inner.field("t")?.number()?, inner.field("i")?.number()?);
            writer.append(key, Value::Timestamp { seconds, increment });
        }
        "$oid" => writer.append(key, Value::ObjectId(object_id(inner)?)),
        "$binary" => {
            let bytes = STANDARD.decode(inner.field("base64")?.text()?).ok()?;
            let subtype = u8::from_str_radix(inner.field("subType")?.text()?, 16).ok()?;
            writer.append(key, Value::Binary { subtype, bytes: &bytes });
        }
        "$regularExpression" => {
            let (pattern, options) = (inner.field("pattern")?.text()?, inner.field("options")?.text()?);
            writer.append(key, Value::Regex { pattern, options });
        }
        "$dbPointer" => {
            let (namespace, id) = (inner.field("$ref")?.text()?, object_id(inner.field("$id")?.field("$oid")?)?);
            writer.append(key, Value::DbPointer { namespace, id });
        }
        "$code" => writer.append(key, Value::Code(inner.text()?)),
        "$document" => {
            let Json::Object(fields) = inner else { return None };
            writer.open_document(key);
            fields.iter().for_each(|(name, value)| value.append(name, writer));
            writer.close();
        }
        "$symbol" => writer.append(key, Value::Symbol(inner.text()?)),
        "$minKey" if *inner == Json::Integer(1) => writer.append(key, Value::MinKey),
        "$maxKey" if *inner == Json::Integer(1) => writer.append(key, Value::MaxKey),
        "$undefined" if *inner == Json::Boolean(true) => writer.append(key, Value::Undefined),
        _ => return None,
    }
    Some(())
}

fn object_id(text: &Json) -> Option<[u8; 12]> {
    bson::oid::ObjectId::parse_str(text.text()?).ok().map(|id| id.bytes())
}
