//! Canonical text and JSON text.

use crate::shape::canonical;
use crate::shape::misfits::Row;
use crate::shape::privacy::Privacy;
use crate::shape::raw::Value;
use arrow::array::{ArrayRef, StringBuilder};
use std::sync::Arc;

/// Builds string columns.
#[derive(Debug, Default)]
pub struct Texts {
    values: StringBuilder,
    scratch: String,
}

impl Texts {
    /// The canonical text of a scalar, or its digest.
    pub(super) fn text<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        match value {
            None => self.values.append_null(),
            Some(value) if let Some(hasher) = privacy.and_then(Privacy::hasher) => {
                self.values.append_value(hasher.digest(value));
            }
            Some(Value::String(text)) => self.values.append_value(text),
            Some(container @ (Value::Document(_) | Value::Array(_))) => {
                row.refuse(container, privacy);
                self.values.append_null();
            }
            Some(scalar) => {
                if matches!(scalar, Value::Timestamp { increment, .. } if increment != 0) {
                    row.misfit(scalar, privacy);
                }
                self.scratch.clear();
                canonical::text(scalar, &mut self.scratch);
                self.values.append_value(&self.scratch);
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
                self.values.append_value(&self.scratch);
            }
            other => self.text(other, privacy, row),
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        Arc::new(self.values.finish())
    }
}
