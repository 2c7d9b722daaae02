//! What past runs left on record: for the report, which looks back on them, for how they ended, how the tables grow and
//! how long reading takes.

use super::clock;
use crate::error::{Error, Kind, Result};
use crate::lake::{Lake, Object, Version, layout, state};
use crate::model::collection::Namespace;
use crate::model::command;
use crate::model::record::{self, CollectionRecord, Outcome, RunRecord};
use crate::model::settings::Settings;
use crate::model::status::Growth;
use crate::notify::RUNS_SHOWN;
use chrono::{Days, NaiveDate};
use futures::stream::{self, StreamExt, TryStreamExt};

/// Records fetched at once.
const RECORDS_AT_ONCE: usize = 8;

/// A record of hundreds of collections is far smaller; what is larger is not read.
const RECORD_MAX: u64 = 16 << 20;

/// How many days back the newest records are looked for, before all of them are listed: a lake that is folded every hour
/// has a page of them in a month, one that is folded once a day has few however old it is.
const DAYS_BACK: u64 = 3;

/// The records of runs that are read one after the other until enough is known.
pub struct History {
    /// Records not read yet, the oldest first.
    left: Vec<Object>,
    /// Records read, newest first.
    pub runs: Vec<RunRecord>,
}

impl History {
    /// Lists the records of a lake, of the `most` newest runs.
    pub async fn of(lake: &Lake, most: usize) -> Result<Self> {
        Ok(Self { left: newest(lake, None, most).await?, runs: Vec::new() })
    }

    /// Reads back from the newest until `enough` or no record is left.
    ///
    /// A record that is damaged is passed over: it must not hide where everything else stands.
    pub async fn read_until(&mut self, lake: &Lake, enough: impl Fn(&[RunRecord]) -> bool) -> Result<()> {
        while !self.left.is_empty() && !enough(&self.runs) {
            let next = self.left.split_off(self.left.len().saturating_sub(RECORDS_AT_ONCE));
            let read: Vec<Option<RunRecord>> = stream::iter(next.iter().rev())
                .map(|object| load(lake, object))
                .buffered(RECORDS_AT_ONCE)
                .try_collect()
                .await?;
            self.runs.extend(read.into_iter().flatten());
        }
        Ok(())
    }

    /// What the runs read so far say of a collection, newest first, each with its run.
    pub fn about<'a>(&'a self, ns: &'a Namespace) -> impl Iterator<Item = (&'a RunRecord, &'a CollectionRecord)> {
        about(&self.runs, ns)
    }

    /// All there is, oldest first. What cannot be read is left out: the past is for comparison, and a store that does
    /// not answer for last week's record must not cost today's mail.
    async fn oldest_first(mut self, lake: &Lake) -> Vec<RunRecord> {
        if let Err(error) = self.read_until(lake, |_| false).await {
            tracing::warn!("the report leaves runs out: {error}");
        }
        self.runs.reverse();
        self.runs
    }
}

/// The records of the newest runs before `run_id`, oldest first, as many as the report shows.
pub async fn before(lake: &Lake, run_id: &str) -> Vec<RunRecord> {
    match newest(lake, Some(run_id), RUNS_SHOWN).await {
        Ok(objects) => earlier(objects, run_id).oldest_first(lake).await,
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
pub async fn of_run(
    lake: &Lake,
    settings: &Settings,
    run_id: Option<&str>,
) -> Result<(RunRecord, Version, Vec<RunRecord>)> {
    let objects = newest(lake, run_id, RUNS_SHOWN).await?;
    let last = objects.last().and_then(|object| layout::run_of(&object.key)).map(str::to_owned);
    let wanted = match (run_id, &last) {
        (None, None) => {
            return Err(Error::new(Kind::Input, "the lake has no run yet")
                .hint(format!("start one with lakefold run:\n  {}", command::rerun(&settings.named, &[]))));
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
    let history = earlier(objects, &wanted).oldest_first(lake).await;
    Ok((record, version, history))
}

/// Those of `objects` that are not `run_id` itself.
fn earlier(mut objects: Vec<Object>, run_id: &str) -> History {
    objects.retain(|object| layout::run_of(&object.key) != Some(run_id));
    History { left: objects, runs: Vec::new() }
}

/// The `count` newest records up to and with `until`, oldest first: one listing where runs are frequent, else two.
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
    if let Some(from) = day.checked_sub_days(Days::new(DAYS_BACK)) {
        let after = layout::run_key(&from.format("%Y%m%dT").to_string());
        let found = wanted(lake.list_after(layout::RUNS, &after).try_collect().await?);
        if found.len() >= count {
            return Ok(found);
        }
    }
    Ok(wanted(lake.list(layout::RUNS).try_collect().await?))
}

/// What `runs` say of a collection, each with its run.
pub fn about<'a>(
    runs: &'a [RunRecord],
    ns: &'a Namespace,
) -> impl Iterator<Item = (&'a RunRecord, &'a CollectionRecord)> {
    let of = |run: &'a RunRecord| {
        let found = run.collections.iter().find(|c| c.database == ns.database && c.collection == ns.collection);
        found.map(|collection| (run, collection))
    };
    runs.iter().filter_map(of)
}

async fn load(lake: &Lake, object: &Object) -> Result<Option<RunRecord>> {
    if object.size > RECORD_MAX {
        tracing::warn!("{} is passed over: no record of a run is that large", object.key);
        return Ok(None);
    }
    match state::load::<RunRecord>(lake, &object.key, record::FORMAT).await {
        Ok(found) => Ok(found.map(|(run, _)| run)),
        Err(error) if error.kind() == Kind::Lake && is_damage(lake, &object.key).await => {
            tracing::warn!(%error, "the record of a run is passed over");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether the object can be read and only makes no sense, in contrast to a lake that does not answer.
async fn is_damage(lake: &Lake, key: &str) -> bool {
    matches!(lake.get(key).await, Ok::<_, Error>(Some(_)))
}

/// How a table grew by its runs, newest first.
pub fn growth<'a>(runs: impl Iterator<Item = &'a CollectionRecord>) -> Option<Growth> {
    let net = |run: &CollectionRecord| i64::try_from(run.rows.inserted).ok()?.checked_sub_unsigned(run.rows.deleted);
    let mut landed = runs.filter(|run| run.outcome == Outcome::Ok).filter_map(net);
    let rows = landed.next()?;
    Some(Growth { rows, usual: median(landed.collect()) })
}

/// What a run has to do for a collection, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// `full`, `incremental` or `dump`.
    pub mode: &'a str,
    /// To be read.
    pub bytes: Option<u64>,
    /// To be written.
    pub files: Option<u64>,
}

/// Seconds that `work` may take, by what past `runs` took.
///
/// Runs of the same mode count: what is charged for each byte is what all of them took together, and never less than the
/// shortest of them. Where there are none, those of other modes are charged by the byte and by the file, and the
/// greater counts: a change of few bytes may touch many files. A window without a document is idle.
pub fn seconds<'a>(runs: impl Iterator<Item = &'a CollectionRecord>, work: Work<'_>) -> Option<f64> {
    let runs: Vec<&CollectionRecord> = runs.collect();
    let of = |outcome: Outcome| runs.iter().copied().filter(move |run| run.outcome == outcome);
    if work.mode == "incremental" && work.bytes == Some(0) {
        let (took, idle) = of(Outcome::Idle).fold((0.0, 0_u32), |(took, n), run| (took + run.seconds, n + 1));
        return Some(if idle > 0 { took / f64::from(idle) } else { 0.0 });
    }
    let landed: Vec<&CollectionRecord> = of(Outcome::Ok).collect();
    let alike: Vec<&CollectionRecord> = landed.iter().copied().filter(|run| run.mode == work.mode).collect();
    let strangers = alike.is_empty();
    let runs = if strangers { landed } else { alike };
    let least = runs.iter().map(|run| run.seconds).min_by(f64::total_cmp)?;
    let took: f64 = runs.iter().map(|run| run.seconds).sum();
    // Amounts far below 2^52: nothing is lost.
    let share = |part: u64, of: u64| (of > 0).then(|| took / of as f64 * part as f64);
    let Some(bytes) = work.bytes else { return Some(took / runs.len() as f64) };
    let by_bytes = share(bytes, runs.iter().map(|run| run.bytes.read).sum());
    if !strangers {
        return Some(by_bytes.unwrap_or(least).max(least));
    }
    let by_files = work.files.and_then(|files| share(files, runs.iter().map(|run| run.files.written).sum()));
    by_bytes.into_iter().chain(by_files).max_by(f64::total_cmp).or(Some(least))
}

fn median(mut numbers: Vec<i64>) -> Option<i64> {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{Bytes, Rows};
    use crate::run::test_lake::TestLake;
    use std::io::Write as _;

    fn ran(outcome: Outcome, mode: &str, inserted: u64, deleted: u64, bytes: u64, seconds: f64) -> CollectionRecord {
        let ns = Namespace { database: "hospital".into(), collection: "bills".into() };
        CollectionRecord {
            outcome,
            mode: mode.into(),
            rows: Rows { inserted, deleted, ..Rows::default() },
            bytes: Bytes { read: bytes, written: 0 },
            seconds,
            ..CollectionRecord::begun(&ns)
        }
    }

    #[test]
    fn growth_is_the_last_landing_beside_the_usual_one() {
        let runs = [
            ran(Outcome::Failed, "incremental", 0, 0, 0, 1.0),
            ran(Outcome::Ok, "incremental", 5, 45, 0, 1.0),
            ran(Outcome::Idle, "incremental", 0, 0, 0, 1.0),
            ran(Outcome::Ok, "incremental", 30, 0, 0, 1.0),
            ran(Outcome::Ok, "incremental", 20, 0, 0, 1.0),
            ran(Outcome::Ok, "full", 9_000, 0, 0, 1.0),
        ];
        assert_eq!(growth(runs.iter()), Some(Growth { rows: -40, usual: Some(30) }));
        assert_eq!(growth(runs[5..].iter()), Some(Growth { rows: 9_000, usual: None }));
        assert_eq!(growth(runs[..1].iter()), None);
    }

    #[test]
    fn time_goes_by_bytes_of_the_same_kind_of_run() {
        let runs = [
            ran(Outcome::Ok, "incremental", 0, 0, 1_000, 2.0),
            ran(Outcome::Ok, "incremental", 0, 0, 3_000, 2.0),
            ran(Outcome::Ok, "full", 0, 0, 1_000_000, 100.0),
            ran(Outcome::Failed, "full", 0, 0, 1, 9_000.0),
        ];
        let of = |runs: &[CollectionRecord], mode, bytes| seconds(runs.iter(), Work { mode, bytes, files: None });
        assert_eq!(of(&runs, "incremental", Some(8_000)), Some(8.0));
        assert_eq!(of(&runs, "incremental", Some(10)), Some(2.0), "never less than the shortest");
        assert_eq!(of(&runs, "full", Some(2_000_000)), Some(200.0));
        assert_eq!(of(&runs, "incremental", None), Some(2.0));
        assert_eq!(of(&runs[..2], "full", Some(4_000)), Some(4.0), "other kinds, where there is none");
        assert_eq!(of(&runs[3..], "full", Some(1)), None);
    }

    /// A first run takes minutes; the one after it does not, because it reads little and writes few of the files.
    #[test]
    fn a_full_run_is_no_measure_of_a_small_change() {
        let mut full = ran(Outcome::Ok, "full", 0, 0, 1_000_000, 100.0);
        full.files.written = 200;
        let mut runs = vec![full];
        let of = |runs: &[CollectionRecord], bytes, files| {
            seconds(runs.iter(), Work { mode: "incremental", bytes: Some(bytes), files: Some(files) })
        };
        assert_eq!(of(&runs, 10_000, 1), Some(1.0), "a hundredth of the bytes");
        assert_eq!(of(&runs, 10_000, 20), Some(10.0), "a tenth of the files");
        assert_eq!(of(&runs, 0, 0), Some(0.0), "nothing to do");
        runs.push(ran(Outcome::Idle, "incremental", 0, 0, 0, 0.5));
        assert_eq!(of(&runs, 0, 0), Some(0.5), "what it takes to find that out");
    }

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
        let (last, _, history) = of_run(&lake, &folder.settings(), None).await.unwrap();
        assert_eq!((last.run_id.as_str(), ids(&history)), (old[2], vec![old[0], old[1]]));
        let (second, _, history) = of_run(&lake, &folder.settings(), Some(old[1])).await.unwrap();
        assert_eq!((second.run_id.as_str(), ids(&history)), (old[1], vec![old[0]]));

        let many: Vec<String> = (0..40).map(|n| format!("20240502T0000{n:02}Z-bbbbbb")).collect();
        for id in &many {
            put(&folder, id);
        }
        let (_, _, history) = of_run(&lake, &folder.settings(), None).await.unwrap();
        assert_eq!(history.len(), RUNS_SHOWN - 1);
        assert_eq!(history[0].run_id, many[40 - RUNS_SHOWN], "oldest first");
    }

    /// A lake that is folded every hour must not list the runs of years to find the last ones.
    #[tokio::test]
    async fn frequent_runs_are_found_by_one_listing_and_seldom_ones_by_two() {
        for (runs, listings) in [(RUNS_SHOWN, 1), (RUNS_SHOWN - 1, 2)] {
            let folder = TestLake::new();
            let today = clock::now().format("%Y%m%d").to_string();
            put(&folder, "20200101T000000Z-aaaaaa");
            for n in 0..runs {
                put(&folder, &format!("{today}T0000{n:02}Z-bbbbbb"));
            }
            let lake = open(&folder).await;
            let so_far = lake.requests_record().lists;
            assert_eq!(before(&lake, &format!("{today}T235959Z-cccccc")).await.len(), RUNS_SHOWN);
            assert_eq!(lake.requests_record().lists - so_far, listings);
        }
    }

    #[tokio::test]
    async fn a_damaged_record_is_left_out_and_a_missing_one_is_named() {
        let folder = TestLake::new();
        put(&folder, "20240501T000000Z-aaaaaa");
        folder.create(&layout::run_key("20240502T000000Z-bbbbbb")).write_all(b"{").unwrap();
        put(&folder, "20240503T000000Z-cccccc");
        let lake = open(&folder).await;
        let (_, _, history) = of_run(&lake, &folder.settings(), None).await.unwrap();
        assert_eq!(ids(&history), ["20240501T000000Z-aaaaaa"]);
        let missing = of_run(&lake, &folder.settings(), Some("20240503T000001Z-dddddd")).await.unwrap_err();
        assert_eq!(missing.kind(), Kind::Input);
        assert_eq!(missing.hint_text(), Some("the last run before it is 20240503T000000Z-cccccc"));
        assert_eq!(
            of_run(&lake, &folder.settings(), Some("20240502T000000Z-bbbbbb")).await.unwrap_err().kind(),
            Kind::Lake
        );
        let empty = TestLake::new();
        assert_eq!(
            of_run(&open(&empty).await, &empty.settings(), None).await.unwrap_err().to_string(),
            "the lake has no run yet"
        );
    }
}
