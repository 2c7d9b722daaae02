//! Where every collection stands, as the terminal shows it: what needs somebody comes first.

use super::digest::listed;
use super::table::{Style, aligned, fit, plain};
use super::words::{bytes, count, duration, minute, several, wrap};
use crate::model::command;
use crate::model::record::Outcome;
use crate::model::status::{CollectionStatus, Growth, LastRun};
use comfy_table::Table;
use std::cmp::Reverse;
use std::fmt::Write as _;

/// How much of a collection's litter is named; the rest is counted, `--json` has all of it.
const LITTER_SHOWN: usize = 5;

/// The statuses in lines of at most `width` characters, sorted worst first, with reasons and litter below.
/// `environment`: what `--env` has to say in the commands.
pub fn status_table(statuses: &[CollectionStatus], environment: &str, width: usize) -> String {
    let mut sorted: Vec<&CollectionStatus> = statuses.iter().collect();
    sorted.sort_by_key(|s| (s.severity(), Reverse(s.lag_seconds), &s.database, &s.collection));
    let mut out = fit(width, |style| build(&sorted, style));
    out.push('\n');
    troubles(&mut out, &sorted, environment, width);
    for status in &sorted {
        remarks(&mut out, status, width);
    }
    let _ = writeln!(out, "\n{}", wrap(&verdict(&sorted), width, 2));
    out
}

fn build(statuses: &[&CollectionStatus], style: Style) -> Table {
    let header = ["collection", "last", "runs", "watermark", "lag", "rows", "grown", "files", "bytes"];
    let mut table = plain(&header, 4, style);
    for status in statuses {
        let last = status.last.as_ref().map_or("never", |last| last.outcome.as_str());
        let watermark = status.watermark.as_deref().map_or_else(|| "none".to_owned(), |time| moment(time, style));
        // Whole seconds of a lag are far below 2^52.
        let lag = status.lag_seconds.map_or_else(String::new, |seconds| duration(seconds as f64));
        table.add_row([
            aligned(name(status, style), true),
            aligned(last, true),
            aligned(recent(&status.recent), true),
            aligned(watermark, true),
            aligned(lag, false),
            aligned(style.count(status.rows), false),
            aligned(status.growth.as_ref().map_or_else(String::new, |growth| grown(growth, style)), false),
            aligned(style.count(status.files), false),
            aligned(bytes(status.bytes), false),
        ]);
    }
    table
}

/// The minute; without year and zone where there is little room.
fn moment(time: &str, style: Style) -> String {
    let minute = minute(time);
    match (style, minute.get(5..16)) {
        (Style::Tight, Some(short)) => short.to_owned(),
        _ => minute,
    }
}

/// The newest runs, the last one at the right: `·✔✔✖✔`.
fn recent(outcomes: &[Outcome]) -> String {
    let sign = |outcome: &Outcome| match outcome {
        Outcome::Ok => '✔',
        Outcome::Idle => '·',
        Outcome::Failed => '✖',
        Outcome::Busy => '~',
    };
    outcomes.iter().rev().map(sign).collect()
}

/// Rows that the last landing added, signed.
fn grown(growth: &Growth, style: Style) -> String {
    let sign = if growth.rows < 0 { "-" } else { "+" };
    format!("{sign}{}", style.count(growth.rows.unsigned_abs()))
}

/// A landing that added ten times as much as usual, or took rows away, is worth a look.
fn is_unusual(growth: &Growth) -> bool {
    growth
        .usual
        .is_some_and(|usual| growth.rows < 0 && usual >= 0 || growth.rows > usual.saturating_mul(10).max(10_000))
}

/// What it comes to, and what the signs mean.
fn verdict(statuses: &[&CollectionStatus]) -> String {
    let count = |test: fn(&CollectionStatus) -> bool| statuses.iter().filter(|s| test(s)).count() as u64;
    let troubles = [
        (count(|s| s.severity() == 0), "failed"),
        (count(|s| s.severity() == 1), "busy"),
        (count(|s| !s.litter.is_empty()), "with litter"),
        (count(|s| s.last.is_none()), "never run"),
    ];
    let told: Vec<String> = troubles.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let told = if told.is_empty() { "all well".to_owned() } else { told.join(", ") };
    format!(
        "{}: {told}. Runs: ✔ ok, · idle, ✖ failed, ~ busy, the last one at the right.",
        several(statuses.len() as u64, "collection")
    )
}

/// Longest name that stands on one line of a tight table of 80 columns.
const NAME_SHOWN: usize = 20;

fn name(status: &CollectionStatus, style: Style) -> String {
    let name = format!("{}.{}", status.database, status.collection);
    if style == Style::Roomy || name.chars().count() <= NAME_SHOWN {
        return name;
    }
    format!("{}.\n {}", status.database, status.collection)
}

/// What failed and how to run just that again; what failed in one run for one reason stands together.
fn troubles(out: &mut String, statuses: &[&CollectionStatus], environment: &str, width: usize) {
    let mut groups: Vec<(&LastRun, &str, Vec<String>)> = Vec::new();
    for status in statuses {
        let Some((last, reason)) = status.last.as_ref().and_then(|last| Some((last, last.reason.as_deref()?))) else {
            continue;
        };
        let name = name(status, Style::Roomy);
        match groups.iter_mut().find(|(of, ..)| *of == last) {
            Some((_, _, names)) => names.push(name),
            None => groups.push((last, reason, vec![name])),
        }
    }
    for (last, reason, names) in groups {
        let all = names.len() > 1 && names.len() == statuses.len();
        let rerun = command::rerun(environment, if all { &[] } else { &names });
        let (outcome, run_id) = (last.outcome.as_str(), &last.run_id);
        let told = format!("{}: {outcome} in run {run_id}: {reason}\nrerun:\n  {rerun}", listed(&names));
        let _ = writeln!(out, "\n{}", wrap(&told, width, 2));
    }
}

fn remarks(out: &mut String, status: &CollectionStatus, width: usize) {
    let name = name(status, Style::Roomy);
    let mut say = |text: String| {
        let _ = writeln!(out, "\n{}", wrap(&format!("{name}: {text}"), width, 2));
    };
    if let Some(growth) = status.growth.filter(is_unusual) {
        let (rows, usual) = (growth.rows.unsigned_abs(), growth.usual.unwrap_or_default().unsigned_abs());
        let (rows, usual) = (count(rows), count(usual));
        let verb = if growth.rows < 0 { "lost" } else { "grew by" };
        say(format!("{verb} {rows} rows in its last run; usually they are {usual}"));
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
