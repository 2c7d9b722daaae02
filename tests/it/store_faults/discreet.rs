//! P10: what a store says when it refuses part of a file names the key, and with it values of documents.

use crate::support::lakefold::{Ended, Workplace, next_second};
use crate::support::s3::S3;
use crate::support::s3_proxy::{Fault, Rule, S3Proxy};
use crate::support::s3_request::{Kind, Place, Verb};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, Document, doc, serialize_to_vec};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A partition that is named after what nobody may read in a log.
const WARD: &str = "ward-zq";

/// More than what is read at once from the end of a file, and nothing that compresses.
const SCAN_BYTES: usize = 300 << 10;

fn scanned(id: i32) -> Document {
    let mut bytes = vec![0; SCAN_BYTES];
    ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut bytes);
    let scan = Binary { subtype: BinarySubtype::Generic, bytes };
    doc! { "_id": id, "site": WARD, "scan": scan, "updated_at": DateTime::from_millis(1_714_500_000_000) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_range_is_told_without_the_values_in_its_key() {
    let server = S3::seaweed();
    let proxy = S3Proxy::before(server.port());
    let place = Workplace::new();
    let url = server.url("discreet");
    place.write(
        "env/test.toml",
        format!("[source]\nuri = \"dump:source\"\n[lake]\nurl = \"{url}\"\n[run]\nmemory = \"256MiB\"\n"),
    );
    place.write(
        "collections.csv",
        "database,collection,timestamp_column,partition_by\nh,patients,updated_at,site=site\n",
    );
    let source = |ids: std::ops::Range<i32>| {
        let documents: Vec<u8> = ids.flat_map(|id| serialize_to_vec(&scanned(id)).expect("BSON")).collect();
        place.write("source/h/patients.bson", documents);
    };
    let lakefold = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.args(["--env", "test", "-vv"]).envs(server.variables()).env("AWS_MAX_ATTEMPTS", "2");
        Ended::of(command.env("AWS_ENDPOINT_URL", proxy.endpoint()).output().expect("start lakefold"))
    };
    source(0..1);
    let first = lakefold(&["run"]);
    assert_eq!(first.code, 0, "{first}");

    source(0..2);
    let data = Kind(Verb::Get, Place::Data);
    let sql = "SELECT count(DISTINCT scan) AS n FROM h.patients";
    for arguments in [&["run", "--json"][..], &["query", "-e", sql]] {
        // The first request is for the end of the file, and the one after it for rows.
        for skip in [0, 1] {
            next_second();
            proxy.set(Rule { skip, ..Rule::always(data, Fault::Refuse(500, "InternalError")) });
            let ended = lakefold(arguments);
            assert!(ended.code != 0 && proxy.hit().contains(&data), "{arguments:?} after {skip}\n{ended}");
            let said = format!("{}{}", ended.stdout, ended.stderr);
            assert!(said.contains("the store answered 500 InternalError"), "{arguments:?} after {skip}\n{ended}");
            for needle in [WARD, "<Error>", "injected"] {
                assert!(!said.contains(needle), "{needle} after {arguments:?} after {skip}\n{ended}");
            }
        }
    }
    // All that is kept of these runs.
    let kept = tempfile::tempdir().expect("a temporary folder");
    server.download("discreet/_lakefold/runs", kept.path()).await;
    let records: Vec<_> = std::fs::read_dir(kept.path()).expect("the records").collect();
    assert!(records.len() >= 3, "{records:?}");
    for record in records {
        let text = std::fs::read_to_string(record.expect("an entry").path()).expect("a record");
        assert!(!text.contains(WARD) && !text.contains("<Error>"), "{text}");
    }
    proxy.set(None);
    let healed = lakefold(&["run"]);
    assert_eq!(healed.code, 0, "{healed}");
}
