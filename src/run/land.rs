//! Lands all partitions of a collection in an order in which a kill never loses a row for good: the new place of a
//! moved document is written before the old one is cleaned.

use super::partitions::{Done, Known, PARTITIONS_UNDER_WAY, Task, Workshop};
use crate::error::Result;
use crate::merge::stage::Staged;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, HashSet};

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
    let write = |task| {
        let written = async move {
            let done = workshop.run(task, staged).await;
            landed(1);
            done
        };
        Ok(written.boxed())
    };
    all(stream::iter(tasks).map(write).boxed()).await
}

/// What all of `writes` come to, or the first failure.
///
/// None begins after one has failed, and those that are under way then are waited for: the lease is given back next, and
/// what was written after that would lie beside the work of another run, which does not know of it.
pub async fn all<'w>(writes: BoxStream<'w, Result<BoxFuture<'w, Result<Done>>>>) -> Result<Vec<Done>> {
    let mut writes = writes.fuse();
    let mut under_way = FuturesUnordered::new();
    let (mut done, mut failure) = (Vec::new(), None);
    loop {
        let room = failure.is_none() && under_way.len() < PARTITIONS_UNDER_WAY && !writes.is_done();
        let ended = tokio::select! {
            write = writes.next(), if room => match write {
                Some(Ok(write)) => {
                    under_way.push(write);
                    continue;
                }
                Some(Err(error)) => Err(error),
                None => continue,
            },
            Some(ended) = under_way.next() => ended,
            else => break,
        };
        match ended {
            Ok(one) => done.push(one),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(done), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    #[tokio::test]
    async fn what_is_under_way_when_a_write_fails_is_waited_for_and_nothing_begins() {
        let (begun, ended) = &(AtomicU32::new(0), AtomicU32::new(0));
        let write = async move |number: usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            if number == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                return Err(Error::new(Kind::Lake, "refused"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            ended.fetch_add(1, Ordering::Relaxed);
            Ok(Done::default())
        };
        let failure = all(stream::iter(0..100).map(|number| Ok(write(number).boxed())).boxed()).await.unwrap_err();
        assert_eq!(failure.to_string(), "refused");
        let under_way = u32::try_from(PARTITIONS_UNDER_WAY).unwrap();
        let counted = [begun, ended].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counted, [under_way, under_way - 1]);
    }
}
