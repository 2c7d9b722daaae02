//! HTTP as channels need it: one request, a short answer, no word about the URL, which is often a secret.

use crate::error::{Error, Kind, Result};
use crate::model::redact;
use crate::model::secret::Secret;
use crate::tls;
use reqwest::{Certificate, Client, RequestBuilder, StatusCode, redirect};
use std::time::Duration;

/// How long a request may take.
const LIMIT: Duration = Duration::from_secs(20);

/// How much of a refusal is shown.
const SHOWN: usize = 200;

/// A client that goes where it is told and nowhere else: a redirection would take what it sends to strangers.
pub(super) fn client() -> Result<Client> {
    let mut builder = Client::builder().timeout(LIMIT).redirect(redirect::Policy::none()).user_agent("lakefold");
    for root in tls::bundled_roots() {
        let root = Certificate::from_der(root).map_err(|e| Error::new(Kind::Notify, describe(e)))?;
        builder = builder.add_root_certificate(root);
    }
    builder.build().map_err(|e| Error::new(Kind::Notify, describe(e)).context("prepare HTTPS"))
}

/// Sends the request; any answer but a success is an error that shows the answer's beginning without `secrets`.
pub(super) async fn send(request: RequestBuilder, secrets: &[&Secret]) -> Result<()> {
    let response = request.send().await.map_err(|e| {
        Error::new(Kind::Notify, describe(e)).hint("check the url, and the way to it from this machine")
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let said = beginning(response).await;
    let said = secrets.iter().fold(said, |said, secret| said.replace(secret.expose(), "…"));
    let text = redact::url_credentials(&said);
    let answer = if text.is_empty() { status.to_string() } else { format!("{status}: {text}") };
    Err(Error::new(Kind::Notify, format!("the server answers {answer}")).hint(advice(status)))
}

/// The first line of the answer's body, as far as it is shown.
async fn beginning(mut response: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= SHOWN {
            break;
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    text.lines().next().unwrap_or_default().chars().take(SHOWN).filter(|c| !c.is_control()).collect()
}

fn advice(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "check the token; it may have been revoked",
        StatusCode::NOT_FOUND | StatusCode::GONE => "check the url; the webhook may have been removed",
        StatusCode::TOO_MANY_REQUESTS => "tell it of fewer runs with `when`",
        status if status.is_redirection() => "write the address it redirects to",
        status if status.is_server_error() => "the server has trouble of its own; later runs will reach it again",
        _ => "check the keys of this channel",
    }
}

/// The error and what lies below it, without the URL.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    redact::url_credentials(&text)
}
