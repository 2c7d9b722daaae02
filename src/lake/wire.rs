//! The HTTP under an object store: where the condition of a large write is added, answers that break off are noticed, the
//! store's clock is read, repetitions are counted, and no more requests are sent at once than the settings allow.
//!
//! `object_store` 0.13 completes a multipart upload unconditionally, though S3 and Google take a condition there.
//! Its HTTP client can be replaced, so the header is added on the way out. It needs no signature of its own: AWS
//! wants `host` and `x-amz-*` signed, other headers may be.

use super::counting::{Counters, one};
use chrono::{DateTime, Utc};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::{ClientOptions, HeaderValue};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;

/// A header that makes a request conditional.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) name: &'static str,
    pub(super) value: HeaderValue,
}

tokio::task_local! {
    /// What the completion sent by this task is conditional on. A task-local, because the client sends it from
    /// the task that awaits it, so that no other upload can be meant.
    static CONDITION: Condition;
}

/// Runs the completion of a multipart upload under a condition.
pub(super) async fn conditional<F: Future>(condition: Option<Condition>, completion: F) -> F::Output {
    match condition {
        Some(condition) => CONDITION.scope(condition, completion).await,
        None => completion.await,
    }
}

/// What one lake's HTTP clients share.
#[derive(Debug)]
pub(super) struct Wire {
    counters: Arc<Counters>,
    clock: Mutex<Option<(DateTime<Utc>, Instant)>>,
    slots: Semaphore,
    at_once: usize,
}

impl Wire {
    /// `requests`, at least 1: how many may be on their way at once.
    pub(super) fn new(counters: Arc<Counters>, requests: usize) -> Arc<Self> {
        Arc::new(Self { counters, clock: Mutex::new(None), slots: Semaphore::new(requests), at_once: requests })
    }

    /// How many requests may be on their way at once.
    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// The store's time by the `Date` of its latest answer; this machine's before the first.
    pub(super) fn now(&self) -> DateTime<Utc> {
        match *self.clock.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((date, at)) => date + at.elapsed(),
            None => Utc::now(),
        }
    }

    fn note(&self, answer: &Result<HttpResponse, HttpError>) {
        let Ok(response) = answer else {
            return one(&self.counters.retries);
        };
        let status = response.status();
        if status.is_server_error() || matches!(status.as_u16(), 408 | 429) {
            one(&self.counters.retries);
        }
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) {
            *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some((date.to_utc(), Instant::now()));
        }
    }
}

/// Makes HTTP clients that go through one [`Wire`].
#[derive(Debug, Clone)]
pub(super) struct WireConnector(pub(super) Arc<Wire>);

impl HttpConnector for WireConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(WireService { inner, wire: Arc::clone(&self.0) }))
    }
}

#[derive(Debug)]
struct WireService {
    inner: HttpClient,
    wire: Arc<Wire>,
}

#[async_trait::async_trait]
impl HttpService for WireService {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if completes_upload(&request) {
            let _ = CONDITION.try_with(|condition| {
                request.headers_mut().insert(condition.name, condition.value.clone());
            });
        }
        let streams = is_object_read(&request);
        // Given back with the head of the answer, not with its end: whoever reads one body may have to write, or to
        // read another, before it comes to the end of the first. The semaphore is never closed.
        let _slot = self.wire.slots.acquire().await;
        let answer = self.inner.execute(request).await;
        self.wire.note(&answer);
        match answer {
            Ok(answer) if streams && answer.status().is_success() => Ok(answer),
            Ok(answer) => whole(answer).await,
            Err(e) => Err(e),
        }
    }
}

/// Reads an answer to its end. The client repeats what breaks before the answer, but not what breaks within a listing
/// or the reason of a refusal.
async fn whole(answer: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (head, body) = answer.into_parts();
    match body.bytes().await {
        Ok(bytes) => Ok(HttpResponse::from_parts(head, bytes.into())),
        Err(e) => Err(HttpError::new(HttpErrorKind::Interrupted, e)),
    }
}

/// A read of an object, whose bytes are many and come as a stream that goes on where it broke.
fn is_object_read(request: &HttpRequest) -> bool {
    let listing = |query: &str| query.contains("list-type=") || query.contains("comp=list");
    request.method().as_str() == "GET" && !request.uri().query().is_some_and(listing)
}

/// `POST …?uploadId=…`: credentials fetched on the way are a POST too, but without an upload.
fn completes_upload(request: &HttpRequest) -> bool {
    request.method().as_str() == "POST" && request.uri().query().is_some_and(|query| query.contains("uploadId="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::client::{HttpErrorKind, HttpRequestBody};
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    fn request(method: &str, uri: &str) -> HttpRequest {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method.parse().expect("method");
        *request.uri_mut() = uri.parse().expect("uri");
        request
    }

    /// Takes its time over every request, and remembers how many it had at once.
    #[derive(Debug, Clone, Default)]
    struct Slow {
        inside: Arc<AtomicUsize>,
        peak: Arc<AtomicUsize>,
    }

    #[async_trait::async_trait]
    impl HttpService for Slow {
        async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
            let inside = self.inside.fetch_add(1, Relaxed) + 1;
            self.peak.fetch_max(inside, Relaxed);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            self.inside.fetch_sub(1, Relaxed);
            Err(HttpError::new(HttpErrorKind::Unknown, std::io::Error::other("no answer")))
        }
    }

    #[tokio::test]
    async fn no_more_requests_are_on_their_way_than_allowed() {
        for (allowed, peak) in [(2, 2), (64, 8)] {
            let slow = Slow::default();
            let wire = Wire::new(Arc::default(), allowed);
            let service = WireService { inner: HttpClient::new(slow.clone()), wire };
            futures::future::join_all((0..8).map(|_| service.call(request("GET", "http://h/b/k")))).await;
            assert_eq!(slow.peak.load(Relaxed), peak, "{allowed} allowed");
        }
    }

    #[test]
    fn only_the_bytes_of_objects_are_not_waited_for() {
        assert!(is_object_read(&request("GET", "http://h/b/k")) && is_object_read(&request("GET", "http://h/b/k?v=1")));
        for (method, uri) in [
            ("GET", "http://h/b?list-type=2&prefix=k"),
            ("GET", "http://h/b?restype=container&comp=list"),
            ("HEAD", "http://h/b/k"),
            ("PUT", "http://h/b/k"),
        ] {
            assert!(!is_object_read(&request(method, uri)), "{method} {uri}");
        }
    }

    #[test]
    fn only_the_completion_is_made_conditional() {
        assert!(completes_upload(&request("POST", "http://h/b/k?uploadId=1")));
        for (method, uri) in [
            ("POST", "http://h/b/k?uploads="),
            ("PUT", "http://h/b/k?partNumber=1&uploadId=1"),
            ("DELETE", "http://h/b/k?uploadId=1"),
            ("POST", "http://sts/"),
        ] {
            assert!(!completes_upload(&request(method, uri)), "{method} {uri}");
        }
    }
}
