//! A collection that was read to its end must still be the one whose reading began.
//!
//! A name can come to stand for other documents meanwhile: the collection is dropped and filled again, another is
//! renamed over it, a backup is restored. A query that is asked again then finds the rest of something else, or
//! nothing, and no error says so. A part of each would become the table (P6).

use crate::error::{Error, Kind, Result};
use crate::extract::{Described, Source};
use crate::model::collection::Namespace;

/// Asks whether `ns` still stands for what was `described` before it was read; to be called after the last document and
/// before anything is published. It costs the source a command, which an idle window need not spend: what brought no
/// document changes nothing.
///
/// # Errors
/// [`Kind::Source`] when it does not.
pub async fn check(source: &dyn Source, described: &Described, ns: &Namespace) -> Result<()> {
    if source.is_same(ns, described).await? {
        return Ok(());
    }
    Err(Error::new(Kind::Source, "the collection was dropped, renamed or restored while it was read")
        .context(format!("read {ns}"))
        .hint("run it again when that is over; the watermark has not moved"))
}
