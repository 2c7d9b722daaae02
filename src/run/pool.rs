//! A whole run: every collection of the manifest, some at once, and one record of them all.

use super::catalog::{self, Telling};
use super::clock;
use super::collection::Job;
use super::interrupt::Interrupt;
use super::options::RunOptions;
use super::recover::unfinished_tables;
use super::resume::staged_tables;
use super::{history, scratch, unattempted};
use crate::aws::Aws;
use crate::cli::exit;
use crate::error::{Error, Kind, Result};
use crate::extract;
use crate::kill_point::{KillPoint, reach};
use crate::lake::{Expect, Lake, layout, state};
use crate::merge::budget::Budget;
use crate::model::collection::CollectionSpec;
use crate::model::progress::Progress;
use crate::model::record::{self, CollectionRecord, NotificationRecord, Requests, RunRecord};
use crate::model::settings::Settings;
use crate::notify;
use crate::publish::catalog::Ledger;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::RwLock;
use tracing::Instrument;

/// Memory below which a collection cannot work; fewer run at once instead.
const LEAST_SHARE: u64 = 64 << 20;

/// Memory the program needs whatever it does, taken off the top.
const BASE: u64 = 32 << 20;

/// How long the record of a run that was told to stop may take.
const RECORD_WITHIN: Duration = Duration::from_secs(2);

/// Runs `collections` and returns the record, which is also in the lake and in the mail by then.
///
/// # Errors
/// [`Kind::Unavailable`] when no collection could be attempted.
pub async fn run(
    settings: &Settings,
    collections: Vec<CollectionSpec>,
    options: RunOptions,
    progress: Arc<dyn Progress>,
) -> Result<RunRecord> {
    let started = clock::now();
    let run_id = clock::run_id(started);
    // Every line of the log names the run and, further in, the collection.
    let span = tracing::info_span!("run", run = run_id);
    attempt(settings, collections, options, progress, started, run_id).instrument(span).await
}

async fn attempt(
    settings: &Settings,
    collections: Vec<CollectionSpec>,
    options: RunOptions,
    progress: Arc<dyn Progress>,
    started: DateTime<Utc>,
    run_id: String,
) -> Result<RunRecord> {
    let deadline = settings.run.deadline.map(|limit| std::time::Instant::now() + limit);
    let interrupt = Interrupt::new(options.interrupt.clone(), deadline);
    scratch::sweep();
    let mut reached = None;
    let opening = async {
        let lake = Lake::open(&settings.lake).await?;
        reached = Some(lake.clone());
        let source = extract::open(&settings.source, &run_id)?;
        let mut bound = source.bound().await?;
        if !source.is_dump() {
            bound = bound.no_later_than(clock::now().timestamp_millis());
        }
        let (unfinished, staged) = tokio::try_join!(unfinished_tables(&lake), staged_tables(&lake))?;
        Ok((lake, source, bound, unfinished, staged))
    };
    let opened = tokio::select! {
        opened = opening => opened,
        stopped = interrupt.stopped() => return Err(stopped),
    };
    let chosen: Vec<CollectionSpec> = collections
        .iter()
        .filter(|spec| options.only.is_empty() || options.only.contains(&spec.namespace))
        .cloned()
        .collect();
    let (lake, source, bound, unfinished, staged) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            if !options.dry_run {
                unattempted::tell(settings, &chosen, &error, reached.as_ref(), (&run_id, started)).await;
            }
            return Err(error);
        }
    };
    progress.begin(chosen.len());
    let memory = settings.run.memory.saturating_sub(BASE);
    let at_once =
        (memory / LEAST_SHARE).clamp(1, settings.run.collections.max(1) as u64).min(chosen.len().max(1) as u64);
    let budget = Budget::of(memory / at_once);
    let wide = RwLock::new(());
    let ledger = catalog::is_told(settings, &options).then(|| Ledger::new(&lake));
    let mut jobs: Vec<BoxFuture<'_, (CollectionRecord, Option<Kind>)>> = Vec::with_capacity(chosen.len());
    for spec in &chosen {
        let job = Job {
            settings,
            spec,
            options: &options,
            source: source.as_ref(),
            lake: &lake,
            bound: &bound,
            run_id: &run_id,
            started,
            progress: progress.as_ref(),
            interrupt: &interrupt,
            budget,
            wide: &wide,
            unfinished: unfinished.contains(&spec.namespace.folder()),
            ledger: ledger.as_ref(),
            staged: staged.contains(&spec.namespace.folder()),
        };
        let span = tracing::info_span!("collection", collection = %spec.namespace);
        jobs.push(async move { job.run().await }.instrument(span).boxed());
    }
    let (records, kinds): (Vec<CollectionRecord>, Vec<Option<Kind>>) =
        stream::iter(jobs).buffered(usize::try_from(at_once).unwrap_or(1)).unzip().await;
    // A lake that a newer lakefold wrote, for one, refuses every collection before anything is read.
    let refused = !kinds.is_empty() && kinds.iter().all(|kind| *kind == Some(Kind::Unavailable));
    let refused = refused && records.iter().all(|record| record.rows.read == 0);
    let exit_code = |record: &RunRecord| match exit::of_run(record, interrupt.signal()) {
        exit::FAILED if refused => exit::UNAVAILABLE,
        code => code,
    };

    let told = match &ledger {
        Some(ledger) => {
            let telling = Telling { settings, lake: &lake, ledger, options: &options, run_id: &run_id };
            telling.settle(&collections, &records, &interrupt).await
        }
        None => Vec::new(),
    };
    let mut record = RunRecord {
        format: record::FORMAT,
        run_id: run_id.clone(),
        environment: settings.environment.clone(),
        named: Some(settings.named.clone()).filter(|named| *named != settings.environment),
        started_at: clock::rfc3339(started.timestamp_millis()).unwrap_or_default(),
        finished_at: clock::rfc3339(clock::now().timestamp_millis()).unwrap_or_default(),
        exit_code: 0,
        dry_run: options.dry_run,
        collections: records,
        catalog: told,
        notifications: Vec::new(),
        requests: Some(Requests { repeated_aws: Aws::of_process().repeated(), ..lake.requests_record() }),
    };
    record.exit_code = exit_code(&record);
    if !options.dry_run {
        let history = if notify::looks_back(settings, &record) {
            tokio::select! {
                history = history::before(&lake, &run_id) => history,
                // The past is for comparison: a run that is to end goes without.
                _ = interrupt.stopped() => Vec::new(),
            }
        } else {
            Vec::new()
        };
        reach(KillPoint::BeforeMail);
        record.notifications = tokio::select! {
            told = notify::notify(settings, &record, &history) => told,
            stopped = interrupt.sent_away() => {
                vec![NotificationRecord { channel: "all".to_owned(), outcome: stopped.to_string() }]
            }
        };
        reach(KillPoint::AfterMail);
        if let Some(requests) = &mut record.requests {
            // SES has been asked since.
            requests.repeated_aws = Aws::of_process().repeated();
        }
        record.exit_code = exit_code(&record);
        reach(KillPoint::BeforeRunRecord);
        let key = layout::run_key(&run_id);
        let storing = state::store(&lake, &key, &record, Expect::Any);
        let stored = match interrupt.signal() {
            // Whoever sent the signal does not wait for a store that does not answer.
            Some(_) => tokio::time::timeout(RECORD_WITHIN, storing).await.unwrap_or_else(|_| {
                Err(Error::new(Kind::Lake, "the store does not answer").context("write the run record"))
            }),
            None => storing.await,
        };
        reach(KillPoint::AfterRunRecord);
        if let Err(error) = stored {
            // What landed has landed: the summary says so all the same, and that its copy in the lake is missing.
            tracing::warn!(run = run_id, "{error}");
            let channel = "run record".to_owned();
            record.notifications.push(NotificationRecord { channel, outcome: error.to_string() });
            record.exit_code = exit_code(&record);
        }
    }
    Ok(record)
}
