//! What `[lake]` says of S3 reaches S3, on every request it concerns and on no other.

use super::calls::{Call, record, recorded};
use crate::support::s3::S3;
use lakefold::lake::{Expect, Lake};
use lakefold::model::settings::{Encryption, LakeSettings, S3Settings};

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn header<'c>(call: &'c Call, name: &str) -> Option<&'c str> {
    call.headers.get(name).map(String::as_str)
}

/// Writes that make an object or begin one.
fn makes(call: &Call) -> bool {
    let part = call.path.contains("partNumber=");
    (call.method == "PUT" && !part) || (call.method == "POST" && call.path.contains("uploads"))
}

/// A small object, a data file of two parts, a read, a listing and a deletion on condition.
async fn exercise(server: &S3, s3: S3Settings) -> Vec<Call> {
    let settings = LakeSettings { s3, ..server.settings("options") };
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("data.parquet");
    std::fs::write(&file, vec![7; 9 << 20]).expect("write");
    record(server);
    let lake = Lake::open_with(&settings, &server.variables()).await.expect("open");
    let version = lake.put("_lakefold/state.json", "{}".into(), Expect::Any).await.expect("put");
    lake.put_file("db/coll/data.parquet", &file, Expect::Any).await.expect("put a file");
    lake.get("_lakefold/state.json").await.expect("get");
    lake.delete("_lakefold/state.json", Expect::Version(version)).await.expect("delete");
    recorded(server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_reach_s3() {
    let server = S3::moto();
    let plain = exercise(&server, S3Settings::default()).await;
    for name in ["x-amz-server-side-encryption", "x-amz-storage-class", "x-amz-request-payer"] {
        assert!(plain.iter().all(|call| header(call, name).is_none()), "nobody asked for {name}");
    }

    let calls = exercise(
        &server,
        S3Settings {
            encryption: Encryption::Kms(Some(KEY.into())),
            requester_pays: true,
            storage_class: Some("STANDARD_IA".into()),
            requests: 4,
        },
    )
    .await;
    let made: Vec<&Call> = calls.iter().filter(|call| makes(call)).collect();
    assert_eq!(made.len(), 2, "{made:?}");
    for call in made {
        assert_eq!(header(call, "x-amz-server-side-encryption"), Some("aws:kms"), "{call:?}");
        assert_eq!(header(call, "x-amz-server-side-encryption-aws-kms-key-id"), Some(KEY));
        // State is small and short-lived: classes with a least size and duration are for data.
        let class = call.path.contains("data.parquet").then_some("STANDARD_IA");
        assert_eq!(header(call, "x-amz-storage-class"), class, "{}", call.path);
    }
    for call in &calls {
        let signed_url = call.path.contains("x-amz-request-payer=requester");
        assert!(header(call, "x-amz-request-payer") == Some("requester") || signed_url, "who pays? {call:?}");
    }
    assert!(calls.iter().any(|call| call.method == "DELETE"), "the deletion is among them");

    let calls = exercise(&server, S3Settings { encryption: Encryption::S3, ..S3Settings::default() }).await;
    let mut algorithms =
        calls.iter().filter(|call| makes(call)).map(|call| header(call, "x-amz-server-side-encryption"));
    assert!(algorithms.all(|algorithm| algorithm == Some("AES256")));
}
