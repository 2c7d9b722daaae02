//! What all channels share: a name, rules, one way to be told, and a bound on the time that may take.

use super::SENT;
use super::mail::Mail;
use super::rules;
use crate::error::{Error, Kind, Result};
use crate::model::record::{NotificationRecord, RunRecord};
use crate::model::settings::Rules;
use async_trait::async_trait;
use futures::future::join_all;
use std::time::Duration;

/// How long one channel may take. Channels are told at the same time, so it is also what a run ends later at most.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// A run as channels tell it.
pub(super) struct Report<'a> {
    /// The run; its notifications are those of the channels told before.
    pub(super) record: &'a RunRecord,
    /// The runs before it, oldest first.
    pub(super) history: &'a [RunRecord],
    /// Subject, text, page and pictures.
    pub(super) mail: Mail,
}

/// Somebody, or something, that is told of runs.
#[async_trait]
pub(super) trait Channel: Send + Sync {
    /// What the run record calls it.
    fn name(&self) -> &str;

    /// Which runs it is told of.
    fn rules(&self) -> &Rules;

    /// Whether it is told of this one.
    fn wants(&self, record: &RunRecord) -> bool {
        rules::hold(self.rules(), record)
    }

    /// Tells it. A failure changes nothing but the channel's entry in the record (P8).
    async fn send(&self, report: &Report<'_>) -> Result<()>;
}

/// Tells all `channels` at the same time, each for `limit` at most; one entry per channel, in their order.
pub(super) async fn tell(channels: &[&dyn Channel], report: &Report<'_>, limit: Duration) -> Vec<NotificationRecord> {
    let told = channels.iter().map(|channel| async move {
        let sent = match tokio::time::timeout(limit, channel.send(report)).await {
            Ok(sent) => sent,
            Err(_) => Err(Error::new(Kind::Notify, format!("no answer within {} s", limit.as_secs_f64()))
                .hint("see whether the server answers from this machine")),
        };
        outcome(channel.name(), sent)
    });
    join_all(told).await
}

/// A channel's entry in the record; a failure is also logged, because the record may be all that is left of it.
pub(super) fn outcome(channel: &str, sent: Result<()>) -> NotificationRecord {
    let outcome = match sent {
        Ok(()) => SENT.to_owned(),
        Err(error) => {
            let text = error.in_one_line();
            tracing::warn!(channel, "{text}");
            text
        }
    };
    NotificationRecord { channel: channel.to_owned(), outcome }
}
