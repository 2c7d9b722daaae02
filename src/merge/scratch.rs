//! What goes wrong on the scratch disk, in words an operator can act on.

use crate::error::{Error, Kind};
use crate::model::redact::quoted;
use std::fmt::Display;
use std::path::Path;

/// What to do about a full scratch disk.
pub(super) const HINT: &str = "make room on the disk of TMPDIR, or point TMPDIR to a larger one";

/// An error of a file of the scratch disk.
pub(super) fn error(doing: &str, path: &Path, e: &dyn Display) -> Error {
    Error::new(Kind::Lake, quoted(&e.to_string())).context(format!("{doing} {}", path.display())).hint(HINT)
}

/// Whether any error of a chain says that a disk is full.
pub(super) fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            use std::io::ErrorKind::{QuotaExceeded, StorageFull};
            if matches!(io.kind(), StorageFull | QuotaExceeded) {
                return true;
            }
        }
        next = error.source();
    }
    false
}
