//! Keeps a table within what catalogs can describe.

use super::columns::Columns;
use super::names::Level;
use super::pins::Pins;
use crate::model::column::{Column, ColumnType};
use crate::model::seen::{Guard, Kind, Seen};
use crate::model::table::TableSchema;

/// Scalar columns a table may have, nested ones included.
const MAX_LEAVES: usize = 2_000;
/// Longest type text Glue accepts for one column.
const MAX_TYPE_CHARS: usize = 131_072;

/// The columns that follow from everything seen; while they are too wide, the widest sub-document becomes JSON text for good.
pub fn columns(table: &mut TableSchema) -> Columns {
    let pins = Pins::new(&table.settings.pins, &table.settings.partition_keys);
    loop {
        let keys = &table.settings.partition_keys;
        let columns = Columns::of(&table.seen, keys, &pins, &table.columns);
        let leaves: usize = columns.list.iter().map(|column| column.kind.leaves()).sum();
        let longest = columns.list.iter().map(|column| column.kind.to_string().len()).max().unwrap_or(0);
        if leaves <= MAX_LEAVES && longest <= MAX_TYPE_CHARS {
            return columns;
        }
        let tripped = widest(&columns.list, &pins).is_some_and(|path| trip(&mut table.seen, Level::Top(keys), &path));
        if !tripped {
            return columns;
        }
    }
}

/// Path of the struct with most children, the first by name among equals. One with a pinned field below is not chosen:
/// as text it would lose the pin.
fn widest(columns: &[Column], pins: &Pins) -> Option<Vec<String>> {
    type Best = Option<(usize, Vec<String>)>;
    fn visit(columns: &[Column], pins: Option<&Pins>, path: &mut Vec<String>, best: &mut Best) {
        for column in columns {
            let mut kind = &column.kind;
            while let ColumnType::List(element) = kind {
                kind = element;
            }
            let ColumnType::Struct(children) = kind else { continue };
            let pins = pins.and_then(|pins| pins.child(&column.name));
            path.push(column.name.clone());
            let wider = best
                .as_ref()
                .is_none_or(|(most, at)| children.len() > *most || (children.len() == *most && *path < *at));
            if wider && !pins.is_some_and(Pins::is_above) {
                *best = Some((children.len(), path.clone()));
            }
            visit(children, pins, path, best);
            path.pop();
        }
    }
    let mut best = None;
    visit(columns, Some(pins), &mut Vec::new(), &mut best);
    best.map(|(_, path)| path)
}

/// Trips the guard at everything that shares the column at `path` and holds documents.
fn trip(seen: &mut Seen, level: Level<'_>, path: &[String]) -> bool {
    let Some((name, rest)) = path.split_first() else {
        let here = seen.kinds().contains(Kind::Document) && seen.trip(Guard::Width);
        return here | seen.items.as_deref_mut().is_some_and(|items| trip(items, level, path));
    };
    let mut tripped = false;
    for field in seen.fields.iter_mut().filter(|field| level.column(&field.name) == *name) {
        tripped |= trip(&mut field.seen, Level::Nested, rest);
    }
    tripped | seen.items.as_deref_mut().is_some_and(|items| trip(items, level, path))
}
