//! `[mail]`: who gets the report, and which way it goes.

use super::document::{Reader, Section};
use super::rules::{self, WHEN};
use super::{bounded, choice, ses};
use crate::model::secret::Secret;
use crate::model::settings::{MailSettings, MailTransport, SmtpSettings, SmtpTls};
use std::path::PathBuf;

const KEYS: [&str; 11] =
    ["transport", "dir", "from", "to", "reply_to", WHEN, "host", "port", "tls", "user", "password"];

/// Keys that say something only with `transport = "smtp"`.
const SMTP_KEYS: [&str; 5] = ["host", "port", "tls", "user", "password"];

/// Hosts on which a password may travel in the open.
const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The section, checked.
pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> MailSettings {
    let section = reader.section(root, "mail", &[&KEYS[..], &ses::KEYS[..]].concat());
    let transport = transport(reader, &section);
    let dir = reader.string(&section, "dir").map_or_else(|| PathBuf::from("mail"), |dir| PathBuf::from(dir.value));
    let sends = transport != MailTransport::None;
    if sends {
        reader.require(&section, "from", "\"lake@example.org\"");
    }
    let from = reader.string(&section, "from");
    let to = reader.strings(&section, "to");
    if sends {
        reader.require(&section, "to", "[\"data@example.org\"]");
    }
    let reply_to = reader.strings(&section, "reply_to");
    for address in from.iter().chain(&to).chain(&reply_to) {
        if !is_address(&address.value) {
            reader
                .reject(address, format_args!("{} is no mail address", address.shown()))
                .hint("write `name@example.org` or `Name <name@example.org>`");
        }
    }
    MailSettings {
        transport,
        dir,
        from: from.map(|from| from.value),
        to: to.into_iter().map(|to| to.value).collect(),
        reply_to: reply_to.into_iter().map(|address| address.value).collect(),
        smtp: smtp(reader, &section, transport),
        ses: ses::read(reader, &section, transport),
        when: rules::read(reader, &section),
    }
}

fn transport(reader: &mut Reader<'_>, section: &Section<'_>) -> MailTransport {
    if !section.exists() {
        return MailTransport::None;
    }
    let Some(text) = reader.required(section, "transport", "smtp") else {
        return MailTransport::None;
    };
    match text.value.as_str() {
        "none" => MailTransport::None,
        "file" => MailTransport::File,
        "smtp" => MailTransport::Smtp,
        "ses" => MailTransport::Ses,
        _ => {
            reader
                .reject(&text, format_args!("unknown transport {}", text.shown()))
                .hint("write `transport = \"ses\"`, `\"smtp\"`, `\"file\"` or `\"none\"`");
            MailTransport::None
        }
    }
}

fn smtp(reader: &mut Reader<'_>, section: &Section<'_>, transport: MailTransport) -> Option<SmtpSettings> {
    if transport != MailTransport::Smtp {
        for key in SMTP_KEYS.into_iter().filter(|_| transport != MailTransport::None) {
            reader.refuse(section, key, "is a key of `transport = \"smtp\"`");
        }
        return None;
    }
    let host = reader.required(section, "host", "smtp.example.org");
    let words = [("starttls", SmtpTls::StartTls), ("tls", SmtpTls::Tls), ("none", SmtpTls::None)];
    let tls = choice(reader, section, "tls", &words).unwrap_or(SmtpTls::StartTls);
    let usual = match tls {
        SmtpTls::StartTls => 587,
        SmtpTls::Tls => 465,
        SmtpTls::None => 25,
    };
    let port = bounded(reader, section, "port", 1, 65_535).unwrap_or(usual);
    let user = reader.string(section, "user");
    let password = reader.string(section, "password");
    if user.is_some() {
        reader.require(section, "password", "\"${SMTP_PASSWORD}\"");
    }
    let open = tls == SmtpTls::None && !host.as_ref().is_some_and(|host| THIS_MACHINE.contains(&host.value.as_str()));
    if let Some(password) = &password {
        if user.is_none() {
            reader.reject(password, "has no user").hint("add `user = \"NAME\"`");
        } else if open {
            reader
                .reject(password, "would travel in the open, because `tls` is \"none\"")
                .hint("write `tls = \"starttls\"` or `tls = \"tls\"`");
        }
    }
    let login = user.zip(password).map(|(user, password)| (user.value, Secret::new(password.value)));
    Some(SmtpSettings { host: host?.value, port, tls, login })
}

/// Enough of an address to catch slips; the mail builder has the last word.
fn is_address(text: &str) -> bool {
    let bare = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or_default(),
        None => text,
    };
    let halves = bare.split_once('@');
    halves.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
        && !bare.contains(char::is_whitespace)
        && !text.contains(char::is_control)
}
