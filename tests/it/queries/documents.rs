//! The hospital as its documents say, and access to their fields: what synth wrote, read as BSON and nothing else.
//!
//! No schema, no lake: a field is looked up where a document has it. The mess of a hospital is forgiven as a person would
//! forgive it: `null`, `{}` and `[]` say nothing, a bare value where others have a list is a list of one, and money is
//! the same in every kind of number.

use super::answer::Cell;
use mongodb::bson::{Bson, Document};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Asia/Kolkata is ahead of UTC by this many milliseconds, all year.
const AHEAD: i64 = 19_800_000;

/// One minute in milliseconds.
pub const MINUTE: i64 = 60_000;

/// All documents.
pub struct Hospital(BTreeMap<String, Vec<Document>>);

impl Hospital {
    /// Reads the `.bson` files of a folder.
    pub fn read(folder: &Path) -> Self {
        let mut collections = BTreeMap::new();
        for entry in fs::read_dir(folder).expect("list the dump") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "bson") {
                let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
                collections.insert(name, documents(&path));
            }
        }
        Self(collections)
    }

    /// The documents of a collection.
    pub fn all(&self, collection: &str) -> &[Document] {
        &self.0[collection]
    }

    /// The documents of a collection whose day is in the window.
    pub fn within<'a>(
        &'a self,
        collection: &str,
        day_of: &'a str,
        window: &'a Window,
    ) -> impl Iterator<Item = &'a Document> {
        self.all(collection).iter().filter(move |document| window.holds(&day(document, day_of)))
    }
}

fn documents(path: &Path) -> Vec<Document> {
    let bytes = fs::read(path).expect("read a dump");
    let mut rest = bytes.as_slice();
    let mut documents = Vec::new();
    while !rest.is_empty() {
        documents.push(Document::from_reader(&mut rest).expect("a whole document"));
    }
    documents
}

/// Days that count, both included.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub from: &'static str,
    pub to: &'static str,
}

impl Window {
    /// All there are.
    pub const EVER: Self = Self { from: "0001-01-01", to: "9999-12-31" };

    /// Whether a day is one of them.
    pub fn holds(&self, day: &Cell) -> bool {
        matches!(day, Cell::Text(day) if (self.from..=self.to).contains(&day.as_str()))
    }
}

/// What stands at a dotted path, unless it says nothing.
pub fn at<'a>(document: &'a Document, path: &str) -> Option<&'a Bson> {
    let value = match path.split_once('.') {
        None => document.get(path)?,
        Some((first, rest)) => at(document.get_document(first).ok()?, rest)?,
    };
    (!is_void(value)).then_some(value)
}

fn is_void(value: &Bson) -> bool {
    match value {
        Bson::Null | Bson::Undefined => true,
        Bson::Document(document) => document.is_empty(),
        Bson::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// The elements of a list; a bare value is one.
pub fn list<'a>(document: &'a Document, path: &str) -> Vec<&'a Bson> {
    match at(document, path) {
        None => Vec::new(),
        Some(Bson::Array(list)) => list.iter().collect(),
        Some(value) => vec![value],
    }
}

/// The documents among the elements of a list.
pub fn parts<'a>(document: &'a Document, path: &str) -> Vec<&'a Document> {
    list(document, path).into_iter().filter_map(Bson::as_document).collect()
}

/// A text, or an id as one.
pub fn text(document: &Document, path: &str) -> Cell {
    match at(document, path) {
        Some(Bson::String(text)) => Cell::Text(text.clone()),
        Some(Bson::ObjectId(id)) => Cell::Text(id.to_hex()),
        None => Cell::Null,
        Some(other) => panic!("{path} is no text: {other}"),
    }
}

/// A whole number.
pub fn whole(document: &Document, path: &str) -> Cell {
    match at(document, path) {
        Some(Bson::Int32(number)) => Cell::Whole((*number).into()),
        Some(Bson::Int64(number)) => Cell::Whole(*number),
        None => Cell::Null,
        Some(other) => panic!("{path} is no whole number: {other}"),
    }
}

/// A number with at most two decimals, in hundredths.
pub fn hundredths(document: &Document, path: &str) -> Cell {
    let number = match at(document, path) {
        None => return Cell::Null,
        Some(Bson::Int32(number)) => i128::from(*number) * 100,
        Some(Bson::Int64(number)) => i128::from(*number) * 100,
        Some(Bson::Double(number)) => {
            let hundredths = (number * 100.0).round();
            assert!((number * 100.0 - hundredths).abs() < 1e-3, "{path}: {number} has more than two decimals");
            hundredths as i128
        }
        Some(Bson::Decimal128(number)) => {
            let text = number.to_string();
            let (whole, cents) = text.split_once('.').expect("two decimals");
            assert_eq!(cents.len(), 2, "{path}: {text}");
            format!("{whole}{cents}").parse().expect("digits")
        }
        Some(other) => panic!("{path} is no number: {other}"),
    };
    Cell::Hundredths(number)
}

/// A moment as the clock on the wall showed it, in milliseconds since its 1970.
pub fn moment(document: &Document, path: &str) -> Option<i64> {
    match at(document, path)? {
        Bson::DateTime(time) => Some(time.timestamp_millis() + AHEAD),
        other => panic!("{path} is no time: {other}"),
    }
}

/// Whole units of so many milliseconds from one moment to a later one.
pub fn between(document: &Document, from: &str, to: &str, unit: i64) -> Cell {
    match (moment(document, from), moment(document, to)) {
        (Some(from), Some(to)) => Cell::Whole((to - from) / unit),
        _ => Cell::Null,
    }
}

/// `2024-03-01`
pub fn day(document: &Document, path: &str) -> Cell {
    shown(document, path, "%Y-%m-%d")
}

/// `2024-03`
pub fn month(document: &Document, path: &str) -> Cell {
    shown(document, path, "%Y-%m")
}

/// Monday is 1, Sunday 7.
pub fn weekday(document: &Document, path: &str) -> Cell {
    number(shown(document, path, "%u"))
}

/// The hour of the day.
pub fn hour(document: &Document, path: &str) -> Cell {
    number(shown(document, path, "%H"))
}

fn shown(document: &Document, path: &str, pattern: &str) -> Cell {
    let Some(moment) = moment(document, path) else { return Cell::Null };
    let time = chrono::DateTime::from_timestamp_millis(moment).expect("a time within the calendar");
    Cell::Text(time.format(pattern).to_string())
}

fn number(cell: Cell) -> Cell {
    match cell {
        Cell::Text(text) => Cell::Whole(text.parse().expect("digits")),
        other => other,
    }
}
