//! Names of columns at one level.

use crate::model::column::SCALARS;
use crate::model::names::{RENAMED, fold};
use crate::model::table::{ID, MISFITS, MODIFIED};

/// Where a field stands, as far as its column's name is concerned.
#[derive(Debug, Clone, Copy)]
pub enum Level<'a> {
    /// Top of the document; with the partition keys, which are never data columns.
    Top(&'a [String]),
    /// Inside another field.
    Nested,
}

impl Level<'_> {
    /// The column of the field `original`; fields that fold alike share one.
    pub fn column(self, original: &str) -> String {
        let mut name = fold(original);
        match self {
            Level::Top(keys) => {
                if [ID, MODIFIED, MISFITS].contains(&name.as_str()) || keys.contains(&name) {
                    // No key has this name: the manifest refuses one.
                    name.push_str(RENAMED);
                }
            }
            // The bare `value_` belongs to scalars seen beside documents.
            Level::Nested if name == SCALARS => name.push_str(RENAMED),
            Level::Nested => {}
        }
        name
    }
}
