//! When a document was last modified, as its own fields tell.

use super::collection::FieldPath;
use super::time::{Span, span_of_element, span_of_id};
use bson::raw::RawElement;
use bson::spec::ElementType;
use bson::{RawBsonRef, RawDocument};
use chrono_tz::Tz;

/// Milliseconds UTC: the time at `path`, else the time in an ObjectId `_id`, else `None`.
///
/// Across arrays the latest counts; arrays right inside arrays are not looked into, as the server's queries do not.
/// Of a repeated key the first counts, because that is the one the server's filter and index see. Damaged bytes
/// never panic: what cannot be read is no time.
pub fn modified_ms(document: &RawDocument, path: &FieldPath, tz: Tz) -> Option<i64> {
    span(document, path, tz).map(|span| span.first)
}

/// [`modified_ms`], as late as it may have been: a document stamped with a day was changed at any time of it, after what was
/// read of it that day.
pub fn modified_by_ms(document: &RawDocument, path: &FieldPath, tz: Tz) -> Option<i64> {
    span(document, path, tz).map(|span| span.last)
}

fn span(document: &RawDocument, path: &FieldPath, tz: Tz) -> Option<Span> {
    descend(document, &path.0, tz).or_else(|| id_span(document))
}

/// The time at `path` alone, without the `_id` to fall back on.
pub fn time_at(document: &RawDocument, path: &FieldPath, tz: Tz) -> Option<i64> {
    descend(document, &path.0, tz).map(|span| span.first)
}

/// The time in an ObjectId `_id`.
fn id_span(document: &RawDocument) -> Option<Span> {
    match field(document, "_id").filter(|id| id.element_type() == ElementType::ObjectId)?.value() {
        Ok(RawBsonRef::ObjectId(id)) => Some(span_of_id(id)),
        _ => None,
    }
}

fn descend(document: &RawDocument, path: &[String], tz: Tz) -> Option<Span> {
    let (first, rest) = path.split_first()?;
    let element = field(document, first)?;
    if rest.is_empty() {
        return span_of_element(&element, tz);
    }
    match element.element_type() {
        ElementType::EmbeddedDocument => descend(element.value().ok()?.as_document()?, rest, tz),
        ElementType::Array => element
            .value()
            .ok()?
            .as_array()?
            .iter_elements()
            .map_while(|element| element.ok())
            .filter(|element| element.element_type() == ElementType::EmbeddedDocument)
            .filter_map(|element| descend(element.value().ok()?.as_document()?, rest, tz))
            .reduce(Span::or_later),
        _ => None,
    }
}

fn field<'a>(document: &'a RawDocument, name: &str) -> Option<RawElement<'a>> {
    document.iter_elements().map_while(|element| element.ok()).find(|element| element.key().as_str() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{DateTime, RawDocumentBuf, oid::ObjectId, rawdoc};
    use chrono_tz::UTC;
    use proptest::prelude::*;

    fn date(ms: i64) -> DateTime {
        DateTime::from_millis(ms)
    }

    fn at(path: &str, document: &RawDocument) -> Option<i64> {
        modified_ms(document, &FieldPath::parse(path).unwrap(), UTC)
    }

    #[test]
    fn the_value_at_the_path_and_else_the_id() {
        let id = ObjectId::from_parts(5, [0; 5], [0; 3]);
        assert_eq!(at("meta.updated", &rawdoc! { "_id": id, "meta": { "updated": date(7) } }), Some(7));
        assert_eq!(at("meta.updated", &rawdoc! { "_id": id, "meta": { "updated": "soon" } }), Some(5000));
        assert_eq!(at("meta.updated", &rawdoc! { "_id": id, "meta": "none" }), Some(5000));
        assert_eq!(at("updated", &rawdoc! { "_id": id, "updated": f64::NAN }), Some(5000));
        assert_eq!(at("updated", &rawdoc! { "_id": 5, "updated": true }), None);
        assert_eq!(at("_id", &rawdoc! { "_id": "2024-05-01" }), Some(1_714_521_600_000));
    }

    #[test]
    fn across_arrays_the_latest_counts() {
        let document =
            rawdoc! { "_id": 1, "items": [{ "at": [date(1), date(9)] }, 4, { "at": date(3) }, [{ "at": date(99) }]] };
        assert_eq!(at("items.at", &document), Some(9));
    }

    #[test]
    fn of_a_repeated_key_the_first_counts() {
        let mut document = RawDocumentBuf::new();
        document.append(bson::raw::cstr!("at"), date(1));
        document.append(bson::raw::cstr!("at"), date(2));
        assert_eq!(at("at", &document), Some(1));
    }

    proptest! {
        #[test]
        fn damaged_bytes_never_panic(at_byte in 0_usize..200, with in any::<u8>(), cut in 0_usize..200) {
            let id = ObjectId::from_bytes([9; 12]);
            let document = rawdoc! { "_id": id, "a": [{ "b": ["2024-05-01", date(3)] }, { "b": 1.5 }], "c": { "d": "x" } };
            let mut bytes = document.into_bytes();
            let end = bytes.len() - 1;
            bytes[4 + at_byte % (end - 4)] = with;
            let cut = cut % (end - 4);
            bytes.drain(end - cut..end);
            let length = i32::try_from(bytes.len()).unwrap();
            bytes[..4].copy_from_slice(&length.to_le_bytes());
            let document = RawDocument::from_bytes(&bytes).unwrap();
            for path in ["a.b", "c.d", "c", "_id"] {
                let _ = at(path, document);
            }
        }
    }
}
