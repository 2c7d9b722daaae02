//! The SDK's credential chain as the S3 client wants it: profiles, single sign-on and every kind of role work for the
//! lake as they do for any other program on the machine.

use super::fault;
use crate::aws::Aws;
use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;

/// Credentials are fetched anew this long before they expire: longer than a request with its repetitions takes.
const RENEWED_BEFORE: Duration = Duration::from_secs(300);

/// Credentials that live shorter than that are fetched anew this long before they expire.
const RENEWED_AT_LEAST_BEFORE: Duration = Duration::from_secs(20);

/// Keys for each request, renewed before they expire.
#[derive(Debug)]
pub(super) struct ChainCredentials {
    aws: Aws,
    cached: Mutex<Option<Cached>>,
}

#[derive(Debug)]
struct Cached {
    credential: Arc<AwsCredential>,
    /// When to ask again; none for keys that do not expire.
    until: Option<SystemTime>,
}

impl ChainCredentials {
    pub(super) fn new(aws: Aws) -> Self {
        Self { aws, cached: Mutex::new(None) }
    }
}

#[async_trait]
impl CredentialProvider for ChainCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        // Held over the fetch: of many requests at once, one asks and the others get its answer.
        let mut cached = self.cached.lock().await;
        let now = SystemTime::now();
        if let Some(found) = cached.as_ref().filter(|found| found.until.is_none_or(|until| now < until)) {
            return Ok(Arc::clone(&found.credential));
        }
        let fetched = self.aws.credentials().await.map_err(fault::no_credentials)?;
        let credential = Arc::new(AwsCredential {
            key_id: fetched.access_key_id().to_owned(),
            secret_key: fetched.secret_access_key().to_owned(),
            token: fetched.session_token().map(str::to_owned),
        });
        let until = fetched.expiry().map(|expiry| renewal(now, expiry));
        *cached = Some(Cached { credential: Arc::clone(&credential), until });
        Ok(credential)
    }
}

fn renewal(now: SystemTime, expiry: SystemTime) -> SystemTime {
    let early = |before| expiry.checked_sub(before).filter(|at| *at > now);
    early(RENEWED_BEFORE).or_else(|| early(RENEWED_AT_LEAST_BEFORE)).unwrap_or(expiry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_renewed_well_before_they_expire() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let left =
            |lifetime: u64| renewal(now, now + Duration::from_secs(lifetime)).duration_since(now).expect("later");
        assert_eq!(left(3_600), Duration::from_secs(3_300));
        assert_eq!(left(200), Duration::from_secs(180));
        assert_eq!(left(10), Duration::from_secs(10));
    }
}
