//! From a request to the queries that answer it: together they find every document, each one once.

use super::connect::Connection;
use super::ids;
use super::layout::Layout;
use crate::error::{Error, Kind, Result};
use crate::extract::filter::Window;
use crate::extract::{CollectionKind, ReadRequest};
use crate::kill_point::bent;
use crate::model::read_plan::{IdRange, ReadPlan};
use crate::model::window::Scope;
use bson::{Bson, Document, RawDocument, doc};
use mongodb::options::Hint;

/// Below this a collection is read by one cursor: ranges would cost more than they save.
const RANGES_FROM_DOCUMENTS: u64 = 10_000;

/// More pieces than readers, so that no reader is left alone with a large last one.
const PIECES_PER_READER: usize = 4;

/// `_id`s sampled for one cut.
const SAMPLE_PER_PIECE: usize = 20;

/// One query.
#[derive(Debug)]
pub(super) struct Query {
    pub selection: Selection,
    pub hint: Option<Hint>,
    /// Which of the documents found are passed on.
    pub keep: Keep,
}

/// What a query asks for.
#[derive(Debug)]
pub(super) enum Selection {
    /// In any order; read again from the start when it breaks.
    Filter(Document),
    /// A window that may be small; not all of a large one.
    Glance(Document),
    /// Sorted by `_id`; goes on after the last one read when it breaks.
    Range {
        range: IdRange,
        /// Its number in the plan.
        number: usize,
    },
}

/// Which of the documents found are passed on.
#[derive(Debug)]
pub(super) enum Keep {
    All,
    /// Those of the window that tell their time themselves.
    Dated(Window),
    /// Those of the window that only their `_id` dates.
    ById(Window),
    /// Both.
    Either(Window),
}

impl Keep {
    pub fn keeps(&self, document: &RawDocument) -> bool {
        match self {
            Keep::All => true,
            Keep::Dated(window) => {
                (window.holds(document) && window.is_dated(document)) || window.is_hidden_from(document)
            }
            Keep::ById(window) => window.holds(document) && !window.is_dated(document),
            Keep::Either(window) => window.holds(document) || window.is_hidden_from(document),
        }
    }
}

/// The queries of a request.
pub(super) async fn queries(connection: &Connection, request: &ReadRequest, layout: &Layout) -> Result<Vec<Query>> {
    match request.scope {
        Scope::Full | Scope::Whole => whole(connection, request, layout).await,
        Scope::Since { from_ms } => {
            let path = request.timestamp.clone().ok_or_else(|| {
                Error::new(Kind::Invariant, format!("a window of {} without a timestamp column", request.namespace))
            })?;
            Ok(windowed(Window { path, from_ms, timezone: request.timezone }, layout))
        }
    }
}

/// The query of all of a window at once; `None` where it would not be read over indexes, or is one query anyway.
pub(super) fn glance(request: &ReadRequest, layout: &Layout) -> Option<Query> {
    let Scope::Since { from_ms } = request.scope else { return None };
    let path = request.timestamp.clone()?;
    layout.index_of(&path)?;
    let window = Window { path, from_ms, timezone: request.timezone };
    let selection = Selection::Glance(window.by_either()?);
    Some(Query { selection, hint: None, keep: Keep::Either(window) })
}

/// The documents without a time of their own first: one that is given its time in between comes twice, not never.
fn windowed(window: Window, layout: &Layout) -> Vec<Query> {
    let is_collection = layout.kind == CollectionKind::Collection;
    let by_id = window.by_id().map(|filter| Query {
        selection: Selection::Filter(filter),
        hint: is_collection.then(|| Hint::Keys(doc! { "_id": 1 })),
        keep: Keep::ById(window.clone()),
    });
    let by_value = Query {
        selection: Selection::Filter(window.by_value()),
        hint: layout.index_of(&window.path).map(|name| Hint::Name(name.to_owned())),
        keep: Keep::Dated(window),
    };
    by_id.into_iter().chain([by_value]).collect()
}

async fn whole(connection: &Connection, request: &ReadRequest, layout: &Layout) -> Result<Vec<Query>> {
    Ok(match cut(connection, request, layout).await? {
        Some(plan) => along(plan),
        None => vec![in_any_order(Document::new())],
    })
}

fn in_any_order(filter: Document) -> Query {
    Query { selection: Selection::Filter(filter), hint: None, keep: Keep::All }
}

/// The queries of a full read that is cut already, and perhaps partly done. What lies outside its ranges comes as a
/// whole each time.
pub(super) fn along(plan: ReadPlan) -> Vec<Query> {
    let others = in_any_order(ids::others(&plan));
    let ranges = plan.ranges.into_iter().enumerate().map(|(number, range)| Query {
        selection: Selection::Range { range, number },
        hint: None,
        keep: Keep::All,
    });
    ranges.chain([others]).collect()
}

/// Cuts a collection into ranges; `None` where that does not pay or cannot be done.
pub(super) async fn cut(connection: &Connection, request: &ReadRequest, layout: &Layout) -> Result<Option<ReadPlan>> {
    let documents = layout.documents.unwrap_or_default();
    let least = bent("LAKEFOLD_RANGES_FROM").unwrap_or(RANGES_FROM_DOCUMENTS);
    if layout.kind == CollectionKind::View || documents < least {
        return Ok(None);
    }
    let pieces = request.ranges.max(1) * PIECES_PER_READER;
    // Up to a twentieth of the collection the server takes a sample by random steps, beyond that by a whole scan.
    let size = u64::try_from(pieces * SAMPLE_PER_PIECE).unwrap_or(u64::MAX).min((documents / 20).saturating_sub(1));
    let sample = sample(connection, request, size, layout).await?;
    Ok(ids::cut(&sample, pieces, layout.plain_ids()))
}

/// Some `_id`s in the server's order. Where the server does not take samples, the collection is not cut.
async fn sample(connection: &Connection, request: &ReadRequest, size: u64, layout: &Layout) -> Result<Vec<Bson>> {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let pipeline =
        [doc! { "$sample": { "size": size } }, doc! { "$project": { "_id": 1 } }, doc! { "$sort": { "_id": 1 } }];
    let mut command = doc! {
        "aggregate": &request.namespace.collection,
        "pipeline": &pipeline[..],
        "cursor": { "batchSize": size },
    };
    if layout.wants_plain_texts() {
        command.insert("collation", doc! { "locale": "simple" });
    }
    let reply = match connection.command(&request.namespace, command).await? {
        Ok(reply) => reply,
        Err(_) => {
            tracing::debug!("no sample of _id: reading by one cursor");
            return Ok(Vec::new());
        }
    };
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    Ok(batch.into_iter().flatten().filter_map(|item| item.as_document()?.get("_id").cloned()).collect())
}
