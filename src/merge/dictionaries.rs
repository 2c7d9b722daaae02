//! Which columns are worth a dictionary.
//!
//! A dictionary of values that hardly ever repeat is all of the values, and their numbers on top: it costs time to build
//! and makes the file larger. What files that were written with dictionaries show decides for those that are written next.

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::schema::types::ColumnPath;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Values of a chunk that says something about others.
const ENOUGH_VALUES: i64 = 256;

/// A dictionary with a larger part of its chunk's bytes, in percent, does not pay.
const WORTH_PERCENT: i64 = 60;

/// The columns of a table that have turned out to be better without a dictionary.
#[derive(Debug, Default)]
pub struct Dictionaries {
    without: Mutex<HashSet<ColumnPath>>,
}

impl Dictionaries {
    /// Learns from a file.
    pub fn learn(&self, file: &ParquetMetaData) {
        let mut without = self.without.lock().unwrap_or_else(PoisonError::into_inner);
        for group in file.row_groups() {
            // Files of wide rows have none at all, whatever their values are.
            if group.columns().iter().all(|chunk| chunk.dictionary_page_offset().is_none()) {
                continue;
            }
            let useless = group.columns().iter().filter(|chunk| is_useless(chunk));
            without.extend(useless.map(|chunk| chunk.column_path().clone()));
        }
    }

    /// The columns that are better without.
    pub fn without(&self) -> Vec<ColumnPath> {
        self.without.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

fn is_useless(chunk: &ColumnChunkMetaData) -> bool {
    if chunk.num_values() < ENOUGH_VALUES {
        return false;
    }
    match chunk.dictionary_page_offset() {
        Some(start) => (chunk.data_page_offset() - start) * 100 > chunk.compressed_size() * WORTH_PERCENT,
        // It was written without one for a reason.
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::WriterProperties;
    use std::sync::Arc;

    fn written(rows: i64, dictionary: bool) -> ParquetMetaData {
        let unique: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("B-{row:09}"))));
        let few: ArrayRef =
            Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("ward {}", row * 7 % 5))));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row * row * 7919)));
        let batch = RecordBatch::try_from_iter([("unique", unique), ("few", few), ("numbers", numbers)]).unwrap();
        let properties = WriterProperties::builder().set_dictionary_enabled(dictionary).build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap()
    }

    #[test]
    fn values_that_never_repeat_get_none() {
        let dictionaries = Dictionaries::default();
        dictionaries.learn(&written(20, true));
        assert!(dictionaries.without().is_empty(), "a few rows say nothing");
        dictionaries.learn(&written(5_000, false));
        assert!(dictionaries.without().is_empty(), "nor does a file without any");
        dictionaries.learn(&written(5_000, true));
        let mut without: Vec<String> = dictionaries.without().iter().map(ToString::to_string).collect();
        without.sort();
        assert_eq!(without, ["\"numbers\"", "\"unique\""]);
    }
}
