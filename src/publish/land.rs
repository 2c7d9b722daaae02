//! Puts one merged partition into its place.

use crate::error::{Error, Kind, Result};
use crate::lake::layout;
use crate::lake::{Expect, Lake, Version};
use std::path::Path;

/// What happened to a partition's file.
#[derive(Debug, Clone)]
pub enum Landed {
    /// The file was created or replaced.
    Written(Version),
    /// No row was left, so the file is gone (P2).
    Deleted,
}

/// Replaces the data file at `key` by `file`, or removes it when there is none.
///
/// `read` is the version this run merged with; any other version in the lake means that somebody else wrote, and
/// nothing is changed (P9).
pub async fn land(lake: &Lake, key: &str, file: Option<&Path>, read: Option<&Version>) -> Result<Landed> {
    let expect = match read {
        Some(version) => Expect::Version(version.clone()),
        None => Expect::Absent,
    };
    let landed = match file {
        Some(path) => lake.put_file(key, path, expect).await.map(Landed::Written),
        None => lake.delete(key, expect).await.map(|()| Landed::Deleted),
    };
    landed.map_err(|e| {
        if e.kind() == Kind::Conflict {
            return Error::new(Kind::Conflict, "P9: another writer changed it since this run read it")
                .context(format!("publish {}", layout::shown(key)))
                .hint("run the collection again; when nothing else should write here, look for a second scheduler");
        }
        e.context(format!("publish {}", layout::shown(key)))
    })
}
