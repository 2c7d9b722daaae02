//! What must hold of any case: everything is classified, nothing sound is refused, and rows hold their documents.

use super::Case;
use crate::support::read_back::{self, Table};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::util::display::array_value_to_string;
use bson::{RawBsonRef, RawDocument};
use bytes::Bytes;
use lakefold::manifest::{self, Context};
use lakefold::model::batch::{RawBatch, Remains, ShapedBatch};
use lakefold::model::collection::CollectionSpec;
use lakefold::model::settings::Timestamps;
use lakefold::model::table::{TableSchema, TableSettings};
use lakefold::shape::{Converter, Shaper};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

/// Something that a case made happen, to tell new cases from old ones.
pub type Feature = u64;

/// Zone of the wall clocks, one that repeats an hour.
const ZONE: chrono_tz::Tz = chrono_tz::Europe::Berlin;

/// Levels beyond which a document counts as damaged.
const DEPTH_MAX: usize = 110;

static SPEC: LazyLock<CollectionSpec> = LazyLock::new(|| {
    let context = Context { file: "collections.csv", environment: "fuzz", hash_key: false, pins: None };
    let text = "database,collection,timestamp_column,partition_by\nfuzz,c,b.c,date=day(a)/key=A\n";
    manifest::load(text, &context).expect("a manifest").remove(0)
});

/// One batch per document; the features of the case, or what is wrong.
pub fn check(case: &[Vec<u8>]) -> Result<Vec<Feature>, String> {
    let case: Case = case.to_vec();
    let local = case.len().is_multiple_of(2);
    let timestamps = if local { Timestamps::Local } else { Timestamps::Utc };
    let table = TableSchema::new(TableSettings::of(&SPEC, ZONE, timestamps, None));
    let shaper = |table| Shaper::new(SPEC.clone(), ZONE, timestamps, None, table).map_err(|error| error.to_string());
    let mut growing = shaper(table)?;
    let mut features = Vec::new();
    let mut batches = Vec::new();
    for bytes in &case {
        let shaped = shape(&mut growing, bytes)?;
        if let Some(reason) = refused(bytes, &shaped)? {
            features.push(feature(&reason));
        } else {
            batches.push((bytes, shaped));
        }
    }
    let wide = growing.table().clone();
    wide.columns.iter().for_each(|column| features.push(feature(&column.kind.to_string())));

    let layout = Table { zone: ZONE, local, keys: &["date", "key"] };
    let mut fresh = shaper(wide.clone())?;
    for (bytes, narrow) in batches {
        let at_once = shape(&mut fresh, bytes)?;
        if fresh.table().version != wide.version {
            return Err("the schema grows when it meets the same documents again".to_owned());
        }
        let converter = Converter::new(narrow.rows.schema_ref(), narrow.version, &wide, ZONE);
        let converted = match converter.map_err(|error| error.to_string())? {
            Some(converter) => converter.convert(&narrow.rows).map_err(|error| error.to_string())?,
            None => narrow.rows.clone(),
        };
        if converted != at_once.rows {
            return Err(format!("P5: {}", difference(&converted, &at_once.rows)));
        }
        if narrow.id_hash != at_once.id_hash {
            return Err("P1: an id has two hashes".to_owned());
        }
        // Sound for lakefold and damaged for the other reader: there is nothing to compare with.
        if let Some(document) = sound(bytes) {
            for rows in [&narrow.rows, &at_once.rows] {
                read_back::holds(layout, rows, 0, document).map_err(|why| format!("P6: {why}\n{document:?}"))?;
            }
        }
    }
    Ok(features)
}

fn shape(shaper: &mut Shaper, bytes: &[u8]) -> Result<ShapedBatch, String> {
    let batch = RawBatch { documents: vec![Bytes::copy_from_slice(bytes)] };
    shaper.shape(&batch).map_err(|error| error.to_string())
}

/// Why the document was quarantined; none: it is a row. Anything between is wrong.
fn refused(bytes: &[u8], shaped: &ShapedBatch) -> Result<Option<String>, String> {
    let [quarantined] = &shaped.quarantined[..] else {
        let one = shaped.rows.num_rows() == 1 && shaped.quarantined.is_empty();
        return if one { Ok(None) } else { Err("P6: neither a row nor quarantined".to_owned()) };
    };
    if shaped.rows.num_rows() != 0 || quarantined.remains != Remains::Raw(Bytes::copy_from_slice(bytes)) {
        return Err("P6: what is quarantined is not what arrived".to_owned());
    }
    let about_id = quarantined.reason.contains("_id");
    match sound(bytes) {
        Some(document) if !about_id && levels(document) <= Some(DEPTH_MAX) => {
            Err(format!("a sound document is refused: {}", quarantined.reason))
        }
        Some(document) if about_id && has_an_id(document) => Err(format!("an id is refused: {}", quarantined.reason)),
        _ => Ok(Some(quarantined.reason.clone())),
    }
}

/// Whether all of a document can be read, by somebody else's reader and within lakefold's limit of depth.
pub fn is_sound(bytes: &[u8]) -> bool {
    sound(bytes).is_some_and(|document| levels(document) <= Some(DEPTH_MAX))
}

/// The document, when another reader of BSON reads all of it.
fn sound(bytes: &[u8]) -> Option<&RawDocument> {
    RawDocument::from_bytes(bytes).ok().filter(|document| levels(document).is_some())
}

/// How deep a document is nested; none when part of it is damaged.
fn levels(document: &RawDocument) -> Option<usize> {
    deepest(document.iter().map(|field| field.ok().map(|(_, value)| value)))
}

fn deepest<'a>(values: impl Iterator<Item = Option<RawBsonRef<'a>>>) -> Option<usize> {
    let mut most = 0;
    for value in values {
        let below = match value? {
            RawBsonRef::Document(below) => levels(below)?,
            RawBsonRef::Array(below) => deepest(below.into_iter().map(Result::ok))?,
            RawBsonRef::JavaScriptCodeWithScope(code) => levels(code.scope)?,
            _ => 0,
        };
        most = most.max(below);
    }
    Some(most + 1)
}

/// The first cells of two rows that differ.
fn difference(converted: &RecordBatch, encoded: &RecordBatch) -> String {
    let text = |array: &ArrayRef| array_value_to_string(array, 0).unwrap_or_default();
    let mut pairs = converted.columns().iter().zip(encoded.columns()).zip(encoded.schema_ref().fields());
    match pairs.find(|((converted, encoded), _)| converted != encoded) {
        Some(((one, other), field)) => {
            format!("{}: converted {}, encoded {}", field.name(), text(one), text(other))
        }
        None => "the schemas of converted and encoded rows differ".to_owned(),
    }
}

fn has_an_id(document: &RawDocument) -> bool {
    let ids: Vec<_> = document.iter().flatten().filter(|(key, _)| key.as_str() == "_id").collect();
    matches!(&ids[..], [(_, id)] if !read_back::texts::is_void(*id))
}

fn feature(text: &str) -> Feature {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
