//! Retyping: files that hold a column at a type it has no more are rewritten, files that never held it are left alone (P7).

use super::fold::LOOKS_AT_ONCE;
use super::land::all;
use super::partitions::{Done, Workshop};
use crate::error::Result;
use crate::lake::Object;
use crate::merge::plan::Shapes;
use crate::merge::stage::Staged;
use crate::model::table::TableSchema;
use futures::future::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};

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
    let writes = stream::iter(files)
        .map(|(partition, object)| async move {
            let opened = workshop.open_retyped(&partition, object).await?;
            if opened.is_none() {
                looked_at(1);
            }
            Ok(opened)
        })
        .buffer_unordered(LOOKS_AT_ONCE)
        .try_filter_map(|opened| async move { Ok(opened) })
        .map_ok(|(task, opened)| {
            let written = async move {
                let done = workshop.fold(task, opened, staged).await;
                looked_at(1);
                done
            };
            written.boxed()
        });
    all(writes.boxed()).await
}
