//! From a URL and the environment to a lake that is known to answer.

use super::counting::{Counters, Counting};
use super::fault::{self, Fault};
use super::local::Disk;
use super::remote::{Completion, Remote, S3Parts};
use super::s3;
use super::wire::{Wire, WireConnector};
use super::{Backend, Inner};
use crate::aws::Aws;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::redact::url_credentials;
use crate::model::settings::LakeSettings;
use crate::tls;
use futures::StreamExt;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig};
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
pub(super) const REPEATS: usize = 10;

/// For how long one request is repeated within a run; below the five minutes a signature lives.
pub(super) const REPEATS_WITHIN: Duration = Duration::from_secs(180);

/// Repetitions of one request within a run.
pub(super) fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(15),
            base: 2.0,
        },
        max_retries: REPEATS,
        retry_timeout: REPEATS_WITHIN,
    }
}

/// Repetitions of the probe: one dropped connection is forgiven, a dead endpoint is reported within seconds.
pub(super) fn probe_retries() -> RetryConfig {
    RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(5), ..retries() }
}

/// The `AWS_` variables of this process.
pub(super) fn aws_variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("AWS_"))
        .collect()
}

/// Opens the lake and makes sure that it answers. Of `variables` those count that set limits to S3's HTTP client.
pub(super) async fn open(settings: &LakeSettings, aws: &Aws, variables: &[(String, String)]) -> Result<Inner> {
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
    let wire = Wire::new(Arc::clone(&counters), settings.s3.requests);
    let place = Place { bucket, prefix, url: &url, counters, wire };
    match url.scheme() {
        "s3" => s3::open(place, settings, aws, variables).await,
        "gs" => google(place).await,
        "az" => azure(place).await,
        other => Err(wrong(&format!("`{other}` is no scheme of a lake"))),
    }
}

/// Where in which kind of store.
pub(super) struct Place<'a> {
    pub(super) bucket: &'a str,
    pub(super) prefix: Path,
    url: &'a Url,
    counters: Arc<Counters>,
    pub(super) wire: Arc<Wire>,
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

async fn google(place: Place<'_>) -> Result<Inner> {
    let builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(place.bucket)
        .with_client_options(client_options()?)
        .with_http_connector(WireConnector(Arc::clone(&place.wire)));
    let build = |retries| {
        builder.clone().with_retry(retries).build().map_err(|e| fault::error(&e, "set up Google Cloud Storage"))
    };
    probe(&build(probe_retries())?, &place, None).await?;
    let store = build(retries())?;
    Ok(remote(place, store, Completion::Google, S3Parts::default()))
}

async fn azure(place: Place<'_>) -> Result<Inner> {
    let builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(place.bucket)
        .with_client_options(client_options()?)
        .with_http_connector(WireConnector(Arc::clone(&place.wire)));
    let build =
        |retries| builder.clone().with_retry(retries).build().map_err(|e| fault::error(&e, "set up Azure Blob"));
    probe(&build(probe_retries())?, &place, None).await?;
    let store = build(retries())?;
    Ok(remote(place, store, Completion::Unconditional, S3Parts::default()))
}

pub(super) fn remote(place: Place<'_>, store: impl ObjectStore, completion: Completion, s3: S3Parts) -> Inner {
    let prefixed = PrefixStore::new(store, place.prefix.clone());
    let store: Arc<dyn ObjectStore> = Arc::new(Counting::new(prefixed, Arc::clone(&place.counters)));
    let remote = Remote::new(Arc::clone(&store), completion, s3, place.wire, Arc::clone(&place.counters));
    Inner { url: shown(place.url), store, backend: Backend::Remote(Arc::new(remote)), counters: place.counters }
}

/// One listing that is nearly empty in every lake: a wrong bucket, key, region, endpoint or permission shows here
/// and not halfway through the first table.
pub(super) async fn probe(store: &impl ObjectStore, place: &Place<'_>, endpoint: Option<&str>) -> Result<()> {
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

/// Options of every client of a store; each brings the bundled roots where the system has none.
pub(super) fn client_options() -> Result<ClientOptions> {
    let mut options = ClientOptions::new().with_timeout(REQUEST_TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT);
    for root in tls::bundled_roots() {
        let root = Certificate::from_der(root).or_error(Kind::Lake, "read a root certificate")?;
        options = options.with_root_certificate(root);
    }
    Ok(options)
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

    #[tokio::test]
    async fn what_is_no_lake_is_an_input_error() {
        for url in ["ftp://bucket/x", "lake", "s3:///x", "file:"] {
            let settings = LakeSettings::at(url);
            assert_eq!(
                open(&settings, &Aws::of_variables(&[]), &[]).await.err().map(|e| e.kind()),
                Some(Kind::Input),
                "{url}"
            );
        }
    }
}
