//! The filter that foreign error texts pass before anybody sees them (P10).

/// Drops what stands between quotes and the credentials of URLs: servers quote field values and passwords there.
///
/// `E11000 duplicate key { name: "Asha" }` becomes `E11000 duplicate key { name: "…" }`, and
/// `mongodb://user:secret@host` becomes `mongodb://…@host`. An apostrophe inside a word opens no quotation. What is
/// quoted may hold the quote itself, as `'O'Brien'` does, so a quotation ends at the last one of its kind.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut previous = ' ';
    while let Some(c) = rest.chars().next() {
        let opens = matches!(c, '"' | '`') || (c == '\'' && !previous.is_alphanumeric());
        rest = &rest[c.len_utf8()..];
        out.push(c);
        previous = c;
        if !opens {
            continue;
        }
        out.push('…');
        rest = match rest.rsplit_once(c) {
            Some((_, after)) => {
                out.push(c);
                after
            }
            None => "",
        };
    }
    url_credentials(&out)
}

/// Replaces `user:password` in every `scheme://user:password@host` of `text` by `…`.
pub fn url_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        out.push_str(head);
        let end = tail.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '"' | '\'')).unwrap_or(tail.len());
        match tail[..end].rfind('@') {
            Some(at) => {
                out.push('…');
                rest = &tail[at..];
            }
            None => rest = tail,
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_quoted_values_and_passwords() {
        assert_eq!(quoted(r#"bad value "Asha \" Rao" in name"#), r#"bad value "…" in name"#);
        assert_eq!(quoted("can't parse 'Rao'"), "can't parse '…'");
        assert_eq!(quoted("open \"never closed"), "open \"…");
        assert_eq!(quoted("parse number 'O'Brien 12' in $convert"), "parse number '…' in $convert");
        assert_eq!(quoted(r#"key { a: "x", b: "y" } of `z`"#), r#"key { a: "…" } of `…`"#);
        assert_eq!(quoted("mongodb://u:p%40@h:1/db refused"), "mongodb://…@h:1/db refused");
    }
}
