//! `when` of a channel: which runs it is told of.

use super::document::{Reader, Section};
use super::values;
use crate::model::settings::Rules;

/// The key.
pub(super) const WHEN: &str = "when";

/// The rules of `section`; without the key every run is told.
pub(super) fn read(reader: &mut Reader<'_>, section: &Section<'_>) -> Rules {
    if !section.has(WHEN) {
        return Rules::default();
    }
    let mut rules = Rules { always: false, ..Rules::default() };
    for word in reader.strings(section, WHEN) {
        match word.value.trim() {
            "always" => rules.always = true,
            "failure" => rules.failure = true,
            "schema_change" => rules.schema_change = true,
            other => match other.strip_prefix("lag ").and_then(|length| values::duration(length.trim())) {
                Some(lag) if !lag.is_zero() => rules.lag = Some(lag),
                _ => {
                    reader
                        .reject(&word, format_args!("{} is no rule", word.shown()))
                        .hint("write any of \"always\", \"failure\", \"schema_change\" and \"lag 6h\"");
                }
            },
        }
    }
    rules
}
