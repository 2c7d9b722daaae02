//! Names, counts and samples: what a MongoDB tells without being read.

use super::connect::Connection;
use super::failure::explain;
use super::layout::{self, Layout};
use crate::error::{Kind, Result};
use crate::extract::filter::{self, projection};
use crate::extract::survey::{Listed, ListedKind, OWN_DATABASES, SAMPLE_BYTES, WindowRequest};
use crate::model::batch::RawBatch;
use crate::model::collection::{FieldPath, Namespace};
use bson::{Bson, Document, RawDocumentBuf, doc};
use bytes::Bytes;
use futures::StreamExt;
use std::time::Duration;

/// How long the server may work on one count or sample.
const PATIENCE: Duration = Duration::from_secs(5);

/// Names of one reply: more than any database has.
const NAMES: i32 = 1_000_000;

/// Every collection this user may see.
pub(super) async fn collections(connection: &Connection) -> Result<Vec<Listed>> {
    let admin = Namespace { database: "admin".into(), collection: String::new() };
    let command = doc! { "listDatabases": 1, "nameOnly": true, "authorizedDatabases": true };
    let reply = connection.command(&admin, command).await?;
    let doing = "list the databases of the MongoDB";
    let reply = reply.map_err(|error| explain(Kind::Unavailable, &error, doing, None))?;
    let databases = reply.get_array("databases").into_iter().flatten();
    let names = databases.filter_map(|database| database.as_document()?.get_str("name").ok());
    let mut found = Vec::new();
    for name in names.filter(|name| !OWN_DATABASES.contains(name)) {
        found.extend(of_database(connection, name).await?);
    }
    found.sort();
    Ok(found)
}

async fn of_database(connection: &Connection, database: &str) -> Result<Vec<Listed>> {
    let command = doc! {
        "listCollections": 1, "nameOnly": true, "authorizedCollections": true, "cursor": { "batchSize": NAMES },
    };
    let namespace = Namespace { database: database.to_owned(), collection: String::new() };
    let reply = connection.command(&namespace, command).await?;
    let doing = format!("list the collections of {database}");
    let reply = reply.map_err(|error| explain(Kind::Source, &error, &doing, None))?;
    let listed = |found: Document| {
        let collection = found.get_str("name").ok().filter(|name| !name.starts_with("system."))?.to_owned();
        let kind = match found.get_str("type").unwrap_or("collection") {
            "collection" => ListedKind::Collection,
            "timeseries" => ListedKind::TimeSeries,
            _ => ListedKind::View,
        };
        Some(Listed { namespace: Namespace { collection, ..namespace.clone() }, kind })
    };
    Ok(layout::first_batch(&reply).into_iter().filter_map(listed).collect())
}

/// Counts the window over the indexes that reading it would use.
pub(super) async fn window_documents(connection: &Connection, request: &WindowRequest) -> Result<Option<u64>> {
    let layout = layout::of(connection, &request.namespace).await?;
    let Some(index) = layout.index_of(&request.timestamp) else { return Ok(None) };
    let window =
        filter::Window { path: request.timestamp.clone(), from_ms: request.from_ms, timezone: request.timezone };
    let count = |filter: Document, hint: Bson| count(connection, &request.namespace, &layout, filter, hint);
    let Some(dated) = count(window.by_value(), index.into()).await? else { return Ok(None) };
    let others = match window.by_id() {
        Some(filter) => count(filter, doc! { "_id": 1 }.into()).await?,
        None => Some(0),
    };
    Ok(others.map(|others| dated + others))
}

async fn count(
    connection: &Connection,
    namespace: &Namespace,
    layout: &Layout,
    filter: Document,
    hint: Bson,
) -> Result<Option<u64>> {
    let patience = i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX);
    let mut command = doc! { "count": &namespace.collection, "query": filter, "hint": hint, "maxTimeMS": patience };
    if layout.wants_plain_texts() {
        command.insert("collation", doc! { "locale": "simple" });
    }
    // A count is a convenience: a server that does not give one is no reason to fail.
    let reply = connection.command(namespace, command).await?.ok();
    Ok(reply.and_then(|reply| layout::number(reply.get("n")?)))
}

/// Some documents, chosen by the server.
pub(super) async fn sample(
    connection: &Connection,
    namespace: &Namespace,
    exclude: &[FieldPath],
    documents: usize,
) -> Result<RawBatch> {
    let failed =
        |error: mongodb::error::Error| connection.explain(&error, namespace, &format!("look into {namespace}"));
    let size = i64::try_from(documents).unwrap_or(i64::MAX);
    let mut pipeline = vec![doc! { "$sample": { "size": size } }];
    pipeline.extend(projection(exclude).map(|paths| doc! { "$project": paths }));
    let database = connection.client().await?.database(&namespace.database);
    let collection = database.collection::<RawDocumentBuf>(&namespace.collection);
    let cursor = collection.aggregate(pipeline).with_type::<RawDocumentBuf>();
    let cursor = cursor.max_time(PATIENCE).comment(connection.comment().to_owned());
    let mut found = cursor.await.map_err(failed)?;
    let mut batch = RawBatch::default();
    while let Some(document) = found.next().await {
        batch.documents.push(Bytes::from(document.map_err(failed)?.into_bytes()));
        if batch.bytes() > SAMPLE_BYTES {
            break;
        }
    }
    Ok(batch)
}
