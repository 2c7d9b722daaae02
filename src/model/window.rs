//! How far a collection has been read, and what this run reads of it.

use serde::{Deserialize, Serialize};

/// A cluster's logical time as MongoDB's `operationTime` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OperationTime {
    /// Seconds since 1970.
    pub seconds: u32,
    /// Counter within the second.
    pub increment: u32,
}

/// The one upper bound of a run, fixed before anything is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The server's time in milliseconds since 1970, UTC. `None`: the source has no clock (a bare dump).
    pub time_ms: Option<i64>,
    /// The cluster's operationTime, where the server has one.
    pub operation_time: Option<OperationTime>,
}

/// What a run reads of one collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every document; the table is replaced.
    Full,
    /// Every document of the source, folded over the stored ones (a dump without a clock).
    Whole,
    /// Every document whose modified time is `from_ms` or later, without an upper limit.
    Since {
        /// Milliseconds since 1970, UTC; the overlap is already taken off.
        from_ms: i64,
    },
}
