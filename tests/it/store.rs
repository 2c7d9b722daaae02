//! One suite of expectations that every kind of lake meets: a local disk, moto's S3 and SeaweedFS's S3.

use crate::support::s3::S3;
use bytes::Bytes;
use futures::TryStreamExt;
use lakefold::error::{Error, Kind, Result};
use lakefold::lake::watermark::{Line, Watermarks};
use lakefold::lake::{Expect, Lake, Version, layout, state};
use lakefold::model::collection::Namespace;
use lakefold::model::record::Outcome;
use lakefold::model::settings::LakeSettings;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A place for lakes, opened anew as another process would.
struct Ground {
    settings: LakeSettings,
    variables: Vec<(String, String)>,
    /// moto completes a multipart upload whatever its `If-Match` says: what this suite then shows is shown by
    /// SeaweedFS alone.
    ignores_if_match_on_complete: bool,
}

impl Ground {
    async fn open(&self) -> Lake {
        Lake::open_with(&self.settings, &self.variables).await.expect("open")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_disk_is_a_lake() {
    let folder = tempfile::tempdir().expect("folder");
    let ground = Ground { settings: disk(folder.path()), variables: Vec::new(), ignores_if_match_on_complete: false };
    suite(&ground).await;
    let aside = std::fs::read_dir(folder.path().join(layout::TMP)).expect("aside").count();
    assert_eq!(aside, 0, "nothing is left aside");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moto_is_a_lake() {
    let server = S3::moto();
    let ground = Ground {
        settings: server.settings("some/prefix"),
        variables: server.variables(),
        ignores_if_match_on_complete: true,
    };
    suite(&ground).await;
    leases_expire(&ground).await;
    let uploads = server.plain("GET", "/lake-bucket?uploads", "");
    assert!(uploads.0 == 200 && !uploads.1.contains("<UploadId>"), "an upload was not aborted: {}", uploads.1);
    let missing = LakeSettings { url: "s3://no-such-bucket".into(), ..server.settings("") };
    unavailable(&missing, &server.variables(), "the bucket does not exist").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seaweedfs_is_a_lake() {
    let server = S3::seaweed();
    let ground = Ground {
        settings: server.settings("some/prefix"),
        variables: server.variables(),
        ignores_if_match_on_complete: false,
    };
    suite(&ground).await;
    leases_expire(&ground).await;
    a_lease_taken_away_is_noticed(&ground).await;
    let missing = LakeSettings { url: "s3://no-such-bucket".into(), ..server.settings("") };
    unavailable(&missing, &server.variables(), "the bucket does not exist").await;
    unavailable(&server.settings(""), &with(&server, "AWS_SECRET_ACCESS_KEY", "wrong"), "the secret key is wrong")
        .await;
    unavailable(&server.settings(""), &with(&server, "AWS_ACCESS_KEY_ID", "nobody"), "the access key is unknown").await;
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_reported_soon() {
    let endpoint = Some("http://127.0.0.1:1".into());
    let settings = LakeSettings { endpoint, path_style: true, ..LakeSettings::at("s3://lake-bucket") };
    let variables = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name.to_owned(), "x".to_owned()));
    let started = Instant::now();
    unavailable(&settings, &variables, "the store cannot be reached").await;
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());

    // Somebody who hangs up at once: how often that was tried can be counted.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let tried = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&tried);
    std::thread::spawn(move || listener.incoming().for_each(|_| _ = count.fetch_add(1, Ordering::SeqCst)));
    unavailable(&LakeSettings { endpoint: Some(endpoint), ..settings }, &variables, "").await;
    let tried = tried.load(Ordering::SeqCst);
    assert!((2..=3).contains(&tried), "one dropped connection is forgiven, and no dead endpoint: tried {tried} times");
}

#[tokio::test]
async fn a_lock_dies_with_its_process() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = Lake::open(&disk(folder.path())).await.expect("open");
    lake.lease(&ns(), "R0").await.expect("lease").release().await.expect("release");
    let lock = folder.path().join(layout::lock_key(&ns()));
    let mut other = Command::new("flock")
        .args(["--no-fork", "--exclusive"])
        .arg(&lock)
        .arg("cat")
        .stdin(Stdio::piped())
        .spawn()
        .expect("flock");
    let error = until(|| async { lake.lease(&ns(), "R1").await.err() }).await;
    assert_eq!(error.kind(), Kind::Busy);
    other.kill().expect("kill");
    other.wait().expect("wait");
    lake.lease(&ns(), "R1").await.expect("the dead process's lock gave way");
}

async fn suite(ground: &Ground) {
    let lake = ground.open().await;
    conditions_hold_for_small_objects(&lake).await;
    deletions_are_conditional_and_repeatable(&lake).await;
    large_files_are_conditional_too(ground, &lake).await;
    keys_are_kept_as_they_are(&lake).await;
    of_several_writers_one_wins(ground).await;
    a_footer_costs_few_requests(&lake).await;
    newer_formats_are_refused(&lake).await;
    watermarks_follow_each_other(&lake).await;
    a_collection_has_one_holder(ground).await;
}

async fn conditions_hold_for_small_objects(lake: &Lake) {
    let key = "_lakefold/catalog/conditions.json";
    assert!(lake.get(key).await.expect("get").is_none() && lake.head(key).await.expect("head").is_none());
    conflicts(lake.put(key, "x".into(), Expect::Version(Version::from_text("\"1\""))).await);

    let first = lake.put(key, "one".into(), Expect::Absent).await.expect("create");
    conflicts(lake.put(key, "two".into(), Expect::Absent).await);
    let (bytes, read) = lake.get(key).await.expect("get").expect("there");
    assert_eq!((bytes, &read), (Bytes::from("one"), &first), "what a write returns is what a read finds");

    let second = lake.put(key, "two".into(), Expect::Version(read.clone())).await.expect("update");
    conflicts(lake.put(key, "three".into(), Expect::Version(read)).await);
    let head = lake.head(key).await.expect("head").expect("there");
    assert_eq!((head.size, &head.version, head.key.as_str()), (3, &second, key));
    let listed: Vec<_> = lake.list("_lakefold/catalog").try_collect().await.expect("list");
    assert_eq!(listed.iter().map(|o| (&o.key, &o.version)).collect::<Vec<_>>(), [(&head.key, &second)]);
    assert!(head.modified.signed_duration_since(chrono::Utc::now()).num_seconds().abs() < 60);

    lake.put(key, "four".into(), Expect::Any).await.expect("replace");
    assert_eq!(lake.get(key).await.expect("get").map(|(bytes, _)| bytes), Some("four".into()));
}

async fn deletions_are_conditional_and_repeatable(lake: &Lake) {
    let key = "db/gone/date=2024-05-01/data.parquet";
    let first = lake.put(key, "one".into(), Expect::Absent).await.expect("create");
    let second = lake.put(key, "two".into(), Expect::Version(first.clone())).await.expect("update");
    let before = lake.requests();
    conflicts(lake.delete(key, Expect::Version(first.clone())).await);
    assert!(lake.head(key).await.expect("head").is_some(), "a refused deletion deletes nothing");
    let refused = lake.requests();
    lake.delete(key, Expect::Version(second.clone())).await.expect("delete");
    assert_eq!(lake.requests().heads, refused.heads, "the store decides in one step, without a look before");
    assert_eq!(lake.requests().deletes, before.deletes + 2);
    assert!(lake.head(key).await.expect("head").is_none());
    lake.delete(key, Expect::Version(second)).await.expect("repeated");
    lake.delete(key, Expect::Any).await.expect("repeated");
    lake.put(key, "again".into(), Expect::Absent).await.expect("its place is free");
    lake.delete(key, Expect::Any).await.expect("delete");
}

/// 20 MiB and some bytes: three parts, the last one short.
async fn large_files_are_conditional_too(ground: &Ground, lake: &Lake) {
    let key = "db/large/data.parquet";
    let folder = tempfile::tempdir().expect("folder");
    let file = |name: &str, seed: u8| {
        let path = folder.path().join(name);
        let bytes: Vec<u8> = (0..(20 << 20) + 3_u32).map(|i| (i / 4096) as u8 ^ i as u8 ^ seed).collect();
        std::fs::write(&path, &bytes).expect("write");
        (path, Bytes::from(bytes))
    };
    let ((one, one_bytes), (two, two_bytes)) = (file("one", 1), file("two", 2));

    let first = lake.put_file(key, &one, Expect::Absent).await.expect("create");
    conflicts(lake.put_file(key, &two, Expect::Absent).await);
    let (bytes, read) = lake.get(key).await.expect("get").expect("there");
    assert!(bytes == one_bytes && read == first);

    let second = lake.put_file(key, &two, Expect::Version(first.clone())).await.expect("update");
    if !ground.ignores_if_match_on_complete {
        conflicts(lake.put_file(key, &one, Expect::Version(first)).await);
        conflicts(lake.put_file("db/large/none.parquet", &one, Expect::Version(second.clone())).await);
    }
    let (bytes, read) = lake.get(key).await.expect("get").expect("there");
    assert!(bytes == two_bytes && read == second);
    let path = lake.path(key).expect("path");
    let range =
        object_store::ObjectStoreExt::get_range(&lake.store(), &path, 9_000_000..9_000_100).await.expect("range");
    assert_eq!(range, two_bytes.slice(9_000_000..9_000_100));
}

async fn keys_are_kept_as_they_are(lake: &Lake) {
    let partitions =
        ["date=2024-05-01/id1=FAC%20001%2F7", "date=2024-05-01/id1=__HIVE_DEFAULT_PARTITION__", "date=%2E%2E/id1=a"];
    let ns = Namespace { database: "db".into(), collection: "keys".into() };
    let mut keys: Vec<String> = partitions.iter().map(|partition| layout::data_key(&ns, partition)).collect();
    for key in keys.iter().map(String::as_str).chain(["db/keys2/data.parquet", "db/keysx"]) {
        lake.put(key, "x".into(), Expect::Absent).await.expect("put");
        assert!(lake.head(key).await.expect("head").is_some(), "{key}");
    }
    let listed: Vec<_> = lake.list(&layout::table_prefix(&ns)).try_collect().await.expect("list");
    let mut listed: Vec<String> = listed.into_iter().map(|object| object.key).collect();
    listed.sort();
    keys.sort();
    assert_eq!(listed, keys, "a table's listing shows its own files and no neighbour's");
    assert!(lake.put("db/../escape", "x".into(), Expect::Any).await.is_err());
}

async fn of_several_writers_one_wins(ground: &Ground) {
    let key = "_lakefold/catalog/race.json";
    let start = ground.open().await.put(key, "0".into(), Expect::Absent).await.expect("create");
    let barrier = Arc::new(tokio::sync::Barrier::new(6));
    let mut writers = tokio::task::JoinSet::new();
    for number in 1..=6 {
        let (lake, barrier, expect) = (ground.open().await, Arc::clone(&barrier), Expect::Version(start.clone()));
        writers.spawn(async move {
            barrier.wait().await;
            (number, lake.put(key, number.to_string().into(), expect).await)
        });
    }
    let results = writers.join_all().await;
    let winners: Vec<_> = results.iter().filter(|(_, result)| result.is_ok()).map(|(number, _)| *number).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    let losers = results.iter().filter_map(|(_, result)| result.as_ref().err());
    assert!(losers.map(Error::kind).all(|kind| kind == Kind::Conflict));
    let stored = ground.open().await.get(key).await.expect("get").expect("there").0;
    assert_eq!(stored, winners[0].to_string());
}

async fn a_footer_costs_few_requests(lake: &Lake) {
    use arrow::array::{Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use parquet::file::metadata::KeyValue;
    let rows: arrow::array::ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
    let batch = RecordBatch::try_from_iter([("_id", rows)]).expect("batch");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("writer");
    writer.write(&batch).expect("write");
    for (key, value) in [("lakefold.schema", "7"), ("lakefold.run", "R1")] {
        writer.append_key_value_metadata(KeyValue::new(key.to_owned(), value.to_owned()));
    }
    writer.close().expect("close");
    let (key, size) = ("db/footer/data.parquet", bytes.len() as u64);
    lake.put(key, bytes.into(), Expect::Absent).await.expect("put");

    let before = lake.requests();
    let footer = lake.footer(key, size).await.expect("footer");
    assert_eq!((footer.rows, footer.schema_version, footer.run_id.as_deref()), (100_000, Some(7), Some("R1")));
    assert_eq!(footer.schema.fields(), batch.schema().fields());
    assert!(footer.metadata.offset_index().is_some(), "the page index is there");
    let after = lake.requests();
    assert!(after.gets - before.gets <= 2 && after.heads == before.heads, "{before:?} {after:?}");

    let error = lake.footer(key, size - 1).await.expect_err("not the size it has");
    assert_eq!(error.kind(), Kind::Lake);
    let error = lake.footer("db/footer/none.parquet", size).await.expect_err("no such file");
    assert!(error.to_string().contains("db/footer/none.parquet"), "{error}");
}

async fn newer_formats_are_refused(lake: &Lake) {
    let key = layout::schema_key(&ns());
    let version = state::store(lake, &key, &serde_json::json!({"format": 2}), Expect::Absent).await.expect("store");
    let error = state::load::<serde_json::Value>(lake, &key, 1).await.expect_err("newer");
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.to_string().contains(&key) && error.hint_text().is_some_and(|hint| hint.contains("upgrade")));
    let (_, read) = state::load::<serde_json::Value>(lake, &key, 2).await.expect("load").expect("there");
    assert_eq!(read, version);
}

async fn watermarks_follow_each_other(lake: &Lake) {
    let line = |run_id: &str| Line {
        written_at: 1_714_552_200_000,
        run_id: run_id.into(),
        mode: "full".into(),
        window_from: None,
        watermark: Some(1_714_552_100_000),
        operation_time: None,
        rows_read: 1,
        rows_inserted: 1,
        rows_updated: 0,
        outcome: Outcome::Ok,
        settings: "0a1b2c3d".into(),
        collection: None,
    };
    let (mut file, read) = Watermarks::load(lake, &ns()).await.expect("load");
    assert!(file.last_ok().is_none() && read.is_none());
    file.append(line("R1"));
    file.store(lake, &ns(), read.clone()).await.expect("store");
    conflicts(file.store(lake, &ns(), read).await);
    let (file, _) = Watermarks::load(lake, &ns()).await.expect("load");
    assert_eq!(file.last_ok(), Some(&line("R1")));
}

async fn a_collection_has_one_holder(ground: &Ground) {
    let (one, two) = (ground.open().await, ground.open().await);
    assert_eq!(two.lease_holder(&ns()).await.expect("look"), None);
    let lease = one.lease(&ns(), "20240501T083000Z-abcdef").await.expect("lease");
    lease.check().expect("ours");
    let error = two.lease(&ns(), "R2").await.expect_err("busy");
    assert_eq!(error.kind(), Kind::Busy);
    let pid = std::process::id();
    for part in ["20240501T083000Z-abcdef", &format!("pid {pid}"), "Hospital.Lab.Results"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let holder = two.lease_holder(&ns()).await.expect("look").expect("held");
    assert_eq!((holder.run_id.as_str(), holder.pid), ("20240501T083000Z-abcdef", pid));
    let other = Namespace { collection: "other".into(), ..ns() };
    two.lease(&other, "R2").await.expect("another collection is free").release().await.expect("release");

    lease.release().await.expect("release");
    assert_eq!(one.lease_holder(&ns()).await.expect("look"), None);
    two.lease(&ns(), "R2").await.expect("free again").release().await.expect("release");
}

/// By the store's clock, whatever the owner's host; a dead process of this host does not keep anybody waiting.
async fn leases_expire(ground: &Ground) {
    let lake = ground.open().await;
    let foreign = r#"{"format":1,"run_id":"R0","host":"far","pid":1,"place":"elsewhere","started":"1",
        "acquired_at":"2024-05-01T08:30:00Z","renewals":0,"expires_after_seconds":2}"#;
    lake.put(&layout::lease_key(&ns()), foreign.into(), Expect::Absent).await.expect("put");
    let started = Instant::now();
    assert_eq!(lake.lease(&ns(), "R1").await.expect_err("still held").kind(), Kind::Busy);
    let lease = until(|| async { lake.lease(&ns(), "R1").await.ok() }).await;
    assert!(started.elapsed() >= Duration::from_secs(1), "it expired after {:?}", started.elapsed());

    // The lease as this process wrote it, but by a process that had the same id before.
    let (own, _) = lake.get(&layout::lease_key(&ns())).await.expect("get").expect("there");
    let mut own: serde_json::Value = serde_json::from_slice(&own).expect("json");
    lease.release().await.expect("release");
    own["started"] = "1".into();
    lake.put(&layout::lease_key(&ns()), own.to_string().into(), Expect::Absent).await.expect("put");
    lake.lease(&ns(), "R2").await.expect("a dead owner gives way at once").release().await.expect("release");
}

async fn a_lease_taken_away_is_noticed(ground: &Ground) {
    let lake = ground.open().await;
    let lease = lake.lease(&ns(), "R1").await.expect("lease");
    lake.put(&layout::lease_key(&ns()), "{}".into(), Expect::Any).await.expect("taken away");
    let error = until(|| async { lease.check().err() }).await;
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().ends_with("another run took the lease"), "not only that it grew old: {error}");
    lease.release().await.expect("nothing to give back");
    assert!(lake.head(&layout::lease_key(&ns())).await.expect("head").is_some(), "the successor's lease stays");
}

fn ns() -> Namespace {
    Namespace { database: "Hospital".into(), collection: "Lab.Results".into() }
}

fn disk(folder: &std::path::Path) -> LakeSettings {
    LakeSettings { zstd_level: 1, ..LakeSettings::at(&format!("file:{}", folder.display())) }
}

fn with(server: &S3, name: &str, value: &str) -> Vec<(String, String)> {
    let mut variables = server.variables();
    variables.iter_mut().filter(|(n, _)| n == name).for_each(|(_, v)| *v = value.to_owned());
    variables
}

#[track_caller]
fn conflicts<T: std::fmt::Debug>(result: Result<T>) {
    assert_eq!(result.expect_err("the condition does not hold").kind(), Kind::Conflict);
}

async fn unavailable(settings: &LakeSettings, variables: &[(String, String)], why: &str) {
    let error = Lake::open_with(settings, variables).await.expect_err(why);
    assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
    assert!(error.to_string().ends_with(why), "{error:?}");
    assert!(error.hint_text().is_some(), "{error:?}");
}

/// Asks again until there is something; half a minute is longer than anything here may take.
async fn until<T, F: Future<Output = Option<T>>>(ask: impl Fn() -> F) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asking).await.expect("in time")
}
