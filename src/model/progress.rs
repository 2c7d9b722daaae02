//! How stages tell how far they are; they know nothing of terminals.

use super::collection::Namespace;

/// Receives progress of a run. Implementations must be cheap: they are called for every batch.
pub trait Progress: Send + Sync {
    /// A run of so many collections starts.
    fn begin(&self, _collections: usize) {}
    /// A collection starts; `documents` and `bytes` are estimates from the source's counters, where it has them.
    fn start(&self, collection: &Namespace, documents: Option<u64>, bytes: Option<u64>);
    /// `documents` more were read, of `bytes` bytes of BSON.
    fn read(&self, collection: &Namespace, documents: u64, bytes: u64);
    /// The collection enters a named phase: `reading`, `merging`, `publishing`.
    fn phase(&self, collection: &Namespace, phase: &'static str);
    /// `done` of `total` partitions are written.
    fn merged(&self, collection: &Namespace, done: u64, total: u64);
    /// The collection ended; `outcome` as in the run record.
    fn finish(&self, collection: &Namespace, outcome: &str);
}

/// Says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _: &Namespace, _: Option<u64>, _: Option<u64>) {}
    fn read(&self, _: &Namespace, _: u64, _: u64) {}
    fn phase(&self, _: &Namespace, _: &'static str) {}
    fn merged(&self, _: &Namespace, _: u64, _: u64) {}
    fn finish(&self, _: &Namespace, _: &str) {}
}
