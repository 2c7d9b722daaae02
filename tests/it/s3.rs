//! The real program from a real mongod into S3, alone and against itself (P1, P2, P9).

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
        assert!(objects.path().join(format!("_lakefold/index/{}/{name}/head.json", clinic.database)).exists());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_are_safe_in_a_bucket() {
    let server = S3::moto();
    let mut clinic = Clinic::with(300).await;
    let ground = Ground::s3(&clinic, &server, "lake");
    two_at_once(&mut clinic, &ground).await;
    clinic.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_are_safe_on_disk() {
    let mut clinic = Clinic::with(300).await;
    let ground = Ground::disk(&clinic);
    two_at_once(&mut clinic, &ground).await;
    clinic.drop().await;
}

async fn two_at_once(clinic: &mut Clinic, ground: &Ground<'_>) {
    for round in 0..3 {
        let flags: &[&str] = if round == 2 { &["--full"] } else { &[] };
        let children = [ground.start(flags), ground.start(flags)];
        let ended = children.map(|child| Ended::of(child.wait_with_output().expect("wait")));
        let records: Vec<Value> = ended
            .iter()
            .map(|ended| serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("no record: {e}\n{ended}")))
            .collect();
        for (record, other) in [(&records[0], &records[1]), (&records[1], &records[0])] {
            for collection in record["collections"].as_array().expect("collections") {
                let reason = collection["reason"].as_str().unwrap_or_default();
                match collection["outcome"].as_str() {
                    Some("ok" | "idle") => {}
                    Some("busy") => {
                        let holder = other["run_id"].as_str().expect("a run id");
                        assert!(reason.contains(holder) && reason.contains("pid"), "{reason}");
                        assert_eq!(record["exit_code"], 1);
                    }
                    _ => panic!("neither landed nor busy: {collection:#}"),
                }
            }
        }
        // Whoever was busy left nothing undone that the other did not do, but for what came in between.
        ground.run(&[]);
        let seen = ground.seen().await;
        let documents = clinic.collection("bills").count_documents(doc! {}).await.expect("count");
        assert!(seen.iter().all(|table| table.rows.len() as u64 == documents), "round {round}: {documents} documents");
        clinic.set(round, doc! { "site": "moved" }).await;
        clinic.insert(10).await;
    }
}
