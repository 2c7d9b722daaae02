//! The report of a run that is over: as a page, or told again.

use super::history;
use crate::error::Result;
use crate::lake::{Expect, Lake, layout, state};
use crate::model::record::{NotificationRecord, RunRecord};
use crate::model::settings::Settings;
use crate::notify;

/// The record of `run_id`, or of the last run.
///
/// # Errors
/// `Kind::Input` when there is no such run, else what reading the lake ends with.
pub async fn record(settings: &Settings, run_id: Option<&str>) -> Result<RunRecord> {
    let lake = Lake::open(&settings.lake).await?;
    Ok(history::of_run(&lake, settings, run_id).await?.0)
}

/// The HTML page of `run_id`, or of the last run.
///
/// # Errors
/// As [`record`].
pub async fn page(settings: &Settings, run_id: Option<&str>) -> Result<String> {
    let lake = Lake::open(&settings.lake).await?;
    let (record, _, before) = history::of_run(&lake, settings, run_id).await?;
    notify::page(&record, &before)
}

/// Tells those again who could not be told of `run_id`, or everybody when all were, and notes how that went in its
/// record.
///
/// # Errors
/// As [`record`].
pub async fn send(settings: &Settings, run_id: Option<&str>) -> Result<Vec<NotificationRecord>> {
    let lake = Lake::open(&settings.lake).await?;
    let (mut record, version, before) = history::of_run(&lake, settings, run_id).await?;
    let told = notify::tell_again(settings, &record, &before).await;
    for news in &told {
        match record.notifications.iter_mut().find(|old| old.channel == news.channel) {
            Some(old) => old.outcome.clone_from(&news.outcome),
            None => record.notifications.push(news.clone()),
        }
    }
    state::store(&lake, &layout::run_key(&record.run_id), &record, Expect::unchanged(Some(version))).await?;
    Ok(told)
}
