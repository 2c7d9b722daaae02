//! Lands all partitions of a collection in an order in which a kill never loses a row for good: the new place of a
//! moved document is written before the old one is cleaned.

use super::partitions::{Done, Known, PARTITIONS_UNDER_WAY, Task, Workshop};
use crate::error::Result;
use crate::merge::stage::Staged;
use futures::stream::{self, StreamExt};
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

/// Lands `tasks`; `targets` says for each partition that loses rows the ordinals they went to.
pub async fn land_all(
    workshop: &Workshop<'_>,
    tasks: Vec<Task>,
    targets: &BTreeMap<String, HashSet<u32>>,
    staged: &Staged,
    landed: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Done>> {
    let (losing, gaining): (Vec<Task>, Vec<Task>) = tasks.into_iter().partition(|t| !t.rules.moved_out.is_empty());
    let mut written: HashSet<u32> = gaining.iter().filter_map(|t| t.ordinal).collect();
    let mut done = run(workshop, gaining, staged, landed).await?;

    let mut cleaning = Vec::new();
    for mut task in losing {
        let Some(ordinal) = task.ordinal else {
            cleaning.push(task);
            continue;
        };
        let in_place = targets.get(&task.partition).is_none_or(|to| to.is_subset(&written));
        if !in_place {
            // Its rows go to a partition that is not written yet: gain first, and clean afterwards. The changes are
            // merged again then: a row that this run put here must not leave with an older double of it.
            let clean = Task { stored: Known::Nothing, ..task.clone() };
            task.rules.moved_stay = true;
            cleaning.push(clean);
        }
        done.extend(run(workshop, vec![task], staged, landed).await?);
        written.insert(ordinal);
    }
    for cleaned in run(workshop, cleaning, staged, landed).await? {
        // Both writes of one partition are one result: what it lost last, and the file there is now.
        match done.iter_mut().find(|d| d.partition == cleaned.partition) {
            Some(first) => {
                first.counts.moved_out += cleaned.counts.moved_out;
                first.file = cleaned.file;
                first.deleted |= cleaned.deleted;
                first.written = cleaned.written.or(first.written);
            }
            None => done.push(cleaned),
        }
    }
    Ok(done)
}

async fn run(
    workshop: &Workshop<'_>,
    tasks: Vec<Task>,
    staged: &Staged,
    landed: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Done>> {
    // Writes that are under way when one fails are waited for: the lease is given back then, and what was written after
    // that would lie beside the work of the next run, which does not know of it.
    let failed = AtomicBool::new(false);
    let ended: Vec<Result<Option<Done>>> = stream::iter(tasks)
        .map(|task| async {
            if failed.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let done = workshop.run(task, staged).await;
            failed.fetch_or(done.is_err(), Ordering::Relaxed);
            landed(1);
            done.map(Some)
        })
        .buffer_unordered(PARTITIONS_UNDER_WAY)
        .collect()
        .await;
    ended.into_iter().filter_map(Result::transpose).collect()
}
