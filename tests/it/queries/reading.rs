//! What a query reads: a lake in a bucket as one on disk, the partitions that are asked for, within the memory it is
//! given; and what it says of a table that is not there.

use super::demo::{Demo, rows};
use crate::support::lakefold::{Environment, Workplace};
use crate::support::s3::S3;
use crate::support::s3_proxy::{Fault, Rule, S3Proxy};
use crate::support::s3_request::{Kind, Place, Verb};
use crate::support::watched::watch;
use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::fs::{self, File};
use std::process::Command;
use std::sync::Arc;

const BY_DAY: &str = "SELECT v.date, count(*) AS visits, max(v.arrived_at) AS last FROM hospital.visits AS v \
                      WHERE v.date BETWEEN $from AND $to GROUP BY 1 ORDER BY 1";

const GET: Kind = Kind(Verb::Get, Place::Data);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lake_in_a_bucket_gives_the_same_rows_and_only_what_is_asked_for_is_read() {
    let demo = Demo::shared();
    let server = S3::moto();
    for folder in ["hospital/visits", "_lakefold/schemas/hospital"] {
        server.upload(&demo.lake().join(folder), &format!("some/lake/{folder}")).await;
    }
    let proxy = S3Proxy::before(server.port());
    let place = Workplace::new();
    let environment = fs::read_to_string(demo.place.path().join("env/demo.toml")).expect("the environment");
    place.write("env/bucket.toml", environment.replace("file:.demo/lake", &server.url("some/lake")));
    place.write("collections.csv", fs::read(demo.place.path().join("collections.csv")).expect("the manifest"));
    let ask = |sql: &str, from: &str, to: &str| {
        let params = [format!("--param=from={from}"), format!("--param=to={to}")];
        let mut arguments = vec!["query", "--env", "bucket", "--format", "json", "-e", sql];
        arguments.extend(params.iter().filter(|_| sql.contains("$from")).map(String::as_str));
        let mut command: Command = place.command(&arguments);
        command.envs(server.variables()).env("AWS_ENDPOINT_URL", proxy.endpoint()).env("AWS_MAX_ATTEMPTS", "1");
        crate::support::lakefold::Ended::of(command.output().expect("start lakefold"))
    };
    let gets = || proxy.seen().get(&GET).copied().unwrap_or_default();

    proxy.set(None);
    let all = rows(ask(BY_DAY, "2024-01-01", "2024-12-31"), "all days");
    assert_eq!(all, demo.rows(BY_DAY, &[("from", "2024-01-01"), ("to", "2024-12-31")]), "in a bucket, on disk");
    let days = u32::try_from(all.len()).expect("a count");
    assert!(days > 60 && gets() >= days, "{days} days, {} reads", gets());

    // Nothing of March can be read now, and nothing of it is needed.
    let refused = Rule {
        kinds: vec![GET],
        // As it stands in a request.
        key: "date%3D2024-03".into(),
        skip: 0,
        times: u32::MAX,
        fault: Fault::Refuse(403, "AccessDenied"),
    };
    proxy.set(refused.clone());
    let some = rows(ask(BY_DAY, "2024-04-10", "2024-04-12"), "three days");
    assert_eq!(some.len(), 3);
    // A footer and the columns of each.
    assert!(proxy.hit().is_empty() && (3..=3 * 3).contains(&gets()), "{} reads of three files", gets());
    let ended = ask(BY_DAY, "2024-03-31", "2024-04-01");
    ended.refused(1, &["date=2024-03-31"]);
    assert!(proxy.hit().contains(&GET));

    proxy.set(None);
    ask("SELECT count(*) FROM hospital.visit", "", "")
        .refused(1, &["hospital.visit ", "did you mean hospital.visits?"]);
    assert_eq!(gets(), 0, "what a table is not called is found out from its name");
}

/// Sorts and groups far more than it may keep, and spills: P10 for queries.
#[test]
fn a_query_over_more_than_its_memory_ends_within_it() {
    const MIB: u64 = 1 << 20;
    // Rows of half a kilobyte, 160 MiB of them.
    const ROWS: u64 = 320_000;
    let place = Workplace::with(&Environment::of("dump:none"), "database,collection\nm,texts\n");
    let folder = place.lake().join("m/texts");
    fs::create_dir_all(&folder).expect("make a folder");
    let schema = Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8, true)]));
    let file = File::create(folder.join("data.parquet")).expect("create a file");
    // A reader holds a row group; those that lakefold writes are bounded too.
    let groups = WriterProperties::builder().set_max_row_group_row_count(Some(10_000)).build();
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(groups)).expect("a writer");
    for first in (0..ROWS).step_by(10_000) {
        // In no order, and each text once.
        let mixed = (first..first + 10_000).map(|row| row.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(mixed.map(|m| format!("{m:016x}").repeat(32))));
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), vec![texts]).expect("a batch")).expect("write");
    }
    writer.close().expect("close");
    let environment = fs::read_to_string(place.path().join("env/test.toml")).expect("the environment");
    let peak = |memory: u64, sql: &str| {
        let given = environment.replace("256MiB", &format!("{memory}MiB"));
        place.write("env/test.toml", given);
        let seen = watch(place.command(&["query", "--env", "test", "--format", "csv", "-e", sql]));
        assert_eq!((seen.ended.code, seen.ended.stdout.as_str()), (0, "n\n320000\n"), "{}", seen.ended);
        seen.peak_rss / MIB
    };
    let sorted =
        "SELECT max(place) AS n FROM (SELECT row_number() OVER (ORDER BY t.text) AS place FROM m.texts AS t) AS r";
    let grouped = "SELECT count(*) AS n FROM (SELECT t.text, count(*) AS times FROM m.texts AS t GROUP BY 1) AS g";
    for sql in [sorted, grouped] {
        let (little, much) = (peak(128, sql), peak(2048, sql));
        assert!(little <= 128 + 128, "{little} MiB with 128 MiB: {sql}");
        assert!(much > 128 + 128, "the query needs no more than {much} MiB, and shows nothing: {sql}");
    }
}
