//! Webhooks: the verdict, what failed and how to rerun it, in the words of whoever listens.

mod json;
mod probe;
mod slack;
mod telegram;
#[cfg(test)]
mod tests;

pub(super) use probe::Target;

use super::channel::{Channel, Report};
use super::http;
use crate::error::{Error, Kind, Result};
use crate::model::settings::{Rules, WebhookKind, WebhookSettings};
use async_trait::async_trait;

/// Failures told one by one; chats are no place for more.
const TROUBLES_TOLD: usize = 5;

/// Schema changes and warnings told one by one.
const NOTES_TOLD: usize = 5;

/// One `[[webhook]]`.
pub(super) struct Webhook {
    settings: WebhookSettings,
}

impl Webhook {
    pub(super) fn new(settings: &WebhookSettings) -> Self {
        Self { settings: settings.clone() }
    }
}

#[async_trait]
impl Channel for Webhook {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn rules(&self) -> &Rules {
        &self.settings.when
    }

    async fn send(&self, report: &Report<'_>) -> Result<()> {
        let WebhookSettings { kind, url, token, chat, .. } = &self.settings;
        let client = http::client()?;
        let mut secrets = vec![url];
        secrets.extend(token);
        let request = match kind {
            WebhookKind::Slack => client.post(url.expose()).json(&slack::body(report)),
            WebhookKind::Json => {
                let request = client.post(url.expose()).json(&json::body(report));
                match token {
                    Some(token) => request.bearer_auth(token.expose()),
                    None => request,
                }
            }
            WebhookKind::Telegram => {
                let (Some(token), Some(chat)) = (token, chat) else {
                    return Err(Error::new(Kind::Notify, "no bot").hint("set `token` and `chat` of the webhook"));
                };
                let address = format!("{}/bot{}/sendMessage", url.expose().trim_end_matches('/'), token.expose());
                client.post(address).json(&telegram::body(report, chat))
            }
        };
        http::send(request, &secrets).await
    }
}

/// `, and N more` below a list that shows `shown` of `all`.
fn rest(all: usize, shown: usize) -> Option<String> {
    all.checked_sub(shown).filter(|more| *more > 0).map(|more| format!("and {more} more, in the mail"))
}

/// The first `most` characters, with a sign that there was more.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept + "…"
}
