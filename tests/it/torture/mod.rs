//! The types of the lake, end to end: whatever documents hold, real runs of the real program bring it into tables that
//! hold every value (P6), whatever the order (P5), and that agree with themselves (P7).

mod damage;
mod guards;
mod ids;
mod names;
mod pins;
mod placing;
mod privacy;
mod retyping;
mod schema;
mod sequences;

use crate::support::lake_rows::read_table;
use crate::support::lakefold::Workplace;
use crate::support::read_back;
use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use bson::{Bson, Document, RawDocument};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// How times stand in a workplace whose environment says nothing else.
const UTC: read_back::Table<'static> = read_back::Table { zone: chrono_tz::UTC, local: false, keys: &[] };

/// Writes `source/<database>/<collection>.bson` as mongodump does.
fn dump(place: &Workplace, table: &str, documents: &[Vec<u8>]) {
    place.write(&format!("source/{table}.bson"), documents.concat());
}

/// Documents as BSON.
fn bytes(documents: &[Document]) -> Vec<Vec<u8>> {
    documents.iter().map(|document| document.to_vec().expect("a document is BSON")).collect()
}

/// Documents with a modified time: dumps of them are folded over what is there.
fn dated(documents: &[Document]) -> Vec<Document> {
    let mut dated = documents.to_vec();
    for document in &mut dated {
        document.insert("at", bson::DateTime::from_millis(1_714_521_600_000));
    }
    dated
}

/// A manifest.
fn manifest(rows: &str) -> String {
    format!("database,collection,timestamp_column,partition_by\n{rows}\n")
}

/// All rows of a data file.
pub fn rows_of(file: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).expect("open a data file"));
    let reader = reader.expect("read a footer").build().expect("read a data file");
    let schema = arrow::record_batch::RecordBatchReader::schema(&reader);
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().expect("read rows");
    concat_batches(&schema, &batches).expect("one schema")
}

/// Holds every row of a table whose ids are whole numbers against its document: none more, none less (P1, P6).
#[track_caller]
fn holds(place: &Workplace, table: &str, layout: read_back::Table<'_>, documents: &BTreeMap<i64, Vec<u8>>) {
    let mut rows = 0;
    for (partition, file) in read_table(&place.lake(), table).files {
        let batch = rows_of(&file);
        let ids = batch.column_by_name("_id").expect("an _id").as_primitive::<Int64Type>().clone();
        for index in 0..batch.num_rows() {
            let document = documents.get(&ids.value(index)).unwrap_or_else(|| panic!("a row too many: {ids:?}"));
            let document = RawDocument::from_bytes(document).expect("BSON");
            if let Err(why) = read_back::holds(layout, &batch, index, document) {
                panic!("P6, {table}/{partition}: {why}\n{document:?}");
            }
        }
        rows += batch.num_rows();
    }
    assert_eq!(rows, documents.len(), "{table}: other rows than documents");
}

/// Documents by their whole `_id`.
fn by_id(documents: &[Document]) -> BTreeMap<i64, Vec<u8>> {
    let id = |document: &Document| match document.get("_id") {
        Some(Bson::Int32(id)) => i64::from(*id),
        Some(Bson::Int64(id)) => *id,
        other => panic!("{other:?} is no whole _id"),
    };
    documents.iter().map(|document| (id(document), document.to_vec().expect("BSON"))).collect()
}
