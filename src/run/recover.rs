//! Finishes what a run that died has left behind, before anything new is read.

use super::index;
use crate::error::Result;
use crate::lake::{Expect, Lake, layout};
use crate::model::collection::Namespace;
use crate::publish::Journal;
use futures::StreamExt;
use std::collections::HashSet;

/// What an unfinished run means for this one.
#[derive(Debug, Clone, Default)]
pub struct Unfinished {
    /// The run that died.
    pub run_id: Option<String>,
    /// It was replacing the table, so this run has to.
    pub full: bool,
    /// It was rewriting files because a column's type had changed.
    pub retyping: bool,
}

/// The tables (`database/collection`, folded) that a dead run left unfinished, from one listing for the whole run.
pub async fn unfinished_tables(lake: &Lake) -> Result<HashSet<String>> {
    let prefix = layout::journal_prefix();
    let mut tables = HashSet::new();
    let mut listing = lake.list(&prefix);
    while let Some(object) = listing.next().await {
        let key = object?.key;
        if let Some(table) = key.strip_prefix(&prefix).and_then(|k| k.strip_suffix(".json")) {
            tables.insert(table.to_owned());
        }
    }
    Ok(tables)
}

/// Reads the journal of a collection that [`unfinished_tables`] named. The index may be behind the data files then, so
/// its head goes: whoever needs places builds them anew from the files, which finds and mends doubles.
pub async fn recover(lake: &Lake, ns: &Namespace) -> Result<Unfinished> {
    let Some(journal) = Journal::load(lake, ns).await? else { return Ok(Unfinished::default()) };
    tracing::warn!(collection = %ns, run = %journal.run_id, "a run died before its end; finishing its work");
    lake.delete(&index::head_key(ns), Expect::Any).await?;
    Ok(Unfinished { run_id: Some(journal.run_id), full: journal.mode == "full", retyping: journal.retyping })
}
