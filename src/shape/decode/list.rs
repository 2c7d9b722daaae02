//! Lists; a bare value is a list of one.

use super::Builder;
use super::values::Ends;
use crate::model::column::ColumnType;
use crate::shape::canonical::time::Clock;
use crate::shape::misfits::{Row, Step};
use crate::shape::privacy::{Privacy, is_void_element};
use crate::shape::raw::Value;
use arrow::array::{ArrayRef, ListArray};
use arrow::datatypes::Field;
use arrow::error::ArrowError;
use std::sync::Arc;

/// Builds list columns.
#[derive(Debug)]
pub struct Lists {
    pub(super) element: Builder,
    field: Arc<Field>,
    pub(super) ends: Ends,
}

impl Lists {
    pub(super) fn new(element: &ColumnType, clock: Clock) -> Self {
        Self {
            element: Builder::new(element, clock),
            field: Arc::new(Field::new("element", element.arrow(clock.local), true)),
            ends: Ends::default(),
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
        self.ends.push(length, value.is_some());
    }

    fn element<'a>(&mut self, index: usize, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        row.path.push(Step::Index(index));
        self.element.append(value, privacy, row);
        row.path.pop();
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.element.truncate(self.ends.elements());
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let (offsets, valid) = self.ends.finish();
        let list = ListArray::try_new(self.field.clone(), offsets, self.element.finish()?, valid)?;
        Ok(Arc::new(list))
    }
}
