//! A bounds-checked walk over raw BSON, without building any document.
//!
//! [`Tape::lay`] looks at every byte once, names what is wrong, and notes where the elements stand; whoever walks over
//! the document afterwards searches no name's end and meets no damage.

mod value;
mod write;

pub use value::{Value, size, string};
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

/// Where the elements of documents stand in their bytes, those of inner documents behind the element they belong to:
/// every byte is looked at once, and the steps after that only follow what was found.
#[derive(Debug, Default)]
pub struct Tape(Vec<Entry>);

/// One element; offsets count from the first element of the document or array that holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    /// Its type; the name begins behind it.
    start: u32,
    /// Its value; the name's closing zero is before it.
    value: u32,
    /// The first byte that is not its own.
    end: u32,
    /// Entries it takes on the tape: itself, and those of the elements inside it.
    entries: u32,
}

/// The part of a tape that belongs to one document.
#[derive(Debug, Clone, Copy)]
pub struct Laid {
    from: usize,
    to: usize,
}

impl Tape {
    /// Looks at every byte of a document; what is wrong with it, if anything, and then nothing of it is kept.
    ///
    /// `bytes` are complete BSON whose length prefix covers exactly them.
    pub fn lay(&mut self, bytes: &[u8]) -> Result<Laid, Damage> {
        let from = self.0.len();
        let laid = body(bytes).and_then(|body| self.elements(body, 1));
        if laid.is_err() {
            self.0.truncate(from);
        }
        laid.map(|()| Laid { from, to: self.0.len() })
    }

    /// Forgets everything laid so far.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Lays one document; what is wrong with it, if anything.
    pub fn document_of<'a>(&'a mut self, bytes: &'a [u8]) -> Result<Document<'a>, String> {
        let laid = self.lay(bytes).map_err(|damage| damage.to_string())?;
        Ok(self.document(bytes, laid))
    }

    /// The document of these bytes, which were laid here.
    pub fn document<'a>(&'a self, bytes: &'a [u8], laid: Laid) -> Document<'a> {
        Document { body: body(bytes).unwrap_or_default(), tape: self.0.get(laid.from..laid.to).unwrap_or_default() }
    }

    fn elements(&mut self, body: &[u8], depth: usize) -> Result<(), Damage> {
        if depth > MAX_NESTING {
            return Err(Damage::Depth);
        }
        let mut start = 0;
        while let Some((&tag, rest)) = body.get(start..).and_then(<[u8]>::split_first) {
            let length = rest.iter().position(|b| *b == 0).ok_or(Damage::Truncated)?;
            let (key, rest) = (&rest[..length], &rest[length + 1..]);
            std::str::from_utf8(key).map_err(|_| Damage::Utf8)?;
            let bytes = rest.get(..value::size(tag, rest)?).ok_or(Damage::Truncated)?;
            let value = start + length + 2;
            let end = value + bytes.len();
            // A document has at most 2 GiB: its length prefix is signed.
            let at = |offset: usize| u32::try_from(offset).map_err(|_| Damage::Length);
            let entry = self.0.len();
            self.0.push(Entry { start: at(start)?, value: at(value)?, end: at(end)?, entries: 1 });
            if let Some(inner) = value::check(tag, bytes)? {
                self.elements(inner, depth + 1)?;
                let entries = at(self.0.len() - entry)?;
                self.0[entry].entries = entries;
            }
            start = end;
        }
        Ok(())
    }
}

/// What is between the length prefix and the closing zero of a document.
pub fn body(bytes: &[u8]) -> Result<&[u8], Damage> {
    let prefix = bytes.first_chunk::<4>().ok_or(Damage::Truncated)?;
    let length = usize::try_from(i32::from_le_bytes(*prefix)).map_err(|_| Damage::Length)?;
    match bytes.get(4..) {
        Some([body @ .., 0]) if length == bytes.len() => Ok(body),
        _ => Err(Damage::Length),
    }
}

/// A document or array that is laid on a tape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Document<'a> {
    /// The elements, without length prefix and closing zero.
    body: &'a [u8],
    tape: &'a [Entry],
}

impl<'a> Document<'a> {
    /// The elements in order.
    pub fn elements(self) -> Elements<'a> {
        Elements { body: self.body, tape: self.tape }
    }
}

/// One element: its name and its value, not yet interpreted.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    /// The name, in UTF-8.
    pub key: &'a [u8],
    tag: u8,
    bytes: &'a [u8],
    tape: &'a [Entry],
}

impl<'a> Element<'a> {
    /// Whether it is a string; asks nothing of its bytes.
    pub fn is_text(&self) -> bool {
        self.tag == value::STRING
    }

    /// The value, interpreted.
    pub fn value(&self) -> Value<'a> {
        Value::read(self.tag, self.bytes, self.tape).unwrap_or(Value::Null)
    }
}

/// Iterates over the elements of a document.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    body: &'a [u8],
    tape: &'a [Entry],
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let entry = self.tape.first()?;
        let (own, rest) = self.tape.split_at_checked(entry.entries as usize)?;
        let bytes = self.body.get(entry.start as usize..entry.end as usize)?;
        let (name, bytes) = bytes.split_at_checked((entry.value - entry.start) as usize)?;
        self.tape = rest;
        match name {
            [tag, key @ .., 0] => Some(Element { key, tag: *tag, bytes, tape: &own[1..] }),
            _ => None,
        }
    }
}
