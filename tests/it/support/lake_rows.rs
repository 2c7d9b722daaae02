//! Reads a lake on the local disk without any code of lakefold: the Parquet files as anybody else would find them.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Fields, Float64Type, Int64Type, TimeUnit, TimestampMillisecondType,
};
use chrono::DateTime;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// One row, with the folder it lies in.
///
/// Values are JSON: NULL columns and NULL struct fields are left out (void has no place in the lake but NULL), NULL
/// list elements stay, decimals are texts without trailing zeros, times are texts that end in `Z` only when the
/// column holds instants.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// `date=2024-05-01/site=FAC001`, or empty.
    pub partition: String,
    /// Column name to value.
    pub columns: Map<String, Value>,
}

/// A whole table.
#[derive(Debug, Default)]
pub struct Table {
    /// All rows of all files.
    pub rows: Vec<Row>,
    /// Every leaf of every file's schema, `facility.id` to its type; files must agree.
    pub types: BTreeMap<String, String>,
    /// `data.parquet` by partition text.
    pub files: BTreeMap<String, PathBuf>,
}

/// Reads `<lake>/<table>` and insists on what holds at rest: nothing but one `data.parquet` per folder with rows in
/// it (P2), rows sorted by `_id`, and types that agree (P7). A table that was never written is empty.
pub fn read_table(lake: &Path, table: &str) -> Table {
    let root = lake.join(table);
    let mut found = Table::default();
    if root.exists() {
        find_files(&root, &root, &mut found.files);
    }
    for (partition, path) in found.files.clone() {
        read_file(&path, &partition, &mut found);
    }
    found
}

fn find_files(root: &Path, folder: &Path, files: &mut BTreeMap<String, PathBuf>) {
    let entries: Vec<_> = fs::read_dir(folder).expect("list a folder").map(|entry| entry.expect("an entry")).collect();
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            find_files(root, &path, files);
        } else {
            assert_eq!(entry.file_name(), "data.parquet", "a foreign file in the lake: {}", path.display());
            let partition = folder.strip_prefix(root).expect("below the root").to_str().expect("ASCII folders");
            files.insert(partition.to_owned(), path);
        }
    }
}

fn read_file(path: &Path, partition: &str, table: &mut Table) {
    let file = File::open(path).expect("open a data file");
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("read a footer");
    note_types("", builder.schema().fields(), &mut table.types);
    let rows_before = table.rows.len();
    for batch in builder.build().expect("read a data file") {
        for columns in rows(&batch.expect("read a batch")) {
            table.rows.push(Row { partition: partition.to_owned(), columns });
        }
    }
    let rows = &table.rows[rows_before..];
    assert!(!rows.is_empty(), "a file without rows: {}", path.display());
    let sorted = rows.is_sorted_by(|a, b| in_order(&a.columns["_id"], &b.columns["_id"]));
    assert!(sorted, "rows are not sorted by _id: {}", path.display());
}

fn in_order(a: &Value, b: &Value) -> bool {
    match (a.as_str(), b.as_str()) {
        (Some(a), Some(b)) => a < b,
        _ => a.as_f64() < b.as_f64(),
    }
}

fn note_types(prefix: &str, fields: &Fields, types: &mut BTreeMap<String, String>) {
    for field in fields {
        let path = format!("{prefix}{}", field.name());
        match field.data_type() {
            DataType::Struct(children) => note_types(&format!("{path}."), children, types),
            DataType::List(element) => {
                note_types(&format!("{path}[]."), &Fields::from(vec![element.as_ref().clone()]), types);
            }
            leaf => {
                let earlier = types.insert(path.clone(), leaf.to_string());
                assert!(
                    earlier.as_ref().is_none_or(|earlier| *earlier == leaf.to_string()),
                    "files disagree about {path}: {earlier:?} and {leaf}"
                );
            }
        }
    }
}

fn rows(batch: &RecordBatch) -> Vec<Map<String, Value>> {
    let schema = batch.schema();
    (0..batch.num_rows()).map(|row| object(schema.fields(), batch.columns(), row)).collect()
}

fn object(fields: &Fields, columns: &[arrow::array::ArrayRef], row: usize) -> Map<String, Value> {
    let mut object = Map::new();
    for (field, column) in fields.iter().zip(columns) {
        match value(field, column.as_ref(), row) {
            Value::Null => {}
            value => drop(object.insert(field.name().clone(), value)),
        }
    }
    object
}

fn value(field: &Field, column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match field.data_type() {
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(38, 10) => decimal(column.as_primitive::<Decimal128Type>().value(row)),
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            let millis = column.as_primitive::<TimestampMillisecondType>().value(row);
            let time = DateTime::from_timestamp_millis(millis).expect("a time within the calendar");
            let instant = if zone.is_some() { "Z" } else { "" };
            format!("{}{instant}", time.format("%Y-%m-%dT%H:%M:%S%.3f")).into()
        }
        DataType::List(element) => {
            let list = column.as_list::<i32>().value(row);
            Value::Array((0..list.len()).map(|at| value(element, list.as_ref(), at)).collect())
        }
        DataType::Struct(fields) => Value::Object(object(fields, column.as_struct().columns(), row)),
        DataType::Map(entries, _) => {
            let map = column.as_map().value(row);
            let DataType::Struct(fields) = entries.data_type() else { panic!("a map of {entries}") };
            let pairs = (0..map.len()).map(|at| {
                let key = map.column(0).as_string::<i32>().value(at).to_owned();
                (key, value(&fields[1], map.column(1).as_ref(), at))
            });
            Value::Object(pairs.collect())
        }
        other => panic!("a column type that lakefold does not write: {} {other}", field.name()),
    }
}

fn float(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)
}

/// The decimal without trailing zeros.
fn decimal(unscaled: i128) -> Value {
    let sign = if unscaled < 0 { "-" } else { "" };
    let (whole, fraction) = (unscaled.unsigned_abs() / 10_u128.pow(10), unscaled.unsigned_abs() % 10_u128.pow(10));
    let text = format!("{sign}{whole}.{fraction:010}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}
