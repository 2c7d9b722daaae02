//! Finishes what a run that died has left behind, before anything new is read.

use crate::error::Result;
use crate::lake::{Lake, Lease, Version, layout};
use crate::model::collection::Namespace;
use crate::publish::{BESIDE, Journal};
use futures::StreamExt;
use std::collections::HashSet;

/// What an unfinished run means for this one.
#[derive(Debug, Clone, Default)]
pub struct Unfinished {
    /// The run that died.
    pub run_id: Option<String>,
    /// Version of the journal that is there, also when its run had got as far as its watermark.
    pub journal: Option<Version>,
    /// It was replacing the table, so this run has to.
    pub full: bool,
    /// It was replacing stored files unread, so what it left cannot be merged with.
    pub rebuild: bool,
    /// It had been told to forget the schema.
    pub forget_schema: bool,
    /// It had been told to accept that the table loses most of its rows.
    pub allow_shrink: bool,
    /// Fingerprint of the settings it made the table with.
    pub settings: String,
    /// Rows of the table that it was replacing.
    pub stored: u64,
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

/// Reads the journal of a collection that this run holds. The index may be behind the data files then: whoever needs
/// places builds them anew from the files, which finds and mends doubles.
///
/// `complete` is the run of the last watermark: one that got so far has left nothing to be done but its journal, unless
/// another one left word in it that it wrote beside that one.
///
/// Without a lease, in a dry run, the journal may be that of a run under way, and nothing of it is touched.
pub async fn recover(lake: &Lake, ns: &Namespace, complete: Option<&str>, lease: Option<&Lease>) -> Result<Unfinished> {
    let Some((journal, version)) = Journal::load(lake, ns).await? else { return Ok(Unfinished::default()) };
    if complete == Some(journal.run_id.as_str()) {
        // What the complete run was told to do is done, and no row of it has to give way.
        let beside = (journal.beside > 0).then(|| BESIDE.to_owned());
        return Ok(Unfinished { run_id: beside, journal: Some(version), ..Unfinished::default() });
    }
    if lease.is_some() {
        tracing::warn!(dead_run = %journal.run_id, "a run died before its end; finishing its work");
        // Parts of large files that nobody will complete. They only cost money, so that nothing depends on this.
        for folder in [layout::table_prefix(ns), layout::quarantine_prefix(ns)] {
            match lake.abort_uploads(&folder).await {
                Ok(0) => {}
                Ok(uploads) => tracing::info!(uploads, "unfinished uploads of the dead run aborted"),
                Err(error) => tracing::warn!("{error}"),
            }
        }
    }
    Ok(Unfinished {
        full: journal.mode == "full",
        rebuild: journal.rebuild,
        forget_schema: journal.forget_schema,
        allow_shrink: journal.allow_shrink,
        settings: journal.settings,
        stored: journal.stored,
        run_id: Some(journal.run_id),
        journal: Some(version),
    })
}
