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
        None => summary(&text),
        Some(HttpErrorKind::Timeout) => "the store did not answer in time".to_owned(),
        Some(_) => "the connection to the store broke".to_owned(),
    };
    Error::new(Kind::Lake, message).context(what)
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

/// One short line instead of an XML body.
fn summary(text: &str) -> String {
    match (status(text), code(text)) {
        (Some(status), Some(code)) => format!("the store answered {status} {code}"),
        (Some(status), None) => format!("the store answered {status}"),
        (None, Some(code)) => format!("the store answered {code}"),
        (None, None) => quoted(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let denied = StoreError::PermissionDenied { path: "a".into(), source: "x".into() };
        let denied = error(&denied, "list the lake");
        assert_eq!((denied.kind(), denied.to_string().as_str()), (Kind::Unavailable, "list the lake: no permission"));
    }
}
