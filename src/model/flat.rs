//! A table as flat views: for tools that know neither documents nor lists, such as QuickSight, which leaves such columns out.
//!
//! One view has a row for each document, with the fields of documents within it as columns (`payer.claim.no` is
//! `payer_claim_no`), lists of plain values as text and lists of documents counted. Each list of documents has a view of
//! its own, with a row for each element.
//!
//! Names stay what they are when a table grows: of two paths that would share one, the one that appeared first has it.

use super::column::ColumnType;
use super::description::{ColumnDescription, TableDescription};
use super::names::{fold, hash8};
use super::table::ID;
use std::collections::HashSet;

/// What a view is of: the documents, or the elements of a list that may lie in elements of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// `bills__flat`, `bills__line_items`
    pub name: String,
    /// The lists taken apart, the outer one first. Each begins at the document or at an element of one before it.
    pub lists: Vec<Path>,
    /// In the order of the table.
    pub columns: Vec<ViewColumn>,
}

/// A column of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewColumn {
    /// No other column of the view has it.
    pub name: String,
    /// What stands in it.
    pub value: Value,
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// How many of the view's lists have been taken apart to get there; 0: the document itself.
    pub level: usize,
    /// Names of the fields below; never empty.
    pub fields: Vec<String>,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A plain value.
    Field(Path),
    /// The number, from 1 on, of the element that the list of that number is at.
    ElementNumber(usize),
    /// The values of a list as one text; `nested` lists lie around them.
    Joined {
        /// The list.
        path: Path,
        /// Lists within the list.
        nested: usize,
    },
    /// How many elements a list has.
    Count(Path),
    /// The keys of a map as one text.
    Keys(Path),
    /// The values of a map as one text, in the order of its keys.
    Values(Path),
}

/// The views of `table`; the one of its documents comes first.
pub fn views(table: &TableDescription) -> Vec<View> {
    let keys = || table.partition_keys.iter().map(|key| (key.clone(), Value::Field(top(key))));
    let mut lists = Vec::new();
    let mut flat = Fields { level: 0, found: Vec::new(), lists: Vec::new() };
    flat.walk(&table.columns, &mut Vec::new());
    lists.extend(flat.lists.into_iter().map(|list| (Vec::new(), list)));
    let mut views = vec![View {
        name: "flat".to_owned(),
        lists: Vec::new(),
        columns: named(Vec::new(), flat.found, keys().collect(), &[]),
    }];
    // Lists within elements of lists are found on the way.
    let mut at = 0;
    while let Some((outer, list)) = lists.get(at).cloned() {
        at += 1;
        let chain: Vec<ListFound> = [outer, vec![list.clone()]].concat();
        let mut fields = Fields { level: chain.len(), found: Vec::new(), lists: Vec::new() };
        fields.walk(&list.elements, &mut Vec::new());
        lists.extend(fields.lists.into_iter().map(|inner| (chain.clone(), inner)));
        let path = |count: usize| -> Vec<String> {
            chain.iter().take(count).flat_map(|list| list.path.fields.iter().cloned()).collect()
        };
        let mut front = vec![(ID.to_owned(), Value::Field(top(ID)))];
        for number in 1..=chain.len() {
            let name = "element_number".to_owned();
            let name = if number < chain.len() { format!("{}_{name}", path(number).join("_")) } else { name };
            front.push((name, Value::ElementNumber(number)));
        }
        views.push(View {
            name: path(chain.len()).join("_"),
            lists: chain.iter().map(|list| list.path.clone()).collect(),
            columns: named(front, fields.found, keys().collect(), &path(chain.len())),
        });
    }
    let mut taken = HashSet::new();
    for view in &mut views {
        let name = std::mem::take(&mut view.name);
        let of_list = || view.lists.iter().flat_map(|list| list.fields.iter().cloned()).collect::<Vec<_>>();
        view.name = free(&mut taken, [format!("{}__{name}", table.table)], &of_list());
    }
    views
}

fn top(name: &str) -> Path {
    Path { level: 0, fields: vec![name.to_owned()] }
}

/// A column in the making.
struct Found {
    /// Fields below the document or element, and what is told of the last one.
    names: Vec<String>,
    /// Version of the schema that brought it.
    since: u64,
    value: Value,
}

/// A list of documents.
#[derive(Clone)]
struct ListFound {
    path: Path,
    elements: Vec<ColumnDescription>,
}

/// What documents or elements hold.
struct Fields {
    level: usize,
    found: Vec<Found>,
    lists: Vec<ListFound>,
}

impl Fields {
    fn walk(&mut self, columns: &[ColumnDescription], path: &mut Vec<String>) {
        for column in columns {
            path.push(column.name.clone());
            if matches!(column.kind, ColumnType::Struct(_)) {
                self.walk(&column.children, path);
            } else {
                self.leaf(column, path);
            }
            path.pop();
        }
    }

    fn leaf(&mut self, column: &ColumnDescription, fields: &[String]) {
        let path = Path { level: self.level, fields: fields.to_owned() };
        let since = column.since.as_ref().map_or(0, |since| since.version);
        let mut add = |told: Option<&str>, value| {
            let names = fields.iter().map(String::as_str).chain(told).map(str::to_owned).collect();
            self.found.push(Found { names, since, value });
        };
        match &column.kind {
            ColumnType::List(element) => match element.as_ref() {
                ColumnType::Struct(_) => {
                    add(Some("count"), Value::Count(path.clone()));
                    self.lists.push(ListFound { path, elements: column.children.clone() });
                }
                element => match plain_below(element) {
                    Some(nested) => add(None, Value::Joined { path, nested }),
                    None => add(Some("count"), Value::Count(path)),
                },
            },
            ColumnType::Map(_) => {
                add(Some("keys"), Value::Keys(path.clone()));
                add(Some("values"), Value::Values(path));
            }
            _ => add(None, Value::Field(path)),
        }
    }
}

/// How many lists lie around plain values; none when there is something else below.
fn plain_below(kind: &ColumnType) -> Option<usize> {
    match kind {
        ColumnType::List(element) => plain_below(element).map(|nested| nested + 1),
        ColumnType::Struct(_) | ColumnType::Map(_) => None,
        _ => Some(0),
    }
}

/// Gives every column its name. `front` and the partition `keys` have theirs whatever else there is; a field of an element
/// that would share one takes the `outer` path of its list before its own.
fn named(
    front: Vec<(String, Value)>,
    found: Vec<Found>,
    keys: Vec<(String, Value)>,
    outer: &[String],
) -> Vec<ViewColumn> {
    let mut taken: HashSet<String> = keys.iter().map(|(name, _)| name.clone()).collect();
    let mut columns: Vec<ViewColumn> = front
        .into_iter()
        .map(|(name, value)| ViewColumn { name: free(&mut taken, [name.clone()], &[name]), value })
        .collect();
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|at| (found[*at].since, found[*at].names.len(), *at));
    let mut names = vec![String::new(); found.len()];
    for at in order {
        let path = &found[at].names;
        let whole = [outer, path].concat();
        names[at] = free(&mut taken, [path.join("_"), whole.join("_")], &whole);
    }
    columns.extend(names.into_iter().zip(found).map(|(name, found)| ViewColumn { name, value: found.value }));
    columns.extend(keys.into_iter().map(|(name, value)| ViewColumn { name, value }));
    columns
}

/// The first of `wanted` that is free, else the last of them with an end that no other path has.
fn free<const N: usize>(taken: &mut HashSet<String>, wanted: [String; N], path: &[String]) -> String {
    let last = wanted.last().cloned().unwrap_or_default();
    let hash = hash8(path.join("\0").as_bytes());
    let ends = [format!("{last}_field"), format!("{last}_{hash}")];
    let numbered = (2..).map(|number| format!("{last}_{hash}_{number}"));
    for name in wanted.into_iter().chain(ends).chain(numbered) {
        // Names that joined are too long are cut as long names of fields are.
        let name = fold(&name);
        if taken.insert(name.clone()) {
            return name;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::column::Column;
    use crate::model::description::Since;

    fn column(name: &str, kind: ColumnType, since: u64, children: Vec<ColumnDescription>) -> ColumnDescription {
        ColumnDescription {
            name: name.into(),
            kind,
            original_names: Vec::new(),
            pinned: false,
            seen: Vec::new(),
            guard: None,
            since: Some(Since { version: since, run: None }),
            changes: Vec::new(),
            misfits: Vec::new(),
            children,
        }
    }

    fn text(name: &str, since: u64) -> ColumnDescription {
        column(name, ColumnType::String, since, Vec::new())
    }

    fn document(children: &[ColumnDescription]) -> ColumnType {
        let child = |c: &ColumnDescription| Column { name: c.name.clone(), originals: vec![], kind: c.kind.clone() };
        ColumnType::Struct(children.iter().map(child).collect())
    }

    fn within(name: &str, children: Vec<ColumnDescription>) -> ColumnDescription {
        column(name, document(&children), 1, children)
    }

    fn list(name: &str, children: Vec<ColumnDescription>) -> ColumnDescription {
        column(name, ColumnType::List(Box::new(document(&children))), 1, children)
    }

    fn table(columns: Vec<ColumnDescription>) -> TableDescription {
        TableDescription {
            database: "h".into(),
            collection: "bills".into(),
            catalog_database: "h".into(),
            table: "bills".into(),
            location: "s3://lake/h/bills/".into(),
            version: 1,
            columns,
            partition_keys: vec!["site_id".into()],
        }
    }

    fn names(view: &View) -> Vec<&str> {
        view.columns.iter().map(|column| column.name.as_str()).collect()
    }

    #[test]
    fn the_path_that_appeared_first_keeps_its_name() {
        let early = vec![within("a", vec![within("b", vec![text("c", 1)]), text("b_c", 3)]), text("a_b_c", 2)];
        let views = views(&table(early));
        // `a.b.c` was there first, then the column `a_b_c`, then `a.b_c`.
        assert_eq!(names(&views[0])[0], "a_b_c");
        assert_eq!(names(&views[0])[2], "a_b_c_field");
        assert!(names(&views[0])[1].starts_with("a_b_c_") && names(&views[0])[1].len() == "a_b_c_".len() + 8);
        assert_eq!(names(&views[0])[3], "site_id");
    }

    #[test]
    fn partition_keys_and_numbers_have_their_names_whatever_elements_hold() {
        let item = vec![text("_id", 1), text("site_id", 1), text("element_number", 1), text("code", 1)];
        let views = views(&table(vec![text("_id", 1), within("site", vec![text("id", 1)]), list("items", item)]));
        assert_eq!(names(&views[0]), ["_id", "site_id_field", "items_count", "site_id"]);
        assert_eq!(
            names(&views[1]),
            ["_id", "element_number", "items__id", "items_site_id", "items_element_number", "code", "site_id"]
        );
    }

    #[test]
    fn every_list_of_documents_has_a_view_of_its_own() {
        let part = list("parts", vec![text("name", 1)]);
        let columns = vec![
            text("_id", 1),
            list("line_items", vec![text("code", 1), within("tax", vec![part])]),
            within("line", vec![list("items", vec![text("x", 1)])]),
            list("flat", vec![text("x", 1)]),
            column("tags", ColumnType::List(Box::new(ColumnType::String)), 1, vec![]),
            column("marks", ColumnType::Map(Box::new(ColumnType::Bigint)), 1, vec![]),
        ];
        let views = views(&table(columns));
        let all: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
        assert_eq!(
            all,
            [
                "bills__flat",
                "bills__line_items",
                "bills__line_items_field",
                "bills__flat_field",
                "bills__line_items_tax_parts"
            ]
        );
        assert_eq!(
            names(&views[0]),
            [
                "_id",
                "line_items_count",
                "line_items_count_field",
                "flat_count",
                "tags",
                "marks_keys",
                "marks_values",
                "site_id"
            ]
        );
        let parts = &views[4];
        assert_eq!(names(parts), ["_id", "line_items_element_number", "element_number", "name", "site_id"]);
        let inner = Path { level: 1, fields: vec!["tax".into(), "parts".into()] };
        assert_eq!(parts.lists, [top("line_items"), inner]);
    }
}
