//! A run that came to nothing because the source or the lake could not be used: its tables are not up to date, and
//! whoever waits for a mail must hear of it all the same.

use super::{clock, history};
use crate::cli::exit;
use crate::error::Error;
use crate::lake::{Expect, Lake, layout, state};
use crate::model::collection::CollectionSpec;
use crate::model::record::{self, CollectionRecord, RunRecord};
use crate::model::settings::Settings;
use crate::notify;
use chrono::{DateTime, Utc};

/// Tells all channels that none of `specs` was attempted, and why; the record is stored when the lake was reached.
///
/// Nothing that fails here changes how the run ends: it has failed already, and for a better reason.
pub async fn tell(
    settings: &Settings,
    specs: &[CollectionSpec],
    error: &Error,
    lake: Option<&Lake>,
    (run_id, started): (&str, DateTime<Utc>),
) {
    let failed = |spec: &CollectionSpec| CollectionRecord {
        reason: Some(error.explained()),
        ..CollectionRecord::begun(&spec.namespace)
    };
    let time = |time: DateTime<Utc>| clock::rfc3339(time.timestamp_millis()).unwrap_or_default();
    let mut record = RunRecord {
        format: record::FORMAT,
        run_id: run_id.to_owned(),
        environment: settings.environment.clone(),
        named: Some(settings.named.clone()).filter(|named| *named != settings.environment),
        started_at: time(started),
        finished_at: time(clock::now()),
        exit_code: exit::of_error(error.kind(), None),
        dry_run: false,
        collections: specs.iter().map(failed).collect(),
        catalog: Vec::new(),
        notifications: Vec::new(),
        requests: lake.map(Lake::requests_record),
    };
    let history = match lake {
        Some(lake) if notify::looks_back(settings, &record) => history::before(lake, run_id).await,
        _ => Vec::new(),
    };
    record.notifications = notify::notify(settings, &record, &history).await;
    if let Some(lake) = lake
        && let Err(error) = state::store(lake, &layout::run_key(run_id), &record, Expect::Any).await
    {
        tracing::warn!("the run record was not stored: {error}");
    }
}
