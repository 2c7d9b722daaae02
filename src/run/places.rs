//! Looks up where the ids of a window stand now, and whether the index that says so can be trusted.

use super::fold::{Folding, Found, LOOKS_AT_ONCE};
use super::index;
use super::partitions::Known;
use super::read::Window;
use crate::error::{Error, Kind, Result};
use crate::lake::state::Stored;
use crate::lake::{Object, Version, layout};
use crate::merge::places::{self, Head, Resolution, Resolve, Standing, StoredTimes};
use crate::merge::plan::Shapes;
use crate::merge::stored::StoredFile;
use crate::model::window::Scope;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What places are looked up with.
struct Base<'a> {
    folders: &'a [String],
    shapes: &'a Arc<dyn Shapes>,
    scratch: &'a Path,
}

/// Where the ids of a window stand.
#[derive(Default)]
pub(super) struct Places {
    /// The index of the table as it was found, or as it was built anew.
    pub head: Head,
    /// Version of the head that is in the lake.
    pub stored: Option<Version>,
    /// Stored files that this run may touch.
    pub files: HashMap<String, Object>,
    /// Those of them that were opened to look for ids.
    pub opened: HashMap<String, StoredFile>,
    /// What the window means for the places of its ids.
    pub resolution: Resolution,
    /// Rows that a dead run left in two places.
    pub doubles: u64,
    /// The index has a new generation.
    pub anew: bool,
}

impl Places {
    /// Hands over what is known of a partition's file.
    pub fn known(&mut self, partition: &str) -> Known {
        let opened = self.opened.remove(partition).map(Known::Opened);
        opened.or_else(|| self.files.get(partition).cloned().map(Known::Object)).unwrap_or_default()
    }
}

impl Folding<'_> {
    /// Looks up where the ids of the window stand now.
    pub(super) async fn places(
        &self,
        found: &Found,
        window: &mut Window,
        folders: &[String],
        listed: Option<HashMap<String, Object>>,
        shapes: &Arc<dyn Shapes>,
        scratch: &Path,
    ) -> Result<Places> {
        let job = self.job;
        let ns = &job.spec.namespace;
        let full = self.decision.scope == Scope::Full;
        // A dead run may have landed files that its index does not know, as one without their ids.
        let known = !found.rebuild && self.unfinished.run_id.is_none();
        let (stored_head, stored) = match known {
            true => match index::look_at_head(job.lake, ns).await? {
                Stored::Nothing => (None, None),
                Stored::Object(head, version) => (Some(head), Some(version)),
                Stored::Damaged(version, error) => {
                    tracing::warn!("the index of places is damaged: {error}");
                    (None, Some(version))
                }
            },
            false => (None, job.lake.head(&index::head_key(ns)).await?.map(|object| object.version)),
        };
        let files = match listed {
            Some(files) => files,
            None => self.look(folders.iter().map(String::as_str)).await?,
        };
        let agrees = |head: &Head, files: &HashMap<String, Object>, all: bool| {
            files.iter().all(|(partition, object)| head.agrees(partition, Some(&object.version)))
                && folders.iter().all(|partition| head.agrees(partition, version_in(files, partition)))
                && (!all || head.files.keys().all(|partition| files.contains_key(partition)))
        };
        let usable = stored_head.filter(|head| agrees(head, &files, full) && (full || !head.outgrown()));
        let (standing, opened) = match &usable {
            Some(head) if !full && Standing::pays(head, folders, window.ids.len()) => {
                self.standing(folders, &files, shapes.as_ref()).await?
            }
            _ => Default::default(),
        };
        let base = Base { folders, shapes, scratch };
        let mut places = Places { stored, files, opened, ..Places::default() };
        if let Some(head) = usable
            && let Some(resolution) = self.resolve(&base, &head, standing, HashMap::new(), window).await?
        {
            self.look_at_old_places(&mut places.files, &resolution).await?;
            // A file that rows leave is written anew: what somebody else did to it would never show again.
            if resolution.moved_out.keys().all(|from| head.agrees(from, version_in(&places.files, from))) {
                places.anew = full || resolution.generation == job.run_id;
                return Ok(Places { head, resolution, ..places });
            }
        }
        places.anew = true;
        let (mut head, rebuilt) = match found.rebuild {
            true => (Head::default(), Resolution::default()),
            false => self.rebuild_index(shapes, scratch).await?,
        };
        head.format = places::FORMAT;
        let local = rebuilt.buckets.into_iter().collect();
        let unusable = || Error::new(Kind::Invariant, "the index that was just built is damaged");
        let mut resolution =
            self.resolve(&base, &head, Standing::default(), local, window).await?.ok_or_else(unusable)?;
        places.doubles = rebuilt.stale.values().map(|ids| ids.len() as u64).sum();
        for (partition, ids) in rebuilt.stale {
            let ordinal = folders.iter().position(|folder| *folder == partition).and_then(|at| u32::try_from(at).ok());
            let coming = ordinal.and_then(|ordinal| resolution.moved_in.get(&ordinal));
            // A row that the window puts where a stale one stands replaces it there.
            let mut leaving = ids.into_iter().filter(|id| coming.is_none_or(|coming| !coming.contains(id))).peekable();
            if leaving.peek().is_some() {
                resolution.moved_out.entry(partition).or_default().extend(leaving);
            }
        }
        self.look_at_old_places(&mut places.files, &resolution).await?;
        Ok(Places { head, resolution, ..places })
    }

    /// Brings the ids of the window together with an index; none when the index turns out to be damaged.
    async fn resolve(
        &self,
        base: &Base<'_>,
        head: &Head,
        standing: Standing,
        local: HashMap<String, PathBuf>,
        window: &mut Window,
    ) -> Result<Option<Resolution>> {
        let job = self.job;
        let ns = &job.spec.namespace;
        let prefix = layout::index_prefix(ns);
        let full = self.decision.scope == Scope::Full;
        let newest_wins = job.source.is_dump() && !full;
        let mut resolve = Resolve {
            lake: job.lake,
            prefix: &prefix,
            head: (!head.generation.is_empty()).then_some(head),
            partitions: base.folders,
            replace: full,
            run_id: job.run_id,
            folder: base.scratch,
            local,
            standing,
            stored_times: newest_wins.then(|| StoredTimes::new(job.lake, ns, base.shapes.as_ref())),
        };
        resolve.run(&mut window.ids).await
    }

    /// Adds the files that rows leave.
    async fn look_at_old_places(&self, files: &mut HashMap<String, Object>, resolution: &Resolution) -> Result<()> {
        let elsewhere: Vec<&str> =
            resolution.moved_out.keys().map(String::as_str).filter(|folder| !files.contains_key(*folder)).collect();
        let more = self.look(elsewhere.into_iter()).await?;
        files.extend(more);
        Ok(())
    }

    /// Opens the files that rows go to and looks which ids stand in them.
    async fn standing(
        &self,
        folders: &[String],
        files: &HashMap<String, Object>,
        shapes: &dyn Shapes,
    ) -> Result<(Standing, HashMap<String, StoredFile>)> {
        let lake = self.job.lake;
        let known = |(ordinal, folder): (u32, &String)| Some((ordinal, folder.clone(), files.get(folder)?.clone()));
        let touched: Vec<(u32, String, Object)> = (0..).zip(folders).filter_map(known).collect();
        let mut opening = stream::iter(touched)
            .map(|(ordinal, folder, object)| async move {
                Ok::<_, Error>((ordinal, folder, StoredFile::of(lake, object).await?))
            })
            .buffer_unordered(LOOKS_AT_ONCE);
        let mut standing = Standing::default();
        let mut opened = HashMap::new();
        while let Some((ordinal, folder, file)) = opening.try_next().await? {
            standing.add(ordinal, &file, lake, shapes).await?;
            opened.insert(folder, file);
        }
        drop(opening);
        Ok((standing, opened))
    }

    /// How many rows the table has, and how many of them at most were read again.
    pub(super) async fn surviving(&self, found: &Found, window: &Window, places: &Places) -> Result<(u64, u64)> {
        if !found.rebuild {
            return Ok((places.head.rows().saturating_sub(places.doubles), places.resolution.known));
        }
        if self.unfinished.rebuild {
            // What the dead run left holds rows in both layouts; what it found was counted.
            return Ok((self.unfinished.stored, window.ids.len() - places.resolution.repeated));
        }
        let job = self.job;
        let files: Vec<Object> = places.files.values().cloned().collect();
        let rows: Vec<u64> = stream::iter(files)
            .map(|object| async move { Ok(job.lake.footer(&object.key, object.size).await?.rows) })
            .buffer_unordered(LOOKS_AT_ONCE)
            .try_collect()
            .await?;
        Ok((rows.into_iter().sum(), window.ids.len() - places.resolution.repeated))
    }

    async fn rebuild_index(&self, shapes: &Arc<dyn Shapes>, scratch: &Path) -> Result<(Head, Resolution)> {
        let job = self.job;
        let ns = &job.spec.namespace;
        tracing::info!("the index of places is missing or behind; building it anew");
        let files: Vec<Object> = index::list_files(job.lake, ns).await?.into_values().collect();
        let prefix = layout::index_prefix(ns);
        let folder = scratch.join("rebuilt");
        std::fs::create_dir_all(&folder).map_err(|e| Error::new(Kind::Lake, e).context("make a scratch folder"))?;
        let generation = format!("{}{}", job.run_id, index::REBUILT);
        let favoured = self.unfinished.run_id.as_deref();
        let (head, resolution) =
            places::rebuild(job.lake, &files, shapes.as_ref(), favoured, &prefix, &generation, &folder).await?;
        if let Some(lease) = self.lease {
            // No head yet: whoever finds one trusts it, and rows that stand twice are known to this run alone until it
            // has mended them.
            index::store_buckets(job.lake, &resolution, lease).await?;
        }
        Ok((head, resolution))
    }

    /// The objects of some partitions, those that exist.
    pub(super) async fn look(&self, partitions: impl Iterator<Item = &str>) -> Result<HashMap<String, Object>> {
        let job = self.job;
        stream::iter(partitions.map(str::to_owned).collect::<Vec<_>>())
            .map(|partition| async move {
                let key = layout::data_key(&job.spec.namespace, &partition);
                Ok(job.lake.head(&key).await?.map(|object| (partition, object)))
            })
            .buffer_unordered(LOOKS_AT_ONCE)
            .try_filter_map(|found| async move { Ok(found) })
            .try_collect()
            .await
    }
}

fn version_in<'f>(files: &'f HashMap<String, Object>, partition: &str) -> Option<&'f Version> {
    files.get(partition).map(|object| &object.version)
}
