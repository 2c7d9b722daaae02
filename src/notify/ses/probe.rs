//! Whether SES would take a report, asked beforehand: the sender's identity, the account, and in the sandbox the
//! recipients too. Nothing is sent.

use super::client;
use crate::aws::Aws;
use crate::model::command::quoted;
use crate::model::finding::{Finding, Mark, Probe};
use crate::model::settings::MailSettings;
use async_trait::async_trait;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::ProvideErrorMetadata;
use futures::future::join_all;
use lettre::message::Mailbox;
use std::time::Duration;

/// The word for the mail in findings.
const SUBJECT: &str = "mail";

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Looks at what `[mail] transport = "ses"` needs.
pub(in crate::notify) struct SesProbe {
    mail: MailSettings,
    aws: Aws,
}

impl SesProbe {
    pub(in crate::notify) fn new(mail: &MailSettings, aws: &Aws) -> Self {
        Self { mail: mail.clone(), aws: aws.clone() }
    }

    async fn look(&self) -> Vec<Finding> {
        let client = client(&self.aws).await;
        let (account, sender) = futures::join!(account(&client), self.sender(&client));
        let mut findings = vec![sender];
        match account {
            Ok(account) => {
                findings.push(account.finding());
                if account.sandbox {
                    findings.extend(self.recipients(&client).await);
                }
            }
            Err(trouble) => findings.push(trouble.finding("account", "ses:GetAccount")),
        }
        findings
    }

    async fn sender(&self, client: &Client) -> Finding {
        let Some(from) = self.mail.from.as_deref().map(address) else {
            return Finding::new(Mark::Failed, SUBJECT, "sender", "there is no sender").hint("set `from` of [mail]");
        };
        match standing(client, &from).await {
            Ok(Standing::Verified(identity)) => {
                Finding::new(Mark::Ok, SUBJECT, "sender", format!("{from} may send, because {identity} is verified"))
            }
            Ok(standing) => standing.finding("sender", &from, client),
            Err(trouble) => trouble.finding("sender", "ses:GetEmailIdentity"),
        }
    }

    /// Those that the sandbox would not let a mail go to.
    async fn recipients(&self, client: &Client) -> Vec<Finding> {
        let looked = join_all(self.mail.to.iter().map(|to| async move {
            let to = address(to);
            match standing(client, &to).await {
                Ok(Standing::Verified(_)) => None,
                Ok(standing) => Some(standing.finding("recipient", &to, client)),
                Err(trouble) => Some(trouble.finding("recipient", "ses:GetEmailIdentity")),
            }
        }));
        looked.await.into_iter().flatten().collect()
    }
}

#[async_trait]
impl Probe for SesProbe {
    async fn probe(&self) -> Vec<Finding> {
        match tokio::time::timeout(LIMIT, self.look()).await {
            Ok(findings) => findings,
            Err(_) => vec![Trouble::Silent.finding("connect", "")],
        }
    }
}

/// What is known of the account.
struct Account {
    sandbox: bool,
    sending: bool,
    used_up: bool,
}

impl Account {
    fn finding(&self) -> Finding {
        let says = |mark, text: &str| Finding::new(mark, SUBJECT, "account", text);
        match self {
            Self { sending: false, .. } => says(Mark::Failed, "SES lets this account send nothing in this region")
                .hint("see the account's SES reputation dashboard, or resume sending"),
            Self { used_up: true, .. } => says(Mark::Warning, "the sending quota of these 24 hours is used up")
                .hint("wait, or ask for a higher quota"),
            Self { sandbox: true, .. } => {
                says(Mark::Warning, "the account is in SES's sandbox: only verified recipients get mail")
                    .hint("ask for production access in the SES console, or verify every recipient")
            }
            _ => says(Mark::Ok, "the account may send to everybody"),
        }
    }
}

async fn account(client: &Client) -> Result<Account, Trouble> {
    let account = client.get_account().send().await.map_err(|e| Trouble::of(e.code()))?;
    let quota = account.send_quota();
    Ok(Account {
        sandbox: !account.production_access_enabled(),
        sending: account.sending_enabled() && account.enforcement_status() != Some("SHUTDOWN"),
        // An account without a bound says -1.
        used_up: quota.is_some_and(|q| q.max24_hour_send() > 0.0 && q.sent_last24_hours() >= q.max24_hour_send()),
    })
}

/// How an address stands with SES.
enum Standing {
    /// By this identity, its own or that of a domain above it.
    Verified(String),
    /// This identity is there and waits for its verification.
    Waiting(String),
    Unknown,
}

impl Standing {
    /// What to do about an address that is not verified.
    fn finding(&self, what: &str, address: &str, client: &Client) -> Finding {
        let region = client.config().region().map(|region| format!(" --region {region}")).unwrap_or_default();
        let says = |text: String| Finding::new(Mark::Failed, SUBJECT, what, text);
        match self {
            Self::Verified(identity) => Finding::new(Mark::Ok, SUBJECT, what, format!("{identity} is verified")),
            Self::Waiting(identity) if identity.contains('@') => {
                says(format!("{identity} is known to SES, and nobody has verified it yet"))
                    .hint("open the link in the mail that AWS has sent to that address")
            }
            Self::Waiting(identity) => says(format!("the domain {identity} is known to SES, and not verified yet"))
                .hint(format!(
                    "put its DKIM records into the DNS; they are shown by\n  aws sesv2 get-email-identity \
                     --email-identity {}{region}",
                    quoted(identity)
                )),
            Self::Unknown => says(format!("SES knows neither {address} nor its domain in this region")).hint(format!(
                "verify one of them, by the mail that comes after\n  aws sesv2 create-email-identity --email-identity \
                 {}{region}",
                quoted(address)
            )),
        }
    }
}

/// Asks for the address itself, then for the domains above it: any of them lets it send.
async fn standing(client: &Client, address: &str) -> Result<Standing, Trouble> {
    let mut waiting = None;
    for identity in identities(address) {
        match client.get_email_identity().email_identity(&identity).send().await {
            Ok(found) if found.verified_for_sending_status() => return Ok(Standing::Verified(identity)),
            Ok(_) => waiting = waiting.or(Some(identity)),
            Err(error) if error.code() == Some("NotFoundException") => {}
            Err(error) => return Err(Trouble::of(error.code())),
        }
    }
    Ok(waiting.map_or(Standing::Unknown, Standing::Waiting))
}

/// `a@b.example.org`, `b.example.org`, `example.org`
fn identities(address: &str) -> Vec<String> {
    let mut found = vec![address.to_owned()];
    let mut domain = address.rsplit_once('@').map(|(_, domain)| domain);
    while let Some(name) = domain.filter(|name| name.contains('.')) {
        found.push(name.to_owned());
        domain = name.split_once('.').map(|(_, above)| above);
    }
    found
}

/// `Lake <lake@example.org>` → `lake@example.org`
fn address(mailbox: &str) -> String {
    mailbox.parse::<Mailbox>().map_or_else(|_| mailbox.to_owned(), |mailbox| mailbox.email.to_string())
}

/// Why something could not be asked.
enum Trouble {
    /// A run does not ask, so that it may well be able to send all the same.
    Denied,
    Answered(String),
    Silent,
}

impl Trouble {
    fn of(code: Option<&str>) -> Self {
        match code {
            Some(code) if code.contains("AccessDenied") => Self::Denied,
            Some(code) => Self::Answered(code.to_owned()),
            None => Self::Silent,
        }
    }

    fn finding(&self, what: &str, action: &str) -> Finding {
        match self {
            Self::Denied => {
                let says = format!("not looked at, because this process may not call {action}");
                Finding::new(Mark::Skipped, SUBJECT, what, says)
                    .hint("runs do not need it; to have it looked at, allow what docs/iam/mail.json says")
            }
            Self::Answered(code) if code.contains("Throttl") || code == "TooManyRequestsException" => {
                let says = "not looked at, because SES was asked too often in too short a time";
                Finding::new(Mark::Skipped, SUBJECT, what, says).hint("try again in a minute")
            }
            Self::Answered(code) => Finding::new(Mark::Failed, SUBJECT, what, format!("SES answered {code}"))
                .hint("check region and credentials of this process"),
            Self::Silent => Finding::new(Mark::Failed, SUBJECT, what, "no answer from SES")
                .hint("check network, region and where this process gets its credentials"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_verified_by_itself_or_any_domain_above_it() {
        assert_eq!(identities("a@b.example.org"), ["a@b.example.org", "b.example.org", "example.org"]);
        assert_eq!(identities("a@localhost"), ["a@localhost"]);
        assert_eq!(address("Lake <lake@example.org>"), "lake@example.org");
    }
}
