//! What `check` finds out: one line for each thing looked at, and the verdict over all of them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// As it should be.
    Ok,
    /// Could not be looked at, because something before it failed or the source does not tell.
    Skipped,
    /// A run works all the same, and somebody should know.
    Warning,
    /// A run fails over it, or does what nobody wants.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it belongs to: `source`, `lake`, `mail`, `catalog`, or a collection as `database.collection`.
    pub subject: String,
    /// What was looked at, in a word or two: `connect`, `write`, `index`.
    pub what: String,
    /// How it stands.
    pub mark: Mark,
    /// What was found, in one line.
    pub says: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Finding {
    /// A finding without a hint.
    pub fn new(mark: Mark, subject: &str, what: &str, says: impl std::fmt::Display) -> Self {
        Self { subject: subject.to_owned(), what: what.to_owned(), mark, says: says.to_string(), hint: None }
    }

    /// What an error means for the thing that was looked at.
    pub fn of_error(subject: &str, what: &str, error: &crate::error::Error) -> Self {
        let hint = error.hint_text().map(str::to_owned);
        Self { hint, ..Self::new(Mark::Failed, subject, what, error) }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl std::fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }
}

/// Something outside that a run will talk to and that can be tried beforehand: a crawler, a mail identity, a webhook.
///
/// A probe changes nothing, and never fails: what is wrong is what it finds.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Looks.
    async fn probe(&self) -> Vec<Finding>;
}

/// Everything `check` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Name of the environment.
    pub environment: String,
    /// What the process exits with: 0, 1 when something failed, 3 when source or lake cannot be used at all.
    pub exit_code: u8,
    /// How many findings failed.
    pub failed: usize,
    /// How many are warnings.
    pub warnings: usize,
    /// In the order they were looked at.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// The verdict over `findings`; `unreachable`: nothing could be looked at in source or lake.
    pub fn of(environment: &str, findings: Vec<Finding>, unreachable: bool) -> Self {
        let count = |mark| findings.iter().filter(|finding| finding.mark == mark).count();
        let (failed, warnings) = (count(Mark::Failed), count(Mark::Warning));
        let exit_code = match () {
            () if unreachable => 3,
            () if failed > 0 => 1,
            () => 0,
        };
        Self { environment: environment.to_owned(), exit_code, failed, warnings, findings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_that_of_the_worst() {
        let report = |marks: &[Mark], unreachable| {
            let findings = marks.iter().map(|mark| Finding::new(*mark, "source", "connect", "")).collect();
            CheckReport::of("test", findings, unreachable)
        };
        assert_eq!(report(&[Mark::Ok, Mark::Warning, Mark::Skipped], false).exit_code, 0);
        assert_eq!(report(&[Mark::Ok, Mark::Failed], false).exit_code, 1);
        assert_eq!(report(&[Mark::Failed], true).exit_code, 3);
        assert_eq!(report(&[Mark::Failed, Mark::Warning, Mark::Warning], false).warnings, 2);
    }
}
