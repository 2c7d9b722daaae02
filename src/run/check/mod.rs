//! `check`: everything a run will need, looked at before the first one, and all of it told at once.
//!
//! It reads at the source, and in the lake it writes, reads and removes one probe object and one lease of its own.
//! Nothing that a run relies on is touched.

mod clocks;
mod lake;
mod mail;
mod row;
mod source;

use crate::aws::Aws;
use crate::error::{Error, Kind, Result};
use crate::extract;
use crate::lake::Lake;
use crate::model::collection::CollectionSpec;
use crate::model::finding::{CheckReport, Finding, Mark, Probe};
use crate::model::settings::Settings;
use crate::notify;
use crate::publish::catalog::CatalogProbe;
use crate::run::clock;
use futures::future::join_all;
use futures::stream::{self, StreamExt};

/// Collections looked at at once.
const COLLECTIONS_AT_ONCE: usize = 4;

/// What an environment talks to besides source and lake, to be tried by [`check`].
pub fn probes(settings: &Settings, specs: &[CollectionSpec]) -> Vec<Box<dyn Probe>> {
    let collections = specs.iter().map(|spec| &spec.namespace);
    let mut probes: Vec<Box<dyn Probe>> = vec![
        Box::new(CatalogProbe::of(Aws::of_process(), settings, collections)),
        Box::new(mail::Folder(settings.mail.clone())),
    ];
    probes.extend(notify::probes(settings));
    probes
}

/// Looks at everything of an environment. `probes` are tried besides; see [`probes`].
///
/// # Errors
/// Only when the flags and files cannot be acted on; whatever else is wrong is a finding.
pub async fn check(settings: &Settings, specs: &[CollectionSpec], probes: Vec<Box<dyn Probe>>) -> Result<CheckReport> {
    let run_id = clock::run_id(clock::now());
    let survey = extract::open_survey(&settings.source, &run_id)?;
    let (source, lake) = futures::join!(source::look(survey.as_ref()), Lake::open(&settings.lake));

    let mut findings = source.findings;
    let mut unreachable = source.bound.is_none();
    let lake = match lake {
        Ok(lake) => {
            findings.extend(lake::look(&lake, &run_id).await);
            Some(lake)
        }
        Err(error) if error.kind() == Kind::Input => return Err(error),
        Err(error) => {
            unreachable = true;
            findings.push(Finding::of_error(lake::SUBJECT, "connect", &error));
            None
        }
    };
    let source_clock = source.bound.as_ref().and_then(|asked| asked.ahead_ms);
    findings.extend(clocks::compare(source_clock, lake.as_ref().and_then(store_ahead), settings));
    if source.bound.is_some() {
        let rows = stream::iter(specs).map(|spec| row::look(settings, spec, survey.as_ref(), lake.as_ref()));
        let rows: Vec<Vec<Finding>> = rows.buffered(COLLECTIONS_AT_ONCE).collect().await;
        findings.extend(rows.into_iter().flatten());
    } else {
        let why = "not looked at, because the source cannot be reached";
        let skipped = specs.iter().map(|spec| Finding::new(Mark::Skipped, &spec.namespace.to_string(), "row", why));
        findings.extend(skipped);
    }
    let probed = join_all(probes.iter().map(|probe| probe.probe())).await;
    findings.extend(probed.into_iter().flatten());
    Ok(CheckReport::of(&settings.environment, findings, unreachable))
}

/// How far the store's clock is ahead of this machine's, in milliseconds; none on a disk.
fn store_ahead(lake: &Lake) -> Option<i64> {
    let now = clock::now().timestamp_millis();
    // A store tells its time in whole seconds, cut off.
    Some(clocks::ahead(lake.store_time()?.timestamp_millis(), now - 1_000, now))
}

/// A finding of something that was tried: fine when it worked, failed when it did not.
fn tried(subject: &str, what: &str, says: &str, result: Result<()>) -> Finding {
    match result {
        Ok(()) => Finding::new(Mark::Ok, subject, what, says),
        Err(error) => Finding::of_error(subject, what, &error),
    }
}

/// An error that says what was expected of a store and did not happen.
fn unmet(message: &str, hint: &str) -> Error {
    Error::new(Kind::Lake, message).hint(hint)
}
