//! From a window to the queries that find its documents: pure, and wide enough for every kind that can hold a time.
//!
//! A comparison of the query language sees only values of its operand's kind, so there is one clause per kind,
//! whatever kinds were seen before. Each clause may find too much and never too little; [`Window::holds`] decides.

use crate::model::collection::FieldPath;
use crate::model::modified::{modified_by_ms, time_at};
use crate::model::time::SECONDS_BELOW;
use bson::raw::RawElement;
use bson::spec::ElementType;
use bson::{Bson, DateTime, Document, RawBsonRef, RawDocument, Timestamp, doc, oid::ObjectId};
use chrono::{Datelike, Days};
use chrono_tz::Tz;

/// Everything modified at `from_ms` or later.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// The last-modified field.
    pub path: FieldPath,
    /// Milliseconds UTC.
    pub from_ms: i64,
    /// Zone of texts without one.
    pub timezone: Tz,
}

impl Window {
    /// Whether the document belongs to the window: whether it may have been modified in it.
    pub fn holds(&self, document: &RawDocument) -> bool {
        modified_by_ms(document, &self.path, self.timezone).is_some_and(|modified| modified >= self.from_ms)
    }

    /// Whether the document tells its time itself, rather than by its `_id`.
    pub fn is_dated(&self, document: &RawDocument) -> bool {
        time_at(document, &self.path, self.timezone).is_some()
    }

    /// Whether damage may hide the document's time. It is read then, whatever the window: what cannot be read belongs
    /// into the quarantine and must not pass for an old document (P6).
    pub fn is_hidden_from(&self, document: &RawDocument) -> bool {
        !self.is_dated(document) && is_torn(document.iter_elements(), DEPTH_MAX)
    }

    /// Finds every document of the window that tells its time itself.
    pub fn by_value(&self) -> Document {
        doc! { "$or": self.values() }
    }

    /// Finds every document of the window; `None`: [`Window::by_value`] does.
    ///
    /// A document that is given its time while the server reads is found by its `_id` before and after: that clause does
    /// not ask whether the document is dated.
    pub fn by_either(&self) -> Option<Document> {
        let since = self.first_id()?;
        let mut clauses = self.values();
        clauses.push(doc! { "_id": since }.into());
        Some(doc! { "$or": clauses })
    }

    /// A clause for each kind that can hold a time.
    fn values(&self) -> Vec<Bson> {
        let path = self.path.to_string();
        let seconds = self.from_ms.div_euclid(1000);
        // A value's fraction of a millisecond is cut before it is compared: look one unit further back.
        let mut clauses = vec![
            doc! { "$gte": DateTime::from_millis(self.from_ms) },
            doc! { "$gte": Timestamp { time: clamp(seconds), increment: 0 } },
            doc! { "$gte": first_id(seconds) },
            doc! { "$gte": first_text(self.from_ms) },
            doc! { "$gte": numbers_from(self.from_ms) },
        ];
        if seconds <= SECONDS_BELOW {
            clauses.push(doc! { "$gte": (seconds - 1).max(-SECONDS_BELOW), "$lt": SECONDS_BELOW });
        }
        clauses.into_iter().map(|clause| doc! { &path: clause }.into()).collect()
    }

    /// The `_id`s of the window, unless they are its times.
    fn first_id(&self) -> Option<Document> {
        (self.path.to_string() != "_id").then(|| doc! { "$gte": first_id(self.from_ms.div_euclid(1000)) })
    }

    /// Finds every document of the window that only its `_id` dates; `None`: there is no such document.
    ///
    /// A query of its own, because one `$or` with it could not be read over the timestamp's index alone.
    pub fn by_id(&self) -> Option<Document> {
        let path = self.path.to_string();
        let mut filter = doc! { "_id": self.first_id()? };
        // New documents mostly are dated: the server need not send them a second time. Left out are only kinds whose
        // every value is a time. The server takes a number in a path for an index too, where `modified_by_ms` does not.
        let numbered = self.path.0.iter().any(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        if !numbered {
            filter.insert(path, doc! { "$not": { "$type": ["date", "timestamp", "objectId", "int", "long"] } });
        }
        Some(filter)
    }
}

/// Levels that are looked into; nobody's document has more.
const DEPTH_MAX: usize = 200;

/// Whether the elements break off, here or below.
fn is_torn<'a>(mut elements: impl Iterator<Item = bson::error::Result<RawElement<'a>>>, levels: usize) -> bool {
    elements.any(|element| {
        let Ok(element) = element else { return true };
        match element.element_type() {
            ElementType::EmbeddedDocument | ElementType::Array if levels == 0 => true,
            ElementType::EmbeddedDocument => match element.value() {
                Ok(RawBsonRef::Document(below)) => is_torn(below.iter_elements(), levels - 1),
                _ => true,
            },
            ElementType::Array => match element.value() {
                Ok(RawBsonRef::Array(below)) => is_torn(below.iter_elements(), levels - 1),
                _ => true,
            },
            _ => false,
        }
    })
}

/// What the server leaves out. A path below another one is dropped: the server refuses such pairs.
pub(super) fn projection(exclude: &[FieldPath]) -> Option<Document> {
    let below_another = |path: &FieldPath| exclude.iter().any(|other| other != path && other.covers(path));
    let kept = exclude.iter().filter(|path| !below_another(path));
    let projection: Document = kept.map(|path| (path.to_string(), Bson::Int32(0))).collect();
    (!projection.is_empty()).then_some(projection)
}

fn clamp(seconds: i64) -> u32 {
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}

/// The least ObjectId of a second.
fn first_id(seconds: i64) -> ObjectId {
    ObjectId::from_parts(clamp(seconds), [0; 5], [0; 3])
}

/// The least text a time of the window can have: no zone is a whole day away from UTC, and all spellings start with
/// year, month and day, whose shorter forms and other separators sort after this one.
fn first_text(from_ms: i64) -> String {
    let day = chrono::DateTime::from_timestamp_millis(from_ms).map(|time| time.date_naive());
    match day.and_then(|day| day.checked_sub_days(Days::new(1))) {
        Some(day) if (0..=9999).contains(&day.year()) => day.format("%Y-%m-%d").to_string(),
        Some(day) if day.year() > 9999 => "9999-12-30".to_owned(),
        None if from_ms > 0 => "9999-12-30".to_owned(),
        _ => String::new(),
    }
}

/// The least number that stands for milliseconds of the window.
fn numbers_from(from_ms: i64) -> i64 {
    if from_ms <= -SECONDS_BELOW { from_ms.saturating_sub(1) } else { from_ms.max(SECONDS_BELOW).saturating_sub(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(path: &str, from_ms: i64) -> Window {
        Window { path: FieldPath::parse(path).unwrap(), from_ms, timezone: chrono_tz::UTC }
    }

    #[test]
    fn one_clause_per_kind() {
        // 2024-05-01T00:00:00.500Z
        let filter = window("meta.at", 1_714_521_600_500).by_value();
        let id = ObjectId::parse_str("663186000000000000000000").unwrap();
        let expected = doc! { "$or": [
            { "meta.at": { "$gte": DateTime::from_millis(1_714_521_600_500) } },
            { "meta.at": { "$gte": Timestamp { time: 1_714_521_600, increment: 0 } } },
            { "meta.at": { "$gte": id } },
            { "meta.at": { "$gte": "2024-04-30" } },
            { "meta.at": { "$gte": 1_714_521_600_499_i64 } },
            { "meta.at": { "$gte": 1_714_521_599_i64, "$lt": 100_000_000_000_i64 } },
        ] };
        assert_eq!(filter, expected);
    }

    #[test]
    fn windows_at_the_ends_of_time() {
        for from_ms in [i64::MIN, -SECONDS_BELOW, -1, 0, SECONDS_BELOW, i64::MAX] {
            window("at", from_ms).by_value();
        }
        assert_eq!(first_text(i64::MIN), "");
        assert_eq!(first_text(i64::MAX), "9999-12-30");
        assert_eq!(first_text(0), "1969-12-31");
        assert_eq!(numbers_from(0), SECONDS_BELOW - 1);
        assert_eq!(numbers_from(-200_000_000_000), -200_000_000_001);
    }

    #[test]
    fn only_kinds_whose_every_value_is_a_time_are_left_to_the_other_query() {
        let filter = window("at", 5_000).by_id().unwrap();
        assert_eq!(filter.get_document("_id").unwrap(), &doc! { "$gte": first_id(5) });
        assert!(filter.contains_key("at"));
        assert!(!window("items.0.at", 5_000).by_id().unwrap().contains_key("items.0.at"));
        assert_eq!(window("_id", 5_000).by_id(), None);
    }

    #[test]
    fn projections_never_collide() {
        let paths: Vec<FieldPath> = ["a.b", "a", "ab", "ab"].into_iter().filter_map(FieldPath::parse).collect();
        assert_eq!(projection(&paths), Some(doc! { "a": 0, "ab": 0 }));
        assert_eq!(projection(&[]), None);
    }
}
