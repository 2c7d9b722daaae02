//! Examples in fenced blocks: environments are accepted, manifests and pins are read, commands are parsed.

use super::pages;
use clap::Parser;
use lakefold::cli::args::Cli;
use lakefold::cli::settings;
use lakefold::lake::watermark::Watermarks;
use lakefold::manifest::{self, Context, PinFile};

/// A block of a page, what stands behind its opening fence, and where it is.
struct Fence {
    language: String,
    text: String,
    at: String,
}

fn fences() -> Vec<Fence> {
    let mut found = Vec::new();
    for (name, text) in pages() {
        let mut open: Option<(usize, Fence)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            match (line.trim_start().strip_prefix("```"), &mut open) {
                (Some(language), None) => {
                    let at = format!("{name}:{}", number + 1);
                    let fence = Fence { language: language.trim().to_owned(), text: String::new(), at };
                    open = Some((indent, fence));
                }
                (Some(_), Some(_)) => found.extend(open.take().map(|(_, fence)| fence)),
                (None, Some((indent, fence))) => {
                    fence.text += line.get(*indent..).unwrap_or_default();
                    fence.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{name}: a block is not closed");
    }
    found
}

fn of(language: &str) -> Vec<Fence> {
    let found: Vec<Fence> = fences().into_iter().filter(|fence| fence.language == language).collect();
    assert!(found.len() > 2, "{language} has nearly no examples: are they still found?");
    found
}

/// What a page leaves out of an environment file because it is about another part.
fn completed(text: &str) -> String {
    let mut whole = without_aws(text);
    for (section, keys) in [("[source]", "uri = \"dump:x\""), ("[lake]", "url = \"file:lake\"")] {
        if !text.contains(section) {
            whole += &format!("{section}\n{keys}\n");
        }
    }
    whole
}

/// Secrets of AWS as variables: there is no account to fetch them from.
fn without_aws(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${aws-") {
        out += before;
        out += "${AWS_URI}";
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}

#[test]
fn environments_are_accepted() {
    // Whatever an example takes from the environment is set.
    let set = |name: &str| Some(if name.contains("URI") { "mongodb://h" } else { "https://example.org/x" }.to_owned());
    for fence in of("toml") {
        let read = settings::parse(&completed(&fence.text), &fence.at, "prod", &set);
        assert!(read.is_ok(), "{}:\n{:#?}", fence.at, read.unwrap_err().problems);
    }
}

#[test]
fn manifests_pins_and_watermarks_are_read() {
    for fence in of("csv") {
        let header = fence.text.lines().next().unwrap_or_default();
        if header.starts_with("written_at,") {
            let read = Watermarks::parse(fence.text.as_bytes()).unwrap_or_else(|error| panic!("{}: {error}", fence.at));
            assert!(read.last_ok().is_some_and(|line| line.watermark.is_some()), "{}: no watermark counts", fence.at);
            continue;
        }
        let (text, pins) = if header.contains("type") {
            let rows = "database,collection\n".to_owned() + &pinned(&fence.text);
            (rows, Some(PinFile { file: &fence.at, text: &fence.text }))
        } else {
            (fence.text.clone(), None)
        };
        let read = manifest::load(&text, &Context { file: &fence.at, environment: "prod", hash_key: true, pins });
        assert!(read.is_ok(), "{}: {:#?}", fence.at, read.err());
    }
}

/// A manifest row for each collection that a file of pins names.
fn pinned(pins: &str) -> String {
    let mut rows: Vec<String> =
        pins.lines().skip(1).map(|line| line.split(',').take(2).collect::<Vec<_>>().join(",")).collect();
    rows.dedup();
    rows.join("\n") + "\n"
}

#[test]
fn commands_are_understood() {
    let mut seen = 0;
    for fence in fences().into_iter().filter(|fence| matches!(fence.language.as_str(), "sh" | "")) {
        for line in fence.text.replace("\\\n", " ").lines().filter(|line| line.trim_start().starts_with("lakefold ")) {
            let words = words(line);
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{}: {line}\n{words:?}\n{error}", fence.at);
            }
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen}");
}

/// The words of a command line as a shell has them: quotes group, `#` begins a comment.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
