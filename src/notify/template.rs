//! The one place that renders templates.

use super::words::{bytes, count, duration, wrap};
use crate::error::{Kind, Result, ResultExt};
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

/// Width of the plain-text part: mail programs break longer lines where they like.
pub(super) const TEXT_WIDTH: usize = 78;

/// Renders `source`. The name's ending decides: `.html` and `.svg` escape what is put in, `.txt` does not.
///
/// # Errors
/// `Kind::Notify` when the template does not render.
pub(super) fn render(name: &str, source: &str, values: impl Serialize) -> Result<String> {
    let mut templates = Environment::new();
    templates.set_keep_trailing_newline(true);
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_auto_escape_callback(|name| match name.rsplit('.').next() {
        Some("html" | "svg") => minijinja::AutoEscape::Html,
        _ => minijinja::AutoEscape::None,
    });
    templates.add_filter("count", |n: u64| count(n));
    templates.add_filter("bytes", |n: u64| bytes(n));
    templates.add_filter("duration", |seconds: f64| duration(seconds));
    templates.add_filter("wrap", |text: &str, indent: usize| wrap(text, TEXT_WIDTH - indent, indent));
    templates.render_named_str(name, source, values).or_error(Kind::Notify, format!("render {name}"))
}
