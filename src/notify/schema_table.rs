//! A table's columns as the terminal shows them: what they are, what they are made of, and what is odd about them.

use super::table::{Style, aligned, fit, plain};
use super::words::{count, wrap};
use crate::model::column::ColumnType;
use crate::model::description::{ColumnDescription, KindSeen, Place, Since, TableDescription};
use crate::model::seen::{Guard, Kind};
use comfy_table::Table;
use std::fmt::Write as _;

/// Head of the column of examples.
const EXAMPLE: &str = "example _id";

/// The columns in lines of at most `width` characters, children indented below their struct, remarks at the end. Where
/// there is little room, the examples and the days are left out: names that are broken letter by letter cannot be read.
pub fn schema_table(table: &TableDescription, width: usize) -> String {
    let mut out = format!(
        "{}.{}, version {} of its schema, in {}\n\n",
        table.database, table.collection, table.version, table.location
    );
    out += &fit(width, |style| build(table, style));
    out.push('\n');
    if !table.partition_keys.is_empty() {
        let _ = writeln!(out, "\npartitioned by {}", table.partition_keys.join("/"));
    }
    let mut said = Vec::new();
    table.columns.iter().for_each(|column| remarks(&mut said, column, ""));
    if !out.contains(EXAMPLE) {
        said.push("an example of each kind is shown on a wider terminal and with --json".to_owned());
    }
    for remark in said {
        let _ = write!(out, "\n{}\n", wrap(&remark, width, 2));
    }
    out
}

fn build(description: &TableDescription, style: Style) -> Table {
    let mut table = match style {
        Style::Roomy => plain(&["column", "type", "seen", EXAMPLE, "since", "values"], 5, style),
        Style::Tight => plain(&["column", "type", "seen", "since", "values"], 4, style),
    };
    description.columns.iter().for_each(|column| add(&mut table, column, 0, style));
    table
}

fn add(table: &mut Table, column: &ColumnDescription, depth: usize, style: Style) {
    let mut name = format!("{}{}", "  ".repeat(depth), column.name);
    let mut kind = short(&column.kind);
    let mut since = column.since.as_ref().map_or_else(String::new, |since| appeared(since, style));
    let nothing = KindSeen { kind: Kind::String, place: Place::Field, count: 0, example_id: String::new() };
    let seen = if column.seen.is_empty() { std::slice::from_ref(&nothing) } else { column.seen.as_slice() };
    for kind_seen in seen {
        let known = kind_seen.count > 0;
        let mut cells = vec![
            aligned(std::mem::take(&mut name), true),
            aligned(std::mem::take(&mut kind), true),
            aligned(if known { worded(kind_seen) } else { String::new() }, true),
        ];
        if style == Style::Roomy {
            cells.push(aligned(&kind_seen.example_id, true));
        }
        cells.push(aligned(std::mem::take(&mut since), true));
        cells.push(aligned(if known { style.count(kind_seen.count) } else { String::new() }, false));
        table.add_row(cells);
    }
    column.children.iter().for_each(|child| add(table, child, depth + 1, style));
}

/// The type, with the children of structs left to the lines below.
fn short(kind: &ColumnType) -> String {
    match kind {
        ColumnType::List(element) => format!("array<{}>", short(element)),
        ColumnType::Struct(_) => "struct".to_owned(),
        ColumnType::Json => "string (JSON)".to_owned(),
        other => other.to_string(),
    }
}

/// `v3 2026-11-21`, or `v3`; a run's identity begins with its day.
fn appeared(since: &Since, style: Style) -> String {
    let run = since.run.as_deref().filter(|_| style == Style::Roomy);
    let day = run.and_then(day).map(|day| format!(" {day}")).unwrap_or_default();
    format!("v{}{day}", since.version)
}

fn day(run: &str) -> Option<String> {
    let date = chrono::NaiveDate::parse_from_str(run.split_once('T')?.0, "%Y%m%d").ok()?;
    Some(date.to_string())
}

fn worded(seen: &KindSeen) -> String {
    let kind = match seen.kind {
        Kind::Int => "int",
        Kind::Double => "double",
        Kind::Decimal => "decimal",
        Kind::Boolean => "bool",
        Kind::Date => "date",
        Kind::Timestamp => "timestamp",
        Kind::String => "string",
        Kind::Symbol => "symbol",
        Kind::Code => "code",
        Kind::CodeWithScope => "code with scope",
        Kind::Regex => "regex",
        Kind::ObjectId => "object id",
        Kind::Uuid => "uuid",
        Kind::Binary => "binary",
        Kind::DbPointer => "db pointer",
        Kind::MinKey => "min key",
        Kind::MaxKey => "max key",
        Kind::Document => "document",
        Kind::Array => "array",
    };
    match seen.place {
        Place::Field => kind.to_owned(),
        Place::Element => format!("element: {kind}"),
        Place::Entry => format!("entry: {kind}"),
    }
}

fn remarks(said: &mut Vec<String>, column: &ColumnDescription, parents: &str) {
    let path = format!("{parents}{}", column.name);
    if let [first, more @ ..] = column.original_names.as_slice() {
        let fields = if more.is_empty() { "field" } else { "fields" };
        let names = more.iter().fold(first.clone(), |names, name| format!("{names}, {name}"));
        said.push(format!("{path}: from the {fields} {names}"));
    }
    if column.pinned {
        said.push(format!("{path}: pinned to {}", short(&column.kind)));
    } else if let Some(guard) = column.guard {
        said.push(format!("{path}: {}", guarded(guard)));
    }
    for change in &column.changes {
        let run = change.run.as_deref().map(|run| format!(", run {run}")).unwrap_or_default();
        let from = change.from.as_deref().unwrap_or("nothing");
        said.push(format!("{path}: {from} became {} in version {}{run}", change.to, change.version));
    }
    for reason in &column.misfits {
        said.push(format!("{path}: exact originals may stand in _misfits: {reason}"));
    }
    let parents = format!("{path}.");
    column.children.iter().for_each(|child| remarks(said, child, &parents));
}

fn guarded(guard: Guard) -> String {
    match guard {
        Guard::Keys => {
            format!("its keys are data, more than {} of them", count(crate::model::seen::MAX_KEYS as u64))
        }
        Guard::Width => "kept as JSON text, because the table became too wide".to_owned(),
        Guard::Depth => format!("kept as JSON text, nested deeper than {} levels", crate::model::seen::MAX_DEPTH),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::column::{Column, SCALARS};
    use crate::model::table::Change;

    const RUN: &str = "20261121T040301Z-0a1b2c";

    fn column(name: &str, kind: ColumnType, seen: &[(Kind, Place, u64, &str)]) -> ColumnDescription {
        ColumnDescription {
            name: name.into(),
            kind,
            original_names: Vec::new(),
            pinned: false,
            seen: seen
                .iter()
                .map(|&(kind, place, count, id)| KindSeen { kind, place, count, example_id: id.into() })
                .collect(),
            guard: None,
            since: Some(Since { version: 1, run: Some(RUN.into()) }),
            changes: Vec::new(),
            misfits: Vec::new(),
            children: Vec::new(),
        }
    }

    /// A table with a retyped column, a renamed list of structs, and partitions.
    pub(in crate::notify) fn table() -> TableDescription {
        let mut amount = column(
            "amount",
            ColumnType::Double,
            &[(Kind::Int, Place::Field, 1_200, "65f000000000000000000000"), (Kind::Double, Place::Field, 3, "7")],
        );
        amount.changes = vec![Change {
            version: 2,
            path: vec!["amount".into()],
            from: Some("bigint".into()),
            to: "double".into(),
            run: Some(RUN.into()),
        }];
        amount.misfits = vec!["integers that a double does not hold exactly".into()];
        let children = vec![
            Column { name: "_price".into(), originals: vec!["_price".into()], kind: ColumnType::Decimal },
            Column { name: SCALARS.into(), originals: vec![], kind: ColumnType::String },
        ];
        let list = ColumnType::List(Box::new(ColumnType::Struct(children)));
        let mut items = column("line_items", list, &[(Kind::Array, Place::Field, 9, "8")]);
        items.original_names = vec!["lineItems".into()];
        items.seen.push(KindSeen { kind: Kind::Document, place: Place::Element, count: 20, example_id: "8".into() });
        items.children = vec![column("_price", ColumnType::Decimal, &[(Kind::Decimal, Place::Field, 20, "8")])];
        TableDescription {
            database: "hospital".into(),
            collection: "bills".into(),
            catalog_database: "hospital".into(),
            table: "bills".into(),
            location: "s3://lake/it's/hospital/bills/".into(),
            version: 2,
            columns: vec![
                column("_id", ColumnType::String, &[(Kind::ObjectId, Place::Field, 1_203, "65f0")]),
                amount,
                items,
            ],
            partition_keys: vec!["date".into(), "id1".into()],
        }
    }

    #[test]
    fn columns_stand_with_their_kinds_and_what_is_odd_about_them() {
        insta::assert_snapshot!(schema_table(&table(), 120));
    }

    #[test]
    fn narrow_terminals_get_narrow_lines() {
        for width in [60, 80] {
            let shown = schema_table(&table(), width);
            let table = shown.lines().skip(2).take_while(|line| !line.is_empty());
            assert!(table.clone().all(|line| line.chars().count() <= width), "{shown}");
            for name in ["_id", "line_items", "  _price"] {
                let whole = format!("{name} ");
                assert!(table.clone().any(|line| line.starts_with(&whole)), "{name} is broken at {width}:\n{shown}");
            }
        }
    }

    #[test]
    fn json_spells_types_as_athena_does() {
        let json = serde_json::to_value(table()).unwrap();
        assert_eq!(json["columns"][2]["type"], "array<struct<_price:decimal(38,10),value_:string>>");
        assert_eq!(json["columns"][1]["seen"][0]["kind"], "int");
        assert_eq!(json["columns"][2]["seen"][1]["place"], "element");
    }
}
