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

impl Bound {
    /// The bound as a machine trusts it whose own clock said `now_ms` after the server had been asked.
    ///
    /// A server whose clock is ahead would leave a watermark that later windows begin at, and documents that were
    /// stamped by clocks that are right would lie before it, unread. An earlier bound only reads more.
    pub fn no_later_than(self, now_ms: i64) -> Self {
        Self { time_ms: self.time_ms.map(|time| time.min(now_ms)), ..self }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_ahead_is_not_believed() {
        let bound = Bound { time_ms: Some(5_000), operation_time: None };
        assert_eq!(bound.no_later_than(1_000).time_ms, Some(1_000));
        assert_eq!(bound.no_later_than(9_000), bound);
        let bare = Bound { time_ms: None, operation_time: None };
        assert_eq!(bare.no_later_than(1_000), bare);
    }
}
