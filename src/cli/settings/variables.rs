//! `${VAR}`, `${VAR:-default}` and references to secrets in the strings of an environment file.
//!
//! Variables are put into values after the TOML is parsed, so that a password may hold quotes, and into the result
//! once, so that a value that looks like a variable stays what it is.

use super::secrets::Secrets;

/// Looks a variable up; the process environment in production, a table in tests.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A text with its variables put in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Substituted {
    /// The result.
    pub value: String,
    /// Whether a variable was put in: then the value may be secret and is never shown.
    pub any: bool,
}

/// Puts in every variable of `text`; an error says what is wrong with one, never a value.
pub(super) fn substitute(text: &str, lookup: &Lookup<'_>, secrets: &Secrets) -> Result<Substituted, String> {
    let mut value = String::with_capacity(text.len());
    let mut any = false;
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("${") {
        value.push_str(before);
        let Some((inside, after)) = from.split_once('}') else {
            return Err("a `${` lacks its `}`".to_owned());
        };
        value.push_str(&match secrets.value(inside) {
            Some(secret) => secret?,
            None => resolve(inside, lookup)?,
        });
        any = true;
        rest = after;
    }
    value.push_str(rest);
    Ok(Substituted { value, any })
}

fn resolve(inside: &str, lookup: &Lookup<'_>) -> Result<String, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_name(name) {
        // What stands here may be a secret that was pasted between the braces.
        return Err("`${…}` holds no variable name; write `${VAR}` or `${VAR:-default}`".to_owned());
    }
    // As in a shell, `:-` stands in for an empty variable too.
    match (lookup(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!("variable `{name}` is not set; set it or write `${{{name}:-default}}`")),
    }
}

/// `[A-Za-z_][A-Za-z0-9_]*`
fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str) -> Result<Substituted, String> {
        substitute(
            text,
            &|name| match name {
                "USER" => Some("asha".to_owned()),
                "TRICK" => Some("${USER}".to_owned()),
                "EMPTY" => Some(String::new()),
                _ => None,
            },
            &Secrets::default(),
        )
    }

    #[test]
    fn puts_variables_and_defaults_in_once() {
        let value = |text| put(text).map(|substituted| substituted.value);
        assert_eq!(value("a ${USER} b ${USER}"), Ok("a asha b asha".into()));
        assert_eq!(value("${TRICK}"), Ok("${USER}".into()));
        assert_eq!(value("${NONE:-x:-y}"), Ok("x:-y".into()));
        assert_eq!(value("${EMPTY:-d}${EMPTY}"), Ok("d".into()));
        assert_eq!(value("$5 {x} $"), Ok("$5 {x} $".into()));
        assert_eq!(put("plain").map(|s| s.any), Ok(false));
        assert_eq!(put("${NONE:-x}").map(|s| s.any), Ok(true));
    }

    #[test]
    fn says_what_is_wrong_without_the_value() {
        assert_eq!(put("${NONE}").unwrap_err(), "variable `NONE` is not set; set it or write `${NONE:-default}`");
        assert_eq!(put("x ${USER").unwrap_err(), "a `${` lacks its `}`");
        assert_eq!(put("${aws-secret:lake#uri}").unwrap_err(), "was not fetched from AWS");
        for bad in ["${}", "${5A}", "${p@ss}"] {
            assert_eq!(
                put(bad).unwrap_err(),
                "`${…}` holds no variable name; write `${VAR}` or `${VAR:-default}`",
                "{bad}"
            );
        }
    }
}
