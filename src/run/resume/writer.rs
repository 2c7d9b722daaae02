//! Keeps what a full read has brought so far, while it goes on.

use super::{Basis, FORMAT, Resume, RowsWriter, Staged, State};
use crate::error::{Kind, Result, ResultExt};
use crate::extract::Described;
use crate::kill_point::{KillPoint, bent, reach};
use crate::lake::{Expect, Lake, Lease, Version, layout, state};
use crate::model::collection::Namespace;
use crate::model::read_plan::{Position, ReadPlan};
use crate::model::table::TableSchema;
use crate::model::window::OperationTime;
use crate::run::read::Totals;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Bytes of one object of rows, about: one request, and little memory when it is read again.
const OBJECT_BYTES: usize = 4 << 20;

/// BSON read between two states.
const STATE_EVERY_BYTES: u64 = 256 << 20;

/// What a collection must have for any of this to be worth it: less is read again in the time that keeping it takes.
const WORTH_BYTES: u64 = 2 << 30;

/// Time between two states: a slow source must not lose hours either.
const STATE_EVERY: Duration = Duration::from_secs(60);

/// Objects on their way at once while the read goes on.
const IN_FLIGHT: usize = 2;

/// Whether a full read of a collection like this one, at `rate` bytes a second at most, is staged at all.
pub fn is_worth_it(described: &Described, rate: Option<u64>) -> bool {
    let soon = rate.map_or(WORTH_BYTES, |rate| rate.saturating_mul(STATE_EVERY.as_secs()).min(WORTH_BYTES));
    let worth = bent("LAKEFOLD_STATE_EVERY_BYTES").unwrap_or(soon);
    described.bytes.is_some_and(|bytes| bytes >= worth)
}

fn state_every_bytes() -> u64 {
    bent("LAKEFOLD_STATE_EVERY_BYTES").unwrap_or(STATE_EVERY_BYTES)
}

/// What the first attempt of a read was asked to do.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Milliseconds since 1970, UTC.
    pub at_ms: i64,
    /// What the watermark becomes.
    pub watermark: Option<i64>,
    /// The source's logical time of that bound.
    pub operation_time: Option<OperationTime>,
    /// What the rows depend on.
    pub basis: Basis,
}

/// The staging of one full read.
pub struct Staging<'a> {
    lake: &'a Lake,
    ns: &'a Namespace,
    lease: &'a Lease,
    run_id: &'a str,
    begun: Begun,
    plan: ReadPlan,
    /// Of earlier attempts, in the order they were read.
    earlier: Vec<Staged>,
    /// Of this run, by number.
    objects: BTreeMap<u64, Staged>,
    /// Of the state this run has found or written.
    version: Option<Version>,
    uploads: JoinSet<Result<(u64, Staged)>>,
    numbered: u64,
    unsaved_bytes: u64,
    saved_at: Instant,
}

impl<'a> Staging<'a> {
    /// The staging of a read along `plan` that begins now, or goes on with `resume`.
    pub fn new(
        lake: &'a Lake,
        ns: &'a Namespace,
        lease: &'a Lease,
        run_id: &'a str,
        begun: Begun,
        plan: ReadPlan,
        resume: Option<&Resume>,
    ) -> Self {
        let begun = match resume {
            Some(Resume { state, .. }) => Begun {
                at_ms: state.begun_at,
                watermark: state.watermark,
                operation_time: state.operation_time,
                basis: begun.basis,
            },
            None => begun,
        };
        Self {
            lake,
            ns,
            lease,
            run_id,
            begun,
            plan,
            earlier: resume.map(|resume| resume.state.objects.clone()).unwrap_or_default(),
            objects: BTreeMap::new(),
            version: resume.map(|resume| resume.version.clone()),
            uploads: JoinSet::new(),
            numbered: 0,
            unsaved_bytes: 0,
            saved_at: Instant::now(),
        }
    }

    /// `bytes` of BSON more have been read and are among the rows collected.
    pub fn read(&mut self, bytes: u64, position: Option<Position>) {
        self.unsaved_bytes += bytes;
        if let Some(position) = position {
            self.plan.advance(position);
        }
    }

    /// Whether the rows collected fill an object.
    pub fn fills(&self, rows: &RowsWriter) -> bool {
        rows.len() >= OBJECT_BYTES
    }

    /// Whether it is time for a state.
    pub fn is_due(&self) -> bool {
        self.unsaved_bytes >= state_every_bytes() || self.saved_at.elapsed() >= STATE_EVERY
    }

    /// Sends an object of rows on its way, while the read goes on.
    ///
    /// # Errors
    /// When this one or an earlier one could not be written.
    pub async fn put(&mut self, rows: Bytes) -> Result<()> {
        while self.uploads.len() >= IN_FLIGHT {
            self.join().await?;
        }
        self.lease.check()?;
        let number = self.numbered;
        let name = format!("{}/{number:06}.rows", self.run_id);
        self.numbered += 1;
        let (lake, key) = (self.lake.clone(), format!("{}{name}", layout::staged_prefix(self.ns)));
        self.uploads.spawn(async move {
            reach(KillPoint::BeforeStagedRows);
            let version = lake.put(&key, rows, Expect::Absent).await?;
            reach(KillPoint::AfterStagedRows);
            Ok((number, Staged { name, version: version.as_str().to_owned() }))
        });
        Ok(())
    }

    /// Makes everything read so far count: what was collected is in objects by now.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when another run has taken over meanwhile.
    pub async fn save(&mut self, table: &TableSchema, partitions: &[String], totals: Totals) -> Result<()> {
        while !self.uploads.is_empty() {
            self.join().await?;
        }
        self.lease.check()?;
        let state = State {
            format: FORMAT,
            run_id: self.run_id.to_owned(),
            begun_at: self.begun.at_ms,
            watermark: self.begun.watermark,
            operation_time: self.begun.operation_time,
            basis: self.begun.basis.clone(),
            plan: BASE64_STANDARD.encode(self.plan.to_bytes()?),
            objects: self.earlier.iter().chain(self.objects.values()).cloned().collect(),
            table: table.clone(),
            partitions: partitions.to_vec(),
            totals,
        };
        reach(KillPoint::BeforeResumeState);
        let expect = Expect::unchanged(self.version.take());
        self.version = Some(state::store(self.lake, &layout::staged_key(self.ns), &state, expect).await?);
        reach(KillPoint::AfterResumeState);
        self.unsaved_bytes = 0;
        self.saved_at = Instant::now();
        Ok(())
    }

    async fn join(&mut self) -> Result<()> {
        if let Some(ended) = self.uploads.join_next().await {
            let (number, staged) = ended.or_error(Kind::Invariant, "stage rows")??;
            self.objects.insert(number, staged);
        }
        Ok(())
    }
}
