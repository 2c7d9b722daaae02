//! What is wrong in a file a person wrote: where it stands, what it is, what to write instead.
//!
//! Errors stop at the first; problems are collected, so that a person mends a file once and not once per line.

use std::fmt;

/// One thing wrong in an environment file or a manifest.
///
/// `Display` is one line without the hint. Messages never show a value that may be secret (P10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as the person named it.
    pub file: String,
    /// Line, from 1; none when it concerns the whole file.
    pub line: Option<u64>,
    /// Dotted key (`lake.url`) or column (`partition_by`).
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of the file as a whole.
    pub fn new(file: &str, message: impl fmt::Display) -> Self {
        Self { file: file.to_owned(), line: None, key: None, message: message.to_string(), hint: None }
    }

    /// Says what to write instead.
    pub fn hint(&mut self, hint: impl fmt::Display) {
        self.hint = Some(hint.to_string());
    }

    /// Says which of `known` was probably meant by `word`; when none is near, lists them all.
    pub fn hint_nearest(&mut self, word: &str, known: &[&str]) {
        match nearest(word, known.iter().copied()) {
            Some(near) => self.hint(format_args!("did you mean `{near}`?")),
            None => self.hint(format_args!("known are {}", listed(known))),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The problems of one file, in the order they were found.
#[derive(Debug)]
pub struct Problems {
    file: String,
    found: Vec<Problem>,
}

impl Problems {
    /// No problem yet in `file`.
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    /// Notes one; the caller may add a hint to what is returned.
    pub fn add(&mut self, line: u64, key: &str, message: impl fmt::Display) -> &mut Problem {
        self.push(Some(line), Some(key), message)
    }

    /// Notes one that concerns a whole line or the whole file.
    pub fn add_general(&mut self, line: Option<u64>, message: impl fmt::Display) -> &mut Problem {
        self.push(line, None, message)
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was found, by line; those without a line come first.
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| problem.line);
        self.found
    }

    fn push(&mut self, line: Option<u64>, key: Option<&str>, message: impl fmt::Display) -> &mut Problem {
        let at = self.found.len();
        self.found.push(Problem { line, key: key.map(str::to_owned), ..Problem::new(&self.file, message) });
        &mut self.found[at]
    }
}

/// The word of `known` that `word` is probably a misspelling of.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    /// Below this likeness a suggestion puzzles more than it helps: `sources`/`source` is 0.86, `dya`/`day` 0.67.
    const ALIKE: f64 = 0.6;
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `` `a`, `b` and `c` ``
pub fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_file_line_key_and_message_in_one_line() {
        let mut problems = Problems::new("env/demo.toml");
        problems.add(7, "lake.url", "is missing").hint("add one");
        problems.add_general(None, "is not UTF-8");
        let found = problems.into_sorted();
        assert_eq!(found[0].to_string(), "env/demo.toml: is not UTF-8");
        assert_eq!(found[1].to_string(), "env/demo.toml:7: lake.url: is missing");
        assert_eq!(found[1].hint.as_deref(), Some("add one"));
    }

    #[test]
    fn suggests_only_what_is_near() {
        assert_eq!(nearest("dya", ["year", "month", "day"]), Some("day"));
        assert_eq!(nearest("Partition-By", ["partition_by", "hash"]), Some("partition_by"));
        assert_eq!(nearest("colour", ["database", "hash"]), None);
        assert_eq!(listed(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
