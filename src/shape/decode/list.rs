//! Lists; a bare value is a list of one.

use super::Builder;
use crate::model::column::ColumnType;
use crate::shape::canonical::time::Clock;
use crate::shape::misfits::{Row, Step};
use crate::shape::privacy::{Privacy, is_void_element};
use crate::shape::raw::Value;
use arrow::array::{ArrayRef, ListArray, NullBufferBuilder};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::Field;
use arrow::error::ArrowError;
use std::sync::Arc;

/// Builds list columns.
#[derive(Debug)]
pub struct Lists {
    element: Builder,
    field: Arc<Field>,
    lengths: Vec<usize>,
    valid: NullBufferBuilder,
}

impl Lists {
    pub(super) fn new(element: &ColumnType, clock: Clock) -> Self {
        Self {
            element: Builder::new(element, clock),
            field: Arc::new(Field::new("element", element.arrow(clock.local), true)),
            lengths: Vec::new(),
            valid: NullBufferBuilder::new(1024),
        }
    }

    pub(super) fn append<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        let length = match value {
            None => 0,
            Some(Value::Array(array)) => {
                let mut length = 0;
                for element in array.elements() {
                    let value = (!is_void_element(&element, privacy)).then(|| element.value());
                    self.element(length, value, privacy, row);
                    length += 1;
                }
                length
            }
            bare => {
                row.bare();
                self.element(0, bare, privacy, row);
                1
            }
        };
        self.valid.append(value.is_some());
        self.lengths.push(length);
    }

    fn element<'a>(&mut self, index: usize, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        row.path.push(Step::Index(index));
        self.element.append(value, privacy, row);
        row.path.pop();
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let offsets = OffsetBuffer::from_lengths(std::mem::take(&mut self.lengths));
        let list = ListArray::try_new(self.field.clone(), offsets, self.element.finish()?, self.valid.finish())?;
        Ok(Arc::new(list))
    }
}
