//! A run as Prometheus metrics. `dashboards/lakefold.json` draws them; a test checks that the two fit.
//!
//! Every run writes all of them anew. Collections it did not look at (`run --collection …`) keep the numbers of the
//! newest run that did, so that a rerun of one does not make the others disappear.

mod pushgateway;
#[cfg(test)]
mod tests;
mod textfile;

pub(super) use pushgateway::Pushgateway;
pub(super) use textfile::Textfile;

use super::SENT;
use super::channel::Report;
use crate::error::{Kind, Result, ResultExt};
use crate::model::record::{CollectionRecord, Outcome, RunRecord};
use chrono::DateTime;
use prometheus::{GaugeVec, Opts, Registry, TextEncoder};
use std::collections::BTreeMap;

/// What every metric's name begins with.
const NAMESPACE: &str = "lakefold";

/// The metrics in Prometheus' text format.
///
/// # Errors
/// `Kind::Notify` when a name or label is none that Prometheus takes.
pub(super) fn text(report: &Report<'_>) -> Result<String> {
    let mut families = Families { registry: Registry::new(), environment: report.record.environment.clone() };
    run(&mut families, report.record)?;
    collections(&mut families, report)?;
    TextEncoder::new().encode_to_string(&families.registry.gather()).or_error(Kind::Notify, "write the metrics")
}

/// Gauges under one registry, each with the environment and labels of its own.
struct Families {
    registry: Registry,
    environment: String,
}

impl Families {
    fn gauge(&mut self, name: &str, help: &str, labels: &[&str]) -> Result<Gauge> {
        let all: Vec<&str> = std::iter::once("environment").chain(labels.iter().copied()).collect();
        let gauge = GaugeVec::new(Opts::new(name, help).namespace(NAMESPACE), &all).or_error(Kind::Notify, name)?;
        self.registry.register(Box::new(gauge.clone())).or_error(Kind::Notify, name)?;
        Ok(Gauge { gauge, environment: self.environment.clone() })
    }
}

struct Gauge {
    gauge: GaugeVec,
    environment: String,
}

impl Gauge {
    fn set(&self, labels: &[&str], value: f64) -> Result<()> {
        let all: Vec<&str> = std::iter::once(self.environment.as_str()).chain(labels.iter().copied()).collect();
        self.gauge.get_metric_with_label_values(&all).or_error(Kind::Notify, "write the metrics")?.set(value);
        Ok(())
    }
}

fn run(families: &mut Families, record: &RunRecord) -> Result<()> {
    let started = seconds(&record.started_at);
    let finished = seconds(&record.finished_at);
    for (name, help, value) in [
        ("run_started_timestamp_seconds", "When the last run started.", started),
        ("run_finished_timestamp_seconds", "When the last run finished.", finished),
        (
            "run_duration_seconds",
            "How long the last run took.",
            started.zip(finished).map(|(from, to)| (to - from).max(0.0)),
        ),
        (
            "run_exit_code",
            "0: all landed, 1: something failed, 3: nothing was attempted, 130/143: stopped.",
            Some(f64::from(record.exit_code)),
        ),
    ] {
        let gauge = families.gauge(name, help, &[])?;
        if let Some(value) = value {
            gauge.set(&[], value)?;
        }
    }
    let told =
        families.gauge("notification_failed", "1: the channel could not be told of the last run.", &["channel"])?;
    for notification in &record.notifications {
        told.set(&[&notification.channel], f64::from(u8::from(notification.outcome != SENT)))?;
    }
    Ok(())
}

/// The newest record of every collection that this run or one before it looked at, and whether it is this run's.
fn newest<'r>(report: &'r Report<'_>) -> BTreeMap<(&'r str, &'r str), &'r CollectionRecord> {
    let before = report.history.iter().filter(|run| run.environment == report.record.environment);
    let mut newest = BTreeMap::new();
    for run in before.chain(std::iter::once(report.record)) {
        for collection in &run.collections {
            newest.insert((collection.database.as_str(), collection.collection.as_str()), collection);
        }
    }
    newest
}

fn collections(families: &mut Families, report: &Report<'_>) -> Result<()> {
    const WHO: [&str; 2] = ["database", "collection"];
    let with = |label: &'static str| [WHO[0], WHO[1], label];
    let outcome =
        families.gauge("collection_outcome", "1 for how the collection's last run ended.", &with("outcome"))?;
    let watermark =
        families.gauge("collection_watermark_timestamp_seconds", "How far the collection has been read.", &WHO)?;
    let duration = families.gauge("collection_duration_seconds", "Time its last run took.", &WHO)?;
    let rows = families.gauge("collection_rows", "Rows of its last run, by what became of them.", &with("kind"))?;
    let files = families.gauge("collection_files", "Data files of its last run.", &with("kind"))?;
    let bytes = families.gauge("collection_bytes", "BSON read and Parquet written.", &with("direction"))?;
    let changes = families.gauge("collection_schema_changes", "Columns that appeared or changed their type.", &WHO)?;
    let misfits = families.gauge("collection_misfits", "Values kept in _misfits.", &WHO)?;
    let retries = families.gauge("collection_retries", "Requests that were repeated.", &WHO)?;
    let warnings = families.gauge("collection_warnings", "Warnings of its last run.", &WHO)?;
    for ((database, name), record) in newest(report) {
        let who = [database, name];
        let labelled = |label| [database, name, label];
        for possible in [Outcome::Ok, Outcome::Idle, Outcome::Failed, Outcome::Busy] {
            let is = f64::from(u8::from(record.outcome == possible));
            outcome.set(&labelled(possible.as_str()), is)?;
        }
        if let Some(time) = record.watermark.as_deref().and_then(seconds) {
            watermark.set(&who, time)?;
        }
        duration.set(&who, record.seconds)?;
        let r = &record.rows;
        for (kind, n) in [
            ("read", r.read),
            ("inserted", r.inserted),
            ("updated", r.updated),
            ("unchanged", r.unchanged),
            ("superseded", r.superseded),
            ("quarantined", r.quarantined),
            ("moved", r.moved),
            ("deleted", r.deleted),
        ] {
            rows.set(&labelled(kind), amount(n))?;
        }
        for (kind, n) in
            [("written", record.files.written), ("deleted", record.files.deleted), ("retyped", record.files.retyped)]
        {
            files.set(&labelled(kind), amount(n))?;
        }
        bytes.set(&labelled("read"), amount(record.bytes.read))?;
        bytes.set(&labelled("written"), amount(record.bytes.written))?;
        changes.set(&who, amount(record.schema_changes.len() as u64))?;
        misfits.set(&who, amount(record.misfits))?;
        retries.set(&who, amount(record.retries))?;
        warnings.set(&who, amount(record.warnings.len() as u64))?;
    }
    Ok(())
}

/// Prometheus knows doubles only; counts of one run are far below 2^53.
fn amount(n: u64) -> f64 {
    n as f64
}

/// Seconds since 1970 of an RFC 3339 time.
fn seconds(time: &str) -> Option<f64> {
    let time = DateTime::parse_from_rfc3339(time).ok()?;
    Some(time.timestamp() as f64 + f64::from(time.timestamp_subsec_millis()) / 1_000.0)
}
