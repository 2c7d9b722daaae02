//! What a Parquet file says of itself, read with one or two ranges of its end.

use super::{Lake, fault};
use crate::error::{Kind, Result, ResultExt};
use crate::lake::layout;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::async_reader::MetadataFetch;
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use std::ops::Range;
use std::sync::Arc;

/// Read at once from the end: holds footer and page index of most files, so that one request does.
const PREFETCH_BYTES: usize = 128 << 10;

/// Key-value of a data file: version of the table's schema it was written at.
pub const SCHEMA_KEY: &str = "lakefold.schema";

/// Key-value of a data file: run that wrote it.
pub const RUN_KEY: &str = "lakefold.run";

/// A Parquet file's own description.
#[derive(Debug, Clone)]
pub struct Footer {
    /// Rows in the file.
    pub rows: u64,
    /// Its columns.
    pub schema: SchemaRef,
    /// Version of the table's schema it was written at; none in a file lakefold did not write.
    pub schema_version: Option<u64>,
    /// Run that wrote it.
    pub run_id: Option<String>,
    /// All of it, with the page index where the file has one.
    pub metadata: Arc<ParquetMetaData>,
    /// The whole file, when it is so small that it came with its end.
    pub whole: Option<Bytes>,
}

impl Lake {
    /// The footer of the Parquet file at `key`, which is `size` bytes long.
    ///
    /// # Errors
    /// [`Kind::Lake`] when it is no Parquet file, or no longer that long.
    pub async fn footer(&self, key: &str, size: u64) -> Result<Footer> {
        let what = || format!("read the Parquet footer of {}", layout::shown(key));
        let mut fetch = Fetch { store: self.store(), path: self.path(key)?, whole: None, size, failure: None };
        let mut reader = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .with_prefetch_hint(Some(PREFETCH_BYTES));
        let loaded = reader.try_load(&mut fetch, size).await;
        if let Some(e) = fetch.failure {
            // The store's own error says more than Parquet's wrapping of it.
            return Err(fault::error(&e, what()));
        }
        loaded.or_error(Kind::Lake, what())?;
        let metadata = reader.finish().or_error(Kind::Lake, what())?;
        let file = metadata.file_metadata();
        let pairs = file.key_value_metadata();
        let schema = parquet_to_arrow_schema(file.schema_descr(), pairs).or_error(Kind::Lake, what())?;
        let value = |key: &str| pairs?.iter().find(|pair| pair.key == key)?.value.clone();
        Ok(Footer {
            rows: u64::try_from(file.num_rows()).or_error(Kind::Lake, what())?,
            schema: Arc::new(schema),
            schema_version: value(SCHEMA_KEY).and_then(|version| version.parse().ok()),
            run_id: value(RUN_KEY),
            metadata: Arc::new(metadata),
            whole: fetch.whole,
        })
    }
}

/// Ranges of one object, as the Parquet reader asks for them.
struct Fetch {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    /// The object's bytes, once a range was all of them.
    whole: Option<Bytes>,
    /// The store's latest refusal.
    failure: Option<object_store::Error>,
}

impl MetadataFetch for &mut Fetch {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move {
            let all = range == (0..self.size);
            let bytes = self.store.get_range(&self.path, range).await.map_err(|e| {
                self.failure = Some(e);
                ParquetError::General("the store refused".into())
            })?;
            self.whole = all.then(|| bytes.clone());
            Ok(bytes)
        }
        .boxed()
    }
}
