//! What the lake must hold for a document, by code that shares nothing with lakefold: the rules of "Types" applied
//! to one document at a time, slowly and plainly, for the kinds that the sequences use.

use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use mongodb::bson::{Bson, Document};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How times are written.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Where days are cut.
    pub zone: Tz,
    /// Wall clock instead of instants.
    pub local: bool,
}

/// A scalar kind, as far as it decides about a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scalar {
    Integer,
    Double,
    Decimal,
    Time,
    Boolean,
    String,
    ObjectId,
    Uuid,
}

/// The kinds seen at one path.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    scalars: BTreeSet<Scalar>,
    fields: Option<BTreeMap<String, Seen>>,
    elements: Option<Box<Seen>>,
}

/// Void has no kind and is NULL wherever it stands.
fn is_void(value: &Bson) -> bool {
    match value {
        Bson::Null | Bson::Undefined => true,
        Bson::Document(document) => document.values().all(is_void),
        Bson::Array(items) => items.iter().all(is_void),
        _ => false,
    }
}

fn scalar(value: &Bson) -> Scalar {
    match value {
        Bson::Int32(_) | Bson::Int64(_) => Scalar::Integer,
        Bson::Double(_) => Scalar::Double,
        Bson::Decimal128(_) => Scalar::Decimal,
        Bson::DateTime(_) | Bson::Timestamp(_) => Scalar::Time,
        Bson::Boolean(_) => Scalar::Boolean,
        Bson::String(_) => Scalar::String,
        Bson::ObjectId(_) => Scalar::ObjectId,
        Bson::Binary(_) => Scalar::Uuid,
        other => panic!("the sequences use no {:?}", other.element_type()),
    }
}

impl Seen {
    /// Adds the kinds of `value`.
    pub fn observe(&mut self, value: &Bson) {
        if is_void(value) {
            return;
        }
        match value {
            Bson::Document(document) => {
                let fields = self.fields.get_or_insert_default();
                for (name, child) in document.iter().filter(|(_, child)| !is_void(child)) {
                    fields.entry(fold(name)).or_default().observe(child);
                }
            }
            Bson::Array(items) => {
                let elements = self.elements.get_or_insert_default();
                items.iter().for_each(|item| elements.observe(item));
            }
            value => drop(self.scalars.insert(scalar(value))),
        }
    }

    fn join(&mut self, other: &Seen) {
        self.scalars.extend(&other.scalars);
        if let Some(theirs) = &other.fields {
            let fields = self.fields.get_or_insert_default();
            theirs.iter().for_each(|(name, seen)| fields.entry(name.clone()).or_default().join(seen));
        }
        if let Some(theirs) = &other.elements {
            self.elements.get_or_insert_default().join(theirs);
        }
    }

    /// What the elements of the list column at this path are made of; `None` when no array was seen.
    fn element(&self) -> Option<Seen> {
        let mut element = self.elements.as_deref()?.clone();
        element.join(&Seen { elements: None, ..self.clone() });
        Some(element)
    }

    /// `value` as its column holds it; `None` is NULL.
    fn encode(&self, value: &Bson, clock: Clock, path: &str, misfits: &mut Map<String, Value>) -> Option<Value> {
        if is_void(value) {
            return None;
        }
        if let Some(element) = self.element() {
            let list: Vec<Value> = match value {
                Bson::Array(items) => items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| {
                        element.encode(item, clock, &format!("{path}/{at}"), misfits).unwrap_or(Value::Null)
                    })
                    .collect(),
                bare => {
                    // A text that such a value may end in one day tells it from a list of one.
                    if path.split('/').filter(|step| step.contains(|c: char| !c.is_ascii_digit())).count() > 1 {
                        misfits.insert(format!("{path}~-"), true.into());
                    }
                    vec![element.encode(bare, clock, path, misfits).unwrap_or(Value::Null)]
                }
            };
            return Some(Value::Array(list));
        }
        match (&self.fields, value) {
            (Some(fields), Bson::Document(document)) => Some(Value::Object(
                document
                    .iter()
                    .filter_map(|(name, child)| {
                        let seen = fields.get(&fold(name))?;
                        Some((fold(name), seen.encode(child, clock, &format!("{path}/{name}"), misfits)?))
                    })
                    .collect(),
            )),
            (Some(_), bare) => Some(json!({ "value_": encode_scalar(bare, &self.scalars, clock, path, misfits) })),
            (None, bare) => Some(encode_scalar(bare, &self.scalars, clock, path, misfits)),
        }
    }
}

fn encode_scalar(
    value: &Bson,
    kinds: &BTreeSet<Scalar>,
    clock: Clock,
    path: &str,
    misfits: &mut Map<String, Value>,
) -> Value {
    use Scalar::{Boolean, Decimal, Double, Integer, Time};
    let only = |allowed: &[Scalar]| kinds.iter().all(|kind| allowed.contains(kind));
    if only(&[Integer]) {
        return integer(value).into();
    }
    if only(&[Integer, Double]) {
        let Bson::Double(number) = value else {
            let exact = integer(value);
            let nearest = exact as f64;
            if nearest as i64 != exact {
                misfits.insert(path.to_owned(), json!({ "$numberLong": exact.to_string() }));
            }
            return nearest.into();
        };
        return (*number).into();
    }
    if only(&[Integer, Double, Decimal]) {
        return text(value).into();
    }
    if only(&[Time]) {
        let millis = millis(value);
        return if clock.local {
            let wall = DateTime::from_timestamp_millis(millis).expect("a year of our time").with_timezone(&clock.zone);
            wall.format("%Y-%m-%dT%H:%M:%S%.3f").to_string().into()
        } else {
            text(value).into()
        };
    }
    if only(&[Boolean]) {
        return value.as_bool().into();
    }
    text(value).into()
}

fn integer(value: &Bson) -> i64 {
    match value {
        Bson::Int32(number) => (*number).into(),
        Bson::Int64(number) => *number,
        other => panic!("no integer: {other}"),
    }
}

fn millis(value: &Bson) -> i64 {
    match value {
        Bson::DateTime(time) => time.timestamp_millis(),
        Bson::Timestamp(time) => i64::from(time.time) * 1000,
        other => panic!("no time: {other}"),
    }
}

/// The canonical text of a scalar.
fn text(value: &Bson) -> String {
    match value {
        Bson::String(text) => text.clone(),
        Bson::Int32(_) | Bson::Int64(_) => integer(value).to_string(),
        Bson::Double(number) => number.to_string(),
        Bson::Decimal128(number) => {
            let text = number.to_string();
            assert!(!text.contains('E'), "the sequences use plain decimals only: {text}");
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text,
            }
        }
        Bson::Boolean(truth) => truth.to_string(),
        Bson::DateTime(_) | Bson::Timestamp(_) => {
            let time = DateTime::from_timestamp_millis(millis(value)).expect("a year of our time");
            time.to_rfc3339_opts(SecondsFormat::Millis, true)
        }
        Bson::ObjectId(id) => id.to_hex(),
        Bson::Binary(binary) => binary.to_uuid().expect("the only binary in the sequences").to_string(),
        other => panic!("no scalar: {other}"),
    }
}

/// The name a field has in the lake.
pub fn fold(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '_' };
    name.to_lowercase().chars().map(kept).collect()
}

/// The kinds a whole table has seen, and the rows that follow from them.
#[derive(Debug, Clone, Default)]
pub struct TableSeen {
    ids: BTreeSet<Scalar>,
    document: Seen,
}

impl TableSeen {
    /// Adds the kinds of one document.
    pub fn observe(&mut self, document: &Document) {
        let mut rest = document.clone();
        let id = rest.remove("_id").expect("every document has an _id");
        self.ids.insert(scalar(&id));
        self.document.observe(&Bson::Document(rest));
    }

    /// The row of a document: every column that is not NULL, `_misfits` as JSON.
    pub fn row(
        &self,
        document: &Document,
        modified_ms: Option<i64>,
        keys: &[&str],
        clock: Clock,
    ) -> Map<String, Value> {
        let mut row = Map::new();
        let mut misfits = Map::new();
        for (name, value) in document {
            if name == "_id" {
                row.insert("_id".to_owned(), self.id(value, clock));
                continue;
            }
            let column = fold(name);
            let Some(seen) = self.document.fields.as_ref().and_then(|fields| fields.get(&column)) else { continue };
            let reserved = keys.contains(&column.as_str()) || ["_id", "_misfits", "_modified_ms"].contains(&&*column);
            let column = if reserved { column + "_field" } else { column };
            if let Some(value) = seen.encode(value, clock, &format!("/{name}"), &mut misfits) {
                row.insert(column, value);
            }
        }
        if let Some(millis) = modified_ms {
            row.insert("_modified_ms".to_owned(), millis.into());
        }
        if !misfits.is_empty() {
            row.insert("_misfits".to_owned(), misfits.into());
        }
        row
    }

    /// Integers alone and doubles alone keep their own column; everything else is text, in which, beside other kinds, a
    /// String that reads as another kind stands in quotes.
    fn id(&self, id: &Bson, clock: Clock) -> Value {
        let own_column = [Scalar::Integer, Scalar::Double].iter().any(|kind| self.ids == BTreeSet::from([*kind]));
        if own_column {
            return encode_scalar(id, &self.ids, clock, "/_id", &mut Map::new());
        }
        let text = text(id);
        match id {
            Bson::String(_) if self.ids.len() > 1 && reads_as_another_kind(&text) => {
                Value::String(text).to_string().into()
            }
            _ => text.into(),
        }
    }
}

/// Decided for the strings that the sequences use as ids.
fn reads_as_another_kind(text: &str) -> bool {
    let hex = text.len() == 24 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let uuid = text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4;
    let time = DateTime::parse_from_rfc3339(text).is_ok();
    hex || uuid || time || text.parse::<f64>().is_ok() || text.starts_with(['{', '[', '"'])
}
