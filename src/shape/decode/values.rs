//! Values of one column while it is built: unlike Arrow's own builders they can be cut back to an earlier row, which is
//! what lets a document be given up half-way.

use arrow::array::{ArrayRef, NullBufferBuilder, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::error::ArrowError;
use std::sync::Arc;

/// Rows of the first batch, about; later ones are made as large as the one before.
const ROWS: usize = 1024;

/// Which rows have a value.
#[derive(Debug)]
pub struct Validity(NullBufferBuilder);

impl Default for Validity {
    fn default() -> Self {
        Self(NullBufferBuilder::new(ROWS))
    }
}

impl Validity {
    /// Adds a row.
    #[inline]
    pub fn push(&mut self, valid: bool) {
        self.0.append(valid);
    }

    /// Forgets all rows but the first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        self.0.truncate(rows);
    }

    /// The rows so far; none when all of them have a value.
    pub fn finish(&mut self) -> Option<NullBuffer> {
        self.0.finish()
    }
}

/// Values of a fixed width.
#[derive(Debug)]
pub struct Fixed<T> {
    values: Vec<T>,
    valid: Validity,
}

impl<T> Default for Fixed<T> {
    fn default() -> Self {
        Self { values: Vec::new(), valid: Validity::default() }
    }
}

impl<T: Copy + Default> Fixed<T> {
    /// Adds a row with a value.
    #[inline]
    pub fn push(&mut self, value: T) {
        self.values.push(value);
        self.valid.push(true);
    }

    /// Adds a row, with a value or without.
    pub fn push_option(&mut self, value: Option<T>) {
        self.values.push(value.unwrap_or_default());
        self.valid.push(value.is_some());
    }

    /// Forgets all rows but the first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.valid.truncate(rows);
    }

    /// The rows so far; it starts anew.
    pub fn finish(&mut self) -> (Vec<T>, Option<NullBuffer>) {
        let next = Vec::with_capacity(self.values.len());
        (std::mem::replace(&mut self.values, next), self.valid.finish())
    }
}

/// Texts.
#[derive(Debug)]
pub struct Strings {
    bytes: Vec<u8>,
    /// Where each row ends, behind a zero.
    offsets: Vec<i32>,
    valid: Validity,
}

impl Default for Strings {
    fn default() -> Self {
        Self { bytes: Vec::new(), offsets: vec![0], valid: Validity::default() }
    }
}

impl Strings {
    /// Adds a row with a text.
    #[inline]
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.end(true);
    }

    /// Adds a row without one.
    pub fn push_null(&mut self) {
        self.end(false);
    }

    fn end(&mut self, valid: bool) {
        // A batch is a few megabytes of BSON, or one document of sixteen.
        self.offsets.push(self.bytes.len() as i32);
        self.valid.push(valid);
    }

    /// Forgets all rows but the first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.bytes.truncate(self.offsets.last().map_or(0, |&end| end as usize));
        self.valid.truncate(rows);
    }

    /// The rows so far; it starts anew.
    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let bytes = Vec::with_capacity(self.bytes.len());
        let mut offsets = Vec::with_capacity(self.offsets.len());
        offsets.push(0);
        let (bytes, offsets) =
            (std::mem::replace(&mut self.bytes, bytes), std::mem::replace(&mut self.offsets, offsets));
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(StringArray::try_new(offsets, bytes.into(), self.valid.finish())?))
    }
}

/// Where each row of a list ends among its elements.
#[derive(Debug)]
pub struct Ends {
    offsets: Vec<i32>,
    valid: Validity,
}

impl Default for Ends {
    fn default() -> Self {
        Self { offsets: vec![0], valid: Validity::default() }
    }
}

impl Ends {
    /// Elements of all rows so far.
    pub fn elements(&self) -> usize {
        self.offsets.last().map_or(0, |&end| end as usize)
    }

    /// Adds a row of `length` elements, or one that is NULL and has none.
    pub fn push(&mut self, length: usize, valid: bool) {
        self.offsets.push((self.elements() + length) as i32);
        self.valid.push(valid);
    }

    /// Forgets all rows but the first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        self.valid.truncate(rows);
    }

    /// The rows so far; it starts anew.
    pub fn finish(&mut self) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        let mut offsets = Vec::with_capacity(self.offsets.len());
        offsets.push(0);
        let offsets = std::mem::replace(&mut self.offsets, offsets);
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), self.valid.finish())
    }
}
