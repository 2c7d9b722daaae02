//! The shapes of the report's charts: one bar for each run, the newest at the right.
//!
//! A first load of a million rows must not flatten the thousands of every day after it: bars are cut at a multiple of
//! what is usual, and a cut bar shows a gap.

use super::template::render;
use super::words::{compact, count, duration};
use crate::error::Result;
use crate::model::record::{Outcome, RunRecord};
use serde::Serialize;

/// Width and height of a chart, in the units of the drawing; pixels on a screen.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 96.0;

/// Lowest point of the bars; the dates stand below.
const FLOOR: f64 = 76.0;

/// Where a bar of full height ends; the scale's number stands above.
const CEILING: f64 = 16.0;

/// A run that changed nothing is still seen to have been.
const LEAST_BAR: f64 = 1.5;

/// Bars are cut at so many times the value below which nine in ten lie.
const CUT_AT: f64 = 4.0;

/// Signs of a chart in plain text, low to high.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A chart, drawn and told.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Chart {
    /// `rows`
    pub(super) name: &'static str,
    /// What its bars are.
    pub(super) title: String,
    /// What a person who cannot see it should know.
    pub(super) alt: String,
    /// The chart in one line of text.
    pub(super) spark: String,
    /// The drawing.
    pub(super) svg: String,
}

/// One run in a chart.
struct Point {
    value: f64,
    /// Some collection was not brought up to date.
    bad: bool,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: f64,
    y: f64,
    height: f64,
    width: f64,
    cut: bool,
    kind: &'static str,
}

/// Rows changed and minutes taken by `runs`, oldest first, the last of which is the run told about.
///
/// # Errors
/// `Kind::Notify` when the template does not render.
pub(super) fn of(runs: &[&RunRecord]) -> Result<Vec<Chart>> {
    let changed = |run: &RunRecord| -> u64 {
        run.collections.iter().map(|c| c.rows.inserted + c.rows.updated + c.rows.deleted).sum()
    };
    // Counts of rows are far below 2^53.
    let rows = draw("rows", "Rows changed", runs, |run| changed(run) as f64, |value| compact(value as u64))?;
    let minutes = draw("minutes", "Time taken", runs, seconds, duration)?;
    Ok(vec![rows, minutes])
}

/// How long a run took, in seconds.
pub(super) fn seconds(run: &RunRecord) -> f64 {
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
    let took = time(&run.started_at).zip(time(&run.finished_at)).map(|(from, to)| (to - from).as_seconds_f64());
    took.unwrap_or_default().max(0.0)
}

fn draw(
    name: &'static str,
    what: &str,
    runs: &[&RunRecord],
    value: impl Fn(&RunRecord) -> f64,
    shown: impl Fn(f64) -> String,
) -> Result<Chart> {
    let points: Vec<Point> = runs.iter().map(|run| Point { value: value(run), bad: is_bad(run) }).collect();
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    let scale = scale(&values);
    let most = values.iter().copied().fold(0.0, f64::max);
    let last = values.last().copied().unwrap_or_default();
    let several = count(points.len() as u64);
    let day = |run: Option<&&RunRecord>| run.map_or_else(String::new, |run| day(&run.started_at));
    let svg = render(
        "chart.svg",
        include_str!("templates/chart.svg"),
        minijinja::context! {
            width => WIDTH, height => HEIGHT, floor => FLOOR, ceiling => CEILING,
            bars => bars(&points, scale),
            scale => shown(scale),
            cut => most > scale,
            first => day(runs.first()), last => day(runs.last()),
        },
    )?;
    Ok(Chart {
        name,
        title: format!("{what}: {}", shown(last)),
        alt: format!("{what} in the last {several} runs: at most {}, this time {}.", shown(most), shown(last)),
        spark: format!("{} at most {}, this time {}", spark(&values, scale), shown(most), shown(last)),
        svg,
    })
}

fn is_bad(run: &RunRecord) -> bool {
    run.collections.iter().any(|c| matches!(c.outcome, Outcome::Failed | Outcome::Busy))
}

/// What a bar of full height stands for.
fn scale(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(0.0, f64::max);
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| *value > 0.0).collect();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted.len().checked_sub(1).and_then(|last| sorted.get(last * 9 / 10)).copied().unwrap_or(most);
    // A few values say nothing about what is usual.
    if sorted.len() < 5 || most <= usual * CUT_AT { most } else { usual * CUT_AT / 2.0 }
}

fn bars(points: &[Point], scale: f64) -> Vec<Bar> {
    let slot = WIDTH / super::RUNS_SHOWN as f64;
    let width = slot * 0.66;
    // The newest run ends at the right edge, however few there are.
    let empty = super::RUNS_SHOWN.saturating_sub(points.len()) as f64;
    let last = points.len().saturating_sub(1);
    let bar = |(at, point): (usize, &Point)| {
        let share = if scale > 0.0 { (point.value / scale).min(1.0) } else { 0.0 };
        let height = (share * (FLOOR - CEILING)).max(LEAST_BAR);
        Bar {
            x: hundredths((empty + at as f64) * slot + slot - width),
            y: hundredths(FLOOR - height),
            height: hundredths(height),
            width: hundredths(width),
            cut: scale > 0.0 && point.value > scale,
            kind: match () {
                () if point.bad => "bad",
                () if at == last => "now",
                () => "past",
            },
        }
    };
    points.iter().enumerate().map(bar).collect()
}

/// Drawings are compared as texts; further digits are below any pixel.
fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn spark(values: &[f64], scale: f64) -> String {
    let sign = |value: &f64| {
        let share = if scale > 0.0 { (value / scale).min(1.0) } else { 0.0 };
        // 0 to 7, whatever the share.
        BLOCKS.get((share * 7.0).round() as usize).copied().unwrap_or(' ')
    };
    values.iter().map(sign).collect()
}

/// `21 Nov`
fn day(time: &str) -> String {
    chrono::DateTime::parse_from_rfc3339(time)
        .map_or_else(|_| String::new(), |time| time.to_utc().format("%-d %b").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_load_does_not_flatten_every_day_after_it() {
        let mut values = vec![1_000_000.0];
        values.extend((0..20).map(|n| 1_000.0 + f64::from(n)));
        let top = scale(&values);
        assert!(top < 10_000.0, "{top}");
        let points: Vec<Point> = values.iter().map(|&value| Point { value, bad: false }).collect();
        let drawn = bars(&points, top);
        assert!(drawn[0].cut && !drawn[1].cut);
        assert!(drawn[1].height > 20.0, "{drawn:?}");
        assert_eq!(scale(&[5.0, 1_000.0]), 1_000.0, "two runs have no usual");
    }

    #[test]
    fn every_run_is_seen_and_the_newest_ends_at_the_edge() {
        let points = [0.0, 4.0].map(|value| Point { value, bad: false });
        let drawn = bars(&points, scale(&[0.0, 4.0]));
        assert_eq!((drawn[0].height, drawn[0].kind), (LEAST_BAR, "past"));
        assert_eq!((drawn[1].height, drawn[1].kind), (FLOOR - CEILING, "now"));
        assert!((drawn[1].x + drawn[1].width - WIDTH).abs() < 0.1, "{drawn:?}");
        assert_eq!(spark(&[0.0, 4.0], 4.0), "▁█");
        let none = bars(&[Point { value: 0.0, bad: true }], scale(&[0.0]));
        assert_eq!((none[0].height, none[0].kind), (LEAST_BAR, "bad"));
    }
}
