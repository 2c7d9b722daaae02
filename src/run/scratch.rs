//! Folders on local disk for what does not fit into memory: one a collection, named after its process, so that what a
//! run leaves behind that was killed is known and removed by the next one.

use crate::error::{Kind, Result, ResultExt};
use crate::lake;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;

/// What every folder's name begins with.
const PREFIX: &str = "lakefold-";

/// A folder that is gone when the collection is done. It is this user's alone: rows are spilled there, beside the files
/// of everybody else (P10). What is inside keeps the modes of files of the lake, where some get a second name.
///
/// # Errors
/// The system's folder for temporary files takes none.
pub fn folder() -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}", lake::mark()))
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .or_error(Kind::Lake, "make a scratch folder")
        .map_err(|e| e.hint("set TMPDIR to a folder with room"))
}

/// Folders of processes of this host that are dead.
pub fn abandoned() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    let of_dead = |name: &str| name.strip_prefix(PREFIX).is_some_and(lake::is_abandoned);
    let mut folders: Vec<PathBuf> =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(of_dead)).map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

/// Removes them. They cost space and harm nobody, so that failing to is no error.
pub fn sweep() {
    for folder in abandoned() {
        if let Err(error) = std::fs::remove_dir_all(&folder) {
            tracing::debug!(folder = %folder.display(), %error, "a scratch folder of a dead run stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_looks_into_a_folder() {
        let folder = folder().unwrap();
        let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{mode:o}");
    }

    #[test]
    fn folders_of_the_dead_are_swept_and_no_others() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let (here, pid) = (lake::mark(), child.id().to_string());
        // `<place>-<pid>-<started>-`
        let dead: Vec<&str> = here.split('-').enumerate().map(|(at, part)| if at == 1 { &pid } else { part }).collect();
        let dead = dead.join("-");
        child.wait().unwrap();
        let live = folder().unwrap();
        let dead = std::env::temp_dir().join(format!("{PREFIX}{dead}x"));
        std::fs::create_dir(&dead).unwrap();
        assert!(abandoned().contains(&dead));
        sweep();
        assert!(!dead.exists() && live.path().exists());
    }
}
