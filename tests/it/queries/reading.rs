//! What a query reads: a lake in a bucket as one on disk, the partitions that are asked for, within the memory it is
//! given; and what it says of a table that is not there.

use super::demo::{Demo, rows};
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mounts::in_a_namespace;
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

/// Rows of half a kilobyte, 160 MiB of them.
const ROWS: u64 = 320_000;

const SORTED: &str =
    "SELECT max(place) AS n FROM (SELECT row_number() OVER (ORDER BY t.text) AS place FROM m.texts AS t) AS r";

/// A lake of one file whose texts are in no order, and each there once.
fn texts() -> Workplace {
    let place = Workplace::with(&Environment::of("dump:none"), "database,collection\nm,texts\n");
    let folder = place.lake().join("m/texts");
    fs::create_dir_all(&folder).expect("make a folder");
    let schema = Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8, true)]));
    let file = File::create(folder.join("data.parquet")).expect("create a file");
    // A reader holds a row group; those that lakefold writes are bounded too.
    let groups = WriterProperties::builder().set_max_row_group_row_count(Some(10_000)).build();
    let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(groups)).expect("a writer");
    for first in (0..ROWS).step_by(10_000) {
        let mixed = (first..first + 10_000).map(|row| row.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(mixed.map(|m| format!("{m:016x}").repeat(32))));
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), vec![texts]).expect("a batch")).expect("write");
    }
    writer.close().expect("close");
    place
}

/// Gives the commands of a workplace `mib` MiB.
fn give(place: &Workplace, environment: &str, mib: u64) {
    place.write("env/test.toml", environment.replace("256MiB", &format!("{mib}MiB")));
}

/// Sorts and groups far more than it may keep, and spills: P10 for queries.
#[test]
fn a_query_over_more_than_its_memory_ends_within_it() {
    const MIB: u64 = 1 << 20;
    let place = texts();
    let environment = fs::read_to_string(place.path().join("env/test.toml")).expect("the environment");
    let scratch = place.path().join("scratch");
    fs::create_dir(&scratch).expect("make the scratch folder");
    let peak = |memory: u64, sql: &str| {
        give(&place, &environment, memory);
        let mut command = place.command(&["query", "--env", "test", "--format", "csv", "-e", sql]);
        command.env("TMPDIR", &scratch);
        let seen = watch(command);
        assert_eq!((seen.ended.code, seen.ended.stdout.as_str()), (0, "n\n320000\n"), "{}", seen.ended);
        assert_eq!(fs::read_dir(&scratch).expect("the scratch folder").count(), 0, "left in TMPDIR: {sql}");
        seen.peak_rss / MIB
    };
    let grouped = "SELECT count(*) AS n FROM (SELECT t.text, count(*) AS times FROM m.texts AS t GROUP BY 1) AS g";
    for sql in [SORTED, grouped] {
        let (little, much) = (peak(128, sql), peak(2048, sql));
        assert!(little <= 128 + 128, "{little} MiB with 128 MiB: {sql}");
        assert!(much > 128 + 128, "the query needs no more than {much} MiB, and shows nothing: {sql}");
    }
}

/// A query that needs no room asks for none.
#[test]
fn a_query_says_where_it_finds_no_room_to_spill() {
    let place = texts();
    let environment = fs::read_to_string(place.path().join("env/test.toml")).expect("the environment");
    give(&place, &environment, 128);
    fs::create_dir(place.path().join("scratch")).expect("make the scratch folder");
    let ask = |name: &str, folder: &str, sql: &str| {
        format!(
            "set +e; TMPDIR=$PWD/{folder} $LAKEFOLD query --env test --format csv -e '{sql}' >{name}.out 2>{name}.err; \
             echo $? >{name}.code; set -e\n"
        )
    };
    let script = "mount -t tmpfs -o size=4m none scratch\n".to_owned()
        + &ask("full", "scratch", SORTED)
        + "ls -A scratch >full.left\n"
        + &ask("none", "none", SORTED)
        + &ask("small", "none", "SELECT count(*) AS n FROM m.texts");
    in_a_namespace(place.path(), &script);
    let read = |file: &str| fs::read_to_string(place.path().join(file)).expect("what the query left");
    for (name, parts) in [
        ("full", ["No space left", "make room on the disk of TMPDIR", "/scratch"]),
        ("none", ["make a scratch folder", "set TMPDIR to a folder with room", "No such file"]),
    ] {
        let said = read(&format!("{name}.err"));
        assert_eq!(read(&format!("{name}.code")), "1\n", "{name}: {said}");
        for part in parts {
            assert!(said.contains(part), "{name}: no {part:?} in {said}");
        }
    }
    assert_eq!(read("full.left"), "");
    assert_eq!((read("small.code"), read("small.out")), ("0\n".to_owned(), "n\n320000\n".to_owned()));
}
