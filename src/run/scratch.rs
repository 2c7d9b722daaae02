//! Folders on local disk for what does not fit into memory: one a collection, named after its process, so that what a
//! run leaves behind that was killed is known and removed by the next one.

use crate::error::{Kind, Result, ResultExt};
use crate::lake;
use std::fs::{DirEntry, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
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

/// A [`folder`] that is made when it is first needed and is gone with this, whoever has files open in it: tasks of a query
/// that failed keep theirs until they are polled again, for which the end of the process does not wait.
#[derive(Default)]
pub struct SpillFolder(Arc<OnceLock<TempDir>>);

impl SpillFolder {
    /// Gives its path.
    pub fn on_demand(&self) -> impl Fn() -> Result<PathBuf> + Send + Sync + use<> {
        let made = Arc::clone(&self.0);
        move || {
            if let Some(folder) = made.get() {
                return Ok(folder.path().to_owned());
            }
            let new = folder()?;
            // Of two threads that make one, the first stays.
            Ok(made.get_or_init(|| new).path().to_owned())
        }
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        if let Some(folder) = self.0.get() {
            let _ = std::fs::remove_dir_all(folder.path());
        }
    }
}

/// Folders of processes that are dead, or that nothing is known of any more: the host was restarted, or it was another
/// container.
pub fn abandoned() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    let is_litter = |entry: &DirEntry| {
        let name = entry.file_name();
        let mark = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        mark.is_some_and(|mark| lake::is_abandoned(mark, untouched(&entry.path())))
    };
    let mut folders: Vec<PathBuf> = entries.filter(is_litter).map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

/// How long nobody has written in a folder, or made or removed a file there.
fn untouched(folder: &Path) -> Duration {
    let age = |path: &Path| std::fs::symlink_metadata(path).and_then(|found| found.modified()).ok()?.elapsed().ok();
    let within = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let ages = within.map(|path| if path.is_dir() { untouched(&path) } else { age(&path).unwrap_or_default() });
    ages.chain([age(folder).unwrap_or_default()]).min().unwrap_or_default()
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

    /// The host was restarted, or it was another container: its processes are not known here, which run may be alive.
    #[test]
    fn folders_of_elsewhere_are_swept_when_nobody_has_touched_them_for_long() {
        let place = tempfile::Builder::new().prefix(&format!("{PREFIX}elsewhere-1-1-")).tempdir().unwrap();
        let file = std::fs::File::create(place.path().join("run-0.arrow")).unwrap();
        let folder = std::fs::File::open(place.path()).unwrap();
        let is_swept = || abandoned().contains(&place.path().to_owned());
        let now = std::time::SystemTime::now();
        let (day, hour) = (Duration::from_secs(24 * 60 * 60), Duration::from_secs(60 * 60));
        folder.set_modified(now - day - hour).unwrap();
        assert!(!is_swept(), "a file in it is new");
        file.set_modified(now - day + hour).unwrap();
        assert!(!is_swept(), "a file in it is a day old");
        file.set_modified(now - day - hour).unwrap();
        // A run of another test may have swept it by now.
        assert!(is_swept() || !place.path().exists());
    }
}
