//! Retyping: files that hold the old type are rewritten in the same run, whoever is killed on the way; others stay.

use super::{UTC, by_id, bytes, dated, dump, holds, manifest};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use crate::support::read_back::Table;
use mongodb::bson::{Document, doc};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

const FILES: i32 = 24;

/// One document to a partition; those of even sites have the column that will change, and a mixed list.
fn document(id: i32) -> Document {
    let site = format!("S{id:02}");
    if id % 2 == 0 {
        doc! { "_id": id, "site": site, "n": id, "list": ["x"] }
    } else {
        doc! { "_id": id, "site": site }
    }
}

fn inodes(place: &Workplace) -> BTreeMap<String, u64> {
    let files = read_table(&place.lake(), "h/c").files;
    files.into_iter().map(|(partition, path)| (partition, path.metadata().expect("a file").ino())).collect()
}

/// Folds one document to a partition, then one that changes two types; the place and all documents.
fn before_and_after() -> (Workplace, Vec<Document>) {
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,at,key=site"));
    let mut documents: Vec<Document> = (0..FILES).map(document).collect();
    // Files without the columns are written before there are any.
    let (with, without): (Vec<Document>, Vec<Document>) = documents.iter().cloned().partition(|d| d.contains_key("n"));
    for part in [without, with] {
        dump(&place, "h/c", &bytes(&dated(&part)));
        place.run(&[], 0);
    }
    documents.push(doc! { "_id": 100, "site": "new", "n": "a hundred", "list": [{ "code": 1 }] });
    dump(&place, "h/c", &bytes(&dated(&documents)));
    (place, documents)
}

const LAYOUT: Table<'static> = Table { keys: &["key"], ..UTC };

#[test]
fn files_that_never_held_the_column_are_left_alone() {
    let (place, documents) = before_and_after();
    // The dump must not touch them either: only the new document is read.
    dump(&place, "h/c", &bytes(&dated(&documents[FILES as usize..])));
    let before = inodes(&place);
    let record = place.run(&["--strict"], 0);
    let files = &record["collections"][0]["files"];
    assert_eq!((&files["retyped"], &files["written"]), (&(FILES / 2).into(), &(FILES / 2 + 1).into()), "{record:#}");
    for (partition, inode) in inodes(&place) {
        let held = partition.trim_start_matches("key=S").parse::<i32>().is_ok_and(|site| site % 2 == 0);
        let kept = before.get(&partition) == Some(&inode);
        assert!(kept != (held || partition == "key=new"), "{partition}");
    }
    holds(&place, "h/c", LAYOUT, &by_id(&dated(&documents)));
    let types = read_table(&place.lake(), "h/c").types;
    assert_eq!((types["n"].as_str(), types["list[].element.value_"].as_str()), ("Utf8", "Utf8"));
    // What changed is in the record, once.
    let changes = record["collections"][0]["schema_changes"].as_array().expect("changes");
    let change = changes.iter().find(|change| change["column"] == "n").expect("n changed");
    assert_eq!((&change["from"], &change["to"]), (&"bigint".into(), &"string".into()));
    assert_eq!((&change["count"], &change["example_ids"]), (&1.into(), &serde_json::json!(["100"])));
    let again = place.run(&[], 0);
    assert_eq!(again["collections"][0]["schema_changes"], serde_json::json!([]));
    assert_eq!(again["collections"][0]["files"]["written"], 0);
}

/// Killed while some files have the new type and some the old, at an arbitrary point each time.
#[test]
fn a_retyping_killed_half_way_is_finished_by_the_next_run() {
    let mut half_way = 0;
    for attempt in 0..6 {
        let (place, documents) = before_and_after();
        dump(&place, "h/c", &bytes(&dated(&documents[FILES as usize..])));
        let before = inodes(&place);
        let mut child = place.command(&["run", "--env", "test", "--json"]).spawn().expect("start lakefold");
        // Until the first files are new, then a little later each time.
        let rewritten =
            || inodes_now(&place).iter().filter(|(partition, inode)| before.get(*partition) != Some(*inode)).count();
        while rewritten() <= attempt && child.try_wait().expect("wait").is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().expect("wait");
        let journal = place.lake().join("_lakefold/journal/h/c.json");
        let status = place.lakefold(&["status", "--env", "test", "--json"]);
        if journal.exists() {
            let done = rewritten();
            half_way += u32::from(done > 0 && done <= FILES as usize / 2);
            assert!(std::fs::read_to_string(&journal).expect("the journal").contains("\"retyping\":true"));
            assert!(
                status.stdout.contains("retyp")
                    || status.stdout.contains("journal")
                    || status.stdout.contains("unfinished"),
                "{status}"
            );
        }
        place.run(&[], 0);
        assert!(!journal.exists());
        holds(&place, "h/c", LAYOUT, &by_id(&dated(&documents)));
    }
    assert!(half_way >= 2, "only {half_way} of the runs were killed half-way");
}

/// As [`inodes`], of a lake that is being written: the files may disagree, and come and go.
fn inodes_now(place: &Workplace) -> BTreeMap<String, u64> {
    let folders = std::fs::read_dir(place.lake().join("h/c")).into_iter().flatten().flatten();
    folders
        .filter_map(|folder| {
            let inode = folder.path().join("data.parquet").metadata().ok()?.ino();
            Some((folder.file_name().to_str()?.to_owned(), inode))
        })
        .collect()
}

/// What a type change costs: `LAKEFOLD_BENCH_RETYPING=FILES` prints time and bytes for a table of so many files.
#[test]
fn the_cost_of_a_type_change_is_told() {
    let wanted = std::env::var("LAKEFOLD_BENCH_RETYPING").ok().map(|text| text.parse::<i64>().expect("a number"));
    let (files, rows) = wanted.map_or((8, 10), |files| (files, 2_000));
    let place = Workplace::with(&Environment::of("dump:source"), &manifest("h,c,at,key=site"));
    let bill = |id: i64| {
        let site = format!("S{:03}", id % files);
        let text = format!("{:x}", id.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64));
        doc! { "_id": id, "site": site, "amount": id, "note": text.repeat(4), "lines": [{ "drug": "A", "n": id % 7 }] }
    };
    dump(&place, "h/c", &bytes(&dated(&(0..files * rows).map(bill).collect::<Vec<_>>())));
    let first = place.run(&[], 0);
    dump(&place, "h/c", &bytes(&dated(&[doc! { "_id": -1, "site": "new", "amount": "free" }])));
    let record = place.run(&[], 0);
    let (loaded, retyped) = (&first["collections"][0], &record["collections"][0]);
    assert_eq!(retyped["files"]["retyped"], files, "{record:#}");
    let megabytes = |collection: &serde_json::Value| collection["bytes"]["written"].as_f64().expect("bytes") / 1e6;
    eprintln!(
        "retyping a table of {files} files, {} rows: {:.1} MB rewritten in {:.1} s (the first load wrote {:.1} MB in {:.1} s)",
        files * rows,
        megabytes(retyped),
        retyped["seconds"].as_f64().expect("seconds"),
        megabytes(loaded),
        loaded["seconds"].as_f64().expect("seconds"),
    );
}
