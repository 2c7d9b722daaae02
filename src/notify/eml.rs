//! A mail as a file: what any mail program opens, and what a later transport would send byte for byte.

use super::mail::Mail;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::record::RunRecord;
use crate::model::settings::MailSettings;
use lettre::Message;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use std::io::Write as _;
use std::path::PathBuf;

/// Builds the message: `multipart/alternative`, text first, dated and named after the run.
///
/// # Errors
/// `Kind::Notify` when an address is missing or is none.
pub(super) fn message(mail: Mail, settings: &MailSettings, record: &RunRecord) -> Result<Message> {
    let from = settings.from.as_deref().ok_or_else(|| {
        Error::new(Kind::Notify, "no sender").hint("set `from` in the [mail] section of the environment file")
    })?;
    let mut builder = Message::builder()
        .from(address(from)?)
        .subject(mail.subject)
        .message_id(Some(format!("<{}@lakefold>", record.run_id)));
    if let Ok(finished) = chrono::DateTime::parse_from_rfc3339(&record.finished_at) {
        builder = builder.date(finished.into());
    }
    for to in &settings.to {
        builder = builder.to(address(to)?);
    }
    builder
        .multipart(
            MultiPart::alternative()
                // A boundary made from the run's name: the same record gives the same file.
                .boundary(format!("lakefold-{}", record.run_id))
                .singlepart(SinglePart::plain(mail.text))
                .singlepart(SinglePart::html(mail.html)),
        )
        .or_error(Kind::Notify, "build the mail")
}

/// Writes `<dir>/<run_id>.eml`; the file is there whole or not at all.
///
/// # Errors
/// `Kind::Notify` naming the folder or file that could not be written.
pub(super) fn write(message: &Message, settings: &MailSettings, record: &RunRecord) -> Result<PathBuf> {
    let dir = &settings.dir;
    let shown = dir.display();
    std::fs::create_dir_all(dir).or_error(Kind::Notify, format!("create folder {shown}"))?;
    let path = dir.join(format!("{}.eml", record.run_id));
    let mut aside = tempfile::Builder::new()
        .prefix(".lakefold-")
        .tempfile_in(dir)
        .or_error(Kind::Notify, format!("create a file in {shown}"))?;
    aside
        .write_all(&message.formatted())
        .and_then(|()| aside.as_file().sync_all())
        .or_error(Kind::Notify, format!("write {}", path.display()))?;
    aside.persist(&path).or_error(Kind::Notify, format!("write {}", path.display()))?;
    Ok(path)
}

fn address(text: &str) -> Result<Mailbox> {
    text.parse().or_error(Kind::Notify, format!("mail address {text}"))
}
