//! How one collection's share of `--memory` is divided.

use crate::error::{Kind, Result, ResultExt};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionConfig;
use std::path::Path;
use std::sync::Arc;

/// Rows of one batch at most; fewer when they are wide.
const ROWS_PER_BATCH: usize = 4096;

/// How many rows of a set of `rows` rows and `bytes` bytes make a batch of at most `limit` bytes.
pub fn rows_within(limit: usize, bytes: u64, rows: u64) -> usize {
    let per_row = usize::try_from(bytes / rows.max(1)).unwrap_or(usize::MAX).max(1);
    (limit / per_row).clamp(1, ROWS_PER_BATCH)
}

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

    /// The context in which plans run: a pool of [`Budget::sort_pool`] bytes that spills into `scratch`, and batches of
    /// `batch_rows` rows (DataFusion counts rows only, and a batch of every spilled run is in memory at a time).
    pub fn task_context(&self, scratch: &Path, batch_rows: usize) -> Result<Arc<TaskContext>> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(self.sort_pool)))
            .with_temp_file_path(scratch)
            .build_arc()
            .or_error(Kind::Lake, format!("prepare the spill folder {}", scratch.display()))?;
        // A sort keeps this much back for merging its spilled runs; the default of 10 MiB would be most of a small pool.
        let reservation = (self.sort_pool / 8).clamp(1 << 20, 10 << 20);
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .with_batch_size(batch_rows)
            .with_sort_spill_reservation_bytes(reservation);
        Ok(Arc::new(TaskContext::default().with_session_config(config).with_runtime(runtime)))
    }
}
