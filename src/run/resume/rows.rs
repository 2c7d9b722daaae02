//! Shaped rows as one object: a zstd frame of Arrow IPC streams, one after the other, each with its schema and the
//! schema's version. The stream of documents that cannot be read is marked as such.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::batch::{Quarantined, Remains, ShapedBatch};
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, UInt32Type, UInt64Type};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::sync::Arc;
use zstd::stream::{read::Decoder, write::Encoder};

/// Speed counts: the objects are gone when the run is done.
const ZSTD_LEVEL: i32 = 1;

/// Metadata of a stream of rows: the version of the table's schema they are at.
const VERSION: &str = "lakefold.version";

/// The column of partition numbers. No folded name has a dot.
const PARTITION: &str = "lakefold.partition";

const WRITE: &str = "write staged rows";

/// Rows on their way to one object.
pub struct RowsWriter {
    encoder: Encoder<'static, Vec<u8>>,
    empty: bool,
}

/// What an object holds, in the order it was read in.
pub enum Piece {
    /// Rows of one batch.
    Rows {
        /// At the schema of `version`.
        rows: RecordBatch,
        /// Version of the table's schema.
        version: u64,
        /// Partition number of each row.
        partition: Vec<u32>,
    },
    /// Documents that could not be read.
    Quarantined(Vec<Quarantined>),
}

impl RowsWriter {
    /// Nothing yet.
    pub fn new() -> Result<Self> {
        let mut encoder = Encoder::new(Vec::new(), ZSTD_LEVEL).or_error(Kind::Invariant, WRITE)?;
        encoder.include_checksum(true).or_error(Kind::Invariant, WRITE)?;
        Ok(Self { encoder, empty: true })
    }

    /// Adds a batch as it came from the shaper.
    pub fn push(&mut self, batch: &ShapedBatch) -> Result<()> {
        if batch.rows.num_rows() > 0 {
            let schema = batch.rows.schema();
            let mut fields = schema.fields().to_vec();
            fields.push(Arc::new(Field::new(PARTITION, DataType::UInt32, false)));
            let mut columns = batch.rows.columns().to_vec();
            columns.push(Arc::new(UInt32Array::from(batch.partition.clone())));
            let metadata = HashMap::from([(VERSION.to_owned(), batch.version.to_string())]);
            self.stream(Schema::new(fields).with_metadata(metadata), columns)?;
        }
        if !batch.quarantined.is_empty() {
            let (schema, columns) = remains(&batch.quarantined);
            self.stream(schema, columns)?;
        }
        Ok(())
    }

    /// Bytes so far, about: the encoder holds some back.
    pub fn len(&self) -> usize {
        self.encoder.get_ref().len()
    }

    /// Whether there is nothing to be kept.
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// The object.
    pub fn finish(self) -> Result<Bytes> {
        Ok(self.encoder.finish().or_error(Kind::Invariant, WRITE)?.into())
    }

    fn stream(&mut self, schema: Schema, columns: Vec<ArrayRef>) -> Result<()> {
        let rows = RecordBatch::try_new(Arc::new(schema), columns).or_error(Kind::Invariant, WRITE)?;
        let mut writer = StreamWriter::try_new(&mut self.encoder, &rows.schema()).or_error(Kind::Invariant, WRITE)?;
        writer.write(&rows).and_then(|()| writer.finish()).or_error(Kind::Invariant, WRITE)?;
        self.encoder.flush().or_error(Kind::Invariant, WRITE)?;
        self.empty = false;
        Ok(())
    }
}

/// A document that is kept byte for byte has those; another one a length and a digest.
fn remains(quarantined: &[Quarantined]) -> (Schema, Vec<ArrayRef>) {
    let raw = |document: &Quarantined| match &document.remains {
        Remains::Raw(raw) => Some(raw.clone()),
        Remains::Marked { .. } => None,
    };
    let mark = |document: &Quarantined| match &document.remains {
        Remains::Raw(_) => (None, None),
        Remains::Marked { length, digest } => (Some(*length), Some(digest.clone())),
    };
    let (lengths, digests): (Vec<Option<u64>>, Vec<Option<String>>) = quarantined.iter().map(mark).unzip();
    let fields = vec![
        Field::new("document", DataType::Binary, true),
        Field::new("reason", DataType::Utf8, false),
        Field::new("length", DataType::UInt64, true),
        Field::new("digest", DataType::Utf8, true),
    ];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BinaryArray::from_iter(quarantined.iter().map(raw))),
        Arc::new(StringArray::from_iter_values(quarantined.iter().map(|document| document.reason.as_str()))),
        Arc::new(UInt64Array::from(lengths)),
        Arc::new(StringArray::from(digests)),
    ];
    (Schema::new(fields), columns)
}

/// Gives `each` what the object holds.
///
/// # Errors
/// [`Kind::Lake`] when it is damaged; whatever `each` fails with.
pub fn read(object: &[u8], mut each: impl FnMut(Piece) -> Result<()>) -> Result<()> {
    // The foreign error may quote what it choked on (P10).
    let damaged = || Error::new(Kind::Lake, "staged rows are damaged");
    let mut input = BufReader::new(Decoder::new(object).map_err(|_| damaged())?);
    while !input.fill_buf().map_err(|_| damaged())?.is_empty() {
        for batch in StreamReader::try_new(&mut input, None).map_err(|_| damaged())? {
            each(piece(&batch.map_err(|_| damaged())?).ok_or_else(damaged)?)?;
        }
    }
    Ok(())
}

fn piece(batch: &RecordBatch) -> Option<Piece> {
    let schema = batch.schema();
    let Some(version) = schema.metadata().get(VERSION) else {
        let (documents, reasons) = (batch.column(0).as_binary_opt::<i32>()?, batch.column(1).as_string_opt::<i32>()?);
        let marked = |row: usize| {
            let lengths = batch.column_by_name("length")?.as_primitive_opt::<UInt64Type>()?;
            let digests = batch.column_by_name("digest")?.as_string_opt::<i32>()?;
            let known = lengths.is_valid(row) && digests.is_valid(row);
            known.then(|| Remains::Marked { length: lengths.value(row), digest: digests.value(row).to_owned() })
        };
        let quarantined = (0..batch.num_rows()).map(|row| {
            let raw = documents.is_valid(row).then(|| Remains::Raw(Bytes::copy_from_slice(documents.value(row))));
            Some(Quarantined { remains: raw.or_else(|| marked(row))?, reason: reasons.value(row).to_owned() })
        });
        return Some(Piece::Quarantined(quarantined.collect::<Option<_>>()?));
    };
    let (numbers, columns) = batch.columns().split_last()?;
    let partition = numbers.as_primitive_opt::<UInt32Type>()?.values().to_vec();
    let fields: Vec<_> = schema.fields().iter().take(columns.len()).cloned().collect();
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.to_vec()).ok()?;
    Some(Piece::Rows { rows, version: version.parse().ok()?, partition })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;

    fn batch(ids: &[i64], name: &str, version: u64) -> ShapedBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
        let rows = RecordBatch::try_from_iter_with_nullable([(name, ids, true)]).unwrap();
        ShapedBatch {
            partition: (0..rows.num_rows() as u32).collect(),
            id_hash: vec![0; rows.num_rows()],
            modified_ms: vec![None; rows.num_rows()],
            rows,
            version,
            quarantined: Vec::new(),
            misfits: 0,
            blind: 0,
            untimed: 0,
            unplaced: 0,
        }
    }

    #[test]
    fn rows_come_back_as_they_were_in_their_order() {
        let mut writer = RowsWriter::new().unwrap();
        let mut broken = batch(&[], "_id", 1);
        let raw = Remains::Raw(Bytes::from_static(b"\x05\0\0\0\0"));
        let marked = Remains::Marked { length: 312, digest: "1a2b3c4d".into() };
        broken.quarantined.push(Quarantined { remains: raw.clone(), reason: "no _id".into() });
        broken.quarantined.push(Quarantined { remains: marked.clone(), reason: "a length prefix is wrong".into() });
        let batches = [batch(&[1, 2], "_id", 1), broken, batch(&[3], "other", 2)];
        batches.iter().for_each(|batch| writer.push(batch).unwrap());
        let object = writer.finish().unwrap();

        let (mut rows, mut quarantined) = (Vec::new(), Vec::new());
        read(&object, |piece| {
            match piece {
                Piece::Rows { rows: batch, version, partition } => rows.push((batch, version, partition)),
                Piece::Quarantined(documents) => quarantined.extend(documents),
            }
            Ok(())
        })
        .unwrap();
        let kept = |batch: &ShapedBatch| (batch.rows.clone(), batch.version, batch.partition.clone());
        assert_eq!(rows, [kept(&batches[0]), kept(&batches[2])]);
        let quarantined: Vec<_> = quarantined.iter().map(|one| (one.remains.clone(), one.reason.as_str())).collect();
        assert_eq!(quarantined, [(raw, "no _id"), (marked, "a length prefix is wrong")]);
    }

    #[test]
    fn damage_anywhere_is_noticed() {
        let mut writer = RowsWriter::new().unwrap();
        writer.push(&batch(&(0..500).collect::<Vec<_>>(), "_id", 1)).unwrap();
        let object = writer.finish().unwrap();
        for at in (0..object.len()).step_by(7) {
            let mut damaged = object.to_vec();
            damaged[at] ^= 0x10;
            assert!(read(&damaged, |_| Ok(())).is_err(), "byte {at} of {}", object.len());
        }
        assert!(read(&object[..object.len() / 2], |_| Ok(())).is_err());
    }
}
