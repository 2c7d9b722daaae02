//! The report by Amazon SES, as the same message that goes elsewhere: text, page and pictures byte for byte.
//!
//! All recipients get it in one call. When SES rejects that, each gets a call of their own, so that one address that is
//! not verified keeps nobody else's report back.

mod probe;

pub(super) use probe::SesProbe;

use super::channel::{Channel, Report};
use super::eml;
use super::mail::Mail;
use crate::aws::Aws;
use crate::error::{Error, Kind, Result};
use crate::model::record;
use crate::model::settings::{MailSettings, Rules, SesSettings};
use async_trait::async_trait;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::Builder;
use aws_sdk_sesv2::error::ProvideErrorMetadata;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, RawMessage};
use lettre::Message;
use minijinja::HtmlEscape;

/// SES takes a message for so many recipients at once.
const RECIPIENTS: usize = 50;

/// What is left of the text of a report that is too large.
const SHORT_TEXT: usize = 4_000;

/// Amazon SES, as this process's credentials and region have it.
pub(super) struct Ses {
    mail: MailSettings,
    settings: SesSettings,
    /// Where the run records are, for a report that is too large to be sent.
    lake_url: String,
    aws: Aws,
}

impl Ses {
    pub(super) fn new(mail: &MailSettings, lake_url: &str, aws: &Aws) -> Self {
        let settings = mail.ses.clone().unwrap_or_default();
        Self { mail: mail.clone(), settings, lake_url: lake_url.trim_end_matches('/').to_owned(), aws: aws.clone() }
    }

    /// The report, shortened when it is larger than allowed.
    fn message(&self, report: &Report<'_>) -> Result<Message> {
        let message = eml::message(report, &self.mail)?;
        if message.formatted().len() as u64 <= self.settings.max_size {
            return Ok(message);
        }
        let link = format!("{}/{}", self.lake_url, record::key(&report.record.run_id));
        let short = Report { record: report.record, history: report.history, mail: shortened(&report.mail, &link) };
        eml::message(&short, &self.mail)
    }

    async fn deliver(&self, client: &Client, message: &[u8], to: &[String]) -> Result<(), Refusal> {
        let raw = RawMessage::builder().data(Blob::new(message)).build();
        let raw = raw.map_err(|_| Refusal::of(None, to))?;
        client
            .send_email()
            .set_from_email_address(self.mail.from.clone())
            .destination(Destination::builder().set_to_addresses(Some(to.to_vec())).build())
            .content(EmailContent::builder().raw(raw).build())
            .set_configuration_set_name(self.settings.configuration_set.clone())
            .send()
            .await
            .map(|_| ())
            .map_err(|e| Refusal::of(e.code(), to))
    }
}

async fn client(aws: &Aws) -> Client {
    Client::from_conf(Builder::from(aws.config().await).interceptor(aws.attempts()).build())
}

#[async_trait]
impl Channel for Ses {
    fn name(&self) -> &str {
        "mail"
    }

    fn rules(&self) -> &Rules {
        &self.mail.when
    }

    async fn send(&self, report: &Report<'_>) -> Result<()> {
        let message = self.message(report)?.formatted();
        let client = client(&self.aws).await;
        let mut refusals = Vec::new();
        for to in self.mail.to.chunks(RECIPIENTS) {
            match self.deliver(&client, &message, to).await {
                Ok(()) => {}
                Err(refusal) if refusal.may_concern_one && to.len() > 1 => {
                    for one in to.chunks(1) {
                        refusals.extend(self.deliver(&client, &message, one).await.err());
                    }
                }
                Err(refusal) => {
                    refusals.push(refusal);
                    break;
                }
            }
        }
        let Some(first) = refusals.first() else { return Ok(()) };
        let texts: Vec<&str> = refusals.iter().map(|refusal| refusal.text.as_str()).collect();
        Err(Error::new(Kind::Notify, texts.join("; ")).context("mail by SES").hint(first.hint))
    }
}

/// The verdict and where to find the rest.
fn shortened(mail: &Mail, link: &str) -> Mail {
    let mut text: String = mail.text.chars().take(SHORT_TEXT).collect();
    if text.len() < mail.text.len() {
        // Whole lines only.
        text.truncate(text.rfind('\n').map_or(text.len(), |end| end + 1));
    }
    let text = format!("{text}\nThis report was too large to be mailed as a whole. The record of the run:\n{link}\n");
    let html = format!("<pre style=\"font-family:inherit;white-space:pre-wrap\">{}</pre>", HtmlEscape(&text));
    Mail { subject: mail.subject.clone(), text, html, pictures: Vec::new() }
}

/// A mail that SES did not take.
struct Refusal {
    text: String,
    hint: &'static str,
    /// Another recipient might be served.
    may_concern_one: bool,
}

impl Refusal {
    /// What the code means; AWS's own words are left out, because they quote addresses and policies.
    fn of(code: Option<&str>, to: &[String]) -> Self {
        let to = to.join(", ");
        let (text, hint, may_concern_one) = match code {
            Some("MessageRejected") => (
                format!("SES rejects the mail to {to}: an address is not verified, or the account is in the sandbox"),
                "verify `from` of [mail] or its domain in this region; in the sandbox every address of `to` too, until \
                 production access is granted",
                true,
            ),
            Some("MailFromDomainNotVerifiedException") => (
                "the sender's domain is not verified".to_owned(),
                "verify the domain's MAIL FROM records in SES",
                false,
            ),
            Some("TooManyRequestsException" | "ThrottlingException" | "Throttling") => (
                "SES was asked too often in too short a time, also after several waits".to_owned(),
                "raise the account's sending rate; the next run mails again",
                false,
            ),
            Some("LimitExceededException") => {
                ("the account's sending quota is used up".to_owned(), "wait for tomorrow, or raise the quota", false)
            }
            Some("AccountSuspendedException") => (
                "the account may not send mail any more".to_owned(),
                "see the account's SES reputation dashboard",
                false,
            ),
            Some("SendingPausedException") => {
                ("sending is paused in this account or configuration set".to_owned(), "resume it in SES", false)
            }
            Some("NotFoundException") => (
                "SES does not know the configuration set, or the sender".to_owned(),
                "check `configuration_set` and `from` of [mail], and the region",
                false,
            ),
            Some("BadRequestException") => {
                (format!("SES does not take an address of the mail to {to}"), "check `from` and `to` of [mail]", true)
            }
            Some(code) if code.contains("AccessDenied") => (
                "no permission to send mail".to_owned(),
                "grant ses:SendRawEmail on the sender's identity, and on the configuration set",
                false,
            ),
            Some(code) => (format!("SES answered {code}"), "see the SES console; the next run mails again", false),
            None => (
                "no answer from SES".to_owned(),
                "check network, region and where this process gets its credentials",
                false,
            ),
        };
        Self { text, hint, may_concern_one }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_one_line_with_what_to_do() {
        let codes = [
            "MessageRejected",
            "MailFromDomainNotVerifiedException",
            "TooManyRequestsException",
            "LimitExceededException",
            "AccountSuspendedException",
            "SendingPausedException",
            "NotFoundException",
            "BadRequestException",
            "AccessDeniedException",
            "Teapot",
        ];
        let to = ["data@example.org".to_owned()];
        let texts: std::collections::BTreeSet<String> =
            codes.into_iter().map(Some).chain([None]).map(|code| Refusal::of(code, &to).text).collect();
        assert_eq!(texts.len(), codes.len() + 1, "each says something of its own");
        assert!(texts.iter().all(|text| !text.contains('\n')));
    }

    #[test]
    fn a_report_that_is_too_large_keeps_its_beginning_and_says_where_the_rest_is() {
        let text = "verdict <ok>\n".repeat(1_000);
        let mail = Mail { subject: "s".into(), text, html: String::new(), pictures: Vec::new() };
        let short = shortened(&mail, "s3://b/_lakefold/runs/R.json");
        assert!(short.text.len() < 4_200 && short.text.starts_with("verdict <ok>\n"), "{}", short.text.len());
        assert!(short.text.ends_with("s3://b/_lakefold/runs/R.json\n") && short.html.contains("verdict &lt;ok&gt;"));
        assert!(short.text.lines().all(|line| line.is_empty() || line.len() > 8), "no half line");
    }
}
