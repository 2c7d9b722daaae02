//! Telegram's `sendMessage`: <https://core.telegram.org/bots/api#sendmessage>.

use super::{NOTES_TOLD, TROUBLES_TOLD, cut, rest};
use crate::notify::channel::Report;
use crate::notify::digest::Digest;
use crate::notify::verdict::Mood;
use serde_json::{Value, json};

/// Longest message, in characters after its tags are taken out; a paragraph that would go beyond is left out.
const MESSAGE_MAX: usize = 4_096;

/// Longest paragraph: one reason must not push everything else out.
const PARAGRAPH_MAX: usize = 900;

/// The message.
pub(super) fn body(report: &Report<'_>, chat: &str) -> Value {
    let digest = Digest::of(report.record, report.history);
    let sign = match digest.mood {
        Mood::Good => "🟢",
        Mood::Look => "🟡",
        Mood::Bad => "🔴",
    };
    let mut paragraphs = vec![
        format!("{sign} <b>{}: {}</b>\n{}", escaped(&digest.environment), digest.word, escaped(&digest.verdict)),
        escaped(&cut(&digest.trust, PARAGRAPH_MAX)),
    ];
    for trouble in digest.troubles.iter().take(TROUBLES_TOLD) {
        let told = match &trouble.hint {
            Some(hint) => format!("{}\n{hint}", trouble.reason),
            None => trouble.reason.clone(),
        };
        paragraphs.push(format!(
            "<b>{}</b> {}: {}\n<code>{}</code>",
            escaped(&trouble.collection),
            trouble.outcome,
            escaped(&cut(&told, PARAGRAPH_MAX)),
            escaped(&cut(&trouble.command, PARAGRAPH_MAX))
        ));
    }
    paragraphs.extend(rest(digest.troubles.len(), TROUBLES_TOLD));
    for notes in [&digest.changes, &digest.warnings] {
        let told = notes.iter().take(NOTES_TOLD).map(|note| {
            let text = cut(&format!("{}: {}", note.collection, note.text), PARAGRAPH_MAX / 2);
            format!("• {}", escaped(&text))
        });
        paragraphs.extend(told);
        paragraphs.extend(rest(notes.len(), NOTES_TOLD));
    }
    let mut text = String::new();
    for paragraph in paragraphs {
        // Tags and entities count here although Telegram takes them out first: the message stays below its bound.
        if text.chars().count() + 2 + paragraph.chars().count() > MESSAGE_MAX {
            break;
        }
        if !text.is_empty() {
            text += "\n\n";
        }
        text += &paragraph;
    }
    json!({"chat_id": chat, "text": text, "parse_mode": "HTML", "link_preview_options": {"is_disabled": true}})
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
