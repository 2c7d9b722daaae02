//! `plan`: what a run would do, from counters, counts over an index, small samples and past runs. Changes nothing.

mod preview;

use super::history::{History, Work};
use super::scope::{Decision, Facts, decide, full_due};
use super::{clock, history, index};
use crate::error::Result;
use crate::extract::{self, Described, Survey, WindowRequest};
use crate::lake::watermark::Watermarks;
use crate::lake::{Lake, layout, state};
use crate::model::batch::RawBatch;
use crate::model::collection::{CollectionSpec, Mode, Namespace};
use crate::model::plan::{CollectionPlan, Rewrite, RunPlan, Touched};
use crate::model::record::Outcome;
use crate::model::settings::Settings;
use crate::model::table::{self, TableSchema, TableSettings};
use crate::model::window::{Bound, Scope};
use crate::notify::words::bytes as amount;
use crate::publish::Journal;
use futures::stream::{self, StreamExt};
use preview::Preview;

/// Collections looked at at once.
const COLLECTIONS_AT_ONCE: usize = 4;

/// Records of past runs that are looked at.
const RUNS: usize = 60;

/// Landings of a collection from which its time is told.
const LANDINGS: usize = 10;

/// Documents looked at for partitions and types.
const SAMPLE: usize = 500;

/// Bytes of one batch of such documents.
const SAMPLE_BYTES: usize = 8 << 20;

/// What is asked of the run that is planned; as the flags of `run`.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// Only these collections, all of them named by the manifest; empty: every one.
    pub only: Vec<Namespace>,
    /// Replace the tables.
    pub full: bool,
    /// Read from here instead of from the watermark; milliseconds since 1970, UTC.
    pub since: Option<i64>,
}

/// What all collections of a plan share.
struct Planning<'a> {
    settings: &'a Settings,
    options: &'a PlanOptions,
    survey: &'a dyn Survey,
    lake: &'a Lake,
    bound: Bound,
    history: History,
}

/// Plans a run of `specs`.
///
/// # Errors
/// Source or lake cannot be used at all; what is wrong with one collection is its plan's `problem`.
pub async fn plan(settings: &Settings, specs: &[CollectionSpec], options: &PlanOptions) -> Result<RunPlan> {
    let run_id = clock::run_id(clock::now());
    let lake = Lake::open(&settings.lake).await?;
    let survey = extract::open_survey(&settings.source, &run_id)?;
    let bound = survey.bound().await?;
    let chosen: Vec<&CollectionSpec> =
        specs.iter().filter(|spec| options.only.is_empty() || options.only.contains(&spec.namespace)).collect();
    let mut history = History::of(&lake, RUNS).await?;
    let enough = |runs: &[_]| {
        let landed = |spec: &&CollectionSpec| {
            let about = history::about(runs, &spec.namespace);
            about.filter(|(_, c)| c.outcome == Outcome::Ok).count() >= LANDINGS
        };
        chosen.iter().all(landed)
    };
    history.read_until(&lake, enough).await?;
    let planning = Planning { settings, options, survey: survey.as_ref(), lake: &lake, bound, history };
    let planned = stream::iter(&chosen).map(|spec| planning.collection(spec));
    let collections: Vec<CollectionPlan> = planned.buffered(COLLECTIONS_AT_ONCE).collect().await;
    let seconds = together(&collections, settings.run.collections);
    Ok(RunPlan { environment: settings.environment.clone(), collections, seconds })
}

/// Seconds of collections of which some run at once: no less than the longest, no less than an even share.
fn together(collections: &[CollectionPlan], at_once: usize) -> Option<f64> {
    let known: Option<Vec<f64>> =
        collections.iter().filter(|c| c.problem.is_none()).map(|collection| collection.seconds).collect();
    let known = known.filter(|seconds| !seconds.is_empty())?;
    let longest = known.iter().copied().fold(0.0, f64::max);
    Some((known.iter().sum::<f64>() / at_once.clamp(1, known.len()) as f64).max(longest))
}

/// The state of a table as a run would find it.
struct Stored {
    watermarks: Watermarks,
    schema: Option<TableSchema>,
    journal: Option<Journal>,
    files: index::Files,
}

impl Planning<'_> {
    async fn collection(&self, spec: &CollectionSpec) -> CollectionPlan {
        let mut plan = CollectionPlan {
            database: spec.namespace.database.clone(),
            collection: spec.namespace.collection.clone(),
            ..CollectionPlan::default()
        };
        if let Err(error) = self.fill(spec, &mut plan).await {
            plan.problem = Some(error.explained());
        }
        plan
    }

    async fn fill(&self, spec: &CollectionSpec, plan: &mut CollectionPlan) -> Result<()> {
        let stored = self.stored(&spec.namespace).await?;
        let described = self.survey.describe(&spec.namespace, spec.timestamp_column.as_ref()).await?;
        let decision = self.decide(spec, &stored, &described, plan);
        let whole = !matches!(decision.scope, Scope::Since { .. });
        let settings = self.settings;
        let now = TableSettings::of(spec, settings.timezone, settings.timestamps, settings.hash_key.as_ref());
        let differences = stored.schema.as_ref().map(|s| s.settings.differences(&now)).unwrap_or_default();
        if !differences.is_empty() && !self.options.full {
            return Err(super::collection::settings_changed(&self.settings.named, spec, &differences));
        }
        self.size(spec, &decision, &described, plan).await?;
        let sample = self.sample(spec, &decision, &described, plan).await?;
        let rebuild = !differences.is_empty();
        let start = match &stored.schema {
            None => TableSchema::new(now),
            Some(schema) if rebuild => schema.rebuilt(now, false),
            Some(schema) => schema.clone(),
        };
        let preview = Preview::of(self.settings, spec, start, &sample)?;
        if whole && plan.documents.is_none() && preview.documents * 2 < SAMPLE as u64 {
            // A sample of a dump is at least half of what was asked for, unless the dump holds no more.
            plan.documents = Some(preview.documents);
        }
        let everything = plan.documents.is_some_and(|documents| documents <= preview.documents);
        plan.partitions = (preview.documents > 0 || plan.documents == Some(0)).then(|| Touched {
            count: preview.partitions.len() as u64,
            at_least: !everything,
            new: preview.partitions.iter().filter(|p| !stored.files.contains_key(p.as_str())).count() as u64,
        });
        let touched = |partition: &&String| whole || preview.partitions.contains(*partition);
        plan.rewrite = rewrite(stored.files.iter().filter(|(partition, _)| touched(partition)));
        if stored.schema.is_some() && decision.scope != Scope::Full {
            plan.retyping = preview.retyping;
        }
        self.announce(spec, &stored, &described, plan);
        let runs = self.history.about(&spec.namespace).map(|(_, collection)| collection);
        let files = plan.partitions.as_ref().map(|touched| touched.count);
        plan.seconds = history::seconds(runs, Work { mode: decision.mode(), bytes: plan.bytes, files });
        Ok(())
    }

    async fn stored(&self, ns: &Namespace) -> Result<Stored> {
        let schema = state::load::<TableSchema>(self.lake, &layout::schema_key(ns), table::FORMAT).await?;
        Ok(Stored {
            watermarks: Watermarks::load(self.lake, ns).await?.0,
            schema: schema.map(|(schema, _)| schema),
            journal: Journal::load(self.lake, ns).await?.map(|(journal, _)| journal),
            // The index is a cache: a run that cannot read it builds it anew, and a plan can do without.
            files: index::load_head(self.lake, ns).await.ok().flatten().map(|(head, _)| head.files).unwrap_or_default(),
        })
    }

    fn decide(
        &self,
        spec: &CollectionSpec,
        stored: &Stored,
        described: &Described,
        plan: &mut CollectionPlan,
    ) -> Decision {
        let now = clock::now().timestamp_millis();
        let last = stored.watermarks.last_ok();
        let watermark = last.and_then(|line| line.watermark);
        let due = full_due(self.settings.run.full_every, &stored.watermarks, now);
        let unfinished = stored.journal.as_ref().filter(|journal| last.is_none_or(|l| l.run_id != journal.run_id));
        let full_unfinished = unfinished.is_some_and(|journal| journal.mode == "full");
        let another = stored.watermarks.are_of_another(described.identity.as_deref());
        let decision = decide(&Facts {
            spec,
            full: self.options.full,
            another,
            since: self.options.since,
            watermark,
            full_due: due,
            full_unfinished,
            bound: &self.bound,
            overlap_ms: i64::try_from(self.settings.source.overlap.as_millis()).unwrap_or(i64::MAX),
        });
        let always = spec.mode == Mode::Full;
        let why = match (&decision.scope, watermark) {
            (Scope::Since { .. }, _) if self.options.since.is_some() => "--since",
            (Scope::Since { .. }, _) => "",
            (Scope::Whole, _) => "a dump without a clock",
            (Scope::Full, _) if self.options.full => "--full",
            (Scope::Full, _) if full_unfinished => "finishes a full run that died",
            (Scope::Full, _) if always => "mode is full",
            (Scope::Full, _) if spec.timestamp_column.is_none() => "no timestamp_column",
            (Scope::Full, None) => "first run",
            (Scope::Full, _) if another => "another collection of this name",
            (Scope::Full, Some(_)) => "full_every is due",
        };
        decision.mode().clone_into(&mut plan.mode);
        why.clone_into(&mut plan.why);
        plan.window_from = decision.window_from().and_then(clock::rfc3339);
        plan.watermark = watermark.and_then(clock::rfc3339);
        if let Some(journal) = unfinished {
            plan.notes.push(format!("finishes run {}, which died", journal.run_id));
        }
        decision
    }

    /// Documents and bytes that would be read.
    async fn size(
        &self,
        spec: &CollectionSpec,
        decision: &Decision,
        described: &Described,
        plan: &mut CollectionPlan,
    ) -> Result<()> {
        let Scope::Since { from_ms } = decision.scope else {
            plan.documents = described.documents;
            plan.bytes = described.bytes;
            return Ok(());
        };
        let Some(timestamp) = spec.timestamp_column.clone() else { return Ok(()) };
        let window =
            WindowRequest { namespace: spec.namespace.clone(), timestamp, from_ms, timezone: self.settings.timezone };
        plan.documents = self.survey.window_documents(&window).await?;
        plan.bytes = match (plan.documents, described.documents, described.bytes) {
            (Some(documents), Some(all), Some(bytes)) => Some(scaled(bytes, documents, all)),
            _ => None,
        };
        Ok(())
    }

    /// Documents that show which partitions and types the run would meet; none where reading them is not cheap.
    async fn sample(
        &self,
        spec: &CollectionSpec,
        decision: &Decision,
        described: &Described,
        plan: &mut CollectionPlan,
    ) -> Result<RawBatch> {
        if !matches!(decision.scope, Scope::Since { .. }) {
            return self.survey.sample(&spec.namespace, &spec.exclude, SAMPLE).await;
        }
        if described.timestamp_indexed == Some(false) || plan.documents == Some(0) {
            return Ok(RawBatch::default());
        }
        let mut batches = self.survey.read(extract::ReadRequest {
            namespace: spec.namespace.clone(),
            scope: decision.scope.clone(),
            timestamp: spec.timestamp_column.clone(),
            timezone: self.settings.timezone,
            exclude: spec.exclude.clone(),
            not_before: None,
            batch_bytes: SAMPLE_BYTES,
            batch_documents: SAMPLE,
            ranges: 1,
        });
        let mut sample = RawBatch::default();
        let mut ended = false;
        while sample.documents.len() <= SAMPLE && sample.bytes() < SAMPLE_BYTES {
            match batches.next().await.transpose()? {
                Some(batch) => sample.documents.extend(batch.documents),
                None => {
                    ended = true;
                    break;
                }
            }
        }
        if ended {
            // All of the window has been seen: now its size is exact.
            plan.documents = Some(sample.documents.len() as u64);
            plan.bytes = Some(sample.bytes() as u64);
        }
        Ok(sample)
    }

    /// What an operator should know before the run.
    fn announce(&self, spec: &CollectionSpec, stored: &Stored, described: &Described, plan: &mut CollectionPlan) {
        let window = plan.mode == "incremental";
        if let (true, Some(false), Some(path)) = (window, described.timestamp_indexed, &spec.timestamp_column) {
            plan.notes.push(format!("no index on {path}: the window is not counted, and reading it reads everything"));
        }
        if !plan.retyping.is_empty() {
            let all = rewrite(stored.files.iter());
            plan.notes.push(format!(
                "columns change their type: up to {} files ({}) that hold the old type are rewritten",
                all.files,
                amount(all.bytes)
            ));
            plan.rewrite = all;
        }
        if plan.rewrite.is_large() {
            plan.notes.push(format!(
                "a large rewrite: {} files, {}; queries that meet a file while it is replaced have to be repeated",
                plan.rewrite.files,
                amount(plan.rewrite.bytes)
            ));
        }
    }
}

fn rewrite<'a>(files: impl Iterator<Item = (&'a String, &'a crate::merge::places::FileInfo)>) -> Rewrite {
    files.fold(Rewrite::default(), |sum, (_, file)| Rewrite { files: sum.files + 1, bytes: sum.bytes + file.bytes })
}

/// The share of `bytes` that `part` of `all` documents have.
fn scaled(bytes: u64, part: u64, all: u64) -> u64 {
    let share = u128::from(bytes) * u128::from(part) / u128::from(all.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(seconds: Option<f64>, problem: Option<&str>) -> CollectionPlan {
        CollectionPlan { seconds, problem: problem.map(str::to_owned), ..CollectionPlan::default() }
    }

    #[test]
    fn time_together_is_that_of_the_longest_or_an_even_share() {
        let seconds = |each: &[f64]| -> Vec<CollectionPlan> { each.iter().map(|s| planned(Some(*s), None)).collect() };
        assert_eq!(together(&seconds(&[10.0, 1.0, 1.0]), 4), Some(10.0));
        assert_eq!(together(&seconds(&[3.0, 3.0, 3.0, 3.0]), 2), Some(6.0));
        assert_eq!(together(&[planned(Some(1.0), None), planned(None, None)], 2), None, "one is unknown");
        assert_eq!(together(&[planned(Some(1.0), None), planned(None, Some("gone"))], 2), Some(1.0));
        assert_eq!(together(&[], 2), None);
    }

    #[test]
    fn a_share_of_the_bytes_never_overflows() {
        assert_eq!(scaled(1_000, 3, 10), 300);
        assert_eq!(scaled(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(scaled(5, 5, 0), 25);
    }
}
