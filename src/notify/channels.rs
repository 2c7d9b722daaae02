//! From settings to channels: one object for each that is configured.

use super::channel::Channel;
use super::eml::MailFile;
use super::metrics::{Pushgateway, Textfile};
use super::ses::{Ses, SesProbe};
use super::smtp::Smtp;
use super::webhook::{Target, Webhook};
use crate::aws::Aws;
use crate::model::finding::Probe;
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

/// What of the channels can be tried without telling anybody anything.
pub(super) fn probes(settings: &Settings) -> Vec<Box<dyn Probe>> {
    let mut probes: Vec<Box<dyn Probe>> = Vec::new();
    match settings.mail.transport {
        MailTransport::Smtp => probes.push(Box::new(Smtp::new(&settings.mail))),
        MailTransport::Ses => probes.push(Box::new(SesProbe::new(&settings.mail, Aws::of_process()))),
        MailTransport::None | MailTransport::File => {}
    }
    for webhook in &settings.webhooks {
        let (what, url) = (webhook.name.clone(), webhook.url.clone());
        probes.push(Box::new(Target { subject: "webhook", what, key: "url", url }));
    }
    if let Some(url) = &settings.metrics.pushgateway {
        let (what, url) = ("pushgateway".to_owned(), url.clone());
        probes.push(Box::new(Target { subject: "metrics", what, key: "pushgateway", url }));
    }
    probes
}
