//! How stages tell how far they are; they know nothing of terminals.

use super::collection::Namespace;

/// Receives progress of a run. Implementations must be cheap: they are called for every batch.
pub trait Progress: Send + Sync {
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
