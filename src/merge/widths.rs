//! How wide rows are, in bytes: what decides how many of them make a batch (P10).
//!
//! An average says little where one document in a thousand is a scan of 16 MB, so rows are weighed one by one.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;

/// Rows of one batch at most; fewer when they are wide.
const ROWS_PER_BATCH: usize = 4096;

/// Bytes of each row.
pub fn of_rows(rows: &RecordBatch) -> Vec<u64> {
    let mut widths = vec![0; rows.num_rows()];
    rows.columns().iter().for_each(|column| add(column.as_ref(), &mut widths));
    widths
}

/// Adds the bytes of each element of an array.
fn add(array: &dyn Array, widths: &mut [u64]) {
    match array.data_type() {
        DataType::Utf8 => {
            for (width, ends) in widths.iter_mut().zip(array.as_string::<i32>().value_offsets().windows(2)) {
                *width += (size_of::<i32>() + between(ends).len()) as u64;
            }
        }
        DataType::Struct(_) => array.as_struct().columns().iter().for_each(|child| add(child.as_ref(), widths)),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            add_elements(list.value_offsets(), list.values().as_ref(), widths);
        }
        DataType::Map(..) => {
            let map = array.as_map();
            add_elements(map.value_offsets(), map.entries(), widths);
        }
        other => {
            let each = other.primitive_width().unwrap_or(1) as u64;
            widths.iter_mut().for_each(|width| *width += each);
        }
    }
}

fn add_elements(offsets: &[i32], values: &dyn Array, widths: &mut [u64]) {
    let mut elements = vec![0; values.len()];
    add(values, &mut elements);
    for (width, ends) in widths.iter_mut().zip(offsets.windows(2)) {
        let elements: u64 = elements.get(between(ends)).unwrap_or_default().iter().sum();
        *width += size_of::<i32>() as u64 + elements;
    }
}

/// What lies between two offsets, which never fall.
fn between(ends: &[i32]) -> std::ops::Range<usize> {
    match ends {
        [start, end] => *start as usize..*end as usize,
        _ => 0..0,
    }
}

/// Some rows, as far as their widths are remembered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Widths {
    /// How many.
    pub rows: u64,
    /// All of them together.
    pub bytes: u64,
    /// The widest one.
    pub widest: u64,
}

impl Widths {
    /// One more row.
    pub fn add(&mut self, bytes: u64) {
        self.rows += 1;
        self.bytes += bytes;
        self.widest = self.widest.max(bytes);
    }
}

/// How many rows of `groups` make a batch of at most `limit` bytes, beyond its one widest row, whichever of them meet
/// in it: sorting mixes them at will.
pub fn rows_within(limit: usize, groups: impl IntoIterator<Item = Widths>) -> usize {
    let mut groups: Vec<Widths> = groups.into_iter().filter(|group| group.rows > 0).collect();
    groups.sort_unstable_by_key(|group| std::cmp::Reverse(group.widest));
    let Some(widest) = groups.first().map(|group| group.widest) else { return ROWS_PER_BATCH };
    let limit = limit as u64 + widest;
    let (mut rows, mut bytes) = (0_u64, 0_u64);
    for group in groups {
        // The most that this group's rows can weigh: some as wide as its widest, and all of them together at last.
        let wide = (group.bytes / group.widest.max(1)).clamp(1, group.rows);
        let fitting = limit.saturating_sub(bytes) / group.widest.max(1);
        if fitting < wide {
            rows += fitting;
            return usize::try_from(rows).unwrap_or(usize::MAX).clamp(1, ROWS_PER_BATCH);
        }
        rows += wide;
        bytes += group.bytes;
        // What is left of the group weighs nothing more than was just counted.
        rows += group.rows - wide;
    }
    // All of them fit.
    ROWS_PER_BATCH
}

/// Where to cut rows of these widths into batches of at most `limit` bytes: the end of each batch.
pub fn cuts(limit: usize, widths: impl IntoIterator<Item = u64>) -> Vec<usize> {
    let (mut ends, mut rows, mut bytes, mut end) = (Vec::new(), 0, 0, 0);
    for width in widths {
        if rows > 0 && (rows == ROWS_PER_BATCH || bytes + width > limit as u64) {
            ends.push(end);
            (rows, bytes) = (0, 0);
        }
        (rows, bytes, end) = (rows + 1, bytes + width, end + 1);
    }
    if rows > 0 {
        ends.push(end);
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, ListArray, StringArray, StructArray};
    use arrow::datatypes::{Field, Int64Type};
    use std::sync::Arc;

    #[test]
    fn a_row_weighs_what_its_texts_and_elements_do() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("abc"), None, Some("")]));
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(1), Some(2)]),
            Some(vec![]),
            Some(vec![None]),
        ]));
        let inner: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let field = Arc::new(Field::new("n", DataType::Int64, true));
        let documents: ArrayRef = Arc::new(StructArray::from(vec![(field, inner)]));
        let rows = RecordBatch::try_from_iter([("t", texts), ("l", lists), ("d", documents)]).expect("rows");
        assert_eq!(of_rows(&rows), [4 + 3 + 4 + 16 + 8, 4 + 4 + 8, 4 + 4 + 8 + 8]);
        assert_eq!(of_rows(&rows.slice(2, 1)), [4 + 4 + 8 + 8]);
    }

    #[test]
    fn one_wide_row_among_many_is_the_only_one_of_its_batch() {
        assert_eq!(cuts(100, [40, 40, 40, 200, 10]), [2, 3, 4, 5]);
        assert_eq!(cuts(100, std::iter::repeat_n(0, 5000)), [4096, 5000]);
        assert!(cuts(100, []).is_empty());
    }

    #[test]
    fn rows_that_may_meet_fit_together() {
        let group = |rows, bytes, widest| Widths { rows, bytes, widest };
        assert_eq!(rows_within(1000, []), ROWS_PER_BATCH);
        assert_eq!(rows_within(1000, [group(100_000, 1_000_000, 10)]), 101, "rows of one width");
        assert_eq!(rows_within(1000, [group(50, 500, 10)]), ROWS_PER_BATCH, "all of them");
        let scans = [group(1, 16_000_000, 16_000_000), group(1, 16_000_000, 16_000_000)];
        assert_eq!(rows_within(1000, scans), 1, "two scans are two batches");
        let mixed = [group(1000, 16_010_000, 16_000_000), group(1000, 10_000, 10)];
        assert!(rows_within(20_000, mixed) >= 1000, "one scan among small rows does not make every batch small");
    }
}
