//! A table's schema as people read it: the one thing that `schema`, its `--json` and its `--ddl` are made of.

use super::column::ColumnType;
use super::seen::{Guard, Kind};
use super::table::Change;
use serde::{Serialize, Serializer};

/// A table: what a catalog has to know, and what its columns are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableDescription {
    /// Source database.
    pub database: String,
    /// Source collection.
    pub collection: String,
    /// The table's database in a catalog, by `[catalog] database`.
    pub catalog_database: String,
    /// The table's name in a catalog; folded.
    pub table: String,
    /// URL of the table's folder, ending in `/`.
    pub location: String,
    /// Version of the schema.
    pub version: u64,
    /// In the order of the files, lakefold's own columns included.
    pub columns: Vec<ColumnDescription>,
    /// Names of the partition keys in folder order; all of them are strings.
    pub partition_keys: Vec<String>,
}

/// A column or struct child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnDescription {
    /// Folded name.
    pub name: String,
    /// Its type, in JSON as Athena spells it.
    #[serde(rename = "type", serialize_with = "athena")]
    pub kind: ColumnType,
    /// The fields that share the column; empty when there is one and it is spelled as the column.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub original_names: Vec<String>,
    /// The type is the operator's, not what was seen.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// What documents held there; empty for columns lakefold makes by itself.
    pub seen: Vec<KindSeen>,
    /// Why the fields below are not taken apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// When the column appeared; unknown for some that are older than the history.
    pub since: Option<Since>,
    /// When its type changed, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Why exact originals of some values may stand in `_misfits`, one reason each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub misfits: Vec<String>,
    /// Children of a struct, or of the structs of a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ColumnDescription>,
}

/// How often a kind was seen at a column, with one document that shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KindSeen {
    /// The kind.
    pub kind: Kind,
    /// Where in the column.
    pub place: Place,
    /// Values read so far, repeated readings included.
    pub count: u64,
    /// A discreet `_id` (P10).
    pub example_id: String,
}

/// Where in a column a value stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// The field itself.
    Field,
    /// An element of a list, of inner lists as well.
    Element,
    /// Under a key that is data.
    Entry,
}

/// When something appeared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Since {
    /// Version of the schema.
    pub version: u64,
    /// The run that brought it; its identity begins with its time. Unknown for what came before runs were noted.
    pub run: Option<String>,
}

fn athena<S: Serializer>(kind: &ColumnType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}
