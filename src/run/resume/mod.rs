//! A full read that dies goes on near where it was.
//!
//! What a large collection's full read has brought so far is kept in the lake as it was shaped, under
//! `_lakefold/staged/<database>/<collection>/`: objects of rows, and a state that names them, the schema they were
//! shaped at, how far each range of `_id` has been read, and the bound of the first attempt. The local disk would not
//! do: it goes with its container.
//!
//! The run that finds it reads what is left, folds all of it, and moves the watermark to the **first** attempt's
//! bound: documents read before the death may have changed since, and the next window, which begins there, sees them.
//! Whatever does not fit any more is thrown away and the read begins again.

mod rows;
mod writer;

pub use rows::{Piece, RowsWriter, read as read_rows};
pub use writer::{Begun, Staging, is_due, is_worth_it};

use super::read::Totals;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::kill_point::{KillPoint, reach};
use crate::lake::{Expect, Lake, Lease, Object, Version, layout, state};
use crate::model::collection::Namespace;
use crate::model::read_plan::ReadPlan;
use crate::model::table::TableSchema;
use crate::model::window::{Bound, OperationTime};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;
use std::time::Duration;

/// Version of the state's JSON.
const FORMAT: u32 = 1;

/// What was staged longer ago is read again: rows deleted at the source since would come back.
const KEPT_FOR: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// What the staged rows depend on; they are of use to a run for which all of it is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// Short hash of the settings the table is made with.
    pub settings: String,
    /// Kinds seen by earlier runs are forgotten.
    pub forget_schema: bool,
    /// Which collection the rows were read from, beyond its name: one that was made again or restored since, or that of
    /// another cluster, has other documents. None where the source does not tell, and in what older programs staged.
    #[serde(default)]
    pub collection: Option<String>,
    /// Version of the watermark file: a run that completed since has moved it.
    pub watermarks: Option<String>,
    /// Version of the schema state from which the staged one has grown.
    pub schema: Option<String>,
}

/// `_lakefold/staged/<database>/<collection>/state.json`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    format: u32,
    /// The run that wrote it last.
    run_id: String,
    /// When the first attempt began, milliseconds since 1970, UTC.
    begun_at: i64,
    /// What the watermark becomes: the bound of the first attempt.
    pub watermark: Option<i64>,
    /// The source's logical time of that bound.
    pub operation_time: Option<OperationTime>,
    basis: Basis,
    /// The ranges and how far each has been read, BSON in base64.
    plan: String,
    /// Objects of rows in the order they were read.
    objects: Vec<Staged>,
    /// The schema as it had grown.
    pub table: TableSchema,
    /// Partition folders by number.
    pub partitions: Vec<String>,
    /// Counts of what was read.
    pub totals: Totals,
}

/// An object of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Staged {
    /// Below the collection's staged folder.
    name: String,
    version: String,
}

/// What a run that died has left, and what is left to be read.
pub struct Resume {
    /// As it was found.
    pub state: State,
    version: Version,
    /// What is left to be read.
    pub plan: ReadPlan,
    /// Set when its rows turn out not to be what was written.
    pub damaged: OnceLock<()>,
}

/// The tables (`database/collection`, folded) for which something is staged, from one listing for the whole run.
pub async fn staged_tables(lake: &Lake) -> Result<HashSet<String>> {
    let root = layout::staged_root();
    let mut tables = HashSet::new();
    let mut listing = lake.list(&root);
    while let Some(object) = listing.try_next().await? {
        let table =
            object.key.strip_prefix(&root).and_then(|key| key.match_indices('/').nth(1).map(|(end, _)| &key[..end]));
        tables.extend(table.map(str::to_owned));
    }
    Ok(tables)
}

/// Finds what a run that died has staged of a collection that this run holds, if it can go on with it; removes what it
/// cannot use.
///
/// `finishing` is the run whose journal was found: it may have put its schema on record before it died.
pub async fn find(
    lake: &Lake,
    ns: &Namespace,
    lease: &Lease,
    basis: &Basis,
    bound: &Bound,
    now_ms: i64,
    finishing: Option<&str>,
) -> Result<Option<Resume>> {
    let objects = listed(lake, ns).await?;
    if objects.is_empty() {
        return Ok(None);
    }
    let found = match state::load::<State>(lake, &layout::staged_key(ns), FORMAT).await {
        Ok(found) => found,
        // A cache that cannot be read has no value, unless it is a newer program's.
        Err(e) if e.kind() == Kind::Unavailable => return Err(e),
        Err(_) => None,
    };
    let usable = found.and_then(|(state, version)| {
        let plan = ReadPlan::from_bytes(&BASE64_STANDARD.decode(&state.plan).ok()?).ok()?;
        let fits = state.fits(basis, bound, now_ms, finishing) && state.is_whole(ns, &objects);
        fits.then_some(Resume { state, version, plan, damaged: OnceLock::new() })
    });
    let Some(resume) = usable else {
        tracing::info!(collection = %ns, "what an earlier run staged is of no use any more; reading from the start");
        discard(lake, ns, lease).await?;
        return Ok(None);
    };
    // Rows staged after the last state count for nothing, and will be read again.
    let known: HashSet<String> = resume.state.objects.iter().map(|staged| key_of(ns, staged)).collect();
    let state_key = layout::staged_key(ns);
    for object in objects.values().filter(|object| object.key != state_key && !known.contains(&object.key)) {
        lease.check()?;
        lake.delete(&object.key, Expect::Version(object.version.clone())).await?;
    }
    tracing::warn!(
        collection = %ns, run = %resume.state.run_id, documents = resume.state.totals.documents,
        "a run died while it read; going on where it was"
    );
    Ok(Some(resume))
}

/// Removes everything staged of a collection that this run holds, the state first: rows without one mean nothing.
pub async fn discard(lake: &Lake, ns: &Namespace, lease: &Lease) -> Result<()> {
    let mut objects = listed(lake, ns).await?;
    if objects.is_empty() {
        return Ok(());
    }
    reach(KillPoint::BeforeStagedRemoved);
    let state = objects.remove(&layout::staged_key(ns));
    for (number, object) in state.into_iter().chain(objects.into_values()).enumerate() {
        lease.check()?;
        lake.delete(&object.key, Expect::Version(object.version)).await?;
        if number == 0 {
            reach(KillPoint::MidStagedRemoved);
        }
    }
    reach(KillPoint::AfterStagedRemoved);
    Ok(())
}

async fn listed(lake: &Lake, ns: &Namespace) -> Result<HashMap<String, Object>> {
    let prefix = layout::staged_prefix(ns);
    lake.list(&prefix).map_ok(|object| (object.key.clone(), object)).try_collect().await
}

fn key_of(ns: &Namespace, staged: &Staged) -> String {
    format!("{}{}", layout::staged_prefix(ns), staged.name)
}

impl State {
    /// Whether a run with this `basis` and `bound` may go on with what was staged.
    fn fits(&self, basis: &Basis, bound: &Bound, now_ms: i64, finishing: Option<&str>) -> bool {
        // A run that died while it published has put the schema on record that its staged rows have.
        let schema = self.basis.schema == basis.schema || finishing == Some(self.run_id.as_str());
        let same = Basis { schema: basis.schema.clone(), ..self.basis.clone() } == *basis;
        let clock = self.watermark.is_some() == bound.time_ms.is_some()
            && self.operation_time.is_some() == bound.operation_time.is_some();
        // Staged rows of a cluster that was set back since then are of documents that are no more.
        let clock = clock && self.operation_time <= bound.operation_time;
        let age = u128::from(now_ms.abs_diff(self.begun_at));
        same && schema && clock && age <= KEPT_FOR.as_millis()
    }

    /// Whether every object it names is there as it was written.
    fn is_whole(&self, ns: &Namespace, objects: &HashMap<String, Object>) -> bool {
        self.objects.iter().all(|staged| {
            objects.get(&key_of(ns, staged)).is_some_and(|object| object.version.as_str() == staged.version)
        })
    }
}

impl Resume {
    /// Keys of the objects of rows, in the order they were read.
    pub fn keys(&self, ns: &Namespace) -> Vec<String> {
        self.state.objects.iter().map(|staged| key_of(ns, staged)).collect()
    }

    /// The bytes of one of them.
    ///
    /// # Errors
    /// [`Kind::Lake`] when it is gone or cannot be read.
    pub async fn object(&self, lake: &Lake, key: &str) -> Result<bytes::Bytes> {
        let gone = || Error::new(Kind::Lake, format!("{key} is gone"));
        Ok(lake.get(key).await.or_error(Kind::Lake, "read staged rows")?.ok_or_else(gone)?.0)
    }
}
