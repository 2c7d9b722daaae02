//! Single BSON values.

use super::{Damage, Document, Entry, body};
use crate::model::seen::Kind;

/// A BSON value, borrowed from the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    Double(f64),
    String(&'a str),
    Document(Document<'a>),
    Array(Document<'a>),
    Binary {
        subtype: u8,
        bytes: &'a [u8],
    },
    Undefined,
    ObjectId([u8; 12]),
    Boolean(bool),
    /// Milliseconds since 1970, UTC.
    Date(i64),
    Null,
    Regex {
        pattern: &'a str,
        options: &'a str,
    },
    DbPointer {
        namespace: &'a str,
        id: [u8; 12],
    },
    Code(&'a str),
    Symbol(&'a str),
    CodeWithScope {
        code: &'a str,
        scope: Document<'a>,
    },
    Int32(i32),
    /// Seconds since 1970 and a counter within the second.
    Timestamp {
        seconds: u32,
        increment: u32,
    },
    Int64(i64),
    /// The 16 bytes as they stand in BSON.
    Decimal([u8; 16]),
    MinKey,
    MaxKey,
}

/// The type byte of strings.
pub(super) const STRING: u8 = 0x02;

/// Size in bytes of the value of type `tag` at the start of `rest`; never more than a length prefix says.
#[inline]
pub fn size(tag: u8, rest: &[u8]) -> Result<usize, Damage> {
    let prefixed = |extra: usize| -> Result<usize, Damage> {
        let prefix = rest.first_chunk::<4>().ok_or(Damage::Truncated)?;
        let length = usize::try_from(i32::from_le_bytes(*prefix)).map_err(|_| Damage::Length)?;
        length.checked_add(extra).ok_or(Damage::Length)
    };
    let text = |from: usize| -> Result<usize, Damage> {
        let tail = rest.get(from..).ok_or(Damage::Truncated)?;
        tail.iter().position(|b| *b == 0).map(|end| from + end + 1).ok_or(Damage::Truncated)
    };
    match tag {
        0x06 | 0x0a | 0x7f | 0xff => Ok(0),
        0x08 => Ok(1),
        0x10 => Ok(4),
        0x01 | 0x09 | 0x11 | 0x12 => Ok(8),
        0x07 => Ok(12),
        0x13 => Ok(16),
        0x03 | 0x04 | 0x0f => prefixed(0),
        STRING | 0x0d | 0x0e => prefixed(4),
        0x05 => prefixed(5),
        0x0c => prefixed(16),
        0x0b => text(text(0)?),
        tag => Err(Damage::UnknownType(tag)),
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Damage> {
    bytes.first_chunk::<N>().copied().ok_or(Damage::Truncated)
}

/// A string with its length prefix and closing zero, filling `bytes`.
#[inline]
pub fn string(bytes: &[u8]) -> Result<&str, Damage> {
    let length = usize::try_from(i32::from_le_bytes(array(bytes)?)).map_err(|_| Damage::Length)?;
    match bytes.get(4..) {
        Some([text @ .., 0]) if text.len() + 1 == length => std::str::from_utf8(text).map_err(|_| Damage::Utf8),
        _ => Err(Damage::Length),
    }
}

/// Checks the bytes of a value, but for the elements inside it: those are returned.
pub(super) fn check(tag: u8, bytes: &[u8]) -> Result<Option<&[u8]>, Damage> {
    Ok(match Value::read(tag, bytes, &[])? {
        Value::Document(inner) | Value::Array(inner) | Value::CodeWithScope { scope: inner, .. } => Some(inner.body),
        _ => None,
    })
}

impl<'a> Value<'a> {
    /// Interprets the bytes of a value whose size was taken from its type and prefix; `tape` has the elements inside it.
    pub(super) fn read(tag: u8, bytes: &'a [u8], tape: &'a [Entry]) -> Result<Self, Damage> {
        Ok(match tag {
            0x01 => Value::Double(f64::from_le_bytes(array(bytes)?)),
            STRING => Value::String(string(bytes)?),
            0x03 => Value::Document(Document { body: body(bytes)?, tape }),
            0x04 => Value::Array(Document { body: body(bytes)?, tape }),
            0x05 => binary(bytes)?,
            0x06 => Value::Undefined,
            0x07 => Value::ObjectId(array(bytes)?),
            0x08 => match bytes {
                [0] => Value::Boolean(false),
                [1] => Value::Boolean(true),
                _ => return Err(Damage::Boolean),
            },
            0x09 => Value::Date(i64::from_le_bytes(array(bytes)?)),
            0x0a => Value::Null,
            0x0b => {
                let text = std::str::from_utf8(bytes).map_err(|_| Damage::Utf8)?;
                let mut parts = text.split('\0');
                let (pattern, options) = (parts.next(), parts.next());
                Value::Regex { pattern: pattern.ok_or(Damage::Truncated)?, options: options.ok_or(Damage::Truncated)? }
            }
            0x0c => {
                let (namespace, id) = bytes.split_last_chunk::<12>().ok_or(Damage::Truncated)?;
                Value::DbPointer { namespace: string(namespace)?, id: *id }
            }
            0x0d => Value::Code(string(bytes)?),
            0x0e => Value::Symbol(string(bytes)?),
            0x0f => {
                let length: i32 = i32::from_le_bytes(array(bytes)?);
                let rest = bytes.get(4..).ok_or(Damage::Truncated)?;
                let code = usize::try_from(i32::from_le_bytes(array(rest)?)).map_err(|_| Damage::Length)?;
                let (code, scope) = rest.split_at_checked(code.saturating_add(4)).ok_or(Damage::Length)?;
                if usize::try_from(length) != Ok(bytes.len()) {
                    return Err(Damage::Length);
                }
                Value::CodeWithScope { code: string(code)?, scope: Document { body: body(scope)?, tape } }
            }
            0x10 => Value::Int32(i32::from_le_bytes(array(bytes)?)),
            0x11 => {
                let both = u64::from_le_bytes(array(bytes)?);
                Value::Timestamp { seconds: (both >> 32) as u32, increment: both as u32 }
            }
            0x12 => Value::Int64(i64::from_le_bytes(array(bytes)?)),
            0x13 => Value::Decimal(array(bytes)?),
            0xff => Value::MinKey,
            0x7f => Value::MaxKey,
            tag => return Err(Damage::UnknownType(tag)),
        })
    }

    /// Interprets the bytes of a value that holds no elements; none when it does, or is damaged.
    pub fn scalar(tag: u8, bytes: &'a [u8]) -> Option<Self> {
        match tag {
            0x03 | 0x04 | 0x0f => None,
            tag => Self::read(tag, bytes, &[]).ok(),
        }
    }

    /// The kind; none for Null and Undefined.
    pub fn kind(&self) -> Option<Kind> {
        Some(match self {
            Value::Null | Value::Undefined => return None,
            Value::Int32(_) | Value::Int64(_) => Kind::Int,
            Value::Double(_) => Kind::Double,
            Value::Decimal(_) => Kind::Decimal,
            Value::Boolean(_) => Kind::Boolean,
            Value::Date(_) => Kind::Date,
            Value::Timestamp { .. } => Kind::Timestamp,
            Value::String(_) => Kind::String,
            Value::Symbol(_) => Kind::Symbol,
            Value::Code(_) => Kind::Code,
            Value::CodeWithScope { .. } => Kind::CodeWithScope,
            Value::Regex { .. } => Kind::Regex,
            Value::ObjectId(_) => Kind::ObjectId,
            Value::Binary { subtype: 4, bytes } if bytes.len() == 16 => Kind::Uuid,
            Value::Binary { .. } => Kind::Binary,
            Value::DbPointer { .. } => Kind::DbPointer,
            Value::MinKey => Kind::MinKey,
            Value::MaxKey => Kind::MaxKey,
            Value::Document(_) => Kind::Document,
            Value::Array(_) => Kind::Array,
        })
    }
}

/// Binary data; the old subtype 2 repeats its length inside, which is not part of the data.
fn binary(bytes: &[u8]) -> Result<Value<'_>, Damage> {
    let subtype = *bytes.get(4).ok_or(Damage::Truncated)?;
    let data = bytes.get(5..).ok_or(Damage::Truncated)?;
    if subtype != 2 {
        return Ok(Value::Binary { subtype, bytes: data });
    }
    let inner = i32::from_le_bytes(array(data)?);
    match data.get(4..) {
        Some(data) if usize::try_from(inner) == Ok(data.len()) => Ok(Value::Binary { subtype, bytes: data }),
        _ => Err(Damage::Length),
    }
}
