//! The order in which rows of one partition are merged: by `_id`, the newest reading of an id first.

use super::SEQUENCE;
use crate::error::{Error, Kind, Result};
use arrow::array::{Array, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::DataType;
use std::cmp::Ordering;

/// The columns of a batch that its rows are ordered by.
pub struct Order<'a> {
    ids: Ids<'a>,
    modified: Option<&'a Int64Array>,
    sequence: &'a UInt64Array,
}

enum Ids<'a> {
    Text(&'a StringArray),
    Bigint(&'a Int64Array),
    Double(&'a Float64Array),
    Boolean(&'a BooleanArray),
}

impl<'a> Order<'a> {
    /// The order of `rows`, whose first column is `_id` and which carry the read order.
    pub fn of(rows: &'a RecordBatch) -> Result<Self> {
        let unknown = || Error::new(Kind::Invariant, "rows without an _id or their read order reached the merge");
        let ids = rows.columns().first().ok_or_else(unknown)?;
        let ids = match ids.data_type() {
            DataType::Utf8 => Ids::Text(ids.as_string()),
            DataType::Int64 => Ids::Bigint(ids.as_primitive()),
            DataType::Float64 => Ids::Double(ids.as_primitive()),
            DataType::Boolean => Ids::Boolean(ids.as_boolean()),
            _ => return Err(unknown()),
        };
        let modified = rows.column_by_name(crate::model::table::MODIFIED).and_then(|times| times.as_primitive_opt());
        let sequence = rows.column_by_name(SEQUENCE).and_then(|numbers| numbers.as_primitive_opt());
        Ok(Self { ids, modified, sequence: sequence.ok_or_else(unknown)? })
    }

    /// The beginning of a row's id: of two ids the one with the smaller beginning is the smaller.
    pub fn prefix(&self, row: usize) -> u128 {
        match self.ids {
            Ids::Text(texts) => {
                let text = texts.value(row).as_bytes();
                let mut bytes = [0; 16];
                let length = text.len().min(bytes.len());
                bytes[..length].copy_from_slice(&text[..length]);
                u128::from_be_bytes(bytes)
            }
            Ids::Bigint(numbers) => u128::from((numbers.value(row) as u64) ^ (1 << 63)),
            Ids::Double(numbers) => {
                let bits = numbers.value(row).to_bits();
                u128::from(if bits >> 63 == 1 { !bits } else { bits ^ (1 << 63) })
            }
            Ids::Boolean(values) => u128::from(values.value(row)),
        }
    }

    /// Compares rows whose beginnings are equal.
    pub fn compare(&self, row: usize, other: &Order<'_>, there: usize) -> Ordering {
        let ids = match (&self.ids, &other.ids) {
            (Ids::Text(here), Ids::Text(texts)) => here.value(row).as_bytes().cmp(texts.value(there).as_bytes()),
            _ => Ordering::Equal,
        };
        ids.then_with(|| other.time(there).cmp(&self.time(row)))
            .then_with(|| other.sequence.value(there).cmp(&self.sequence.value(row)))
    }

    /// The modified time; none is older than any.
    fn time(&self, row: usize) -> Option<i64> {
        self.modified.and_then(|times| times.is_valid(row).then(|| times.value(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, UInt64Array};
    use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn rows(ids: ArrayRef, modified: Vec<Option<i64>>) -> RecordBatch {
        let sequence: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..ids.len() as u64));
        let modified: ArrayRef = Arc::new(Int64Array::from(modified));
        RecordBatch::try_from_iter([("_id", ids), ("_modified_ms", modified), (SEQUENCE, sequence)]).unwrap()
    }

    fn ours(rows: &RecordBatch) -> Vec<u32> {
        let order = Order::of(rows).unwrap();
        let mut sorted: Vec<u32> = (0..rows.num_rows() as u32).collect();
        sorted.sort_by(|&a, &b| {
            let (a, b) = (a as usize, b as usize);
            order.prefix(a).cmp(&order.prefix(b)).then_with(|| order.compare(a, &order, b))
        });
        sorted
    }

    /// What DataFusion's sort makes of the same rows; the two meet in one merge.
    fn arrows(rows: &RecordBatch) -> Vec<u32> {
        let by = |column: usize, descending| SortColumn {
            values: rows.column(column).clone(),
            options: Some(SortOptions { descending, nulls_first: !descending }),
        };
        lexsort_to_indices(&[by(0, false), by(1, true), by(2, true)], None).unwrap().values().to_vec()
    }

    proptest! {
        #[test]
        fn rows_stand_as_arrow_sorts_them(
            texts in prop::collection::vec("(0123456789abcde[fé]?)?[a-c\u{0}é]{0,3}", 0..40),
            numbers in prop::collection::vec((any::<i64>(), any::<f64>(), any::<bool>(), -3_i64..3), 0..40),
            times in prop::collection::vec(prop::option::of(-2_i64..2), 40),
        ) {
            let times = |length: usize| times.iter().copied().cycle().take(length).collect::<Vec<_>>();
            let small = |(number, _, _, small): &(i64, f64, bool, i64)| if number % 2 == 0 { *small } else { *number };
            let columns: [ArrayRef; 4] = [
                Arc::new(StringArray::from(texts)),
                Arc::new(Int64Array::from_iter_values(numbers.iter().map(small))),
                Arc::new(Float64Array::from_iter_values(numbers.iter().map(|n| if n.2 { n.3 as f64 } else { n.1 }))),
                Arc::new(BooleanArray::from_iter(numbers.iter().map(|n| Some(n.2)))),
            ];
            for ids in columns {
                let times = times(ids.len());
                let rows = rows(ids, times);
                prop_assert_eq!(ours(&rows), arrows(&rows));
            }
        }
    }
}
