//! What has been seen at each path of a collection: sets of kinds that only grow, by union.
//!
//! A column's type is a pure function of this tree, so the order in which documents arrive cannot matter (P5).

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Distinct keys of one path below the top; more of them are data, not names.
pub const MAX_KEYS: usize = 500;
/// Levels of documents and lists that become columns.
pub const MAX_DEPTH: usize = 32;

/// What a value is, as far as the type of its column is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Int32 and Int64.
    Int,
    /// 64-bit floating point.
    Double,
    /// Decimal128.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// Milliseconds since 1970, UTC.
    Date,
    /// MongoDB's internal timestamp: seconds and an increment.
    Timestamp,
    /// UTF-8 text.
    String,
    /// A deprecated kind of text.
    Symbol,
    /// JavaScript without a scope.
    Code,
    /// JavaScript with a scope.
    CodeWithScope,
    /// A pattern with its options.
    Regex,
    /// 12 bytes.
    ObjectId,
    /// Binary of subtype 4 with 16 bytes.
    Uuid,
    /// Binary of any other subtype.
    Binary,
    /// A deprecated reference.
    DbPointer,
    /// Sorts before everything.
    MinKey,
    /// Sorts after everything.
    MaxKey,
    /// A document that is not void.
    Document,
    /// An array that is not void.
    Array,
}

/// Kinds there are: [`Kind`]s as numbers are below it.
pub const KINDS: usize = Kind::Array as usize + 1;

/// A set of [`Kind`]s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KindSet(u32);

impl KindSet {
    /// The set of these kinds.
    pub const fn of(kinds: &[Kind]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < kinds.len() {
            bits |= 1 << kinds[i] as u32;
            i += 1;
        }
        Self(bits)
    }

    /// Adds one kind; whether it was new.
    pub fn insert(&mut self, kind: Kind) -> bool {
        let before = self.0;
        self.0 |= 1 << kind as u32;
        self.0 != before
    }

    /// Whether `kind` is in the set.
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }

    /// Whether every kind of `self` is in `other`.
    pub fn within(self, other: KindSet) -> bool {
        self.0 & !other.0 == 0
    }

    /// The kinds of `self` that are not in `other`.
    #[must_use]
    pub fn without(self, other: KindSet) -> Self {
        Self(self.0 & !other.0)
    }

    /// Number of kinds.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether nothing was seen.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// How often a kind was seen, with one `_id` that shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The kind.
    pub kind: Kind,
    /// Values read so far, repeated readings included.
    pub count: u64,
    /// A discreet form of the `_id` of the first document that had it (P10).
    pub example: String,
}

/// Why the fields below a path are not remembered one by one. Guards absorb: once tripped they stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Too many distinct keys: the keys are data.
    Keys,
    /// The table grew too wide, and this was its widest sub-document.
    Width,
    /// Nested too deep; holds for lists as well as documents.
    Depth,
}

/// Properties of values that decide whether a column of some type has to round them; like kinds they only accumulate.
///
/// They make the presence of `_misfits` independent of how a source is cut into batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits {
    /// An integer that no double stands for exactly.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub long_integer: bool,
    /// A double or Decimal128 outside decimal(38,10).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fine_number: bool,
    /// A time that a timestamp column cannot hold alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub odd_time: bool,
}

impl Traits {
    fn absorb(&mut self, other: Traits) {
        self.long_integer |= other.long_integer;
        self.fine_number |= other.fine_number;
        self.odd_time |= other.odd_time;
    }
}

/// Everything seen at one path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// By kind, in order of first appearance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sightings: Vec<Sighting>,
    /// What the values demand of a column.
    #[serde(default)]
    pub traits: Traits,
    /// Fields of the documents seen here; frozen once a guard tripped.
    #[serde(default, skip_serializing_if = "Fields::is_empty")]
    pub fields: Fields,
    /// What the elements of the arrays seen here were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Box<Seen>>,
    /// Whether and why fields are not remembered any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// With [`Guard::Keys`]: what all fields together hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Box<Seen>>,
}

impl Seen {
    /// The kinds seen here.
    pub fn kinds(&self) -> KindSet {
        let mut set = KindSet::default();
        for sighting in &self.sightings {
            set.insert(sighting.kind);
        }
        set
    }

    /// The kinds with their counts.
    pub fn sightings(&self) -> &[Sighting] {
        &self.sightings
    }

    /// Counts one value; `example` is asked for only when the kind is new here. Returns whether it was.
    pub fn note(&mut self, kind: Kind, example: impl FnOnce() -> String) -> bool {
        if let Some(sighting) = self.sightings.iter_mut().find(|s| s.kind == kind) {
            sighting.count += 1;
            return false;
        }
        self.sightings.push(Sighting { kind, count: 1, example: example() });
        true
    }

    /// Counts more values of the kinds that were seen here before.
    pub fn count(&mut self, more: impl Fn(Kind) -> u64) {
        for sighting in &mut self.sightings {
            sighting.count += more(sighting.kind);
        }
    }

    /// Trips a guard; a stronger one replaces a weaker one. Returns whether anything changed.
    pub fn trip(&mut self, guard: Guard) -> bool {
        if self.guard >= Some(guard) {
            return false;
        }
        if guard == Guard::Keys {
            let mut values = Seen::default();
            self.fields.iter().for_each(|field| values.absorb_below(&field.seen));
            self.values = Some(Box::new(values));
        }
        self.guard = Some(guard);
        true
    }

    /// Forgets what was seen at `path` and below it, in lists too, and every document and list that held nothing else.
    pub fn forget(&mut self, path: &[&str]) {
        let Some((name, rest)) = path.split_first() else { return };
        if self.fields.forget(name, rest) && self.fields.is_empty() && self.guard.is_none() {
            self.sightings.retain(|sighting| sighting.kind != Kind::Document);
        }
        if let Some(values) = self.values.as_deref_mut() {
            // Their kinds are those of other keys as well, and a type never gets narrower.
            let sightings = values.sightings.clone();
            values.forget(rest);
            values.sightings = sightings;
        }
        let emptied = self.items.as_deref_mut().is_some_and(|items| {
            items.forget(path);
            items.sightings.is_empty()
        });
        if emptied {
            self.items = None;
            self.sightings.retain(|sighting| sighting.kind != Kind::Array);
        }
    }

    /// Adds everything `other` has seen.
    pub fn absorb(&mut self, other: &Seen) {
        for theirs in &other.sightings {
            match self.sightings.iter_mut().find(|s| s.kind == theirs.kind) {
                Some(ours) => ours.count += theirs.count,
                None => self.sightings.push(theirs.clone()),
            }
        }
        self.traits.absorb(other.traits);
        if let Some(guard) = other.guard {
            self.trip(guard);
        }
        if let Some(values) = self.values.as_deref_mut() {
            match other.values.as_deref() {
                Some(theirs) => values.absorb_below(theirs),
                None => other.fields.iter().for_each(|field| values.absorb_below(&field.seen)),
            }
        }
        if self.guard.is_none() {
            for theirs in other.fields.iter() {
                let at = self.fields.ensure(&theirs.name, theirs.since);
                if let Some(ours) = self.fields.get_mut(at) {
                    ours.absorb_below(&theirs.seen);
                }
            }
        }
        if let Some(theirs) = other.items.as_deref() {
            self.items.get_or_insert_default().absorb_below(theirs);
        }
    }

    /// [`Seen::absorb`] for a path below the top, where the number of distinct keys is guarded.
    fn absorb_below(&mut self, other: &Seen) {
        self.absorb(other);
        if self.fields.len() > MAX_KEYS {
            self.trip(Guard::Keys);
        }
    }

    /// What a value of a list column's element can be: the arrays' elements and the bare values beside them.
    #[must_use]
    pub fn element(&self) -> Seen {
        let mut element = self.clone();
        element.sightings.retain(|s| s.kind != Kind::Array);
        element.items = None;
        if let Some(items) = self.items.as_deref() {
            element.absorb_below(items);
        }
        element
    }
}

/// A field by its original name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// As MongoDB spells it.
    pub name: String,
    /// Files of an older version of the table hold no such field.
    #[serde(default)]
    pub since: u64,
    /// What was seen there.
    pub seen: Seen,
}

/// The fields of a document in order of first appearance, found by position first and by name second.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Field>", into = "Vec<Field>")]
pub struct Fields {
    list: Vec<Field>,
    places: HashMap<Vec<u8>, usize>,
}

impl Fields {
    /// Whether no field is known.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// In order of first appearance.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.list.iter()
    }

    /// In order of first appearance.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Field> {
        self.list.iter_mut()
    }

    /// Where the field `name` stands; looks at `hint` first, because documents of a collection resemble each other.
    pub fn position(&self, name: &[u8], hint: usize) -> Option<usize> {
        match self.list.get(hint) {
            Some(field) if field.name.as_bytes() == name => Some(hint),
            _ => self.places.get(name).copied(),
        }
    }

    /// The position of the field `name`, added at the end when new; of two times it appeared the earlier counts.
    pub fn ensure(&mut self, name: &str, since: u64) -> usize {
        if let Some(at) = self.position(name.as_bytes(), 0) {
            if let Some(field) = self.list.get_mut(at) {
                field.since = field.since.min(since);
            }
            return at;
        }
        let at = self.list.len();
        self.places.insert(name.as_bytes().to_vec(), at);
        self.list.push(Field { name: name.to_owned(), since, seen: Seen::default() });
        at
    }

    /// Forgets what was seen at `rest` of the field `name`; whether the field is gone with it.
    fn forget(&mut self, name: &str, rest: &[&str]) -> bool {
        let Some(at) = self.position(name.as_bytes(), 0) else { return false };
        let nothing_else = |seen: &mut Seen| {
            seen.forget(rest);
            seen.sightings.is_empty()
        };
        let gone = rest.is_empty() || self.get_mut(at).is_some_and(nothing_else);
        if gone {
            let mut list = std::mem::take(&mut self.list);
            list.remove(at);
            *self = Self::from(list);
        }
        gone
    }

    /// What was seen at the field at position `at`.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut Seen> {
        self.list.get_mut(at).map(|field| &mut field.seen)
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for Fields {}

impl From<Vec<Field>> for Fields {
    fn from(list: Vec<Field>) -> Self {
        let places = list.iter().enumerate().map(|(at, field)| (field.name.as_bytes().to_vec(), at)).collect();
        Self { list, places }
    }
}

impl From<Fields> for Vec<Field> {
    fn from(fields: Fields) -> Self {
        fields.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seen() -> impl Strategy<Value = Seen> {
        let kinds = vec![Kind::Int, Kind::Double, Kind::String, Kind::Date];
        let leaf = prop::collection::vec((prop::sample::select(kinds), any::<bool>()), 0..3).prop_map(|kinds| {
            let mut seen = Seen::default();
            for (kind, odd) in kinds {
                seen.note(kind, String::new);
                seen.traits.odd_time |= odd;
            }
            seen
        });
        leaf.prop_recursive(3, 16, 3, |inner| {
            let names = prop::sample::select(vec!["a", "b", "c", "d"]);
            (inner.clone(), prop::collection::vec((names, inner.clone()), 0..3), prop::option::of(inner), 0..8_u8)
                .prop_map(|(mut seen, fields, items, guard)| {
                    for (name, field) in fields {
                        seen.note(Kind::Document, String::new);
                        let at = seen.fields.ensure(name, 1);
                        seen.fields.get_mut(at).unwrap().absorb(&field);
                    }
                    if items.is_some() {
                        seen.note(Kind::Array, String::new);
                    }
                    seen.items = items.map(Box::new);
                    if guard == 0 {
                        seen.trip(Guard::Keys);
                    }
                    seen
                })
        })
    }

    /// What columns follow from: kinds without counts and order, and nothing below a guard but what its values hold.
    fn essence(seen: &Seen) -> String {
        let mut kinds: Vec<Kind> = seen.sightings().iter().map(|s| s.kind).collect();
        kinds.sort();
        let mut fields: Vec<String> = match seen.guard {
            Some(_) => Vec::new(),
            None => seen.fields.iter().map(|f| format!("{}:{}", f.name, essence(&f.seen))).collect(),
        };
        fields.sort();
        let below = |seen: &Option<Box<Seen>>| seen.as_deref().map(essence);
        format!("{kinds:?}{:?}{fields:?}{:?}{:?}{:?}", seen.traits, below(&seen.items), seen.guard, below(&seen.values))
    }

    fn union(a: &Seen, b: &Seen) -> Seen {
        let mut union = a.clone();
        union.absorb(b);
        union
    }

    fn document(fields: &[(&str, Seen)]) -> Seen {
        let mut seen = Seen::default();
        seen.note(Kind::Document, String::new);
        for (name, field) in fields {
            let at = seen.fields.ensure(name, 1);
            seen.fields.get_mut(at).unwrap().absorb(field);
        }
        seen
    }

    fn text() -> Seen {
        let mut seen = Seen::default();
        seen.note(Kind::String, String::new);
        seen
    }

    fn list(items: Seen) -> Seen {
        let mut seen = Seen { items: Some(Box::new(items)), ..Seen::default() };
        seen.note(Kind::Array, String::new);
        seen
    }

    #[test]
    fn what_is_forgotten_takes_along_what_held_nothing_else() {
        let secret = || document(&[("secret", text())]);
        let mut seen = document(&[
            ("a", document(&[("secret", document(&[("x", text())])), ("kept", text())])),
            ("b", list(list(secret()))),
            ("c", document(&[("d", secret())])),
            ("e", text()),
        ]);
        for path in [&["a", "secret"][..], &["b", "secret"], &["c", "d", "secret"], &["nowhere", "x"]] {
            seen.forget(path);
        }
        assert_eq!(seen, document(&[("a", document(&[("kept", text())])), ("e", text())]));
        assert_eq!(seen.fields.position(b"e", 0), Some(1));

        // A bare value beside documents or lists stays.
        let mut seen = list(secret());
        seen.absorb(&text());
        seen.absorb(&secret());
        seen.forget(&["secret"]);
        assert_eq!(essence(&seen), essence(&text()));
    }

    #[test]
    fn names_below_data_keys_are_forgotten_and_their_kinds_are_not() {
        let mut seen = document(&[("k1", document(&[("secret", text())])), ("k2", text())]);
        seen.trip(Guard::Keys);
        seen.forget(&["k1", "secret"]);
        let values = seen.values.as_deref().unwrap();
        assert!(values.fields.is_empty());
        assert_eq!(values.kinds(), KindSet::of(&[Kind::Document, Kind::String]));
    }

    proptest! {
        #[test]
        fn union_is_commutative_associative_and_idempotent(a in seen(), b in seen(), c in seen()) {
            prop_assert_eq!(essence(&union(&a, &b)), essence(&union(&b, &a)));
            prop_assert_eq!(essence(&union(&union(&a, &b), &c)), essence(&union(&a, &union(&b, &c))));
            prop_assert_eq!(essence(&union(&a, &a)), essence(&a));
        }

        #[test]
        fn what_was_seen_survives_its_json(a in seen()) {
            let json = serde_json::to_string(&a).unwrap();
            prop_assert_eq!(serde_json::from_str::<Seen>(&json).unwrap(), a);
        }
    }
}
