//! One collection through all stages; a failure stays inside (P8).

use super::clock;
use super::fold::Folding;
use super::interrupt::Interrupt;
use super::options::RunOptions;
use super::recover::{self, Unfinished};
use super::resume::{self, Basis, Begun, Resume, Staging};
use super::scope::{Decision, Facts, decide, full_due};
use crate::error::{Error, Kind, Result};
use crate::extract::{Described, Placed, ReadRequest, Source};
use crate::kill_point::{KillPoint, reach};
use crate::lake::watermark::{Line, Watermarks};
use crate::lake::{Lake, Lease, Version, layout};
use crate::merge::budget::Budget;
use crate::model::collection::CollectionSpec;
use crate::model::command;
use crate::model::lag;
use crate::model::names::hash8;
use crate::model::progress::Progress;
use crate::model::read_plan::ReadPlan;
use crate::model::record::{CollectionRecord, Outcome};
use crate::model::settings::Settings;
use crate::model::table::TableSettings;
use crate::model::window::{Bound, OperationTime, Scope};
use crate::publish::Journal;
use crate::publish::catalog::Ledger;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::RwLock;

/// How long giving the lease back may take: it runs out by itself.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

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
    /// When it began: what is due is due as of then, however often it is asked.
    pub started: DateTime<Utc>,
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
    /// A full read of it has staged something.
    pub staged: bool,
}

impl Job<'_> {
    /// Folds the collection. Never fails: the record says what happened, and the kind of the error why.
    pub async fn run(&self) -> (CollectionRecord, Option<Kind>) {
        let started = Instant::now();
        let ns = &self.spec.namespace;
        let mut record = CollectionRecord::begun(ns);
        let held = Held::default();
        // Whatever is under way may be dropped: a run killed at any instant is repaired by the next one (P4).
        let ended = tokio::select! {
            ended = self.attempt(&mut record, &held) => ended,
            overdue = self.interrupt.overdue() => Err(overdue),
        };
        if let Err(error) = &ended
            && held.may_lie_beside(error)
        {
            self.leave_word().await;
        }
        if let Some(lease) = held.lease.into_inner() {
            let released = tokio::time::timeout(RELEASE_WITHIN, lease.release()).await;
            let late =
                || Error::new(Kind::Lake, format!("the lease of {ns} is not given back: the store does not answer"));
            if let Err(error) = released.unwrap_or_else(|_| Err(late())) {
                // What landed stays landed, and what failed stays the reason: the lease runs out by itself.
                record.warnings.push(error.to_string());
            }
        }
        let kind = match ended {
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

    /// Says to the next run that it has to look at all files.
    async fn leave_word(&self) {
        let ns = &self.spec.namespace;
        // A run that has to stop does not wait for a store that is slow.
        let stopped = async {
            let stopped = self.interrupt.stopped().await;
            tokio::time::sleep(RELEASE_WITHIN).await;
            stopped
        };
        let left = tokio::select! {
            left = Journal::leave(self.lake, ns) => left,
            stopped = stopped => Err(stopped),
        };
        if let Err(error) = left {
            tracing::warn!(collection = %ns, %error, "no word is left that this run wrote beside another");
        }
    }

    async fn attempt(&self, record: &mut CollectionRecord, held: &Held) -> Result<Outcome> {
        self.interrupt.check()?;
        let ns = &self.spec.namespace;
        let of = self.settings;
        let settings = TableSettings::of(self.spec, of.timezone, of.timestamps, of.hash_key.as_ref());
        let (watermarks, read) = self.watermarks().await?;
        // Whatever fails from here on: so far the table can be trusted.
        record.watermark = watermarks.last_ok().and_then(|line| line.watermark).and_then(clock::rfc3339);
        let described = self.source.describe(ns, self.spec.timestamp_column.as_ref()).await?;
        let decision = self.decide(&watermarks, &described, &Unfinished::default());
        self.warn_unindexed(record, &decision, &described);
        let mut window = None;
        // Only a window can be empty: everything else is read when the collection is held.
        if decision.window_from().is_some() {
            let open = self.open(&watermarks, &described, decision, None).await?;
            let last = watermarks.last_ok();
            let changed = last.is_some_and(|line| line.settings != fingerprint(&settings));
            // Of a clock that was ahead: the next window must not begin there.
            let ahead = last.is_some_and(|line| line.watermark > open.decision.watermark);
            if open.first.is_none() && !changed && !ahead && !self.unfinished && !self.staged {
                // Nothing is stored for an idle collection, and yet it has been read up to the bound.
                self.note(record, &open.decision, open.decision.watermark);
                return Ok(Outcome::Idle);
            }
            window = Some(open);
        }

        if !self.options.dry_run {
            let taken = self.lake.lease(ns, self.run_id).await?;
            held.lease.get_or_init(|| taken);
        }
        // Somebody may have folded between the first look and the lease; what was opened before that may be older
        // than what is stored now (P1), so it is opened again.
        let (watermarks, now) = self.watermarks().await?;
        let complete = watermarks.last_ok().map(|line| line.run_id.as_str());
        let unfinished = recover::recover(self.lake, ns, complete, held.lease.get()).await?;
        let decision = self.decide(&watermarks, &described, &unfinished);
        if watermarks.are_of_another(described.identity.as_deref()) {
            record
                .warnings
                .push("under this name stands another collection than was read before: it is read whole".into());
        }
        let undisturbed = now == read && unfinished.run_id.is_none();
        let window = window.filter(|open: &OpenWindow| undisturbed && open.decision == decision);
        let lease = held.lease.get();
        let mut taken = Taken { settings, watermarks, read: now, described, unfinished, decision, lease, resume: None };
        taken.resume = self.resume(&taken).await?;
        self.fold(record, taken, window, held).await
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
                let rebuild = command::rebuild(&self.settings.named, ns, false);
                let hint = format!("{hint}, or read everything again:\n  {rebuild}");
                error.hint(hint)
            }
            _ => error,
        })
    }

    fn decide(&self, watermarks: &Watermarks, described: &Described, unfinished: &Unfinished) -> Decision {
        decide(&Facts {
            spec: self.spec,
            full: self.options.full,
            another: watermarks.are_of_another(described.identity.as_deref()),
            since: self.options.since,
            watermark: watermarks.last_ok().and_then(|l| l.watermark),
            full_due: full_due(self.settings.run.full_every, watermarks, self.started.timestamp_millis()),
            full_unfinished: unfinished.full,
            bound: self.bound,
            overlap_ms: i64::try_from(self.settings.source.overlap.as_millis()).unwrap_or(i64::MAX),
        })
    }

    /// What a full read that died has left for this one; what is of no use is removed.
    async fn resume(&self, taken: &Taken<'_>) -> Result<Option<Resume>> {
        let (ns, Some(lease)) = (&self.spec.namespace, taken.lease) else { return Ok(None) };
        // `--full` is asked for what no window sees, changes without a time and deletions. Rows that were read before it was
        // may have missed them.
        if taken.decision.scope != Scope::Full || self.options.full {
            if self.staged {
                tracing::info!(collection = %ns, "what an earlier run staged is of no use to this one; it is removed");
                resume::discard(self.lake, ns, lease).await?;
            }
            return Ok(None);
        }
        let (basis, now_ms) = (self.basis(taken).await?, clock::now().timestamp_millis());
        let finishing = taken.unfinished.run_id.as_deref();
        resume::find(self.lake, ns, lease, &basis, self.bound, now_ms, finishing).await
    }

    /// What staged rows depend on.
    async fn basis(&self, taken: &Taken<'_>) -> Result<Basis> {
        let schema = self.lake.head(&layout::schema_key(&self.spec.namespace)).await?;
        Ok(Basis {
            settings: fingerprint(&taken.settings),
            forget_schema: self.options.forget_schema || taken.unfinished.forget_schema,
            collection: taken.described.identity.clone(),
            watermarks: taken.read.as_ref().map(|version| version.as_str().to_owned()),
            schema: schema.map(|object| object.version.as_str().to_owned()),
        })
    }

    /// Opens what is to be read, along `plan` if there is one, and looks whether it holds anything.
    async fn open(
        &self,
        watermarks: &Watermarks,
        described: &Described,
        decision: Decision,
        plan: Option<ReadPlan>,
    ) -> Result<OpenWindow> {
        let whole = decision.window_from().is_none();
        self.progress.start(
            &self.spec.namespace,
            described.documents.filter(|_| whole),
            // What is left out at the source is part of its size and never comes.
            described.bytes.filter(|_| whole && self.spec.exclude.is_empty()),
        );
        self.progress.phase(&self.spec.namespace, "reading");
        let request = self.request(watermarks, &decision);
        let mut batches = match plan {
            Some(plan) => self.source.read_along(request, plan),
            None => self.source.read(request).map_ok(|batch| (batch, None)).boxed(),
        };
        let first = tokio::select! {
            batch = batches.next() => batch.transpose()?,
            stopped = self.interrupt.stopped() => return Err(stopped),
        };
        Ok(OpenWindow { decision, first, rest: batches })
    }

    fn request(&self, watermarks: &Watermarks, decision: &Decision) -> ReadRequest {
        let stored_time = watermarks.last_ok().and_then(|l| l.operation_time);
        ReadRequest {
            namespace: self.spec.namespace.clone(),
            scope: decision.scope.clone(),
            timestamp: self.spec.timestamp_column.clone(),
            timezone: self.settings.timezone,
            exclude: self.spec.exclude.clone(),
            not_before: self.not_before(decision, stored_time),
            batch_bytes: self.budget.raw_batch,
            batch_documents: BATCH_DOCUMENTS,
            ranges: RANGES,
        }
    }

    async fn fold(
        &self,
        record: &mut CollectionRecord,
        mut taken: Taken<'_>,
        window: Option<OpenWindow>,
        held: &Held,
    ) -> Result<Outcome> {
        let ns = &self.spec.namespace;
        let mut decision = taken.decision.clone();
        let mut read_at = None;
        if let Some(Resume { state, .. }) = &taken.resume {
            // Documents read before the death may have changed since: the next window has to begin where that one did.
            decision.watermark = state.watermark;
            read_at = Some(state.operation_time);
            record.warnings.push(format!(
                "{} documents had been read by a run that died; what changed since then comes with the next run, what was \
                 deleted with the next full one",
                state.totals.documents
            ));
        }
        let (plan, staging) = self.staging(&taken, &decision).await?;
        let window = match window {
            Some(window) => window,
            None => self.open(&taken.watermarks, &taken.described, decision.clone(), plan).await?,
        };
        let last = taken.watermarks.last_ok();
        let last_time = last.and_then(|l| l.operation_time);
        self.note(record, &decision, last.and_then(|l| l.watermark));
        let fingerprint = fingerprint(&taken.settings);
        let folding = Folding {
            job: self,
            settings: taken.settings,
            decision: &decision,
            unfinished: &taken.unfinished,
            described: &taken.described,
            lease: taken.lease,
            resume: taken.resume.as_ref(),
            known: last.is_some_and(|line| !line.settings.is_empty()),
            journal: &held.journal,
        };
        let finished: Result<()> = async {
            let owed = folding.run(record, window.batches(), staging).await?;
            record.watermark = decision.watermark.and_then(clock::rfc3339);
            let Some(lease) = taken.lease else { return Ok(()) };
            lease.check()?;
            if let Some(ledger) = self.ledger
                && !owed.is_nothing()
            {
                // Before the watermark: what is covered by it and dies here would never be told to the catalog (P3, P4).
                ledger.owe(ns, owed).await?;
            }
            taken.watermarks.append(Line {
                written_at: clock::now().timestamp_millis(),
                run_id: self.run_id.to_owned(),
                mode: decision.mode().to_owned(),
                window_from: decision.window_from(),
                watermark: decision.watermark,
                operation_time: read_at.unwrap_or_else(|| self.not_before(&decision, last_time)),
                rows_read: record.rows.read,
                rows_inserted: record.rows.inserted,
                rows_updated: record.rows.updated,
                outcome: Outcome::Ok,
                settings: fingerprint,
                collection: taken.described.identity.clone(),
            });
            reach(KillPoint::BeforeWatermark);
            taken.watermarks.store(self.lake, ns, taken.read).await?;
            held.complete.store(true, Ordering::Relaxed);
            reach(KillPoint::AfterWatermark);
            if let Some(journal) = held.journal.get() {
                Journal::remove(self.lake, ns, journal.clone()).await?;
            }
            Ok(())
        }
        .await;
        let useless = taken.resume.as_ref().is_some_and(|resume| resume.damaged.get().is_some());
        let discarded = match taken.lease.filter(|_| useless) {
            Some(lease) => resume::discard(self.lake, ns, lease).await,
            None => Ok(()),
        };
        finished.and(discarded)?;
        if let Some(lease) = taken.lease.filter(|_| decision.scope == Scope::Full) {
            resume::discard(self.lake, ns, lease).await?;
        }
        Ok(Outcome::Ok)
    }

    /// The ranges of a full read, and the keeping of what it brings, where that is worth it.
    async fn staging<'t>(
        &'t self,
        taken: &Taken<'t>,
        decision: &Decision,
    ) -> Result<(Option<ReadPlan>, Option<Staging<'t>>)> {
        let Some(lease) = taken.lease.filter(|_| decision.scope == Scope::Full) else { return Ok((None, None)) };
        let plan = match &taken.resume {
            Some(resume) => Some(resume.plan.clone()),
            None if resume::is_worth_it(&taken.described, self.settings.source.rate) => {
                let request = self.request(&taken.watermarks, decision);
                tokio::select! {
                    plan = self.source.plan(&request) => plan?,
                    stopped = self.interrupt.stopped() => return Err(stopped),
                }
            }
            None => None,
        };
        let Some(plan) = plan else { return Ok((None, None)) };
        let begun = Begun {
            at_ms: clock::now().timestamp_millis(),
            watermark: decision.watermark,
            operation_time: self.bound.operation_time,
            basis: self.basis(taken).await?,
        };
        let ns = &self.spec.namespace;
        let staging = Staging::new(self.lake, ns, lease, self.run_id, begun, plan.clone(), taken.resume.as_ref());
        Ok((Some(plan), Some(staging)))
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
                "no index on {path}: every window reads the whole collection on the server; create one:\n  {}",
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

/// A collection as it was when this run took it.
struct Taken<'a> {
    settings: TableSettings,
    watermarks: Watermarks,
    /// Version of the watermark file.
    read: Option<Version>,
    described: Described,
    unfinished: Unfinished,
    /// What it reads.
    decision: Decision,
    /// None in a dry run.
    lease: Option<&'a Lease>,
    resume: Option<Resume>,
}

/// What a run has in hand of a collection; known also when its work is dropped half-way.
#[derive(Default)]
struct Held {
    lease: OnceLock<Lease>,
    /// Written: files may follow.
    journal: OnceLock<Version>,
    /// Its watermark is on record.
    complete: AtomicBool,
}

impl Held {
    /// Whether what this run wrote may lie beside the work of another that has taken the collection meanwhile. An owner
    /// that slept meets what else went wrong in its sleep, a broken connection or its own end, perhaps before the fence.
    fn may_lie_beside(&self, error: &Error) -> bool {
        let written = self.journal.get().is_some() && !self.complete.load(Ordering::Relaxed);
        let lost = || self.lease.get().is_some_and(|lease| lease.check().is_err());
        written && (error.kind() == Kind::Conflict || lost())
    }
}

/// A window whose first batch has been looked at.
struct OpenWindow {
    decision: Decision,
    first: Option<Placed>,
    rest: BoxStream<'static, Result<Placed>>,
}

impl OpenWindow {
    fn batches(self) -> BoxStream<'static, Result<Placed>> {
        stream::iter(self.first.map(Ok)).chain(self.rest).boxed()
    }
}

/// What the watermark file keeps of a table's settings, so that an idle collection needs no second read to notice a
/// change.
pub(super) fn fingerprint(settings: &TableSettings) -> String {
    let text = serde_json::to_string(settings).unwrap_or_default();
    hash8(text.as_bytes())
}

/// A setting changed under an existing table.
pub fn settings_error(job: &Job<'_>, differences: &[String]) -> Error {
    settings_changed(&job.settings.named, job.spec, differences)
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
