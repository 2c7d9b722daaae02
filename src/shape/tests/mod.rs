//! Tests of the whole stage: documents in, rows out.

mod collapse;
mod commute;
mod documents;
mod express;
mod files;
mod guards;
mod ids;
mod names;
mod pins;

use super::{Converter, Shaper};
use crate::model::batch::{RawBatch, ShapedBatch};
use crate::model::collection::{CollectionSpec, FieldPath, Mode, Namespace, PartitionKey};
use crate::model::pin::{Pin, PinType};
use crate::model::secret::Secret;
use crate::model::settings::Timestamps;
use crate::model::table::{TableSchema, TableSettings};
use arrow::array::{Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bson::Document;

/// How a test's table is made.
#[derive(Clone)]
struct Setup {
    spec: CollectionSpec,
    timezone: chrono_tz::Tz,
    timestamps: Timestamps,
}

impl Setup {
    fn new() -> Self {
        Self {
            spec: CollectionSpec {
                namespace: Namespace { database: "hospital".into(), collection: "visits".into() },
                timestamp_column: None,
                partition_by: Vec::new(),
                partition_text: String::new(),
                exclude: Vec::new(),
                hash: Vec::new(),
                pins: Vec::new(),
                mode: Mode::Incremental,
                max_lag: None,
                line: 2,
            },
            timezone: chrono_tz::UTC,
            timestamps: Timestamps::Utc,
        }
    }

    fn local(timezone: chrono_tz::Tz) -> Self {
        Self { timezone, timestamps: Timestamps::Local, ..Self::new() }
    }

    fn partitioned(mut self, text: &str, keys: Vec<PartitionKey>) -> Self {
        self.spec.partition_by = keys;
        self.spec.partition_text = text.into();
        self
    }

    fn excluding(mut self, path: &str) -> Self {
        self.spec.exclude.push(FieldPath::parse(path).unwrap());
        self
    }

    fn hashing(mut self, path: &str) -> Self {
        self.spec.hash.push(FieldPath::parse(path).unwrap());
        self
    }

    fn pinning(mut self, path: &str, kind: PinType) -> Self {
        self.spec.pins.push(Pin { path: FieldPath::parse(path).unwrap(), kind });
        self
    }

    fn table(&self) -> TableSchema {
        TableSchema::new(TableSettings::of(&self.spec, self.timezone, self.timestamps, Some(&key())))
    }

    fn shaper(&self, table: TableSchema) -> Shaper {
        Shaper::new(self.spec.clone(), self.timezone, self.timestamps, Some(key()), table).unwrap()
    }

    /// Rows as the table has them in the end, whatever the schema was when they were shaped.
    fn convert(&self, batch: &ShapedBatch, to: &TableSchema) -> RecordBatch {
        match Converter::new(batch.rows.schema_ref(), batch.version, to, self.timezone).unwrap() {
            Some(converter) => converter.convert(&batch.rows).unwrap(),
            None => batch.rows.clone(),
        }
    }
}

/// What is hashed, is hashed under it.
fn key() -> Secret {
    Secret::new("key".into())
}

fn batch(documents: &[Document]) -> RawBatch {
    RawBatch { documents: documents.iter().map(|d| d.to_vec().unwrap().into()).collect() }
}

/// One cell as text; `None` for NULL.
fn cell(rows: &RecordBatch, column: &str, row: usize) -> Option<String> {
    let array = rows.column_by_name(column)?;
    let options = FormatOptions::default().with_null("NULL");
    array.is_valid(row).then(|| ArrayFormatter::try_new(array, &options).unwrap().value(row).to_string())
}

/// Shapes one batch into a new table.
fn shape(setup: &Setup, documents: &[Document]) -> (TableSchema, ShapedBatch) {
    let mut shaper = setup.shaper(setup.table());
    let shaped = shaper.shape(&batch(documents)).unwrap();
    (shaper.table().clone(), shaped)
}

/// Name and Glue type of the data columns.
fn types(table: &TableSchema) -> Vec<String> {
    table.columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect()
}
