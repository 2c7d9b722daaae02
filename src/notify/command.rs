//! Command lines that can be copied into a shell as they are.

/// Runs one collection again.
pub(super) fn rerun(environment: &str, collection: &str) -> String {
    format!("lakefold run --env {} --collection {}", quoted(environment), quoted(collection))
}

/// `text` as one word of a POSIX shell: MongoDB allows spaces, quotes and `$` in names.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | '+' | '@' | '%');
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_quoted_for_the_shell() {
        assert_eq!(rerun("prod", "hospital.bills"), "lakefold run --env prod --collection hospital.bills");
        assert_eq!(rerun("prod", "db.it's $x"), r"lakefold run --env prod --collection 'db.it'\''s $x'");
    }
}
