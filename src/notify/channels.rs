//! From settings to channels: one object for each that is configured.

use super::channel::Channel;
use super::eml::MailFile;
use super::metrics::{Pushgateway, Textfile};
use super::ses::Ses;
use super::smtp::Smtp;
use super::webhook::Webhook;
use crate::aws::Aws;
use crate::model::settings::{MailTransport, Rules, Settings};

/// Told of every run: a gauge that is not written looks like a machine that is down.
pub(super) const EVERY_RUN: Rules = Rules { always: true, failure: false, schema_change: false, lag: None };

/// Those who read what they are told: the mail, then the webhooks in the order of the file.
pub(super) fn people(settings: &Settings) -> Vec<Box<dyn Channel>> {
    let mut channels: Vec<Box<dyn Channel>> = Vec::new();
    match settings.mail.transport {
        MailTransport::None => {}
        MailTransport::File => channels.push(Box::new(MailFile::new(&settings.mail))),
        MailTransport::Smtp => channels.push(Box::new(Smtp::new(&settings.mail))),
        MailTransport::Ses => channels.push(Box::new(Ses::new(&settings.mail, &settings.lake.url, Aws::of_process()))),
    }
    for webhook in &settings.webhooks {
        channels.push(Box::new(Webhook::new(webhook)));
    }
    channels
}

/// Where numbers go.
pub(super) fn metrics(settings: &Settings) -> Vec<Box<dyn Channel>> {
    let mut channels: Vec<Box<dyn Channel>> = Vec::new();
    if let Some(path) = &settings.metrics.textfile {
        channels.push(Box::new(Textfile::new(path)));
    }
    if let Some(url) = &settings.metrics.pushgateway {
        channels.push(Box::new(Pushgateway::new(url)));
    }
    channels
}
