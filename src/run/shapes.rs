//! Gives `merge` what it has to know of schemas, from what `shape` offers.

use crate::error::Result;
use crate::merge::plan::{Conversion, Shapes};
use crate::model::table::TableSchema;
use crate::shape::{Converter, id_hashes};
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use chrono_tz::Tz;
use std::sync::Arc;

/// The schema a run writes.
pub struct TableShapes {
    table: Arc<TableSchema>,
    timezone: Tz,
}

impl TableShapes {
    /// Conversions to `table`.
    pub fn new(table: Arc<TableSchema>, timezone: Tz) -> Self {
        Self { table, timezone }
    }
}

impl Shapes for TableShapes {
    fn schema(&self) -> SchemaRef {
        self.table.arrow()
    }

    fn version(&self) -> u64 {
        self.table.version
    }

    fn conversion(&self, from: &Schema, version: u64) -> Result<Option<Conversion>> {
        let converter = Converter::new(from, version, &self.table, self.timezone)?;
        Ok(converter.map(|c| Conversion {
            retypes: c.retypes(),
            respells_ids: c.respells_ids(),
            convert: Arc::new(move |rows: &RecordBatch| c.convert(rows)),
        }))
    }

    fn hash_ids(&self, ids: &dyn Array, version: u64) -> Result<Vec<u128>> {
        id_hashes(ids, version, &self.table)
    }
}
