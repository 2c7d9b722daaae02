//! Runs that must not harm a table: sources that lost their documents, dry runs, states of a newer program; and full
//! runs over what is awkward.

use crate::support::folding::{Flags, Folding, Origin};
use crate::support::mongod::Mongod;
use lakefold::model::record::{CollectionRecord, Outcome};
use mongodb::bson::{DateTime, Document, doc};
use std::path::Path;

const FULL: Flags = Flags { full: true, forget_schema: false, allow_shrink: false, dry_run: false };

fn sited(ids: std::ops::Range<i32>) -> Vec<Document> {
    ids.map(|id| doc! { "_id": id, "site": format!("s{}", id % 3), "n": id }).collect()
}

fn refused(record: &CollectionRecord, says: &str) {
    assert_eq!(record.outcome, Outcome::Failed, "{record:#?}");
    assert!(record.reason.as_ref().is_some_and(|reason| reason.contains(says)), "{record:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_lost_most_documents_empties_no_table() {
    for row in ["updated_at,site=site", "updated_at,", ","] {
        let origin = Origin::new().await;
        let lake = Folding::of(&origin, row);
        origin.becomes(&sited(0..10)).await;
        lake.run(Flags::default()).await;
        let files = lake.files();
        for left in [0..4, 0..0] {
            origin.becomes(&sited(left)).await;
            for flags in [FULL, Flags { forget_schema: true, ..FULL }] {
                refused(&lake.attempt(flags, None).await, "--allow-shrink");
                assert_eq!(lake.files(), files, "{row}: something was written");
            }
        }
        lake.run(Flags { allow_shrink: true, ..FULL }).await;
        assert!(lake.seen().0.is_empty(), "{row}: {:?}", lake.seen());
        origin.drop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_that_vanished_fails_and_its_table_stays() {
    let origin = Origin::new().await;
    let lake = Folding::of(&origin, "updated_at,site=site");
    origin.becomes(&sited(0..5)).await;
    lake.run(Flags::default()).await;
    let files = lake.files();
    origin.documents().drop().await.expect("drop the collection");
    for flags in [Flags::default(), FULL, Flags { allow_shrink: true, ..FULL }] {
        refused(&lake.attempt(flags, None).await, "c");
        assert_eq!(lake.files(), files, "{flags:?}: something was written");
    }
    origin.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_writes_nothing_and_counts_what_a_run_does() {
    let origin = Origin::new().await;
    let lake = Folding::of(&origin, "updated_at,site=site");
    let dry = |flags: Flags| Flags { dry_run: true, ..flags };
    origin.becomes(&sited(0..9)).await;
    lake.run(dry(Flags::default())).await;
    assert!(lake.files().is_empty(), "{:?}", lake.files().keys());
    lake.run(Flags::default()).await;

    let moved = |id: i32| doc! { "_id": id, "site": "elsewhere", "n": "text" };
    origin.becomes(&[sited(2..8), vec![moved(0), moved(1), moved(20)]].concat()).await;
    let files = lake.files();
    for flags in [Flags::default(), FULL] {
        let counted = lake.run(dry(flags)).await;
        assert_eq!(lake.files(), files, "{flags:?}: something was written");
        assert_eq!((counted.rows.inserted, counted.rows.moved), (1, 2), "{counted:#?}");
    }
    // A run that died leaves a journal and an index behind its files, and a dry run leaves those alone too.
    lake.attempt(Flags::default(), Some(1)).await;
    let files = lake.files();
    for flags in [Flags::default(), FULL] {
        lake.run(dry(flags)).await;
        assert_eq!(lake.files(), files, "{flags:?}: something was written");
    }
    lake.run(FULL).await;
    assert_eq!(lake.seen().0.len(), 9);
    origin.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_of_a_newer_program_is_refused() {
    let origin = Origin::new().await;
    let lake = Folding::of(&origin, "updated_at,site=site");
    origin.becomes(&sited(0..5)).await;
    lake.run(Flags::default()).await;
    origin.becomes(&sited(0..6)).await;
    lake.attempt(Flags::default(), Some(0)).await;
    let newer = |text: &str| match text.find("\"format\":1") {
        Some(_) => text.replacen("\"format\":1", "\"format\":2", 1),
        // The watermark file: format is the last column but one.
        None => text.trim_end().rsplit_once(",1,").map(|(front, back)| format!("{front},2,{back}\n")).expect("a line"),
    };
    for (kind, extension) in [("watermarks", "csv"), ("schemas", "json"), ("journal", "json")] {
        let path = lake.state(kind, extension);
        let text = std::fs::read_to_string(&path).expect("the state");
        std::fs::write(&path, newer(&text)).expect("write the state");
        let files = lake.files();
        for flags in [Flags::default(), FULL] {
            refused(&lake.attempt(flags, None).await, "upgrade lakefold");
            assert_eq!(lake.files(), files, "{kind}: something was written");
        }
        std::fs::write(&path, text).expect("write the state");
    }
    lake.run(Flags::default()).await;
    assert_eq!(lake.seen().0.len(), 6);
    origin.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_collection_is_a_table_to_come() {
    let origin = Origin::new().await;
    let lake = Folding::of(&origin, "updated_at,site=site");
    for _ in 0..2 {
        lake.run(Flags::default()).await;
        assert!(lake.seen().0.is_empty());
    }
    origin.becomes(&sited(0..3)).await;
    assert_eq!(lake.run(Flags::default()).await.rows.inserted, 3);
    assert_eq!(lake.seen().0.len(), 3);
    origin.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_schema_state_is_made_anew_by_a_full_run() {
    let origin = Origin::new().await;
    let lake = Folding::of(&origin, "updated_at,site=site");
    let before: Vec<Document> = (0..4).map(|id| doc! { "_id": id, "site": "s0", "n": "text", "old": 1 }).collect();
    origin.becomes(&before).await;
    lake.run(Flags::default()).await;
    std::fs::remove_file(lake.state("schemas", "json")).expect("remove the schema");
    origin.becomes(&sited(0..4)).await;
    refused(&lake.attempt(Flags::default(), None).await, "schema state is gone");
    lake.attempt(FULL, Some(1)).await;
    lake.run(Flags::default()).await;
    let (rows, types) = lake.seen();
    assert_eq!((rows.len(), types["n"].as_str(), types.contains_key("old")), (4, "Int64", false), "{rows:?}");
    origin.drop().await;
}

/// A run finishes what a dead one was told to do, and nothing else: neither other settings nor a source that has lost its
/// documents since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_died_lets_nothing_else_pass() {
    let origin = Origin::new().await;
    origin.becomes(&sited(0..12)).await;
    let died = async || {
        let mut lake = Folding::of(&origin, "updated_at,site=site");
        lake.run(Flags::default()).await;
        lake.row = "updated_at,day=day(updated_at)";
        let died = lake.attempt(FULL, Some(0)).await;
        assert!(died.outcome == Outcome::Failed && lake.state("journal", "json").exists(), "{died:#?}");
        lake
    };
    let (mut other, shrunk) = (died().await, died().await);
    other.row = "updated_at,";
    refused(&other.attempt(Flags::default(), None).await, "settings of an existing table have changed");
    origin.becomes(&sited(0..3)).await;
    refused(&shrunk.attempt(Flags::default(), None).await, "would drop 9 of the table's 12 rows");
    shrunk.run(Flags { allow_shrink: true, ..FULL }).await;
    assert_eq!(shrunk.seen().0.len(), 3);
    origin.drop().await;
}

/// A window into a table that is not there any more would make one of recent documents only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_gone_is_not_made_of_a_window() {
    let origin = Origin::new().await;
    let lake = Folding::of(&origin, "updated_at,site=site");
    origin.becomes(&sited(0..4)).await;
    lake.run(Flags::default()).await;
    std::fs::remove_file(lake.state("schemas", "json")).expect("remove the schema");
    std::fs::remove_dir_all(lake.lake().join(&origin.database)).expect("remove the files");
    origin.becomes(&sited(0..5)).await;
    refused(&lake.attempt(Flags::default(), None).await, "its schema state and its data are gone");
    lake.run(FULL).await;
    assert_eq!(lake.seen().0.len(), 5);
    origin.drop().await;
}

/// Writes a dump of one collection.
fn dump(folder: &Path, documents: &[Document]) {
    let mut bytes = Vec::new();
    documents.iter().for_each(|document| document.to_writer(&mut bytes).expect("BSON"));
    std::fs::create_dir_all(folder.join("db")).expect("make a folder");
    std::fs::write(folder.join("db/c.bson"), bytes).expect("write the dump");
}

fn timed(id: i32, site: &str, minute: i64) -> Document {
    doc! { "_id": id, "site": site, "updated_at": DateTime::from_millis(1_714_550_400_000 + minute * 60_000) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_dump_moves_nothing_back_until_it_replaces_the_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Folding::from(&format!("dump:{}", folder.path().display()), "db", "updated_at,site=site");
    dump(folder.path(), &[timed(1, "new", 10), timed(2, "new", 10)]);
    lake.run(Flags::default()).await;
    let newest = lake.seen();
    dump(folder.path(), &[timed(1, "old", 5), timed(2, "new", 5)]);
    let record = lake.run(Flags::default()).await;
    assert_eq!((record.rows.superseded, lake.seen()), (2, newest), "{record:#?}");
    lake.run(FULL).await;
    let sites: Vec<bool> = lake.seen().0.iter().map(|row| row.starts_with("site=old")).collect();
    assert_eq!(sites, [false, true], "{:?}", lake.seen());
}

/// A table that was replaced by an older dump is as old as that one: the next window begins there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_replaced_by_an_older_dump_goes_on_from_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Folding::from(&format!("dump:{}", folder.path().display()), "db", "updated_at,site=site");
    let taken = |minute: i64, documents: &[Document]| {
        dump(folder.path(), documents);
        let at = DateTime::from_millis(1_714_550_400_000 + minute * 60_000).try_to_rfc3339_string().expect("a time");
        std::fs::write(folder.path().join("dump.json"), format!("{{\"started_at\": \"{at}\"}}")).expect("write it");
    };
    let old = [timed(1, "a", 10), timed(2, "a", 20)];
    taken(100, &old);
    lake.run(Flags::default()).await;
    taken(50, &old);
    lake.run(FULL).await;
    let newer = [old.as_slice(), &[timed(3, "a", 60)]].concat();
    taken(200, &newer);
    lake.run(Flags::default()).await;
    assert_eq!(lake.seen().0.len(), 3, "changed after the dump that replaced the table: {:?}", lake.seen());
}

/// A run over a dump dies between a document's new place and its old one, and the next dump is older: the row that stays
/// is the newest, and it stands once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_dump_after_a_run_that_died_leaves_no_double() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Folding::from(&format!("dump:{}", folder.path().display()), "db", "updated_at,site=site");
    dump(folder.path(), &[timed(1, "a", 1), timed(2, "a", 1)]);
    lake.run(Flags::default()).await;
    dump(folder.path(), &[timed(1, "b", 3), timed(2, "a", 1)]);
    let died = lake.attempt(Flags::default(), Some(1)).await;
    assert!(died.outcome == Outcome::Failed && lake.lake().join("db/c/site=b").exists(), "{died:#?}");
    dump(folder.path(), &[timed(1, "a", 2)]);
    let record = lake.run(Flags::default()).await;
    assert_eq!(record.rows.superseded, 1, "{record:#?}");
    let rows = lake.seen().0;
    assert!(rows.len() == 2 && rows[1].starts_with("site=b"), "{rows:?}");
}

/// Nobody keeps the `_id`s of two shards unique; here the database `local` stands in, whose collections may lack the index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_of_one_id_that_a_full_read_meets_fail_it() {
    let server = Mongod::shared();
    server.command_on("local", doc! { "create": "c", "autoIndexId": false }).expect("a collection without an index");
    let insert = |id: i32, n: i32| {
        let document = doc! { "_id": id, "updated_at": DateTime::from_millis(1_714_521_600_000), "n": n };
        server.command_on("local", doc! { "insert": "c", "documents": [document] }).expect("insert");
    };
    for (id, n) in [(1, 1), (1, 2), (2, 3)] {
        insert(id, n);
    }
    let lake = Folding::from(server.uri(), "local", "updated_at,");
    refused(&lake.attempt(FULL, None).await, "1 documents have the `_id` of another one");
    assert!(!lake.lake().join("local").exists(), "{:?}", lake.files().keys());
    server.command_on("local", doc! { "drop": "c" }).expect("drop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readings_of_one_id_in_many_partitions_are_all_accounted_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = Folding::from(&format!("dump:{}", folder.path().display()), "db", "updated_at,site=site");
    dump(
        folder.path(),
        &[timed(1, "a", 1), timed(1, "b", 3), timed(1, "b", 2), timed(1, "a", 0), timed(1, "c", 3), timed(2, "a", 1)],
    );
    let record = lake.run(Flags::default()).await;
    let rows = record.rows;
    // Equal times: the one read last.
    assert_eq!((rows.read, rows.inserted, rows.superseded), (6, 2, 4), "{record:#?}");
    let (seen, _) = lake.seen();
    assert!(seen.len() == 2 && seen[1].starts_with("site=c"), "{seen:?}");
    let again = lake.run(Flags::default()).await;
    assert_eq!((again.rows.unchanged + again.rows.superseded, again.files.written), (6, 0), "{again:#?}");
}
