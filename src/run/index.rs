//! Keeps the index of places in step with the data files.

use crate::error::{Kind, Result, ResultExt};
use crate::kill_point::{KillPoint, reach};
use crate::lake::state::Stored;
use crate::lake::{Expect, Lake, Lease, Object, Version, layout, state};
use crate::merge::places::{FORMAT, FileInfo, Head, Resolution};
use crate::model::collection::Namespace;
use futures::StreamExt;
use std::collections::{BTreeMap, HashMap};

/// What the index knows of a table's data files, by partition folder.
pub type Files = BTreeMap<String, FileInfo>;

/// What ends the name of a generation that was built from the data files themselves.
pub const REBUILT: &str = "-r";

/// The table's data files by partition folder, from one listing.
///
/// # Errors
/// [`Kind::Lake`] when the folder holds anything that lakefold would not have put there.
pub async fn list_files(lake: &Lake, ns: &Namespace) -> Result<HashMap<String, Object>> {
    let prefix = layout::table_prefix(ns);
    let mut files = HashMap::new();
    let mut listing = lake.list(&prefix);
    while let Some(object) = listing.next().await {
        let object = object?;
        match layout::partition_of(&object.key) {
            Some(partition) => {
                files.insert(partition.to_owned(), object);
            }
            None => {
                return Err(crate::error::Error::new(
                    Kind::Lake,
                    format!("the table's folder holds {}, which lakefold did not write", layout::shown(&object.key)),
                )
                .hint("every reader would take it for data: move it away, or use another [lake] url"));
            }
        }
    }
    Ok(files)
}

/// Loads the head, with its version.
pub async fn load_head(lake: &Lake, ns: &Namespace) -> Result<Option<(Head, Version)>> {
    state::load(lake, &head_key(ns), FORMAT).await
}

/// As [`load_head`], for who can build a damaged one anew.
pub async fn look_at_head(lake: &Lake, ns: &Namespace) -> Result<Stored<Head>> {
    state::look(lake, &head_key(ns), FORMAT).await
}

/// Uploads new buckets; they count when a head names their generation.
///
/// # Errors
/// [`Kind::Conflict`] when another run has written a bucket since this one read it (P9).
pub async fn store_buckets(lake: &Lake, resolution: &Resolution, lease: &Lease) -> Result<()> {
    for (key, file) in &resolution.buckets {
        let bytes = tokio::fs::read(file).await.or_error(Kind::Lake, "read a new index bucket")?;
        // A bucket that was not looked up in the lake is of this run's own generation.
        let expect = resolution.found.get(key).map_or(Expect::Any, |version| Expect::unchanged(version.clone()));
        lease.check()?;
        reach(KillPoint::BeforeIndexBucket);
        lake.put(key, bytes.into(), expect).await?;
        reach(KillPoint::AfterIndexBucket);
    }
    lease.check()
}

/// Uploads new buckets, then the head that makes them count; `found` is the version of the head this run found.
///
/// # Errors
/// [`Kind::Conflict`] when another run has written a bucket or the head since this one read it (P9).
pub async fn store(
    lake: &Lake,
    ns: &Namespace,
    head: &Head,
    resolution: &Resolution,
    lease: &Lease,
    found: Option<Version>,
) -> Result<Version> {
    store_buckets(lake, resolution, lease).await?;
    reach(KillPoint::BeforeIndexHead);
    let version = state::store(lake, &head_key(ns), head, Expect::unchanged(found)).await?;
    reach(KillPoint::AfterIndexHead);
    Ok(version)
}

/// Removes buckets of generations that no head names any more.
pub async fn clean(lake: &Lake, ns: &Namespace, head: &Head, lease: &Lease) -> Result<()> {
    let prefix = layout::index_prefix(ns);
    // A later run's generation may be on its way; its name is a later run's.
    let old = |key: &str| {
        let generation = key.strip_prefix(&prefix).and_then(|rest| rest.split_once('/')).map(|(folder, _)| folder);
        generation.is_some_and(|generation| {
            generation != head.generation && generation.trim_end_matches(REBUILT) <= head.run_id.as_str()
        })
    };
    let mut listing = lake.list(&prefix);
    let mut gone = Vec::new();
    while let Some(object) = listing.next().await {
        let object = object?;
        if old(&object.key) {
            gone.push(object);
        }
    }
    drop(listing);
    if gone.is_empty() {
        return Ok(());
    }
    reach(KillPoint::BeforeIndexCleaned);
    for object in gone {
        lease.check()?;
        lake.delete(&object.key, Expect::Version(object.version)).await?;
    }
    reach(KillPoint::AfterIndexCleaned);
    Ok(())
}

/// Key of the index's head.
pub fn head_key(ns: &Namespace) -> String {
    format!("{}head.json.zst", layout::index_prefix(ns))
}
