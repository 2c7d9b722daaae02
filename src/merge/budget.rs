//! How one collection's share of `--memory` is divided.

use super::sort_files;
use super::widths::{Widths, rows_within};
use crate::error::{Kind, Result, ResultExt};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;
use std::path::Path;
use std::sync::Arc;

/// What each step of one collection may hold at a time, all in bytes.
///
/// The parts add up to the share: while documents are read the stage's chunk and the batches on their way are
/// alive, afterwards the sort pool, the readers and the writers.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// One raw batch as it comes from the source.
    pub raw_batch: usize,
    /// Shaped rows kept in memory before a run is written to disk.
    pub chunk: usize,
    /// DataFusion's pool for sorting.
    pub sort_pool: usize,
    /// Encoded bytes of one Parquet row group.
    pub row_group: usize,
    /// Rows in one Arrow batch on its way through the merge.
    pub batch: usize,
    /// Partitions merged at once.
    pub partitions_at_once: usize,
}

/// How often a sort counts its widest row, at least: it merges two spilled runs at a time and counts each batch twice.
const ROWS_OF_A_SORT: usize = 4;

/// What a sort keeps back for merging its spilled runs, at most.
const RESERVATION_MAX: usize = 10 << 20;

fn sorting_takes(widest: u64) -> usize {
    let widest = usize::try_from(widest).unwrap_or(usize::MAX);
    widest.saturating_mul(ROWS_OF_A_SORT).saturating_add(RESERVATION_MAX)
}

/// What the plans of one collection share.
#[derive(Debug, Clone)]
pub struct Sorting {
    runtime: Arc<RuntimeEnv>,
    reservation: usize,
    batch: usize,
}

impl Sorting {
    /// The context of one partition's plans, in batches that suit rows of these widths: DataFusion counts rows only, and
    /// a batch of every spilled run is in memory at a time.
    pub fn context(&self, widths: impl IntoIterator<Item = Widths>) -> Arc<TaskContext> {
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .with_batch_size(rows_within(self.batch, widths))
            // Kept back for merging spilled runs; the default of 10 MiB would be most of a small pool.
            .with_sort_spill_reservation_bytes(self.reservation);
        Arc::new(TaskContext::default().with_session_config(config).with_runtime(Arc::clone(&self.runtime)))
    }
}

impl Budget {
    /// Divides `share` bytes.
    pub fn of(share: u64) -> Self {
        let share = usize::try_from(share).unwrap_or(usize::MAX);
        let mib = 1 << 20;
        Self {
            raw_batch: (share / 64).clamp(mib / 2, 8 * mib),
            chunk: (share / 4).max(4 * mib),
            sort_pool: (share / 3).max(16 * mib),
            row_group: (share / 16).clamp(4 * mib, 128 * mib),
            batch: (share / 128).clamp(mib / 4, 4 * mib),
            partitions_at_once: if share < 192 * mib { 1 } else { 2 },
        }
    }

    /// Bytes of rows that a merge of sorted runs may hold beside others. They share the sort pool, where each row counts
    /// with its keys, which can be as large as a narrow row.
    pub fn merge_beside(&self) -> u64 {
        (self.sort_pool / (2 * self.partitions_at_once)) as u64
    }

    /// Whether sorting a row of `widest` bytes takes more than the share allows for: such partitions are merged by
    /// themselves, while no other collection merges anything.
    pub fn is_wide(&self, widest: u64) -> bool {
        sorting_takes(widest) > self.sort_pool
    }

    /// Where the plans of a collection run: a pool of [`Budget::sort_pool`] bytes that spills into `scratch`, or of as
    /// many as sorting rows of `widest` bytes takes.
    pub fn sorting(&self, scratch: &Path, widest: u64) -> Result<Sorting> {
        let pool = self.sort_pool.max(sorting_takes(widest));
        let folder = scratch.to_owned();
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(pool)))
            .with_disk_manager_builder(sort_files::disk_manager(move || Ok(folder.clone())))
            .build_arc()
            .or_error(Kind::Lake, "prepare sorting")?;
        Ok(Sorting { runtime, reservation: (self.sort_pool / 8).clamp(1 << 20, RESERVATION_MAX), batch: self.batch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::plan::leaf;
    use crate::merge::scratch::open_files;
    use crate::merge::sort_files::RUNS_AT_ONCE;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use datafusion::physical_expr::expressions::Column;
    use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
    use datafusion::physical_plan::ExecutionPlan;
    use datafusion::physical_plan::sorts::sort::SortExec;
    use futures::{StreamExt, TryStreamExt, stream};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_sort_of_many_runs_has_few_files_open() {
        const BATCHES: usize = 110;
        let scratch = tempfile::tempdir().unwrap();
        // Small batches: memory for all runs at once is no hindrance.
        let sorting = Budget { batch: 16 << 10, ..Budget::of(0) }.sorting(scratch.path(), 1000).unwrap();
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..2000).map(|n| n * 7919 % 2000)));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..2000).map(|_| "x".repeat(1000))));
        let batch = RecordBatch::try_from_iter([("number", numbers), ("text", texts)]).unwrap();
        let (most, folder) = (Arc::new(AtomicUsize::new(0)), scratch.path().to_owned());
        let input = {
            let (batch, most) = (batch.clone(), Arc::clone(&most));
            (0..BATCHES).map(move |_| {
                most.fetch_max(open_files(&folder), Ordering::Relaxed);
                Ok(batch.clone())
            })
        };
        let input = leaf(batch.schema(), vec![stream::iter(input).boxed()]).unwrap();
        let order: LexOrdering = [PhysicalSortExpr::new_default(Arc::new(Column::new("number", 0)))].into();
        let sort = SortExec::new(order, input);
        let widths = Widths { rows: 2000, bytes: 2_000_000, widest: 1000 };
        let mut rows = sort.execute(0, sorting.context([widths])).unwrap();
        let mut sorted = 0;
        while let Some(batch) = rows.try_next().await.unwrap() {
            if sorted == 0 {
                most.fetch_max(open_files(scratch.path()), Ordering::Relaxed);
            }
            sorted += batch.num_rows();
        }
        assert_eq!(sorted, 2000 * BATCHES);
        let (open, runs) = (most.load(Ordering::Relaxed), sort.metrics().unwrap().spill_count().unwrap());
        assert!(runs > 2 * RUNS_AT_ONCE, "{runs} runs were spilled");
        assert!((2..=RUNS_AT_ONCE).contains(&open), "{open} files of {runs} runs were open");
        drop((rows, sort, sorting));
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "a file is left over");
    }
}
