//! Reads the stored file of a partition as a stream of row batches.

use super::stage::rows_within;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::lake::{Footer, Lake, Object};
use crate::model::redact;
use arrow::array::RecordBatch;
use futures::stream::{BoxStream, StreamExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{ParquetObjectReader, ParquetRecordBatchStreamBuilder};
use parquet::arrow::ProjectionMask;

/// A data file as it was when this run looked.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// Key, size and version; a conditional write expects this version.
    pub object: Object,
    /// Rows, schema and stamps.
    pub footer: Footer,
}

impl StoredFile {
    /// Looks at the file of `key`; none when there is none. A file that lakefold did not write is an error.
    pub async fn open(lake: &Lake, key: &str) -> Result<Option<Self>> {
        match lake.head(key).await? {
            Some(object) => Self::of(lake, object).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads the footer of an object that a listing showed.
    pub async fn of(lake: &Lake, object: Object) -> Result<Self> {
        let footer = lake.footer(&object.key, object.size).await?;
        if footer.schema_version.is_none() {
            return Err(Error::new(Kind::Lake, "this Parquet file was not written by lakefold")
                .context(&object.key)
                .hint("move it out of the table's folder, or let lakefold use another prefix"));
        }
        Ok(Self { object, footer })
    }

    /// Schema version the file was written at.
    pub fn version(&self) -> u64 {
        self.footer.schema_version.unwrap_or_default()
    }

    /// The rows in batches of about `batch_bytes`; only `columns` when given.
    pub async fn rows(
        &self,
        lake: &Lake,
        batch_bytes: usize,
        columns: Option<&[&str]>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let key = self.object.key.clone();
        let doing = format!("read {key}");
        let reader = ParquetObjectReader::new(lake.store(), lake.path(&key)?).with_file_size(self.object.size);
        let metadata = ArrowReaderMetadata::try_new(self.footer.metadata.clone(), ArrowReaderOptions::new())
            .or_error(Kind::Lake, &doing)?;
        let bytes: i64 = metadata.metadata().row_groups().iter().map(|g| g.total_byte_size()).sum();
        let rows = usize::try_from(self.footer.rows).unwrap_or(usize::MAX);
        let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata);
        let builder = match columns {
            Some(names) => {
                let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
                builder.with_projection(mask)
            }
            None => builder,
        };
        let stream = builder
            .with_batch_size(rows_within(batch_bytes, usize::try_from(bytes).unwrap_or(0), rows))
            .build()
            .or_error(Kind::Lake, &doing)?;
        Ok(stream
            .map(move |batch| {
                batch.map_err(|e| Error::new(Kind::Lake, redact::quoted(&e.to_string())).context(format!("read {key}")))
            })
            .boxed())
    }
}
