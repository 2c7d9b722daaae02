//! A killed run leaves parts of uploads that no listing shows and that are paid for: the next run takes them away, those
//! of the collection it holds and no others.

use super::{bills, environment, run};
use crate::support::s3::{BUCKET, S3};
use lakefold::lake::Lake;
use object_store::ObjectStoreExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;

fn client(server: &S3) -> AmazonS3 {
    let mut builder = AmazonS3Builder::new().with_bucket_name(BUCKET).with_allow_http(true);
    for (name, value) in server.variables() {
        builder = builder.with_config(name.to_lowercase().parse().expect("a key"), value);
    }
    builder.build().expect("set up a client")
}

/// Begins an upload, sends a part of it and goes away without a word.
pub async fn abandon(server: &S3, key: &str) {
    let mut upload = client(server).put_multipart(&Path::parse(key).expect("key")).await.expect("begin");
    upload.put_part(vec![1; 5 << 20].into()).await.expect("send a part");
}

async fn swept(server: &S3) {
    let lake = Lake::open_with(&server.settings("lake"), &server.variables()).await.expect("open");
    let key = "lake/db/coll/date=2024-05-01/id1=FAC%20001%2F7/data.parquet";
    for key in [key, key, "lake/db/coll2/data.parquet"] {
        abandon(server, key).await;
    }
    assert_eq!(lake.abort_uploads("db/coll/").await.expect("sweep"), 2);
    assert_eq!(lake.abort_uploads("db/coll/").await.expect("sweep"), 0);
    assert_eq!(lake.abort_uploads("db/coll2/").await.expect("sweep"), 1, "the neighbour's was left alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_uploads_are_aborted_below_one_folder() {
    swept(&S3::moto()).await;
    // Checks the signature of the listing.
    swept(&S3::seaweed()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_run_sweeps_up_after_a_dead_one() {
    let server = S3::moto();
    let place = bills(3);
    place.write("env/test.toml", environment(&server, ""));
    let ended = run(&place, &server, &["run", "--env", "test"]);
    assert_eq!(ended.code, 0, "{ended}");
    abandon(&server, "lake/hospital/bills/data.parquet").await;
    abandon(&server, "lake/_lakefold/quarantine/hospital/bills/20240501T000000Z-aaaaaa.bson").await;
    let idle = run(&place, &server, &["run", "--env", "test"]);
    assert_eq!(idle.code, 0, "{idle}");
    let uploads = || server.plain("GET", &format!("/{BUCKET}?uploads"), "").1;
    assert!(uploads().contains("<UploadId>"), "no run died, so nobody looked");

    let journal = r#"{"format":1,"run_id":"20240501T000000Z-abcdef","mode":"incremental","partitions":[""],"retyping":false,
        "rebuild":false,"forget_schema":false,"allow_shrink":false}"#;
    let lake = Lake::open_with(&server.settings("lake"), &server.variables()).await.expect("open");
    lake.put("_lakefold/journal/hospital/bills.json", journal.into(), lakefold::lake::Expect::Any).await.expect("put");
    // It may be that of a run under way: nobody holds the collection.
    let dry = run(&place, &server, &["run", "--env", "test", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry}");
    assert!(uploads().contains("<UploadId>"), "a dry run aborted them: {dry}");
    let ended = run(&place, &server, &["run", "--env", "test"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stderr.contains("unfinished uploads of the dead run aborted"), "{ended}");
    assert!(!uploads().contains("<UploadId>"), "{}", uploads());
}
