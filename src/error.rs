//! One error type for the whole program: what happened, to what, and what to do next.
//!
//! There is no blanket `From`: a foreign error becomes an [`Error`] at the call that knows what was being done
//! and to which file, key or collection. The [`Kind`] alone decides exit code and retry.

use std::fmt;

/// What an [`Error`] means for the run; closed on purpose, so that exit codes stay a function of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Flags, environment file or manifest are wrong; nothing was touched (exit 2).
    Input,
    /// The source or the lake cannot be used at all: unreachable, refused, missing bucket, no permission (exit 3
    /// when it stops the whole run, otherwise the collection fails).
    Unavailable,
    /// Reading one collection failed.
    Source,
    /// Documents and the table's schema or settings cannot be brought together.
    Schema,
    /// Reading or writing one table or state object failed.
    Lake,
    /// A conditional write found another version than the one this run read.
    Conflict,
    /// Another run holds the lease of the collection.
    Busy,
    /// Mail, metrics, webhook or catalog failed; never undoes data.
    Notify,
    /// A promise (P1-P10) would have been broken.
    Invariant,
    /// SIGINT, SIGTERM or the deadline.
    Interrupted,
}

/// An error with the chain of what was being done, outermost first, an optional hint and an optional detail.
///
/// `Display` is one line without hint and detail. Messages carry no credential and no
/// document content (P10): foreign texts go through [`crate::model::redact::quoted`] before they get here.
#[derive(Clone)]
pub struct Error {
    kind: Kind,
    message: String,
    context: Vec<String>,
    hint: Option<String>,
    detail: Option<String>,
}

/// The result of everything that can fail in lakefold.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A new error; `message` says what happened, without "failed to".
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string(), context: Vec::new(), hint: None, detail: None }
    }

    /// Adds what was being done, with its object: `.context("read lease main/_lakefold/leases/a.json")`.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.context.push(doing.to_string());
        self
    }

    /// Says what the reader should do next.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Keeps what only somebody who digs wants to read, however long: the foreign words behind the message, filtered.
    #[must_use]
    pub fn detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    /// The kind, from which exit code and retry follow.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The error and, on a line of its own, what to do next: how records keep it.
    pub fn explained(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self}\n{hint}"),
            None => self.to_string(),
        }
    }

    /// The same in one line, for records that have no more room.
    pub fn in_one_line(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self}; {hint}"),
            None => self.to_string(),
        }
    }

    /// What to do next, when known.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What only somebody who digs wants to read, when there is more than the message.
    pub fn detail_text(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for doing in self.context.iter().rev() {
            write!(f, "{doing}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.kind)?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Turns a foreign result into ours at the place that knows what was being done.
pub trait ResultExt<T> {
    /// `what` names the action and its object; the foreign text follows it, filtered (P10).
    fn or_error(self, kind: Kind, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> ResultExt<T> for std::result::Result<T, E> {
    fn or_error(self, kind: Kind, what: impl fmt::Display) -> Result<T> {
        self.map_err(|e| {
            let text = crate::model::redact::quoted(&e.to_string());
            let line = first_line(&text);
            let error = Error::new(kind, line).context(what);
            if line.len() < text.trim_end().len() { error.detail(&text) } else { error }
        })
    }
}

/// As much of a foreign text as fits into a message of one line.
fn first_line(text: &str) -> &str {
    const LONGEST: usize = 300;
    let line = text.trim_start().lines().next().unwrap_or_default();
    line.char_indices().nth(LONGEST).map_or(line, |(end, _)| line.get(..end).unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_text_is_one_line_and_the_rest_is_detail() {
        let long: std::result::Result<(), _> = Err("first\nsecond");
        let error = long.or_error(Kind::Lake, "write x").unwrap_err();
        assert_eq!((error.to_string().as_str(), error.detail_text()), ("write x: first", Some("first\nsecond")));
        let short: std::result::Result<(), _> = Err("first");
        assert_eq!(short.or_error(Kind::Lake, "write x").unwrap_err().detail_text(), None);
    }
}
