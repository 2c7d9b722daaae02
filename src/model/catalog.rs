//! A table as a catalog has to know it, made from the table's schema alone.

use super::athena;
use super::column::{Column, ColumnType};
use super::table::{ID, MISFITS, MODIFIED, TableSchema};
use arrow::datatypes::DataType;

/// A table of the lake, as a catalog has to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogTable {
    /// `database.collection`, as MongoDB spells them.
    pub collection: String,
    /// Folded.
    pub name: String,
    /// URL of the table's folder, ending in `/`.
    pub location: String,
    /// The columns of the files, in their order.
    pub columns: Vec<CatalogColumn>,
    /// Names of the partition keys in folder order; all of them are strings.
    pub keys: Vec<String>,
    /// Version of the schema.
    pub version: u64,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogColumn {
    /// Folded.
    pub name: String,
    /// Its type; its `Display` is how a catalog spells it.
    pub kind: ColumnType,
    /// The original names, where they are not the column's.
    pub comment: Option<String>,
}

/// The columns of the files of `table`.
pub fn columns(table: &TableSchema) -> Vec<CatalogColumn> {
    let own = |name: &str, kind| CatalogColumn { name: name.to_owned(), kind, comment: None };
    let id = match table.id_type() {
        DataType::Int64 => ColumnType::Bigint,
        DataType::Float64 => ColumnType::Double,
        DataType::Boolean => ColumnType::Boolean,
        _ => ColumnType::String,
    };
    let mut columns = vec![own(ID, id)];
    if table.has_modified() {
        columns.push(own(MODIFIED, ColumnType::Bigint));
    }
    columns.extend(table.columns.iter().map(|column| CatalogColumn {
        name: column.name.clone(),
        kind: column.kind.clone(),
        comment: comment(column),
    }));
    if table.misfits {
        columns.push(own(MISFITS, ColumnType::String));
    }
    columns
}

/// The original names of a column and of the fields within it, where they differ: `lineItems; unit_price:
/// lineItems.unitPrice`.
fn comment(column: &Column) -> Option<String> {
    let mut parts = Vec::new();
    if is_renamed(column) {
        parts.push(column.originals.join(", "));
    }
    renamed_children(&column.kind, column.spelling(), &mut parts);
    (!parts.is_empty()).then(|| athena::comment(&parts.join("; ")))
}

fn is_renamed(column: &Column) -> bool {
    column.originals.iter().any(|original| *original != column.name)
}

fn renamed_children(kind: &ColumnType, path: &str, parts: &mut Vec<String>) {
    match kind {
        ColumnType::List(element) => renamed_children(element, path, parts),
        ColumnType::Map(value) => renamed_children(value, path, parts),
        ColumnType::Struct(children) => {
            for child in children {
                let below = format!("{path}.{}", child.spelling());
                if is_renamed(child) {
                    parts.push(format!("{}: {below}", child.name));
                }
                renamed_children(&child.kind, &below, parts);
            }
        }
        _ => {}
    }
}

/// How the columns of a table differ from what they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drift {
    /// A column or a field of a struct is new; nothing that was there is another.
    pub grown: bool,
    /// A column has another type, or is gone.
    pub retyped: bool,
}

/// What became of the columns of `before`.
pub fn drift(before: &TableSchema, after: &TableSchema) -> Drift {
    let (before, after) = (columns(before), columns(after));
    let mut drift = Drift { grown: after.iter().any(|c| before.iter().all(|b| b.name != c.name)), retyped: false };
    for old in &before {
        match after.iter().find(|column| column.name == old.name) {
            Some(new) if new.kind == old.kind => {}
            Some(new) if extends(&new.kind, &old.kind) => drift.grown |= new.kind.to_string() != old.kind.to_string(),
            _ => drift.retyped = true,
        }
    }
    drift
}

/// Whether `new` is `old` with fields added at the ends of structs: the one change of a type that crawlers make too.
fn extends(new: &ColumnType, old: &ColumnType) -> bool {
    match (new, old) {
        (ColumnType::List(new), ColumnType::List(old)) | (ColumnType::Map(new), ColumnType::Map(old)) => {
            extends(new, old)
        }
        (ColumnType::Struct(new), ColumnType::Struct(old)) => {
            new.len() >= old.len() && old.iter().zip(new).all(|(o, n)| o.name == n.name && extends(&n.kind, &o.kind))
        }
        // JSON text is a string to a catalog.
        (new, old) => new.to_string() == old.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::TableSettings;

    fn field(name: &str, original: &str, kind: ColumnType) -> Column {
        Column { name: name.into(), originals: vec![original.into()], kind }
    }

    fn table(columns: Vec<Column>) -> TableSchema {
        TableSchema { columns, ..TableSchema::new(TableSettings::default()) }
    }

    #[test]
    fn comments_name_what_was_renamed_at_any_depth() {
        let item = ColumnType::Struct(vec![
            field("unit_price", "unitPrice", ColumnType::Double),
            field("sku", "sku", ColumnType::String),
        ]);
        let columns = columns(&table(vec![
            field("line_items", "lineItems", ColumnType::List(Box::new(item))),
            field("age", "age", ColumnType::Bigint),
        ]));
        assert_eq!(columns[1].comment.as_deref(), Some("lineItems; unit_price: lineItems.unitPrice"));
        assert_eq!(columns[2].comment, None);
    }

    #[test]
    fn what_a_crawler_does_itself_is_no_retyping() {
        let inner = |names: &[&str]| {
            ColumnType::Struct(names.iter().map(|name| field(name, name, ColumnType::Bigint)).collect())
        };
        let of = |kind: ColumnType| table(vec![field("a", "a", kind)]);
        let grown = Drift { grown: true, retyped: false };
        let retyped = Drift { grown: false, retyped: true };
        assert_eq!(drift(&of(inner(&["x"])), &of(inner(&["x", "y"]))), grown);
        assert_eq!(drift(&table(vec![]), &of(ColumnType::Bigint)), grown);
        assert_eq!(drift(&of(ColumnType::Bigint), &of(ColumnType::String)), retyped);
        assert_eq!(drift(&of(ColumnType::Bigint), &table(vec![])), retyped);
        assert_eq!(drift(&of(inner(&["x", "y"])), &of(inner(&["x"]))), retyped);
        assert_eq!(drift(&of(ColumnType::Json), &of(ColumnType::String)), Drift::default());
    }
}
