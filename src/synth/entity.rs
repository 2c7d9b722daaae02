//! What every collection's documents have in common: a history of writes, and how they stand at any time.

use super::calendar::Instant;
use bson::Document;

/// One document of the hospital with its whole history.
///
/// Facts are decided when the value is built, from the seed and the entity's own coordinates alone; what a reader sees
/// at a time is a pure function of them. A full generation and a day's advance therefore cannot disagree.
pub trait Entity {
    /// When the document was written: the insert, then each change, ascending; never empty.
    fn writes(&self) -> &[Instant];

    /// The document after the last write before `until`. Asked only when there is one.
    fn document(&self, until: Instant) -> Document;

    /// The last write before `until`, the document's `updated_at`.
    fn updated(&self, until: Instant) -> Option<Instant> {
        self.writes().iter().rev().find(|at| **at < until).copied()
    }
}
