//! The generic webhook: the verdict in words and the whole run record, for programs.

use crate::notify::channel::Report;
use crate::notify::digest::Digest;
use serde_json::{Value, json};

/// Version of the body.
const FORMAT: u32 = 1;

/// The body.
pub(super) fn body(report: &Report<'_>) -> Value {
    let digest = Digest::of(report.record, report.history);
    json!({
        "format": FORMAT,
        "subject": report.mail.subject,
        "mood": digest.mood,
        "verdict": digest.verdict,
        "trust": digest.trust,
        "text": report.mail.text,
        "record": report.record,
    })
}
