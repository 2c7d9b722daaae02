//! Whether the host of a URL that a run will post to has an address. Nothing is posted, and nobody is connected to: who
//! listens there would take it for a report.

use crate::model::finding::{Finding, Mark, Probe};
use crate::model::secret::Secret;
use async_trait::async_trait;
use std::net::ToSocketAddrs;
use std::time::Duration;
use url::Url;

/// How long a name may take.
const LIMIT: Duration = Duration::from_secs(10);

/// A URL that a run posts to.
pub(in crate::notify) struct Target {
    /// `webhook` or `metrics`
    pub(in crate::notify) subject: &'static str,
    /// The channel's name.
    pub(in crate::notify) what: String,
    /// Where in the environment file it stands.
    pub(in crate::notify) key: &'static str,
    pub(in crate::notify) url: Secret,
}

#[async_trait]
impl Probe for Target {
    async fn probe(&self) -> Vec<Finding> {
        let says = |mark, text: &str| Finding::new(mark, self.subject, &self.what, text);
        let url = Url::parse(self.url.expose()).ok();
        // Of the URL only the host is shown: the rest is often a secret.
        let at = url.as_ref().and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)));
        let Some((host, port)) = at else {
            let hint = format!("write `{}` as https://HOST/PATH", self.key);
            return vec![says(Mark::Failed, "its url is none").hint(hint)];
        };
        let name = host.trim_matches(['[', ']']).to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            Ok::<_, std::io::Error>((name.as_str(), port).to_socket_addrs()?.next())
        });
        let found = match tokio::time::timeout(LIMIT, asked).await {
            Ok(Ok(Ok(found))) => found,
            _ => None,
        };
        vec![match found {
            Some(_) => says(Mark::Ok, &format!("{host} has an address; nothing was posted")),
            None => says(Mark::Failed, &format!("the name {host} has no address"))
                .hint(format!("correct `{}`, or see what this machine's DNS knows", self.key)),
        }]
    }
}
