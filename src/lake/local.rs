//! The lake on a local disk: every write is aside, synced, renamed; every condition is checked under one lock.
//!
//! `rename` has no condition, so the check and the rename stand together under an exclusive `flock` that all
//! processes sharing the lake take for that moment. Like the leases, it dies with its process.

use super::counting::{Counters, one};
use super::layout;
use super::layout::{STATE, TMP};
use super::owner::{Owner, is_abandoned};
use super::version::{Expect, Version};
use crate::error::{Error, Kind, Result};
use bytes::Bytes;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use tempfile::NamedTempFile;

/// What is to be written.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Bytes(Bytes),
    File(PathBuf),
}

/// A folder that is a lake. Its methods block; callers run them off the async threads.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    owner: Owner,
    counters: Arc<Counters>,
}

impl Disk {
    /// Creates the folder when it is missing, and removes what dead writers left aside in it.
    pub(super) fn open(root: PathBuf, counters: Arc<Counters>) -> Result<Self> {
        let unusable = |e: io::Error| {
            let reason = match e.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => "it is not a folder".to_owned(),
                io::ErrorKind::PermissionDenied => "no permission".to_owned(),
                _ => e.to_string(),
            };
            Error::new(Kind::Unavailable, reason)
                .context(format!("open the lake folder {}", root.display()))
                .hint("correct [lake] url, or let this user write there")
        };
        std::fs::create_dir_all(&root).map_err(unusable)?;
        let root = root.canonicalize().map_err(unusable)?;
        std::fs::read_dir(&root).map_err(unusable)?;
        let disk = Self { root, owner: Owner::this("-"), counters };
        disk.sweep();
        Ok(disk)
    }

    /// The lake's folder, absolute.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where a key lies. Keys are checked by [`object_store::path::Path::parse`] before they get here: no part of
    /// one leads upwards.
    pub(super) fn file(&self, key: &object_store::path::Path) -> PathBuf {
        self.root.join(key.as_ref())
    }

    /// Replaces the file at `key` in one step.
    pub(super) fn put(&self, key: &object_store::path::Path, content: &Content, expect: &Expect) -> Result<Version> {
        let what = || format!("write {}", layout::shown(key.as_ref()));
        let target = self.file(key);
        // A write bound to fail should not first copy a large file; the check that counts is the one below.
        self.check(&target, expect).map_err(|e| e.context(what()))?;
        let aside = self.write_aside(content).map_err(|e| self.failed(&e, what()))?;
        let metadata = aside.as_file().metadata().map_err(|e| self.failed(&e, what()))?;
        self.counters.put(metadata.len());
        {
            let _lock = self.lock().map_err(|e| self.failed(&e, what()))?;
            self.check(&target, expect).map_err(|e| e.context(what()))?;
            // Durable before anybody else may find them and rely on it.
            create_folders(target.parent()).map_err(|e| self.failed(&e, what()))?;
            aside.persist(&target).map_err(|e| self.failed(&e.error, what()))?;
        }
        // Nobody else has to wait for this: who replaces the file meanwhile makes the same folder durable.
        target.parent().map_or(Ok(()), sync_folder).map_err(|e| self.failed(&e, what()))?;
        Ok(version_of(&metadata))
    }

    /// Removes the file at `key`, and the folders above it that are empty then, up to the table's own.
    pub(super) fn delete(&self, key: &object_store::path::Path, expect: &Expect) -> Result<()> {
        let what = || format!("delete {}", layout::shown(key.as_ref()));
        let target = self.file(key);
        one(&self.counters.deletes);
        let _lock = self.lock().map_err(|e| self.failed(&e, what()))?;
        if !target.exists() {
            return Ok(());
        }
        self.check(&target, expect).map_err(|e| e.context(what()))?;
        std::fs::remove_file(&target).map_err(|e| self.failed(&e, what()))?;
        let table_depth = self.root.components().count() + 2;
        let mut folder = target.parent();
        while let Some(path) = folder.filter(|path| path.components().count() > table_depth) {
            // Fails when something is left in it, which ends the climb.
            if std::fs::remove_dir(path).is_err() {
                break;
            }
            folder = path.parent();
        }
        folder.map_or(Ok(()), sync_folder).map_err(|e| self.failed(&e, what()))
    }

    /// Opens a lock file and takes it for as long as the returned file is open; `None`: another process has it.
    pub(super) fn try_lock(&self, key: &object_store::path::Path) -> Result<Option<File>> {
        self.try_to(File::try_lock, key)
    }

    /// As [`Disk::try_lock`], beside others who only look.
    pub(super) fn try_to_look(&self, key: &object_store::path::Path) -> Result<Option<File>> {
        self.try_to(File::try_lock_shared, key)
    }

    fn try_to(
        &self,
        take: impl Fn(&File) -> Result<(), TryLockError>,
        key: &object_store::path::Path,
    ) -> Result<Option<File>> {
        let path = self.file(key);
        let open = || {
            create_folders(path.parent())?;
            OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path)
        };
        let file = open().map_err(|e| self.failed(&e, format!("open {}", layout::shown(key.as_ref()))))?;
        match take(&file) {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(self.failed(&e, format!("lock {}", layout::shown(key.as_ref())))),
        }
    }

    /// What an error of the disk means, with the folder it is about.
    pub(super) fn failed(&self, e: &io::Error, what: impl std::fmt::Display) -> Error {
        let root = self.root.display();
        let error = match e.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Error::new(Kind::Unavailable, e).hint(format!("let this user write in the lake's folder {root}"))
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Error::new(Kind::Lake, e).hint(format!("make room on the disk of {root}, then run again"))
            }
            _ => Error::new(Kind::Lake, e),
        };
        error.context(what)
    }

    fn check(&self, target: &Path, expect: &Expect) -> Result<()> {
        let found = match std::fs::metadata(target) {
            Ok(metadata) => Some(version_of(&metadata)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(self.failed(&e, "look at it")),
        };
        if expect.holds(found.as_ref()) { Ok(()) } else { Err(super::conflict(found.is_some())) }
    }

    fn lock(&self) -> io::Result<File> {
        create_folders(Some(&self.root.join(STATE)))?;
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(self.root.join(STATE).join("write.lock"))?;
        file.lock()?;
        Ok(file)
    }

    fn write_aside(&self, content: &Content) -> io::Result<NamedTempFile> {
        let folder = self.root.join(TMP);
        create_folders(Some(&folder))?;
        let mark = self.owner.mark();
        let mut builder = tempfile::Builder::new();
        // What is renamed into the lake is for every reader the umask allows, not for this user alone.
        builder.prefix(&mark).permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let aside = match content {
            Content::Bytes(bytes) => {
                let mut aside = builder.tempfile_in(folder)?;
                aside.write_all(bytes)?;
                aside
            }
            // On the lake's own file system a second name is enough; anywhere else the bytes have to be copied.
            Content::File(source) => match builder.make_in(&folder, |path| link(source, path)) {
                Ok(aside) => aside,
                Err(_) => {
                    let mut aside = builder.tempfile_in(folder)?;
                    io::copy(&mut File::open(source)?, aside.as_file_mut())?;
                    aside
                }
            },
        };
        aside.as_file().sync_all()?;
        Ok(aside)
    }

    /// Litter costs space and harms nobody, so failing to remove it is no error.
    fn sweep(&self) {
        let Ok(entries) = std::fs::read_dir(self.root.join(TMP)) else { return };
        for entry in entries.flatten() {
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let untouched = modified.ok().and_then(|modified| modified.elapsed().ok()).unwrap_or_default();
            if is_abandoned(&entry.file_name().to_string_lossy(), untouched) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// Gives a file a second name.
fn link(source: &Path, path: &Path) -> io::Result<File> {
    std::fs::hard_link(source, path)?;
    File::open(path)
}

/// The version `object_store` gives the same file in a listing.
fn version_of(metadata: &Metadata) -> Version {
    let modified = metadata.modified().ok().and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
    Version::from_text(format!(
        "{:x}-{:x}-{:x}",
        metadata.ino(),
        modified.unwrap_or_default().as_micros(),
        metadata.len()
    ))
}

/// Creates a folder and those above it, each made durable in its parent.
fn create_folders(folder: Option<&Path>) -> io::Result<()> {
    let Some(folder) = folder else { return Ok(()) };
    if folder.is_dir() {
        return Ok(());
    }
    create_folders(folder.parent())?;
    match std::fs::create_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(e) => Err(e),
        Ok(()) => folder.parent().map_or(Ok(()), sync_folder),
    }
}

/// Makes what was renamed into or removed from a folder durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt;
    use std::io::Read;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    fn key(text: &str) -> object_store::path::Path {
        object_store::path::Path::parse(text).expect("key")
    }

    fn disk() -> (tempfile::TempDir, Disk) {
        let folder = tempfile::tempdir().expect("folder");
        let disk = Disk::open(folder.path().join("lake"), Arc::default()).expect("lake");
        (folder, disk)
    }

    fn bytes(text: &'static str) -> Content {
        Content::Bytes(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn versions_are_those_of_listings() {
        let (_folder, disk) = disk();
        let version = disk.put(&key("db/coll/a%20b=1/data.parquet"), &bytes("x"), &Expect::Absent).expect("put");
        let store = object_store::local::LocalFileSystem::new_with_prefix(disk.root()).expect("store");
        let meta = store.head(&key("db/coll/a%20b=1/data.parquet")).await.expect("head");
        assert_eq!(Some(version), Version::of_meta(&meta));
    }

    #[test]
    fn deleting_the_last_file_removes_its_folders_up_to_the_table() {
        let (_folder, disk) = disk();
        let (one, two) = (key("db/coll/d=1/i=1/data.parquet"), key("db/coll/d=1/i=2/data.parquet"));
        for key in [&one, &two] {
            disk.put(key, &bytes("x"), &Expect::Absent).expect("put");
        }
        disk.delete(&one, &Expect::Any).expect("delete");
        assert!(!disk.file(&one).parent().expect("parent").exists() && disk.file(&two).exists());
        disk.delete(&two, &Expect::Any).expect("delete");
        assert!(!disk.root().join("db/coll/d=1").exists() && disk.root().join("db/coll").is_dir());
        disk.delete(&two, &Expect::Any).expect("deleting what is gone is fine");
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_aside() {
        let (_folder, disk) = disk();
        disk.put(&key("a"), &bytes("1"), &Expect::Absent).expect("put");
        let error = disk.put(&key("a"), &bytes("2"), &Expect::Absent).expect_err("exists");
        assert_eq!(error.kind(), Kind::Conflict);
        disk.put(&key("a/b"), &bytes("3"), &Expect::Any).expect_err("a file is no folder");
        // This one is written aside and cannot be renamed.
        std::fs::create_dir(disk.root().join("folder")).expect("folder");
        disk.put(&key("folder"), &bytes("4"), &Expect::Any).expect_err("a folder is no file");
        assert_eq!(std::fs::read_dir(disk.root().join(TMP)).expect("tmp").count(), 0);
        assert_eq!(std::fs::read(disk.file(&key("a"))).expect("read"), b"1");
    }

    #[test]
    fn a_file_of_the_same_disk_is_not_copied_and_stays() {
        let (folder, disk) = disk();
        let source = folder.path().join("merged.parquet");
        std::fs::write(&source, "rows").expect("source");
        let ino = |path: &Path| std::fs::metadata(path).expect("metadata").ino();
        disk.put(&key("a"), &Content::File(source.clone()), &Expect::Absent).expect("put");
        assert_eq!(ino(&disk.file(&key("a"))), ino(&source));
        std::fs::remove_file(&source).expect("it is still there");
        assert_eq!(std::fs::read(disk.file(&key("a"))).expect("read"), b"rows");
        // Another disk.
        let foreign = tempfile::NamedTempFile::new_in("/dev/shm").expect("a file in memory");
        std::fs::write(foreign.path(), "others").expect("source");
        disk.put(&key("a"), &Content::File(foreign.path().to_owned()), &Expect::Any).expect("put");
        assert_eq!(std::fs::read(disk.file(&key("a"))).expect("read"), b"others");
        assert_eq!(std::fs::read_dir(disk.root().join(TMP)).expect("tmp").count(), 0);
    }

    #[test]
    fn files_of_dead_writers_are_swept_and_those_of_live_ones_kept() {
        let (_folder, disk) = disk();
        let tmp = disk.root().join(TMP);
        std::fs::create_dir_all(&tmp).expect("tmp");
        let dead = Owner { started: Some("1".into()), ..disk.owner.clone() };
        let (dead, live) = (tmp.join(dead.mark() + "x"), tmp.join(disk.owner.mark() + "x"));
        std::fs::write(&dead, "").and_then(|()| std::fs::write(&live, "")).expect("files");
        Disk::open(disk.root().to_owned(), Arc::default()).expect("lake");
        assert!(!dead.exists() && live.exists());
    }

    #[test]
    fn no_update_is_lost_between_check_and_rename() {
        let (_folder, disk) = disk();
        let key = key("_lakefold/catalog/count.json");
        disk.put(&key, &bytes("0"), &Expect::Absent).expect("put");
        let landed = AtomicU64::new(0);
        let count = || {
            let other = Disk::open(disk.root().to_owned(), Arc::default()).expect("lake");
            for _ in 0..50 {
                let mut file = File::open(other.file(&key)).expect("open");
                let read = version_of(&file.metadata().expect("metadata"));
                let mut text = String::new();
                file.read_to_string(&mut text).expect("read");
                let next = (text.parse::<u64>().expect("a number") + 1).to_string();
                let put = other.put(&key, &Content::Bytes(next.into()), &Expect::Version(read));
                landed.fetch_add(u64::from(put.is_ok()), Relaxed);
            }
        };
        std::thread::scope(|threads| (0..4).for_each(|_| drop(threads.spawn(count))));
        let counted = std::fs::read_to_string(disk.file(&key)).expect("read");
        assert_eq!(counted, landed.into_inner().to_string());
    }

    #[test]
    fn a_file_is_not_a_lake() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "").expect("file");
        let error = Disk::open(path, Arc::default()).expect_err("not a folder");
        assert_eq!(error.kind(), Kind::Unavailable);
        assert!(error.to_string().ends_with("it is not a folder"), "{error}");
    }
}
