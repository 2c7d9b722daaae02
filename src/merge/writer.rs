//! Parquet writer settings, in one place, and the local file a partition is written to.

use super::dictionaries::Dictionaries;
use super::scratch;
use crate::error::{Kind, Result, ResultExt};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of one row group at most; the byte limit of the budget usually cuts first.
const ROWS_PER_GROUP: usize = 1_000_000;

/// Rows of one page at most, as the Parquet crate has it.
const ROWS_PER_PAGE: usize = 20_000;

/// Bytes handed to the system at once: a small file is one write.
const BUFFER_BYTES: usize = 256 << 10;

/// What every data file of a run has in common.
#[derive(Debug, Clone)]
pub struct FileSettings {
    /// Columns, in order.
    pub schema: SchemaRef,
    /// Written as `lakefold.schema`.
    pub schema_version: u64,
    /// Written as `lakefold.run`.
    pub run_id: String,
    /// zstd level, 1 to 22.
    pub zstd_level: i32,
    /// Encoded bytes of one row group.
    pub row_group_bytes: usize,
    /// What the files have shown of their columns so far.
    pub dictionaries: Arc<Dictionaries>,
}

impl FileSettings {
    /// Rows of one page at most. Each column keeps two numbers for each of its values, NULL or not, until a page of it is
    /// full, and NULLs take no other room: of hundreds of columns below a list, pages by their bytes alone fill memory.
    fn page_rows(&self, width: u64) -> usize {
        let rows = (2 * self.row_group_bytes as u64).checked_div(width).unwrap_or(u64::MAX);
        usize::try_from(rows).unwrap_or(usize::MAX).clamp(1, ROWS_PER_PAGE)
    }

    fn properties(&self, wide: bool, rows: u64, width: u64) -> Result<WriterProperties> {
        let level = ZstdLevel::try_new(self.zstd_level).or_error(Kind::Input, "zstd_level")?;
        let id = ColumnPath::from("_id");
        // `_id` is always the first column, and rows are sorted by it as it is stored.
        let sorted = vec![SortingColumn { column_idx: 0, descending: false, nulls_first: false }];
        let key = |name: &str, value: String| KeyValue::new(name.to_owned(), value);
        let mut builder = WriterProperties::builder();
        for column in self.dictionaries.without() {
            builder = builder.set_column_dictionary_enabled(column, false);
        }
        if wide {
            // The least and the greatest value of a page are copies of them: of what may be long there is no third one.
            builder = builder.set_statistics_enabled(EnabledStatistics::None);
            for field in
                self.schema.fields().iter().filter(|field| field.name() == "_id" || field.data_type().is_primitive())
            {
                let column = ColumnPath::from(field.name().as_str());
                builder = builder.set_column_statistics_enabled(column, EnabledStatistics::Page);
            }
        }
        Ok(builder
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
            .set_max_row_group_bytes(Some(self.row_group_bytes))
            .set_data_page_row_count_limit(self.page_rows(width))
            // A dictionary begins with a copy of its first values, whatever their size.
            .set_dictionary_enabled(!wide)
            // Ids are unique: a dictionary of them is built for nothing.
            .set_column_dictionary_enabled(id.clone(), false)
            // Sized for the rows of this file: the default is made for a million ids, in every file.
            .set_column_bloom_filter_enabled(id.clone(), true)
            .set_column_bloom_filter_max_ndv(id, rows.clamp(1, ROWS_PER_GROUP as u64))
            .set_sorting_columns(Some(sorted))
            .set_key_value_metadata(Some(vec![
                key("lakefold.schema", self.schema_version.to_string()),
                key("lakefold.run", self.run_id.clone()),
            ]))
            .build())
    }
}

/// A Parquet file that grows on local disk.
pub struct PartitionWriter {
    writer: ArrowWriter<BufWriter<File>>,
    path: PathBuf,
    rows: u64,
    dictionaries: Arc<Dictionaries>,
}

/// A finished local file.
#[derive(Debug)]
pub struct LocalFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

impl PartitionWriter {
    /// Creates the file at `path` for `rows` rows at most of `width` bytes on average; `wide`: some of them have many
    /// megabytes.
    pub fn create(path: &Path, settings: &FileSettings, wide: bool, rows: u64, width: u64) -> Result<Self> {
        let doing = || format!("create {}", path.display());
        let file = File::create(path).map_err(|e| scratch::error("create", path, &e))?;
        // Without the Arrow blob every reader sees the same plain Parquet types.
        let options = ArrowWriterOptions::new()
            .with_properties(settings.properties(wide, rows, width)?)
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(
            BufWriter::with_capacity(BUFFER_BYTES, file),
            settings.schema.clone(),
            options,
        )
        .or_error(Kind::Lake, doing())?;
        Ok(Self { writer, path: path.to_owned(), rows: 0, dictionaries: settings.dictionaries.clone() })
    }

    /// Appends rows; they must come sorted by `_id`.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows += rows.num_rows() as u64;
        self.writer.write(rows).map_err(|e| scratch::error("write", &self.path, &e))
    }

    /// Writes the footer.
    pub fn finish(mut self) -> Result<LocalFile> {
        let written = self.writer.finish().map_err(|e| scratch::error("finish", &self.path, &e))?;
        self.dictionaries.learn(&written);
        let bytes = std::fs::metadata(&self.path).map_err(|e| scratch::error("finish", &self.path, &e))?.len();
        Ok(LocalFile { path: self.path.clone(), rows: self.rows, bytes })
    }
}
