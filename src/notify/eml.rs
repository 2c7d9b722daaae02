//! The report as a mail message, and as a file that any mail program opens: byte for byte what is sent elsewhere.

use super::channel::{Channel, Report};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::record::RunRecord;
use crate::model::settings::{MailSettings, Rules};
use async_trait::async_trait;
use lettre::Message;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Builds the message: `multipart/alternative`, text first, then the page with its pictures; dated and named after the
/// run.
///
/// # Errors
/// `Kind::Notify` when an address is missing or is none.
pub(super) fn message(report: &Report<'_>, settings: &MailSettings) -> Result<Message> {
    let Report { record, mail, .. } = report;
    let from = settings.from.as_deref().ok_or_else(|| {
        Error::new(Kind::Notify, "no sender").hint("set `from` in the [mail] section of the environment file")
    })?;
    let mut builder = Message::builder()
        .from(address(from)?)
        .subject(mail.subject.clone())
        .message_id(Some(format!("<{}@lakefold>", record.run_id)));
    if let Ok(finished) = chrono::DateTime::parse_from_rfc3339(&record.finished_at) {
        builder = builder.date(finished.into());
    }
    for to in &settings.to {
        builder = builder.to(address(to)?);
    }
    for reply_to in &settings.reply_to {
        builder = builder.reply_to(address(reply_to)?);
    }
    // Boundaries made from the run's name: the same record gives the same message.
    let boundary = |part: &str| format!("lakefold-{part}-{}", record.run_id);
    let mut page = MultiPart::related().boundary(boundary("page")).singlepart(SinglePart::html(mail.html.clone()));
    for picture in &mail.pictures {
        let kind = ContentType::parse("image/png").or_error(Kind::Notify, "build the mail")?;
        let name = format!("{}.png", picture.name);
        page = page.singlepart(Attachment::new_inline_with_name(picture.cid(), name).body(picture.png.clone(), kind));
    }
    builder
        .multipart(
            MultiPart::alternative()
                .boundary(boundary("mail"))
                .singlepart(SinglePart::plain(mail.text.clone()))
                .multipart(page),
        )
        .or_error(Kind::Notify, "build the mail")
}

/// One mail address of the environment file.
pub(super) fn address(text: &str) -> Result<Mailbox> {
    text.parse().or_error(Kind::Notify, format!("mail address {text}"))
}

/// Writes each report as `<dir>/<run_id>.eml`.
pub(super) struct MailFile {
    settings: MailSettings,
}

impl MailFile {
    pub(super) fn new(settings: &MailSettings) -> Self {
        Self { settings: settings.clone() }
    }
}

#[async_trait]
impl Channel for MailFile {
    fn name(&self) -> &str {
        "mail"
    }

    fn rules(&self) -> &Rules {
        &self.settings.when
    }

    async fn send(&self, report: &Report<'_>) -> Result<()> {
        let path = write(&message(report, &self.settings)?, &self.settings.dir, report.record)?;
        tracing::info!(path = %path.display(), "mail written");
        Ok(())
    }
}

/// Writes the message; the file is there whole or not at all.
fn write(message: &Message, dir: &Path, record: &RunRecord) -> Result<PathBuf> {
    let path = dir.join(format!("{}.eml", record.run_id));
    whole_file(&path, &message.formatted())?;
    Ok(path)
}

/// Puts `bytes` at `path` in one step, so that whoever reads the file never sees half of it.
///
/// # Errors
/// `Kind::Notify` naming the folder or file that could not be written.
pub(super) fn whole_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = dir.display();
    std::fs::create_dir_all(dir)
        .or_error(Kind::Notify, format!("create folder {shown}"))
        .map_err(|e| e.hint("make room or give this user the right to write there"))?;
    let mut aside = tempfile::Builder::new()
        .prefix(".lakefold-")
        .tempfile_in(dir)
        .or_error(Kind::Notify, format!("create a file in {shown}"))?;
    aside
        .write_all(bytes)
        .and_then(|()| readable_by_all(aside.as_file()))
        .and_then(|()| aside.as_file().sync_all())
        .or_error(Kind::Notify, format!("write {}", path.display()))?;
    aside.persist(path).or_error(Kind::Notify, format!("write {}", path.display()))?;
    Ok(())
}

/// A temporary file is its owner's alone; what is written here is for others (a mail program, node_exporter).
fn readable_by_all(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}
