//! A manifest that `init` proposes for a source it has looked at.

use super::collection::Namespace;

/// One row of the proposed manifest, with what speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedRow {
    /// The collection.
    pub namespace: Namespace,
    /// What was found out about it, a line each; they stand above the row as comments.
    pub remarks: Vec<String>,
    /// `timestamp_column`; empty: none was found.
    pub timestamp_column: String,
    /// `partition_by`; empty: one file.
    pub partition_by: String,
    /// Why the row is commented out; none: it is not.
    pub left_out: Option<String>,
}
