//! Names and samples of a mongodump folder.

use super::reader::Documents;
use super::{Dump, Metadata, metadata, unescape};
use crate::error::{Kind, Result, ResultExt};
use crate::extract::survey::{Listed, ListedKind, OWN_DATABASES, SAMPLE_BYTES};
use crate::model::batch::RawBatch;
use crate::model::collection::Namespace;
use bytes::Bytes;
use std::path::{Path, PathBuf};

/// Bytes of a collection's file that a sample is taken from: its documents stand in no order that could be jumped in.
const LOOKED_THROUGH: u64 = 256 << 20;

impl Dump {
    /// Every collection of the folder.
    pub(super) fn listed(&self) -> Result<Vec<Listed>> {
        let mut found = Vec::new();
        for folder in entries(&self.root)?.into_iter().filter(|path| path.is_dir()) {
            let database = name_of(&folder).map(unescape).unwrap_or_default();
            if OWN_DATABASES.contains(&database.as_str()) {
                continue;
            }
            for file in entries(&folder)? {
                let name = name_of(&file).and_then(|name| {
                    name.strip_suffix(".bson").or_else(|| name.strip_suffix(".bson.gz")).map(str::to_owned)
                });
                let Some(name) = name else { continue };
                let collection = unescape(&name);
                if !collection.starts_with("system.") {
                    let kind = kind(&folder, &name)?;
                    found.push(Listed { namespace: Namespace { database: database.clone(), collection }, kind });
                }
            }
        }
        found.sort();
        // Plain and gzipped: one collection, which cannot be read until one of its files is gone.
        found.dedup();
        Ok(found)
    }

    /// Documents from all over the beginning of the file, evenly spread.
    pub(super) fn spread(&self, namespace: &Namespace, documents: usize) -> Result<RawBatch> {
        let found = self.find(namespace)?;
        let mut file = Documents::open(found.path, found.gzipped)?;
        let (mut kept, mut bytes): (Vec<Bytes>, usize) = (Vec::new(), 0);
        let (mut stride, mut at) = (1_usize, 0_usize);
        let mut buffer = Vec::new();
        while file.offset() < LOOKED_THROUGH && bytes < SAMPLE_BYTES {
            buffer.clear();
            if file.next_into(&mut buffer)?.is_none() {
                break;
            }
            if at.is_multiple_of(stride) {
                kept.push(Bytes::copy_from_slice(&buffer));
                bytes += buffer.len();
            }
            at += 1;
            if kept.len() >= documents.max(1) * 2 {
                // Every second one stays, and from here on only half as many come: what is kept is always even.
                kept = kept.into_iter().step_by(2).collect();
                bytes = kept.iter().map(Bytes::len).sum();
                stride *= 2;
            }
        }
        let step = kept.len().div_ceil(documents.max(1)).max(1);
        Ok(RawBatch { documents: kept.into_iter().step_by(step).collect() })
    }
}

fn kind(folder: &Path, stem: &str) -> Result<ListedKind> {
    for (suffix, gzipped) in [(".metadata.json", false), (".metadata.json.gz", true)] {
        let Metadata { kind } = metadata(&folder.join(format!("{stem}{suffix}")), gzipped)?;
        match kind.as_str() {
            "timeseries" => return Ok(ListedKind::TimeSeries),
            "view" => return Ok(ListedKind::View),
            _ => {}
        }
    }
    Ok(ListedKind::Collection)
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let doing = || format!("list {}", folder.display());
    let entries = std::fs::read_dir(folder).or_error(Kind::Unavailable, doing())?;
    entries.map(|entry| Ok(entry.or_error(Kind::Unavailable, doing())?.path())).collect()
}
