//! Rows written to Parquet and read back: the file alone must tell the table's types.

use super::{Setup, batch};
use crate::shape::Converter;
use bson::{Bson, DateTime, Decimal128, Document, doc};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;

/// One column of every type, nested where types nest.
fn documents() -> Vec<Document> {
    let keys: Document = (0..501).map(|i| (format!("k{i}"), Bson::Int32(i))).collect();
    let amount: Decimal128 = "12.5".parse().unwrap();
    vec![
        doc! { "_id": 1, "flag": true, "count": 1, "ratio": 0.5, "amount": amount, "at": DateTime::from_millis(5), "note": "x",
        "item": { "price": 1, "tags": ["a"] }, "items": [{ "price": amount, "at": DateTime::from_millis(6) }, "N/A"], "stock": keys },
        doc! { "_id": 2, "count": Bson::Null, "ratio": i64::MAX },
    ]
}

fn comes_back(setup: &Setup) {
    let mut shaper = setup.shaper(setup.table());
    let shaped = shaper.shape(&batch(&documents())).unwrap();
    let mut file = Vec::new();
    // Athena and Spark see no Arrow schema either.
    let options = ArrowWriterOptions::new().with_skip_arrow_metadata(true);
    let mut writer = ArrowWriter::try_new_with_options(&mut file, shaped.rows.schema(), options).unwrap();
    writer.write(&shaped.rows).unwrap();
    writer.close().unwrap();
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(file)).unwrap().build().unwrap();
    let rows = reader.next().unwrap().unwrap();
    assert_eq!(rows.schema(), shaped.rows.schema());
    assert_eq!(rows.columns(), shaped.rows.columns());
    assert!(Converter::new(rows.schema_ref(), shaped.version, shaper.table(), setup.timezone).unwrap().is_none());
}

#[test]
fn a_file_tells_the_types_by_itself() {
    comes_back(&Setup::new());
    comes_back(&Setup::local(chrono_tz::Asia::Kolkata));
}
