//! The run as the terminal shows it.

use super::digest::{Digest, Note};
use super::table;
use super::words::wrap;
use crate::model::record::RunRecord;
use std::fmt::Write as _;

/// The summary of `record` in lines of at most `width` characters, commands and very long words excepted.
///
/// The last line is the verdict. Nothing is said by colour; the caller may add some.
pub fn summary(record: &RunRecord, width: usize) -> String {
    let digest = Digest::of(record, &[]);
    let mut out = String::new();
    if !digest.collections.is_empty() {
        out += &table::collections(&digest.collections.iter().collect::<Vec<_>>(), width);
        out.push('\n');
    }
    troubles(&mut out, &digest, width);
    section(&mut out, "Schema changes", &digest.changes, width);
    section(&mut out, "Warnings", &digest.warnings, width);
    section(&mut out, "Also", &digest.remarks, width);
    lines(&mut out, "Catalog", digest.catalog.iter().map(String::as_str), width);
    lines(&mut out, "Not told", digest.untold.iter().map(String::as_str), width);
    if !digest.untold.is_empty() {
        let _ = writeln!(out, "  tell again: {}", digest.tell_again);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "{}", wrap(&digest.verdict, width, 2));
    out
}

fn troubles(out: &mut String, digest: &Digest, width: usize) {
    for trouble in &digest.troubles {
        let told = format!("{} {}: {}", trouble.collection, trouble.outcome, trouble.reason);
        let _ = writeln!(out, "\n{}", wrap(&told, width, 2));
        if let Some(hint) = &trouble.hint {
            let _ = writeln!(out, "  hint: {}", wrap(hint, width.saturating_sub(8), 8));
        }
        let _ = writeln!(out, "  rerun: {}", trouble.command);
    }
}

fn section(out: &mut String, title: &str, notes: &[Note], width: usize) {
    let texts: Vec<String> = notes.iter().map(|n| format!("{}: {}", n.collection, n.text)).collect();
    lines(out, title, texts.iter().map(String::as_str), width);
}

fn lines<'a>(out: &mut String, title: &str, texts: impl Iterator<Item = &'a str>, width: usize) {
    for (i, text) in texts.enumerate() {
        if i == 0 {
            let _ = writeln!(out, "\n{title}");
        }
        let _ = writeln!(out, "  {}", wrap(text, width.saturating_sub(2), 4));
    }
}
