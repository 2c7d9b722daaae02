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
            let before = aborted;
            for upload in uploads {
                match self.client.abort_multipart(&upload.key, &upload.id).await {
                    Ok(()) => aborted += 1,
                    // Completed or aborted by somebody else meanwhile.
                    Err(object_store::Error::NotFound { .. }) => {}
                    Err(e) => return Err(fault::error(&e, "abort an upload")),
                }
            }
            if aborted == before {
                break;
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
        // Without `encoding-type=url`: SeaweedFS says that it heeds it and does not, and a key of a lake holds nothing
        // that XML cannot.
        url.query_pairs_mut().append_pair("prefix", prefix).append_pair("uploads", "");
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
    let upload = |part: &str| {
        let key = Path::parse(unescaped(text(part, "Key")?)).ok()?;
        Some(Upload { key, id: unescaped(text(part, "UploadId")?) })
    };
    xml.split("<Upload>").skip(1).filter_map(upload).collect()
}

/// Text of an XML element as it was before it was written there.
fn unescaped(text: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&#34;", "\"")];
    let text = entities.into_iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character));
    text.replace("&amp;", "&")
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
        let list = "<?xml version=\"1.0\"?><ListMultipartUploadsResult><Bucket>b</Bucket><Upload>\
                    <Key>R&amp;D/id1=FAC%20001/data.parquet</Key><UploadId>2~a</UploadId></Upload>\
                    <Upload><UploadId>3</UploadId><Key>b/c</Key></Upload></ListMultipartUploadsResult>";
        assert_eq!(parse(list), [upload("R&D/id1=FAC%20001/data.parquet", "2~a"), upload("b/c", "3")]);
        assert_eq!(parse("<ListMultipartUploadsResult/>"), []);
    }
}
