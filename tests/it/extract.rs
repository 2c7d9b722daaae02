//! Both sources against a real mongod: every kind of time, every type of `_id`, and what an operator gets wrong.

use crate::support::free_port;
use crate::support::mongod::{Mongod, fresh_database};
use futures::TryStreamExt;
use lakefold::error::{Kind, Result};
use lakefold::extract::{CollectionKind, ReadRequest, Source, open};
use lakefold::model::batch::RawBatch;
use lakefold::model::collection::{FieldPath, Namespace};
use lakefold::model::modified::modified_by_ms;
use lakefold::model::secret::Secret;
use lakefold::model::settings::SourceSettings;
use lakefold::model::window::{OperationTime, Scope};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::raw::RawDocumentBuf;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Decimal128, Document, RawDocument, Timestamp, doc};
use mongodb::{Client, Database};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// 2024-05-01T00:00:00Z
const MAY: i64 = 1_714_521_600_000;

/// A source by its URI, without an overlap.
pub fn source_at(uri: &str) -> Arc<dyn Source> {
    let settings = SourceSettings {
        uri: Secret::new(uri.into()),
        read_preference: "secondaryPreferred".into(),
        overlap: Duration::ZERO,
        rate: None,
    };
    open(&settings, "20240501T000000Z-abcdef").expect("a source")
}

/// How a collection with the timestamp `at` is read.
pub fn request(database: &str, collection: &str, scope: Scope) -> ReadRequest {
    ReadRequest {
        namespace: Namespace { database: database.into(), collection: collection.into() },
        scope,
        timestamp: FieldPath::parse("at"),
        timezone: chrono_tz::Asia::Kolkata,
        exclude: Vec::new(),
        not_before: None,
        batch_bytes: 1 << 20,
        batch_documents: 1000,
        ranges: 3,
    }
}

async fn documents(source: &dyn Source, request: ReadRequest) -> Result<Vec<RawDocumentBuf>> {
    let batches: Vec<RawBatch> = source.read(request).try_collect().await?;
    assert!(batches.iter().all(|batch| !batch.documents.is_empty()), "an empty batch");
    let all = batches.iter().flat_map(|batch| &batch.documents);
    Ok(all.map(|bytes| RawDocumentBuf::from_bytes(bytes.to_vec()).expect("a whole document")).collect())
}

/// The `_id`s, sorted, each as often as it came.
fn ids(documents: &[RawDocumentBuf]) -> Vec<String> {
    let mut ids: Vec<String> = documents.iter().map(|document| id_text(document)).collect();
    ids.sort();
    ids
}

fn id_text(document: &RawDocument) -> String {
    format!("{:?}", document.get("_id").expect("valid").expect("an _id"))
}

/// The collection as mongodump writes it.
async fn dump_of(database: &Database, collection: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cursor = database.collection::<RawDocumentBuf>(collection).find(doc! {}).await.expect("find");
    let mut bytes = Vec::new();
    while let Some(document) = cursor.try_next().await.expect("read") {
        bytes.extend_from_slice(document.as_bytes());
    }
    let place = folder.path().join(database.name());
    std::fs::create_dir_all(&place).expect("make the dump's folder");
    std::fs::write(place.join(format!("{collection}.bson")), bytes).expect("write the dump");
    folder
}

fn id_at(ms: i64, n: u8) -> ObjectId {
    ObjectId::from_parts(u32::try_from(ms / 1000).expect("a time of ObjectIds"), [7; 5], [0, 0, n])
}

/// Every kind that can hold a time, and some that cannot, at `ms`.
fn times(ms: i64) -> Vec<Bson> {
    let seconds = ms / 1000;
    let time = chrono::DateTime::from_timestamp_millis(ms).expect("a time");
    let kolkata = time.with_timezone(&chrono_tz::Asia::Kolkata);
    let decimal = |text: String| text.parse::<Decimal128>().expect("a decimal");
    let mut times: Vec<Bson> = vec![
        DateTime::from_millis(ms).into(),
        Timestamp { time: u32::try_from(seconds).expect("a time of Timestamps"), increment: 1 }.into(),
        id_at(ms, 0).into(),
        Bson::Int32(i32::try_from(seconds).expect("seconds")),
        Bson::Int64(seconds),
        Bson::Int64(ms),
        Bson::Double(ms as f64 / 1000.0),
        Bson::Double(ms as f64),
        decimal(seconds.to_string()).into(),
        decimal(ms.to_string()).into(),
        time.to_rfc3339().into(),
        kolkata.format("%Y-%m-%d %H:%M:%S%.3f").to_string().into(),
        kolkata.format("%Y/%-m/%-d %H:%M").to_string().into(),
        kolkata.format("%Y-%m-%d").to_string().into(),
        time.with_timezone(&chrono_tz::Pacific::Kiritimati).to_rfc3339().into(),
        time.with_timezone(&chrono_tz::Pacific::Pago_Pago).format("%Y-%m-%dT%H:%M:%S%z").to_string().into(),
        Bson::Symbol(time.to_rfc3339()),
    ];
    let arrays: Vec<Bson> =
        times.iter().map(|time| Bson::Array(vec!["n/a".into(), time.clone(), Bson::Int32(1)])).collect();
    times.extend(arrays);
    times
}

fn not_times() -> Vec<Bson> {
    vec![
        Bson::Null,
        Bson::Double(f64::NAN),
        Bson::Double(f64::INFINITY),
        "1E+6000".parse::<Decimal128>().expect("a decimal").into(),
        "soon".into(),
        "9999".into(),
        true.into(),
        doc! { "date": DateTime::from_millis(MAY) }.into(),
        Bson::Array(vec![]),
        Bson::Array(vec![Bson::Array(vec![DateTime::from_millis(MAY).into()])]),
    ]
}

#[tokio::test]
async fn a_window_finds_every_kind_of_time_in_both_sources() {
    let server = Mongod::shared();
    let client = server.client().await;
    let database = client.database(&fresh_database("extract"));
    let collection = database.collection::<Document>("c");
    let mut all = Vec::new();
    let hour = 3_600_000;
    for (n, ms) in [MAY - 48 * hour, MAY - 25 * hour, MAY - hour, MAY - 1000, MAY, MAY + 1000, MAY + 25 * hour]
        .into_iter()
        .enumerate()
    {
        for (m, time) in times(ms).into_iter().enumerate() {
            let old = u8::try_from(m).expect("few kinds");
            all.push(doc! { "_id": format!("{n}-{m}"), "at": time.clone(), "nest": [{ "at": time.clone() }, 1] });
            all.push(doc! { "_id": ObjectId::from_parts(1_000 + n as u32, [1; 5], [0, 0, old]), "at": time });
        }
        for (m, value) in not_times().into_iter().enumerate() {
            let by_id = id_at(ms, u8::try_from(m + 1).expect("few kinds"));
            all.push(doc! { "_id": by_id, "at": value.clone(), "nest": [{ "at": value.clone() }] });
            all.push(doc! { "_id": format!("none {n}-{m}"), "at": value });
        }
        all.push(doc! { "_id": id_at(ms, 0) });
    }
    collection.insert_many(&all).await.expect("insert");
    let folder = dump_of(&database, "c").await;
    let mongo = source_at(server.uri());
    let dump = source_at(&format!("dump:{}", folder.path().display()));

    for indexed in [false, true] {
        if indexed {
            collection
                .create_index(mongodb::IndexModel::builder().keys(doc! { "at": 1 }).build())
                .await
                .expect("index");
        }
        // A source of its own: what it learnt of the collection is kept for the whole run.
        let mongo = if indexed { source_at(server.uri()) } else { Arc::clone(&mongo) };
        let namespace = Namespace { database: database.name().into(), collection: "c".into() };
        let described = mongo.describe(&namespace, FieldPath::parse("at").as_ref()).await.expect("described");
        assert_eq!(described.timestamp_indexed, Some(indexed));
        assert_eq!(described.documents, Some(all.len() as u64));
        for path in ["at", "nest.at", "_id"] {
            for from_ms in [MAY - 30 * hour, MAY - 1, MAY, MAY + 1, MAY + 30 * hour, -5, i64::MIN, i64::MAX] {
                let path = FieldPath::parse(path).expect("a path");
                let zone = chrono_tz::Asia::Kolkata;
                let mut expected: Vec<String> = all
                    .iter()
                    .map(|document| RawDocumentBuf::try_from(document).expect("raw"))
                    .filter(|document| modified_by_ms(document, &path, zone).is_some_and(|ms| ms >= from_ms))
                    .map(|document| id_text(&document))
                    .collect();
                expected.sort();
                for source in [&mongo, &dump] {
                    let mut request = request(database.name(), "c", Scope::Since { from_ms });
                    request.timestamp = Some(path.clone());
                    let found = documents(source.as_ref(), request).await.expect("read");
                    assert_eq!(ids(&found), expected, "{path} from {from_ms}, dump: {}", source.is_dump());
                }
            }
        }
    }
}

fn any_time() -> impl Strategy<Value = Bson> {
    let near = MAY - 200_000_000..MAY + 200_000_000;
    let scalar = near.prop_flat_map(|ms| {
        let mut kinds = times(ms);
        kinds.extend(not_times());
        proptest::sample::select(kinds)
    });
    let number = prop_oneof![
        any::<i64>().prop_map(Bson::Int64),
        any::<f64>().prop_map(Bson::Double),
        any::<i32>().prop_map(Bson::Int32)
    ];
    let number = prop_oneof![number, (-2_000_000_000_i64..2_000_000_000).prop_map(Bson::Int64)];
    let one = prop_oneof![4 => scalar, 1 => number, 1 => "[0-9]{4}[-/][01]?[0-9][-/][0-3]?[0-9]([T ][0-9:.+Z-]{0,12})?".prop_map(Bson::String)];
    prop_oneof![3 => one.clone(), 1 => proptest::collection::vec(one, 0..4).prop_map(Bson::Array)]
}

fn any_document() -> impl Strategy<Value = Document> {
    let value = prop_oneof![
        3 => any_time(),
        1 => any_time().prop_map(|time| doc! { "b": time }.into()),
        1 => proptest::collection::vec(any_time(), 1..3)
            .prop_map(|times| Bson::Array(times.into_iter().map(|time| doc! { "b": time }.into()).collect())),
    ];
    (value, any::<[u8; 3]>(), 0_i64..2, MAY - 2_000_000..MAY + 2_000_000).prop_map(|(value, unique, with_id, ms)| {
        let seconds = u32::try_from(ms / 1000).expect("seconds");
        let id: Bson = match with_id {
            0 => ObjectId::from_parts(seconds, [3; 5], unique).into(),
            _ => format!("{seconds}{unique:?}").into(),
        };
        doc! { "_id": id, "a": value }
    })
}

/// The filter may find too much and must never find too little: the server evaluates it, `modified_by_ms` judges.
#[test]
fn no_window_misses_a_document() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = Mongod::shared();
    let client = runtime.block_on(server.client());
    let database = client.database(&fresh_database("extract"));
    let documents_and_window = (
        proptest::collection::vec(any_document(), 1..60),
        prop_oneof![4 => MAY - 2_000_000..MAY + 2_000_000, 1 => any::<i64>(), 1 => -100_000_000_000_i64..200_000_000_000],
        proptest::sample::select(vec!["a", "a.b"]),
        // With the index, small windows are read by one query.
        proptest::sample::select(vec!["random", "indexed"]),
    );
    for path in ["a", "a.b"] {
        let index = mongodb::IndexModel::builder().keys(doc! { path: 1 }).build();
        runtime.block_on(database.collection::<Document>("indexed").create_index(index).into_future()).expect("index");
    }
    let mut runner = TestRunner::new(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() });
    runner
        .run(&documents_and_window, |(mut all, from_ms, path, name)| {
            let mut seen = BTreeSet::new();
            all.retain(|document| seen.insert(format!("{:?}", document.get("_id"))));
            let path = FieldPath::parse(path).expect("a path");
            let mut expected: Vec<String> = all
                .iter()
                .map(|document| RawDocumentBuf::try_from(document).expect("raw"))
                .filter(|raw| modified_by_ms(raw, &path, chrono_tz::Asia::Kolkata).is_some_and(|ms| ms >= from_ms))
                .map(|raw| id_text(&raw))
                .collect();
            expected.sort();
            let found = runtime.block_on(async {
                let collection = database.collection::<Document>(name);
                collection.delete_many(doc! {}).await.expect("empty");
                collection.insert_many(&all).await.expect("insert");
                let mut request = request(database.name(), name, Scope::Since { from_ms });
                request.timestamp = Some(path);
                documents(source_at(server.uri()).as_ref(), request).await.expect("read")
            });
            prop_assert_eq!(ids(&found), expected);
            Ok(())
        })
        .expect("no document is missed");
}

/// The n-th `_id` of a collection's commonest type.
type MakeId = fn(u32) -> Bson;

fn ids_of_every_type() -> Vec<Bson> {
    let binary = |subtype, bytes: &[u8]| Bson::Binary(Binary { subtype, bytes: bytes.to_vec() });
    vec![
        Bson::Null,
        Bson::MinKey,
        Bson::MaxKey,
        true.into(),
        false.into(),
        Bson::Double(f64::NAN),
        Bson::Double(f64::INFINITY),
        Bson::Double(f64::NEG_INFINITY),
        Bson::Double(0.5),
        "1E+6000".parse::<Decimal128>().expect("a decimal").into(),
        Bson::Int64(i64::MAX),
        Bson::Int64(i64::MIN),
        "".into(),
        "ä".into(),
        Bson::Symbol("symbol".into()),
        doc! {}.into(),
        doc! { "a": 1, "b": "x" }.into(),
        binary(BinarySubtype::Generic, b""),
        binary(BinarySubtype::Uuid, &[5; 16]),
        ObjectId::from_bytes([0; 12]).into(),
        ObjectId::from_bytes([255; 12]).into(),
        DateTime::from_millis(i64::MIN).into(),
        DateTime::from_millis(MAY).into(),
        Timestamp { time: 5, increment: 6 }.into(),
        Bson::JavaScriptCode("code".into()),
    ]
}

#[tokio::test]
async fn full_reads_in_ranges_give_every_document_once_whatever_the_types_of_its_id() {
    let server = Mongod::shared();
    let client = server.client().await;
    let database = client.database(&fresh_database("extract"));
    let common: [(&str, MakeId); 4] = [
        ("numbers", |n| {
            if n.is_multiple_of(2) { Bson::Int32(n as i32 - 6000) } else { Bson::Double(f64::from(n) - 6000.0) }
        }),
        ("texts", |n| format!("ID-{:05}", n.wrapping_mul(7919) % 100_003).into()),
        ("objectids", |n| ObjectId::from_parts(n, [1; 5], [0; 3]).into()),
        ("dates", |n| DateTime::from_millis(i64::from(n)).into()),
    ];
    for (name, id) in common {
        for collation in [None, Some("fr")] {
            let name = format!("{name}_{}", collation.unwrap_or("plain"));
            if let Some(locale) = collation {
                let collation = mongodb::options::Collation::builder().locale(locale).build();
                database.create_collection(&name).collation(collation).await.expect("create");
            }
            let mut rare = ids_of_every_type();
            // No index with a collation takes symbols.
            rare.retain(|id| collation.is_none() || !matches!(id, Bson::Symbol(_)));
            let all = (0..12_000).map(id).chain(rare).map(|id| doc! { "_id": id, "x": 1 });
            database.collection::<Document>(&name).insert_many(all).await.expect("insert");
            let expected = ids(&documents_of(&database, &name).await);
            let bound = source_at(server.uri()).bound().await.expect("bound");
            for ranges in [1, 3] {
                let mut request = request(database.name(), &name, Scope::Full);
                (request.ranges, request.not_before, request.batch_bytes) = (ranges, bound.operation_time, 20_000);
                let found = documents(source_at(server.uri()).as_ref(), request).await.expect("read");
                let found = ids(&found);
                assert_eq!(found.len(), expected.len(), "{name}");
                assert!(found == expected, "{name}: other documents");
            }
        }
    }
}

async fn documents_of(database: &Database, collection: &str) -> Vec<RawDocumentBuf> {
    let cursor = database.collection::<RawDocumentBuf>(collection).find(doc! {}).await.expect("find");
    cursor.try_collect().await.expect("read")
}

#[tokio::test]
async fn a_read_that_breaks_goes_on() {
    // Failpoints hold for a whole server, so this test has one of its own.
    let server = Mongod::start_replica_set();
    let client = server.client().await;
    let database = client.database("h");
    let all = (0..30_000).map(|n| doc! { "_id": n, "at": DateTime::from_millis(MAY + n) });
    database.collection::<Document>("c").insert_many(all).await.expect("insert");
    let namespace = Namespace { database: "h".into(), collection: "c".into() };
    for (command, code, close) in [
        ("getMore", 43, false),
        ("getMore", 189, false),
        ("getMore", 0, true),
        ("listCollections", 189, false),
        ("listIndexes", 189, false),
        ("aggregate", 189, false),
    ] {
        let mut data = doc! { "failCommands": [command], "closeConnection": close };
        if code != 0 {
            data.insert("errorCode", code);
        }
        server
            .command(doc! { "configureFailPoint": "failCommand", "mode": { "times": 3 }, "data": data })
            .expect("set the failpoint");
        let source = source_at(server.uri());
        let mut request = request("h", "c", Scope::Full);
        request.batch_documents = 500;
        let found = documents(source.as_ref(), request).await.expect("read in spite of breaks");
        assert_eq!(ids(&found).len(), 30_000, "{command}, {code}: each document once");
        assert_eq!(ids(&found).into_iter().collect::<BTreeSet<_>>().len(), 30_000);
        assert!(source.retries(&namespace) >= 3, "{command}, {code}: {}", source.retries(&namespace));
    }
    server
        .command(doc! { "configureFailPoint": "failCommand", "mode": "alwaysOn",
        "data": { "failCommands": ["find"], "errorCode": 8000 } })
        .expect("set the failpoint");
    let error = documents(source_at(server.uri()).as_ref(), request("h", "c", Scope::Full)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Source);
    assert!(error.to_string().starts_with("read h.c: "), "{error}");
}

#[tokio::test]
async fn excluded_paths_are_left_out_and_batches_keep_their_limits() {
    let server = Mongod::shared();
    let client = server.client().await;
    let database = client.database(&fresh_database("extract"));
    let all = (0..100).map(
        |n| doc! { "_id": n, "at": DateTime::now(), "name": "x".repeat(100), "visits": [{ "note": "n", "n": 1 }] },
    );
    database.collection::<Document>("c").insert_many(all).await.expect("insert");
    let source = source_at(server.uri());
    for scope in [Scope::Full, Scope::Since { from_ms: 0 }] {
        let mut request = request(database.name(), "c", scope);
        request.exclude =
            ["name", "visits.note", "visits.note.text"].into_iter().filter_map(FieldPath::parse).collect();
        (request.batch_documents, request.batch_bytes) = (7, 400);
        let batches: Vec<RawBatch> = source.read(request.clone()).try_collect().await.expect("read");
        assert!(batches.iter().all(|batch| batch.documents.len() <= 7 && batch.bytes() <= 400));
        let found = documents(source.as_ref(), request).await.expect("read");
        assert_eq!(found.len(), 100);
        for document in found {
            assert!(document.get("name").expect("valid").is_none());
            let visits = document.get_array("visits").expect("kept");
            assert_eq!(visits.get_document(0).expect("kept").iter().count(), 1);
        }
    }
}

#[tokio::test]
async fn what_can_be_read_under_a_name() {
    let server = Mongod::shared();
    let client = server.client().await;
    let name = fresh_database("extract");
    let database = client.database(&name);
    let patients = database.collection::<Document>("patients");
    patients.insert_many([doc! { "_id": 1, "at": DateTime::now() }, doc! { "_id": 2 }]).await.expect("insert");
    database.run_command(doc! { "create": "view", "viewOn": "patients", "pipeline": [] }).await.expect("view");
    let without_id = doc! { "create": "bare", "viewOn": "patients", "pipeline": [{ "$project": { "_id": 0 } }] };
    database.run_command(without_id).await.expect("view");
    let series = doc! { "create": "series", "timeseries": { "timeField": "at" } };
    database.run_command(series).await.expect("time-series");

    let source = source_at(server.uri());
    let describe = async |collection: &str| {
        let namespace = Namespace { database: name.clone(), collection: collection.into() };
        source.describe(&namespace, FieldPath::parse("at").as_ref()).await
    };
    assert_eq!(describe("patients").await.expect("described").kind, CollectionKind::Collection);
    let view = describe("view").await.expect("described");
    assert_eq!((view.kind, view.documents, view.timestamp_indexed), (CollectionKind::View, None, None));
    assert_eq!(documents(source.as_ref(), request(&name, "view", Scope::Full)).await.expect("read").len(), 2);
    assert_eq!(
        documents(source.as_ref(), request(&name, "view", Scope::Since { from_ms: MAY })).await.expect("read").len(),
        1
    );
    for (collection, words) in [
        ("bare", "without _id"),
        ("series", "time-series"),
        ("Patients", "does not exist"),
        ("system.views", "MongoDB's own"),
    ] {
        let error = documents(source.as_ref(), request(&name, collection, Scope::Full)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Source);
        let text = error.to_string();
        assert!(text.contains(words) && text.contains(&format!("{name}.{collection}")), "{text}");
        assert!(error.hint_text().is_some(), "{text}");
        if collection != "bare" {
            assert_eq!(describe(collection).await.unwrap_err().to_string(), text);
        }
    }
}

#[tokio::test]
async fn a_server_that_refuses_or_is_not_there() {
    let server = Mongod::start_with_auth("reader", "right");
    let client = server.client().await;
    client.database("h").collection("c").insert_one(doc! { "_id": 1 }).await.expect("insert");
    source_at(server.uri()).bound().await.expect("the right password is let in");

    let anonymous = format!("mongodb://127.0.0.1:{}/?directConnection=true", server.port());
    let nobody = format!("mongodb://nobody:s3cret@127.0.0.1:{}/?serverSelectionTimeoutMS=300", free_port());
    for (uri, words) in [
        (server.uri_of("reader", "wr0ng"), "refuses the user or the password"),
        (server.uri_of("stranger", "wr0ng"), "refuses the user or the password"),
        (anonymous, "wants a user and a password"),
        (nobody, "no suitable MongoDB server answers"),
    ] {
        let started = Instant::now();
        let error = source_at(&uri).bound().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        let text = format!("{error:?}");
        assert!(text.contains(words), "{text}");
        assert!(!text.contains("wr0ng") && !text.contains("s3cret"), "{text}");
        assert!(error.hint_text().is_some(), "{text}");
        assert!(started.elapsed() < Duration::from_secs(30), "{words} took {:?}", started.elapsed());
    }

    let limited = doc! { "createUser": "limited", "pwd": "p", "roles": [{ "role": "read", "db": "h" }] };
    server.command(limited).expect("create a user");
    let source = source_at(&server.uri_of("limited", "p"));
    source.bound().await.expect("a user of one database is let in");
    assert_eq!(documents(source.as_ref(), request("h", "c", Scope::Full)).await.expect("read").len(), 1);
    let error = documents(source.as_ref(), request("other", "c", Scope::Full)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Source, "{error}");
}

#[tokio::test]
async fn bounds_of_both_kinds_of_servers() {
    let now = DateTime::now().timestamp_millis();
    let near = |time_ms: Option<i64>| (time_ms.expect("a time") - now).abs() < 120_000;
    let set = source_at(Mongod::shared().uri()).bound().await.expect("bound");
    assert!(near(set.time_ms));
    let seconds = set.operation_time.expect("an operationTime").seconds;
    assert!(near(Some(i64::from(seconds) * 1000)));

    let standalone = Mongod::start();
    let source = source_at(standalone.uri());
    let bound = source.bound().await.expect("bound");
    assert!(near(bound.time_ms));
    assert_eq!(bound.operation_time, None);
    standalone.client().await.database("h").collection("c").insert_one(doc! { "_id": 1 }).await.expect("insert");
    assert_eq!(documents(source.as_ref(), request("h", "c", Scope::Full)).await.expect("read").len(), 1);
}

/// Every query can be found in the server's logs, reads what a majority has, no earlier than the bound, and over an
/// index. A small window is one query; a large one is read by its conditions, each over the index that is named.
#[tokio::test]
async fn queries_say_who_they_are_and_when_they_read() {
    let server = Mongod::start_replica_set();
    let client: Client = server.client().await;
    let database = client.database("h");
    let collection = database.collection::<Document>("c");
    // Their ids are older than the windows.
    let dated = |from: i64| (from..from + 1500).map(|n| doc! { "at": DateTime::from_millis(MAY + n) });
    let older = |(n, document): (i64, Document)| {
        let id = ObjectId::from_parts(u32::try_from(MAY / 1000 - 9).expect("a time"), [0; 5], [0; 3]);
        let mut bytes = id.bytes();
        bytes[8..].copy_from_slice(&u32::try_from(n).expect("a number").to_be_bytes());
        [doc! { "_id": ObjectId::from_bytes(bytes) }, document].into_iter().flatten().collect::<Document>()
    };
    collection.insert_many((0..).zip(dated(0)).map(older)).await.expect("insert");
    let keys = doc! { "at": 1 };
    collection.create_index(mongodb::IndexModel::builder().keys(keys).build()).await.expect("index");
    database.run_command(doc! { "profile": 2 }).await.expect("profile");
    let source = source_at(server.uri());
    let bound = source.bound().await.expect("bound");
    let expected = bound.operation_time.expect("operationTime");

    let mut seen = 0;
    for (from, hints) in [(1490, vec![None]), (100, vec![None, Some("_id"), Some("at_1")])] {
        let mut request = request("h", "c", Scope::Since { from_ms: MAY + from });
        request.not_before = bound.operation_time;
        let found = documents(source.as_ref(), request).await.expect("read").len();
        assert_eq!(i64::try_from(found).expect("a count"), 1500 - from);

        // Without the question how far the member is, which is one batch of nothing.
        let finds = doc! { "op": "query", "command.find": "c", "command.singleBatch": { "$exists": false } };
        let profile = database.collection::<Document>("system.profile").find(finds).await.expect("profile");
        let profile: Vec<Document> = profile.try_collect().await.expect("profile");
        assert_eq!(profile.len() - seen, hints.len());
        for (query, expected_hint) in profile[seen..].iter().zip(hints) {
            assert_eq!(query.get_str("appName").expect("appName"), "lakefold");
            let command = query.get_document("command").expect("command");
            assert_eq!(command.get_str("comment").expect("comment"), "lakefold/20240501T000000Z-abcdef");
            let concern = command.get_document("readConcern").expect("readConcern");
            assert_eq!(concern.get_str("level").expect("level"), "majority");
            let after = concern.get_timestamp("afterClusterTime").expect("afterClusterTime");
            assert!(OperationTime { seconds: after.time, increment: after.increment } >= expected);
            let hint = command.get("hint").map(|hint| match hint {
                Bson::Document(keys) => keys.keys().next().expect("a key").clone(),
                name => name.as_str().expect("a name").to_owned(),
            });
            assert_eq!(hint.as_deref(), expected_hint, "{command}");
            let plan = query.get_str("planSummary").expect("a plan");
            let most = if hint.is_none() { 1001 } else { 1400 };
            let examined = query.get_i32("docsExamined").expect("docsExamined");
            assert!(!plan.contains("COLLSCAN") && i64::from(examined) <= most.min(1500 - from), "{plan}: {examined}");
        }
        seen = profile.len();
    }
}
