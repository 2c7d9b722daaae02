//! A collection that is dropped, renamed or restored under a read: no half of it becomes a table. One whose index alone
//! is dropped is read to its end.

use crate::extract::{request, source_at};
use crate::support::folding::{Flags, Folding, Midway, Origin};
use crate::support::mongod::{Mongod, fresh_database};
use crate::support::one_table::OneTable;
use crate::support::tcp_proxy::TcpProxy;
use futures::{StreamExt, TryStreamExt};
use lakefold::error::Kind;
use lakefold::extract::{CollectionKind, Described, ReadRequest};
use lakefold::model::batch::RawBatch;
use lakefold::model::collection::Namespace;
use lakefold::model::record::Outcome;
use lakefold::model::window::Scope;
use mongodb::bson::{DateTime, Document, RawDocumentBuf, doc};
use mongodb::{Collection, Database, IndexModel};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Enough for ranges of `_id`, each of several replies.
const DOCUMENTS: i32 = 12_000;

/// What is there after the restore: few, but no fewer than may replace the table.
const RESTORED: i32 = 8_000;

/// So that the driver notices within seconds what takes half a minute by its defaults.
const ALERT: &str = "heartbeatFrequencyMS=500&connectTimeoutMS=1000&serverSelectionTimeoutMS=10000";

fn document(id: i32) -> Document {
    doc! { "_id": id, "updated_at": DateTime::now(), "padding": "x".repeat(1500) }
}

/// Puts another collection in the place of `c`, from outside the runtime of the test.
fn restore(database: &str) {
    let server = Mongod::shared();
    // Reads with majority read concern must see it at once.
    let concern = doc! { "w": "majority" };
    let drop = doc! { "drop": "c", "writeConcern": concern.clone() };
    server.command_on(database, drop).expect("drop");
    let restored = |id: i32| doc! { "_id": id, "updated_at": DateTime::now(), "restored": true };
    let documents: Vec<Document> = (0..RESTORED).map(restored).collect();
    let insert = doc! { "insert": "c", "documents": documents, "writeConcern": concern };
    server.command_on(database, insert).expect("insert");
}

/// Between two runs, as `mongorestore --drop` and `$out` do it: what is older than the watermark has been read by nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_that_was_made_again_is_read_whole_by_the_next_run() {
    let origin = Origin::new().await;
    let with = |ids: std::ops::Range<i32>, n: i32| {
        let old = DateTime::from_millis(1_714_550_400_000);
        ids.map(move |id| doc! { "_id": id, "n": n, "updated_at": old }).collect::<Vec<Document>>()
    };
    origin.documents().insert_many(with(0..20, 1)).await.expect("insert");
    let lake = OneTable::of(Mongod::shared().uri(), &origin.database, "updated_at,", None);
    lake.run(&[], &[]);
    origin.documents().drop().await.expect("drop");
    origin.documents().insert_many(with(5..25, 2)).await.expect("insert");
    let planned = lake.any(&["plan", "--env", "test", "--json"]).output().expect("plan");
    assert!(String::from_utf8_lossy(&planned.stdout).contains("another collection of this name"), "{planned:?}");
    let record = lake.run(&[], &[]);
    assert!(record["warnings"].to_string().contains("another collection than was read before"), "{record:#}");
    let rows = lake.seen().await.rows;
    assert!(rows.len() == 20 && rows.iter().all(|row| row.contains("\"n\":2")), "{rows:?}");
    // It is this one from now on.
    origin.documents().insert_one(doc! { "_id": 30, "n": 2, "updated_at": DateTime::now() }).await.expect("insert");
    let record = lake.run(&[], &[]);
    assert_eq!((&record["mode"], &record["rows"]["read"]), (&"incremental".into(), &1.into()), "{record:#}");
    origin.drop().await;
}

/// Connections break, and meanwhile the collection becomes another one: queries that go on after the last `_id` they
/// had meet no error.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_read_that_goes_on_in_another_collection_fails() {
    let origin = Origin::new().await;
    origin.documents().insert_many((0..DOCUMENTS).map(document)).await.expect("insert");
    let proxy = Arc::new(TcpProxy::before(Mongod::shared().port()));
    let folding = Folding::from(&proxy.uri(ALERT), &origin.database, "updated_at,");
    folding.run(Flags::default()).await;
    let watermarks = || std::fs::read(folding.state("watermarks", "csv")).expect("the watermark file");
    let before = (folding.seen(), watermarks());

    let meanwhile = {
        let (proxy, database) = (Arc::clone(&proxy), origin.database.clone());
        move || {
            proxy.cut_off();
            // A cursor outlives its connection; when its collection goes, its query ends with an error and is not asked again.
            Mongod::shared().await_rest(&database, "c");
            Mongod::shared().kill_cursors(&database, "c");
            restore(&database);
            proxy.set_down(false);
        }
    };
    let full = Flags { full: true, ..Flags::default() };
    let record = folding.watched(full, Arc::new(Midway::after(2, meanwhile))).await;
    assert_eq!(record.outcome, Outcome::Failed, "{record:#?}");
    let reason = record.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("the collection was dropped, renamed or restored while it was read"), "{reason}");
    assert!(record.retries > 0, "no query was asked again: {record:#?}");
    assert!((folding.seen(), watermarks()) == before, "a read that failed has left something");

    let record = folding.run(full).await;
    assert_eq!(record.rows.read, RESTORED as u64, "{record:#?}");
    let rows = folding.seen().0;
    assert!(rows.len() == RESTORED as usize && rows.iter().all(|row| row.contains("\"restored\":true")));
    origin.drop().await;
}

/// The first load, with cursors that the server ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_load_of_a_collection_that_is_made_again_fails() {
    let origin = Origin::new().await;
    origin.documents().insert_many((0..DOCUMENTS).map(document)).await.expect("insert");
    let folding = Folding::of(&origin, "updated_at,");
    let database = origin.database.clone();
    let record = folding.watched(Flags::default(), Arc::new(Midway::after(1, move || restore(&database)))).await;
    assert_eq!(record.outcome, Outcome::Failed, "{record:#?}");
    let reason = record.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("the collection was dropped, renamed or restored while it was read"), "{reason}");
    assert_eq!(record.watermark, None);
    let left = folding.files();
    assert!(!left.keys().any(|path| path.ends_with("data.parquet")), "{:?}", left.keys());
    assert!(!folding.state("watermarks", "csv").exists());
    assert_eq!(folding.run(Flags::default()).await.rows.read, RESTORED as u64);
    assert_eq!(folding.seen().0.len(), RESTORED as usize);
    origin.drop().await;
}

#[tokio::test]
async fn a_cursor_whose_collection_is_dropped_is_not_opened_again() {
    let database = Mongod::shared().client().await.database(&fresh_database("restored"));
    let collection = database.collection::<Document>("c");
    collection.insert_many((0..5_000).map(|id| doc! { "_id": id })).await.expect("insert");
    let source = source_at(Mongod::shared().uri());
    let mut request = request(database.name(), "c", Scope::Full);
    request.batch_documents = 100;
    let namespace = request.namespace.clone();
    let mut batches = source.read(request);
    batches.next().await.expect("a batch").expect("read");
    collection.drop().await.expect("drop");
    collection.insert_many((5_000..6_000).map(|id| doc! { "_id": id })).await.expect("insert");
    let error = loop {
        if let Err(error) = batches.next().await.expect("an error before the end") {
            break error;
        }
    };
    assert_eq!(error.kind(), Kind::Source, "{error}");
    assert!(error.to_string().contains("was dropped, renamed or restored while it was read"), "{error}");
    assert_eq!(source.retries(&namespace), 0);
    database.drop().await.expect("drop");
}

/// A collection that is read over the index `at_1`, and the request for a window of all of it: too much for a glance,
/// in many replies.
async fn indexed() -> (Database, Collection<Document>, ReadRequest) {
    let database = Mongod::shared().client().await.database(&fresh_database("restored"));
    let collection = database.collection::<Document>("c");
    let dated = |id: i32| doc! { "_id": id, "at": DateTime::from_millis(1_714_521_600_000 + i64::from(id)) };
    collection.insert_many((0..DOCUMENTS).map(dated)).await.expect("insert");
    collection.create_index(IndexModel::builder().keys(doc! { "at": 1 }).build()).await.expect("index");
    let mut request = request(database.name(), "c", Scope::Since { from_ms: 0 });
    request.batch_documents = 100;
    (database, collection, request)
}

fn ids(batches: &[RawBatch]) -> BTreeSet<i32> {
    let documents = batches.iter().flat_map(|batch| &batch.documents);
    let whole = documents.map(|bytes| RawDocumentBuf::from_bytes(bytes.to_vec()).expect("a whole document"));
    whole.map(|document| document.get_i32("_id").expect("an _id")).collect()
}

/// An index that is still being built is shown by `listIndexes` and takes no hint: as this one, once it is gone.
#[tokio::test]
async fn a_window_is_read_without_an_index_that_takes_no_hint() {
    let (database, collection, request) = indexed().await;
    let source = source_at(Mongod::shared().uri());
    let described = source.describe(&request.namespace, request.timestamp.as_ref()).await.expect("described");
    assert_eq!(described.timestamp_indexed, Some(true));
    collection.drop_index("at_1").await.expect("drop the index");
    let batches: Vec<RawBatch> = source.read(request).try_collect().await.expect("read without the index");
    assert_eq!(ids(&batches).len(), DOCUMENTS as usize);
    database.drop().await.expect("drop");
}

#[tokio::test]
async fn a_window_whose_index_is_dropped_is_read_again() {
    let (database, collection, request) = indexed().await;
    let source = source_at(Mongod::shared().uri());
    let namespace = request.namespace.clone();
    let mut batches = source.read(request);
    let mut found = vec![batches.next().await.expect("a batch").expect("read")];
    collection.drop_index("at_1").await.expect("drop the index");
    while let Some(batch) = batches.next().await {
        found.push(batch.expect("read on"));
    }
    assert_eq!(ids(&found).len(), DOCUMENTS as usize);
    assert_eq!(source.retries(&namespace), 1, "the server did not end the query");
    database.drop().await.expect("drop");
}

#[tokio::test]
async fn a_collection_is_known_again_and_another_of_its_name_is_not() {
    let client = Mongod::shared().client().await;
    let database = client.database(&fresh_database("restored"));
    let collection = database.collection::<Document>("c");
    let of = |name: &str| Namespace { database: database.name().to_owned(), collection: name.to_owned() };
    let source = || source_at(Mongod::shared().uri());
    let same = async |name: &str, described: &Described| {
        // Also by a source that has described it before: the answer is never an old one.
        let source = source();
        let _ = source.describe(&of(name), None).await;
        source.is_same(&of(name), described).await.expect("an answer")
    };
    collection.insert_one(doc! { "_id": 1 }).await.expect("insert");
    let first = source().describe(&of("c"), None).await.expect("described");
    assert!(first.identity.is_some(), "{first:?}");
    collection.insert_one(doc! { "_id": 2 }).await.expect("insert");
    assert!(same("c", &first).await, "it has grown");
    collection.drop().await.expect("drop");
    assert!(!same("c", &first).await, "it is gone");
    collection.insert_one(doc! { "_id": 1 }).await.expect("insert");
    assert!(!same("c", &first).await, "it was made again");

    let second = source().describe(&of("c"), None).await.expect("described");
    let rename = doc! { "renameCollection": of("c").to_string(), "to": of("d").to_string() };
    client.database("admin").run_command(rename).await.expect("rename");
    assert!(!same("c", &second).await && same("d", &second).await, "it has another name");

    database.run_command(doc! { "create": "v", "viewOn": "d", "pipeline": [] }).await.expect("view");
    let view = source().describe(&of("v"), None).await.expect("described");
    assert_eq!((view.kind, view.identity.clone()), (CollectionKind::View, None));
    assert!(same("v", &view).await);
    database.collection::<Document>("v").drop().await.expect("drop");
    assert!(!same("v", &view).await, "the view is gone");
    database.drop().await.expect("drop");
}
