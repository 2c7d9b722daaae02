//! Keeps a table within what catalogs can describe.

use super::columns::Columns;
use super::names::Level;
use crate::model::column::{Column, ColumnType};
use crate::model::seen::{Guard, Kind, Seen};
use crate::model::table::TableSchema;

/// Scalar columns a table may have, nested ones included.
const MAX_LEAVES: usize = 2_000;
/// Longest type text Glue accepts for one column.
const MAX_TYPE_CHARS: usize = 131_072;

/// The columns that follow from everything seen; while they are too wide, the widest sub-document becomes JSON text for good.
pub fn columns(table: &mut TableSchema) -> Columns {
    loop {
        let keys = &table.settings.partition_keys;
        let columns = Columns::of(&table.seen, keys, &table.columns);
        let leaves: usize = columns.list.iter().map(|column| column.kind.leaves()).sum();
        let longest = columns.list.iter().map(|column| column.kind.to_string().len()).max().unwrap_or(0);
        if leaves <= MAX_LEAVES && longest <= MAX_TYPE_CHARS {
            return columns;
        }
        let tripped = widest(&columns.list).is_some_and(|path| trip(&mut table.seen, Level::Top(keys), &path));
        if !tripped {
            return columns;
        }
    }
}

/// Path of the struct with most children, the first by name among equals.
fn widest(columns: &[Column]) -> Option<Vec<String>> {
    fn visit(columns: &[Column], path: &mut Vec<String>, best: &mut Option<(usize, Vec<String>)>) {
        for column in columns {
            let mut kind = &column.kind;
            while let ColumnType::List(element) = kind {
                kind = element;
            }
            let ColumnType::Struct(children) = kind else { continue };
            path.push(column.name.clone());
            let wider = best
                .as_ref()
                .is_none_or(|(most, at)| children.len() > *most || (children.len() == *most && *path < *at));
            if wider {
                *best = Some((children.len(), path.clone()));
            }
            visit(children, path, best);
            path.pop();
        }
    }
    let mut best = None;
    visit(columns, &mut Vec::new(), &mut best);
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
