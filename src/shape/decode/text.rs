//! Canonical text and JSON text.

use super::values::Strings;
use crate::shape::canonical;
use crate::shape::misfits::Row;
use crate::shape::privacy::Privacy;
use crate::shape::raw::Value;
use arrow::array::ArrayRef;
use arrow::error::ArrowError;

/// Builds string columns.
#[derive(Debug, Default)]
pub struct Texts {
    pub(super) values: Strings,
    scratch: String,
}

impl Texts {
    /// The canonical text of a scalar, or its digest.
    pub(super) fn text<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        match value {
            None => self.values.push_null(),
            Some(value) if let Some(hasher) = privacy.and_then(Privacy::hasher) => {
                self.values.push(&hasher.digest(value));
            }
            Some(Value::String(text)) => self.values.push(text),
            Some(container @ (Value::Document(_) | Value::Array(_))) => {
                row.refuse(container, privacy);
                self.values.push_null();
            }
            Some(scalar) => {
                if matches!(scalar, Value::Timestamp { increment, .. } if increment != 0) {
                    row.misfit(scalar, privacy);
                }
                self.push(scalar);
            }
        }
    }

    /// The JSON text of a document or list; scalars as in a column of canonical text.
    pub(super) fn json<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        let hashed = privacy.is_some_and(|p| p.hasher().is_some());
        match value {
            Some(container @ (Value::Document(_) | Value::Array(_))) if !hashed => {
                self.scratch.clear();
                canonical::json(container, privacy, &mut self.scratch);
                self.values.push(&self.scratch);
            }
            other => self.text(other, privacy, row),
        }
    }

    /// The canonical text of a scalar.
    pub(super) fn push(&mut self, scalar: Value<'_>) {
        self.scratch.clear();
        canonical::text(scalar, &mut self.scratch);
        self.values.push(&self.scratch);
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        self.values.finish()
    }
}
