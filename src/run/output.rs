//! The rows of a query as text or a file, written as they come.

use super::query::reading;
use crate::error::{Kind, Result, ResultExt};
use arrow::array::{Array, ArrayRef, StringArray};
use arrow::csv::WriterBuilder as CsvBuilder;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::json::WriterBuilder as JsonBuilder;
use arrow::json::writer::{EncoderOptions, JsonArray, make_encoder};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::io::Write;
use std::sync::Arc;

/// Rows of one block of a table: its columns are as wide as the block needs, and only one is kept in memory.
const BLOCK_ROWS: usize = 10_000;

/// What a failed write is called.
const WRITE: &str = "write the rows";

/// How rows look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultFormat {
    /// For people.
    Table,
    /// RFC 4180, with a header; lists, documents and maps as JSON text.
    Csv,
    /// A JSON array of objects.
    Json,
    /// One Parquet file.
    Parquet,
}

/// Writes every row of `rows` to `out`. A result without rows still has its header, brackets or footer.
///
/// # Errors
/// `Kind::Lake` when the rows cannot be read or `out` takes no more.
pub(super) async fn write(
    rows: SendableRecordBatchStream,
    format: ResultFormat,
    out: &mut (dyn Write + Send),
) -> Result<()> {
    match format {
        ResultFormat::Table => table(rows, out).await,
        ResultFormat::Csv => csv(rows, out).await,
        ResultFormat::Json => json(rows, out).await,
        ResultFormat::Parquet => parquet(rows, out).await,
    }
}

async fn next(rows: &mut SendableRecordBatchStream) -> Result<Option<RecordBatch>> {
    rows.try_next().await.map_err(|e| reading(&e))
}

async fn table(mut rows: SendableRecordBatchStream, out: &mut (dyn Write + Send)) -> Result<()> {
    let schema = rows.schema();
    let mut block = vec![RecordBatch::new_empty(schema)];
    let mut kept = 0;
    while let Some(batch) = next(&mut rows).await? {
        kept += batch.num_rows();
        block.push(batch);
        if kept >= BLOCK_ROWS {
            writeln!(out, "{}", pretty_format_batches(&block).or_error(Kind::Lake, WRITE)?)
                .or_error(Kind::Lake, WRITE)?;
            block.truncate(1);
            kept = 0;
        }
    }
    if kept > 0 || block.len() == 1 {
        writeln!(out, "{}", pretty_format_batches(&block).or_error(Kind::Lake, WRITE)?).or_error(Kind::Lake, WRITE)?;
    }
    out.flush().or_error(Kind::Lake, WRITE)
}

async fn csv(mut rows: SendableRecordBatchStream, out: &mut (dyn Write + Send)) -> Result<()> {
    let mut writer = CsvBuilder::new().with_header(true).build(&mut *out);
    // The header comes with the first batch, so there is always one.
    writer.write(&flat(&RecordBatch::new_empty(rows.schema()))?).or_error(Kind::Lake, WRITE)?;
    while let Some(batch) = next(&mut rows).await? {
        writer.write(&flat(&batch)?).or_error(Kind::Lake, WRITE)?;
    }
    drop(writer);
    out.flush().or_error(Kind::Lake, WRITE)
}

/// `batch` with lists, documents and maps as JSON text, which CSV has no other place for.
fn flat(batch: &RecordBatch) -> Result<RecordBatch> {
    let mut fields: Vec<FieldRef> = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        if field.data_type().is_nested() {
            fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
            columns.push(json_texts(field, column)?);
        } else {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
        }
    }
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    // A result without columns has rows all the same.
    let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema, columns, &options).or_error(Kind::Lake, WRITE)
}

fn json_texts(field: &FieldRef, column: &ArrayRef) -> Result<ArrayRef> {
    let options = EncoderOptions::default();
    let mut encoder = make_encoder(field, column, &options).or_error(Kind::Lake, WRITE)?;
    let mut bytes = Vec::new();
    let mut texts = Vec::with_capacity(column.len());
    for row in 0..column.len() {
        if encoder.is_null(row) {
            texts.push(None);
            continue;
        }
        bytes.clear();
        encoder.encode(row, &mut bytes);
        texts.push(Some(String::from_utf8_lossy(&bytes).into_owned()));
    }
    Ok(Arc::new(StringArray::from(texts)))
}

async fn json(mut rows: SendableRecordBatchStream, out: &mut (dyn Write + Send)) -> Result<()> {
    let mut writer = JsonBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut *out);
    while let Some(batch) = next(&mut rows).await? {
        writer.write(&batch).or_error(Kind::Lake, WRITE)?;
    }
    writer.finish().or_error(Kind::Lake, WRITE)?;
    drop(writer);
    writeln!(out).and_then(|()| out.flush()).or_error(Kind::Lake, WRITE)
}

async fn parquet(mut rows: SendableRecordBatchStream, out: &mut (dyn Write + Send)) -> Result<()> {
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(Default::default())).build();
    let mut writer = ArrowWriter::try_new(&mut *out, rows.schema(), Some(properties)).or_error(Kind::Lake, WRITE)?;
    while let Some(batch) = next(&mut rows).await? {
        writer.write(&batch).or_error(Kind::Lake, WRITE)?;
    }
    writer.close().or_error(Kind::Lake, WRITE)?;
    out.flush().or_error(Kind::Lake, WRITE)
}
