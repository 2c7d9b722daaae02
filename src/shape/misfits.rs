//! Where a row's values are while it is being written, and the exact originals of those that had to change.

use super::canonical::{extended, quote};
use super::privacy::Privacy;
use super::raw::{Element, Value};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

/// What marks the pointer of a field whose spelling is not the one its column had first; no pointer of a field contains it.
pub const SPELLED: &str = "~=";

/// What marks the pointer of a list column's value that stood there bare; a list of one would be assumed. No pointer of
/// a field contains it.
pub const BARE: &str = "~-";

/// One step of the way to a value.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// A field by its original name.
    Name(&'a [u8]),
    /// An entry of a map, whose key is data.
    Entry(&'a [u8]),
    /// An element; a bare value in a list column is element 0 of a list of one.
    Index(usize),
}

/// A field waiting for its column's turn.
pub type Slot<'a> = Option<Element<'a>>;

/// What the entries of a row are found by once it has a loser: a document may hold one key a million times.
#[derive(Debug, Default)]
struct Losers {
    /// The entry with a pointer.
    entries: HashMap<String, usize>,
    /// How many values of a pointer are marked.
    marked: HashMap<String, u64>,
}

impl Losers {
    /// The pointer for one more value of a duplicate key.
    fn mark(&mut self, pointer: &str) -> String {
        let number = self.marked.entry(pointer.to_owned()).or_default();
        *number += 1;
        format!("{pointer}~#{number}")
    }
}

/// The row that is being written.
#[derive(Debug, Default)]
pub struct Row<'a> {
    /// The way to the current value.
    pub path: Vec<Step<'a>>,
    /// Fields of the open structs, innermost last; kept here so that no row allocates for them.
    pub slots: Vec<Slot<'a>>,
    entries: Vec<(String, String)>,
    /// None while no field has lost its column.
    losers: Option<Losers>,
    /// Values that their column could not hold at all, by its dotted path in original names.
    pub refused: BTreeMap<String, u64>,
}

impl<'a> Row<'a> {
    /// Keeps the exact original of the current value instead of it, because the column holds nothing near it.
    pub fn refuse(&mut self, value: Value<'a>, privacy: Option<&Privacy>) {
        let mut column = String::new();
        for step in &self.path {
            match step {
                Step::Name(name) => {
                    if !column.is_empty() {
                        column.push('.');
                    }
                    column.push_str(&String::from_utf8_lossy(name));
                }
                Step::Index(_) => {}
                // Keys that are data are never shown (P10).
                Step::Entry(_) => break,
            }
        }
        *self.refused.entry(column).or_default() += 1;
        self.misfit(value, privacy);
    }

    /// Keeps the exact original of the current value beside what the column holds.
    pub fn misfit(&mut self, value: Value<'a>, privacy: Option<&Privacy>) {
        let pointer = self.pointer();
        self.keep(pointer, value, privacy);
    }

    /// Keeps the field `key` of the current document, which lost its column to another field of the document.
    ///
    /// All but the last value of a duplicate key are marked `~#1`, `~#2`, ...; no pointer of a field contains `~#`.
    pub fn loser(&mut self, key: &'a [u8], value: Value<'a>, duplicate: bool, privacy: Option<&Privacy>) {
        self.path.push(Step::Name(key));
        let pointer = self.pointer();
        self.path.pop();
        let losers = self.losers.get_or_insert_with(|| {
            let entries = self.entries.iter().enumerate().map(|(at, (pointer, _))| (pointer.clone(), at));
            Losers { entries: entries.collect(), marked: HashMap::new() }
        });
        if duplicate {
            self.entries.push((losers.mark(&pointer), original(value, privacy)));
            return;
        }
        if let Some(earlier) = losers.entries.remove(&pointer)
            && let Some((taken, _)) = self.entries.get_mut(earlier)
        {
            *taken = losers.mark(&pointer);
        }
        self.keep(pointer, value, privacy);
    }

    /// Marks with `~=` that the current field is the one its column holds; another spelling would be assumed.
    pub fn spelled(&mut self) {
        let mut pointer = self.pointer();
        pointer.push_str(SPELLED);
        self.entries.push((pointer, "true".to_owned()));
    }

    /// Marks with `~-` that the list column's current value is no list; only below a sub-document, because only there a
    /// guard can ever turn the column into text, where `5` and `[5]` differ.
    pub fn bare(&mut self) {
        if self.path.iter().filter(|step| matches!(step, Step::Name(_))).count() > 1 {
            let mut pointer = self.pointer();
            pointer.push_str(BARE);
            self.entries.push((pointer, "true".to_owned()));
        }
    }

    fn keep(&mut self, pointer: String, value: Value<'a>, privacy: Option<&Privacy>) {
        if let Some(losers) = &mut self.losers {
            losers.entries.insert(pointer.clone(), self.entries.len());
        }
        self.entries.push((pointer, original(value, privacy)));
    }

    /// Keeps an entry that was read from a stored row.
    pub fn carry(&mut self, pointer: String, json: String) {
        self.entries.push((pointer, json));
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for step in &self.path {
            match step {
                Step::Name(name) | Step::Entry(name) => {
                    pointer.push('/');
                    for c in String::from_utf8_lossy(name).chars() {
                        match c {
                            '~' => pointer.push_str("~0"),
                            '/' => pointer.push_str("~1"),
                            c => pointer.push(c),
                        }
                    }
                }
                Step::Index(index) => drop(write!(pointer, "/{index}")),
            }
        }
        pointer
    }

    /// Ends the row: its `_misfits` text, keys sorted, and how many values it keeps; marks are no values.
    pub fn finish(&mut self) -> Option<(String, u64)> {
        if self.entries.is_empty() {
            return None;
        }
        self.entries.sort();
        let mut text = String::from("{");
        for (i, (pointer, json)) in self.entries.iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            quote(pointer, &mut text);
            text.push(':');
            text.push_str(json);
        }
        text.push('}');
        let is_mark = |(pointer, _): &&(String, String)| pointer.ends_with(SPELLED) || pointer.ends_with(BARE);
        let count = self.entries.iter().filter(|entry| !is_mark(entry)).count() as u64;
        self.entries.clear();
        self.losers = None;
        Some((text, count))
    }
}

/// A value as Extended JSON.
fn original(value: Value<'_>, privacy: Option<&Privacy>) -> String {
    let mut text = String::new();
    extended(value, privacy, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_key_that_a_document_holds_again_and_again_costs_the_same_each_time() {
        const TIMES: i32 = 200_000;
        for duplicate in [true, false] {
            let begun = Instant::now();
            let mut row = Row::default();
            row.path.push(Step::Name(b"before"));
            row.misfit(Value::Int32(-1), None);
            row.path.pop();
            for number in 0..TIMES {
                row.loser(b"a", Value::Int32(number), duplicate, None);
            }
            let (text, count) = row.finish().unwrap();
            assert_eq!(count, TIMES as u64 + 1);
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
            let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
            // The value that came last is marked when it lost to its own key, and not when it lost to another spelling.
            assert_eq!(kept["/a~#1"]["$numberInt"], "0");
            assert_eq!(kept["/a~#200000"].is_null(), !duplicate);
            assert_eq!(kept["/a"].is_null(), duplicate);
        }
        let mut row = Row::default();
        for (key, duplicate) in [(b"a", true), (b"b", false), (b"b", false), (b"a", true), (b"b", false)] {
            row.loser(key, Value::Null, duplicate, None);
        }
        let text = r#"{"/a~#1":null,"/a~#2":null,"/b":null,"/b~#1":null,"/b~#2":null}"#;
        assert_eq!(row.finish(), Some((text.to_owned(), 5)));
        row.loser(b"a", Value::Null, true, None);
        assert_eq!(row.finish(), Some((r#"{"/a~#1":null}"#.to_owned(), 1)));
    }
}
