//! What a run may use (P10): memory far below what it reads, few open files, requests in proportion to what changed.
//!
//! The real process is watched from outside while it runs under `ulimit -n 256`. Sizes are small here and large in
//! `make soak`.

use crate::support::dump::write_dump;
use crate::support::ground::{Clinic, Ground};
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mongod::Mongod;
use crate::support::s3::S3;
use crate::support::s3_proxy::S3Proxy;
use crate::support::s3_request::{Kind, Place, Verb};
use crate::support::soak::{covered, soaking};
use crate::support::watched::{Watched, watch};
use mongodb::bson::{Bson, DateTime, Document, doc};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

const MIB: u64 = 1 << 20;

/// What a process may have above `--memory`.
const HEADROOM: u64 = 128 * MIB;

/// The size of a test in `make test`, and in `make soak`.
fn size<T>(short: T, soak: T) -> T {
    if soaking() { soak } else { short }
}

fn at(minute: i64) -> DateTime {
    DateTime::from_millis(1_714_550_400_000 + minute * 60_000)
}

/// `bytes` letters that hardly compress.
fn noise(seed: u64, bytes: usize) -> String {
    let mut random = vec![0; bytes / 2];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut random);
    random.iter().fold(String::with_capacity(bytes), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|half| char::from(b'a' + half)));
        text
    })
}

/// Runs and insists on the end, on the memory and on the open files.
#[track_caller]
fn within(place: &Workplace, memory: u64, what: &str) -> (Watched, Value) {
    let memory_flag = format!("{}MiB", memory / MIB);
    let watched = watch(place.command(&["run", "--env", "test", "--json", "--memory", &memory_flag]));
    assert_eq!(watched.ended.code, 0, "{what}: {}", watched.ended);
    let (peak, allowed) = (watched.peak_rss / MIB, (memory + HEADROOM) / MIB);
    covered(format_args!(
        "{what}: peak {peak} of {allowed} MiB, {} files open, {:.1?}",
        watched.open_files, watched.took
    ));
    assert!(peak <= allowed, "{what}: {peak} MiB at the peak, {allowed} allowed");
    assert!(watched.open_files < 200, "{what}: {} files open", watched.open_files);
    let record = serde_json::from_str(&watched.ended.stdout).expect("a record");
    (watched, record)
}

fn rows(record: &Value, what: &str) -> u64 {
    let collections = record["collections"].as_array().expect("collections");
    collections.iter().map(|collection| collection["rows"][what].as_u64().expect("a count")).sum()
}

/// Writes a collection of 2 kB documents that hardly compress, of each hundred of which `changed` have changed.
fn write_large(place: &Workplace, name: &str, documents: i32, changed: i32) {
    // In no order of ids, which the fold must not need.
    let ids = (0..documents).map(|at| i32::try_from(i64::from(at) * 7919 % i64::from(documents)).expect("an id"));
    let made = ids.map(|id| {
        let revision = i64::from(id % 100 < changed);
        let text = noise(id.unsigned_abs().into(), 1900);
        doc! { "_id": id, "site": id % 7, "updated_at": at(revision), "text": text }
    });
    write_dump(&place.path().join("source"), "db", name, made);
}

/// A collection of 5 GB in the soak, with 256 MiB.
#[test]
fn memory_holds_for_one_large_collection() {
    let documents = i32::try_from(size(64, 20 * 256) * MIB / 2048).expect("a count");
    let manifest = "database,collection,timestamp_column,partition_by\ndb,c,updated_at,site=site\n";
    let place = Workplace::with(&Environment::of("dump:source"), manifest);
    write_large(&place, "c", documents, 0);
    let (_, record) = within(&place, 256 * MIB, "one large collection");
    assert_eq!(rows(&record, "inserted"), u64::from(documents.unsigned_abs()));
    let sql = "SELECT count(DISTINCT _id) AS ids, sum(_id) AS sum, sum(length(text)) AS letters FROM db.c";
    let asked = place.lakefold(&["query", "--env", "test", "--format", "csv", "-e", sql]);
    let documents = i64::from(documents);
    let all = format!("ids,sum,letters\n{documents},{},{}\n", documents * (documents - 1) / 2, documents * 1900);
    assert_eq!(asked.stdout, all, "{asked}");
}

/// Four collections at once, each of them larger than its share; twenty times `--memory` in the soak.
#[test]
fn memory_holds_whatever_is_read_by_four_at_once() {
    let memory = 288 * MIB;
    let per_collection = size(96, 20 * 288 / 4) * MIB;
    let documents = i32::try_from(per_collection / 2048).expect("a count");
    let names = ["a", "b", "c", "d"];
    let rows_of: String = names
        .iter()
        .zip(["", "site=site", "", "site=site"])
        .map(|(name, by)| format!("db,{name},updated_at,{by}\n"))
        .collect();
    let place = Workplace::with(
        &Environment::of("dump:source"),
        &format!("database,collection,timestamp_column,partition_by\n{rows_of}"),
    );
    let write = |changed: i32| names.iter().for_each(|name| write_large(&place, name, documents, changed));
    write(0);
    let (_, record) = within(&place, memory, "first load");
    assert_eq!(rows(&record, "inserted"), documents.unsigned_abs() as u64 * 4);
    write(1);
    let (_, record) = within(&place, memory, "one in a hundred changed");
    assert!(rows(&record, "updated") > 0 && rows(&record, "inserted") == 0, "{record:#}");
}

/// Elements of lists that have few fields each, of the hundreds that all of them have together: rows of a hundred times the
/// bytes of their documents, nearly all of it NULL.
#[test]
fn lists_of_sparse_elements_fit() {
    let manifest = "database,collection,timestamp_column\ndb,c,updated_at\n";
    let place = Workplace::with(&Environment::of("dump:source"), manifest);
    let documents = size(8_000, 120_000);
    let write = |revision: i64| {
        let test = |id: i32, at: i32| format!("T{:03}", (id % 10_000 * 7919 + at * 104_729) % 300);
        let result = |id: i32, at: i32| doc! { test(id, at): f64::from(id + at) };
        let made = (0..documents).map(|id| {
            let results: Vec<Document> = (0..20).map(|at| result(id, at)).collect();
            let at = at(if id % 100 == 0 { revision } else { 0 });
            doc! { "_id": id, "updated_at": at, "n": at, "results": results }
        });
        write_dump(&place.path().join("source"), "db", "c", made);
    };
    let memory = size(128, 256) * MIB;
    write(0);
    let (_, record) = within(&place, memory, "sparse elements, first load");
    assert_eq!(rows(&record, "inserted"), u64::from(documents.unsigned_abs()));
    write(1);
    let (_, record) = within(&place, memory, "sparse elements, one in a hundred changed");
    assert_eq!(rows(&record, "updated"), u64::from(documents.unsigned_abs() / 100));
}

#[test]
fn one_run_fills_thousands_of_partitions() {
    let partitions = size(300, 10_000);
    let place = Workplace::with(
        &Environment::of("dump:source"),
        "database,collection,timestamp_column,partition_by\ndb,c,updated_at,part=part\n",
    );
    let write = |revision: i64| {
        let ids = 0..partitions * 3;
        let made = ids.map(|id| doc! { "_id": id, "part": id % partitions, "n": revision, "updated_at": at(revision) });
        write_dump(&place.path().join("source"), "db", "c", made);
    };
    write(0);
    let (_, record) = within(&place, 128 * MIB, "partitions, first load");
    assert_eq!(record["collections"][0]["files"]["written"], partitions);
    write(1);
    let (_, record) = within(&place, 128 * MIB, "partitions, all changed");
    assert_eq!(
        (record["collections"][0]["files"]["written"].as_i64(), rows(&record, "updated")),
        (Some(partitions.into()), u64::try_from(partitions).expect("a count") * 3)
    );
}

#[test]
fn many_collections_share_what_one_may_use() {
    let collections: i32 = size(60, 150);
    let mut manifest = "database,collection,timestamp_column,partition_by\n".to_owned();
    let place = Workplace::new();
    for number in 0..collections {
        manifest += &format!("db,c{number},updated_at,site=site\n");
        // More than the least share of each holds, so that not all of them can be at work at once.
        let text = |id: i32| noise(u64::from((number * 20 + id).unsigned_abs()), 400_000);
        let made =
            (0..20).map(|id| doc! { "_id": id, "site": id % 2, "updated_at": at(0), "n": number, "text": text(id) });
        write_dump(&place.path().join("source"), "db", &format!("c{number}"), made);
    }
    place.environment(&Environment::of("dump:source"));
    place.write("collections.csv", manifest);
    let (_, record) = within(&place, 288 * MIB, "many collections");
    assert_eq!(rows(&record, "inserted"), u64::from(collections.unsigned_abs()) * 20);
    let outcomes =
        record["collections"].as_array().expect("collections").iter().filter(|c| c["outcome"] == "ok").count();
    assert_eq!(outcomes, usize::try_from(collections).expect("a count"));
}

/// The largest documents MongoDB holds, among small ones, at the least `--memory`. A dozen of them have more: the program
/// of the dev profile is itself some 40 MiB larger than that of production, which keeps the least with 30 MiB to spare.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_of_sixteen_megabytes_fit() {
    let wide = size(3, 12);
    let source = Source::new().await;
    let text = |id: i32, revision: i32| noise(u64::from((id + 1000 * revision).unsigned_abs()), (16 << 20) - 4096);
    for id in 0..wide {
        source.put(doc! { "_id": id * 100, "n": 0, "text": text(id, 0), "updated_at": DateTime::now() }).await;
    }
    source
        .many((0..1000).filter(|id| id % 100 != 0).map(|id| doc! { "_id": id, "n": id, "updated_at": DateTime::now() }))
        .await;
    let (_, record) = within(&source.place, size(128, 160) * MIB, "16 MB documents, first load");
    assert_eq!(rows(&record, "inserted"), rows(&record, "read"));
    for id in 0..wide {
        source.put(doc! { "_id": id * 100, "n": 1, "text": text(id, 1), "updated_at": DateTime::now() }).await;
    }
    let (_, record) = within(&source.place, size(128, 160) * MIB, "16 MB documents, changed");
    assert_eq!(rows(&record, "updated"), u64::try_from(wide).expect("a count"));
}

/// Lists of a million numbers, which are 13 MB of BSON each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_a_million_elements_fit() {
    let source = Source::new().await;
    let list = |from: i32| Bson::Array((from..from + 1_000_000).map(Bson::from).collect());
    for id in 0..8 {
        source.put(doc! { "_id": id, "numbers": list(id), "updated_at": DateTime::now() }).await;
    }
    let (_, record) = within(&source.place, 128 * MIB, "long lists, first load");
    assert_eq!(rows(&record, "inserted"), 8);
    source.put(doc! { "_id": 1, "numbers": list(7), "updated_at": DateTime::now() }).await;
    let (_, record) = within(&source.place, 128 * MIB, "long lists, changed");
    assert_eq!(rows(&record, "updated"), 1);
}

/// Requests to the store: some for each partition that is written, few for the table, none for what did not change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_follow_what_changed() {
    let server = S3::moto();
    let proxy = S3Proxy::before(server.port());
    let clinic = Clinic::with(6).await;
    let ground = Ground::s3(&clinic, &server, "counted");
    let partitions: i32 = 40;
    for id in 0..partitions {
        clinic.set(id, doc! { "site": format!("P{id}") }).await;
    }
    let counted = || {
        proxy.set(None);
        let output = ground.command(&[]).env("AWS_ENDPOINT_URL", proxy.endpoint()).output().expect("start lakefold");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let seen = proxy.seen();
        let of = move |verb, place| seen.get(&Kind(verb, place)).copied().unwrap_or_default();
        (of, proxy.seen().values().sum::<u32>())
    };
    let tables = 2;
    let (of, all) = counted();
    let written = of(Verb::Put, Place::Data);
    assert!(written >= tables * partitions.unsigned_abs(), "{written} files");
    // One look and one write for each file; the rest is for the table.
    assert!(all <= 2 * written + tables * 25, "{all} requests for {written} files: {:?}", proxy.seen());
    clinic.set(3, doc! { "n": -1 }).await;
    let (of, all) = counted();
    assert_eq!(of(Verb::Put, Place::Data), tables, "{:?}", proxy.seen());
    // A small file comes with its footer; a row that stays where it is needs the index's head alone.
    assert_eq!((of(Verb::Get, Place::Data), of(Verb::Get, Place::Index)), (tables, tables), "{:?}", proxy.seen());
    assert!(all <= tables * 30 && of(Verb::List, Place::Data) == 0, "{all} requests: {:?}", proxy.seen());
    drop(counted());
    let of_tables: Vec<Kind> = proxy.seen().into_keys().filter(|Kind(_, place)| *place != Place::Record).collect();
    let looked = [(Verb::Get, Place::Watermark), (Verb::List, Place::Journal), (Verb::List, Place::Other)];
    assert_eq!(of_tables, looked.map(|(verb, place)| Kind(verb, place)), "an idle run");
    assert_eq!(proxy.seen()[&Kind(Verb::Get, Place::Watermark)], tables, "one look for each idle table");
    clinic.drop().await;
}

/// One collection of a server of its own and a lake for it. Documents this large are too much for the small cache of the
/// server that other tests use meanwhile.
struct Source {
    collection: mongodb::Collection<Document>,
    place: Workplace,
    _server: Mongod,
}

impl Source {
    async fn new() -> Self {
        let server = Mongod::start();
        let manifest = "database,collection,timestamp_column,partition_by\nlimits,c,updated_at,\n";
        let place = Workplace::with(&Environment::of(server.uri()), manifest);
        Self { collection: server.client().await.database("limits").collection("c"), place, _server: server }
    }

    /// Deleted and inserted: an update of the largest documents would hold both in the server's cache.
    async fn put(&self, document: Document) {
        let id = document.get("_id").expect("an _id").clone();
        self.collection.delete_one(doc! { "_id": id }).await.expect("delete a document");
        self.collection.insert_one(document).await.expect("insert a document");
    }

    async fn many(&self, documents: impl Iterator<Item = Document>) {
        self.collection.insert_many(documents).await.expect("insert");
    }
}
