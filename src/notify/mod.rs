//! 6. Tells people how a run went: the summary on the terminal, the mail and the page, webhooks, metrics.
//!
//! Everything shown is worked out from run records alone, so that terminal, mail and `--json` cannot disagree.
//! Nothing here changes what a run did: a channel that fails is recorded and that is all (P8). No document content
//! is shown; records hold none (P10).
//!
//! ```text
//!  record + the runs before it ─► digest (words) ─┬─► mail.txt   plain text
//!                                                 ├─► mail.html  in the mail, pictures by cid; as a page, SVG inline
//!                                 chart (shapes) ─┘─► picture    SVG to PNG
//!  channels: eml, ses, smtp, webhook, then metrics, which count who could not be told
//! ```

mod amounts;
mod changes;
mod channel;
mod channels;
mod chart;
mod check_list;
mod compared;
mod dashboard;
mod ddl;
mod digest;
mod eml;
mod freshness;
mod http;
pub mod mail;
mod metrics;
mod picture;
mod plan_table;
mod rules;
mod schema_table;
mod ses;
mod smtp;
mod status_table;
mod summary;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod verdict;
mod views;
mod webhook;
pub(crate) mod words;

pub use check_list::check_list;
pub use dashboard::dashboard;
pub use ddl::ddl;
pub use mail::page;
pub use plan_table::plan_table;
pub use schema_table::schema_table;
pub use status_table::status_table;
pub use summary::summary;
pub use views::views;

use crate::model::finding::Probe;
use crate::model::record::{NotificationRecord, RunRecord};
use crate::model::settings::Settings;
use channel::{Channel, LIMIT, Report, outcome, tell};

/// Outcome of a channel that did its part; any other text says why it did not.
pub const SENT: &str = "sent";

/// Runs before this one that the report looks back on, this one included.
pub const RUNS_SHOWN: usize = 30;

/// Tells every channel whose rules hold about `record`; `history` are the runs before it, oldest first. Returns one
/// entry per channel told, and takes [`LIMIT`] for the people and again for the metrics, never more.
pub async fn notify(settings: &Settings, record: &RunRecord, history: &[RunRecord]) -> Vec<NotificationRecord> {
    let people = channels::people(settings);
    let mut told = send(&people, record, history, |channel| channel.wants(record)).await;
    // Metrics come last: they also say who could not be told.
    let mut counted = record.clone();
    counted.notifications.clone_from(&told);
    told.extend(send(&channels::metrics(settings), &counted, history, |_| true).await);
    told
}

/// Whether anybody is told of the run, so that it is worth reading the records of those before it.
pub fn looks_back(settings: &Settings, record: &RunRecord) -> bool {
    let metrics = settings.metrics.textfile.is_some() || settings.metrics.pushgateway.is_some();
    metrics || channels::people(settings).iter().any(|channel| channel.wants(record))
}

/// What of the channels `check` can try: nothing is sent or posted.
pub fn probes(settings: &Settings) -> Vec<Box<dyn Probe>> {
    channels::probes(settings)
}

/// Tells those again who could not be told of `record`, or everybody when all were; one entry per channel told.
pub async fn tell_again(settings: &Settings, record: &RunRecord, history: &[RunRecord]) -> Vec<NotificationRecord> {
    let people = channels::people(settings);
    let untold = |channel: &dyn Channel| {
        record.notifications.iter().any(|told| told.channel == channel.name() && told.outcome != SENT)
    };
    let any = people.iter().any(|channel| untold(channel.as_ref()));
    send(&people, record, history, |channel| !any || untold(channel)).await
}

async fn send(
    channels: &[Box<dyn Channel>],
    record: &RunRecord,
    history: &[RunRecord],
    wanted: impl Fn(&dyn Channel) -> bool,
) -> Vec<NotificationRecord> {
    let wanted: Vec<&dyn Channel> =
        channels.iter().map(|channel| channel.as_ref()).filter(|channel| wanted(*channel)).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    match mail::render(record, history).await {
        Ok(mail) => tell(&wanted, &Report { record, history, mail }, LIMIT).await,
        Err(error) => {
            let text = error.to_string();
            let failed = || Err(crate::error::Error::new(error.kind(), &text));
            wanted.iter().map(|channel| outcome(channel.name(), failed())).collect()
        }
    }
}
