//! Disks that are full or may not be written (P2, P3): the collection fails and says which folder and what to do,
//! nothing half-written is in the lake, and the next run with room makes it right.

use crate::support::dump::write_dump;
use crate::support::lake_rows::{Table, read_table};
use crate::support::lakefold::{Environment, Workplace};
use crate::support::mounts::in_a_namespace;
use base64::Engine;
use mongodb::bson::{DateTime, Document, doc};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::path::Path;

const MANIFEST: &str = "database,collection,timestamp_column,partition_by\ndb,c,updated_at,site=site\n";

/// Documents that do not compress, in three partitions.
fn documents(ids: std::ops::Range<i32>, kib: usize, revision: i32) -> impl Iterator<Item = Document> {
    ids.map(move |id| {
        let mut noise = vec![0; kib * 768];
        ChaCha8Rng::seed_from_u64(u64::from(id.unsigned_abs()) * 100 + u64::from(revision.unsigned_abs()))
            .fill_bytes(&mut noise);
        let text = base64::engine::general_purpose::STANDARD.encode(noise);
        let at = DateTime::from_millis(1_714_550_400_000 + i64::from(revision));
        doc! { "_id": id, "site": format!("s{}", id % 3), "updated_at": at, "revision": revision, "text": text }
    })
}

/// A workplace whose first dump is `source`, and whose second, larger one is `later`.
fn place(first: usize, later: usize) -> Workplace {
    let place = Workplace::with(&Environment::of("dump:source"), MANIFEST);
    write_dump(&place.path().join("source"), "db", "c", documents(0..30, first, 0));
    let changed = documents(0..15, later, 1).chain(documents(15..30, first, 0)).chain(documents(30..60, later, 0));
    write_dump(&place.path().join("later"), "db", "c", changed);
    fs::create_dir(place.lake()).expect("make the lake's folder");
    fs::create_dir(place.path().join("scratch")).expect("make the scratch folder");
    place
}

/// One run of the script: its output under a name, its exit code in `<name>.code`, and what the lake holds then.
fn step(name: &str) -> String {
    format!(
        "set +e; TMPDIR=$PWD/scratch $LAKEFOLD run --env test --json --memory 128MiB >{name}.out 2>{name}.err; \
         echo $? >{name}.code; set -e; mkdir {name}.lake; cp -a lake/. {name}.lake/; ls -A scratch >{name}.left\n"
    )
}

/// What a step left.
struct Step {
    code: String,
    reason: String,
    /// What the collection was left at.
    watermarks: String,
    table: Table,
    aside: usize,
    scratch: String,
}

fn look(place: &Workplace, name: &str) -> Step {
    let read =
        |file: &str| fs::read_to_string(place.path().join(format!("{name}.{file}"))).expect("what the step left");
    let (out, err) = (read("out"), read("err"));
    assert!(!err.contains("panicked"), "{name}: {err}");
    let record: serde_json::Value =
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{name}: no record: {e}\n{out}\n{err}"));
    let lake = place.path().join(format!("{name}.lake"));
    Step {
        code: read("code").trim().to_owned(),
        reason: record["collections"][0]["reason"].as_str().unwrap_or_default().to_owned(),
        watermarks: fs::read_to_string(lake.join("_lakefold/watermarks/db/c.csv")).unwrap_or_default(),
        table: read_table(&lake, "db/c"),
        aside: entries(&lake.join("_lakefold/tmp")),
        scratch: read("left"),
    }
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// The end of both dumps on a disk with room.
fn undisturbed(first: usize, later: usize) -> Table {
    let place = place(first, later);
    place.run(&[], 0);
    fs::remove_dir_all(place.path().join("source")).expect("remove the first dump");
    fs::rename(place.path().join("later"), place.path().join("source")).expect("put the later dump in its place");
    place.run(&[], 0);
    read_table(&place.lake(), "db/c")
}

#[track_caller]
fn same_rows(found: &Table, expected: &Table) {
    let ids = |table: &Table| table.rows.iter().map(|row| row.columns["_id"].to_string()).collect::<Vec<_>>();
    assert_eq!(ids(found), ids(expected));
    assert!(found.rows == expected.rows && found.types == expected.types, "rows differ");
}

#[test]
fn a_full_lake_fails_cleanly_and_a_larger_one_heals_it() {
    let place = place(8, 200);
    let script = "mount -t tmpfs -o size=3m none lake\n".to_owned()
        + &step("first")
        + "rm -r source; mv later source\n"
        + &step("full")
        + "mount -o remount,size=64m lake\n"
        + &step("room");
    in_a_namespace(place.path(), &script);
    let (first, full, room) = (look(&place, "first"), look(&place, "full"), look(&place, "room"));
    assert_eq!((first.code.as_str(), first.table.rows.len()), ("0", 30), "{}", first.reason);
    assert_eq!(full.code, "1", "{}", full.reason);
    for part in ["No space left", "make room on the disk of", "/lake", "run again"] {
        assert!(full.reason.contains(part), "no {part:?} in {}", full.reason);
    }
    assert_eq!((full.watermarks, full.aside), (first.watermarks, 0), "the watermark moved, or something is left aside");
    assert!(full.scratch.is_empty(), "left in TMPDIR: {}", full.scratch);
    assert_eq!((room.code.as_str(), room.aside), ("0", 0), "{}", room.reason);
    same_rows(&room.table, &undisturbed(8, 200));
}

/// The scratch disk is full when rows are spilled while they are read, and when they are merged.
#[test]
fn a_full_scratch_disk_fails_cleanly_and_a_larger_one_heals_it() {
    let (first, later) = (8, 1000);
    let place = place(first, later);
    let mut script = "mount -t tmpfs -o size=4m none scratch\n".to_owned()
        + &step("first")
        + "rm -r source; mv later source\n"
        + &step("spill");
    for (size, name) in [(28, "merge"), (400, "room")] {
        script += &format!("mount -o remount,size={size}m scratch\n{}", step(name));
    }
    in_a_namespace(place.path(), &script);
    let before = look(&place, "first");
    assert_eq!(before.code, "0", "{}", before.reason);
    for name in ["spill", "merge"] {
        let full = look(&place, name);
        assert_eq!(full.code, "1", "{name}: {}", full.reason);
        for part in ["No space left", "make room on the disk of TMPDIR", "/scratch"] {
            assert!(full.reason.contains(part), "{name}: no {part:?} in {}", full.reason);
        }
        assert_eq!((&full.watermarks, full.scratch.as_str()), (&before.watermarks, ""), "{name}");
        same_rows(&full.table, &before.table);
    }
    let room = look(&place, "room");
    assert_eq!((room.code.as_str(), room.scratch.as_str()), ("0", ""), "{}", room.reason);
    same_rows(&room.table, &undisturbed(first, later));
}

#[test]
fn a_lake_that_may_not_be_written_is_said_so_and_stays() {
    let place = place(8, 8);
    let script = step("first")
        + "rm -r source; mv later source; mount --bind lake lake; mount -o remount,ro,bind lake\n"
        + &step("denied")
        + "umount lake\n"
        + &step("allowed");
    in_a_namespace(place.path(), &script);
    let (first, denied, allowed) = (look(&place, "first"), look(&place, "denied"), look(&place, "allowed"));
    assert_eq!(first.code, "0", "{}", first.reason);
    assert_eq!(denied.code, "3", "{}", denied.reason);
    for part in ["Read-only file system", "let this user write in the lake's folder", "/lake"] {
        assert!(denied.reason.contains(part), "no {part:?} in {}", denied.reason);
    }
    assert_eq!(denied.watermarks, first.watermarks);
    same_rows(&denied.table, &first.table);
    assert_eq!(allowed.code, "0", "{}", allowed.reason);
    same_rows(&allowed.table, &undisturbed(8, 8));
}
