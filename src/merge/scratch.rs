//! What goes wrong on the scratch disk, in words an operator can act on.

use crate::error::{Error, Kind};
use crate::model::redact::quoted;
use std::fmt::Display;
use std::path::Path;

/// What to do about a full scratch disk.
const HINT: &str = "make room on the disk of TMPDIR, or point TMPDIR to a larger one";

/// An error of a file of the scratch disk.
pub(super) fn error(doing: &str, path: &Path, e: &dyn Display) -> Error {
    Error::new(Kind::Lake, quoted(&e.to_string())).context(format!("{doing} {}", path.display())).hint(HINT)
}

/// What an error of DataFusion's plans means when it says that the disk they spill to is full.
pub fn full(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let full = Error::new(Kind::Lake, quoted(&error.to_string()));
    let place = std::env::temp_dir();
    is_full(error).then(|| full.context(format!("spill to {}", place.display())).hint(HINT))
}

/// Whether any error of a chain says that a disk is full.
fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
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

/// Files of `folder` that this process has open.
#[cfg(test)]
pub(super) fn open_files(folder: &Path) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").expect("the open files of this process");
    let files = files.map(|file| file.expect("a file of this process").path());
    // What is closed meanwhile, as the folder just listed, is no file.
    files.filter(|file| std::fs::read_link(file).is_ok_and(|to| to.starts_with(folder))).count()
}
