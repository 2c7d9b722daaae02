//! The run as a mail and as a page of its own: one renderer, worked out from run records alone.

use super::chart::{self, Chart};
use super::digest::{self, Digest, Line};
use super::picture::Picture;
use super::template::{TEXT_WIDTH, render as render_template};
use super::{table, verdict};
use crate::error::{Kind, Result, ResultExt};
use crate::model::record::RunRecord;
use minijinja::context;

/// Collections told one by one: Gmail cuts a page at 100 KiB, and a line of the table takes one.
const LINES_MAX: usize = 50;

/// A manifest so small that also the idle collections are told one by one.
const IDLE_TOLD: usize = 12;

/// A mail before it is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Environment, verdict and counts.
    pub subject: String,
    /// The plain-text part.
    pub text: String,
    /// The HTML part: tables and inline styles only, so that Outlook, phones and dark mode show it alike.
    pub html: String,
    /// What the HTML part shows by `cid:`.
    pub pictures: Vec<Picture>,
}

/// Renders the mail about `record`, beside the runs of `history`, oldest first.
///
/// # Errors
/// `Kind::Notify` when a template does not render.
pub async fn render(record: &RunRecord, history: &[RunRecord]) -> Result<Mail> {
    let digest = Digest::of(record, history);
    let charts = charts(record, history)?;
    let drawings: Vec<(&'static str, String)> = charts.iter().map(|chart| (chart.name, chart.svg.clone())).collect();
    // Reading the letters and painting takes a core for a while.
    let painted = tokio::task::spawn_blocking(move || {
        drawings.iter().map(|(name, svg)| Picture::draw(name, svg)).collect::<Result<Vec<_>>>()
    });
    Ok(Mail {
        subject: verdict::subject(record),
        text: text(&digest, &charts)?,
        html: html(&digest, &charts, false)?,
        pictures: painted.await.or_error(Kind::Notify, "draw the charts")??,
    })
}

/// Renders `record` as a page that stands alone: the mail's, with the drawings in it.
///
/// # Errors
/// `Kind::Notify` when a template does not render.
pub fn page(record: &RunRecord, history: &[RunRecord]) -> Result<String> {
    html(&Digest::of(record, history), &charts(record, history)?, true)
}

/// The charts; one run alone has none.
fn charts(record: &RunRecord, history: &[RunRecord]) -> Result<Vec<Chart>> {
    let mut runs = digest::before(record, history);
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    runs.push(record);
    chart::of(&runs)
}

fn text(digest: &Digest, charts: &[Chart]) -> Result<String> {
    let (lines, rest) = told(&digest.collections);
    let values = context! {
        run => digest, charts, rest,
        table => table::collections(&lines, TEXT_WIDTH),
    };
    render_template("mail.txt", include_str!("templates/mail.txt"), values)
}

fn html(digest: &Digest, charts: &[Chart], page: bool) -> Result<String> {
    let (lines, rest) = told(&digest.collections);
    let values = context! { run => digest, charts, rest, lines, page };
    render_template("mail.html", include_str!("templates/mail.html"), values)
}

/// The collections told one by one, those that failed first in line, and a sentence about the others.
fn told(collections: &[Line]) -> (Vec<&Line>, String) {
    let idle = collections.iter().filter(|line| line.outcome == "idle").count();
    let fold_idle = collections.len() > IDLE_TOLD;
    let mut lines: Vec<&Line> = collections.iter().filter(|line| !fold_idle || line.outcome != "idle").collect();
    let mut rest = Vec::new();
    if fold_idle && idle > 0 {
        rest.push(format!("{idle} idle: nothing new at the source"));
    }
    if lines.len() > LINES_MAX {
        lines.sort_by_key(|line| !matches!(line.outcome, "failed" | "busy"));
        let left_out = lines.split_off(LINES_MAX);
        let late = left_out.iter().filter(|line| matches!(line.outcome, "failed" | "busy")).count();
        let parts = [(late, "more not up to date"), (left_out.len() - late, "more landed")];
        rest.extend(parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    }
    (lines, rest.join("; "))
}
