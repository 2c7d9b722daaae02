//! The metrics to a Prometheus Pushgateway, as one group per environment that each run replaces.

use super::super::channel::{Channel, Report};
use super::super::channels::EVERY_RUN;
use super::super::http;
use crate::error::{Error, Kind, Result};
use crate::model::secret::Secret;
use crate::model::settings::Rules;
use async_trait::async_trait;
use prometheus::TEXT_FORMAT;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;

/// `job` of the group.
const JOB: &str = "lakefold";

/// `[metrics] pushgateway`
pub(in super::super) struct Pushgateway {
    url: Secret,
}

impl Pushgateway {
    pub(in super::super) fn new(url: &Secret) -> Self {
        Self { url: url.clone() }
    }

    /// `<url>/metrics/job/lakefold/environment/<environment>`
    fn group(&self, environment: &str) -> Result<Url> {
        let wrong =
            || Error::new(Kind::Notify, "its url is none").hint("write [metrics] pushgateway as `http://host:9091`");
        let mut url = Url::parse(self.url.expose()).map_err(|_| wrong())?;
        let mut segments = url.path_segments_mut().map_err(|()| wrong())?;
        segments.pop_if_empty().extend(["metrics", "job", JOB, "environment", environment]);
        drop(segments);
        Ok(url)
    }
}

#[async_trait]
impl Channel for Pushgateway {
    fn name(&self) -> &str {
        "pushgateway"
    }

    fn rules(&self) -> &Rules {
        &EVERY_RUN
    }

    async fn send(&self, report: &Report<'_>) -> Result<()> {
        let text = super::text(report)?;
        let url = self.group(&report.record.environment)?;
        let request = http::client()?.put(url).header(CONTENT_TYPE, TEXT_FORMAT).body(text);
        http::send(request, &[&self.url]).await
    }
}
