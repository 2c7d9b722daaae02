//! The fold of one collection: window in, data files out. The caller moves the watermark when it succeeds (P3).

use super::catalog;
use super::collection::{Job, fingerprint, settings_error};
use super::index;
use super::land::land_all;
use super::partitions::{Done, Task, Workshop, check_rows};
use super::places::Places;
use super::quarantine::Quarantine;
use super::read::{Reading, Window};
use super::recover::Unfinished;
use super::resume::{Resume, Staging};
use super::retyping;
use super::same_collection;
use super::scope::Decision;
use super::scratch;
use super::shapes::TableShapes;
use super::shrink;
use crate::error::{Error, Kind, Result};
use crate::extract::{CollectionKind, Described, Placed};
use crate::kill_point::{KillPoint, bent, reach};
use crate::lake::state::{self, Stored};
use crate::lake::{Expect, Lease, Object, Version, layout};
use crate::merge::fold::FoldRules;
use crate::merge::places::Head;
use crate::merge::plan::Shapes;
use crate::merge::writer::FileSettings;
use crate::model::command;
use crate::model::record::CollectionRecord;
use crate::model::table::{self, TableSchema, TableSettings};
use crate::model::window::Scope;
use crate::publish::catalog::Owed;
use crate::publish::{JOURNAL_FORMAT, Journal};
use crate::shape::Shaper;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// Store requests under way at once when many small looks are needed.
pub(super) const LOOKS_AT_ONCE: usize = 16;

/// The end of a partition folder whose key found no value.
const NO_VALUE: &str = "=__HIVE_DEFAULT_PARTITION__";

/// One fold.
pub struct Folding<'a> {
    /// The collection and what the run shares.
    pub job: &'a Job<'a>,
    /// What the table is made with.
    pub settings: TableSettings,
    /// What is read.
    pub decision: &'a Decision,
    /// What a dead run left.
    pub unfinished: &'a Unfinished,
    /// What it is read from.
    pub described: &'a Described,
    /// None in a dry run, which writes nothing.
    pub lease: Option<&'a Lease>,
    /// What a full read that died has left.
    pub resume: Option<&'a Resume>,
    /// A run of lakefold's has put the table on record as folded.
    pub known: bool,
    /// The journal this run has written, once it has.
    pub journal: &'a OnceLock<Version>,
}

/// The table as this run found it.
pub(super) struct Found {
    /// Its schema state, with the version read.
    pub schema: Option<(TableSchema, Version)>,
    /// No file there is of the schema's layout: nothing stored is merged, everything is replaced.
    pub rebuild: bool,
}

impl Folding<'_> {
    /// Reads, merges and lands; fills the record, and returns what the catalog is owed of it.
    pub async fn run(
        &self,
        record: &mut CollectionRecord,
        batches: BoxStream<'static, Result<Placed>>,
        staging: Option<Staging<'_>>,
    ) -> Result<Owed> {
        let job = self.job;
        let ns = &job.spec.namespace;
        let full = self.decision.scope == Scope::Full;
        let found = self.find().await?;
        let scratch = scratch::folder()?;
        let shaper = self.shaper(&found)?;
        let reading = Reading {
            namespace: ns,
            progress: job.progress,
            interrupt: job.interrupt,
            scratch: scratch.path(),
            chunk: bent("LAKEFOLD_SPILL_BYTES").and_then(|b| b.try_into().ok()).unwrap_or(job.budget.chunk),
            batch: job.budget.batch,
        };
        let resume = self.resume.map(|resume| (resume, job.lake));
        let mut window = reading.run(shaper, batches, resume, staging).await?;
        same_collection::check(job.source, self.described, ns).await?;
        let first = found.schema.as_ref().is_none_or(|(schema, _)| schema.ids.is_empty());
        self.judge(&window, first, record)?;
        let table = Arc::new(window.shaper.table().clone().brought_by(job.run_id));
        let shapes: Arc<dyn Shapes> = Arc::new(TableShapes::new(table.clone(), job.settings.timezone));

        job.progress.phase(ns, "merging");
        let listed = if full || found.schema.is_none() || self.unfinished.run_id.is_some() {
            Some(index::list_files(job.lake, ns).await?)
        } else {
            None
        };
        self.refuse_unknown(&found, listed.as_ref(), full)?;
        let folders = window.shaper.partitions().to_vec();
        let mut places = self.places(&found, &mut window, &folders, listed, &shapes, scratch.path()).await?;
        // Nothing keeps the `_id`s of a view unique.
        if self.described.kind == CollectionKind::View && places.resolution.repeated > 0 {
            if job.source.retries(ns) > 0 {
                return Err(Error::new(Kind::Source, "reading the view broke off and had to begin again")
                    .hint("run it again: a view can only be read in one go"));
            }
            return Err(Error::new(
                Kind::Source,
                format!("the view gives {} documents twice", places.resolution.repeated),
            )
            .hint("a row is known by its _id: let the view's pipeline end in a unique _id"));
        }
        // The server keeps the `_id`s of a collection unique, but those of two shards nobody does.
        let once = full && !job.source.is_dump() && job.source.retries(ns) == 0 && self.resume.is_none();
        if once && places.resolution.repeated > 0 {
            let repeated = places.resolution.repeated;
            return Err(Error::new(Kind::Source, format!("{repeated} documents have the `_id` of another one")).hint(
                "a row is known by its _id: make them unique across the shards; if the collection is not sharded, \
                 documents were removed and inserted again meanwhile: run it again",
            ));
        }
        let mut before = 0;
        if full && !self.allow_shrink() {
            let (stored, known) = self.surviving(&found, &window, &places).await?;
            shrink::check(stored, known, job)?;
            before = stored;
        }

        let leaving: BTreeMap<String, u64> =
            places.resolution.moved_out.iter().map(|(from, ids)| (from.clone(), ids.len() as u64)).collect();
        let tasks = self.tasks(&window, &folders, &mut places, &found, full);
        let retyped = self.retyped(&found, &tasks, shapes.as_ref()).await?;
        let retyping = !retyped.is_empty();
        if let Some(lease) = self.lease {
            // P9: a run that was paused and has lost its lease must not touch its successor's state either.
            lease.check()?;
            let journal = Journal {
                format: JOURNAL_FORMAT,
                run_id: job.run_id.to_owned(),
                mode: self.decision.mode().to_owned(),
                partitions: tasks.iter().map(|t| t.partition.clone()).collect(),
                retyping,
                rebuild: full && found.rebuild && !places.files.is_empty(),
                forget_schema: self.forget_schema(),
                allow_shrink: self.allow_shrink(),
                settings: fingerprint(&self.settings),
                stored: before,
                beside: 0,
            };
            let version = journal.store(job.lake, ns, self.unfinished.journal.clone()).await?;
            if let Err(lost) = lease.check() {
                // Nothing follows from it, so it must not make work for the run that took over, unless it stands for a
                // dead run's as well: that one's work is still to be finished.
                if self.unfinished.run_id.is_none() {
                    Journal::remove(job.lake, ns, version).await?;
                }
                return Err(lost);
            }
            self.journal.get_or_init(|| version);
            // Before the data: a file never holds a column that the schema does not know.
            self.store_schema(&found, &table).await?;
        }

        job.progress.phase(ns, "publishing");
        let workshop = Workshop {
            lake: job.lake,
            namespace: ns,
            lease: self.lease,
            shapes: shapes.clone(),
            files: FileSettings {
                schema: table.arrow(),
                schema_version: table.version,
                run_id: job.run_id.to_owned(),
                zstd_level: job.settings.lake.zstd_level,
                row_group_bytes: job.budget.row_group,
                dictionaries: Arc::default(),
            },
            budget: job.budget,
            sorting: job.budget.sorting(scratch.path(), window.staged.widest())?,
            wide: job.wide,
            scratch: scratch.path(),
            interrupt: job.interrupt,
            merging: Semaphore::new(job.budget.partitions_at_once),
        };
        let total = (tasks.len() + retyped.len()) as u64;
        let landed = AtomicU64::new(0);
        let step = |more: u64| job.progress.merged(ns, landed.fetch_add(more, Ordering::Relaxed) + more, total);
        let written: HashSet<String> = tasks.iter().map(|t| t.partition.clone()).collect();
        let retyped = retyping::retype(&workshop, retyped, &window.staged, &step).await?;
        record.files.retyped = retyped.len() as u64;
        let done = land_all(&workshop, tasks, &places.resolution.targets, &window.staged, &step).await?;

        let mut head = std::mem::take(&mut places.head);
        let gone = self.remove_unread(&workshop, &places.files, &written, full, &head, &leaving).await?;
        record.rows.deleted += gone.1;
        record.files.deleted += gone.0.len() as u64;
        for partition in &gone.0 {
            head.files.remove(partition);
        }
        self.tally(record, &window, retyped.iter().chain(&done));
        let owed = catalog::owed(
            found.schema.as_ref().map(|(schema, _)| schema),
            &table,
            retyped.iter().chain(&done),
            gone.0,
            self.unfinished.run_id.is_some(),
            job.run_id,
        );
        check_rows(&record.rows)?;
        if let Some(lease) = self.lease {
            lease.check()?;
            for done in retyped.into_iter().chain(done) {
                match done.file {
                    Some(file) => head.files.insert(done.partition, file),
                    None => head.files.remove(&done.partition),
                };
            }
            job.run_id.clone_into(&mut head.run_id);
            head.generation.clone_from(&places.resolution.generation);
            head.bits = places.resolution.bits;
            index::store(job.lake, ns, &head, &places.resolution, lease, places.stored.take()).await?;
            if places.anew {
                index::clean(job.lake, ns, &head, lease).await?;
            }
            lease.check()?;
            window.quarantined.store(job.lake, ns, job.run_id).await?;
            if full {
                Quarantine::forget(job.lake, job.spec, lease).await?;
            }
        }
        Ok(owed)
    }

    async fn find(&self) -> Result<Found> {
        let job = self.job;
        let key = layout::schema_key(&job.spec.namespace);
        let schema = match state::look::<TableSchema>(job.lake, &key, table::FORMAT).await? {
            Stored::Nothing => None,
            Stored::Object(schema, version) => Some((schema, version)),
            Stored::Damaged(version, error) => {
                self.give_up_damaged(&key, version, error).await?;
                None
            }
        };
        let differences = schema.as_ref().map(|(s, _)| s.settings.differences(&self.settings)).unwrap_or_default();
        // A run that died while it made the table with other settings is finished with those, and with no third ones.
        let meant = self.unfinished.full && self.unfinished.settings == fingerprint(&self.settings);
        if !differences.is_empty() && !job.options.full && !meant {
            return Err(settings_error(job, &differences));
        }
        let rebuild = schema.is_none() || !differences.is_empty() || self.unfinished.rebuild || self.forget_schema();
        Ok(Found { schema, rebuild })
    }

    /// A shaper that begins where the table is, or where a read that died was.
    fn shaper(&self, found: &Found) -> Result<Shaper> {
        let job = self.job;
        let start = self.starting_schema(found);
        let of = |table: TableSchema| {
            let settings = job.settings;
            let key = settings.hash_key.clone();
            Shaper::new(job.spec.clone(), settings.timezone, settings.timestamps, key, table)
        };
        Ok(match self.resume {
            Some(Resume { state, .. }) => of(state.table.clone())?.resumed(start, state.partitions.clone()),
            None => of(start)?,
        })
    }

    /// A run that forgets the schema needs none, so that it is the way out of a damaged one.
    async fn give_up_damaged(&self, key: &str, version: Version, error: Error) -> Result<()> {
        let job = self.job;
        if !self.forget_schema() {
            let rebuild = command::rebuild(&job.settings.named, &job.spec.namespace, true);
            let hint =
                format!("restore it from the bucket's versions or a backup, or build the table anew:\n  {rebuild}");
            return Err(error.hint(hint));
        }
        tracing::warn!(collection = %job.spec.namespace, "{key} is given up: {error}");
        if job.options.dry_run {
            return Ok(());
        }
        job.lake.delete(key, Expect::unchanged(Some(version))).await
    }

    /// Asked of this run, or of the one that died and that this one finishes.
    fn forget_schema(&self) -> bool {
        self.job.options.forget_schema || self.unfinished.forget_schema
    }

    /// As [`Self::forget_schema`].
    fn allow_shrink(&self) -> bool {
        self.job.options.allow_shrink || self.unfinished.allow_shrink
    }

    fn starting_schema(&self, found: &Found) -> TableSchema {
        match &found.schema {
            None => TableSchema::new(self.settings.clone()),
            Some((stored, _)) if found.rebuild => stored.rebuilt(self.settings.clone(), self.forget_schema()),
            Some((stored, _)) => stored.clone(),
        }
    }

    /// What a window shows to be wrong before anything is written.
    fn judge(&self, window: &Window, first: bool, record: &mut CollectionRecord) -> Result<()> {
        let job = self.job;
        let totals = &window.totals;
        record.rows.read = totals.documents;
        record.rows.resumed = window.resumed;
        record.rows.quarantined = window.quarantined.len();
        record.bytes.read = totals.bytes;
        record.misfits = totals.misfits;
        record.schema_changes = window.shaper.changes();
        record.warnings.extend(window.shaper.warnings());
        if let Some(reason) = window.quarantined.first_reason().filter(|_| job.options.strict) {
            return Err(Error::new(
                Kind::Source,
                format!("--strict: {} documents cannot be read, the first because {reason}", window.quarantined.len()),
            ));
        }
        let shaped = totals.documents - record.rows.quarantined;
        // Only a first load is judged as a whole: later windows may well hold nothing but such documents.
        let nowhere = |folder: &String| folder.split('/').all(|level| level.ends_with(NO_VALUE));
        let misplaced = !job.spec.partition_by.is_empty() && window.shaper.partitions().iter().all(nowhere);
        if first && shaped > 0 && misplaced {
            return Err(Error::new(
                Kind::Schema,
                format!("no document has a usable value at any path of partition_by `{}`", job.spec.partition_text),
            )
            .hint(format!("correct the paths in line {} of the manifest", job.spec.line)));
        }
        if let Some(path) = &job.spec.timestamp_column
            && first
            && shaped > 0
            && totals.untimed == shaped
        {
            return Err(Error::new(Kind::Schema, format!("no document has a time at timestamp_column `{path}`")).hint(
                format!(
                    "correct the path in line {} of the manifest, or leave it empty to read everything every time",
                    job.spec.line
                ),
            ));
        }
        if totals.blind > 0 {
            record.warnings.push(format!(
                "{} documents have no usable time and no ObjectId _id, so no window sees them again; [run] full_every \
                 is the cure",
                totals.blind
            ));
        }
        if totals.unplaced > 0 {
            record.warnings.push(format!(
                "{} documents have no usable partition value and are in __HIVE_DEFAULT_PARTITION__",
                totals.unplaced
            ));
        }
        Ok(())
    }

    /// Data files without a schema state belong to nobody this run knows; and without one, a window would make a table
    /// of recent documents only.
    fn refuse_unknown(&self, found: &Found, listed: Option<&HashMap<String, Object>>, full: bool) -> Result<()> {
        if found.schema.is_some() {
            return Ok(());
        }
        let strange = listed.is_some_and(|files| !files.is_empty());
        let folder = self.job.spec.namespace.folder();
        // A first run that died has written its journal and maybe data, and then its schema is there too.
        let wrong = match (strange, self.known) {
            (true, _) if !(full && self.job.options.full) => {
                format!("the table's folder {folder} holds data but its schema state is gone")
            }
            (false, true) if self.decision.window_from().is_some() => {
                format!("{folder} has a watermark but its schema state and its data are gone")
            }
            _ => return Ok(()),
        };
        Err(Error::new(Kind::Lake, wrong).hint(format!(
            "restore them from the bucket's versions or a backup, or build the table anew:\n  {}",
            command::rebuild(&self.job.settings.named, &self.job.spec.namespace, false)
        )))
    }

    /// One task for each partition that gains or may lose rows.
    fn tasks(&self, window: &Window, folders: &[String], places: &mut Places, found: &Found, full: bool) -> Vec<Task> {
        // Taken, not copied: a window may move millions of ids.
        let mut moved_out = std::mem::take(&mut places.resolution.moved_out);
        let mut tasks = Vec::new();
        for ordinal in window.staged.rows().into_keys() {
            let Some(partition) = folders.get(ordinal as usize) else { continue };
            let set = |sets: &mut HashMap<u32, HashSet<u128>>| Arc::new(sets.remove(&ordinal).unwrap_or_default());
            tasks.push(Task {
                stored: places.known(partition),
                ordinal: Some(ordinal),
                rules: FoldRules {
                    newest_wins: self.job.source.is_dump() && !full,
                    replace: full,
                    moved_out: Arc::new(moved_out.remove(partition).unwrap_or_default()),
                    moved_stay: false,
                    moved_in: set(&mut places.resolution.moved_in),
                    rejected: set(&mut places.resolution.rejected),
                },
                losers: Arc::new(places.resolution.losers.remove(&ordinal).unwrap_or_default()),
                overwrite: found.rebuild,
                partition: partition.clone(),
            });
        }
        // A full run removes files that were not read as a whole; an incremental one takes single rows out of them.
        if !full {
            for (partition, ids) in moved_out {
                tasks.push(Task {
                    stored: places.known(&partition),
                    ordinal: None,
                    rules: FoldRules { moved_out: Arc::new(ids), ..FoldRules::default() },
                    losers: Arc::default(),
                    overwrite: false,
                    partition,
                });
            }
        }
        tasks
    }

    /// Files beyond `tasks` that may hold a column whose type has changed.
    async fn retyped(&self, found: &Found, tasks: &[Task], shapes: &dyn Shapes) -> Result<Vec<(String, Object)>> {
        let job = self.job;
        let Some((stored, _)) = found.schema.as_ref().filter(|_| !found.rebuild) else { return Ok(Vec::new()) };
        let full = self.decision.scope == Scope::Full;
        // The schema of a dead run may be ahead of files that this window does not touch.
        if full || (self.unfinished.run_id.is_none() && !retyping::changes(stored, shapes)?) {
            return Ok(Vec::new());
        }
        let busy: HashSet<&str> = tasks.iter().map(|t| t.partition.as_str()).collect();
        let files = index::list_files(job.lake, &job.spec.namespace).await?;
        Ok(files.into_iter().filter(|(partition, _)| !busy.contains(partition.as_str())).collect())
    }

    async fn store_schema(&self, found: &Found, table: &TableSchema) -> Result<()> {
        let expect = match &found.schema {
            Some((stored, _)) if stored == table => return Ok(()),
            Some((_, version)) => Expect::Version(version.clone()),
            None => Expect::Absent,
        };
        reach(KillPoint::BeforeSchema);
        state::store(self.job.lake, &layout::schema_key(&self.job.spec.namespace), table, expect).await?;
        reach(KillPoint::AfterSchema);
        Ok(())
    }

    /// A full run removes the files none of whose rows it read; returns their partitions, and how many of their rows are
    /// not in another partition now; `leaving` says how many left each of them.
    async fn remove_unread(
        &self,
        workshop: &Workshop<'_>,
        files: &HashMap<String, Object>,
        written: &HashSet<String>,
        full: bool,
        head: &Head,
        leaving: &BTreeMap<String, u64>,
    ) -> Result<(Vec<String>, u64)> {
        let mut gone = (Vec::new(), 0);
        if !full {
            return Ok(gone);
        }
        for (partition, object) in files.iter().filter(|(partition, _)| !written.contains(*partition)) {
            workshop.remove(object).await?;
            let moved = leaving.get(partition).copied().unwrap_or(0);
            gone.1 += head.files.get(partition).map_or(0, |f| f.rows.saturating_sub(moved));
            gone.0.push(partition.clone());
        }
        Ok(gone)
    }

    fn tally<'d>(&self, record: &mut CollectionRecord, window: &Window, done: impl Iterator<Item = &'d Done>) {
        for done in done {
            record.rows.inserted += done.counts.inserted;
            record.rows.updated += done.counts.updated;
            record.rows.unchanged += done.counts.unchanged;
            record.rows.superseded += done.counts.superseded;
            record.rows.moved += done.counts.moved_in;
            record.rows.deleted += done.counts.deleted;
            record.files.written += u64::from(done.written.is_some());
            record.files.deleted += u64::from(done.deleted);
            record.bytes.written += done.written.unwrap_or(0);
            record.partitions_new += u64::from(done.new && done.written.is_some());
        }
        record.rows.quarantined = window.quarantined.len();
    }
}
