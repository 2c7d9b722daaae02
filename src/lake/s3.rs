//! S3 and what speaks like it: from settings and the credential chain to a client, everything about it said openly.

use super::Inner;
use super::credentials::ChainCredentials;
use super::fault;
use super::open::{Place, REPEATS, client_options, probe, probe_retries, remote, retries};
use super::remote::{Completion, S3Delete, S3Parts, S3Uploads};
use super::wire::WireConnector;
use crate::aws::Aws;
use crate::error::{Kind, Result, ResultExt};
use crate::model::settings::{Encryption, LakeSettings};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::HttpConnector;
use object_store::{RetryConfig, aws::AwsCredentialProvider};
use std::sync::Arc;
use url::Url;

/// What the client takes for the region when nothing names one; servers other than AWS do not care.
const REGION: &str = "us-east-1";

pub(super) async fn open(
    place: Place<'_>,
    settings: &LakeSettings,
    aws: &Aws,
    variables: &[(String, String)],
) -> Result<Inner> {
    let way = Way::of(settings, aws, place.bucket).await?;
    let connector = WireConnector(Arc::clone(&place.wire));
    let mut options = client_options()?;
    for (name, value) in variables {
        // `AWS_TIMEOUT`, `AWS_CONNECT_TIMEOUT` and their like; who signs and where to is the chain's matter.
        if let Ok(AmazonS3ConfigKey::Client(key)) = name.to_ascii_lowercase().parse() {
            options = options.with_config(key, value);
        }
    }
    let options = options.with_allow_http(way.plain_http());
    let http = connector.connect(&options).or_error(Kind::Lake, "set up the HTTP client")?;
    let build = |retries: RetryConfig| -> Result<AmazonS3> {
        let builder = way.builder(settings, place.bucket).with_client_options(options.clone());
        let builder = builder.with_http_connector(connector.clone()).with_retry(retries);
        builder.build().map_err(|e| fault::error(&e, "set up S3"))
    };
    probe(&build(probe_retries())?, &place, way.endpoint.as_deref()).await?;
    let repeats = attempts(variables).map_or(REPEATS, |attempts| attempts - 1);
    let client = build(RetryConfig { max_retries: repeats, ..retries() })?;
    let delete = S3Delete { signer: client.clone(), http: http.clone(), prefix: place.prefix.clone() };
    let uploads = S3Uploads {
        client: client.clone(),
        http,
        credentials: Arc::clone(&way.credentials),
        region: way.region.clone(),
        bucket_url: way.bucket_url(place.bucket)?,
        requester_pays: settings.s3.requester_pays,
        prefix: place.prefix.clone(),
    };
    let storage_class = settings.s3.storage_class.clone();
    let parts = S3Parts { delete: Some(delete), uploads: Some(uploads), storage_class, repeats: Some(repeats) };
    Ok(remote(place, client, Completion::S3, parts))
}

/// `AWS_MAX_ATTEMPTS`, as every AWS program reads it: the first attempt counts.
fn attempts(aws: &[(String, String)]) -> Option<usize> {
    let (_, value) = aws.iter().find(|(name, _)| name == "AWS_MAX_ATTEMPTS")?;
    value.parse().ok().filter(|&attempts| attempts > 0)
}

/// Whom the requests go to and who signs them.
pub(super) struct Way {
    credentials: AwsCredentialProvider,
    region: String,
    /// As the client wants it: with the bucket in it when hosting is virtual.
    endpoint: Option<String>,
    path_style: bool,
}

impl Way {
    pub(super) async fn of(settings: &LakeSettings, aws: &Aws, bucket: &str) -> Result<Self> {
        let named = settings.endpoint.clone();
        let from_chain = if named.is_none() { aws.endpoint("s3").await } else { None };
        // Servers other than AWS rarely resolve `bucket.host`; `path_style = false` counts where the endpoint stands.
        let path_style = settings.path_style || from_chain.is_some();
        let endpoint = match named.or(from_chain) {
            Some(endpoint) if !path_style => Some(with_bucket(&endpoint, bucket)?),
            endpoint => endpoint,
        };
        let region = match settings.region.clone() {
            Some(region) => Some(region),
            None => aws.region().await,
        };
        Ok(Self {
            credentials: Arc::new(ChainCredentials::new(aws.clone())),
            region: region.unwrap_or_else(|| REGION.to_owned()),
            endpoint,
            path_style,
        })
    }

    pub(super) fn plain_http(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"))
    }

    pub(super) fn builder(&self, settings: &LakeSettings, bucket: &str) -> AmazonS3Builder {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&self.region)
            .with_credentials(Arc::clone(&self.credentials))
            .with_virtual_hosted_style_request(!self.path_style)
            .with_request_payer(settings.s3.requester_pays);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
        }
        let encryption = |builder: AmazonS3Builder, algorithm: &str| match "aws_server_side_encryption".parse() {
            Ok(key) => builder.with_config(key, algorithm),
            Err(_) => builder,
        };
        match &settings.s3.encryption {
            Encryption::Bucket => builder,
            Encryption::S3 => encryption(builder, "AES256"),
            Encryption::Kms(None) => encryption(builder, "aws:kms"),
            Encryption::Kms(Some(key)) => builder.with_sse_kms_encryption(key),
        }
    }

    /// `https://host/bucket` or `https://bucket.host`, without a `/` at its end.
    fn bucket_url(&self, bucket: &str) -> Result<Url> {
        let text = match (&self.endpoint, self.path_style) {
            (Some(endpoint), true) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
            (Some(endpoint), false) => endpoint.clone(),
            (None, true) => format!("https://s3.{}.amazonaws.com/{bucket}", self.region),
            (None, false) => format!("https://{bucket}.s3.{}.amazonaws.com", self.region),
        };
        Url::parse(&text).or_error(Kind::Input, "read the S3 endpoint")
    }
}

/// `https://store.example` becomes `https://bucket.store.example`, as the client wants it for virtual hosting.
fn with_bucket(endpoint: &str, bucket: &str) -> Result<String> {
    let mut url = Url::parse(endpoint).or_error(Kind::Input, "read the S3 endpoint")?;
    let host = format!("{bucket}.{}", url.host_str().unwrap_or_default());
    url.set_host(Some(&host)).or_error(Kind::Input, "put the bucket into the S3 endpoint")?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_hosting_puts_the_bucket_before_the_host() {
        assert_eq!(with_bucket("http://localhost:9000", "b").expect("url"), "http://b.localhost:9000");
    }
}
