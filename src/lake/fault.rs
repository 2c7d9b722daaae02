//! What a store's refusal means, and the one sentence an operator gets about it.
//!
//! `object_store` keeps the type of its retry errors to itself, so a status or an S3 error code is taken from the
//! text; the text itself is shown only after the filter of P10.

use crate::error::{Error, Kind};
use crate::model::redact::quoted;
use object_store::Error as StoreError;
use object_store::client::{HttpError, HttpErrorKind};
use std::fmt::Display;

/// Classes of refusals that are treated differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No such object.
    Missing,
    /// The condition did not hold, or the store was busy with another write of the key and says so with a 409.
    Changed,
    /// Credentials, permissions, bucket or endpoint: nothing will work until a person changes something.
    Unusable,
    /// The answer got lost, the server was overloaded: whether the request was carried out is not known.
    Unknown,
    /// The request itself was refused; repeating it is pointless.
    Refused,
}

/// Codes of S3 and its kin that no repetition cures, with what to do about them.
const UNUSABLE: [(&str, &str, &str); 11] = [
    ("NoSuchBucket", "the bucket does not exist", "create it, or correct [lake] url"),
    ("AccessDenied", "no permission", "grant GetObject, PutObject, DeleteObject and ListBucket on the lake"),
    ("AllAccessDisabled", "no permission", "grant GetObject, PutObject, DeleteObject and ListBucket on the lake"),
    ("InvalidAccessKeyId", "the access key is unknown", "check the credentials this process gets"),
    ("SignatureDoesNotMatch", "the secret key is wrong", "check the credentials this process gets"),
    ("ExpiredToken", "the credentials have expired", "renew the session this process gets its credentials from"),
    ("InvalidToken", "the session token is not valid", "check the credentials this process gets"),
    ("RequestTimeTooSkewed", "this machine's clock is wrong", "set the clock (NTP)"),
    ("PermanentRedirect", "the bucket lives in another region", "set [lake] region"),
    ("AuthorizationHeaderMalformed", "the bucket lives in another region", "set [lake] region"),
    ("InvalidBucketName", "the bucket's name is not valid", "correct [lake] url"),
];

/// What `object_store` calls a local disk.
const DISK: &str = "LocalFileSystem";

/// How the text of a retry error begins, before method and URL.
const REQUEST: &str = "Error performing ";

/// Which class an error belongs to.
pub(super) fn classify(error: &StoreError) -> Fault {
    let text = error.to_string();
    if unusable(error, &text).is_some() || cause::<Error>(error).is_some() {
        return Fault::Unusable;
    }
    match error {
        StoreError::NotFound { .. } => Fault::Missing,
        StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } | StoreError::NotModified { .. } => {
            Fault::Changed
        }
        StoreError::Generic { .. } => match status(&text) {
            Some(408 | 429) => Fault::Unknown,
            Some(400..=499) => Fault::Refused,
            _ => Fault::Unknown,
        },
        _ => Fault::Refused,
    }
}

/// The error of a failed request; `what` names the action and its key.
pub(super) fn error(error: &StoreError, what: impl Display) -> Error {
    if let Some(own) = cause::<Error>(error) {
        let again = Error::new(own.kind(), own).context(what);
        return match own.hint_text() {
            Some(hint) => again.hint(hint),
            None => again,
        };
    }
    let text = error.to_string();
    if let Some((meaning, hint)) = unusable(error, &text) {
        return Error::new(Kind::Unavailable, meaning).context(what).hint(hint);
    }
    let message = match transport(error) {
        None => summary(error, &text),
        Some(HttpErrorKind::Timeout) => "the store did not answer in time".to_owned(),
        Some(_) => "the connection to the store broke".to_owned(),
    };
    Error::new(Kind::Lake, message).context(what)
}

/// As [`error`], when a store's refusal is among the sources of `foreign`: whoever reads through the store wraps it.
pub fn refusal(foreign: &(dyn std::error::Error + 'static), what: impl Display) -> Option<Error> {
    let mut next = Some(foreign);
    while let Some(wrapped) = next {
        if let Some(refused) = wrapped.downcast_ref::<StoreError>() {
            return Some(error(refused, what));
        }
        next = wrapped.source();
    }
    None
}

/// Whether the store says that permission is missing, which S3 says also of objects that are not there.
pub(super) fn is_forbidden(error: &StoreError) -> bool {
    matches!(error, StoreError::PermissionDenied { .. }) || code(&error.to_string()) == Some("AccessDenied")
}

/// Wraps an error of ours about credentials for its way through the store's client; [`error`] finds it again.
pub(super) fn no_credentials(error: Error) -> StoreError {
    StoreError::Generic { store: "S3", source: Box::new(error) }
}

/// What is wrong with the lake as a whole, when that is what the error says.
fn unusable(error: &StoreError, text: &str) -> Option<(&'static str, &'static str)> {
    let code = code(text);
    if let Some((_, meaning, hint)) = UNUSABLE.iter().find(|(known, ..)| Some(*known) == code) {
        return Some((meaning, hint));
    }
    if cause::<std::io::Error>(error).is_some_and(|io| io.kind() == std::io::ErrorKind::PermissionDenied) {
        return Some(("no permission", "let this user read and write the lake's folder"));
    }
    match error {
        StoreError::PermissionDenied { .. } => Some((UNUSABLE[1].1, UNUSABLE[1].2)),
        StoreError::Unauthenticated { .. } => Some(("the credentials are refused", UNUSABLE[3].2)),
        _ if text.contains("redirect without LOCATION") => Some((UNUSABLE[8].1, UNUSABLE[8].2)),
        _ if transport(error) == Some(HttpErrorKind::Connect) => {
            Some(("the store cannot be reached", "check [lake] url and endpoint, network and proxy"))
        }
        _ => None,
    }
}

/// Where the HTTP exchange broke, when it did.
fn transport(error: &StoreError) -> Option<HttpErrorKind> {
    cause::<HttpError>(error).map(HttpError::kind)
}

/// The first error of a kind among the sources.
fn cause<E: std::error::Error + 'static>(error: &StoreError) -> Option<&E> {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        source = inner.source();
    }
    None
}

/// `NoSuchBucket` of `…<Code>NoSuchBucket</Code>…`.
fn code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    Some(rest.split_once("</Code>")?.0)
}

/// The HTTP status in the text of a retry error.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// One short line instead of an XML body, and nothing of a text that names the key or its path: values of partition
/// keys are part of it (P10).
fn summary(error: &StoreError, text: &str) -> String {
    if let Some(io) = cause::<std::io::Error>(error) {
        return io.kind().to_string();
    }
    answered(text).unwrap_or_else(|| match error {
        StoreError::NotFound { .. } => "there is no such object".to_owned(),
        StoreError::Generic { store, .. } if *store != DISK && !text.contains(REQUEST) => quoted(text),
        StoreError::NotSupported { .. } | StoreError::UnknownConfigurationKey { .. } => quoted(text),
        _ => "the store refused it".to_owned(),
    })
}

/// `the store answered 503 SlowDown`, when that is in the text of a store's error.
pub fn answered(text: &str) -> Option<String> {
    match (status(text), code(text)) {
        (Some(status), Some(code)) => Some(format!("the store answered {status} {code}")),
        (Some(status), None) => Some(format!("the store answered {status}")),
        (None, Some(code)) => Some(format!("the store answered {code}")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt;

    fn generic(text: &str) -> StoreError {
        StoreError::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn what_no_repetition_cures_is_told_from_what_is_unknown() {
        let body = "Error performing PUT http://h/b in 1ms - Server returned non-2xx status code: ";
        let cases = [
            ("404 Not Found: <Error><Code>NoSuchBucket</Code></Error>", Fault::Unusable),
            ("400 Bad Request: <Error><Code>ExpiredToken</Code></Error>", Fault::Unusable),
            ("400 Bad Request: <Error><Code>EntityTooSmall</Code></Error>", Fault::Refused),
            ("503 Service Unavailable: <Error><Code>SlowDown</Code></Error>", Fault::Unknown),
            ("429 Too Many Requests: ", Fault::Unknown),
        ];
        for (text, fault) in cases {
            assert_eq!(classify(&generic(&format!("{body}{text}"))), fault, "{text}");
        }
        assert_eq!(classify(&generic("HTTP error: operation timed out")), Fault::Unknown);
    }

    #[test]
    fn messages_are_short_and_carry_no_body() {
        let text = "Server returned non-2xx status code: 500 Oops: <Error><Code>InternalError</Code>\
                    <Message>row Asha Rao</Message></Error>";
        assert_eq!(error(&generic(text), "write a").to_string(), "write a: the store answered 500 InternalError");
        let text =
            "Error performing GET http://h/b/site%3DAsha in 1ms - Server returned error response: <Error>no</Error>";
        assert_eq!(error(&generic(text), "read a").to_string(), "read a: the store refused it");
        let gone = StoreError::NotFound { path: "b/site=Asha".into(), source: "x".into() };
        assert_eq!(error(&gone, "read a").to_string(), "read a: there is no such object");
        let denied = StoreError::PermissionDenied { path: "a".into(), source: "x".into() };
        let denied = error(&denied, "list the lake");
        assert_eq!((denied.kind(), denied.to_string().as_str()), (Kind::Unavailable, "list the lake: no permission"));
    }

    #[tokio::test]
    async fn of_a_disk_only_the_kind_of_its_error_is_told() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir_all(folder.path().join("site=Asha/data.parquet")).expect("a folder in the file's place");
        std::fs::write(folder.path().join("site=Rao"), "short").expect("a file");
        let store = object_store::local::LocalFileSystem::new_with_prefix(folder.path()).expect("store");
        for (key, range) in [("site=Asha/data.parquet", 0..9), ("site=Asha/none", 0..9), ("site=Rao", 70..80)] {
            let refused = store.get_range(&key.into(), range).await.expect_err("no such bytes");
            let said = error(&refused, "read x").to_string();
            assert!(said.starts_with("read x: ") && !said.contains("Asha") && !said.contains("Rao"), "{said}");
        }
    }

    #[test]
    fn a_refusal_is_found_below_what_wraps_it() {
        let refused = generic("status code: 503 Slow: <Error><Code>SlowDown</Code></Error>");
        let wrapped = parquet::errors::ParquetError::External(Box::new(refused));
        let found = refusal(&wrapped, "read a").expect("the store's error");
        assert_eq!(found.to_string(), "read a: the store answered 503 SlowDown");
        assert!(refusal(&parquet::errors::ParquetError::EOF("short".into()), "read a").is_none());
    }
}
