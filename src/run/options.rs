//! What the command line asks of a run.

use super::interrupt::Interrupt;
use crate::model::collection::Namespace;

/// Flags of `lakefold run`, checked.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Only these collections; empty: all of the manifest.
    pub only: Vec<Namespace>,
    /// Replace the tables.
    pub full: bool,
    /// With `full`: forget the kinds seen so far.
    pub forget_schema: bool,
    /// Let a full run drop more than half of a table.
    pub allow_shrink: bool,
    /// Read from this time on, milliseconds UTC.
    pub since: Option<i64>,
    /// Read and merge all, write nothing.
    pub dry_run: bool,
    /// A document that cannot be read fails its collection instead of going to the quarantine.
    pub strict: bool,
    /// Signals and deadline.
    pub interrupt: Interrupt,
}
