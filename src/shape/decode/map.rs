//! Maps, for documents whose keys are data.

use super::Builder;
use super::values::{Ends, Strings};
use crate::model::column::ColumnType;
use crate::shape::canonical::time::Clock;
use crate::shape::misfits::{Row, Step};
use crate::shape::privacy::{Privacy, is_void_element};
use crate::shape::raw::{Element, Value};
use arrow::array::{ArrayRef, MapArray, StructArray};
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use std::sync::Arc;

/// Builds map columns; entries are sorted by key.
#[derive(Debug)]
pub struct Maps {
    keys: Strings,
    values: Builder,
    entries: Option<Arc<Field>>,
    ends: Ends,
}

impl Maps {
    pub(super) fn new(value: &ColumnType, clock: Clock) -> Self {
        let entries = match ColumnType::Map(Box::new(value.clone())).arrow(clock.local) {
            DataType::Map(entries, _) => Some(entries),
            _ => None,
        };
        Self { keys: Strings::default(), values: Builder::new(value, clock), entries, ends: Ends::default() }
    }

    pub(super) fn append<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        let Some(Value::Document(document)) = value else {
            if let Some(other) = value {
                row.refuse(other, privacy);
            }
            return self.ends.push(0, false);
        };
        let mut fields: Vec<(Element<'a>, Option<&Privacy>)> = document
            .elements()
            .map(|element| (element, privacy.and_then(|p| p.child(element.key))))
            .filter(|(element, below)| !below.is_some_and(Privacy::excluded) && !is_void_element(element, *below))
            .collect();
        fields.sort_by_key(|(element, _)| element.key);
        let mut length = 0;
        for (i, (element, below)) in fields.iter().enumerate() {
            // Of a duplicate key the last wins; the sort is stable, so it stands last here as well.
            if fields.get(i + 1).is_some_and(|(next, _)| next.key == element.key) {
                row.loser(element.key, element.value(), true, *below);
                continue;
            }
            self.keys.push(&String::from_utf8_lossy(element.key));
            row.path.push(Step::Entry(element.key));
            self.values.append(Some(element.value()), *below, row);
            row.path.pop();
            length += 1;
        }
        self.ends.push(length, true);
    }

    pub(super) fn push_null(&mut self) {
        self.ends.push(0, false);
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        self.keys.truncate(self.ends.elements());
        self.values.truncate(self.ends.elements());
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let (offsets, valid) = self.ends.finish();
        let entries = self.entries.clone().ok_or_else(|| ArrowError::SchemaError("a map without entries".into()))?;
        let DataType::Struct(fields) = entries.data_type() else {
            return Err(ArrowError::SchemaError("map entries must be a struct".into()));
        };
        let columns: Vec<ArrayRef> = vec![self.keys.finish()?, self.values.finish()?];
        let pairs = StructArray::try_new(fields.clone(), columns, None)?;
        Ok(Arc::new(MapArray::try_new(entries, offsets, pairs, valid, false)?))
    }
}
