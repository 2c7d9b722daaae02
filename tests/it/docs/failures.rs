//! `docs/failures.md` names every error of the code with its remedy. The tables are gathered from the source:
//! `LAKEFOLD_WRITE_DOCS=1 cargo test --test it docs::` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/failures.md";

/// Kinds of errors, in the order and under the headings of the page.
const KINDS: [(&str, &str); 10] = [
    ("Unavailable", "Nothing can be reached"),
    ("Input", "A file or flag is wrong"),
    ("Source", "A collection cannot be read"),
    ("Schema", "Documents and table do not fit"),
    ("Lake", "The lake cannot be read or written"),
    ("Conflict", "Somebody else wrote meanwhile"),
    ("Busy", "Another run is at it"),
    ("Notify", "Somebody could not be told"),
    ("Invariant", "A promise would have been broken"),
    ("Interrupted", "The run was stopped"),
];

/// What a message becomes in the table: what varies is `…`.
fn gathered() -> BTreeMap<String, BTreeSet<(String, String)>> {
    let mut found: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = std::fs::read_to_string(&path).expect("read a source file");
        // Tests stand at the end of a file, and `synth` is no part of a run.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for (at, _) in code.match_indices("Error::new(") {
            let rest = &code[at + "Error::new(".len()..];
            let Some(kind) = rest.trim_start().strip_prefix("Kind::") else { continue };
            let kind: String = kind.chars().take_while(char::is_ascii_alphanumeric).collect();
            let (arguments, after) = balanced(rest);
            let Some(message) = literal(arguments) else { continue };
            let hint = chained_hint(after).unwrap_or_default();
            found.entry(kind).or_default().insert((message, hint));
        }
        for (kind, message, hint) in of_classes(&path, code) {
            found.entry(kind.to_owned()).or_default().insert((message, hint));
        }
    }
    found
}

/// Errors that are made of foreign ones, by what those say: `new(kind, message)` of the driver's, `(meaning, hint)` of
/// the store's, and a mail server's `new(message, hint, …)`.
fn of_classes(path: &Path, code: &str) -> Vec<(&'static str, String, String)> {
    let file = path.components().rev().take(2).map(|part| part.as_os_str().to_str().unwrap_or_default());
    let file = file.collect::<Vec<_>>();
    let calls = |start: &'static str| code.match_indices(start).map(move |(at, _)| balanced(&code[at + start.len()..]));
    match file[..] {
        ["failure.rs", "mongo"] => calls(" new(")
            .filter_map(|(arguments, after)| {
                let kind = if arguments.contains("Kind::Unavailable") { "Unavailable" } else { "Source" };
                Some((kind, literal(arguments)?, chained_hint(after).unwrap_or_default()))
            })
            .collect(),
        ["fault.rs", "lake"] => calls("(")
            .filter_map(|(arguments, _)| {
                let texts: Vec<&str> = arguments.split('"').skip(1).step_by(2).collect();
                let bare =
                    arguments.split('"').step_by(2).all(|between| between.trim_matches([',', ' ', '\n']).is_empty());
                match texts[..] {
                    [meaning, hint] | [_, meaning, hint] if bare => {
                        Some(("Unavailable", meaning.to_owned(), hint.to_owned()))
                    }
                    _ => None,
                }
            })
            .collect(),
        ["smtp.rs", "notify"] => calls(" new(")
            .filter_map(|(arguments, _)| {
                let (message, hint) = arguments.split_once("),")?;
                Some(("Notify", literal(message)?, literal(hint)?))
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("read a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && !matches!(name.as_str(), "synth" | "tests") {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") && !name.contains("test") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What stands before the bracket that closes one already open, and what comes after it.
fn balanced(text: &str) -> (&str, &str) {
    let (mut depth, mut in_text, mut escaped) = (1, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            '(' if !in_text => depth += 1,
            ')' if !in_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&text[..at], &text[at + 1..]);
        }
    }
    (text, "")
}

/// The first text in `code`, as a reader sees it.
fn literal(code: &str) -> Option<String> {
    let start = code.find('"')? + 1;
    let mut out = String::new();
    let mut chars = code[start..].chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('\n') => while chars.next_if(|c| c.is_whitespace()).is_some() {},
                Some('n') => out.push(' '),
                Some(other) => out.push(other),
                None => break,
            },
            '{' if chars.next_if_eq(&'{').is_some() => out.push('{'),
            '}' if chars.next_if_eq(&'}').is_some() => out.push('}'),
            '{' => {
                while chars.next().is_some_and(|c| c != '}') {}
                out.push('…');
            }
            c => out.push(c),
        }
    }
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    // A message that is nothing but foreign text says nothing here.
    out.chars().any(char::is_alphabetic).then_some(out)
}

/// The text of a `.hint(` in the chain of calls that follows.
fn chained_hint(after: &str) -> Option<String> {
    let mut rest = after;
    loop {
        // An error handed over as an argument is followed by its brackets.
        rest = rest.trim_start_matches([')', ' ', '\n']);
        let call = rest.strip_prefix('.')?;
        let (name, arguments) = call.split_once('(')?;
        let (arguments, after) = balanced(arguments);
        match name.trim() {
            "hint" => return literal(arguments),
            "context" | "map_err" => rest = after,
            _ => return None,
        }
    }
}

fn tables() -> BTreeMap<&'static str, String> {
    let cell = |text: &str| text.replace('|', "\\|").replace('<', "&lt;");
    let gathered = gathered();
    let table = |kind: &str| {
        let mut out = "| message | what to do |\n|---|---|\n".to_owned();
        for (message, hint) in gathered.get(kind).into_iter().flatten() {
            let hint = if hint.is_empty() { "see above".to_owned() } else { cell(hint) };
            out += &format!("| {} | {hint} |\n", cell(message));
        }
        out
    };
    KINDS.iter().map(|(kind, _)| (*kind, table(kind))).collect()
}

/// Where the table of a kind stands in the page.
fn marks(kind: &str) -> (String, String) {
    (format!("<!-- {kind} -->\n"), format!("<!-- /{kind} -->\n"))
}

#[test]
fn every_failure_has_its_remedy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).expect("read the page");
    let tables = tables();
    let entries: usize = tables.values().map(|table| table.lines().count()).sum();
    assert!(entries > 100, "are errors still found? {entries}");
    let mut current = page.clone();
    for (kind, heading) in KINDS {
        assert!(page.contains(&format!("\n## {heading}\n")), "{kind} has no section");
        let (open, close) = marks(kind);
        let (before, rest) = current.split_once(&open).unwrap_or_else(|| panic!("{kind} has no table"));
        let (_, after) = rest.split_once(&close).unwrap_or_else(|| panic!("the table of {kind} has no end"));
        current = format!("{before}{open}{}{close}{after}", tables[kind]);
    }
    if std::env::var_os("LAKEFOLD_WRITE_DOCS").is_some() {
        std::fs::write(&path, &current).expect("write the page");
        return;
    }
    let missing: Vec<&str> = current.lines().filter(|line| !page.contains(line)).collect();
    assert!(
        page == current,
        "{PAGE} is not what the code says; write it anew: LAKEFOLD_WRITE_DOCS=1 cargo test --test it docs::\n{missing:#?}"
    );
}

#[test]
fn the_sections_are_the_kinds_there_are() {
    let source = include_str!("../../../src/error.rs");
    let declared =
        source.split_once("pub enum Kind {").and_then(|(_, rest)| rest.split_once('}')).expect("the kinds").0;
    let variants: BTreeSet<&str> = declared
        .lines()
        .map(str::trim)
        .filter_map(|line| line.strip_suffix(','))
        .filter(|line| !line.starts_with("//"))
        .collect();
    let described: BTreeSet<&str> = KINDS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(variants, described);
}
