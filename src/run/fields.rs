//! What the documents of a sample have in common: their paths, and which of them hold times.
//!
//! Only paths that most documents share are ever shown: a key that few have may be data (P10).

use crate::model::batch::RawBatch;
use crate::model::collection::FieldPath;
use crate::model::names::hash8;
use crate::model::problem::nearest;
use crate::model::time::time_of;
use bson::raw::RawBsonRef;
use bson::{RawArray, RawDocument};
use chrono_tz::Tz;
use std::collections::{BTreeMap, BTreeSet};

/// Levels of documents that are looked into.
const DEPTH_MAX: usize = 4;

/// Paths remembered: documents whose keys are data have no end of them.
const PATHS_MAX: usize = 2_000;

/// Different values counted of a path.
const VALUES_MAX: usize = 100;

/// The paths of some documents.
#[derive(Debug, Default)]
pub struct Fields {
    /// Documents looked at.
    pub documents: u64,
    by_path: BTreeMap<String, Field>,
}

/// One path.
#[derive(Debug, Clone, Default)]
pub struct Field {
    /// Documents with a value there that is neither null nor missing.
    pub present: u64,
    /// Documents with a value there that stands for a time.
    pub timed: u64,
    /// Documents with a BSON Date or Timestamp there.
    pub dates: u64,
    /// Documents with one value there that is neither document nor array.
    pub scalars: u64,
    /// Documents in which no other Date is later.
    pub latest: u64,
    /// The earliest time, milliseconds UTC.
    pub first_ms: Option<i64>,
    /// The latest time, milliseconds UTC.
    pub last_ms: Option<i64>,
    /// The path goes through an array.
    pub in_array: bool,
    values: BTreeSet<String>,
}

impl Field {
    /// How many different values were seen; `None`: too many to count.
    pub fn distinct(&self) -> Option<u64> {
        (self.values.len() < VALUES_MAX).then_some(self.values.len() as u64)
    }
}

impl Fields {
    /// Looks at every document of the sample; what cannot be read of one is left out.
    pub fn of(sample: &RawBatch, timezone: Tz) -> Self {
        let mut fields = Self::default();
        for bytes in &sample.documents {
            let Ok(document) = RawDocument::from_bytes(bytes) else { continue };
            let mut seen = Seen { by_path: BTreeMap::new(), timezone };
            seen.document(document, "", 1, false);
            fields.add(seen.by_path);
        }
        fields
    }

    fn add(&mut self, document: BTreeMap<String, Value>) {
        self.documents += 1;
        let latest = document.values().filter(|value| value.is_date).filter_map(|value| value.time).max();
        for (path, value) in document {
            if self.by_path.len() >= PATHS_MAX && !self.by_path.contains_key(&path) {
                continue;
            }
            let field = self.by_path.entry(path).or_default();
            field.present += 1;
            field.dates += u64::from(value.is_date);
            field.scalars += u64::from(value.scalar.is_some() && !value.in_array);
            field.in_array |= value.in_array;
            if let Some(time) = value.time {
                field.timed += 1;
                field.latest += u64::from(value.is_date && Some(time) == latest);
                field.first_ms = Some(field.first_ms.map_or(time, |first| first.min(time)));
                field.last_ms = Some(field.last_ms.map_or(time, |last| last.max(time)));
            }
            if let Some(hash) = value.scalar.filter(|_| field.values.len() < VALUES_MAX) {
                field.values.insert(hash);
            }
        }
    }

    /// What is known of a path; nothing when no document has it.
    pub fn at(&self, path: &FieldPath) -> Field {
        self.by_path.get(&path.to_string()).cloned().unwrap_or_default()
    }

    /// Paths that at least half of the documents have.
    pub fn shared(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.by_path.iter().filter(|(_, f)| f.present * 2 >= self.documents).map(|(path, field)| (path.as_str(), field))
    }

    /// The shared path that was probably meant by one that no document has; `fits` chooses among them.
    pub fn suggestion(&self, path: &FieldPath, fits: impl Fn(&Field) -> bool) -> Option<&str> {
        let fitting = self.shared().filter(|(_, field)| fits(field)).map(|(path, _)| path);
        nearest(&path.to_string(), fitting)
    }
}

/// The paths of one document.
struct Seen {
    by_path: BTreeMap<String, Value>,
    timezone: Tz,
}

/// What one document has at a path.
struct Value {
    time: Option<i64>,
    is_date: bool,
    /// Hash of the value, when it is neither document nor array.
    scalar: Option<String>,
    in_array: bool,
}

impl Seen {
    fn document(&mut self, document: &RawDocument, above: &str, depth: usize, in_array: bool) {
        for element in document.iter_elements().map_while(Result::ok) {
            let key = element.key().as_str();
            // Such a key cannot be named by a path.
            if key.is_empty() || key.contains('.') {
                continue;
            }
            let Ok(value) = element.value() else { continue };
            let path = if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
            match value {
                RawBsonRef::Null | RawBsonRef::Undefined => {}
                RawBsonRef::Document(child) => {
                    self.note(&path, Value { time: None, is_date: false, scalar: None, in_array });
                    if depth < DEPTH_MAX {
                        self.document(child, &path, depth + 1, in_array);
                    }
                }
                RawBsonRef::Array(items) => {
                    let time = time_of(value, self.timezone);
                    self.note(&path, Value { time, is_date: false, scalar: None, in_array: true });
                    if depth < DEPTH_MAX {
                        self.items(items, &path, depth);
                    }
                }
                scalar => {
                    let is_date = matches!(scalar, RawBsonRef::DateTime(_) | RawBsonRef::Timestamp(_));
                    let hash = hash8(format!("{scalar:?}").as_bytes());
                    let time = time_of(scalar, self.timezone);
                    self.note(&path, Value { time, is_date, scalar: Some(hash), in_array });
                }
            }
        }
    }

    fn items(&mut self, items: &RawArray, path: &str, depth: usize) {
        for item in items.iter_elements().map_while(Result::ok) {
            if let Ok(RawBsonRef::Document(child)) = item.value() {
                self.document(child, path, depth + 1, true);
            }
        }
    }

    /// The first value of a path counts, as it does for the server.
    fn note(&mut self, path: &str, value: Value) {
        self.by_path.entry(path.to_owned()).or_insert(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{DateTime, RawDocumentBuf, rawdoc};
    use bytes::Bytes;

    fn fields(documents: Vec<RawDocumentBuf>) -> Fields {
        let documents = documents.into_iter().map(|document| Bytes::from(document.into_bytes())).collect();
        Fields::of(&RawBatch { documents }, chrono_tz::UTC)
    }

    fn at(fields: &Fields, path: &str) -> Field {
        fields.at(&FieldPath::parse(path).unwrap())
    }

    #[test]
    fn paths_are_counted_with_their_times() {
        let (early, late) = (DateTime::from_millis(1_000), DateTime::from_millis(9_000));
        let found = fields(vec![
            rawdoc! { "_id": 1, "at": late, "meta": { "made": early }, "items": [{ "price": 1 }, { "price": 2 }] },
            rawdoc! { "_id": 2, "at": late, "meta": { "made": early }, "note": bson::RawBson::Null },
            rawdoc! { "_id": 3, "at": "2024-05-01", "a.b": 1 },
        ]);
        assert_eq!(found.documents, 3);
        let modified = at(&found, "at");
        assert_eq!((modified.present, modified.timed, modified.dates, modified.latest), (3, 3, 2, 2));
        assert_eq!((modified.first_ms, modified.last_ms), (Some(9_000), Some(1_714_521_600_000)));
        let made = at(&found, "meta.made");
        assert_eq!((made.present, made.latest, made.scalars), (2, 0, 2));
        let price = at(&found, "items.price");
        assert_eq!((price.present, price.in_array, price.scalars), (1, true, 0));
        assert_eq!((at(&found, "note").present, at(&found, "a.b").present), (0, 0));
        assert_eq!(at(&found, "_id").distinct(), Some(3));
    }

    #[test]
    fn only_what_most_documents_share_is_suggested() {
        let found = fields(vec![
            rawdoc! { "_id": 1, "updated_at": 5, "updated_on": 1 },
            rawdoc! { "_id": 2, "updated_at": 5 },
            rawdoc! { "_id": 3, "updated_at": 5 },
        ]);
        let suggested = |text: &str| found.suggestion(&FieldPath::parse(text).unwrap(), |_| true);
        assert_eq!(suggested("updatedAt"), Some("updated_at"));
        assert_eq!(suggested("updated_onn"), Some("updated_at"), "one document in three has updated_on");
        assert_eq!(suggested("colour"), None);
    }
}
