//! One bucket of the index: a small Parquet object of id hashes and partitions, sorted by hash.

use crate::error::{Error, Kind, Result, ResultExt};
use arrow::array::{AsArray, FixedSizeBinaryBuilder, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use std::sync::Arc;

/// Rows decoded at once: what a bucket has on average, so that its partitions are named once.
const BATCH_ROWS: usize = 32_768;

/// Ids and the partition folder each one's row is in, sorted by hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    /// `(id hash, partition folder)`
    pub places: Vec<(u128, Arc<str>)>,
}

impl Bucket {
    /// The partition an id's row is in.
    pub fn find(&self, hash: u128) -> Option<&Arc<str>> {
        let at = self.places.binary_search_by_key(&hash, |&(h, _)| h).ok()?;
        self.places.get(at).map(|(_, partition)| partition)
    }

    /// The object's bytes.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let doing = "write an index bucket";
        let mut hashes = FixedSizeBinaryBuilder::with_capacity(self.places.len(), 16);
        for (hash, _) in &self.places {
            hashes.append_value(hash.to_be_bytes()).or_error(Kind::Invariant, doing)?;
        }
        let partitions = StringArray::from_iter_values(self.places.iter().map(|(_, p)| p.as_ref()));
        let schema = Arc::new(Schema::new(vec![
            Field::new("id_hash", DataType::FixedSizeBinary(16), false),
            Field::new("partition", DataType::Utf8, false),
        ]));
        let rows = RecordBatch::try_new(schema.clone(), vec![Arc::new(hashes.finish()), Arc::new(partitions)])
            .or_error(Kind::Invariant, doing)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_column_dictionary_enabled(ColumnPath::from("id_hash"), false)
            .build();
        let mut out = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut out, schema, Some(properties)).or_error(Kind::Invariant, doing)?;
        writer.write(&rows).or_error(Kind::Invariant, doing)?;
        writer.close().or_error(Kind::Invariant, doing)?;
        Ok(out)
    }

    /// Reads an object's bytes back.
    pub fn decode(bytes: Bytes) -> Result<Self> {
        let doing = "read an index bucket";
        // Partitions are few and come again and again: one text for all rows of each.
        let schema = Arc::new(Schema::new(vec![
            Field::new("id_hash", DataType::FixedSizeBinary(16), false),
            Field::new_dictionary("partition", DataType::Int32, DataType::Utf8, false),
        ]));
        let options = ArrowReaderOptions::new().with_schema(schema);
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)
            .or_error(Kind::Lake, doing)?
            .with_batch_size(BATCH_ROWS)
            .build()
            .or_error(Kind::Lake, doing)?;
        let mut places: Vec<(u128, Arc<str>)> = Vec::new();
        for rows in reader {
            let rows = rows.or_error(Kind::Lake, doing)?;
            let strange = || Error::new(Kind::Lake, "its columns are not those of an index").context(doing);
            let hashes = rows.column(0).as_fixed_size_binary_opt().ok_or_else(strange)?;
            let partitions = rows.column(1).as_dictionary_opt::<Int32Type>().ok_or_else(strange)?;
            let names = partitions.values().as_string_opt::<i32>().ok_or_else(strange)?;
            let names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(name.unwrap_or_default())).collect();
            places.reserve(rows.num_rows());
            for (row, &key) in partitions.keys().values().iter().enumerate() {
                let hash =
                    <[u8; 16]>::try_from(hashes.value(row)).map(u128::from_be_bytes).or_error(Kind::Lake, doing)?;
                let name = usize::try_from(key).ok().and_then(|key| names.get(key)).ok_or_else(strange)?;
                places.push((hash, name.clone()));
            }
        }
        Ok(Self { places })
    }
}
