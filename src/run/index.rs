//! Keeps the index of places in step with the data files.

use crate::error::{Kind, Result, ResultExt};
use crate::lake::{Expect, Lake, Object, layout, state};
use crate::merge::places::{FORMAT, FileInfo, Head, Resolution};
use crate::model::collection::Namespace;
use futures::StreamExt;
use std::collections::{BTreeMap, HashMap};

/// What the index knows of a table's data files, by partition folder.
pub type Files = BTreeMap<String, FileInfo>;

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

/// Loads the head.
pub async fn load_head(lake: &Lake, ns: &Namespace) -> Result<Option<Head>> {
    Ok(state::load::<Head>(lake, &head_key(ns), FORMAT).await?.map(|(head, _)| head))
}

/// Uploads new buckets, then the head that makes them count.
pub async fn store(lake: &Lake, ns: &Namespace, head: &Head, resolution: &Resolution) -> Result<()> {
    for (key, file) in &resolution.buckets {
        let bytes = tokio::fs::read(file).await.or_error(Kind::Lake, "read a new index bucket")?;
        lake.put(key, bytes.into(), Expect::Any).await?;
    }
    state::store(lake, &head_key(ns), head, Expect::Any).await.map(|_| ())
}

/// Removes buckets of generations that no head names any more.
pub async fn clean(lake: &Lake, ns: &Namespace, head: &Head) -> Result<()> {
    let prefix = layout::index_prefix(ns);
    let current = format!("{prefix}{}/", head.generation);
    let mut listing = lake.list(&prefix);
    let mut old = Vec::new();
    while let Some(object) = listing.next().await {
        let object = object?;
        if object.key != head_key(ns) && !object.key.starts_with(&current) {
            old.push(object.key);
        }
    }
    drop(listing);
    for key in old {
        lake.delete(&key, Expect::Any).await?;
    }
    Ok(())
}

/// Key of the index's head.
pub fn head_key(ns: &Namespace) -> String {
    format!("{}head.json", layout::index_prefix(ns))
}
