//! The real program from a real mongod into S3 (P1, P2).

use crate::support::ground::{COLLECTIONS, Clinic, Ground};
use crate::support::lakefold::Ended;
use crate::support::s3::S3;
use mongodb::bson::doc;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_lives_in_a_bucket() {
    let server = S3::seaweed();
    let mut clinic = Clinic::with(200).await;
    let (ground, disk) = (Ground::s3(&clinic, &server, "some/lake"), Ground::disk(&clinic));
    expect(&ground.run(&[]), "inserted", 200);
    disk.run(&[]);

    for id in [7, 70] {
        clinic.set(id, doc! { "n": -id }).await;
    }
    expect(&ground.run(&[]), "updated", 2);
    disk.run(&[]);
    clinic.set(8, doc! { "site": "elsewhere" }).await;
    clinic.insert(1).await;
    let moved = ground.run(&[]);
    expect(&moved, "moved", 1);
    expect(&moved, "inserted", 1);
    disk.run(&[]);
    // A partition that loses its last row loses its file, which `seen` compares.
    clinic.set(9, doc! { "site": "for a while" }).await;
    ground.run(&[]);
    clinic.set(9, doc! { "site": "elsewhere" }).await;
    ground.run(&[]);
    disk.run(&[]);
    assert!(ground.seen().await == disk.seen().await, "a partition without rows");
    clinic.delete(0..20).await;
    expect(&ground.run(&["--full"]), "deleted", 20);
    disk.run(&["--full"]);
    ground.rests();
    assert_eq!(ground.seen().await, disk.seen().await, "in the bucket (left), on disk (right)");

    let objects = ground.objects().await;
    for name in COLLECTIONS {
        // `seen` has read the tables, so nothing but data files is there; no empty partition and no litter stays.
        assert!(!objects.path().join(format!("_lakefold/journal/{}/{name}.json", clinic.database)).exists());
        assert!(!objects.path().join(format!("_lakefold/leases/{}/{name}.json", clinic.database)).exists());
        assert!(objects.path().join(format!("_lakefold/index/{}/{name}/head.json.zst", clinic.database)).exists());
    }
    assert!(!objects.path().join("_lakefold/tmp").exists());
    unusable(&ground, &server);
    clinic.drop().await;
}

/// Every collection's count of `what`.
fn expect(record: &Value, what: &str, rows: u64) {
    for collection in record["collections"].as_array().expect("collections") {
        assert_eq!(collection["rows"][what], rows, "{what}: {collection:#}");
    }
}

fn unusable(ground: &Ground<'_>, server: &S3) {
    let ended =
        |name: &str, value: &str| Ended::of(ground.command(&[]).env(name, value).output().expect("start lakefold"));
    let wrong = ended("AWS_SECRET_ACCESS_KEY", "wrong-secret");
    wrong.refused(3, &["the secret key is wrong"]);
    assert!(!wrong.stderr.contains("wrong-secret") && wrong.stdout.is_empty(), "{wrong}");
    ended("AWS_ACCESS_KEY_ID", "nobody").refused(3, &["the access key is unknown"]);
    ended("AWS_ENDPOINT_URL", "http://127.0.0.1:1").refused(3, &["http://127.0.0.1:1"]);
    ground.lake_url("s3://no-such-bucket/lake");
    let missing = ended("AWS_ENDPOINT_URL", &server.endpoint());
    missing.refused(3, &["s3://no-such-bucket/lake", "the bucket does not exist"]);
    assert_eq!(missing.stderr.matches("does not exist").count(), 1, "{missing}");
}
