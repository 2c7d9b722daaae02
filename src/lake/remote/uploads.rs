//! Multipart uploads that nobody will complete: a run that was killed leaves the parts it has sent, which no listing
//! shows and which are paid for. `object_store` can abort an upload but not list them, S3 can.

use crate::error::{Error, Kind, Result, ResultExt};
use crate::lake::fault;
use object_store::aws::{AmazonS3, AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody};
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use std::time::Duration;
use url::Url;

/// How often a listing is asked for.
const TRIES: u32 = 4;

/// Listings of one sweep, each of up to a thousand uploads.
const LISTINGS_MAX: usize = 100;

/// Finds and aborts uploads.
#[derive(Debug)]
pub(in crate::lake) struct S3Uploads {
    pub(in crate::lake) client: AmazonS3,
    pub(in crate::lake) http: HttpClient,
    pub(in crate::lake) credentials: AwsCredentialProvider,
    pub(in crate::lake) region: String,
    /// The bucket's own URL.
    pub(in crate::lake) bucket_url: Url,
    pub(in crate::lake) requester_pays: bool,
    /// What stands before every key in the bucket.
    pub(in crate::lake) prefix: Path,
}

/// An upload that was begun and neither completed nor aborted.
#[derive(Debug, PartialEq, Eq)]
struct Upload {
    key: Path,
    id: String,
}

impl S3Uploads {
    /// Aborts every upload to a key below the folder `folder`; returns how many there were.
    pub(super) async fn abort(&self, folder: &Path) -> Result<u64> {
        let folder: Path = self.prefix.parts().chain(folder.parts()).collect();
        let mut aborted = 0;
        for _ in 0..LISTINGS_MAX {
            let uploads = self.list(&format!("{folder}/")).await?;
            if uploads.is_empty() {
                return Ok(aborted);
            }
            for upload in uploads {
                match self.client.abort_multipart(&upload.key, &upload.id).await {
                    // Completed or aborted by somebody else meanwhile.
                    Err(object_store::Error::NotFound { .. }) => {}
                    result => result.map_err(|e| fault::error(&e, "abort an upload"))?,
                }
                aborted += 1;
            }
        }
        Ok(aborted)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Upload>> {
        let mut tries = 1;
        loop {
            let answer = self.http.execute(self.request(prefix).await?).await;
            match answer.map(|response| (response.status().as_u16(), response)) {
                Ok((200..=299, response)) => {
                    let body = response.into_body().bytes().await.or_error(Kind::Lake, "read the list of uploads")?;
                    return Ok(parse(&String::from_utf8_lossy(&body)));
                }
                Ok((401 | 403, _)) => {
                    return Err(Error::new(Kind::Unavailable, "no permission")
                        .hint("grant ListBucketMultipartUploads on the bucket and AbortMultipartUpload on the lake"));
                }
                Ok((408 | 429 | 500.., _)) | Err(_) if tries < TRIES => {}
                Ok((status, _)) => return Err(Error::new(Kind::Lake, format!("the store answered {status}"))),
                Err(e) => return Err(e).or_error(Kind::Lake, "send the request"),
            }
            tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(tries)).await;
            tries += 1;
        }
    }

    /// `GET bucket?uploads`, signed in its headers: the client signs URLs of keys only.
    async fn request(&self, prefix: &str) -> Result<HttpRequest> {
        let credential =
            self.credentials.get_credential().await.map_err(|e| fault::error(&e, "find AWS credentials"))?;
        let mut url = self.bucket_url.clone();
        // Keys come percent-encoded: XML cannot hold every character a key may have.
        url.query_pairs_mut().append_pair("encoding-type", "url").append_pair("prefix", prefix);
        url.query_pairs_mut().append_pair("uploads", "");
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = url.as_str().parse().map_err(|_| Error::new(Kind::Lake, "the bucket's URL is none"))?;
        AwsAuthorizer::new(&credential, "s3", &self.region)
            .with_request_payer(self.requester_pays)
            .authorize(&mut request, None);
        Ok(request)
    }
}

/// The uploads of a `ListMultipartUploadsResult`; one that cannot be understood is left alone.
fn parse(xml: &str) -> Vec<Upload> {
    // Said by servers that heed the wish; the others give keys as they are.
    let encoded = text(xml, "EncodingType") == Some("url");
    let upload = |part: &str| {
        let key = text(part, "Key")?;
        let key = if encoded { decoded(key)? } else { key.replace("&amp;", "&") };
        Some(Upload { key: Path::parse(key).ok()?, id: text(part, "UploadId")?.to_owned() })
    };
    xml.split("<Upload>").skip(1).filter_map(upload).collect()
}

/// A percent-encoded key; `+` stands for a blank.
fn decoded(key: &str) -> Option<String> {
    // As the value of a query it is decoded in just this way.
    let pair = format!("k={}", key.replace('&', "%26"));
    let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
    decoded.map(|(_, value)| value.into_owned())
}

fn text<'x>(xml: &'x str, element: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{element}>"))?;
    Some(rest.split_once(&format!("</{element}>"))?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_are_read_with_their_escaped_keys() {
        let upload = |key: &str, id: &str| Upload { key: Path::parse(key).expect("key"), id: id.to_owned() };
        let list = |encoding: &str, key: &str| {
            format!(
                "<?xml version=\"1.0\"?><ListMultipartUploadsResult><Bucket>b</Bucket>{encoding}<Upload>\
                 <Key>{key}</Key><UploadId>2~a</UploadId></Upload><Upload><Key>b/c</Key><UploadId>3</UploadId></Upload>\
                 </ListMultipartUploadsResult>"
            )
        };
        let expected = [upload("lake/id1=FAC%20001/data.parquet", "2~a"), upload("b/c", "3")];
        let encoding = "<EncodingType>url</EncodingType>";
        assert_eq!(parse(&list(encoding, "lake/id1%3DFAC%2520001/data.parquet")), expected);
        assert_eq!(parse(&list("", "lake/id1=FAC%20001/data.parquet")), expected);
        assert_eq!(parse("<ListMultipartUploadsResult/>"), []);
    }
}
