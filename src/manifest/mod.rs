//! Stage 1: `collections.csv` becomes the list of collections of one environment.
//!
//! RFC 4180 and UTF-8; the header is required, `#` lines and empty lines are ignored, optional columns may be left
//! out. `pins.csv` beside it fixes types of columns. Every row is checked, also those of other environments, and all problems are told at once. It reads no file
//! and talks to no server: text goes in, plain data comes out.

mod check;
mod partition;
mod pins;
mod proposed;
mod row;
mod table;
#[cfg(test)]
mod tests;

pub use partition::keys;
pub use proposed::proposed;

use crate::model::collection::CollectionSpec;
use crate::model::problem::{Problem, Problems, listed};
use std::collections::BTreeSet;

/// What a manifest is read for.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The manifest's name in messages.
    pub file: &'a str,
    /// Only rows of this environment are returned.
    pub environment: &'a str,
    /// Whether the environment has a `[privacy] hash_key`, which rows that hash need.
    pub hash_key: bool,
    /// The pins of all collections; none: there is no such file.
    pub pins: Option<PinFile<'a>>,
}

/// What `pins.csv` holds: `database,collection,path,type`.
#[derive(Debug, Clone, Copy)]
pub struct PinFile<'a> {
    /// The file's name in messages.
    pub file: &'a str,
    /// The whole file.
    pub text: &'a str,
}

/// The collections of `context.environment`, in manifest order, or everything that is wrong with the text.
///
/// # Errors
/// All problems of all rows. A manifest that holds no row for the environment is a problem too: a misspelled
/// environment must not look like a run that had nothing to do.
pub fn load(text: &str, context: &Context<'_>) -> Result<Vec<CollectionSpec>, Vec<Problem>> {
    let mut problems = Problems::new(context.file);
    let mut rows: Vec<row::Row> = table::records(text, &row::LAYOUT, &mut problems)
        .iter()
        .filter_map(|record| row::read(record, context, &mut problems))
        .collect();
    check::repeated(&rows, &mut problems);
    let unpinned = context.pins.map(|pins| pins::put(&pins, &mut rows)).unwrap_or_default();

    if problems.is_empty() && !rows.iter().any(|row| row.belongs_to(context.environment)) {
        let named: BTreeSet<&str> = rows.iter().flat_map(|row| &row.environments).map(String::as_str).collect();
        let problem =
            problems.add_general(None, format_args!("no row belongs to environment `{}`", context.environment));
        if named.is_empty() {
            problem.hint("add a row for each collection");
        } else {
            problem.hint(format_args!("its rows name {}", listed(&Vec::from_iter(named))));
        }
    }
    if !problems.is_empty() || !unpinned.is_empty() {
        return Err(problems.into_sorted().into_iter().chain(unpinned).collect());
    }
    Ok(rows.into_iter().filter(|row| row.belongs_to(context.environment)).map(|row| row.spec).collect())
}
