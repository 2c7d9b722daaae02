//! The records of runs before one: what the report looks back on.

use super::clock;
use crate::error::{Error, Kind, Result};
use crate::lake::{Lake, Object, Version, layout, state};
use crate::model::record::{self, RunRecord};
use crate::model::settings::{MailTransport, Settings};
use crate::notify::RUNS_SHOWN;
use chrono::{Days, NaiveDate};
use futures::{StreamExt, TryStreamExt, stream};

/// Records read at once.
const AT_ONCE: usize = 8;

/// A record of hundreds of collections is far smaller; what is larger is not read.
const RECORD_MAX: u64 = 16 << 20;

/// How many days back the newest records are looked for, before all of them are listed.
const DAYS_BACK: [u64; 3] = [3, 40, 400];

/// The records of the newest runs before `run_id`, oldest first, as many as the report shows. What cannot be read is
/// left out: the past is for comparison, and a damaged record of last week must not cost today's mail.
pub async fn before(lake: &Lake, settings: &Settings, run_id: &str) -> Vec<RunRecord> {
    let told = settings.mail.transport != MailTransport::None
        || !settings.webhooks.is_empty()
        || settings.metrics.textfile.is_some()
        || settings.metrics.pushgateway.is_some();
    if !told {
        return Vec::new();
    }
    match newest(lake, Some(run_id), RUNS_SHOWN).await {
        Ok(objects) => read(lake, objects, run_id).await,
        Err(error) => {
            tracing::warn!("the report looks back on no run: {error}");
            Vec::new()
        }
    }
}

/// The record of a run with its version, and those before it, oldest first; without `run_id` the last run.
///
/// # Errors
/// `Kind::Input` when there is no such run; `Kind::Lake` or `Kind::Unavailable` when its record cannot be read.
pub async fn of_run(lake: &Lake, run_id: Option<&str>) -> Result<(RunRecord, Version, Vec<RunRecord>)> {
    let objects = newest(lake, run_id, RUNS_SHOWN).await?;
    let last = objects.last().and_then(|object| layout::run_of(&object.key)).map(str::to_owned);
    let wanted = match (run_id, &last) {
        (None, None) => {
            return Err(Error::new(Kind::Input, "the lake has no run yet").hint("run `lakefold run` first"));
        }
        (Some(wanted), last) if last.as_deref() != Some(wanted) => {
            let hint = match last {
                Some(near) => format!("the last run before it is {near}"),
                None => "name one of the folder _lakefold/runs of the lake".to_owned(),
            };
            return Err(Error::new(Kind::Input, format!("there is no run {wanted}")).hint(hint));
        }
        (_, Some(last)) => last.clone(),
        (Some(wanted), None) => wanted.to_owned(),
    };
    let key = layout::run_key(&wanted);
    let (record, version) = state::load::<RunRecord>(lake, &key, record::FORMAT)
        .await?
        .ok_or_else(|| Error::new(Kind::Lake, format!("{key} is gone")))?;
    let history = read(lake, objects, &wanted).await;
    Ok((record, version, history))
}

/// The `count` newest records up to and with `until`, oldest first.
async fn newest(lake: &Lake, until: Option<&str>, count: usize) -> Result<Vec<Object>> {
    let day = until.and_then(|id| NaiveDate::parse_from_str(id.get(..8)?, "%Y%m%d").ok());
    let day = day.unwrap_or_else(|| clock::now().date_naive());
    let wanted = |objects: Vec<Object>| {
        let mut found: Vec<Object> = objects
            .into_iter()
            .filter(|object| layout::run_of(&object.key).is_some_and(|id| until.is_none_or(|until| id <= until)))
            .collect();
        // A run's identity begins with its time.
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found.split_off(found.len().saturating_sub(count))
    };
    for back in DAYS_BACK {
        let Some(from) = day.checked_sub_days(Days::new(back)) else { break };
        let after = layout::run_key(&from.format("%Y%m%dT").to_string());
        let found = wanted(lake.list_after(layout::RUNS, &after).try_collect().await?);
        if found.len() >= count {
            return Ok(found);
        }
    }
    Ok(wanted(lake.list(layout::RUNS).try_collect().await?))
}

/// Those of `objects` before `run_id` that are records this program can read.
async fn read(lake: &Lake, objects: Vec<Object>, run_id: &str) -> Vec<RunRecord> {
    let earlier = objects
        .into_iter()
        .filter(|object| object.size <= RECORD_MAX && layout::run_of(&object.key).is_some_and(|found| found != run_id));
    let records = stream::iter(earlier)
        .map(|object| async move {
            match state::load::<RunRecord>(lake, &object.key, record::FORMAT).await {
                Ok(found) => found.map(|(record, _)| record),
                Err(error) => {
                    tracing::warn!("the report leaves a run out: {error}");
                    None
                }
            }
        })
        .buffered(AT_ONCE);
    records.filter_map(|record| async { record }).collect().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::test_lake::TestLake;
    use std::io::Write as _;

    fn put(lake: &TestLake, run_id: &str) {
        let run = serde_json::json!({
            "format": 1, "run_id": run_id, "environment": "test", "started_at": "", "finished_at": "", "exit_code": 0,
            "collections": [], "catalog": [], "notifications": []
        });
        serde_json::to_writer(lake.create(&layout::run_key(run_id)), &run).unwrap();
    }

    async fn open(folder: &TestLake) -> Lake {
        Lake::open(&folder.settings().lake).await.unwrap()
    }

    fn ids(records: &[RunRecord]) -> Vec<&str> {
        records.iter().map(|record| record.run_id.as_str()).collect()
    }

    #[tokio::test]
    async fn the_newest_runs_are_found_however_far_apart_they_are() {
        let folder = TestLake::new();
        let old = ["20200101T000000Z-aaaaaa", "20231231T000000Z-aaaaaa", "20240501T000000Z-aaaaaa"];
        for id in old {
            put(&folder, id);
        }
        let lake = open(&folder).await;
        let (last, _, history) = of_run(&lake, None).await.unwrap();
        assert_eq!((last.run_id.as_str(), ids(&history)), (old[2], vec![old[0], old[1]]));
        let (second, _, history) = of_run(&lake, Some(old[1])).await.unwrap();
        assert_eq!((second.run_id.as_str(), ids(&history)), (old[1], vec![old[0]]));

        let many: Vec<String> = (0..40).map(|n| format!("20240502T0000{n:02}Z-bbbbbb")).collect();
        for id in &many {
            put(&folder, id);
        }
        let (_, _, history) = of_run(&lake, None).await.unwrap();
        assert_eq!(history.len(), RUNS_SHOWN - 1);
        assert_eq!(history[0].run_id, many[40 - RUNS_SHOWN], "oldest first");
    }

    #[tokio::test]
    async fn a_damaged_record_is_left_out_and_a_missing_one_is_named() {
        let folder = TestLake::new();
        put(&folder, "20240501T000000Z-aaaaaa");
        folder.create(&layout::run_key("20240502T000000Z-bbbbbb")).write_all(b"{").unwrap();
        put(&folder, "20240503T000000Z-cccccc");
        let lake = open(&folder).await;
        let (_, _, history) = of_run(&lake, None).await.unwrap();
        assert_eq!(ids(&history), ["20240501T000000Z-aaaaaa"]);
        let missing = of_run(&lake, Some("20240503T000001Z-dddddd")).await.unwrap_err();
        assert_eq!(missing.kind(), Kind::Input);
        assert_eq!(missing.hint_text(), Some("the last run before it is 20240503T000000Z-cccccc"));
        assert_eq!(of_run(&lake, Some("20240502T000000Z-bbbbbb")).await.unwrap_err().kind(), Kind::Lake);
        let empty = TestLake::new();
        assert_eq!(of_run(&open(&empty).await, None).await.unwrap_err().to_string(), "the lake has no run yet");
    }
}
