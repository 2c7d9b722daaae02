//! Retyping: files that hold a column at a type it has no more are rewritten, files that never held it are left alone (P7).

use super::fold::LOOKS_AT_ONCE;
use super::index;
use super::partitions::{Done, Workshop};
use super::shapes::TableShapes;
use crate::error::Result;
use crate::lake::{Lake, Object};
use crate::merge::plan::Shapes;
use crate::merge::stage::Staged;
use crate::merge::stored::StoredFile;
use crate::model::collection::Namespace;
use crate::model::table::TableSchema;
use chrono_tz::Tz;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::sync::Arc;

/// What a retyping has to rewrite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Due {
    /// Data files.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

/// What has to be rewritten when a table goes from the schema `before` to `after`: nothing is read when no published
/// column changes its type, else one listing and the footer of every file.
///
/// # Errors
/// The lake cannot be read, or holds a file that lakefold did not write.
pub async fn due(lake: &Lake, ns: &Namespace, before: &TableSchema, after: &TableSchema, timezone: Tz) -> Result<Due> {
    let shapes = TableShapes::new(Arc::new(after.clone()), timezone);
    if !changes(before, &shapes)? {
        return Ok(Due::default());
    }
    let shapes = &shapes;
    stream::iter(index::list_files(lake, ns).await?.into_values())
        .map(|object| async move {
            let file = StoredFile::of(lake, object).await?;
            let retypes = shapes.conversion(&file.footer.schema, file.version())?.is_some_and(|c| c.retypes);
            Ok(if retypes { Due { files: 1, bytes: file.object.size } } else { Due::default() })
        })
        .buffer_unordered(LOOKS_AT_ONCE)
        .try_fold(Due::default(), |sum, one| async move {
            Ok(Due { files: sum.files + one.files, bytes: sum.bytes + one.bytes })
        })
        .await
}

/// Whether files written at the schema `before` may hold a column at a type it has no more.
pub fn changes(before: &TableSchema, shapes: &dyn Shapes) -> Result<bool> {
    Ok(shapes.conversion(&before.arrow(), before.version)?.is_some_and(|conversion| conversion.retypes))
}

/// Rewrites those of `files` that need it. Footers are read many at once and each only once; few files at a time are
/// rewritten, so that neither takes more memory than a table of few partitions.
pub async fn retype(
    workshop: &Workshop<'_>,
    files: Vec<(String, Object)>,
    staged: &Staged,
    looked_at: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Done>> {
    stream::iter(files)
        .map(|(partition, object)| async move {
            let opened = workshop.open_retyped(&partition, object).await?;
            if opened.is_none() {
                looked_at(1);
            }
            Ok(opened)
        })
        .buffer_unordered(LOOKS_AT_ONCE)
        .try_filter_map(|opened| async move { Ok(opened) })
        .map_ok(|(task, opened)| async move {
            let done = workshop.fold(task, opened, staged).await;
            looked_at(1);
            done
        })
        .try_buffer_unordered(workshop.budget.partitions_at_once)
        .try_collect()
        .await
}
