//! What the server says about a collection: its kind, its size, its indexes.

use super::connect::{Connection, list_collections};
use super::failure;
use crate::error::{Error, Kind, Result};
use crate::extract::{CollectionKind, Described, missing, refuse_system, refuse_time_series};
use crate::model::collection::{FieldPath, Namespace};
use bson::{Bson, Document, doc};
use std::sync::Arc;

/// What the server says about a collection.
#[derive(Debug)]
pub(super) struct Layout {
    pub kind: CollectionKind,
    /// As text; views have none, and who may not list collections is not told.
    identity: Option<String>,
    /// Whether it compares texts by a rule of its own; `None`: the server does not tell.
    collated: Option<bool>,
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
    let standing = standing(connection, namespace).await?;
    let Standing { kind, identity, collated } = standing.ok_or_else(|| missing(namespace, "in the MongoDB"))?;
    let layout = match kind {
        CollectionKind::View => Layout { kind, identity, collated, documents: None, bytes: None, indexes: None },
        CollectionKind::Collection => {
            let indexes = indexes(connection, namespace).await?;
            let (documents, bytes) = size(connection, namespace).await?;
            Layout { kind, identity, collated, documents, bytes, indexes }
        }
    };
    let layout = Arc::new(layout);
    connection.remember(namespace, &layout);
    Ok(layout)
}

/// Whether the server has now what was described; asks each time.
pub(super) async fn is_same(connection: &Connection, namespace: &Namespace, described: &Described) -> Result<bool> {
    let now = standing(connection, namespace).await?;
    Ok(now.is_some_and(|now| now.kind == described.kind && now.identity == described.identity))
}

/// What stands under a collection's name.
struct Standing {
    kind: CollectionKind,
    identity: Option<String>,
    collated: Option<bool>,
}

async fn standing(connection: &Connection, namespace: &Namespace) -> Result<Option<Standing>> {
    let name = &namespace.collection;
    let mut reply = connection.command(namespace, list_collections(name, false)).await?;
    if reply.as_ref().is_err_and(failure::is_not_permitted) {
        // Who may read a collection and not list the others is told no more than its name.
        reply = connection.command(namespace, list_collections(name, true)).await?;
    }
    let reply = reply.map_err(|error| connection.explain(&error, namespace, &format!("look for {namespace}")))?;
    let Some(found) = first_batch(&reply).into_iter().next() else { return Ok(None) };
    let kind = match found.get_str("type").unwrap_or("collection") {
        "view" => CollectionKind::View,
        "timeseries" => return Err(refuse_time_series(namespace)),
        "collection" => CollectionKind::Collection,
        other => {
            return Err(Error::new(Kind::Source, format!("{namespace} is a {other}, which lakefold does not read")));
        }
    };
    Ok(Some(Standing { kind, identity: identity(&found), collated: collated(&found) }))
}

fn identity(found: &Document) -> Option<String> {
    match found.get_document("info").ok()?.get("uuid")? {
        Bson::Binary(uuid) => Some(uuid.to_uuid().ok()?.to_string()),
        _ => None,
    }
}

/// Whoever is told the options is told of a collation among them: a plain collection has none there.
fn collated(found: &Document) -> Option<bool> {
    found.get_document("options").ok().map(|options| options.contains_key("collation"))
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
            identity: self.identity.clone(),
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

    /// Whether a query has to say that texts are compared by their bytes, which is what filters are made for. Without
    /// a rule of the collection's own they are anyway, and a server that knows no such rules (DocumentDB, Atlas
    /// Serverless) refuses to be told; a view takes no other rule than its own.
    pub fn wants_plain_texts(&self) -> bool {
        self.kind == CollectionKind::Collection && self.collated != Some(false)
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
/// not partial or hidden, and without a collation. A sparse one lacks only documents without any of its values; one
/// with a key of another sort (`2dsphere`, text, hashed, a wildcard) lacks those without a value for that key alone.
fn serves(index: &Document, path: &str) -> bool {
    let plain = |(key, order): (&String, &Bson)| {
        !key.contains("$**") && matches!(order, Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_))
    };
    let sorted = index
        .get_document("key")
        .is_ok_and(|keys| keys.keys().next().is_some_and(|first| first == path) && keys.iter().all(plain));
    let hidden = index.get_bool("hidden").unwrap_or(false);
    sorted && !hidden && !index.contains_key("partialFilterExpression") && !index.contains_key("collation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_is_known_by_its_uuid_and_a_view_has_none() {
        let uuid = bson::Uuid::from_bytes([7; 16]);
        let collection = doc! { "name": "c", "type": "collection", "info": { "readOnly": false, "uuid": uuid } };
        assert_eq!(identity(&collection).as_deref(), Some("07070707-0707-0707-0707-070707070707"));
        assert_eq!(identity(&doc! { "name": "v", "type": "view", "info": { "readOnly": true } }), None);
        assert_eq!(identity(&doc! { "name": "c", "type": "collection" }), None);
    }

    #[test]
    fn a_rule_for_texts_is_sent_unless_the_collection_is_known_to_have_none() {
        let sent = |kind, found: Document| {
            let collated = collated(&found);
            Layout { kind, identity: None, collated, documents: None, bytes: None, indexes: None }.wants_plain_texts()
        };
        let french = doc! { "name": "c", "options": { "collation": { "locale": "fr" } } };
        assert!(sent(CollectionKind::Collection, french.clone()));
        assert!(
            sent(CollectionKind::Collection, doc! { "name": "c", "type": "collection" }),
            "the name is all it tells"
        );
        assert!(!sent(CollectionKind::Collection, doc! { "name": "c", "options": { "capped": true } }));
        assert!(!sent(CollectionKind::Collection, doc! { "name": "c", "options": {} }));
        assert!(!sent(CollectionKind::View, french));
    }

    #[test]
    fn which_indexes_serve_a_window() {
        for good in [
            doc! { "key": { "at": -1, "x": 1 }, "name": "a", "sparse": true },
            doc! { "key": { "at": 1_i64, "x.y": -1.0 } },
        ] {
            assert!(serves(&good, "at"), "{good}");
        }
        for bad in [
            doc! { "key": { "x": 1, "at": 1 } },
            doc! { "key": { "at": "hashed" } },
            doc! { "key": { "at": 1, "x": "hashed" } },
            doc! { "key": { "at": 1, "x": "2dsphere" }, "2dsphereIndexVersion": 3 },
            doc! { "key": { "at": 1, "_fts": "text", "_ftsx": 1 } },
            doc! { "key": { "at": 1, "$**": 1 } },
            doc! { "key": { "at": 1, "x.$**": 1 } },
            doc! { "key": { "at": 1 }, "hidden": true },
            doc! { "key": { "at": 1 }, "partialFilterExpression": { "x": 1 } },
            doc! { "key": { "at": 1 }, "collation": { "locale": "fr" } },
            doc! {},
        ] {
            assert!(!serves(&bad, "at"), "{bad}");
        }
    }
}
