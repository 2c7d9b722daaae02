//! Typed access to a TOML document that remembers the line of everything and goes on after an error.

use super::secrets::Secrets;
use super::variables::{Lookup, substitute};
use crate::model::problem::{Problem, Problems};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads values of one file and collects what is wrong with them.
pub(super) struct Reader<'r> {
    text: &'r str,
    lookup: &'r Lookup<'r>,
    secrets: &'r Secrets,
    /// What was found so far.
    pub problems: Problems,
}

/// One `[section]`, or the keys above all sections when `name` is empty.
pub(super) struct Section<'d> {
    name: &'static str,
    table: Option<&'d DeTable<'d>>,
    /// None: the file has no such section.
    line: Option<u64>,
}

/// A string of the file, variables put in.
pub(super) struct Text {
    /// The value.
    pub value: String,
    /// The dotted key it stands at.
    pub key: String,
    /// Its line.
    pub line: u64,
    /// Whether a message may show it: not when a variable was put in (P10).
    open: bool,
}

impl Text {
    /// The value as a message may show it.
    pub fn shown(&self) -> String {
        if self.open { format!("`{}`", self.value) } else { "the value of its variable".to_owned() }
    }
}

impl<'r> Reader<'r> {
    pub fn new(file: &str, text: &'r str, lookup: &'r Lookup<'r>, secrets: &'r Secrets) -> Self {
        Self { text, lookup, secrets, problems: Problems::new(file) }
    }

    /// The document's keys outside sections. Unknown keys and sections become problems.
    pub fn root<'d>(&mut self, table: &'d DeTable<'d>, known: &[&str]) -> Section<'d> {
        let section = Section { name: "", table: Some(table), line: None };
        self.check_keys(&section, known);
        section
    }

    /// A section of the document; unknown keys in it become problems.
    pub fn section<'d>(&mut self, root: &Section<'d>, name: &'static str, known: &[&str]) -> Section<'d> {
        let missing = Section { name, table: None, line: None };
        let Some((key, value)) = root.table.and_then(|table| table.get_key_value(name)) else {
            return missing;
        };
        let line = self.line_of(key);
        let DeValue::Table(table) = value.get_ref() else {
            self.problems
                .add(line, name, format_args!("is a section, not {}", described(value)))
                .hint(format_args!("write `[{name}]` on a line of its own, its keys below"));
            return missing;
        };
        let section = Section { name, table: Some(table), line: Some(line) };
        self.check_keys(&section, known);
        section
    }

    /// Every `[[name]]` of the document; unknown keys in them become problems.
    pub fn sections<'d>(&mut self, root: &Section<'d>, name: &'static str, known: &[&str]) -> Vec<Section<'d>> {
        let Some(value) = root.get(name) else {
            return Vec::new();
        };
        let items = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        let mut sections = Vec::with_capacity(items.len());
        for item in items {
            let line = self.line_of(item);
            match item.get_ref() {
                DeValue::Table(table) if !std::ptr::eq(item, value) => {
                    let section = Section { name, table: Some(table), line: Some(line) };
                    self.check_keys(&section, known);
                    sections.push(section);
                }
                _ => {
                    self.problems
                        .add(line, name, format_args!("is a list of sections, not {}", described(item)))
                        .hint(format_args!("write `[[{name}]]` on a line of its own, its keys below"));
                }
            }
        }
        sections
    }

    /// Notes a problem of a key of `section`, whether the file has it or not.
    pub fn problem(&mut self, section: &Section<'_>, key: &str, message: impl std::fmt::Display) -> &mut Problem {
        let line = section.get(key).map(|value| self.line_of(value)).or(section.line);
        let noted = self.problems.add_general(line, message);
        noted.key = Some(section.dotted(key));
        noted
    }

    /// Notes the problem when the key is there although it says nothing here.
    pub fn refuse(&mut self, section: &Section<'_>, key: &str, why: &str) {
        if section.has(key) {
            self.problem(section, key, why).hint("take it out");
        }
    }

    /// A string, variables put in. Empty strings are refused: they stand for a forgotten value.
    pub fn string(&mut self, section: &Section<'_>, key: &str) -> Option<Text> {
        let value = section.get(key)?;
        let text = self.text_of(value, &section.dotted(key), "a string in quotes")?;
        if text.value.trim().is_empty() {
            self.reject(&text, "is empty");
            return None;
        }
        Some(text)
    }

    /// A string that must be there; `example` shows what to write.
    pub fn required(&mut self, section: &Section<'_>, key: &str, example: &str) -> Option<Text> {
        self.require(section, key, &format!("\"{example}\""));
        self.string(section, key)
    }

    /// Notes the problem when the key is not there; `example` is a value in TOML.
    pub fn require(&mut self, section: &Section<'_>, key: &str, example: &str) {
        if section.has(key) {
            return;
        }
        let noted = self.problems.add_general(section.line, "is missing");
        noted.key = Some(section.dotted(key));
        noted.hint(match section.line {
            Some(_) => format!("add `{key} = {example}`"),
            None => format!("add `[{}]` with `{key} = {example}`", section.name),
        });
    }

    /// A list of strings.
    pub fn strings(&mut self, section: &Section<'_>, key: &str) -> Vec<Text> {
        let Some(value) = section.get(key) else {
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(value, &section.dotted(key), "a list such as `[\"data@example.org\"]`");
            return Vec::new();
        };
        items.iter().filter_map(|item| self.text_of(item, &section.dotted(key), "a list of strings")).collect()
    }

    /// `true` or `false`, also as what a variable stands for.
    pub fn boolean(&mut self, section: &Section<'_>, key: &str) -> Option<bool> {
        let value = section.get(key)?;
        match value.get_ref() {
            DeValue::Boolean(yes) => Some(*yes),
            _ => self.parsed_from_variable(value, &section.dotted(key), "`true` or `false`"),
        }
    }

    /// A whole number, also as what a variable stands for.
    pub fn integer(&mut self, section: &Section<'_>, key: &str) -> Option<(i64, u64)> {
        let value = section.get(key)?;
        let line = self.line_of(value);
        let number = match value.get_ref() {
            DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) => Some(number),
                Err(_) => {
                    self.problems.add(line, &section.dotted(key), "is too large a number");
                    None
                }
            },
            _ => self.parsed_from_variable(value, &section.dotted(key), "a whole number without quotes"),
        };
        Some((number?, line))
    }

    /// Notes a problem of a value already read.
    pub fn reject(&mut self, text: &Text, message: impl std::fmt::Display) -> &mut Problem {
        self.problems.add(text.line, &text.key, message)
    }

    /// The line of byte `at`, from 1.
    pub fn line_at(&self, at: usize) -> u64 {
        let before = self.text.as_bytes().get(..at).unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1
    }

    fn line_of<T>(&self, spanned: &Spanned<T>) -> u64 {
        self.line_at(spanned.span().start)
    }

    fn check_keys(&mut self, section: &Section<'_>, known: &[&str]) {
        for key in section.table.into_iter().flat_map(DeTable::keys) {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let line = self.line_of(key);
                self.problems.add(line, &section.dotted(name), "unknown key").hint_nearest(name, known);
            }
        }
    }

    fn text_of(&mut self, value: &Spanned<DeValue<'_>>, key: &str, wanted: &str) -> Option<Text> {
        let DeValue::String(raw) = value.get_ref() else {
            self.wrong_type(value, key, wanted);
            return None;
        };
        let line = self.line_of(value);
        match substitute(raw, self.lookup, self.secrets) {
            Ok(substituted) => {
                Some(Text { value: substituted.value, key: key.to_owned(), line, open: !substituted.any })
            }
            Err(message) => {
                self.problems.add(line, key, message);
                None
            }
        }
    }

    /// TOML has no variables outside strings, so `"${N}"` may stand where a number or boolean is wanted.
    fn parsed_from_variable<T: std::str::FromStr>(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        key: &str,
        wanted: &str,
    ) -> Option<T> {
        let variable = matches!(value.get_ref(), DeValue::String(raw) if raw.contains("${"));
        if !variable {
            self.wrong_type(value, key, wanted);
            return None;
        }
        let text = self.text_of(value, key, wanted)?;
        let parsed = text.value.trim().parse().ok();
        if parsed.is_none() {
            self.reject(&text, format_args!("wants {wanted}, and {} is none", text.shown()));
        }
        parsed
    }

    fn wrong_type(&mut self, value: &Spanned<DeValue<'_>>, key: &str, wanted: &str) {
        let line = self.line_of(value);
        self.problems.add(line, key, format_args!("is {}", described(value))).hint(format_args!("write {wanted}"));
    }
}

impl<'d> Section<'d> {
    /// Whether the file has the section.
    pub fn exists(&self) -> bool {
        self.table.is_some()
    }

    /// Whether the file has the key, whatever it holds.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    fn get(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.table?.get(key)
    }

    /// `section.key`
    pub fn dotted(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// `a string`, `an integer`, … for messages.
fn described(value: &Spanned<DeValue<'_>>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}
