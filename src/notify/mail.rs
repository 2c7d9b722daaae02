//! The run as a mail: subject, plain text and HTML, worked out from the record alone.

use super::digest::Digest;
use super::words::{bytes, count, duration, wrap};
use super::{table, verdict};
use crate::error::{Kind, Result, ResultExt};
use crate::model::record::RunRecord;
use minijinja::{Environment, UndefinedBehavior, context};

/// Width of the plain-text part: mail programs break longer lines where they like.
const TEXT_WIDTH: usize = 78;

/// A mail before it is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Environment, verdict and counts.
    pub subject: String,
    /// The plain-text part.
    pub text: String,
    /// The HTML part: tables and inline styles only, so that Outlook, phones and dark mode show it alike.
    pub html: String,
}

/// Renders the mail about `record`.
///
/// # Errors
/// `Kind::Notify` when a template does not render.
pub fn render(record: &RunRecord) -> Result<Mail> {
    let digest = Digest::of(record);
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.add_filter("count", |n: u64| count(n));
    templates.add_filter("bytes", |n: u64| bytes(n));
    templates.add_filter("duration", |seconds: f64| duration(seconds));
    templates.add_filter("wrap", |text: &str, indent: usize| wrap(text, TEXT_WIDTH - indent, indent));
    let render = |name: &'static str, source: &'static str| {
        // The name's ending decides: `.html` escapes what is put in, `.txt` does not.
        templates
            .render_named_str(
                name,
                source,
                context! {
                    run => &digest,
                    table => table::collections(&digest.collections, TEXT_WIDTH),
                },
            )
            .or_error(Kind::Notify, format!("render {name}"))
    };
    Ok(Mail {
        subject: verdict::subject(record),
        text: render("mail.txt", include_str!("templates/mail.txt"))?,
        html: render("mail.html", include_str!("templates/mail.html"))?,
    })
}
