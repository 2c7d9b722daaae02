//! Merges the touched partitions of one collection and puts them into the lake.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::kill_point::{KillPoint, reach};
use crate::lake::{Lake, Lease, Object, layout};
use crate::merge::budget::{Budget, Sorting};
use crate::merge::fold::{FoldCounts, FoldRules, HashIds, fold};
use crate::merge::places::FileInfo;
use crate::merge::plan::{self, Conversion, Shapes};
use crate::merge::stage::Staged;
use crate::merge::stored::StoredFile;
use crate::merge::widths::rows_within;
use crate::merge::writer::{FileSettings, LocalFile, PartitionWriter};
use crate::model::collection::Namespace;
use crate::publish::{Landed, land};
use crate::run::interrupt::Interrupt;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{RwLock, Semaphore};
use tokio::task::JoinSet;
use tracing::Instrument;

/// What all partitions of one collection's run share.
pub struct Workshop<'a> {
    /// The lake.
    pub lake: &'a Lake,
    /// The table.
    pub namespace: &'a Namespace,
    /// Proof that this run holds the collection; none in a dry run.
    pub lease: Option<&'a Lease>,
    /// Conversions to the schema being written.
    pub shapes: Arc<dyn Shapes>,
    /// Settings of the files.
    pub files: FileSettings,
    /// Memory.
    pub budget: Budget,
    /// Where plans run.
    pub sorting: Sorting,
    /// Held by every merge of the run; by one of wide rows or many runs alone.
    pub wide: &'a RwLock<()>,
    /// Local folder for new files.
    pub scratch: &'a Path,
    /// Asked before every partition.
    pub interrupt: &'a Interrupt,
    /// Turns to merge, as many as the memory has room for; what is merged waits for the store without one.
    pub merging: Semaphore,
}

/// Partitions under way at once, those included whose file is on its way to the store.
pub const PARTITIONS_UNDER_WAY: usize = 8;

/// One partition to merge.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its folder, `""` for a table of one file.
    pub partition: String,
    /// Its ordinal among the staged rows; none when it only loses rows or is retyped.
    pub ordinal: Option<u32>,
    /// The stored file, as far as it is known.
    pub stored: Known,
    /// How rows are brought together.
    pub rules: FoldRules,
    /// Staged rows that lost to a reading in another partition.
    pub losers: Arc<HashSet<u64>>,
    /// The stored rows are of another layout and are not merged but replaced as a whole.
    pub overwrite: bool,
}

/// What is known of a partition's file before it is merged.
#[derive(Debug, Clone, Default)]
pub enum Known {
    /// Nothing; it is looked up.
    #[default]
    Nothing,
    /// It is there.
    Object(Object),
    /// It was opened to look for ids in it.
    Opened(StoredFile),
}

/// What became of a partition.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// Its folder.
    pub partition: String,
    /// Rows.
    pub counts: FoldCounts,
    /// The file there is now; none: the partition has no file.
    pub file: Option<FileInfo>,
    /// A file was created or replaced, of this many bytes.
    pub written: Option<u64>,
    /// The file was removed.
    pub deleted: bool,
    /// There was no file before.
    pub new: bool,
}

/// The file of a partition, and what its rows need to have the schema being written.
pub struct Opened {
    stored: Option<StoredFile>,
    conversion: Option<Conversion>,
}

impl Task {
    /// The moments around its write; `empty`: no row is left.
    fn kill_points(&self, empty: bool) -> (KillPoint, KillPoint) {
        match self.ordinal {
            _ if empty => (KillPoint::BeforeFileRemoved, KillPoint::AfterFileRemoved),
            _ if !self.rules.moved_out.is_empty() => (KillPoint::BeforeCleaning, KillPoint::AfterCleaning),
            None => (KillPoint::BeforeRetype, KillPoint::AfterRetype),
            Some(_) => (KillPoint::BeforeData, KillPoint::AfterData),
        }
    }
}

impl Workshop<'_> {
    /// Merges one partition and lands the result when it differs from what is stored.
    pub async fn run(&self, task: Task, staged: &Staged) -> Result<Done> {
        self.interrupt.check()?;
        let stored = match &task.stored {
            Known::Opened(file) => Some(file.clone()),
            Known::Object(object) => Some(StoredFile::of(self.lake, object.clone()).await?),
            Known::Nothing => StoredFile::open(self.lake, &layout::data_key(self.namespace, &task.partition)).await?,
        };
        // Rows that are merged with the changes; an overwritten file's are not.
        let conversion = match stored.as_ref().filter(|_| !task.overwrite) {
            Some(file) => self.shapes.conversion(&file.footer.schema, file.version())?,
            None => None,
        };
        self.fold(task, Opened { stored, conversion }, staged).await
    }

    /// The task that rewrites a file for its columns' types alone; none when it holds no column at an old type.
    pub async fn open_retyped(&self, partition: &str, object: Object) -> Result<Option<(Task, Opened)>> {
        self.interrupt.check()?;
        let file = StoredFile::of(self.lake, object).await?;
        let conversion = self.shapes.conversion(&file.footer.schema, file.version())?;
        if !conversion.as_ref().is_some_and(|conversion| conversion.retypes) {
            return Ok(None);
        }
        let task = Task {
            partition: partition.to_owned(),
            ordinal: None,
            stored: Known::Object(file.object.clone()),
            rules: FoldRules::default(),
            losers: Arc::default(),
            overwrite: false,
        };
        Ok(Some((task, Opened { stored: Some(file), conversion })))
    }

    /// [`Self::run`] with a file whose footer has been read.
    pub async fn fold(&self, task: Task, opened: Opened, staged: &Staged) -> Result<Done> {
        let Opened { stored, conversion } = opened;
        let key = layout::data_key(self.namespace, &task.partition);
        let merged = stored.as_ref().filter(|_| !task.overwrite);
        // P7: a file that holds a column at an old type is rewritten even when no row of it changes.
        let retype = conversion.as_ref().is_some_and(|c| c.retypes);
        let (counts, file) =
            self.merge(&task, staged, merged, conversion).await.map_err(|e| e.context(layout::shown(&key)))?;
        let mut done = Done {
            partition: task.partition.clone(),
            counts,
            new: stored.is_none(),
            file: stored.as_ref().map(|s| FileInfo::new(&s.object.version, s.footer.rows, s.object.size)),
            ..Done::default()
        };
        if counts.dirty() || retype || task.overwrite {
            self.replace(&task, file, stored.as_ref(), &mut done).await?;
        } else {
            discard(&file);
        }
        Ok(done)
    }

    async fn merge(
        &self,
        task: &Task,
        staged: &Staged,
        stored: Option<&StoredFile>,
        conversion: Option<Conversion>,
    ) -> Result<(FoldCounts, LocalFile)> {
        let widths = || {
            let changes = task.ordinal.into_iter().flat_map(|ordinal| staged.widths(ordinal));
            changes.chain(stored.into_iter().flat_map(StoredFile::widths))
        };
        let wide = widths().any(|group| self.budget.is_wide(group.widest));
        let slices = task.ordinal.map(|ordinal| staged.slices(ordinal));
        // Many runs, or what has to be sorted again because of them, takes all of the pool.
        let many = slices.iter().flatten().map(|slice| slice.batch_bytes).sum::<u64>() > self.budget.merge_beside();
        let _turn = self.merging.acquire().await.or_error(Kind::Invariant, "merge a partition")?;
        let _alone = if wide || many { Some(self.wide.write().await) } else { None };
        let _beside = if wide || many { None } else { Some(self.wide.read().await) };
        let context = self.sorting.context(widths());
        let stored_rows = match stored {
            Some(file) => {
                self.files.dictionaries.learn(&file.footer.metadata);
                let rows = file.rows(self.lake, self.budget.batch, None).await?;
                let plan = plan::stored(rows, conversion, self.shapes.schema())?;
                Some(plan::execute(&plan, &context)?)
            }
            None => None,
        };
        let changed_rows = match slices {
            Some(slices) => {
                let plan = plan::changes(slices, &task.losers, self.shapes.as_ref(), self.budget.sort_pool / 2)?;
                Some(plan::execute(&plan, &context)?)
            }
            None => None,
        };
        let local = self.scratch.join(format!("{:032x}.parquet", unique()));
        let (rows, bytes) = widths().fold((0, 0), |(rows, bytes), group| (rows + group.rows, bytes + group.bytes));
        let width = bytes / u64::max(rows, 1);
        let mut writer = PartitionWriter::create(&local, &self.files, wide, rows, width)?;
        let version = self.shapes.version();
        let shapes = self.shapes.clone();
        let hash_ids: HashIds = Arc::new(move |ids| shapes.hash_ids(ids, version));
        let batch_rows = rows_within(self.budget.batch, widths());
        let (schema, rules) = (self.shapes.schema(), task.rules.clone());
        // A task of its own, so that partitions are merged on as many cores as there are; it ends with this future.
        let mut merging = JoinSet::new();
        merging.spawn(
            async move {
                let counts = fold(stored_rows, changed_rows, schema, rules, hash_ids, batch_rows, &mut writer).await?;
                Ok((counts, writer.finish()?))
            }
            .in_current_span(),
        );
        // The panic's own text may quote what it choked on (P10).
        let panicked = || Error::new(Kind::Invariant, "merging a partition panicked");
        let merged = merging.join_next().await.ok_or_else(panicked)?.map_err(|_| panicked())?;
        let (mut counts, file): (FoldCounts, LocalFile) = merged?;
        counts.superseded += task.losers.len() as u64;
        Ok((counts, file))
    }

    async fn replace(&self, task: &Task, file: LocalFile, stored: Option<&StoredFile>, done: &mut Done) -> Result<()> {
        let read = stored.map(|s| &s.object.version);
        let empty = file.rows == 0;
        if empty && stored.is_none() {
            discard(&file);
            return Ok(());
        }
        if let Some(lease) = self.lease {
            // P9: a paused run that wakes up must not touch what its successor wrote.
            lease.check()?;
            let (before, after) = task.kill_points(empty);
            reach(before);
            let key = layout::data_key(self.namespace, &task.partition);
            match land(self.lake, &key, (!empty).then_some(file.path.as_path()), read).await? {
                Landed::Written(version) => done.file = Some(FileInfo::new(&version, file.rows, file.bytes)),
                Landed::Deleted => done.file = None,
            }
            reach(after);
            // A pause between the look at the lease and the write shows here: the caller leaves word of it.
            lease.check()?;
        }
        done.written = (!empty).then_some(file.bytes);
        done.deleted = empty;
        discard(&file);
        Ok(())
    }

    /// Removes a file whose rows are all gone.
    pub async fn remove(&self, object: &Object) -> Result<()> {
        self.interrupt.check()?;
        let Some(lease) = self.lease else { return Ok(()) };
        lease.check()?;
        reach(KillPoint::BeforeUnreadRemoved);
        land(self.lake, &object.key, None, Some(&object.version)).await?;
        reach(KillPoint::AfterUnreadRemoved);
        lease.check()
    }
}

/// The local copy has served; when it cannot be removed the scratch folder's end will.
fn discard(file: &LocalFile) {
    if let Err(error) = std::fs::remove_file(&file.path) {
        tracing::debug!(%error, "local file stays until the scratch folder goes");
    }
}

fn unique() -> u128 {
    use rand::Rng;
    rand::rng().random()
}

/// P6: every document read is accounted for.
pub fn check_rows(rows: &crate::model::record::Rows) -> Result<()> {
    let accounted = rows.inserted + rows.updated + rows.unchanged + rows.superseded + rows.quarantined;
    if rows.read == accounted {
        return Ok(());
    }
    Err(Error::new(Kind::Invariant, format!("P6: {} documents were read and {accounted} accounted for", rows.read))
        .hint("the watermark was not moved; please report this with the run record"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Rows;

    #[test]
    fn a_document_that_is_counted_nowhere_fails_the_collection() {
        let counted = Rows { read: 5, inserted: 1, updated: 1, superseded: 1, quarantined: 1, ..Rows::default() };
        assert_eq!(check_rows(&counted).expect_err("one is missing").kind(), Kind::Invariant);
        check_rows(&Rows { unchanged: 1, ..counted }).expect("all are there");
        check_rows(&Rows { unchanged: 2, ..counted }).expect_err("one is counted twice");
    }
}
