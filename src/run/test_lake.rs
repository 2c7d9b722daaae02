//! A small lake of real files in a folder of its own, for the tests of what only reads.

use crate::lake::layout;
use crate::model::collection::{CollectionSpec, Mode, Namespace};
use crate::model::column::{Column, ColumnType};
use crate::model::secret::Secret;
use crate::model::settings::{RunSettings, Settings, SourceSettings};
use crate::model::table::{TableSchema, TableSettings};
use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use std::fs::{self, File};
use std::sync::Arc;

/// A lake in a folder of its own.
pub struct TestLake {
    pub folder: tempfile::TempDir,
}

impl TestLake {
    /// A folder without a lake.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// An environment whose lake it is.
    pub fn settings(&self) -> Settings {
        let lake = format!("file:{}", self.folder.path().join("lake").display());
        let settings = Settings::new("test", Secret::new("dump:none".into()), &lake);
        Settings {
            source: SourceSettings { overlap: std::time::Duration::ZERO, ..settings.source },
            run: RunSettings { memory: 128 << 20, collections: 1, ..settings.run },
            ..settings
        }
    }

    /// Writes a Parquet file of nullable columns at `key`.
    pub fn write(&self, key: &str, columns: Vec<(&str, ArrayRef)>) {
        let rows = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, c)| (name, c, true)));
        let rows = rows.unwrap();
        let mut writer = ArrowWriter::try_new(self.create(key), rows.schema(), None).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
    }

    /// Creates the file at `key` and the folders above it.
    pub fn create(&self, key: &str) -> File {
        let path = self.folder.path().join("lake").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(path).unwrap()
    }

    /// Writes the schema state of `hospital.<collection>`.
    pub fn write_state(&self, collection: &str, keys: &[&str], columns: Vec<Column>) {
        let mut table = TableSchema::new(TableSettings {
            partition_keys: keys.iter().map(|&key| key.to_owned()).collect(),
            ..TableSettings::default()
        });
        table.columns = columns;
        let namespace = Namespace { database: "hospital".into(), collection: collection.into() };
        serde_json::to_writer(self.create(&layout::schema_key(&namespace)), &table).unwrap();
    }
}

/// A manifest row of `hospital.<collection>`.
pub fn spec(collection: &str) -> CollectionSpec {
    CollectionSpec {
        namespace: Namespace { database: "hospital".into(), collection: collection.into() },
        timestamp_column: None,
        partition_by: vec![],
        partition_text: String::new(),
        exclude: vec![],
        hash: vec![],
        pins: vec![],
        mode: Mode::Incremental,
        max_lag: None,
        line: 2,
    }
}

/// A column of texts.
pub fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// A column of whole numbers.
pub fn numbers(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

/// A column of a schema state.
pub fn column(name: &str, kind: ColumnType) -> Column {
    Column { name: name.into(), originals: vec![name.into()], kind }
}
