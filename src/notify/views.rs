//! Athena's `CREATE OR REPLACE VIEW` for the flat views of a table.
//!
//! Every name stands in double quotes: many begin with `_`, and any may be a word of SQL's. A list is taken apart with its
//! elements as one value each, so that a view goes on working when a field appears in them.

use crate::model::description::TableDescription;
use crate::model::flat::{self, Path, Value, View};

/// Longest statement Athena accepts, in bytes.
const STATEMENT_MAX: usize = 262_144;

/// The statements, each ended by `;` and a line break, with an empty line between them.
pub fn views(table: &TableDescription) -> String {
    let statements: Vec<String> = flat::views(table).iter().map(|view| statement(table, view)).collect();
    statements.join("\n")
}

fn statement(table: &TableDescription, view: &View) -> String {
    let columns: Vec<String> = view.columns.iter().map(|column| spelled(&column.name, &column.value)).collect();
    let mut out = format!(
        "CREATE OR REPLACE VIEW {}.{} AS\nSELECT\n  {}\nFROM {}.{} AS t",
        name(&table.catalog_database),
        name(&view.name),
        columns.join(",\n  "),
        name(&table.catalog_database),
        name(&table.table),
    );
    for (at, list) in view.lists.iter().enumerate() {
        let item = item(at + 1);
        out += &format!(
            "\nCROSS JOIN UNNEST(transform({}, e -> ROW(e))) WITH ORDINALITY AS {item}(element, n)",
            place(list)
        );
    }
    out += ";\n";
    if out.len() > STATEMENT_MAX {
        let bytes = out.len();
        tracing::warn!("Athena takes statements of {STATEMENT_MAX} bytes, the view {} has {bytes}", view.name);
    }
    out
}

fn spelled(column: &str, value: &Value) -> String {
    let (text, own_name) = match value {
        Value::Field(path) => (place(path), path.fields.last().map(String::as_str)),
        Value::ElementNumber(list) => (format!("{}.n", item(*list)), None),
        Value::Joined { path, nested } => {
            let flat = (0..*nested).fold(place(path), |list, _| format!("flatten({list})"));
            (format!("array_join({flat}, ', ')"), None)
        }
        // A list without elements is stored as none.
        Value::Count(path) => (format!("coalesce(CAST(cardinality({}) AS bigint), 0)", place(path)), None),
        Value::Keys(path) => (format!("array_join(map_keys({}), ', ')", place(path)), None),
        // A value that is missing keeps its place, so that the two texts go together.
        Value::Values(path) => (format!("array_join(map_values({}), ', ', '')", place(path)), None),
    };
    if own_name == Some(column) { text } else { format!("{text} AS {}", name(column)) }
}

/// The name of the rows that a list of that number, from 1 on, is taken apart into.
fn item(list: usize) -> String {
    format!("item_{list}")
}

fn place(path: &Path) -> String {
    let root = if path.level == 0 { "t".to_owned() } else { format!("{}.element", item(path.level)) };
    path.fields.iter().fold(root, |place, field| format!("{place}.{}", name(field)))
}

/// A folded name, which holds no quotes.
fn name(folded: &str) -> String {
    format!("\"{folded}\"")
}

#[cfg(test)]
mod tests {
    use super::super::schema_table::tests::table;
    use super::*;

    #[test]
    fn a_table_becomes_a_view_of_its_rows_and_one_of_each_list() {
        assert_eq!(
            views(&table()),
            "CREATE OR REPLACE VIEW \"hospital\".\"bills__flat\" AS\n\
             SELECT\n  \
             t.\"_id\",\n  \
             t.\"amount\",\n  \
             coalesce(CAST(cardinality(t.\"line_items\") AS bigint), 0) AS \"line_items_count\",\n  \
             t.\"date\",\n  \
             t.\"id1\"\n\
             FROM \"hospital\".\"bills\" AS t;\n\
             \n\
             CREATE OR REPLACE VIEW \"hospital\".\"bills__line_items\" AS\n\
             SELECT\n  \
             t.\"_id\",\n  \
             item_1.n AS \"element_number\",\n  \
             item_1.element.\"_price\",\n  \
             t.\"date\",\n  \
             t.\"id1\"\n\
             FROM \"hospital\".\"bills\" AS t\n\
             CROSS JOIN UNNEST(transform(t.\"line_items\", e -> ROW(e))) WITH ORDINALITY AS item_1(element, n);\n"
        );
    }
}
