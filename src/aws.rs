//! How AWS is reached: one configuration for every service, worked out once, at its first use.
//!
//! Everything comes from the SDK's ordinary chain, in its order: environment variables, profile (`AWS_PROFILE`,
//! single sign-on and credential processes included), web identity (EKS), the container's role (ECS), the instance's
//! role (EC2). `AWS_ENDPOINT_URL` replaces the address of every service, over plain HTTP when it says `http:`. A
//! credential is never shown: what is printed of a configuration is its region and endpoint.
//!
//! Each service's own client lives behind its own door and is built from [`Aws::config`]:
//!
//! ```no_run
//! # async fn client() {
//! let aws = lakefold::aws::Aws::of_process();
//! let config = aws_sdk_ssm::config::Builder::from(aws.config().await).interceptor(aws.attempts());
//! let client = aws_sdk_ssm::Client::from_conf(config.build());
//! # }
//! ```

use crate::error::{Error, Kind, Result};
use crate::tls;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::service_config::ServiceConfigKey;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How often one call is sent before its error counts.
pub const ATTEMPTS: u32 = 5;

/// The wait before the first repetition is at most this; each further one doubles, with jitter.
const BACKOFF: Duration = Duration::from_millis(500);

/// No wait between two attempts is longer.
const BACKOFF_MAX: Duration = Duration::from_secs(15);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One attempt, from the request to the end of the answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

/// What the program calls itself in AWS's logs (CloudTrail's `userAgent`).
const NAME: &str = concat!("lakefold-", env!("CARGO_PKG_VERSION"));

/// The way to AWS; clones share it.
#[derive(Clone)]
pub struct Aws {
    inner: Arc<Inner>,
}

struct Inner {
    given: Option<Given>,
    config: OnceCell<SdkConfig>,
    repeated: Arc<AtomicU64>,
}

/// What replaces the chain.
struct Given {
    credentials: Option<Credentials>,
    region: Option<String>,
    endpoint: Option<String>,
}

impl Aws {
    /// The way to AWS that this process's environment names; one for the process, as the environment is.
    pub fn of_process() -> &'static Self {
        static PROCESS: LazyLock<Aws> = LazyLock::new(|| Aws::new(None));
        &PROCESS
    }

    /// A way of its own from `(name, value)` pairs in the spelling of environment variables, in place of those of
    /// this process: keys, session token, region and endpoint. Without keys the ordinary chain gives them.
    pub fn of_variables(variables: &[(String, String)]) -> Self {
        let value = |name: &str| variables.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
        let credentials = value("AWS_ACCESS_KEY_ID")
            .zip(value("AWS_SECRET_ACCESS_KEY"))
            .map(|(key, secret)| Credentials::new(key, secret, value("AWS_SESSION_TOKEN"), None, "variables"));
        let region = value("AWS_REGION").or_else(|| value("AWS_DEFAULT_REGION"));
        Self::new(Some(Given { credentials, region, endpoint: value("AWS_ENDPOINT_URL") }))
    }

    fn new(given: Option<Given>) -> Self {
        Self { inner: Arc::new(Inner { given, config: OnceCell::new(), repeated: Arc::default() }) }
    }

    /// The configuration every service's client is built from. It is read at the first call; credentials are fetched
    /// when a request needs them, and again before they expire.
    pub async fn config(&self) -> &SdkConfig {
        self.inner.config.get_or_init(|| load(self.inner.given.as_ref())).await
    }

    /// The region, when anything names one.
    pub async fn region(&self) -> Option<String> {
        self.config().await.region().map(ToString::to_string)
    }

    /// What replaces the address of the service called `id` (`s3`, `glue`), as that service's client would find it:
    /// `AWS_ENDPOINT_URL_<ID>`, then `AWS_ENDPOINT_URL`, each before its like in the profile. For clients outside the
    /// SDK; the SDK's own read it themselves.
    pub async fn endpoint(&self, id: &str) -> Option<String> {
        let config = self.config().await;
        let of_service = || {
            if self.inner.given.is_some() {
                return None;
            }
            let key = ServiceConfigKey::builder().service_id(id).env("AWS_ENDPOINT_URL").profile("endpoint_url");
            config.service_config()?.load_config(key.build().ok()?)
        };
        of_service().or_else(|| config.endpoint_url().map(str::to_owned))
    }

    /// Credentials that are valid now, for clients outside the SDK.
    ///
    /// # Errors
    /// [`Kind::Unavailable`]: the chain has none, or the provider that should give them does not answer.
    pub async fn credentials(&self) -> Result<Credentials> {
        let provider = self.config().await.credentials_provider().ok_or_else(no_credentials)?;
        provider.provide_credentials().await.map_err(|e| refused(&e))
    }

    /// Counts repetitions; every client gets it as an interceptor, so that [`Aws::repeated`] holds for all services.
    pub fn attempts(&self) -> Attempts {
        Attempts { repeated: Arc::clone(&self.inner.repeated) }
    }

    /// How many calls had to be sent again so far: throttled, failed at the server, or never answered.
    pub fn repeated(&self) -> u64 {
        self.inner.repeated.load(Relaxed)
    }
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.inner.config.get();
        f.debug_struct("Aws")
            .field("region", &config.and_then(SdkConfig::region))
            .field("endpoint", &config.and_then(SdkConfig::endpoint_url))
            .finish_non_exhaustive()
    }
}

/// Sees every attempt of every call.
#[derive(Debug, Clone)]
pub struct Attempts {
    repeated: Arc<AtomicU64>,
}

#[dyn_dispatch_hint]
impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_attempt(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if config.load::<RequestAttempts>().is_some_and(|attempts| attempts.attempts() > 1) {
            self.repeated.fetch_add(1, Relaxed);
        }
        Ok(())
    }
}

async fn load(given: Option<&Given>) -> SdkConfig {
    let retries =
        RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF).with_max_backoff(BACKOFF_MAX);
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(ATTEMPT_TIMEOUT).build();
    let mut loader =
        aws_config::defaults(BehaviorVersion::v2026_01_12()).retry_config(retries).timeout_config(timeouts);
    if let Ok(name) = AppName::new(NAME) {
        loader = loader.app_name(name);
    }
    if let Some(client) = client_with_bundled_roots() {
        loader = loader.http_client(client);
    }
    if let Some(given) = given {
        if let Some(credentials) = &given.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        if let Some(region) = &given.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &given.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
    }
    loader.load().await
}

/// `None` where the system has root certificates: the SDK's own client takes those.
fn client_with_bundled_roots() -> Option<SharedHttpClient> {
    if tls::bundled_roots().is_empty() {
        return None;
    }
    let roots = TrustStore::empty().with_pem_certificate(tls::bundled_pem());
    let tls = TlsContext::builder().with_trust_store(roots).build().ok()?;
    let client = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
    Some(client.tls_context(tls).build_https())
}

fn no_credentials() -> Error {
    Error::new(Kind::Unavailable, "no AWS credentials were found").hint(
        "give this process a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; \
         after `aws sso login` the profile's session is found too",
    )
}

/// The text of the cause is left out: it may quote what a credential process printed.
fn refused(error: &CredentialsError) -> Error {
    let unavailable = |what: &str, hint: &str| Error::new(Kind::Unavailable, what).hint(hint);
    match error {
        CredentialsError::CredentialsNotLoaded(_) => no_credentials(),
        CredentialsError::ProviderTimedOut(_) => unavailable(
            "the provider of the AWS credentials did not answer in time",
            "check that the metadata service or the credential process answers",
        ),
        CredentialsError::InvalidConfiguration(_) => {
            unavailable("the AWS profile is not valid", "check ~/.aws/config and AWS_PROFILE: `aws configure list`")
        }
        _ => unavailable(
            "the provider of the AWS credentials refused",
            "renew the session (`aws sso login`), or check the role: `aws sts get-caller-identity`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[tokio::test]
    async fn variables_replace_those_of_the_process() {
        let aws = Aws::of_variables(&pairs(&[
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", "hunter3"),
            ("AWS_DEFAULT_REGION", "ap-south-1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ]));
        assert_eq!(aws.region().await.as_deref(), Some("ap-south-1"));
        assert_eq!(aws.endpoint("s3").await.as_deref(), Some("http://127.0.0.1:1"));
        let credentials = aws.credentials().await.unwrap();
        assert_eq!((credentials.secret_access_key(), credentials.session_token()), ("hunter2", Some("hunter3")));
        let shown = format!("{aws:?}");
        assert!(shown.contains("ap-south-1") && !shown.contains("hunter") && !shown.contains("key"), "{shown}");
    }
}
