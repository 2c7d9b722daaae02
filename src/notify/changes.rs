//! Schema changes in plain words: somebody who reads dashboards, not type systems, should know what to expect.

use super::words::several;
use crate::model::record::SchemaChange;

/// Longest type text shown beside its plain words; a struct of fifty fields helps nobody in a mail.
const TYPE_SHOWN: usize = 40;

/// New columns told one by one; a table's first load brings all of its columns, and those are told together.
const NEW_TOLD: usize = 3;
/// Names shown when new columns are told together.
const NAMES_SHOWN: usize = 8;

/// The changes of one collection: each changed type, and the new columns one by one while they are few.
pub(super) fn sentences(changes: &[SchemaChange]) -> Vec<String> {
    let (new, changed): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.from.is_none());
    let mut sentences: Vec<String> = changed.into_iter().map(sentence).collect();
    if new.len() <= NEW_TOLD {
        sentences.extend(new.into_iter().map(sentence));
    } else {
        let shown: Vec<&str> = new.iter().take(NAMES_SHOWN).map(|change| change.column.as_str()).collect();
        let more = new.len() - shown.len();
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        sentences.push(format!("{} new columns: {}{rest}", new.len(), shown.join(", ")));
    }
    sentences
}

/// One change as a sentence: `age: was whole numbers (bigint), is now text (string); 37 values brought it, …`.
fn sentence(change: &SchemaChange) -> String {
    let column = &change.column;
    let mut text = match &change.from {
        None if change.path == change.column => format!("{column}: new column, {}", worded(&change.to)),
        None => format!("{column}: new column from the field {}, {}", change.path, worded(&change.to)),
        Some(from) => format!("{column}: was {}, is now {}", worded(from), worded(&change.to)),
    };
    if change.count > 0 {
        let values = several(change.count, "value");
        text += &if change.from.is_some() { format!("; {values} brought it") } else { format!("; {values}") };
    }
    if !change.example_ids.is_empty() {
        text += &format!(", for example in _id {}", change.example_ids.join(", "));
    }
    text
}

/// Plain words, with the exact type behind them while it is short.
fn worded(type_text: &str) -> String {
    let words = plain(type_text);
    if type_text.chars().count() <= TYPE_SHOWN { format!("{words} ({type_text})") } else { words }
}

/// What a column of a Hive type holds, in words; a type unknown here is shown as it is.
fn plain(type_text: &str) -> String {
    let inner = |open: &str| type_text.strip_prefix(open).and_then(|rest| rest.strip_suffix('>'));
    if let Some(element) = inner("array<") {
        return format!("lists of {}", plain(element));
    }
    if type_text.starts_with("struct<") {
        return "documents with fields".to_owned();
    }
    if type_text.starts_with("map<") {
        return "documents with free keys".to_owned();
    }
    match type_text {
        "bigint" | "int" => "whole numbers",
        "double" => "numbers",
        "boolean" => "yes or no",
        "string" => "text",
        "timestamp" => "times",
        decimal if decimal.starts_with("decimal") => "exact decimals",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(column: &str, from: Option<&str>, to: &str) -> SchemaChange {
        SchemaChange {
            path: column.into(),
            column: column.into(),
            from: from.map(Into::into),
            to: to.into(),
            count: 0,
            example_ids: Vec::new(),
        }
    }

    #[test]
    fn many_new_columns_are_told_together() {
        let mut changes: Vec<SchemaChange> = (0..20).map(|i| change(&format!("c{i}"), None, "string")).collect();
        changes.push(change("age", Some("bigint"), "string"));
        let told = sentences(&changes);
        assert_eq!(told[0], "age: was whole numbers (bigint), is now text (string)");
        assert_eq!(told[1], "20 new columns: c0, c1, c2, c3, c4, c5, c6, c7 and 12 more");
        assert_eq!(told.len(), 2);
    }

    #[test]
    fn says_what_was_and_what_is() {
        let mut age = change("age", Some("bigint"), "string");
        age.count = 37;
        age.example_ids = vec!["42".into(), "43".into()];
        assert_eq!(
            sentence(&age),
            "age: was whole numbers (bigint), is now text (string); 37 values brought it, for example in _id 42, 43"
        );
        assert_eq!(
            sentence(&change("phones", None, "array<string>")),
            "phones: new column, lists of text (array<string>)"
        );
    }

    #[test]
    fn long_types_stay_in_words_and_renamed_fields_are_named() {
        let mut items = change("line_items", None, &format!("array<struct<{}>>", "a:bigint,".repeat(20)));
        items.path = "lineItems".into();
        assert_eq!(sentence(&items), "line_items: new column from the field lineItems, lists of documents with fields");
    }
}
