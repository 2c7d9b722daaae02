//! The source: whether it answers, admits the user, and what its clock says.

use super::clocks;
use crate::extract::Survey;
use crate::model::finding::{Finding, Mark};
use crate::run::clock;

/// The word for the source in findings.
pub const SUBJECT: &str = "source";

/// What was found out, and what the rows build on.
pub struct Looked {
    /// About connection and user.
    pub findings: Vec<Finding>,
    /// The source's answer; none: it cannot be used.
    pub bound: Option<Asked>,
}

/// A source that answered.
pub struct Asked {
    /// How far its clock is ahead of this machine's, in milliseconds; none: it has no clock.
    pub ahead_ms: Option<i64>,
}

/// Asks the source for its time, as every run does first.
pub async fn look(survey: &dyn Survey) -> Looked {
    let before = clock::now().timestamp_millis();
    let bound = match survey.bound().await {
        Ok(bound) => bound,
        Err(error) => {
            return Looked { findings: vec![Finding::of_error(SUBJECT, "connect", &error)], bound: None };
        }
    };
    let after = clock::now().timestamp_millis();
    if survey.is_dump() {
        let says = match bound.time_ms.and_then(clock::rfc3339) {
            Some(time) => format!("a mongodump folder, started at {time}"),
            None => "a mongodump folder without dump.json: every run reads all of it".to_owned(),
        };
        // A dump's time is that of its making, not of a clock.
        let findings = vec![Finding::new(Mark::Ok, SUBJECT, "connect", says)];
        return Looked { findings, bound: Some(Asked { ahead_ms: None }) };
    }
    let kind = match bound.operation_time {
        Some(_) => "reads wait for what a majority has",
        None => "no operation times (a standalone server or a relative): the overlap has to cover late commits",
    };
    let ahead_ms = bound.time_ms.map(|time| clocks::ahead(time, before, after));
    let says = format!("MongoDB answers and admits the user; {kind}");
    Looked { findings: vec![Finding::new(Mark::Ok, SUBJECT, "connect", says)], bound: Some(Asked { ahead_ms }) }
}
