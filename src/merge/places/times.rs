//! Ids and modified times of stored files.

use crate::error::Result;
use crate::lake::{Lake, layout};
use crate::merge::plan::Shapes;
use crate::merge::stored::StoredFile;
use crate::model::collection::Namespace;
use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::collections::{HashMap, HashSet};

/// Bytes of one batch of ids.
const BATCH_BYTES: usize = 1 << 20;

/// The id hashes of a file with the modified time of each row, `i64::MIN` for rows without one.
pub async fn ids_and_times<'a>(
    lake: &Lake,
    file: &StoredFile,
    shapes: &'a dyn Shapes,
) -> Result<BoxStream<'a, Result<Vec<(u128, i64)>>>> {
    let version = file.version();
    let rows = file.rows(lake, BATCH_BYTES, Some(&["_id", "_modified_ms"])).await?;
    Ok(rows
        .map(move |batch| {
            let batch = batch?;
            let hashes = shapes.hash_ids(batch.column(0).as_ref(), version)?;
            let times = batch.column_by_name("_modified_ms").and_then(|c| c.as_primitive_opt::<Int64Type>());
            let time = |row: usize| times.filter(|t| t.is_valid(row)).map_or(i64::MIN, |t| t.value(row));
            Ok(hashes.into_iter().enumerate().map(|(row, hash)| (hash, time(row))).collect())
        })
        .boxed())
}

/// Modified times of stored rows, of those alone that are asked for: a file may have many more than fit into memory.
pub struct StoredTimes<'a> {
    lake: &'a Lake,
    namespace: &'a Namespace,
    shapes: &'a dyn Shapes,
    loaded: HashMap<String, HashMap<u128, i64>>,
}

/// Partition folders with ids that stand there.
pub type Asked = HashMap<String, HashSet<u128>>;

impl<'a> StoredTimes<'a> {
    /// Times of the table's files.
    pub fn new(lake: &'a Lake, namespace: &'a Namespace, shapes: &'a dyn Shapes) -> Self {
        Self { lake, namespace, shapes, loaded: HashMap::new() }
    }

    /// Reads each file that is asked for once.
    pub async fn load(&mut self, asked: Asked) -> Result<()> {
        for (partition, ids) in asked {
            let Some(file) = StoredFile::open(self.lake, &layout::data_key(self.namespace, &partition)).await? else {
                continue;
            };
            let mut times = HashMap::with_capacity(ids.len());
            let mut rows = ids_and_times(self.lake, &file, self.shapes).await?;
            while let Some(batch) = rows.next().await {
                times.extend(batch?.into_iter().filter(|(id, _)| ids.contains(id)));
            }
            drop(rows);
            self.loaded.insert(partition, times);
        }
        Ok(())
    }

    /// The time of one row that was asked for; none when the partition does not hold it.
    pub fn of(&self, partition: &str, hash: u128) -> Option<i64> {
        self.loaded.get(partition)?.get(&hash).copied()
    }
}
