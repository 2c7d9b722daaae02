//! A collection as the manifest describes it, checked.

use super::names::fold;
use super::pin::Pin;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Database and collection as MongoDB spells them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace {
    /// Database name.
    pub database: String,
    /// Collection name; may contain dots.
    pub collection: String,
}

impl Namespace {
    /// Splits `DB.COLL` at the first dot; both sides must be non-empty.
    pub fn parse(text: &str) -> Option<Self> {
        let (database, collection) = text.split_once('.')?;
        (!database.is_empty() && !collection.is_empty())
            .then(|| Self { database: database.into(), collection: collection.into() })
    }

    /// The table's place in the lake, `database/collection`, folded.
    pub fn folder(&self) -> String {
        format!("{}/{}", fold(&self.database), fold(&self.collection))
    }

    /// What to type into `mongosh` so that windows over `path` are read over an index; one word, whatever the names.
    pub fn create_index(&self, path: &FieldPath) -> String {
        format!("{}.createIndex({{{}:1}})", self.in_mongosh(), quoted(&path.to_string()))
    }

    /// What to type into `mongosh` to read every document, without seeing one.
    pub fn read_all(&self) -> String {
        format!("{}.find().itcount()", self.in_mongosh())
    }

    fn in_mongosh(&self) -> String {
        format!("db.getSiblingDB({}).getCollection({})", quoted(&self.database), quoted(&self.collection))
    }
}

/// A text in JavaScript, which reads JSON's as its own.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.collection)
    }
}

/// A dotted path into a document, in original names; across arrays it means every element.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FieldPath(pub Vec<String>);

impl FieldPath {
    /// Splits at dots; empty parts are refused.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<String> = text.split('.').map(str::to_owned).collect();
        parts.iter().all(|p| !p.is_empty()).then_some(Self(parts))
    }

    /// Whether `self` is `other` or lies above it.
    pub fn covers(&self, other: &FieldPath) -> bool {
        other.0.starts_with(&self.0)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// How one partition key is made of a document; parts of a time from the coarsest to the finest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartitionUnit {
    /// `2024`
    Year,
    /// `2024-05`
    Month,
    /// `2024-05-01`
    Day,
    /// `2024-05-01T13`
    Hour,
    /// The canonical text of the value.
    Value,
}

/// One level of partition folders, `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionKey {
    /// `[a-z][a-z0-9_]*`
    pub name: String,
    /// What is cut out of the value at `path`.
    pub unit: PartitionUnit,
    /// Where the value stands in the document.
    pub path: FieldPath,
}

/// How a collection is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only what changed since the watermark.
    Incremental,
    /// Everything, every time.
    Full,
}

/// One row of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionSpec {
    /// Source names.
    pub namespace: Namespace,
    /// The last-modified field; none: every run is a full one.
    pub timestamp_column: Option<FieldPath>,
    /// In folder order; empty: one file for the table.
    pub partition_by: Vec<PartitionKey>,
    /// The `partition_by` text as written, for settings that must not change.
    pub partition_text: String,
    /// Paths never read from the source.
    pub exclude: Vec<FieldPath>,
    /// Paths whose values are replaced by their HMAC.
    pub hash: Vec<FieldPath>,
    /// Columns whose type the operator has fixed; no two at one path, none below another.
    pub pins: Vec<Pin>,
    /// `full` rows replace the table each run.
    pub mode: Mode,
    /// How far it may be behind before somebody is told; `None`: as far as it likes.
    pub max_lag: Option<Duration>,
    /// Line of the manifest, for messages.
    pub line: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_command_quotes_whatever_a_name_holds() {
        let namespace = Namespace { database: "h".into(), collection: "a\"b.c".into() };
        let path = FieldPath::parse("meta.at").unwrap();
        assert_eq!(
            namespace.create_index(&path),
            r#"db.getSiblingDB("h").getCollection("a\"b.c").createIndex({"meta.at":1})"#
        );
    }
}
