//! 4. Stored file + changes -> new file.
//!
//! ```text
//! shaped batches ─ Stage ──► runs, grouped by partition and sorted, on local disk when they are many
//!                    │
//!                    └─ ids ─► Places::resolve ─► who moved, who lost, what the index becomes
//!
//! per touched partition:
//!   slices of each run ─ convert ─ merge (_id, newest first) ─┐
//!   stored file        ─ convert ─────────────────────────────┴─ fold ─► rows sorted by _id ─► Parquet on local disk
//! ```
//!
//! Reading and merging runs are DataFusion plans over one bounded memory pool with spill; [`fold`] is a streaming merge
//! of two sorted inputs. Nothing here writes into the lake: the results are local files that `publish` makes visible.
//!
//! Keeps P1 (one row per `_id`), P6 (every row read is accounted for) and P10 (bounded memory).

pub mod budget;
pub mod dictionaries;
pub mod fold;
mod order;
pub mod places;
pub mod plan;
pub mod scratch;
pub mod sort_files;
mod spill;
pub mod stage;
pub mod stored;
pub mod widths;
pub mod writer;

/// Column that carries the order in which rows were read through the sort; it is never written to the lake.
const SEQUENCE: &str = "__lakefold_sequence";
