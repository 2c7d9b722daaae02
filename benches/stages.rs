//! `cargo bench`: the stages of a fold, each by itself, on one thread.

#![allow(missing_docs, clippy::expect_used)]

mod work;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use work::{Table, corpus, decode, shaper, stage};

/// Documents of the corpus.
const BILLS: i64 = 10_000;

fn stages(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let raw = corpus(BILLS, None);
    let mut first = shaper(None);
    let shaped = decode(&mut first, &raw);
    let table = Table { table: Arc::new(first.table().clone()), folder: folder.path() };
    let staged = stage(shaped.clone(), folder.path());
    table.write(&staged);
    let changed = decode(&mut shaper(Some(first.table().clone())), &corpus(BILLS, Some(100)));
    let changes = stage(changed, folder.path());

    let mut group = criterion.benchmark_group("stages");
    let bytes = raw.iter().map(|batch| batch.bytes() as u64).sum();
    group.throughput(Throughput::Bytes(bytes)).sample_size(20);
    group.bench_function("decode", |bencher| {
        bencher.iter_batched(|| shaper(None), |mut shaper| black_box(decode(&mut shaper, &raw)), BatchSize::LargeInput);
    });
    group.bench_function("stage", |bencher| {
        bencher.iter_batched(|| shaped.clone(), |rows| black_box(stage(rows, folder.path())), BatchSize::LargeInput);
    });
    group.bench_function("write", |bencher| bencher.iter(|| black_box(table.write(&staged))));
    group.bench_function("merge", |bencher| bencher.iter(|| black_box(table.merge(&changes))));
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
