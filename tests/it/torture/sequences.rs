//! Documents of every kind, in any split into runs: the lake is that of one full run (P5), and each row holds its
//! document (P6).

use super::{holds, manifest};
use crate::fuzz::{Corpus, Element, Mutator, Value, parse, write};
use crate::support::lake_rows::read_table;
use crate::support::lakefold::{Environment, Workplace};
use crate::support::read_back;
use crate::support::soak::{Patience, covered, seeds};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::process::Command;

/// Histories in an ordinary test run; `LAKEFOLD_SPLITS=N` tries others, `LAKEFOLD_SPLIT_SEED=N` one.
const HISTORIES: u64 = 8;

/// One document written at some time.
struct Version {
    id: i64,
    bytes: Vec<u8>,
}

#[test]
fn any_split_into_runs_leaves_the_lake_of_one_full_run() {
    let (seeds, patience) = (seeds("LAKEFOLD_SPLIT_SEED", "LAKEFOLD_SPLITS", HISTORIES), Patience::new());
    let (first, mut told) = (seeds.start, 0);
    for seed in seeds.take_while(|_| patience.lasts()) {
        eprintln!("LAKEFOLD_SPLIT_SEED={seed}");
        history(seed);
        told += 1;
    }
    covered(format_args!("{told} histories split into runs, from seed {first}"));
}

fn history(seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let local = rng.random();
    let runs: Vec<Vec<Version>> = {
        let mut author = Author::new(&mut rng);
        (0..4).map(|run| author.run(run)).collect()
    };
    let everything: Vec<&Version> = runs.iter().flatten().collect();
    let last: BTreeMap<i64, Vec<u8>> = everything.iter().map(|version| (version.id, version.bytes.clone())).collect();

    let split = place(local);
    for run in &runs {
        fold(&split, run.iter().map(|version| version.bytes.as_slice()), &[]);
    }
    let layout = read_back::Table { zone: chrono_tz::Europe::Berlin, local, keys: &["site"] };
    holds(&split, "h/c", layout, &last);

    // All versions in one dump: the same kinds, of which some have vanished from the documents that stay.
    let whole = place(local);
    fold(&whole, everything.iter().map(|version| version.bytes.as_slice()), &[]);
    same(&split, &whole, Same::Values, "several runs (left), one over all versions (right)");

    // One full run over the final source, from the kinds seen.
    let full = place(local);
    copy_lake(&split, &full);
    fold(&full, last.values().map(Vec::as_slice), &["--full"]);
    same(&split, &full, Same::Everything, "several runs (left), one full run over the final source (right)");
    holds(&full, "h/c", layout, &last);

    // Kinds are forgotten by --full --forget-schema only.
    fold(&full, last.values().map(Vec::as_slice), &["--full", "--forget-schema"]);
    let new = place(local);
    fold(&new, last.values().map(Vec::as_slice), &[]);
    same(&full, &new, Same::Everything, "a forgotten schema (left), a new lake (right)");
    holds(&full, "h/c", layout, &last);
}

fn place(local: bool) -> Workplace {
    let timestamps = if local { "local" } else { "utc" };
    let environment = Environment { timezone: "Europe/Berlin", timestamps, ..Environment::of("dump:source") };
    Workplace::with(&environment, &manifest("h,c,at,site=site"))
}

fn fold<'a>(place: &Workplace, documents: impl Iterator<Item = &'a [u8]>, flags: &[&str]) {
    place.write("source/h/c.bson", documents.collect::<Vec<_>>().concat());
    let record = place.run(&[&["--strict"], flags].concat(), 0);
    let rows = &record["collections"][0]["rows"];
    assert_eq!(rows["quarantined"], 0, "{record:#}");
}

fn copy_lake(from: &Workplace, to: &Workplace) {
    let copied = Command::new("cp").arg("-r").arg(from.lake()).arg(to.path()).status().expect("cp");
    assert!(copied.success());
}

/// What two lakes have in common.
#[derive(Clone, Copy, PartialEq)]
enum Same {
    Everything,
    /// All but the marks of spellings: which of two spellings came first is part of what a table has seen, and these
    /// tables have seen the same documents in another order.
    Values,
}

#[track_caller]
fn same(left: &Workplace, right: &Workplace, depth: Same, what: &str) {
    let seen = |place: &Workplace| {
        let table = read_table(&place.lake(), "h/c");
        let mut rows: Vec<String> = table
            .rows
            .into_iter()
            .map(|mut row| {
                if depth == Same::Values
                    && let Some(kept) = row.columns.remove("_misfits")
                {
                    let kept = kept.as_str().expect("a text").to_owned();
                    let mut kept: serde_json::Map<String, serde_json::Value> =
                        serde_json::from_str(&kept).expect("JSON");
                    kept.retain(|pointer, _| !pointer.ends_with("~="));
                    if !kept.is_empty() {
                        row.columns.insert("_misfits".to_owned(), kept.into());
                    }
                }
                format!("{} {}", row.partition, serde_json::Value::Object(row.columns))
            })
            .collect();
        rows.sort();
        (table.types, rows)
    };
    let (mut left, mut right) = (seen(left), seen(right));
    if depth == Same::Values {
        // The column may be there for such marks only.
        left.0.remove("_misfits");
        right.0.remove("_misfits");
    }
    assert_eq!(left.0, right.0, "P5, columns: {what}");
    assert_eq!(left.1, right.1, "P5, rows: {what}");
}

/// Writes documents whose contents come from the fuzzer's corpus.
struct Author<'r> {
    rng: &'r mut ChaCha8Rng,
    pool: Vec<Vec<u8>>,
    clock: i64,
}

impl<'r> Author<'r> {
    fn new(rng: &'r mut ChaCha8Rng) -> Self {
        let sound = |bytes: &Vec<u8>| crate::fuzz::is_sound(bytes);
        Self { rng, pool: Corpus::load().documents().into_iter().filter(sound).collect(), clock: 1_700_000_000_000 }
    }

    fn run(&mut self, run: u64) -> Vec<Version> {
        let documents = self.rng.random_range(2..8);
        (0..documents).map(|_| self.version(run)).collect()
    }

    /// A new version of one of a few documents: of few kinds in the first run, of any afterwards.
    fn version(&mut self, run: u64) -> Version {
        let id = self.rng.random_range(1..10);
        self.clock += 1_000;
        let whole = |tag: u8, key: &str, value: i64| Element {
            tag,
            key: key.as_bytes().to_vec(),
            value: Value::Bytes(value.to_le_bytes().to_vec()),
        };
        let site = format!("S{}", self.rng.random_range(0..3));
        let text = [&3_i32.to_le_bytes()[..], site.as_bytes(), b"\0"].concat();
        let mut elements = vec![
            whole(0x12, "_id", id),
            whole(0x09, "at", self.clock),
            Element { tag: 0x02, key: b"site".to_vec(), value: Value::Bytes(text) },
        ];
        if run > 0 || self.rng.random_ratio(1, 3) {
            elements.extend(self.contents());
        } else {
            elements.push(whole(0x12, "a", id));
        }
        Version { id, bytes: write(&elements) }
    }

    fn contents(&mut self) -> Vec<Element> {
        loop {
            let rng = ChaCha8Rng::seed_from_u64(self.rng.random());
            let bytes = Mutator { rng, pool: &self.pool }.document();
            let mut elements = parse(&bytes);
            elements.retain(|element| !matches!(element.key.as_slice(), b"_id" | b"at" | b"site"));
            if crate::fuzz::is_sound(&write(&elements)) {
                return elements;
            }
        }
    }
}
