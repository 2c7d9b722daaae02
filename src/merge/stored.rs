//! Reads the stored file of a partition as a stream of row batches.

use super::widths::{Widths, rows_within};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::lake::{self, Footer, Lake, Object, layout};
use crate::model::redact;
use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use object_store::ObjectStore;
use object_store::path::Path as StorePath;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use std::ops::Range;
use std::sync::Arc;

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
                .context(layout::shown(&object.key))
                .hint("move it out of the table's folder, or let lakefold use another prefix"));
        }
        Ok(Self { object, footer })
    }

    /// Schema version the file was written at.
    pub fn version(&self) -> u64 {
        self.footer.schema_version.unwrap_or_default()
    }

    /// How wide its rows are once they are read, on average within each row group, which is cut by bytes.
    pub fn widths(&self) -> impl Iterator<Item = Widths> {
        self.footer.metadata.row_groups().iter().map(|group| {
            let bytes = group.columns().iter().map(decoded_bytes).fold(0, u64::saturating_add);
            let rows = u64::try_from(group.num_rows()).unwrap_or(0);
            Widths { rows, bytes, widest: bytes.div_ceil(rows.max(1)) }
        })
    }

    /// How many of its rows make a batch of about `batch_bytes`.
    pub fn batch_rows(&self, batch_bytes: usize) -> usize {
        rows_within(batch_bytes, self.widths())
    }

    /// The rows in batches of about `batch_bytes`; only `columns` when given.
    pub async fn rows(
        &self,
        lake: &Lake,
        batch_bytes: usize,
        columns: Option<&[&str]>,
    ) -> Result<BoxStream<'static, Result<RecordBatch>>> {
        let key = &self.object.key;
        let doing = format!("read {}", layout::shown(key));
        let reader = Ranges {
            store: lake.store(),
            path: lake.path(key)?,
            metadata: self.footer.metadata.clone(),
            whole: self.footer.whole.clone(),
        };
        let metadata = ArrowReaderMetadata::try_new(self.footer.metadata.clone(), ArrowReaderOptions::new())
            .or_error(Kind::Lake, &doing)?;
        let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata);
        let builder = match columns {
            Some(names) => {
                let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
                builder.with_projection(mask)
            }
            None => builder,
        };
        let stream = builder.with_batch_size(self.batch_rows(batch_bytes)).build().or_error(Kind::Lake, &doing)?;
        Ok(stream.map(move |batch| batch.map_err(|e| failed(&e, &doing))).boxed())
    }
}

/// Bytes of a chunk's values once they are read (P10). What they have in the file says little: a dictionary holds a text
/// once, however many rows have it.
fn decoded_bytes(chunk: &ColumnChunkMetaData) -> u64 {
    let each = match chunk.column_type() {
        Type::BOOLEAN => 1,
        // Of a text, where it ends.
        Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
        Type::INT64 | Type::DOUBLE => 8,
        Type::INT96 => 12,
        Type::FIXED_LEN_BYTE_ARRAY => i64::from(chunk.column_descr().type_length()),
    };
    let texts = match (chunk.column_type(), chunk.unencoded_byte_array_data_bytes()) {
        (Type::BYTE_ARRAY, Some(bytes)) => bytes,
        // It is not counted in files of wide rows, and those have no dictionaries.
        (Type::BYTE_ARRAY, None) => chunk.uncompressed_size(),
        _ => 0,
    };
    u64::try_from(chunk.num_values().saturating_mul(each).saturating_add(texts)).unwrap_or(0)
}

/// The store's refusal in its own words, whose text would name the key with its values (P10); or what is wrong with the
/// file.
fn failed(error: &ParquetError, doing: &str) -> Error {
    lake::refusal(error, doing)
        .unwrap_or_else(|| Error::new(Kind::Lake, redact::quoted(&error.to_string())).context(doing))
}

/// Range reads of one object whose footer is known.
struct Ranges {
    store: Arc<dyn ObjectStore>,
    path: StorePath,
    metadata: Arc<ParquetMetaData>,
    /// A small file came with its footer and is not asked for again.
    whole: Option<Bytes>,
}

impl Ranges {
    /// The ranges, from the bytes that are there.
    fn held(&self, ranges: &[Range<u64>]) -> Option<parquet::errors::Result<Vec<Bytes>>> {
        let whole = self.whole.as_ref()?;
        let part = |range: &Range<u64>| {
            let (start, end) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
            (start <= end && end <= whole.len()).then(|| whole.slice(start..end))
        };
        let parts: Option<Vec<Bytes>> = ranges.iter().map(part).collect();
        Some(parts.ok_or_else(|| ParquetError::EOF("its footer names bytes beyond its end".into())))
    }
}

impl AsyncFileReader for Ranges {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move {
            let mut parts = self.get_byte_ranges(vec![range]).await?;
            parts.pop().ok_or_else(|| ParquetError::EOF("no range was read".into()))
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        async move {
            match self.held(&ranges) {
                Some(parts) => parts,
                None => {
                    self.store.get_ranges(&self.path, &ranges).await.map_err(|e| ParquetError::External(Box::new(e)))
                }
            }
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        let metadata = self.metadata.clone();
        async move { Ok(metadata) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::writer::{FileSettings, PartitionWriter};
    use crate::model::settings::LakeSettings;
    use arrow::array::{ArrayRef, Int64Array, StringArray};

    #[tokio::test]
    async fn a_text_that_all_rows_have_weighs_in_each_of_them() {
        const TEXT: usize = 100_000;
        let folder = tempfile::tempdir().unwrap();
        let text = "x".repeat(TEXT);
        let ids: ArrayRef = Arc::new((0..50).collect::<Int64Array>());
        let texts: ArrayRef = Arc::new(StringArray::from(vec![text.as_str(); 50]));
        let rows = RecordBatch::try_from_iter([("_id", ids), ("text", texts)]).unwrap();
        let settings = FileSettings {
            schema: rows.schema(),
            schema_version: 1,
            run_id: "r".to_owned(),
            zstd_level: 1,
            row_group_bytes: 64 << 20,
            dictionaries: Arc::default(),
        };
        for wide in [false, true] {
            let key = format!("h/wide_{wide}/data.parquet");
            let path = folder.path().join(&key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut writer = PartitionWriter::create(&path, &settings, wide, 50, TEXT as u64).unwrap();
            writer.write(&rows).unwrap();
            writer.finish().unwrap();
            let url = format!("file:{}", folder.path().display());
            let lake = Lake::open(&LakeSettings::at(&url)).await.unwrap();
            let file = StoredFile::open(&lake, &key).await.unwrap().unwrap();
            let encoded: i64 = file.footer.metadata.row_groups().iter().map(|group| group.total_byte_size()).sum();
            assert_eq!(encoded > 2 * TEXT as i64, wide, "only a file of wide rows holds the text again and again");
            let (rows, bytes) = file.widths().fold((0, 0), |(rows, bytes), w| (rows + w.rows, bytes + w.bytes));
            assert_eq!(rows, 50);
            assert!((50 * TEXT as u64..55 * TEXT as u64).contains(&bytes), "{bytes} bytes");
            assert!(file.batch_rows(10 * TEXT) <= 11, "{} rows a batch", file.batch_rows(10 * TEXT));
        }
    }

    #[test]
    fn a_range_that_the_store_refuses_is_told_without_key_and_body() {
        let text = "Error performing GET http://h/b/h/p/site%3Dward-zq/data.parquet in 1ms - Server returned non-2xx \
                    status code: 500 Oops: <Error><Code>InternalError</Code><Key>site=ward-zq</Key></Error>";
        let refused = object_store::Error::Generic { store: "S3", source: text.into() };
        let error = failed(&ParquetError::External(Box::new(refused)), "read h/p/site=0a1b2c3d/data.parquet");
        assert_eq!(error.to_string(), "read h/p/site=0a1b2c3d/data.parquet: the store answered 500 InternalError");
        let damaged = failed(&ParquetError::EOF("it ends".into()), "read x");
        assert_eq!(damaged.to_string(), "read x: EOF: it ends");
    }
}
