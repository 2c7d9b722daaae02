//! P9: two processes started together on the same collections. One is busy and names the holder, or runs after; what is
//! left is what one run leaves.

use crate::support::ground::{Clinic, Ground};
use crate::support::lakefold::Ended;
use crate::support::s3::S3;
use crate::support::soak::{asked, covered};
use serde_json::Value;

/// Rounds in an ordinary test run; `LAKEFOLD_PAIRS=N` asks for more.
const ROUNDS: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_are_safe_in_a_bucket() {
    let server = S3::moto();
    let mut clinic = Clinic::with(100).await;
    let ground = Ground::s3(&clinic, &server, "lake");
    two_at_once(&mut clinic, &ground).await;
    clinic.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_are_safe_on_disk() {
    let mut clinic = Clinic::with(100).await;
    let ground = Ground::disk(&clinic);
    two_at_once(&mut clinic, &ground).await;
    clinic.drop().await;
}

async fn two_at_once(clinic: &mut Clinic, ground: &Ground<'_>) {
    let alone = Ground::disk(clinic);
    let (rounds, mut busy) = (asked("LAKEFOLD_PAIRS").unwrap_or(ROUNDS), 0);
    for round in 0..rounds {
        let flags: &[&str] = if round % 3 == 2 { &["--full"] } else { &[] };
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
                        busy += 1;
                    }
                    _ => panic!("neither landed nor busy: {collection:#}"),
                }
            }
        }
        // Nothing was written between the two, so that the one that was not busy has folded all there is.
        alone.run(flags);
        assert_eq!(ground.seen().await, alone.seen().await, "round {round}: two at once (left), one (right)");
        clinic.set(i64::try_from(round).expect("few rounds"), mongodb::bson::doc! { "site": "moved" }).await;
        clinic.insert(5).await;
    }
    covered(format_args!("{rounds} pairs of runs, {busy} collections busy"));
}
