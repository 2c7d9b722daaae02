//! One bucket of the index: a small Parquet object of id hashes and partitions, sorted by hash.

use crate::error::{Error, Kind, Result, ResultExt};
use arrow::array::{AsArray, FixedSizeBinaryBuilder, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use std::sync::Arc;

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
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
            .or_error(Kind::Lake, doing)?
            .build()
            .or_error(Kind::Lake, doing)?;
        let mut places: Vec<(u128, Arc<str>)> = Vec::new();
        for rows in reader {
            let rows = rows.or_error(Kind::Lake, doing)?;
            let columns = (rows.column(0).as_fixed_size_binary_opt(), rows.column(1).as_string_opt::<i32>());
            let (Some(hashes), Some(partitions)) = columns else {
                return Err(Error::new(Kind::Lake, "its columns are not those of an index").context(doing));
            };
            for row in 0..rows.num_rows() {
                let hash =
                    <[u8; 16]>::try_from(hashes.value(row)).map(u128::from_be_bytes).or_error(Kind::Lake, doing)?;
                // Neighbours in hash order share partitions by chance only, yet there are few distinct ones.
                let partition = match places.last() {
                    Some((_, last)) if last.as_ref() == partitions.value(row) => last.clone(),
                    _ => Arc::from(partitions.value(row)),
                };
                places.push((hash, partition));
            }
        }
        Ok(Self { places })
    }
}
