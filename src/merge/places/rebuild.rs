//! Builds the index anew from the `_id`s of the data files themselves.

use super::head::{FORMAT, FileInfo, Head};
use super::resolve::{Resolution, Resolve};
use super::spool::{Entry, SPOOL_MEMORY, Spool};
use super::standing::Standing;
use super::times::ids_and_times;
use crate::error::{Error, Kind, Result};
use crate::lake::{Lake, Object, layout};
use crate::merge::plan::Shapes;
use crate::merge::stored::StoredFile;
use futures::StreamExt;
use std::collections::HashMap;
use std::path::Path;

/// Reads the ids of all `files` of a table.
///
/// [`Resolution::stale`] names the ids that stand in more than one file, with every file but the one that holds the
/// newest row: a run that died after it wrote a document's new place and before it cleaned the old one leaves that.
/// Of rows with equal times the one in a file of `favoured` run, which is the run that died, is the newer.
pub async fn rebuild(
    lake: &Lake,
    files: &[Object],
    shapes: &dyn Shapes,
    favoured: Option<&str>,
    prefix: &str,
    run_id: &str,
    folder: &Path,
) -> Result<(Head, Resolution)> {
    let mut ids = Spool::new(folder, "known-ids", SPOOL_MEMORY);
    let mut partitions = Vec::new();
    let mut head = Head { format: FORMAT, run_id: run_id.to_owned(), ..Head::default() };
    for (ordinal, object) in files.iter().enumerate() {
        let partition = layout::partition_of(&object.key).unwrap_or_default().to_owned();
        let file = StoredFile::of(lake, object.clone()).await?;
        let sequence = u64::from(favoured.is_some() && file.footer.run_id.as_deref() == favoured);
        let mut rows = ids_and_times(lake, &file, shapes).await?;
        while let Some(batch) = rows.next().await {
            for (hash, modified_ms) in batch? {
                ids.push(Entry { hash, partition: ordinal as u32, modified_ms, sequence })?;
            }
        }
        head.files.insert(partition.clone(), FileInfo::new(&object.version, file.footer.rows, object.size));
        partitions.push(partition);
    }
    let mut resolve = Resolve {
        lake,
        prefix,
        head: None,
        partitions: &partitions,
        replace: true,
        run_id,
        folder,
        local: HashMap::new(),
        standing: Standing::default(),
        stored_times: None,
    };
    let unusable = || Error::new(Kind::Invariant, "an index that is built from nothing is damaged");
    let resolution = resolve.run(&mut ids).await?.ok_or_else(unusable)?;
    head.generation.clone_from(&resolution.generation);
    head.bits = resolution.bits;
    Ok((head, resolution))
}
