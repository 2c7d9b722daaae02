//! `[[webhook]]` and `[metrics]`: who is told of a run besides the mail.

use super::document::{Reader, Section, Text};
use super::rules::{self, WHEN};
use super::{choice, is_http};
use crate::model::secret::Secret;
use crate::model::settings::{MetricsSettings, WebhookKind, WebhookSettings};
use std::path::PathBuf;

const WEBHOOK_KEYS: [&str; 6] = ["kind", "name", "url", "token", "chat", WHEN];

const KINDS: [(&str, WebhookKind); 3] =
    [("slack", WebhookKind::Slack), ("telegram", WebhookKind::Telegram), ("json", WebhookKind::Json)];

/// Where Telegram's bots live.
const TELEGRAM: &str = "https://api.telegram.org";

/// Names that other channels have in the run record.
const TAKEN: [&str; 3] = ["mail", "textfile", "pushgateway"];

/// Every `[[webhook]]`, checked.
pub(super) fn webhooks(reader: &mut Reader<'_>, root: &Section<'_>) -> Vec<WebhookSettings> {
    let mut found: Vec<WebhookSettings> = Vec::new();
    for section in reader.sections(root, "webhook", &WEBHOOK_KEYS) {
        let Some(webhook) = webhook(reader, &section) else { continue };
        if found.iter().any(|other| other.name == webhook.name) || TAKEN.contains(&webhook.name.as_str()) {
            reader
                .problem(&section, "name", format_args!("another channel is called `{}`", webhook.name))
                .hint("give each webhook a `name` of its own");
        }
        found.push(webhook);
    }
    found
}

fn webhook(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<WebhookSettings> {
    reader.require(section, "kind", "\"slack\"");
    let kind = choice(reader, section, "kind", &KINDS);
    let name = reader.string(section, "name").map(|name| name.value);
    let url = reader.string(section, "url");
    let token = reader.string(section, "token");
    let chat = reader.string(section, "chat").map(|chat| chat.value);
    let when = rules::read(reader, section);
    let kind = kind?;
    match kind {
        WebhookKind::Telegram => {
            reader.require(section, "token", "\"${TELEGRAM_TOKEN}\"");
            reader.require(section, "chat", "\"-1001234567890\"");
        }
        WebhookKind::Slack | WebhookKind::Json => {
            reader.require(section, "url", "\"${WEBHOOK_URL}\"");
            reader.refuse(section, "chat", "is a key of `kind = \"telegram\"`");
        }
    }
    if kind == WebhookKind::Slack {
        reader.refuse(section, "token", "is in Slack's url already");
    }
    let url = match url {
        Some(url) => checked_url(reader, url),
        None => TELEGRAM.to_owned(),
    };
    let word = KINDS.iter().find(|(_, known)| *known == kind).map_or("webhook", |(word, _)| word);
    Some(WebhookSettings {
        name: name.unwrap_or_else(|| word.to_owned()),
        kind,
        url: Secret::new(url),
        token: token.map(|token| Secret::new(token.value)),
        chat,
        when,
    })
}

/// `[metrics]`, checked.
pub(super) fn metrics(reader: &mut Reader<'_>, root: &Section<'_>) -> MetricsSettings {
    let section = reader.section(root, "metrics", &["textfile", "pushgateway"]);
    let textfile = reader.string(&section, "textfile");
    if let Some(file) = textfile.as_ref().filter(|file| !file.value.ends_with(".prom")) {
        reader
            .reject(file, "does not end in `.prom`, and the textfile collector reads no other file")
            .hint("write a path such as `/var/lib/node_exporter/textfile/lakefold-prod.prom`");
    }
    let pushgateway = reader.string(&section, "pushgateway").map(|url| checked_url(reader, url));
    MetricsSettings {
        textfile: textfile.map(|file| PathBuf::from(file.value)),
        pushgateway: pushgateway.map(Secret::new),
    }
}

/// The URL, which no message shows: it is often a secret itself.
fn checked_url(reader: &mut Reader<'_>, url: Text) -> String {
    if !is_http(&url.value) {
        reader.reject(&url, "is no web address").hint("write `https://host/path` or `http://host/path`");
    }
    url.value
}
