//! 6. Tells people how a run went: the summary on the terminal, the mail.
//!
//! Everything shown is worked out from the run record alone, so that terminal, mail and `--json` cannot disagree.
//! Nothing here changes what a run did: a channel that fails is recorded and that is all (P8). No document content
//! is shown; the record holds none (P10).

mod changes;
mod check_list;
mod command;
mod ddl;
mod digest;
mod eml;
pub mod mail;
mod plan_table;
mod schema_table;
mod status_table;
mod summary;
mod table;
#[cfg(test)]
mod tests;
mod verdict;
pub(crate) mod words;

pub use check_list::check_list;
pub use ddl::ddl;
pub use plan_table::plan_table;
pub use schema_table::schema_table;
pub use status_table::status_table;
pub use summary::summary;

use crate::error::Result;
use crate::model::record::{NotificationRecord, RunRecord};
use crate::model::settings::{MailSettings, MailTransport};

/// Outcome of a channel that did its part; any other text says why it did not.
pub const SENT: &str = "sent";

/// Tells every channel that is set about `record`; returns one entry per channel.
pub fn notify(settings: &MailSettings, record: &RunRecord) -> Vec<NotificationRecord> {
    match settings.transport {
        MailTransport::None => Vec::new(),
        MailTransport::File => vec![told("mail", mail_file(settings, record))],
    }
}

fn mail_file(settings: &MailSettings, record: &RunRecord) -> Result<()> {
    let message = eml::message(mail::render(record)?, settings, record)?;
    let path = eml::write(&message, settings, record)?;
    tracing::info!(path = %path.display(), "mail written");
    Ok(())
}

/// A channel's entry in the record; a failure is also logged, because the record may be all that is left of it.
fn told(channel: &str, result: Result<()>) -> NotificationRecord {
    let outcome = match result {
        Ok(()) => SENT.to_owned(),
        Err(error) => {
            let text = match error.hint_text() {
                Some(hint) => format!("{error}; {hint}"),
                None => error.to_string(),
            };
            tracing::warn!(channel, "{text}");
            text
        }
    };
    NotificationRecord { channel: channel.to_owned(), outcome }
}
