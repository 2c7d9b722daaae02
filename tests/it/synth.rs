//! `synth` into a real MongoDB: the same hospital as in a dump, made, advanced and defended.

use super::support::mongod::Mongod;
use futures::TryStreamExt;
use lakefold::error::Kind;
use lakefold::model::progress::Silent;
use lakefold::synth::{DATABASE, Destination, SynthOptions, SynthReport, synth};
use mongodb::bson::{Document, doc};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

async fn run(out: &str, advance: u32) -> lakefold::error::Result<SynthReport> {
    let (seed, scale) = if advance == 0 { (Some(5), Some(0.1)) } else { (None, None) };
    let options = SynthOptions { out: Destination::parse(out), seed, scale, advance };
    synth(&options, Arc::new(Silent)).await
}

/// Documents by the text of their `_id`.
type Found = BTreeMap<String, Document>;

fn by_id(documents: Vec<Document>) -> Found {
    documents.into_iter().map(|document| (document.get("_id").expect("an _id").to_string(), document)).collect()
}

fn in_dump(out: &Path, collection: &str) -> Found {
    let bytes = std::fs::read(out.join(DATABASE).join(format!("{collection}.bson"))).expect("the dump's file");
    let mut rest = bytes.as_slice();
    let mut documents = Vec::new();
    while !rest.is_empty() {
        documents.push(Document::from_reader(&mut rest).expect("a whole document"));
    }
    by_id(documents)
}

async fn in_mongo(server: &Mongod, collection: &str) -> Found {
    let collection = server.client().await.database(DATABASE).collection::<Document>(collection);
    by_id(collection.find(doc! {}).await.expect("find").try_collect().await.expect("read all"))
}

#[tokio::test]
async fn mongo_and_dump_hold_the_same_hospital_and_advance_alike() {
    let server = Mongod::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("dump");
    let path = out.display().to_string();
    for advance in [0, 1, 3] {
        let written = run(&path, advance).await.expect("the dump");
        let sent = run(server.uri(), advance).await.expect("the database");
        assert_eq!(written.days, sent.days);
        assert_eq!(sent.documents() < written.documents(), advance > 0, "an advance sends only what changed");
        for report in &written.collections {
            let (dump, mongo) = (in_dump(&out, report.collection), in_mongo(&server, report.collection).await);
            assert_eq!(dump.len() as u64, report.documents);
            assert!(dump == mongo, "{} differs after {} days", report.collection, written.days);
        }
    }
    let bills = server.client().await.database(DATABASE).collection::<Document>("bills");
    let indexes = bills.list_index_names().await.expect("the indexes");
    assert!(indexes.contains(&"updated_at_1".to_owned()), "{indexes:?}");
}

#[tokio::test]
async fn a_killed_advance_is_repeated_and_a_killed_generation_made_anew() {
    let server = Mongod::start();
    let states = server.client().await.database(DATABASE).collection::<Document>("synth_state");
    let cut = |days: u32, writing: u32| {
        let state = format!(r#"{{"format":1,"seed":5,"scale":0.1,"days":{days},"writing":{writing}}}"#);
        states.update_one(doc! {}, doc! { "$set": { "state": state } })
    };
    run(server.uri(), 0).await.expect("a hospital");
    run(server.uri(), 1).await.expect("a day");
    let after = in_mongo(&server, "bills").await;

    cut(60, 61).await.expect("as a kill in the advance left it");
    assert_eq!(run(server.uri(), 1).await.expect("the day again").days, 61);
    assert!(after == in_mongo(&server, "bills").await, "the repeated day left something else");

    cut(0, 60).await.expect("as a kill in the first generation left it");
    let bills = server.client().await.database(DATABASE).collection::<Document>("bills");
    bills.insert_one(doc! { "_id": "half-written" }).await.expect("a document of the first attempt");
    assert_eq!(run(server.uri(), 1).await.expect("all of it").days, 61);
    assert!(after == in_mongo(&server, "bills").await, "the first attempt left something");
}

#[tokio::test]
async fn a_database_of_somebody_else_is_left_alone() {
    let server = Mongod::start();
    let bills = server.client().await.database(DATABASE).collection::<Document>("bills");
    bills.insert_one(doc! { "_id": 1 }).await.expect("a bill of somebody else");
    for advance in [0, 1] {
        let error = run(server.uri(), advance).await.expect_err("it belongs to somebody else");
        assert_eq!(error.kind(), Kind::Input);
        assert!(error.to_string().contains("was not written by synth"), "{error}");
    }
    assert_eq!(in_mongo(&server, "bills").await.len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let uri = "mongodb://somebody:hunter2@127.0.0.1:9/?serverSelectionTimeoutMS=300";
    let error = run(uri, 0).await.expect_err("nobody listens there");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(!format!("{error:?}").contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_connection_string_that_cannot_be_read_is_not_quoted() {
    for uri in ["mongodb://somebody:hunter2?Secret@db/", "mongodb://somebody:27017?hunter2=Secret@db/"] {
        let error = run(uri, 0).await.expect_err("a `?` in the password");
        let said = error.explained().to_lowercase();
        assert_eq!(error.kind(), Kind::Input);
        assert!(!said.contains("hunter2") && !said.contains("secret"), "{said}");
    }
}
