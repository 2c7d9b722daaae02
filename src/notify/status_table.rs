//! Where every collection stands, as the terminal shows it: what needs somebody comes first.

use super::table::{Style, aligned, fit, plain};
use super::words::{bytes, duration, minute, wrap};
use crate::model::record::Outcome;
use crate::model::status::CollectionStatus;
use comfy_table::Table;
use std::cmp::Reverse;
use std::fmt::Write as _;

/// How much of a collection's litter is named; the rest is counted, `--json` has all of it.
const LITTER_SHOWN: usize = 5;

/// The statuses in lines of at most `width` characters, sorted worst first, with reasons and litter below.
pub fn status_table(statuses: &[CollectionStatus], width: usize) -> String {
    let mut sorted: Vec<&CollectionStatus> = statuses.iter().collect();
    sorted.sort_by_key(|s| (severity(s), Reverse(s.lag_seconds), &s.database, &s.collection));
    let mut out = fit(width, |style| build(&sorted, style));
    out.push('\n');
    for status in sorted {
        remarks(&mut out, status, width);
    }
    out
}

/// 0 is worst.
fn severity(status: &CollectionStatus) -> u8 {
    match status.last.as_ref().map(|last| last.outcome) {
        Some(Outcome::Failed) => 0,
        Some(Outcome::Busy) => 1,
        _ if !status.litter.is_empty() => 2,
        None => 3,
        Some(Outcome::Ok | Outcome::Idle) => 4,
    }
}

fn build(statuses: &[&CollectionStatus], style: Style) -> Table {
    let mut table = plain(&["collection", "last", "watermark", "lag", "rows", "files", "bytes"], 3, style);
    for status in statuses {
        let last = status.last.as_ref().map_or("never", |last| last.outcome.as_str());
        let watermark = status.watermark.as_deref().map_or_else(|| "none".to_owned(), minute);
        // Whole seconds of a lag are far below 2^52.
        let lag = status.lag_seconds.map_or_else(String::new, |seconds| duration(seconds as f64));
        table.add_row([
            aligned(name(status, style), true),
            aligned(last, true),
            aligned(watermark, true),
            aligned(lag, false),
            aligned(style.count(status.rows), false),
            aligned(style.count(status.files), false),
            aligned(bytes(status.bytes), false),
        ]);
    }
    table
}

/// Longest name that stands on one line of a tight table of 80 columns.
const NAME_SHOWN: usize = 24;

fn name(status: &CollectionStatus, style: Style) -> String {
    let name = format!("{}.{}", status.database, status.collection);
    if style == Style::Roomy || name.chars().count() <= NAME_SHOWN {
        return name;
    }
    format!("{}.\n {}", status.database, status.collection)
}

fn remarks(out: &mut String, status: &CollectionStatus, width: usize) {
    let name = name(status, Style::Roomy);
    let mut say = |text: String| {
        let _ = writeln!(out, "\n{}", wrap(&format!("{name}: {text}"), width, 2));
    };
    if let Some(last) = &status.last
        && let Some(reason) = &last.reason
    {
        say(format!("{} in run {}: {reason}", last.outcome.as_str(), last.run_id));
    }
    if let Some(holder) = &status.lease {
        say(format!("held by run {holder}"));
    }
    if !status.litter.is_empty() {
        let shown = status.litter.iter().take(LITTER_SHOWN).map(String::as_str).collect::<Vec<_>>().join("\n");
        let more = match status.litter.len().saturating_sub(LITTER_SHOWN) {
            0 => String::new(),
            n => format!("\nand {n} more"),
        };
        say(format!("litter\n{shown}{more}"));
    }
}
