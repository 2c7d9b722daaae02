//! The guard of full runs: a source that lost most of its documents must not empty its table by accident.

use super::collection::Job;
use crate::error::{Error, Kind, Result};
use crate::model::command;

/// # Errors
/// When more than half of `stored` rows would go because only `known` of them were read again.
pub fn check(stored: u64, known: u64, job: &Job<'_>) -> Result<()> {
    let dropped = stored.saturating_sub(known);
    if dropped * 2 <= stored {
        return Ok(());
    }
    Err(Error::new(
        Kind::Source,
        format!("a full run would drop {dropped} of the table's {stored} rows: the source does not have them any more"),
    )
    .hint(format!(
        "if that is right, accept it with --allow-shrink:\n  {} --allow-shrink",
        command::rebuild(&job.settings.named, &job.spec.namespace, false)
    )))
}
