//! What the server says about a collection: its kind, its size, its indexes.

use super::connect::{Connection, list_collections};
use crate::error::{Error, Kind, Result};
use crate::extract::{CollectionKind, Described, missing, refuse_system, refuse_time_series};
use crate::model::collection::{FieldPath, Namespace};
use bson::{Bson, Document, doc};
use std::sync::Arc;

/// What the server says about a collection.
#[derive(Debug)]
pub(super) struct Layout {
    pub kind: CollectionKind,
    pub documents: Option<u64>,
    pub bytes: Option<u64>,
    /// As `listIndexes` shows them; `None`: this user may not see them.
    indexes: Option<Vec<Document>>,
}

/// Asks the server once per run and collection.
pub(super) async fn of(connection: &Connection, namespace: &Namespace) -> Result<Arc<Layout>> {
    if let Some(layout) = connection.layout(namespace) {
        return Ok(layout);
    }
    refuse_system(namespace)?;
    let kind = kind(connection, namespace).await?;
    let layout = match kind {
        CollectionKind::View => Layout { kind, documents: None, bytes: None, indexes: None },
        CollectionKind::Collection => {
            let indexes = indexes(connection, namespace).await?;
            let (documents, bytes) = size(connection, namespace).await?;
            Layout { kind, documents, bytes, indexes }
        }
    };
    let layout = Arc::new(layout);
    connection.remember(namespace, &layout);
    Ok(layout)
}

async fn kind(connection: &Connection, namespace: &Namespace) -> Result<CollectionKind> {
    let reply = connection.command(namespace, list_collections(&namespace.collection)).await?;
    let reply = reply.map_err(|error| connection.explain(&error, namespace, &format!("look for {namespace}")))?;
    match first_batch(&reply).first().map(|found| found.get_str("type").unwrap_or("collection")) {
        None => Err(missing(namespace, "in the MongoDB")),
        Some("view") => Ok(CollectionKind::View),
        Some("timeseries") => Err(refuse_time_series(namespace)),
        Some("collection") => Ok(CollectionKind::Collection),
        Some(other) => Err(Error::new(Kind::Source, format!("{namespace} is a {other}, which lakefold does not read"))),
    }
}

/// Only speed depends on the indexes: without the permission to see them a collection is read without.
async fn indexes(connection: &Connection, namespace: &Namespace) -> Result<Option<Vec<Document>>> {
    let reply = connection.command(namespace, doc! { "listIndexes": &namespace.collection }).await?;
    Ok(reply.ok().map(|reply| first_batch(&reply)))
}

/// Documents and bytes of all shards, by the server's counters; only estimates depend on them.
async fn size(connection: &Connection, namespace: &Namespace) -> Result<(Option<u64>, Option<u64>)> {
    let pipeline = [
        doc! { "$collStats": { "storageStats": {} } },
        doc! { "$project": { "storageStats.count": 1, "storageStats.size": 1 } },
    ];
    let command = doc! { "aggregate": &namespace.collection, "pipeline": &pipeline[..], "cursor": {} };
    let Ok(reply) = connection.command(namespace, command).await? else { return Ok((None, None)) };
    let shards = first_batch(&reply);
    let sum = |key| {
        let of_shard = |shard: &Document| number(shard.get_document("storageStats").ok()?.get(key)?);
        shards.iter().map(of_shard).try_fold(0_u64, |sum, size| Some(sum.saturating_add(size?)))
    };
    Ok(if shards.is_empty() { (None, None) } else { (sum("count"), sum("size")) })
}

/// The documents of a cursor's first reply.
pub(super) fn first_batch(reply: &Document) -> Vec<Document> {
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    batch.into_iter().flatten().filter_map(|item| item.as_document().cloned()).collect()
}

/// A count, whatever kind of number the server gives it as.
pub(super) fn number(value: &Bson) -> Option<u64> {
    match value {
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Int64(number) => u64::try_from(*number).ok(),
        Bson::Double(number) => Some(*number as u64),
        _ => None,
    }
}

impl Layout {
    pub fn described(&self, timestamp: Option<&FieldPath>) -> Described {
        let known = timestamp.filter(|_| self.indexes.is_some());
        Described {
            kind: self.kind,
            documents: self.documents,
            bytes: self.bytes,
            timestamp_indexed: known.map(|path| self.index_of(path).is_some()),
        }
    }

    /// The name of an index over which every window of `path` can be read.
    pub fn index_of(&self, path: &FieldPath) -> Option<&str> {
        let path = path.to_string();
        self.indexes.iter().flatten().find(|index| serves(index, &path))?.get_str("name").ok()
    }

    /// Whether texts are compared by the bytes in the index of `_id`; ranges of texts can then use it.
    pub fn plain_ids(&self) -> bool {
        let collated = |index: &Document| {
            index.contains_key("collation") && index.get_str("name").is_ok_and(|name| name == "_id_")
        };
        !self.indexes.iter().flatten().any(collated)
    }
}

/// An index that sorts by `path` first, holds every document with a value there, and compares texts by their bytes:
/// not partial, hidden, hashed or text, and without a collation. (A sparse one lacks only documents without a value.)
fn serves(index: &Document, path: &str) -> bool {
    let first = index.get_document("key").ok().and_then(|key| key.iter().next());
    let sorted = first
        .is_some_and(|(key, order)| key == path && matches!(order, Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_)));
    let hidden = index.get_bool("hidden").unwrap_or(false);
    sorted && !hidden && !index.contains_key("partialFilterExpression") && !index.contains_key("collation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_indexes_serve_a_window() {
        let good = doc! { "key": { "at": -1, "x": 1 }, "name": "a", "sparse": true };
        assert!(serves(&good, "at"));
        for bad in [
            doc! { "key": { "x": 1, "at": 1 } },
            doc! { "key": { "at": "hashed" } },
            doc! { "key": { "at": 1 }, "hidden": true },
            doc! { "key": { "at": 1 }, "partialFilterExpression": { "x": 1 } },
            doc! { "key": { "at": 1 }, "collation": { "locale": "fr" } },
            doc! {},
        ] {
            assert!(!serves(&bad, "at"), "{bad}");
        }
    }
}
