//! Reads a row of the lake back and holds it against the document it was made of, value by value (P6), by code that
//! shares nothing with lakefold: the document by the `bson` crate, the row by `arrow`.
//!
//! What "exactly" means: a number is the same number, a time the same instant, a text or the bytes behind it the same;
//! whether an integer had 32 or 64 bits, or a text was a symbol, is kept by a column of text no more than by JSON. Every
//! value that its column does not hold so must stand in `_misfits`, and nothing may stand in the row that is not in the
//! document.

mod exact;
pub mod texts;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Fields};
use bson::{RawBsonRef, RawDocument};
use chrono_tz::Tz;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use texts::{extended, fields, is_void, json_text, text};

/// How a table was made.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// Zone of wall clocks.
    pub zone: Tz,
    /// `timestamps = "local"`
    pub local: bool,
    /// Names of the partition keys.
    pub keys: &'a [&'a str],
}

/// Holds the row `index` of `rows` against its document; what is wrong, when anything is.
pub fn holds(table: Table<'_>, rows: &RecordBatch, index: usize, document: &RawDocument) -> Result<(), String> {
    let kept = rows.column_by_name("_misfits").map(|column| column.as_string::<i32>());
    let misfits = match kept.filter(|kept| kept.is_valid(index)) {
        Some(kept) => serde_json::from_str(kept.value(index)).map_err(|error| format!("_misfits: {error}"))?,
        None => Entries::default(),
    };
    let reader = Reader { table, misfits: misfits.0, used: RefCell::default() };
    reader.top(rows, index, document)?;
    let used = reader.used.into_inner();
    match reader.misfits.keys().find(|pointer| !used.contains(*pointer)) {
        Some(foreign) => Err(format!("_misfits keeps {foreign}, which the document does not have so")),
        None => Ok(()),
    }
}

/// The name a field has in the lake, but for what is reserved.
pub fn fold(name: &str) -> String {
    let lower = name.to_lowercase();
    let mut folded: String =
        lower.chars().map(|c| if matches!(c, 'a'..='z' | '0'..='9' | '_') { c } else { '_' }).collect();
    if folded.is_empty() {
        folded.push('_');
    }
    if folded.len() > 200 {
        use sha2::{Digest, Sha256};
        let hash: String = Sha256::digest(name).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        folded = format!("{}_{hash}", &folded[..191]);
    }
    folded
}

/// Pointer to the text of each entry of `_misfits`.
#[derive(Default)]
struct Entries(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Entries;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of pointers")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((pointer, exact)) = map.next_entry::<String, exact::Json>()? {
                    if entries.keys().next_back().is_some_and(|last| *last >= pointer) {
                        return Err(serde::de::Error::custom(format!("{pointer} is out of order or stands twice")));
                    }
                    entries.insert(pointer, exact.to_string());
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

struct Reader<'a> {
    table: Table<'a>,
    misfits: BTreeMap<String, String>,
    used: RefCell<BTreeSet<String>>,
}

/// Children of a struct, or the columns of a table.
type Level<'a> = Vec<(&'a str, &'a ArrayRef)>;

/// The keys on the way to a value, and the pointer that they make.
#[derive(Clone, Copy)]
struct At<'a> {
    pointer: &'a str,
    names: usize,
}

impl At<'_> {
    fn below(&self, step: &str) -> String {
        format!("{}/{}", self.pointer, step.replace('~', "~0").replace('/', "~1"))
    }
}

fn wrong<T>(at: &str, what: impl std::fmt::Display) -> Result<T, String> {
    Err(format!("{at}: {what}"))
}

impl Reader<'_> {
    fn misfit(&self, pointer: &str) -> Option<&str> {
        let (pointer, exact) = self.misfits.get_key_value(pointer)?;
        self.used.borrow_mut().insert(pointer.clone());
        Some(exact)
    }

    /// What was kept must be the value itself.
    fn kept(&self, pointer: &str, value: RawBsonRef<'_>) -> Result<bool, String> {
        match self.misfit(pointer) {
            None => Ok(false),
            Some(exact) if exact == extended(value) => Ok(true),
            Some(exact) => wrong(pointer, format_args!("{} is kept as {exact}", extended(value))),
        }
    }

    fn top(&self, rows: &RecordBatch, index: usize, document: &RawDocument) -> Result<(), String> {
        let schema = rows.schema();
        let names = schema.fields().iter().map(|field| field.name().as_str());
        let columns: Level<'_> = names.zip(rows.columns()).filter(|(name, _)| !OWN.contains(name)).collect();
        let own = |name: &str| OWN.contains(&name) || self.table.keys.contains(&name);
        let column = |name: &str| {
            let folded = fold(name);
            if own(&folded) { format!("{folded}_field") } else { folded }
        };
        let mut below = fields(document);
        below.retain(|(name, _)| *name != "_id");
        self.record(&below, &columns, index, At { pointer: "", names: 0 }, &column)
    }

    /// Fields against the columns of their level.
    fn record(
        &self,
        fields: &[(&str, RawBsonRef<'_>)],
        columns: &Level<'_>,
        index: usize,
        at: At<'_>,
        column: &dyn Fn(&str) -> String,
    ) -> Result<(), String> {
        // By column, the values of each spelling in their order.
        let mut wanted: BTreeMap<String, BTreeMap<&str, Vec<RawBsonRef<'_>>>> = BTreeMap::new();
        for (name, value) in fields.iter().filter(|(_, value)| !is_void(*value)) {
            wanted.entry(column(name)).or_default().entry(name).or_default().push(*value);
        }
        for (folded, array) in columns {
            let Some(spellings) = wanted.remove(*folded) else {
                if array.is_valid(index) {
                    return wrong(at.pointer, format_args!("`{folded}` holds what the document has not"));
                }
                continue;
            };
            let winner = spellings.keys().find(|name| *name == folded).or(spellings.keys().next()).copied();
            for (name, values) in &spellings {
                let pointer = at.below(name);
                let (last, earlier) = values.split_last().expect("one at least");
                for (number, value) in (1..).zip(earlier) {
                    let pointer = format!("{pointer}~#{number}");
                    if !self.kept(&pointer, *value)? {
                        return wrong(&pointer, "an earlier value of a duplicate key is lost");
                    }
                }
                if winner == Some(*name) {
                    self.misfit(&format!("{pointer}~="));
                    self.value(*last, array, index, At { pointer: &pointer, names: at.names + 1 })?;
                } else if !self.kept(&pointer, *last)? {
                    return wrong(&pointer, "a field that shares its column is lost");
                }
            }
        }
        match wanted.keys().next() {
            Some(lost) => wrong(at.pointer, format_args!("there is no column `{lost}`")),
            None => Ok(()),
        }
    }

    fn value(&self, value: RawBsonRef<'_>, array: &ArrayRef, index: usize, at: At<'_>) -> Result<(), String> {
        if let DataType::Struct(children) = array.data_type()
            && !matches!(value, RawBsonRef::Document(_))
            && array.is_valid(index)
        {
            return self.children(value, children, array, index, at);
        }
        let scalar = !matches!(array.data_type(), DataType::List(_) | DataType::Struct(_) | DataType::Map(_, _));
        if self.kept(at.pointer, value)? {
            return match scalar || array.is_null(index) {
                true => Ok(()),
                false => wrong(at.pointer, "stands in its column and in _misfits"),
            };
        }
        if array.is_null(index) {
            return wrong(at.pointer, "is NULL and not in _misfits");
        }
        match array.data_type() {
            DataType::List(_) => self.list(value, &array.as_list::<i32>().value(index), at),
            DataType::Struct(children) => self.children(value, children, array, index, at),
            DataType::Map(_, _) => self.map(value, array, index, at),
            DataType::Utf8 => {
                let stored = array.as_string::<i32>().value(index);
                let expected = match value {
                    RawBsonRef::Document(_) | RawBsonRef::Array(_) => json_text(value),
                    RawBsonRef::Timestamp(time) if time.increment > 0 => return wrong(at.pointer, "lost its counter"),
                    scalar => text(scalar),
                };
                if stored == expected {
                    Ok(())
                } else {
                    wrong(at.pointer, format_args!("{stored:?} is not {expected:?}"))
                }
            }
            _ if exact::stands(self.table, value, array.as_ref(), index) => Ok(()),
            other => wrong(at.pointer, format_args!("{} does not stand in its {other}", extended(value))),
        }
    }

    fn list(&self, value: RawBsonRef<'_>, elements: &ArrayRef, at: At<'_>) -> Result<(), String> {
        let RawBsonRef::Array(array) = value else {
            let marked = self.misfit(&format!("{}~-", at.pointer)).is_some();
            if marked != (at.names > 1) || elements.len() != 1 {
                return wrong(at.pointer, "a bare value is no marked list of one");
            }
            return self.value(value, elements, 0, At { pointer: &at.below("0"), ..at });
        };
        let wanted = texts::elements(array);
        if wanted.len() != elements.len() {
            return wrong(at.pointer, format_args!("{} elements of {}", elements.len(), wanted.len()));
        }
        for (number, value) in wanted.into_iter().enumerate() {
            let pointer = at.below(&number.to_string());
            match is_void(value) {
                true if elements.is_null(number) => {}
                true => return wrong(&pointer, "is not NULL"),
                false => self.value(value, elements, number, At { pointer: &pointer, ..at })?,
            }
        }
        Ok(())
    }

    fn children(
        &self,
        value: RawBsonRef<'_>,
        children: &Fields,
        array: &ArrayRef,
        index: usize,
        at: At<'_>,
    ) -> Result<(), String> {
        let columns: Level<'_> =
            children.iter().map(|child| child.name().as_str()).zip(array.as_struct().columns()).collect();
        match value {
            RawBsonRef::Document(document) => {
                let column = |name: &str| match fold(name) {
                    bare if bare == "value_" => "value__field".to_owned(),
                    folded => folded,
                };
                self.record(&fields(document), &columns, index, at, &column)
            }
            bare => {
                let (scalars, others): (Level<'_>, Level<'_>) =
                    columns.into_iter().partition(|(name, _)| *name == "value_");
                if others.iter().any(|(_, child)| child.is_valid(index)) {
                    return wrong(at.pointer, "a bare value has fields");
                }
                match scalars.first() {
                    Some((_, child)) => self.value(bare, child, index, at),
                    None => wrong(at.pointer, "a struct has no place for a bare value"),
                }
            }
        }
    }

    fn map(&self, value: RawBsonRef<'_>, array: &ArrayRef, index: usize, at: At<'_>) -> Result<(), String> {
        let RawBsonRef::Document(document) = value else { return wrong(at.pointer, "stands in a map") };
        let entries = array.as_map().value(index);
        let keys = entries.column(0).as_string::<i32>();
        let columns: Vec<(&str, ArrayRef)> =
            (0..entries.len()).map(|entry| (keys.value(entry), entries.column(1).slice(entry, 1))).collect();
        if !columns.is_sorted_by_key(|(key, _)| key.as_bytes()) {
            return wrong(at.pointer, "the entries are not sorted");
        }
        let columns: Level<'_> = columns.iter().map(|(key, value)| (*key, value)).collect();
        self.record(&fields(document), &columns, 0, at, &str::to_owned)
    }
}

/// Columns that no field of a document owns.
const OWN: [&str; 3] = ["_id", "_modified_ms", "_misfits"];
