//! Where every collection stands, from the lake alone: what its state objects, files and newest run records say.
//!
//! Cheap on purpose: rows come from the index, which knows every file that lakefold wrote, and a file is opened only
//! when the index does not know the version that lies there.

use super::history::{self, History};
use super::{clock, index, scratch};
use crate::error::{Error, Result};
use crate::lake::watermark::Watermarks;
use crate::lake::{Lake, Object, layout};
use crate::merge::places::Head;
use crate::model::collection::{CollectionSpec, Namespace};
use crate::model::record::Outcome;
use crate::model::settings::Settings;
use crate::model::status::{CollectionStatus, LastRun, RECENT_MAX};
use futures::{StreamExt, TryStreamExt, stream};
use std::cmp::Reverse;

/// Collections looked at at once.
const COLLECTIONS_AT_ONCE: usize = 8;

/// Footers of one collection read at once.
const FOOTERS_AT_ONCE: usize = 8;

/// Run records read at most: a collection that no newer one mentions has no last run.
const RUNS_READ_MAX: usize = 200;

/// Runs from which growth is told at most: a collection that is idle most of the time has few landings among them.
const RUNS_FOR_GROWTH: usize = 24;

/// Landings from which usual growth is told.
const LANDINGS: usize = 8;

/// One entry for each of `specs`, what needs somebody most first.
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
    statuses.sort_by(|a, b| order(a).cmp(&order(b)));
    Ok(statuses)
}

/// The worst first; of equals the one that lags most.
fn order(status: &CollectionStatus) -> (u8, Reverse<Option<i64>>, &str, &str) {
    (status.severity(), Reverse(status.lag_seconds), &status.database, &status.collection)
}

async fn of_collection(lake: &Lake, namespace: &Namespace) -> Result<CollectionStatus> {
    let during = |e: Error| e.context(format!("status of {namespace}"));
    let (watermarks, _) = Watermarks::load_unless_damaged(lake, namespace).await.map_err(during)?;
    let contents = contents(lake, namespace).await.map_err(during)?;
    let mut litter = contents.litter;
    if watermarks.is_none() {
        // Named, and no more: it must not hide where everything else stands.
        litter.push(layout::watermark_key(namespace));
    }
    let watermark = watermarks.as_ref().and_then(|file| file.last_ok()?.watermark);
    let journal = layout::journal_key(namespace);
    if lake.head(&journal).await.map_err(during)?.is_some() {
        litter.push(journal);
    }
    let holder = lake.lease_holder(namespace).await.map_err(during)?;
    let staged = layout::staged_prefix(namespace);
    // A run that holds the collection may be staging at this moment.
    if holder.is_none() && lake.list(&staged).try_next().await.map_err(during)?.is_some() {
        litter.push(staged);
    }
    Ok(CollectionStatus {
        database: namespace.database.clone(),
        collection: namespace.collection.clone(),
        watermark: watermark.and_then(clock::rfc3339),
        lag_seconds: watermark.map(|ms| (clock::now().timestamp_millis() - ms) / 1_000),
        rows: contents.rows,
        files: contents.files,
        bytes: contents.bytes,
        last: None,
        recent: Vec::new(),
        growth: None,
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
            contents.litter.push(layout::shown(&object.key));
        }
    }
    contents.litter.sort();
    // An index that cannot be read is a cache that will be built anew: the files themselves tell.
    let head = if data.is_empty() { None } else { index::load_head(lake, namespace).await.unwrap_or_default() };
    let (known, unknown) = split(data, head.as_ref().map(|(head, _)| head));
    contents.rows = known;
    let mut footers = stream::iter(&unknown)
        .map(|object| async { Ok::<_, Error>(lake.footer(&object.key, object.size).await?.rows) })
        .buffer_unordered(FOOTERS_AT_ONCE);
    while let Some(rows) = footers.try_next().await? {
        contents.rows += rows;
    }
    Ok(contents)
}

/// Rows of the files that the index knows as they are, and the files it does not know.
fn split(data: Vec<Object>, head: Option<&Head>) -> (u64, Vec<Object>) {
    let mut known = 0;
    let unknown = data.into_iter().filter(|object| {
        let info = layout::partition_of(&object.key).and_then(|partition| head?.files.get(partition));
        match info.filter(|info| info.is_at(&object.version)) {
            Some(info) => {
                known += info.rows;
                false
            }
            None => true,
        }
    });
    let unknown = unknown.collect();
    (known, unknown)
}

/// Gives every status its newest runs and its growth, reading records from the newest back until that is known.
async fn put_last_runs(lake: &Lake, statuses: &mut [CollectionStatus]) -> Result<()> {
    let names: Vec<Namespace> =
        statuses.iter().map(|s| Namespace { database: s.database.clone(), collection: s.collection.clone() }).collect();
    let mut history = History::of(lake, RUNS_READ_MAX).await?;
    let enough = |runs: &[_]| {
        names.iter().all(|ns| {
            let recent = history::about(runs, ns).count();
            let landed = history::about(runs, ns).filter(|(_, c)| c.outcome == Outcome::Ok).count();
            recent >= RECENT_MAX && (landed >= LANDINGS || recent >= RUNS_FOR_GROWTH)
        })
    };
    history.read_until(lake, enough).await?;
    for (status, ns) in statuses.iter_mut().zip(&names) {
        let mut runs = history.about(ns).peekable();
        status.last = runs.peek().map(|(run, c)| LastRun {
            run_id: run.run_id.clone(),
            outcome: c.outcome,
            reason: c.reason.clone(),
        });
        status.recent = runs.map(|(_, c)| c.outcome).take(RECENT_MAX).collect();
        status.growth = history::growth(history.about(ns).map(|(_, c)| c).take(RUNS_FOR_GROWTH));
    }
    Ok(())
}

/// Files a killed run left aside; none while a run that may be using them holds one of the collections.
async fn left_aside(lake: &Lake, statuses: &[CollectionStatus]) -> Result<Vec<String>> {
    if statuses.iter().any(|status| status.lease.is_some()) {
        return Ok(Vec::new());
    }
    let mut keys: Vec<String> = lake.list(layout::TMP).map_ok(|object| object.key).try_collect().await?;
    keys.extend(scratch::abandoned().iter().map(|folder| folder.display().to_string()));
    keys.sort();
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::watermark::Line;
    use crate::lake::{Expect, Version, state};
    use crate::model::record::{self, CollectionRecord, NotificationRecord, RunRecord};
    use crate::run::test_lake::{TestLake, numbers, spec};
    use std::io::Write as _;

    async fn one(lake: &TestLake) -> CollectionStatus {
        status(&lake.settings(), &[spec("bills")]).await.unwrap().remove(0)
    }

    fn put_record(lake: &TestLake, run_id: &str, outcomes: &[(&str, Outcome)]) {
        let of = |&(collection, outcome): &(&str, Outcome)| CollectionRecord {
            outcome,
            reason: (outcome == Outcome::Failed).then(|| "the source went away".to_owned()),
            mode: "incremental".into(),
            ..CollectionRecord::begun(&Namespace { database: "hospital".into(), collection: collection.into() })
        };
        let run = RunRecord {
            format: record::FORMAT,
            run_id: run_id.into(),
            environment: "test".into(),
            named: None,
            started_at: "2024-05-01T00:00:00Z".into(),
            finished_at: "2024-05-01T00:00:01Z".into(),
            exit_code: 0,
            dry_run: false,
            collections: outcomes.iter().map(of).collect(),
            catalog: vec![],
            notifications: Vec::<NotificationRecord>::new(),
            requests: None,
        };
        serde_json::to_writer(lake.create(&layout::run_key(run_id)), &run).unwrap();
    }

    #[tokio::test]
    async fn a_collection_that_never_ran_stands_at_nothing() {
        let status = one(&TestLake::new()).await;
        assert_eq!(
            serde_json::to_value(&status).unwrap(),
            serde_json::json!({
                "database": "hospital", "collection": "bills", "watermark": null, "lag_seconds": null,
                "rows": 0, "files": 0, "bytes": 0, "last": null, "recent": [], "growth": null, "litter": [], "lease": null,
            })
        );
    }

    #[tokio::test]
    async fn rows_files_bytes_and_litter_are_what_lies_in_the_folders() {
        let lake = TestLake::new();
        lake.write("hospital/bills/date=2024-05-01/data.parquet", vec![("_id", numbers(&[1, 2, 3]))]);
        lake.write("hospital/bills/date=2024-05-02/data.parquet", vec![("_id", numbers(&[4]))]);
        lake.write("hospital/bills_old/data.parquet", vec![("_id", numbers(&[5]))]);
        for (key, text) in [
            ("hospital/bills/date=2024-05-02/part-0.parquet", "foreign"),
            ("hospital/bills/site=Rao/part-1.parquet", "foreign"),
            ("_lakefold/journal/hospital/bills.json", "{}"),
            ("_lakefold/tmp/none-1-none-abc", "left"),
        ] {
            lake.create(key).write_all(text.as_bytes()).unwrap();
        }
        let status = one(&lake).await;
        assert_eq!((status.rows, status.files), (4, 2));
        let size = |day: &str| {
            let file = format!("lake/hospital/bills/date={day}/data.parquet");
            std::fs::metadata(lake.folder.path().join(file)).unwrap().len()
        };
        assert_eq!(status.bytes, size("2024-05-01") + size("2024-05-02"));
        // What a dead process left aside may be swept when the lake is opened; the others stay and are named.
        let named: Vec<&str> = status.litter.iter().map(String::as_str).filter(|k| !k.contains("/tmp/")).collect();
        let of_site = layout::shown("hospital/bills/site=Rao/part-1.parquet");
        let foreign = ["hospital/bills/date=2024-05-02/part-0.parquet", of_site.as_str()];
        assert_eq!(named, [foreign[0], foreign[1], "_lakefold/journal/hospital/bills.json"]);
        assert!(!of_site.contains("Rao"), "{of_site}");
    }

    #[tokio::test]
    async fn the_newest_record_that_names_a_collection_is_its_last_run() {
        let lake = TestLake::new();
        put_record(&lake, "20240501T000000Z-aaaaaa", &[("bills", Outcome::Ok), ("visits", Outcome::Ok)]);
        put_record(&lake, "20240502T000000Z-bbbbbb", &[("bills", Outcome::Failed)]);
        put_record(&lake, "20240503T000000Z-cccccc", &[("wards", Outcome::Ok)]);
        let statuses = status(&lake.settings(), &[spec("bills"), spec("visits")]).await.unwrap();
        assert_eq!(statuses[0].recent, [Outcome::Failed, Outcome::Ok]);
        let last: Vec<_> = statuses.into_iter().map(|status| status.last.unwrap()).collect();
        assert_eq!((last[0].run_id.as_str(), last[0].outcome), ("20240502T000000Z-bbbbbb", Outcome::Failed));
        assert_eq!(last[0].reason.as_deref(), Some("the source went away"));
        assert_eq!((last[1].run_id.as_str(), last[1].outcome), ("20240501T000000Z-aaaaaa", Outcome::Ok));
    }

    #[tokio::test]
    async fn a_damaged_record_hides_nothing_else() {
        let lake = TestLake::new();
        put_record(&lake, "20240501T000000Z-aaaaaa", &[("bills", Outcome::Ok)]);
        lake.create(&layout::run_key("20240502T000000Z-bbbbbb")).write_all(b"{\"format\":1,\"run").unwrap();
        assert_eq!(one(&lake).await.last.unwrap().run_id, "20240501T000000Z-aaaaaa");
    }

    /// A file is opened only when the index does not know it: what the index says of its rows is believed.
    #[tokio::test]
    async fn rows_come_from_the_index_where_it_knows_the_file() {
        let folder = TestLake::new();
        for day in ["01", "02"] {
            folder.write(&format!("hospital/bills/date=2024-05-{day}/data.parquet"), vec![("_id", numbers(&[1]))]);
        }
        let lake = Lake::open(&folder.settings().lake).await.unwrap();
        let ns = spec("bills").namespace;
        let known = lake.head(&layout::data_key(&ns, "date=2024-05-01")).await.unwrap().unwrap();
        let info = |version: &Version| crate::merge::places::FileInfo::new(version, 70, 9);
        let head = Head {
            format: crate::merge::places::FORMAT,
            files: [
                ("date=2024-05-01".to_owned(), info(&known.version)),
                ("date=2024-05-02".to_owned(), info(&Version::from_text("another"))),
            ]
            .into(),
            ..Head::default()
        };
        state::store(&lake, &index::head_key(&ns), &head, Expect::Absent).await.unwrap();
        assert_eq!(one(&folder).await.rows, 70 + 1);
    }

    #[tokio::test]
    async fn the_last_good_watermark_and_the_holder_are_shown() {
        let folder = TestLake::new();
        let lake = Lake::open(&folder.settings().lake).await.unwrap();
        let ns = spec("bills").namespace;
        let watermark = clock::now().timestamp_millis() - 90_000;
        let mut watermarks = Watermarks::default();
        for (outcome, watermark) in [(Outcome::Ok, Some(watermark)), (Outcome::Failed, Some(0))] {
            watermarks.append(Line {
                written_at: watermark.unwrap_or(0),
                run_id: "20240501T000000Z-aaaaaa".into(),
                mode: "incremental".into(),
                window_from: None,
                watermark,
                operation_time: None,
                rows_read: 1,
                rows_inserted: 1,
                rows_updated: 0,
                outcome,
                settings: "s".into(),
                collection: None,
            });
        }
        let text = watermarks.to_csv().unwrap();
        lake.put(&layout::watermark_key(&ns), text.into(), Expect::Absent).await.unwrap();
        let lease = lake.lease(&ns, "20240502T000000Z-bbbbbb").await.unwrap();

        let held = one(&folder).await;
        assert_eq!(held.watermark, clock::rfc3339(watermark));
        assert!((90..100).contains(&held.lag_seconds.unwrap()), "{held:?}");
        assert!(held.lease.unwrap().starts_with("20240502T000000Z-bbbbbb on "));
        lease.release().await.unwrap();
        assert_eq!(one(&folder).await.lease, None);
    }
}
