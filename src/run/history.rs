//! What past runs left on record: for how they ended, how the tables grow and how long reading takes.

use crate::error::{Error, Kind, Result};
use crate::lake::{Lake, layout, state};
use crate::model::collection::Namespace;
use crate::model::record::{self, CollectionRecord, Outcome, RunRecord};
use crate::model::status::Growth;
use futures::stream::{self, StreamExt, TryStreamExt};

/// Records fetched at once.
const RECORDS_AT_ONCE: usize = 8;

/// The records of runs that are read one after the other until enough is known.
pub struct History {
    /// Keys of records not read yet, the oldest first.
    left: Vec<String>,
    /// Records read, newest first.
    pub runs: Vec<RunRecord>,
}

impl History {
    /// Lists the records of a lake, of the `most` newest runs.
    pub async fn of(lake: &Lake, most: usize) -> Result<Self> {
        let mut left: Vec<String> = lake.list(layout::RUNS).map_ok(|object| object.key).try_collect().await?;
        // A run's identity begins with its time.
        left.sort_unstable();
        left.drain(..left.len().saturating_sub(most));
        Ok(Self { left, runs: Vec::new() })
    }

    /// Reads back from the newest until `enough` or no record is left.
    ///
    /// A record that is damaged is passed over: it must not hide where everything else stands.
    pub async fn read_until(&mut self, lake: &Lake, enough: impl Fn(&[RunRecord]) -> bool) -> Result<()> {
        while !self.left.is_empty() && !enough(&self.runs) {
            let next = self.left.split_off(self.left.len().saturating_sub(RECORDS_AT_ONCE));
            let read: Vec<Option<RunRecord>> = stream::iter(next.iter().rev())
                .map(|key| load(lake, key))
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

async fn load(lake: &Lake, key: &str) -> Result<Option<RunRecord>> {
    match state::load::<RunRecord>(lake, key, record::FORMAT).await {
        Ok(found) => Ok(found.map(|(run, _)| run)),
        Err(error) if error.kind() == Kind::Lake && is_damage(lake, key).await => {
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

/// Seconds that reading `bytes` (`None`: unknown) in `mode` may take, by what it took before.
///
/// Runs of the same mode count, and only without any those of others; what is charged for each byte is what all of
/// them took together, and never less than the shortest of them.
pub fn seconds<'a>(runs: impl Iterator<Item = &'a CollectionRecord>, mode: &str, bytes: Option<u64>) -> Option<f64> {
    let landed: Vec<&CollectionRecord> = runs.filter(|run| run.outcome == Outcome::Ok).collect();
    let alike: Vec<&CollectionRecord> = landed.iter().copied().filter(|run| run.mode == mode).collect();
    let runs = if alike.is_empty() { landed } else { alike };
    let least = runs.iter().map(|run| run.seconds).min_by(f64::total_cmp)?;
    let (took, read) = runs.iter().fold((0.0, 0), |(took, read), run| (took + run.seconds, read + run.bytes.read));
    Some(match bytes {
        // Amounts of bytes far below 2^52: nothing is lost.
        Some(bytes) if read > 0 => (took / read as f64 * bytes as f64).max(least),
        Some(_) => least,
        None => took / runs.len() as f64,
    })
}

fn median(mut numbers: Vec<i64>) -> Option<i64> {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{Bytes, Rows};

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
        assert_eq!(seconds(runs.iter(), "incremental", Some(8_000)), Some(8.0));
        assert_eq!(seconds(runs.iter(), "incremental", Some(10)), Some(2.0), "never less than the shortest");
        assert_eq!(seconds(runs.iter(), "full", Some(2_000_000)), Some(200.0));
        assert_eq!(seconds(runs.iter(), "incremental", None), Some(2.0));
        assert_eq!(seconds(runs[..2].iter(), "full", Some(4_000)), Some(4.0), "other kinds, where there is none");
        assert_eq!(seconds(runs[3..].iter(), "full", Some(1)), None);
    }
}
