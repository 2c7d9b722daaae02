//! A bounds-checked walk over raw BSON, without building any document.
//!
//! [`check`] looks at every byte once and names what is wrong; after it, iteration over the same bytes meets no damage,
//! and iteration over unchecked bytes ends at the damage instead of panicking.

mod value;
mod write;

pub use value::Value;
pub use write::Writer;

use std::fmt;

/// How deep a document may be nested. MongoDB supports 100 levels, and what is kept in `_misfits` has to stay within the 128
/// levels that JSON readers take.
pub const MAX_NESTING: usize = 110;

/// What is wrong with a document, without any of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// A length prefix does not fit the bytes that follow.
    Length,
    /// The bytes end inside a value.
    Truncated,
    /// A name or string is not UTF-8.
    Utf8,
    /// A type byte BSON does not know.
    UnknownType(u8),
    /// A boolean other than 0 and 1.
    Boolean,
    /// Deeper than [`MAX_NESTING`].
    Depth,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Length => f.write_str("a length prefix does not fit its value"),
            Damage::Truncated => f.write_str("the document ends inside a value"),
            Damage::Utf8 => f.write_str("a name or string is not valid UTF-8"),
            Damage::UnknownType(tag) => write!(f, "unknown BSON type 0x{tag:02x}"),
            Damage::Boolean => f.write_str("a boolean is neither 0 nor 1"),
            Damage::Depth => write!(f, "nested deeper than {MAX_NESTING} levels"),
        }
    }
}

/// A document or array: the elements between its length prefix and its closing zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Document<'a>(&'a [u8]);

impl<'a> Document<'a> {
    /// Takes complete BSON whose length prefix covers exactly `bytes`.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Damage> {
        let prefix = bytes.first_chunk::<4>().ok_or(Damage::Truncated)?;
        let length = usize::try_from(i32::from_le_bytes(*prefix)).map_err(|_| Damage::Length)?;
        match bytes.get(4..) {
            Some([body @ .., 0]) if length == bytes.len() => Ok(Self(body)),
            _ => Err(Damage::Length),
        }
    }

    /// The elements in order; ends early at damage.
    pub fn elements(self) -> Elements<'a> {
        Elements { rest: self.0 }
    }
}

/// One element: its name and its value, not yet interpreted.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// The name; UTF-8 once the document was checked.
    pub key: &'a [u8],
    tag: u8,
    bytes: &'a [u8],
}

impl<'a> Element<'a> {
    /// The value, interpreted.
    pub fn try_value(&self) -> Result<Value<'a>, Damage> {
        Value::read(self.tag, self.bytes)
    }

    /// The value of an element of a checked document; damage reads as Null.
    pub fn value(&self) -> Value<'a> {
        self.try_value().unwrap_or(Value::Null)
    }
}

/// Iterates over the elements of a document.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    fn try_next(&mut self) -> Result<Option<Element<'a>>, Damage> {
        let Some((&tag, rest)) = self.rest.split_first() else { return Ok(None) };
        let end = rest.iter().position(|b| *b == 0).ok_or(Damage::Truncated)?;
        let (key, rest) = (&rest[..end], &rest[end + 1..]);
        let size = value::size(tag, rest)?;
        let (bytes, rest) = rest.split_at_checked(size).ok_or(Damage::Truncated)?;
        self.rest = rest;
        Ok(Some(Element { key, tag, bytes }))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        self.try_next().ok().flatten()
    }
}

/// Looks at every byte of a document.
pub fn check(bytes: &[u8]) -> Result<Document<'_>, Damage> {
    let document = Document::new(bytes)?;
    check_elements(document, 1)?;
    Ok(document)
}

fn check_elements(document: Document<'_>, depth: usize) -> Result<(), Damage> {
    if depth > MAX_NESTING {
        return Err(Damage::Depth);
    }
    let mut elements = document.elements();
    while let Some(element) = elements.try_next()? {
        std::str::from_utf8(element.key).map_err(|_| Damage::Utf8)?;
        match element.try_value()? {
            Value::Document(inner) | Value::Array(inner) | Value::CodeWithScope { scope: inner, .. } => {
                check_elements(inner, depth + 1)?;
            }
            _ => {}
        }
    }
    Ok(())
}
