//! From a URL and the environment to a lake that is known to answer.

use super::counting::{Counters, Counting};
use super::fault::{self, Fault};
use super::local::Disk;
use super::remote::{Completion, Remote, S3Delete};
use super::wire::{Wire, WireConnector};
use super::{Backend, Inner};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::redact::url_credentials;
use crate::model::settings::LakeSettings;
use futures::StreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::HttpConnector;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A request is given up and, where that is safe, repeated after this long: enough for a part on a slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The probe at the start ends sooner than a request within a run: somebody may be watching.
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);

/// How often one request is repeated within a run when `AWS_MAX_ATTEMPTS` does not say.
const RETRIES: usize = 10;

/// Repetitions of one request within a run; below the five minutes a signature lives.
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(15),
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: Duration::from_secs(180),
    }
}

/// `AWS_MAX_ATTEMPTS`, as every AWS program reads it: the first attempt counts.
fn attempts(aws: &[(String, String)]) -> Option<usize> {
    let (_, value) = aws.iter().find(|(name, _)| name == "AWS_MAX_ATTEMPTS")?;
    value.parse().ok().filter(|&attempts| attempts > 0)
}

/// Repetitions of the probe: one dropped connection is forgiven, a dead endpoint is reported within seconds.
fn probe_retries() -> RetryConfig {
    RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(5), ..retries() }
}

/// The `AWS_` variables of this process: credentials, region and endpoint in the ordinary spelling.
pub(super) fn aws_variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("AWS_"))
        .collect()
}

/// Opens the lake and makes sure that it answers.
pub(super) async fn open(settings: &LakeSettings, aws: &[(String, String)]) -> Result<Inner> {
    let counters = Arc::new(Counters::default());
    if let Some(path) = settings.url.strip_prefix("file:") {
        // `file:PATH`, `file:/PATH` and `file:///PATH` name a path as it is, without percent signs decoded.
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(Error::new(Kind::Input, "[lake] url names no folder").hint("file:PATH"));
        }
        return local(PathBuf::from(path), counters).await;
    }
    let url = Url::parse(&settings.url).or_error(Kind::Input, "read [lake] url")?;
    let wrong = |why: &str| {
        Error::new(Kind::Input, format!("[lake] url {}: {why}", url_credentials(&settings.url)))
            .hint("s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:PATH")
    };
    let bucket = url.host_str().filter(|bucket| !bucket.is_empty()).ok_or_else(|| wrong("no bucket in it"))?;
    let prefix = Path::from_url_path(url.path()).or_error(Kind::Input, "read the prefix in [lake] url")?;
    let wire = Wire::new(Arc::clone(&counters));
    let place = Place { bucket, prefix, url: &url, counters, wire };
    match url.scheme() {
        "s3" => s3(place, settings, aws).await,
        "gs" => google(place).await,
        "az" => azure(place).await,
        other => Err(wrong(&format!("`{other}` is no scheme of a lake"))),
    }
}

/// Where in which kind of store.
struct Place<'a> {
    bucket: &'a str,
    prefix: Path,
    url: &'a Url,
    counters: Arc<Counters>,
    wire: Arc<Wire>,
}

async fn local(path: PathBuf, counters: Arc<Counters>) -> Result<Inner> {
    let disk = {
        let counters = Arc::clone(&counters);
        super::blocking("open the lake", move || Disk::open(path, counters)).await?
    };
    let store = LocalFileSystem::new_with_prefix(disk.root())
        .map_err(|e| fault::error(&e, format!("open the lake folder {}", disk.root().display())))?;
    Ok(Inner {
        url: format!("file:{}", disk.root().display()),
        store: Arc::new(Counting::new(store, Arc::clone(&counters))),
        backend: Backend::Local(Arc::new(disk)),
        counters,
    })
}

async fn s3(place: Place<'_>, settings: &LakeSettings, aws: &[(String, String)]) -> Result<Inner> {
    let mut builder = AmazonS3Builder::new().with_bucket_name(place.bucket);
    let mut options = client_options();
    for (name, value) in aws {
        match name.to_ascii_lowercase().parse() {
            Ok(AmazonS3ConfigKey::Client(key)) => options = options.with_config(key, value),
            Ok(key) => builder = builder.with_config(key, value),
            // Variables of other AWS programs, `AWS_PROFILE` among them, are none of the store's.
            Err(_) => {}
        }
    }
    let endpoint = settings
        .endpoint
        .clone()
        .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::S3Endpoint))
        .or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    if let Some(endpoint) = &endpoint {
        options = options.with_allow_http(endpoint.starts_with("http://"));
        let endpoint = if settings.path_style { endpoint.clone() } else { with_bucket(endpoint, place.bucket)? };
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    let connector = WireConnector(Arc::clone(&place.wire));
    let http = connector.connect(&options).or_error(Kind::Lake, "set up the HTTP client")?;
    let builder = builder
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_client_options(options)
        .with_http_connector(connector);
    let build = |retries| builder.clone().with_retry(retries).build().map_err(|e| fault::error(&e, "set up S3"));
    probe(&build(probe_retries())?, &place, endpoint.as_deref()).await?;
    let max_retries = attempts(aws).map_or(RETRIES, |attempts| attempts - 1);
    let signer = build(RetryConfig { max_retries, ..retries() })?;
    let delete = S3Delete { signer: signer.clone(), http, prefix: place.prefix.clone() };
    Ok(remote(place, signer, Completion::S3, Some(delete)))
}

async fn google(place: Place<'_>) -> Result<Inner> {
    let builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(place.bucket)
        .with_client_options(client_options())
        .with_http_connector(WireConnector(Arc::clone(&place.wire)));
    let build = |retries| {
        builder.clone().with_retry(retries).build().map_err(|e| fault::error(&e, "set up Google Cloud Storage"))
    };
    probe(&build(probe_retries())?, &place, None).await?;
    let store = build(retries())?;
    Ok(remote(place, store, Completion::Google, None))
}

async fn azure(place: Place<'_>) -> Result<Inner> {
    let builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(place.bucket)
        .with_client_options(client_options())
        .with_http_connector(WireConnector(Arc::clone(&place.wire)));
    let build =
        |retries| builder.clone().with_retry(retries).build().map_err(|e| fault::error(&e, "set up Azure Blob"));
    probe(&build(probe_retries())?, &place, None).await?;
    let store = build(retries())?;
    Ok(remote(place, store, Completion::Unconditional, None))
}

fn remote(place: Place<'_>, store: impl ObjectStore, completion: Completion, delete: Option<S3Delete>) -> Inner {
    let prefixed = PrefixStore::new(store, place.prefix.clone());
    let store: Arc<dyn ObjectStore> = Arc::new(Counting::new(prefixed, Arc::clone(&place.counters)));
    Inner {
        url: shown(place.url),
        store: Arc::clone(&store),
        backend: Backend::Remote(Arc::new(Remote::new(
            store,
            completion,
            delete,
            place.wire,
            Arc::clone(&place.counters),
        ))),
        counters: place.counters,
    }
}

/// One listing that is nearly empty in every lake: a wrong bucket, key, region, endpoint or permission shows here
/// and not halfway through the first table.
async fn probe(store: &impl ObjectStore, place: &Place<'_>, endpoint: Option<&str>) -> Result<()> {
    let what = match endpoint {
        Some(endpoint) => format!("open the lake {} at {}", shown(place.url), url_credentials(endpoint)),
        None => format!("open the lake {}", shown(place.url)),
    };
    let prefix: Path = place.prefix.parts().chain(Path::from(super::layout::TMP).parts()).collect();
    let first = async { store.list(Some(&prefix)).next().await.transpose() };
    let answer = tokio::time::timeout(PROBE_TIMEOUT, first).await;
    let unavailable = |why: String, hint: &str| Err(Error::new(Kind::Unavailable, why).context(&what).hint(hint));
    match answer {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(e)) => match fault::classify(&e) {
            Fault::Missing => unavailable("the bucket does not exist".into(), "create it, or correct [lake] url"),
            Fault::Unusable => Err(fault::error(&e, what)),
            _ => unavailable(
                fault::error(&e, "list it").to_string(),
                "check [lake] url and endpoint, network, proxy and where this process gets its credentials",
            ),
        },
        Err(_) => unavailable(
            format!("no answer within {} s", PROBE_TIMEOUT.as_secs()),
            "check network and proxy, and where this process gets its credentials",
        ),
    }
}

fn client_options() -> ClientOptions {
    ClientOptions::new().with_timeout(REQUEST_TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT)
}

/// `https://store.example` becomes `https://bucket.store.example`, as the client wants it for virtual hosting.
fn with_bucket(endpoint: &str, bucket: &str) -> Result<String> {
    let mut url = Url::parse(endpoint).or_error(Kind::Input, "read the S3 endpoint")?;
    let host = format!("{bucket}.{}", url.host_str().unwrap_or_default());
    url.set_host(Some(&host)).or_error(Kind::Input, "put the bucket into the S3 endpoint")?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Without user, password, query and fragment: account keys and tokens get pasted there.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_credentials() {
        let url = Url::parse("s3://key:secret@bucket/pre/fix/?sig=abc#x").expect("url");
        assert_eq!(shown(&url), "s3://bucket/pre/fix");
    }

    #[test]
    fn virtual_hosting_puts_the_bucket_before_the_host() {
        assert_eq!(with_bucket("http://localhost:9000", "b").expect("url"), "http://b.localhost:9000");
    }

    #[tokio::test]
    async fn what_is_no_lake_is_an_input_error() {
        for url in ["ftp://bucket/x", "lake", "s3:///x", "file:"] {
            let settings =
                LakeSettings { url: url.to_owned(), endpoint: None, region: None, path_style: true, zstd_level: 3 };
            assert_eq!(open(&settings, &[]).await.err().map(|e| e.kind()), Some(Kind::Input), "{url}");
        }
    }
}
