//! Structs, and the top level of a document.

use super::Builder;
use super::values::Validity;
use crate::model::column::{Column, SCALARS};
use crate::model::table::ID;
use crate::shape::canonical::time::Clock;
use crate::shape::misfits::{Row, Step};
use crate::shape::privacy::{Privacy, is_void_element};
use crate::shape::raw::{Document, Value};
use arrow::array::{ArrayRef, StructArray};
use arrow::datatypes::Fields;
use arrow::error::ArrowError;
use std::collections::HashMap;
use std::sync::Arc;

/// Builds struct columns: fields by original name, bare scalars in the child of their own.
#[derive(Debug)]
pub struct Record {
    fields: Fields,
    names: Vec<Vec<u8>>,
    /// Of each child whose spellings fold alike, the one that appeared first.
    first: Vec<Option<Vec<u8>>>,
    pub(super) children: Vec<Builder>,
    scalars: Option<usize>,
    /// Original names with their child, in order of first appearance.
    spellings: Vec<(Vec<u8>, usize)>,
    places: HashMap<Vec<u8>, usize>,
    pub(super) valid: Validity,
}

impl Record {
    /// A builder for these children.
    pub fn new(columns: &[Column], clock: Clock) -> Self {
        let spellings: Vec<(Vec<u8>, usize)> = columns
            .iter()
            .enumerate()
            .flat_map(|(child, column)| column.originals.iter().map(move |name| (name.as_bytes().to_vec(), child)))
            .collect();
        Self {
            fields: columns.iter().map(|column| column.arrow(clock.local)).collect(),
            names: columns.iter().map(|column| column.name.as_bytes().to_vec()).collect(),
            first: columns
                .iter()
                .map(|column| match column.originals.as_slice() {
                    [first, _, ..] => Some(first.as_bytes().to_vec()),
                    _ => None,
                })
                .collect(),
            children: columns.iter().map(|column| Builder::new(&column.kind, clock)).collect(),
            scalars: columns.iter().position(|column| column.name == SCALARS && column.originals.is_empty()),
            places: spellings.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect(),
            spellings,
            valid: Validity::default(),
        }
    }

    pub(super) fn append<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        let hashed = privacy.is_some_and(|p| p.hasher().is_some());
        match (value, self.scalars) {
            (Some(Value::Document(document)), _) if !hashed => self.append_fields(document, privacy, row),
            (Some(bare), Some(scalars)) => {
                for (at, child) in self.children.iter_mut().enumerate() {
                    child.append((at == scalars).then_some(bare), if at == scalars { privacy } else { None }, row);
                }
            }
            (Some(other), None) => {
                row.refuse(other, privacy);
                return self.push_null();
            }
            (None, _) => return self.push_null(),
        }
        self.valid.push(true);
    }

    pub(super) fn push_null(&mut self) {
        self.children.iter_mut().for_each(Builder::push_null);
        self.valid.push(false);
    }

    /// Forgets all rows but the first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        self.children.iter_mut().for_each(|child| child.truncate(rows));
        self.valid.truncate(rows);
    }

    /// Appends one value to every child; at the top of a document its `_id` is left out.
    pub fn append_fields<'a>(&mut self, document: Document<'a>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        let base = row.slots.len();
        row.slots.resize(base + self.children.len(), None);
        let mut hint = 0;
        for element in document.elements() {
            let below = privacy.and_then(|p| p.child(element.key));
            if below.is_some_and(Privacy::excluded) || is_void_element(&element, below) {
                continue;
            }
            let Some((at, child)) = self.place(element.key, hint) else {
                // The row's identity has its own column. Any other field was observed and has one; were it not so, it
                // would be kept all the same.
                if !(row.path.is_empty() && element.key == ID.as_bytes()) {
                    row.loser(element.key, element.value(), false, below);
                }
                continue;
            };
            hint = at + 1;
            let Some(slot) = row.slots.get_mut(base + child) else { continue };
            let Some(held) = *slot else {
                *slot = Some(element);
                continue;
            };
            let again = held.key == element.key;
            let wins = again || self.prefers(child, element.key, held.key);
            if wins {
                *slot = Some(element);
            }
            let loser = if wins { held } else { element };
            row.loser(loser.key, loser.value(), again, privacy.and_then(|p| p.child(loser.key)));
        }
        for (at, child) in self.children.iter_mut().enumerate() {
            match row.slots.get(base + at).copied().flatten() {
                None => child.push_null(),
                Some(element) => {
                    row.path.push(Step::Name(element.key));
                    if self.first.get(at).and_then(Option::as_deref).is_some_and(|first| first != element.key) {
                        row.spelled();
                    }
                    child.append(Some(element.value()), privacy.and_then(|p| p.child(element.key)), row);
                    row.path.pop();
                }
            }
        }
        row.slots.truncate(base);
    }

    /// The position of a spelling, and the child it belongs to; documents of a collection resemble each other, so the one
    /// at `hint` is looked at first.
    fn place(&self, key: &[u8], hint: usize) -> Option<(usize, usize)> {
        match self.spellings.get(hint) {
            Some((name, child)) if name == key => Some((hint, *child)),
            _ => self.places.get(key).and_then(|&at| Some((at, self.spellings.get(at)?.1))),
        }
    }

    /// Of two spellings of one column, the column's own wins, else the bytewise smaller.
    fn prefers(&self, child: usize, new: &[u8], held: &[u8]) -> bool {
        let own = self.names.get(child).map(Vec::as_slice);
        own == Some(new) || (own != Some(held) && new < held)
    }

    /// The children's arrays, for the top level of a table.
    pub fn finish_children(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.children.iter_mut().map(Builder::finish).collect()
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let children = self.finish_children()?;
        Ok(Arc::new(StructArray::try_new(self.fields.clone(), children, self.valid.finish())?))
    }
}
