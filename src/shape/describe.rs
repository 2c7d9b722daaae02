//! What a table's columns are made of, for people: kinds with examples, original names, history.

use super::names::Level;
use super::pins::{self, Pins};
use crate::model::column::{Column, ColumnType, SCALARS};
use crate::model::description::{ColumnDescription, KindSeen, Place, Since};
use crate::model::pin::PinType;
use crate::model::seen::{Kind, KindSet, Seen, Sighting, Traits};
use crate::model::table::{Change, ID, MISFITS, MODIFIED, TableSchema};
use arrow::datatypes::DataType;

/// The columns of the table's files, in their order.
pub fn describe(table: &TableSchema) -> Vec<ColumnDescription> {
    let mut columns = vec![id(table)];
    if table.has_modified() {
        columns.push(own(MODIFIED, ColumnType::Bigint));
    }
    let keys = &table.settings.partition_keys;
    let pins = Pins::new(&table.settings.pins, keys);
    let mut describer = Describer { history: &table.history, path: Vec::new() };
    columns.extend(describer.level(&table.columns, &[&table.seen], Level::Top(keys), Some(&pins), None));
    if table.misfits {
        columns.push(own(MISFITS, ColumnType::String));
    }
    columns
}

/// A column that lakefold makes by itself.
fn own(name: &str, kind: ColumnType) -> ColumnDescription {
    ColumnDescription {
        name: name.to_owned(),
        kind,
        original_names: Vec::new(),
        pinned: false,
        seen: Vec::new(),
        guard: None,
        since: None,
        changes: Vec::new(),
        misfits: Vec::new(),
        children: Vec::new(),
    }
}

fn id(table: &TableSchema) -> ColumnDescription {
    let kind = match table.id_type() {
        DataType::Int64 => ColumnType::Bigint,
        DataType::Float64 => ColumnType::Double,
        DataType::Boolean => ColumnType::Boolean,
        _ => ColumnType::String,
    };
    let mut column = own(ID, kind);
    for id in &table.ids {
        add(&mut column.seen, Place::Field, &id.sighting);
    }
    column.since = table.ids.iter().map(|id| id.since).min().map(|version| Since { version, run: None });
    column
}

/// Walks columns and what was seen side by side.
struct Describer<'a> {
    history: &'a [Change],
    /// Folded names from the top.
    path: Vec<String>,
}

/// A place of a column with what was seen there.
type Node<'a> = (Place, &'a Seen);

impl<'a> Describer<'a> {
    /// The columns of documents seen at `parents`; `since` is when these became a struct.
    fn level(
        &mut self,
        columns: &[Column],
        parents: &[&'a Seen],
        level: Level<'_>,
        pins: Option<&Pins>,
        since: Option<&Since>,
    ) -> Vec<ColumnDescription> {
        let mut described = Vec::with_capacity(columns.len());
        for column in columns {
            self.path.push(column.name.clone());
            let pins = pins.and_then(|pins| pins.child(&column.name));
            described.push(self.column(column, parents, level, pins, since));
            self.path.pop();
        }
        described
    }

    fn column(
        &mut self,
        column: &Column,
        parents: &[&'a Seen],
        level: Level<'_>,
        pins: Option<&Pins>,
        inherited: Option<&Since>,
    ) -> ColumnDescription {
        let mut described = own(&column.name, column.kind.clone());
        let bare = column.name == SCALARS && column.originals.is_empty();
        let nodes = if bare { scalars(parents) } else { nodes(parents, level, &column.name) };
        for (place, seen) in &nodes {
            let wanted = |sighting: &&Sighting| !bare || !matches!(sighting.kind, Kind::Document | Kind::Array);
            seen.sightings().iter().filter(wanted).for_each(|sighting| add(&mut described.seen, *place, sighting));
        }
        described.guard = nodes.iter().filter_map(|(_, seen)| seen.guard).max();
        if column.originals.iter().any(|name| *name != column.name) {
            described.original_names.clone_from(&column.originals);
        }
        let pin = pins.and_then(Pins::kind);
        described.pinned = pin.is_some();
        described.misfits = misfits(column, pin, &nodes);

        let mut history = self.history.iter().filter(|change| change.path == self.path).cloned().peekable();
        let became = |change: &Change| Since { version: change.version, run: change.run.clone() };
        let appeared = history.next_if(|change| change.from.is_none());
        described.since = appeared.as_ref().map(became).or_else(|| inherited.cloned());
        described.changes = history.collect();

        if let Some(children) = children(&column.kind) {
            // Children that came together with their struct have no history of their own.
            let since = appeared.iter().chain(&described.changes).find(|c| c.to.contains("struct<")).map(became);
            let seen: Vec<&Seen> = nodes.iter().map(|(_, seen)| *seen).collect();
            described.children =
                self.level(children, &seen, Level::Nested, pins, since.or_else(|| inherited.cloned()).as_ref());
        }
        described
    }
}

/// Everything seen at the column `name` of these documents: spellings that fold alike, elements, entries.
fn nodes<'a>(parents: &[&'a Seen], level: Level<'_>, name: &str) -> Vec<Node<'a>> {
    let mut found = Vec::new();
    for field in parents.iter().flat_map(|seen| seen.fields.iter()).filter(|field| level.column(&field.name) == name) {
        let mut next = Some((Place::Field, &field.seen));
        while let Some((place, seen)) = next {
            found.push((place, seen));
            found.extend(seen.values.as_deref().map(|values| (Place::Entry, values)));
            next = seen.items.as_deref().map(|items| (Place::Element, items));
        }
    }
    found
}

/// Bare scalars stand where the documents stand.
fn scalars<'a>(parents: &[&'a Seen]) -> Vec<Node<'a>> {
    parents.iter().map(|seen| (Place::Field, *seen)).collect()
}

/// The children of a struct, also of one in a list.
fn children(kind: &ColumnType) -> Option<&[Column]> {
    match kind {
        ColumnType::Struct(children) => Some(children),
        ColumnType::List(element) => children(element),
        _ => None,
    }
}

fn add(seen: &mut Vec<KindSeen>, place: Place, sighting: &Sighting) {
    match seen.iter_mut().find(|known| known.kind == sighting.kind && known.place == place) {
        Some(known) => known.count += sighting.count,
        None => seen.push(KindSeen {
            kind: sighting.kind,
            place,
            count: sighting.count,
            example_id: sighting.example.clone(),
        }),
    }
}

/// Why values of the column can have an exact original in `_misfits`.
fn misfits(column: &Column, pin: Option<PinType>, nodes: &[Node<'_>]) -> Vec<String> {
    let mut kinds = KindSet::default();
    let mut traits = Traits::default();
    for (_, seen) in nodes {
        for sighting in seen.sightings() {
            kinds.insert(sighting.kind);
        }
        traits.long_integer |= seen.traits.long_integer;
        traits.fine_number |= seen.traits.fine_number;
        traits.odd_time |= seen.traits.odd_time;
    }
    let mut reasons = Vec::new();
    if pin.is_some_and(|pin| !pins::refused(pin, kinds).is_empty()) {
        reasons.push("values of kinds that the pin refuses".to_owned());
    }
    // Without a pin a column may have been narrower once, so the kinds decide and not the type it has by now.
    let may_be = |kind: Kind, as_pinned: PinType| pin.map_or(kinds.contains(kind), |pin| pin == as_pinned);
    if traits.long_integer && may_be(Kind::Double, PinType::Double) {
        reasons.push("integers that a double does not hold exactly".to_owned());
    }
    if traits.fine_number && may_be(Kind::Decimal, PinType::Decimal) {
        reasons.push("numbers that decimal(38,10) rounds or does not hold".to_owned());
    }
    if traits.odd_time && pin.is_none_or(|pin| pin == PinType::Timestamp) {
        reasons.push("times that repeat on the wall clock or lie outside the years 1 to 9999".to_owned());
    }
    if column.originals.len() > 1 {
        reasons.push("fields of one document that share the column".to_owned());
    }
    reasons
}
