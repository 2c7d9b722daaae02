//! Slack's blocks: <https://api.slack.com/reference/block-kit/blocks>.

use super::{NOTES_TOLD, TROUBLES_TOLD, cut, rest};
use crate::notify::channel::Report;
use crate::notify::digest::{Digest, Note};
use crate::notify::verdict::Mood;
use serde_json::{Value, json};

/// Longest text of a header.
const HEADER_MAX: usize = 150;

/// Longest text of a section.
const SECTION_MAX: usize = 3_000;

/// The message.
pub(super) fn body(report: &Report<'_>) -> Value {
    let digest = Digest::of(report.record, report.history);
    let sign = match digest.mood {
        Mood::Good => ":large_green_circle:",
        Mood::Look => ":large_yellow_circle:",
        Mood::Bad => ":red_circle:",
    };
    let title = format!("{sign} {}: {}", digest.environment, digest.word);
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "emoji": true, "text": cut(&title, HEADER_MAX)}}),
        section(&format!("{}\n{}", escaped(&digest.verdict), escaped(&digest.trust))),
    ];
    for trouble in digest.troubles.iter().take(TROUBLES_TOLD) {
        let mut text = format!("*{}* {}: {}", escaped(&trouble.collection), trouble.outcome, escaped(&trouble.reason));
        if let Some(hint) = &trouble.hint {
            text += &format!("\n{}", escaped(hint));
        }
        text += &format!("\n```{}```", escaped(&trouble.command));
        blocks.push(section(&text));
    }
    blocks.extend(rest(digest.troubles.len(), TROUBLES_TOLD).map(|more| section(&more)));
    for (title, notes) in [("Schema changes", &digest.changes), ("Warnings", &digest.warnings)] {
        blocks.extend(listed(title, notes));
    }
    let foot = format!("run {} · {} · took {}", digest.run_id, digest.started, digest.took);
    blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": escaped(&foot)}]}));
    // `text` is what notifications show, and what servers that know no blocks show at all.
    json!({"text": escaped(&report.mail.subject), "blocks": blocks})
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": cut(text, SECTION_MAX)}})
}

fn listed(title: &str, notes: &[Note]) -> Option<Value> {
    if notes.is_empty() {
        return None;
    }
    let mut lines = vec![format!("*{title}*")];
    lines.extend(notes.iter().take(NOTES_TOLD).map(|note| {
        let text = format!("{}: {}", note.collection, note.text);
        format!("• {}", escaped(&cut(&text, 500)))
    }));
    lines.extend(rest(notes.len(), NOTES_TOLD));
    Some(section(&lines.join("\n")))
}

/// The three characters that mean something to Slack's parser.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
