//! The one door to AWS Glue: plain questions and orders, and refusals sorted by what they mean.
//!
//! Throttling, dropped connections and faults of the service are repeated by the SDK, with growing pauses and jitter;
//! what comes out of here has been tried [`ATTEMPTS`] times, but for [`Glue::start_crawler`].

mod crawler;
mod database;
mod partition;
mod table;

pub use crawler::{Crawler, CrawlerPlan};
pub use partition::{Partition, PartitionPlace};

use crate::aws::Aws;
use crate::error::{Error, Kind};
use crate::kill_point::{KillPoint, reach};
use crate::model::redact;
use aws_sdk_glue::Client;
use aws_sdk_glue::config::Region;
use aws_sdk_glue::config::retry::RetryConfig;
use aws_sdk_glue::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use std::fmt;
use std::future::Future;
use std::time::Duration;

/// Tries of one call. Glue throttles by account and region, and thirty crawlers of others count too.
const ATTEMPTS: u32 = 8;

/// The first pause before a call is repeated, doubled each time and cut by chance.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// A connection to Glue.
#[derive(Debug, Clone)]
pub struct Glue {
    client: Client,
}

/// What a refusal means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is no such thing.
    Missing,
    /// It is there already.
    Exists,
    /// The crawler runs, so it can neither be changed nor started.
    Running,
    /// The permission is missing.
    Denied,
    /// Somebody else changed it at the same moment, or Glue took too long: look again, and try again.
    Again,
    /// Too many calls: it was not carried out.
    Throttled,
    /// No answer, or a fault of the service: whether it was carried out is not known.
    Unknown,
    /// Anything else.
    Other,
}

/// A call that Glue refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What it means.
    pub fault: Fault,
    /// `glue:UpdateTable`, as a policy spells it.
    pub call: &'static str,
    text: String,
}

/// The answer to a call.
pub type Answer<T> = Result<T, Refusal>;

impl Glue {
    /// A client that reaches AWS by `aws`; where nothing there names a region, Glue is in that of the lake.
    pub async fn new(aws: &Aws, lake_region: Option<&str>) -> Self {
        let retry = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(FIRST_PAUSE)
            .with_max_backoff(LONGEST_PAUSE);
        let region = aws.region().await;
        let mut config = aws_sdk_glue::config::Builder::from(aws.config().await).retry_config(retry);
        if let Some(region) = lake_region.filter(|_| region.is_none()) {
            config = config.region(Region::new(region.to_owned()));
        }
        Self { client: Client::from_conf(config.interceptor(aws.attempts()).build()) }
    }
}

impl Refusal {
    /// A refusal that the service did not make: what was asked for cannot be said to it.
    fn unsayable(call: &'static str, why: &dyn fmt::Display) -> Self {
        Self { fault: Fault::Other, call, text: redact::quoted(&why.to_string()) }
    }

    /// One item of a batch that was refused, without its values (P10).
    fn item(call: &'static str, code: Option<&str>, message: Option<&str>) -> Self {
        let code = code.unwrap_or("no code");
        let text = format!("{code}: {}", redact::quoted(message.unwrap_or("no message")));
        Self { fault: fault(code), call, text }
    }

    /// The refusal as an error, with what to do about a missing permission.
    pub fn into_error(self) -> Error {
        let error = Error::new(Kind::Notify, &self);
        match self.fault {
            Fault::Denied => error.hint(format!("allow {} to the role of this process", self.call)),
            _ => error,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.text)
    }
}

/// Sends a call that changes something: all of them go through here, so that a test can end a run before and after each
/// (P4).
async fn written<T>(call: impl Future<Output = T>) -> T {
    reach(KillPoint::BeforeCatalogWrite);
    let answer = call.await;
    reach(KillPoint::AfterCatalogWrite);
    answer
}

/// Sorts the error of a call.
fn refused<E, R>(call: &'static str) -> impl FnOnce(SdkError<E, R>) -> Refusal
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: fmt::Debug,
{
    move |error| match error.code().map(str::to_owned) {
        Some(code) => {
            let message = redact::quoted(error.message().unwrap_or("no message"));
            Refusal { fault: fault(&code), call, text: format!("{code}: {message}") }
        }
        // No answer at all: network, endpoint, credentials.
        None => Refusal { fault: Fault::Unknown, call, text: redact::quoted(&DisplayErrorContext(error).to_string()) },
    }
}

fn fault(code: &str) -> Fault {
    match code {
        "EntityNotFoundException" => Fault::Missing,
        "AlreadyExistsException" => Fault::Exists,
        "CrawlerRunningException" | "CrawlerStoppingException" => Fault::Running,
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => Fault::Denied,
        "ConcurrentModificationException" | "VersionMismatchException" | "OperationTimeoutException" => Fault::Again,
        "ThrottlingException" | "Throttling" | "TooManyRequestsException" | "RequestLimitExceeded" => Fault::Throttled,
        "InternalServiceException" | "InternalFailure" | "ServiceUnavailable" => Fault::Unknown,
        _ => Fault::Other,
    }
}

/// `None` where the thing is missing.
fn unless_missing<T>(answer: Answer<T>) -> Answer<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(refusal) if refusal.fault == Fault::Missing => Ok(None),
        Err(refusal) => Err(refusal),
    }
}
