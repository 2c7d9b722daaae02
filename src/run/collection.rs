//! One collection through all stages; a failure stays inside (P8).

use super::clock;
use super::fold::Folding;
use super::interrupt::Interrupt;
use super::options::RunOptions;
use super::recover::{self, Unfinished};
use super::scope::{Decision, Facts, decide, full_due};
use crate::error::{Error, Kind, Result};
use crate::extract::{CollectionKind, Described, ReadRequest, Source};
use crate::lake::watermark::{Line, Watermarks};
use crate::lake::{Lake, Lease, Version};
use crate::merge::budget::Budget;
use crate::model::batch::RawBatch;
use crate::model::collection::CollectionSpec;
use crate::model::command;
use crate::model::lag;
use crate::model::names::hash8;
use crate::model::progress::Progress;
use crate::model::record::{CollectionRecord, Outcome};
use crate::model::settings::Settings;
use crate::model::table::TableSettings;
use crate::model::window::{Bound, OperationTime, Scope};
use crate::publish::catalog::Ledger;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use std::time::Instant;
use tokio::sync::RwLock;

/// Documents of one raw batch at most.
const BATCH_DOCUMENTS: usize = 4096;

/// Cursors of one full read.
const RANGES: usize = 2;

/// One collection of a run, and everything the run shares.
pub struct Job<'a> {
    /// The environment.
    pub settings: &'a Settings,
    /// The manifest's row.
    pub spec: &'a CollectionSpec,
    /// Flags.
    pub options: &'a RunOptions,
    /// Where documents come from.
    pub source: &'a dyn Source,
    /// Where they go.
    pub lake: &'a Lake,
    /// Upper bound of the run.
    pub bound: &'a Bound,
    /// This run.
    pub run_id: &'a str,
    /// Told how far it is.
    pub progress: &'a dyn Progress,
    /// Stops it.
    pub interrupt: &'a Interrupt,
    /// Memory.
    pub budget: Budget,
    /// Held by every merge of the run; by one of wide rows alone.
    pub wide: &'a RwLock<()>,
    /// A run died on this collection.
    pub unfinished: bool,
    /// What the catalog is owed; none: nobody tells it anything.
    pub ledger: Option<&'a Ledger<'a>>,
}

impl Job<'_> {
    /// Folds the collection. Never fails: the record says what happened, and the kind of the error why.
    pub async fn run(&self) -> (CollectionRecord, Option<Kind>) {
        let started = Instant::now();
        let ns = &self.spec.namespace;
        let mut record = CollectionRecord::begun(ns);
        let kind = match self.attempt(&mut record).await {
            Ok(outcome) => {
                record.outcome = outcome;
                None
            }
            Err(error) => {
                record.outcome = if error.kind() == Kind::Busy { Outcome::Busy } else { Outcome::Failed };
                tracing::error!("{error}");
                record.reason = Some(error.explained());
                Some(error.kind())
            }
        };
        self.warn_late(&mut record);
        record.retries = self.source.retries(ns);
        record.seconds = started.elapsed().as_secs_f64();
        self.progress.finish(ns, record.outcome.as_str());
        (record, kind)
    }

    async fn attempt(&self, record: &mut CollectionRecord) -> Result<Outcome> {
        self.interrupt.check()?;
        let ns = &self.spec.namespace;
        let settings = TableSettings::of(self.spec, self.settings.timezone, self.settings.timestamps);
        let (watermarks, read) = self.watermarks().await?;
        // Whatever fails from here on: so far the table can be trusted.
        record.watermark = watermarks.last_ok().and_then(|line| line.watermark).and_then(clock::rfc3339);
        let described = self.source.describe(ns, self.spec.timestamp_column.as_ref()).await?;
        let mut window = self.open(&watermarks, &described, &Unfinished::default()).await?;
        let changed = watermarks.last_ok().is_some_and(|line| line.settings != fingerprint(&settings));
        self.warn_unindexed(record, &window.decision, &described);
        let idle = window.first.is_none() && window.decision.window_from().is_some();
        if idle && !changed && !self.unfinished {
            // Nothing is stored for an idle collection, and yet it has been read up to the bound.
            self.note(record, &window.decision, window.decision.watermark);
            return Ok(Outcome::Idle);
        }

        let lease = if self.options.dry_run { None } else { Some(self.lake.lease(ns, self.run_id).await?) };
        let outcome = async {
            // Somebody may have folded between the first look and the lease; what was opened before that may be older
            // than what is stored now (P1), so it is opened again.
            let (watermarks, now) = self.watermarks().await?;
            let complete = watermarks.last_ok().map(|line| line.run_id.as_str());
            let unfinished = recover::recover(self.lake, ns, complete).await?;
            if now != read || unfinished.full {
                window = self.open(&watermarks, &described, &unfinished).await?;
            }
            self.fold(record, settings, watermarks, now, window, described, unfinished, lease.as_ref()).await
        }
        .await;
        if let Some(lease) = lease
            && let Err(error) = lease.release().await
        {
            // What landed stays landed, and what failed stays the reason: the lease runs out by itself.
            record.warnings.push(error.to_string());
        }
        outcome
    }

    /// The watermark file; one that is damaged gives way to a run that reads everything.
    async fn watermarks(&self) -> Result<(Watermarks, Option<Version>)> {
        let ns = &self.spec.namespace;
        if self.options.full {
            let (found, version) = Watermarks::load_unless_damaged(self.lake, ns).await?;
            if found.is_none() {
                tracing::warn!(collection = %ns, "the damaged watermark file is replaced");
            }
            return Ok((found.unwrap_or_default(), version));
        }
        Watermarks::load(self.lake, ns).await.map_err(|error| match error.hint_text() {
            Some(hint) if error.kind() == Kind::Lake => {
                let rebuild = command::rebuild(&self.settings.environment, ns, false);
                let hint = format!("{hint}, or read everything again:\n  {rebuild}");
                error.hint(hint)
            }
            _ => error,
        })
    }

    /// Decides the window and looks whether it holds anything.
    async fn open(
        &self,
        watermarks: &Watermarks,
        described: &Described,
        unfinished: &Unfinished,
    ) -> Result<OpenWindow> {
        let last = watermarks.last_ok();
        let now = clock::now().timestamp_millis();
        let decision = decide(&Facts {
            spec: self.spec,
            full: self.options.full,
            since: self.options.since,
            watermark: last.and_then(|l| l.watermark),
            full_due: full_due(self.settings.run.full_every, watermarks, now),
            full_unfinished: unfinished.full,
            bound: self.bound,
            overlap_ms: i64::try_from(self.settings.source.overlap.as_millis()).unwrap_or(i64::MAX),
        });
        let whole = decision.window_from().is_none();
        self.progress.start(
            &self.spec.namespace,
            described.documents.filter(|_| whole),
            // What is left out at the source is part of its size and never comes.
            described.bytes.filter(|_| whole && self.spec.exclude.is_empty()),
        );
        self.progress.phase(&self.spec.namespace, "reading");
        let stored_time = last.and_then(|l| l.operation_time);
        let mut batches = self.source.read(ReadRequest {
            namespace: self.spec.namespace.clone(),
            scope: decision.scope.clone(),
            timestamp: self.spec.timestamp_column.clone(),
            timezone: self.settings.timezone,
            exclude: self.spec.exclude.clone(),
            not_before: self.not_before(&decision, stored_time),
            batch_bytes: self.budget.raw_batch,
            batch_documents: BATCH_DOCUMENTS,
            ranges: RANGES,
        });
        let first = tokio::select! {
            batch = batches.next() => batch.transpose()?,
            stopped = self.interrupt.stopped() => return Err(stopped),
        };
        Ok(OpenWindow { decision, first, rest: batches })
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one attempt, handed over once")]
    async fn fold(
        &self,
        record: &mut CollectionRecord,
        settings: TableSettings,
        mut watermarks: Watermarks,
        read: Option<Version>,
        window: OpenWindow,
        described: Described,
        unfinished: Unfinished,
        lease: Option<&Lease>,
    ) -> Result<Outcome> {
        let decision = window.decision.clone();
        self.note(record, &decision, watermarks.last_ok().and_then(|l| l.watermark));
        let fingerprint = fingerprint(&settings);
        let view = described.kind == CollectionKind::View;
        let folding = Folding { job: self, settings, decision: &decision, unfinished: &unfinished, view, lease };
        let owed = folding.run(record, window.batches()).await?;
        record.watermark = decision.watermark.and_then(clock::rfc3339);
        let Some(lease) = lease else { return Ok(Outcome::Ok) };

        lease.check()?;
        if let Some(ledger) = self.ledger
            && !owed.is_nothing()
        {
            // Before the watermark: what is covered by it and dies here would never be told to the catalog (P3, P4).
            ledger.owe(&self.spec.namespace, owed).await?;
        }
        let last_time = watermarks.last_ok().and_then(|l| l.operation_time);
        watermarks.append(Line {
            written_at: clock::now().timestamp_millis(),
            run_id: self.run_id.to_owned(),
            mode: decision.mode().to_owned(),
            window_from: decision.window_from(),
            watermark: decision.watermark,
            operation_time: self.not_before(&decision, last_time),
            rows_read: record.rows.read,
            rows_inserted: record.rows.inserted,
            rows_updated: record.rows.updated,
            outcome: Outcome::Ok,
            settings: fingerprint,
        });
        watermarks.store(self.lake, &self.spec.namespace, read).await?;
        crate::publish::Journal::remove(self.lake, &self.spec.namespace).await?;
        Ok(Outcome::Ok)
    }

    /// The time of the cluster that the reads must have reached; `last` is what the reads before them had.
    ///
    /// What replaces the whole table need not be as late as what it replaces: another cluster, or a restored one.
    fn not_before(&self, decision: &Decision, last: Option<OperationTime>) -> Option<OperationTime> {
        match decision.scope {
            Scope::Full => self.bound.operation_time,
            Scope::Whole | Scope::Since { .. } => self.bound.operation_time.max(last),
        }
    }

    /// Names a window that costs the server a look at every document, with the command that mends it.
    fn warn_unindexed(&self, record: &mut CollectionRecord, decision: &Decision, described: &Described) {
        let windowed = matches!(decision.scope, Scope::Since { .. });
        if let Some(path) = self.spec.timestamp_column.as_ref().filter(|_| windowed)
            && described.timestamp_indexed == Some(false)
        {
            record.warnings.push(format!(
                "no index on {path}: every window reads the whole collection on the server; create one: {}",
                self.spec.namespace.create_index(path)
            ));
        }
    }

    /// Says that the collection is further behind than the manifest allows; a source without a clock never is.
    fn warn_late(&self, record: &mut CollectionRecord) {
        if self.bound.time_ms.is_none() {
            return;
        }
        let watermark = record.watermark.as_deref().and_then(|time| chrono::DateTime::parse_from_rfc3339(time).ok());
        let lag = watermark.map(|time| (clock::now().timestamp_millis() - time.timestamp_millis()) / 1000);
        record.warnings.extend(lag::late(self.spec, lag));
    }

    fn note(&self, record: &mut CollectionRecord, decision: &Decision, watermark: Option<i64>) {
        decision.mode().clone_into(&mut record.mode);
        record.window_from = decision.window_from().and_then(clock::rfc3339);
        record.watermark = watermark.and_then(clock::rfc3339);
    }
}

/// A window whose first batch has been looked at.
struct OpenWindow {
    decision: Decision,
    first: Option<RawBatch>,
    rest: BoxStream<'static, Result<RawBatch>>,
}

impl OpenWindow {
    fn batches(self) -> BoxStream<'static, Result<RawBatch>> {
        stream::iter(self.first.map(Ok)).chain(self.rest).boxed()
    }
}

/// What the watermark file keeps of a table's settings, so that an idle collection needs no second read to notice a
/// change.
fn fingerprint(settings: &TableSettings) -> String {
    let text = serde_json::to_string(settings).unwrap_or_default();
    hash8(text.as_bytes())
}

/// A setting changed under an existing table.
pub fn settings_error(job: &Job<'_>, differences: &[String]) -> Error {
    settings_changed(&job.settings.environment, job.spec, differences)
}

/// As [`settings_error`], also for a run that is only planned.
pub fn settings_changed(environment: &str, spec: &CollectionSpec, differences: &[String]) -> Error {
    Error::new(Kind::Schema, format!("settings of an existing table have changed: {}", differences.join("; "))).hint(
        format!(
            "take the change back, or rebuild the table:\n  {}",
            command::rebuild(environment, &spec.namespace, false)
        ),
    )
}
