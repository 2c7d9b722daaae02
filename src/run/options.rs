//! What one run is asked to do, beyond what the environment says.

use crate::model::collection::Namespace;
use crate::model::signal::Signal;
use tokio::sync::watch;

/// The flags of `run`, checked.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Only these collections, all of them named by the manifest; empty: every one.
    pub only: Vec<Namespace>,
    /// Replace the tables.
    pub full: bool,
    /// With `full`: forget the kinds seen so far.
    pub forget_schema: bool,
    /// With `full`: accept that a table loses more than half of its rows.
    pub allow_shrink: bool,
    /// Read from here instead of from the watermark; milliseconds since 1970, UTC.
    pub since: Option<i64>,
    /// Read and merge everything, write nothing.
    pub dry_run: bool,
    /// A document that cannot be read fails its collection instead of going to the quarantine.
    pub strict: bool,
    /// Wait for the crawlers to end.
    pub wait: bool,
    /// Becomes `Some` when the run should end cleanly.
    pub interrupt: watch::Receiver<Option<Signal>>,
}
