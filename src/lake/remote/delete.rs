//! Deleting in one request, on condition where there is one: `object_store` has no such call, S3 does.
//!
//! Its own deletion is a `POST` of a list, which no client repeats after a lost answer; a `DELETE` can be.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::lake::fault;
use crate::lake::version::Version;
use object_store::HeaderValue;
use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use object_store::path::Path;
use object_store::signer::Signer;
use std::time::Duration;

/// How often the request is sent.
const TRIES: u32 = 4;

/// How long the signature of one request holds.
const SIGNED_FOR: Duration = Duration::from_secs(300);

/// Sends `DELETE`, with `If-Match` where it is conditional, to a URL that the store's own client signs.
#[derive(Debug)]
pub(in crate::lake) struct S3Delete {
    pub(in crate::lake) signer: AmazonS3,
    pub(in crate::lake) http: HttpClient,
    /// What stands before every key in the bucket.
    pub(in crate::lake) prefix: Path,
}

impl S3Delete {
    /// Whether the condition held; without one, whatever is there goes.
    pub(super) async fn delete(&self, key: &Path, version: Option<&Version>) -> Result<bool> {
        let location: Path = self.prefix.parts().chain(key.parts()).collect();
        let mut tries = 1;
        loop {
            let request = self.request(&location, version).await?;
            match self.http.execute(request).await.map(|response| response.status().as_u16()) {
                Ok(200..=299) => return Ok(true),
                Ok(404) if version.is_none() => return Ok(true),
                Ok(404 | 412) => return Ok(false),
                Ok(401 | 403) => {
                    return Err(Error::new(Kind::Unavailable, "no permission").hint("grant DeleteObject on the lake"));
                }
                Ok(408 | 409 | 429 | 500..) if tries < TRIES => {}
                Ok(status) => return Err(Error::new(Kind::Lake, format!("the store answered {status}"))),
                Err(_) if tries < TRIES => {}
                // The client keeps the signed URL out of its errors.
                Err(e) => return Err(e).or_error(Kind::Lake, "send the request"),
            }
            tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(tries)).await;
            tries += 1;
        }
    }

    async fn request(&self, location: &Path, version: Option<&Version>) -> Result<HttpRequest> {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = "DELETE".parse().or_error(Kind::Lake, "name the method")?;
        let signed = self.signer.signed_url(request.method().clone(), location, SIGNED_FOR).await;
        let url = signed.map_err(|e| fault::error(&e, "sign the request"))?;
        *request.uri_mut() = url.as_str().parse().map_err(|_| Error::new(Kind::Lake, "the signed URL is none"))?;
        if let Some(version) = version {
            let etag = HeaderValue::from_str(version.as_str()).or_error(Kind::Lake, "use the ETag as a condition")?;
            request.headers_mut().insert("if-match", etag);
        }
        Ok(request)
    }
}
