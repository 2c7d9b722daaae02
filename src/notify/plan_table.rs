//! What a run would do, as the terminal shows it.

use super::table::{Style, aligned, fit, plain};
use super::words::{bytes, duration, minute, several, wrap};
use crate::model::plan::{CollectionPlan, RunPlan, Touched};
use comfy_table::Table;
use std::fmt::Write as _;

/// Retypings named of a collection; the rest is counted.
const RETYPINGS_SHOWN: usize = 5;

/// The plan in lines of at most `width` characters, with what is to be known of each collection below, and one verdict.
pub fn plan_table(plan: &RunPlan, width: usize) -> String {
    let mut out = fit(width, |style| build(&plan.collections, style));
    out.push('\n');
    for collection in &plan.collections {
        remarks(&mut out, collection, width);
    }
    let _ = writeln!(out, "\n{}", wrap(&verdict(plan), width, 2));
    out
}

fn build(plans: &[CollectionPlan], style: Style) -> Table {
    let header = ["collection", "mode", "from", "documents", "bytes", "partitions", "files", "time"];
    let mut table = plain(&header, 3, style);
    for plan in plans {
        let name = match style {
            Style::Roomy => format!("{}.{}", plan.database, plan.collection),
            Style::Tight => plan.collection.clone(),
        };
        let about = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
        if plan.problem.is_some() {
            table.add_row([aligned(name, true), aligned("fails", true)]);
            continue;
        }
        let from = plan.window_from.as_deref().map_or_else(|| "the start".to_owned(), |from| when(from, style));
        table.add_row([
            aligned(name, true),
            aligned(&plan.mode, true),
            aligned(from, true),
            aligned(about(plan.documents.map(|n| style.count(n))), false),
            aligned(about(plan.bytes.map(bytes)), false),
            aligned(about(plan.partitions.as_ref().map(|touched| spread(touched, style))), false),
            aligned(style.count(plan.rewrite.files), false),
            aligned(about(plan.seconds.map(duration)), false),
        ]);
    }
    table
}

/// `05-01 13:00` where there is little room: a window that is a year old is nobody's.
fn when(from: &str, style: Style) -> String {
    let minute = minute(from);
    match (style, minute.get(5..16)) {
        (Style::Tight, Some(short)) => short.to_owned(),
        _ => minute,
    }
}

/// `12`, or `12+` when a sample tells.
fn spread(touched: &Touched, style: Style) -> String {
    format!("{}{}", style.count(touched.count), if touched.at_least { "+" } else { "" })
}

fn remarks(out: &mut String, plan: &CollectionPlan, width: usize) {
    let name = format!("{}.{}", plan.database, plan.collection);
    let mut say = |text: &str| {
        let _ = writeln!(out, "\n{}", wrap(&format!("{name}: {text}"), width, 2));
    };
    if let Some(problem) = &plan.problem {
        say(&format!("would fail: {problem}"));
    }
    // That a first run is full and a dump read whole needs no line for each collection.
    if !plan.why.is_empty() && plan.why != "first run" && !plan.why.starts_with("--") && plan.mode == "full" {
        say(&format!("read in full: {}", plan.why));
    }
    for retyping in plan.retyping.iter().take(RETYPINGS_SHOWN) {
        say(&format!("{} changes from {} to {}", retyping.column, retyping.from, retyping.to));
    }
    if let Some(more @ 1..) = plan.retyping.len().checked_sub(RETYPINGS_SHOWN) {
        say(&format!("{} change their type too", several(more as u64, "further column")));
    }
    plan.notes.iter().for_each(|note| say(note));
}

fn verdict(plan: &RunPlan) -> String {
    let failing = plan.collections.iter().filter(|c| c.problem.is_some()).count() as u64;
    let rest: Vec<&CollectionPlan> = plan.collections.iter().filter(|c| c.problem.is_none()).collect();
    let sum = |of: fn(&CollectionPlan) -> Option<u64>| rest.iter().map(|c| of(c)).sum::<Option<u64>>();
    let mut text = several(plan.collections.len() as u64, "collection");
    let documents = sum(|c| c.documents).map_or("documents not counted".to_owned(), |n| several(n, "document"));
    let _ = write!(text, ": {documents}");
    if let Some(amount) = sum(|c| c.bytes) {
        let _ = write!(text, ", {}", bytes(amount));
    }
    if let Some(seconds) = plan.seconds {
        let _ = write!(text, ", about {} by what past runs took", duration(seconds));
    }
    if failing > 0 {
        let _ = write!(text, "; {failing} would fail");
    }
    text + "; nothing was changed"
}
