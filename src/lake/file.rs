//! Single files in S3 that are no part of a lake: a manifest, an environment.

use super::fault::{self, Fault};
use super::open::{client_options, probe_retries};
use super::s3::Way;
use super::wire::{Wire, WireConnector};
use crate::aws::Aws;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::settings::LakeSettings;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::path::Path;
use std::sync::Arc;
use url::Url;

/// The bytes of `s3://bucket/key`; `None`: there is no such object. Nothing but `GetObject` is asked for, so that a
/// role needs no more than that.
///
/// # Errors
/// [`Kind::Input`] when the URL names no object; [`Kind::Unavailable`] when bucket, credentials, permission or
/// network are missing.
pub async fn read(url: &str, aws: &Aws) -> Result<Option<Bytes>> {
    let no_object = || Error::new(Kind::Input, "names no object").hint("write `s3://bucket/key`");
    let parsed = Url::parse(url).map_err(|_| no_object())?;
    let bucket = parsed.host_str().filter(|_| parsed.scheme() == "s3").ok_or_else(no_object)?;
    let key = Path::from_url_path(parsed.path()).or_error(Kind::Input, "read the key")?;
    if key.is_root() {
        return Err(no_object());
    }
    let settings = LakeSettings::at(url);
    let way = Way::of(&settings, aws, bucket).await?;
    let client = way
        .builder(&settings, bucket)
        .with_client_options(client_options()?.with_allow_http(way.plain_http()))
        .with_http_connector(WireConnector(Wire::new(Arc::default(), settings.s3.requests)))
        .with_retry(probe_retries())
        .build()
        .map_err(|e| fault::error(&e, "set up S3"))?;
    let failed = |e: object_store::Error| match fault::classify(&e) {
        Fault::Unusable if fault::is_forbidden(&e) => Error::new(Kind::Unavailable, "no permission to read it")
            .hint("grant s3:GetObject on it; without s3:ListBucket S3 says the same of an object that is not there"),
        _ => {
            let error = fault::error(&e, "read it");
            let text = error.to_string();
            let error = Error::new(Kind::Unavailable, text.strip_prefix("read it: ").unwrap_or(&text));
            error.hint("check the bucket's name, network, proxy and where this process gets its credentials")
        }
    };
    match client.get(&key).await {
        Ok(found) => found.bytes().await.map(Some).map_err(failed),
        Err(e) if fault::classify(&e) == Fault::Missing => Ok(None),
        Err(e) => Err(failed(e)),
    }
}
