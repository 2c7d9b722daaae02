//! What changed between two states of a table's columns.

use super::names::Level;
use crate::model::column::{Column, ColumnType};
use crate::model::record::SchemaChange;
use crate::model::seen::{Field, Guard, KindSet, Seen};
use crate::model::table::{Change, ID, TableSchema};
use std::collections::BTreeSet;

/// A column or struct child that appeared or changed its type.
struct Difference {
    originals: Vec<String>,
    path: Vec<String>,
    from: Option<String>,
    to: String,
}

fn differences(before: &[Column], after: &[Column], at: &Difference, found: &mut Vec<Difference>) {
    for column in after {
        let old = before.iter().find(|old| old.name == column.name).map(|old| &old.kind);
        let mut here = Difference {
            originals: at.originals.clone(),
            path: at.path.clone(),
            from: old.map(ToString::to_string),
            to: column.kind.to_string(),
        };
        here.path.push(column.name.clone());
        // Bare scalars beside documents stand at the path of the documents.
        here.originals.extend(column.originals.first().map(|_| column.spelling().to_owned()));
        match old.map(|old| (children(old), children(&column.kind))) {
            _ if here.from.as_deref() == Some(&here.to) => {}
            Some((Some((depth, old)), Some((same, new)))) if depth == same => differences(old, new, &here, found),
            _ => found.push(here),
        }
    }
}

/// The children of a struct, and how many lists are around it.
fn children(kind: &ColumnType) -> Option<(usize, &[Column])> {
    match kind {
        ColumnType::Struct(children) => Some((0, children)),
        ColumnType::List(element) => children(element).map(|(depth, children)| (depth + 1, children)),
        _ => None,
    }
}

fn between(before: &[Column], after: &[Column]) -> Vec<Difference> {
    let top = Difference { originals: Vec::new(), path: Vec::new(), from: None, to: String::new() };
    let mut found = Vec::new();
    differences(before, after, &top, &mut found);
    found
}

/// For the table's history.
pub fn history(before: &[Column], after: &[Column], version: u64) -> Vec<Change> {
    let change = |d: Difference| Change { version, path: d.path, from: d.from, to: d.to, run: None };
    between(before, after).into_iter().map(change).collect()
}

/// For the run's record: with how many values of new kinds there were, and ids that show them.
pub fn record(before: &TableSchema, after: &TableSchema) -> Vec<SchemaChange> {
    let keys = &after.settings.partition_keys;
    let columns = between(&before.columns, &after.columns).into_iter().map(|d| {
        let mut known = KindSet::default();
        for node in nodes(&before.seen, keys, &d.path) {
            for sighting in node.sightings() {
                known.insert(sighting.kind);
            }
        }
        let mut change = SchemaChange {
            path: d.originals.join("."),
            column: d.path.join("."),
            from: d.from,
            to: d.to,
            count: 0,
            example_ids: Vec::new(),
        };
        for node in nodes(&after.seen, keys, &d.path) {
            for sighting in node.sightings().iter().filter(|s| !known.contains(s.kind)) {
                change.count += sighting.count;
                if !change.example_ids.contains(&sighting.example) {
                    change.example_ids.push(sighting.example.clone());
                }
            }
        }
        change
    });
    id(before, after).into_iter().chain(columns).collect()
}

/// The change of the `_id` column, when ids of new kinds gave a published one another type.
fn id(before: &TableSchema, after: &TableSchema) -> Option<SchemaChange> {
    let (from, to) = (before.glue_type(ID)?, after.glue_type(ID)?);
    if before.ids.is_empty() || from == to {
        return None;
    }
    let known = before.id_kinds(before.version);
    let new = || after.ids.iter().filter(|id| !known.contains(id.sighting.kind));
    Some(SchemaChange {
        path: ID.to_owned(),
        column: ID.to_owned(),
        from: Some(from),
        to,
        count: new().map(|id| id.sighting.count).sum(),
        example_ids: new().map(|id| id.sighting.example.clone()).collect(),
    })
}

/// Columns, by dotted original names, whose documents have become text because the table grew too wide.
pub fn narrowed(before: &TableSchema, after: &TableSchema) -> Vec<String> {
    fn visit(before: Option<&Seen>, after: &Seen, path: &mut Vec<String>, found: &mut BTreeSet<String>) {
        if after.guard == Some(Guard::Width) && before.and_then(|seen| seen.guard) != Some(Guard::Width) {
            found.insert(path.join("."));
        }
        if after.guard.is_none() {
            for field in after.fields.iter() {
                let at = before.and_then(|seen| seen.fields.position(field.name.as_bytes(), 0));
                let earlier = at.and_then(|at| before?.fields.iter().nth(at));
                path.push(field.name.clone());
                visit(earlier.map(|field| &field.seen), &field.seen, path, found);
                path.pop();
            }
        }
        if let Some(items) = after.items.as_deref() {
            visit(before.and_then(|seen| seen.items.as_deref()), items, path, found);
        }
    }
    let mut found = BTreeSet::new();
    visit(Some(&before.seen), &after.seen, &mut Vec::new(), &mut found);
    found.into_iter().collect()
}

/// The type, as Glue spells it, of the column that the dotted original names of `path` lead to.
pub fn type_of(table: &TableSchema, path: &str) -> Option<String> {
    fn find(columns: &[Column], path: &str) -> Option<String> {
        columns.iter().find_map(|column| {
            let rest = column.originals.iter().find_map(|name| path.strip_prefix(name.as_str()))?;
            match (rest.strip_prefix('.'), children(&column.kind)) {
                _ if rest.is_empty() => Some(column.kind.to_string()),
                (Some(rest), Some((_, below))) => find(below, rest),
                _ => None,
            }
        })
    }
    find(&table.columns, path)
}

/// Everything seen at a path of folded names: spellings that fold alike, bare values and elements of lists.
pub fn nodes<'a>(seen: &'a Seen, keys: &[String], path: &[String]) -> Vec<&'a Seen> {
    let mut level = Level::Top(keys);
    let mut here = vec![seen];
    for name in path {
        here = below(&here, level, name).into_iter().map(|(_, node)| node).collect();
        level = Level::Nested;
    }
    here
}

/// The fields of these nodes that share the column `name`, with everything seen there.
pub fn below<'a>(nodes: &[&'a Seen], level: Level<'_>, name: &str) -> Vec<(&'a Field, &'a Seen)> {
    let mut found = Vec::new();
    for field in nodes.iter().flat_map(|node| node.fields.iter()).filter(|field| level.column(&field.name) == name) {
        let mut node = Some(&field.seen);
        while let Some(seen) = node {
            found.push((field, seen));
            node = seen.items.as_deref();
        }
    }
    found
}
