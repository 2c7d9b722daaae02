//! The report by SMTP. Every recipient gets a delivery of their own, so that one full mailbox keeps nobody else's
//! report back.

use super::channel::{Channel, Report};
use super::eml;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::finding::{Finding, Mark, Probe};
use crate::model::redact;
use crate::model::settings::{MailSettings, Rules, SmtpSettings, SmtpTls};
use crate::tls;
use async_trait::async_trait;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{Address, AsyncTransport, Tokio1Executor};
use std::time::Duration;

/// How long the server may take for one step of a delivery.
const STEP_LIMIT: Duration = Duration::from_secs(10);

/// How long all steps of a greeting may take.
const PROBE_LIMIT: Duration = Duration::from_secs(30);

/// Replies of a mailbox or server without room (RFC 5321, 4.2.3).
const NO_ROOM: [&str; 3] = ["452", "552", "422"];

/// Replies that concern the login (RFC 4954, 6).
const LOGIN: [&str; 5] = ["530", "534", "535", "538", "454"];

/// A mail server that takes the report on.
pub(super) struct Smtp {
    settings: MailSettings,
}

impl Smtp {
    pub(super) fn new(settings: &MailSettings) -> Self {
        Self { settings: settings.clone() }
    }

    fn server(&self) -> Result<&SmtpSettings> {
        self.settings.smtp.as_ref().ok_or_else(|| {
            Error::new(Kind::Notify, "no mail server").hint("set `host` in the [mail] section of the environment file")
        })
    }

    /// What a server that would take mail is like.
    async fn greet(&self) -> Result<String> {
        let server = self.server()?;
        let place = format!("{}:{}", server.host, server.port);
        let error = match transport(server)?.test_connection().await {
            Ok(true) => {
                let safe = if server.tls == SmtpTls::None { "without TLS" } else { "by TLS" };
                let login = if server.login.is_some() { " and takes the login" } else { "" };
                return Ok(format!("{place} answers {safe}{login}; nothing was sent"));
            }
            Ok(false) => return judge(&[Failure::gone()], server).map(|()| place),
            Err(error) => error,
        };
        judge(&[Failure::of(None, &error)], server).map(|()| place)
    }
}

#[async_trait]
impl Channel for Smtp {
    fn name(&self) -> &str {
        "mail"
    }

    fn rules(&self) -> &Rules {
        &self.settings.when
    }

    async fn send(&self, report: &Report<'_>) -> Result<()> {
        let message = eml::message(report, &self.settings)?;
        let server = self.server()?;
        let transport = transport(server)?;
        let bytes = message.formatted();
        let mut failures = Vec::new();
        for to in message.envelope().to() {
            let envelope = Envelope::new(message.envelope().from().cloned(), vec![to.clone()])
                .or_error(Kind::Notify, "address the mail")?;
            if let Err(error) = transport.send_raw(&envelope, &bytes).await {
                let failure = Failure::of(Some(to), &error);
                let everybodys = failure.concerns_all;
                failures.push(failure);
                if everybodys {
                    break;
                }
            }
        }
        judge(&failures, server)
    }
}

/// Connects, protects the connection, gives the login and says goodbye; nothing is sent.
#[async_trait]
impl Probe for Smtp {
    async fn probe(&self) -> Vec<Finding> {
        let tried = match tokio::time::timeout(PROBE_LIMIT, self.greet()).await {
            Ok(tried) => tried,
            Err(_) => Err(Error::new(Kind::Notify, format!("no answer within {} s", PROBE_LIMIT.as_secs()))
                .hint("check `host`, `port` and `tls` of [mail], and the way to it")),
        };
        vec![match tried {
            Ok(says) => Finding::new(Mark::Ok, "mail", "server", says),
            Err(error) => Finding::of_error("mail", "server", &error),
        }]
    }
}

fn transport(server: &SmtpSettings) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
    let parameters = || {
        let mut parameters = TlsParameters::builder(server.host.clone());
        for root in tls::bundled_roots() {
            let root = Certificate::from_der(root.to_vec()).or_error(Kind::Notify, "read a root certificate")?;
            parameters = parameters.add_root_certificate(root);
        }
        parameters.build().or_error(Kind::Notify, "prepare TLS")
    };
    let tls = match server.tls {
        SmtpTls::StartTls => Tls::Required(parameters()?),
        SmtpTls::Tls => Tls::Wrapper(parameters()?),
        SmtpTls::None => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
        .port(server.port)
        .tls(tls)
        .timeout(Some(STEP_LIMIT));
    if let Some((user, password)) = &server.login {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

/// A delivery that was not taken.
struct Failure {
    /// `ops@example.org: 452 mailbox full`
    text: String,
    hint: &'static str,
    /// The next recipient would fail the same way.
    concerns_all: bool,
}

impl Failure {
    fn gone() -> Self {
        let text = "the server ends the connection".to_owned();
        Self { text, hint: "check what it accepts from this machine", concerns_all: true }
    }

    /// `to`: whom it was for, when the server got so far.
    fn of(to: Option<&Address>, error: &smtp::Error) -> Self {
        let code = error.status().map(|code| code.to_string()).unwrap_or_default();
        let text = redact::quoted(&error.to_string()).replace("Connection error: Connection error", "connection error");
        let new = |text: String, hint, concerns_all| Self { text, hint, concerns_all };
        match (code.as_str(), to) {
            (code, Some(to)) if NO_ROOM.contains(&code) => {
                new(format!("the mailbox {to} has no room: {text}"), "make room in that mailbox", false)
            }
            (code, _) if LOGIN.contains(&code) => {
                new(format!("the server refuses the login: {text}"), "check `user` and `password` of [mail]", true)
            }
            // A certificate that is not trusted reaches us as a connection that broke.
            ("", _) if error.is_tls() || text.contains("certificate") => {
                new(text, "check `tls` and `port` of [mail], and the server's certificate", true)
            }
            ("", _) => new(text, "check `host`, `port` and `tls` of [mail], and the way to it", true),
            (_, None) => {
                new(format!("the server refuses to be used: {text}"), "check what it accepts from this machine", true)
            }
            (_, Some(to)) => new(
                format!("the server refuses {to}: {text}"),
                "check `from` and that address in [mail], and what the server accepts from this machine",
                false,
            ),
        }
    }
}

fn judge(failures: &[Failure], server: &SmtpSettings) -> Result<()> {
    let Some(first) = failures.first() else { return Ok(()) };
    let texts: Vec<&str> = failures.iter().map(|failure| failure.text.as_str()).collect();
    let doing = format!("mail by {}:{}", server.host, server.port);
    Err(Error::new(Kind::Notify, texts.join("; ")).context(doing).hint(first.hint))
}
