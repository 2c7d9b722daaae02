//! `cargo bench`: the stages of a fold, each by itself, on one thread.

#![allow(missing_docs, clippy::expect_used)]

mod work;

use divan::Bencher;
use divan::counter::BytesCount;
use lakefold::model::batch::{RawBatch, ShapedBatch};
use std::sync::Arc;
use tempfile::TempDir;
use work::{Rows, Table, corpus, decode, shaper, stage};

/// Documents of the corpus.
const BILLS: i64 = 10_000;

fn main() {
    divan::main();
}

/// A folded table and its source.
struct Folded {
    raw: Vec<RawBatch>,
    shaped: Vec<ShapedBatch>,
    rows: Rows,
    changes: Rows,
    table: Table,
    /// Removed when the bench ends.
    folder: TempDir,
}

impl Folded {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let raw = corpus(BILLS, None);
        let mut first = shaper(None);
        let shaped = decode(&mut first, &raw);
        let table = Table { table: Arc::new(first.table().clone()), folder: folder.path().to_owned() };
        let rows = Rows::new(shaped.clone(), &first, folder.path());
        table.write(&rows);
        let mut second = shaper(Some(first.table().clone()));
        let changed = decode(&mut second, &corpus(BILLS, Some(100)));
        let changes = Rows::new(changed, &second, folder.path());
        Self { raw, shaped, rows, changes, table, folder }
    }

    fn bytes(&self) -> BytesCount {
        BytesCount::new(self.raw.iter().map(RawBatch::bytes).sum::<usize>())
    }
}

#[divan::bench(sample_count = 20)]
fn a_decode(bencher: Bencher) {
    let folded = Folded::new();
    bencher.counter(folded.bytes()).with_inputs(|| shaper(None)).bench_refs(|shaper| decode(shaper, &folded.raw));
}

#[divan::bench(sample_count = 20)]
fn b_stage(bencher: Bencher) {
    let folded = Folded::new();
    let counted = bencher.counter(folded.bytes()).with_inputs(|| folded.shaped.clone());
    counted.bench_values(|shaped| stage(shaped, folded.folder.path()));
}

#[divan::bench(sample_count = 20)]
fn c_write(bencher: Bencher) {
    let folded = Folded::new();
    bencher.counter(folded.bytes()).bench(|| folded.table.write(&folded.rows));
}

#[divan::bench(sample_count = 20)]
fn d_merge(bencher: Bencher) {
    let folded = Folded::new();
    bencher.counter(folded.bytes()).bench(|| folded.table.merge(&folded.changes));
}
