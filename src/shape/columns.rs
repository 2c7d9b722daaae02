//! The one function from what was seen to a column's type.

use super::names::Level;
use super::pins::{self, Pins};
use crate::model::column::{Column, ColumnType, SCALARS};
use crate::model::seen::{Field, Guard, Kind, KindSet, MAX_DEPTH, Seen, Traits};

const CONTAINERS: KindSet = KindSet::of(&[Kind::Document, Kind::Array]);
const LISTS: KindSet = KindSet::of(&[Kind::Array]);
const INTEGERS: KindSet = KindSet::of(&[Kind::Int]);
const DOUBLES: KindSet = KindSet::of(&[Kind::Int, Kind::Double]);
const NUMBERS: KindSet = KindSet::of(&[Kind::Int, Kind::Double, Kind::Decimal]);
const TIMES: KindSet = KindSet::of(&[Kind::Date, Kind::Timestamp]);
const BOOLEANS: KindSet = KindSet::of(&[Kind::Boolean]);

/// The columns of a document's fields, and whether any of them needs exact originals kept in `_misfits`.
#[derive(Debug, Default)]
pub struct Columns {
    /// Those of `previous` first and in their order, then new ones in order of first appearance.
    pub list: Vec<Column>,
    /// Some value seen is outside what its column can hold exactly.
    pub misfits: bool,
    /// A column that a guard would make text or a map although a field below it is pinned, by folded names.
    pub contradiction: Option<String>,
    path: Vec<String>,
}

impl Columns {
    /// The columns that follow from everything seen and the operator's pins; `previous` only decides their order.
    pub fn of(seen: &Seen, keys: &[String], pins: &Pins, previous: &[Column]) -> Self {
        let mut columns = Self::default();
        columns.list = columns.level(seen, Level::Top(keys), Some(pins), 1, previous);
        columns
    }

    fn level(
        &mut self,
        seen: &Seen,
        level: Level<'_>,
        pins: Option<&Pins>,
        depth: usize,
        previous: &[Column],
    ) -> Vec<Column> {
        let mut groups: Vec<(String, Vec<&Field>, Seen)> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for field in seen.fields.iter() {
            let name = level.column(&field.name);
            let at = *places.entry(name.clone()).or_insert(groups.len());
            match groups.get_mut(at) {
                Some((_, originals, merged)) => {
                    originals.push(field);
                    merged.absorb(&field.seen);
                }
                None => groups.push((name, vec![field], field.seen.clone())),
            }
        }
        let mut columns: Vec<Column> = groups
            .into_iter()
            .filter_map(|(name, mut originals, merged)| {
                originals.sort_by_key(|field| (field.since, field.name != name, &field.name));
                let originals = originals.into_iter().map(|field| field.name.clone()).collect();
                let before = previous.iter().find(|column| column.name == name).map(|column| &column.kind);
                let pins = pins.and_then(|pins| pins.child(&name));
                self.path.push(name.clone());
                let kind = self.column(&merged, pins, depth, before);
                self.path.pop();
                let kind = kind?;
                Some(Column { name, originals, kind })
            })
            .collect();
        let place = |column: &Column| previous.iter().position(|p| p.name == column.name).unwrap_or(usize::MAX);
        columns.sort_by_key(place);
        columns
    }

    /// The type of one column; none when nothing but void was seen.
    fn column(
        &mut self,
        seen: &Seen,
        pins: Option<&Pins>,
        depth: usize,
        previous: Option<&ColumnType>,
    ) -> Option<ColumnType> {
        let kinds = seen.kinds();
        if kinds.is_empty() {
            return None;
        }
        if let Some(pin) = pins.and_then(Pins::kind) {
            self.misfits |= pins::needs_misfits(pin, kinds, seen.traits);
            return Some(pin.column());
        }
        let scalars = kinds.without(CONTAINERS);
        let deep = depth > MAX_DEPTH || seen.guard == Some(Guard::Depth);
        let guarded = (deep && scalars != kinds) || (seen.guard.is_some() && kinds.contains(Kind::Document));
        if guarded && pins.is_some_and(Pins::is_above) {
            self.contradiction.get_or_insert_with(|| self.path.join("."));
        }
        if deep && scalars != kinds {
            return Some(ColumnType::Json);
        }
        if kinds.contains(Kind::Array) {
            // Below a sub-document, bare values beside lists are marked.
            self.misfits |= self.path.len() > 1 && kinds != LISTS;
            let before = match previous {
                Some(ColumnType::List(element)) => Some(element.as_ref()),
                bare => bare,
            };
            let element = self.column(&seen.element(), pins, depth + 1, before)?;
            return Some(ColumnType::List(Box::new(element)));
        }
        if !kinds.contains(Kind::Document) {
            return Some(self.scalar(scalars, seen.traits));
        }
        match seen.guard {
            Some(Guard::Keys) => Some(self.keyed(seen, scalars, depth)),
            Some(_) => Some(ColumnType::Json),
            None => Some(self.record(seen, scalars, pins, depth, previous)),
        }
    }

    fn keyed(&mut self, seen: &Seen, scalars: KindSet, depth: usize) -> ColumnType {
        let value = seen.values.as_deref().and_then(|values| Self::default().column(values, None, depth + 1, None));
        match value {
            Some(value) if scalars.is_empty() && value.is_scalar() => {
                self.misfits |=
                    seen.values.as_deref().is_some_and(|values| needs_misfits(values.kinds(), values.traits));
                ColumnType::Map(Box::new(value))
            }
            _ => ColumnType::Json,
        }
    }

    fn record(
        &mut self,
        seen: &Seen,
        scalars: KindSet,
        pins: Option<&Pins>,
        depth: usize,
        previous: Option<&ColumnType>,
    ) -> ColumnType {
        let before: &[Column] = match previous {
            Some(ColumnType::Struct(children)) => children,
            _ => &[],
        };
        let mut children = self.level(seen, Level::Nested, pins, depth + 1, before);
        if !scalars.is_empty() {
            let kind = self.scalar(scalars, seen.traits);
            let at = before.iter().position(|child| child.name == SCALARS).unwrap_or(children.len());
            children.insert(at.min(children.len()), Column { name: SCALARS.to_owned(), originals: Vec::new(), kind });
        }
        ColumnType::Struct(children)
    }

    fn scalar(&mut self, kinds: KindSet, traits: Traits) -> ColumnType {
        self.misfits |= needs_misfits(kinds, traits);
        match () {
            () if kinds.within(INTEGERS) => ColumnType::Bigint,
            () if kinds.within(DOUBLES) => ColumnType::Double,
            () if kinds.within(NUMBERS) => ColumnType::Decimal,
            () if kinds.within(TIMES) => ColumnType::Timestamp,
            () if kinds.within(BOOLEANS) => ColumnType::Boolean,
            () => ColumnType::String,
        }
    }
}

/// Whether a column of these kinds, or of some of them, has to round or refuse values of these traits.
///
/// A column that is text by now may have been narrower when part of a source was read; counting that in makes the
/// answer the same however the source was cut into batches.
fn needs_misfits(kinds: KindSet, traits: Traits) -> bool {
    (traits.long_integer && kinds.contains(Kind::Double))
        || (traits.fine_number && kinds.contains(Kind::Decimal))
        || traits.odd_time
}
