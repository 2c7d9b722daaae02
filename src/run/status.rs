//! Where every collection stands, from the lake alone: what its state objects, files and newest run records say.

use super::clock;
use crate::error::{Error, Result};
use crate::lake::watermark::Watermarks;
use crate::lake::{Lake, Object, layout, state};
use crate::model::collection::{CollectionSpec, Namespace};
use crate::model::record::{self, RunRecord};
use crate::model::settings::Settings;
use crate::model::status::{CollectionStatus, LastRun};
use futures::{StreamExt, TryStreamExt, stream};

/// Collections looked at at once.
const COLLECTIONS_AT_ONCE: usize = 8;

/// Footers of one collection read at once.
const FOOTERS_AT_ONCE: usize = 8;

/// Run records read at most: a collection that no newer one mentions has no last run.
const RUNS_READ_MAX: usize = 200;

/// One entry for each of `specs`, in their order.
///
/// # Errors
/// The lake cannot be reached, or a state object or footer of one of the collections cannot be read.
pub async fn status(settings: &Settings, specs: &[CollectionSpec]) -> Result<Vec<CollectionStatus>> {
    let lake = Lake::open(&settings.lake).await?;
    let mut statuses: Vec<CollectionStatus> = stream::iter(specs)
        .map(|spec| of_collection(&lake, &spec.namespace))
        .buffered(COLLECTIONS_AT_ONCE)
        .try_collect()
        .await?;
    put_last_runs(&lake, &mut statuses).await?;
    let aside = left_aside(&lake, &statuses).await?;
    if let Some(first) = statuses.first_mut() {
        // Files left aside belong to no collection; they stand with the first so that somebody sees them.
        first.litter.extend(aside);
    }
    Ok(statuses)
}

async fn of_collection(lake: &Lake, namespace: &Namespace) -> Result<CollectionStatus> {
    let during = |e: Error| e.context(format!("status of {namespace}"));
    let (watermarks, _) = Watermarks::load(lake, namespace).await.map_err(during)?;
    let watermark = watermarks.last_ok().and_then(|line| line.watermark);
    let contents = contents(lake, namespace).await.map_err(during)?;
    let mut litter = contents.litter;
    let journal = layout::journal_key(namespace);
    if lake.head(&journal).await.map_err(during)?.is_some() {
        litter.push(journal);
    }
    let holder = lake.lease_holder(namespace).await.map_err(during)?;
    Ok(CollectionStatus {
        database: namespace.database.clone(),
        collection: namespace.collection.clone(),
        watermark: watermark.and_then(clock::rfc3339),
        lag_seconds: watermark.map(|ms| (clock::now().timestamp_millis() - ms) / 1_000),
        rows: contents.rows,
        files: contents.files,
        bytes: contents.bytes,
        last: None,
        litter,
        lease: holder.map(|holder| {
            format!("{} on {} (process {}) since {}", holder.run_id, holder.host, holder.pid, holder.since)
        }),
    })
}

/// What is in a table's folder.
#[derive(Debug, Default)]
struct Contents {
    rows: u64,
    files: u64,
    bytes: u64,
    litter: Vec<String>,
}

async fn contents(lake: &Lake, namespace: &Namespace) -> Result<Contents> {
    let mut contents = Contents::default();
    let mut data: Vec<Object> = Vec::new();
    let mut objects = lake.list(&layout::table_prefix(namespace));
    while let Some(object) = objects.try_next().await? {
        if layout::partition_of(&object.key).is_some() {
            contents.files += 1;
            contents.bytes += object.size;
            data.push(object);
        } else {
            contents.litter.push(object.key);
        }
    }
    contents.litter.sort();
    let mut footers = stream::iter(&data)
        .map(|object| async { Ok::<_, Error>(lake.footer(&object.key, object.size).await?.rows) })
        .buffer_unordered(FOOTERS_AT_ONCE);
    while let Some(rows) = footers.try_next().await? {
        contents.rows += rows;
    }
    Ok(contents)
}

/// Gives every status its newest run, reading records from the newest back until all have one.
async fn put_last_runs(lake: &Lake, statuses: &mut [CollectionStatus]) -> Result<()> {
    let records = layout::run_key("");
    let folder = records.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut keys: Vec<String> = lake.list(folder).map_ok(|object| object.key).try_collect().await?;
    // A run's identity begins with its time.
    keys.sort_unstable_by(|a, b| b.cmp(a));
    for key in keys.iter().take(RUNS_READ_MAX) {
        if statuses.iter().all(|status| status.last.is_some()) {
            break;
        }
        let Some((run, _)) = state::load::<RunRecord>(lake, key, record::FORMAT).await? else { continue };
        for status in statuses.iter_mut().filter(|status| status.last.is_none()) {
            status.last = run
                .collections
                .iter()
                .find(|c| c.database == status.database && c.collection == status.collection)
                .map(|c| LastRun { run_id: run.run_id.clone(), outcome: c.outcome, reason: c.reason.clone() });
        }
    }
    Ok(())
}

/// Files a killed run left aside; none while a run that may be using them holds one of the collections.
async fn left_aside(lake: &Lake, statuses: &[CollectionStatus]) -> Result<Vec<String>> {
    if statuses.iter().any(|status| status.lease.is_some()) {
        return Ok(Vec::new());
    }
    let mut keys: Vec<String> = lake.list(layout::TMP).map_ok(|object| object.key).try_collect().await?;
    keys.sort();
    Ok(keys)
}
