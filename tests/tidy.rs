//! The house rules that a reader would otherwise have to check by hand. It links nothing of lakefold: it reads the
//! tree as text, and each rule names every line that breaks it.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file, tests included.
const LINES_MAX: usize = 600;

/// Who may import whom, besides `model` and `error`, which everybody may. What crosses a border between two stages is
/// a type of `model`; the lake is not a stage but what two of them stand on; `run` alone knows the order.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("lake", &[]),
    ("manifest", &[]),
    ("extract", &[]),
    ("shape", &[]),
    ("merge", &["lake"]),
    ("publish", &["lake"]),
    ("notify", &[]),
    ("synth", &[]),
];

/// Outside crates that stay behind one door: the crate's path, and where it may be named.
const DOORS: &[(&str, &[&str])] = &[
    ("mongodb::", &["src/extract/mongo/", "src/synth/mongo.rs"]),
    ("clap::", &["src/cli/"]),
    ("clap_complete::", &["src/cli/"]),
    ("clap_mangen::", &["src/cli/"]),
    ("indicatif::", &["src/cli/progress/", "src/cli/logging/", "src/cli/printer.rs"]),
    // Whoever reads Parquet is given the lake's store.
    ("object_store::", &["src/lake/", "src/merge/stored.rs", "src/run/query/"]),
    ("lettre::", &["src/notify/"]),
    ("prometheus::", &["src/notify/metrics/"]),
    ("resvg::", &["src/notify/picture.rs"]),
    // One configuration for all of AWS; each service in one place.
    ("aws_config::", &["src/aws.rs", "src/publish/catalog/"]),
    ("aws_sdk_glue::", &["src/publish/catalog/glue/"]),
    ("aws_sdk_sesv2::", &["src/notify/ses/"]),
    ("aws_sdk_secretsmanager::", &["src/cli/settings/secrets/secret_values.rs"]),
    ("aws_sdk_ssm::", &["src/cli/settings/secrets/parameters.rs"]),
];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager", "v2", "next", "new"];

struct Source {
    /// Relative to the package, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// Lines with their numbers, comments emptied; a string with `//` in it loses its end, which no rule minds.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
    }

    /// The folder below `src/`, for files of one.
    fn stage(&self) -> Option<&str> {
        self.path.strip_prefix("src/")?.split_once('/').map(|(stage, _)| stage)
    }
}

/// Every Rust file below `folder`.
fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pending = vec![root.join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = pending.pop() {
        for path in entries(&folder) {
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("read a source file");
                let path = path.strip_prefix(root).expect("below the package").to_str().expect("UTF-8").to_owned();
                found.push(Source { path, text });
            }
        }
    }
    assert!(!found.is_empty(), "no Rust file below {folder}");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let list = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    list.map(|entry| entry.expect("an entry").path()).collect()
}

/// All files but this one, which spells what it forbids.
fn everything() -> Vec<Source> {
    let mut all = sources("src");
    all.extend(sources("tests").into_iter().filter(|source| source.path != "tests/tidy.rs"));
    all
}

#[track_caller]
fn nobody(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

/// Names that `line` reaches in the root of the crate: `crate::lake::Lake` and `crate::{lake, model}`.
fn roots(line: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = BTreeSet::new();
    for (at, start) in line.match_indices("crate::") {
        let rest = &line[at + start.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(word(rest));
            continue;
        };
        let mut depth = 1;
        for part in group.split_inclusive(['{', '}', ',']) {
            if depth == 1 {
                names.insert(word(part.trim_start()));
            }
            match part.chars().next_back() {
                Some('{') => depth += 1,
                Some('}') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    names.remove("");
    names
}

#[test]
fn no_stage_imports_another() {
    let known: Vec<&str> = MAY_IMPORT.iter().map(|(stage, _)| *stage).chain(["run", "cli"]).collect();
    let mut broken = Vec::new();
    for source in sources("src") {
        let Some(stage) = source.stage() else { continue };
        assert!(known.contains(&stage), "src/{stage}/ is a folder this test does not know");
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == stage) else { continue };
        // Joined, because a group of imports goes over several lines.
        let code: Vec<&str> = source.code().map(|(_, line)| line.trim()).collect();
        for name in roots(&code.join(" ")) {
            if known.contains(&name.as_str()) && name != stage && name != "model" && !allowed.contains(&name.as_str()) {
                broken.push(format!("{} imports {name}", source.path));
            }
        }
    }
    nobody("a stage knows only model, error and what stands in MAY_IMPORT", broken);
}

#[test]
fn outside_crates_stay_behind_their_doors() {
    let mut broken = Vec::new();
    for source in sources("src") {
        for (krate, doors) in DOORS {
            if doors.iter().any(|door| source.path.starts_with(door)) {
                continue;
            }
            let named = source.code().filter(|(_, line)| names_crate(line, krate));
            broken.extend(named.map(|(at, _)| format!("{}:{at} names {krate}", source.path)));
        }
    }
    nobody("a crate is named only behind its door", broken);
}

/// `mongodb::` but neither `fake_mongodb::` nor `lakefold::synth::mongodb::`.
fn names_crate(line: &str, krate: &str) -> bool {
    let part_of_a_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    line.match_indices(krate).any(|(at, _)| !line[..at].ends_with(part_of_a_path))
}

#[test]
fn only_the_printer_prints() {
    let mut broken = Vec::new();
    for source in sources("src").iter().filter(|source| source.path != "src/cli/printer.rs") {
        for (at, line) in source.code() {
            if ["println!", "print!", "eprintln!", "eprint!", "dbg!"].iter().any(|word| names_crate(line, word)) {
                broken.push(format!("{}:{at}", source.path));
            }
        }
    }
    nobody("stdout and stderr belong to cli/printer.rs", broken);
}

#[test]
fn nothing_is_half_done() {
    let words = ["todo!", "unimplemented!", "#[ignore", "TODO", "FIXME", "XXX", "#![allow(dead_code)]"];
    let mut broken = Vec::new();
    for source in everything() {
        for (at, line) in source.text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                broken.push(format!("{}:{} {word}", source.path, at + 1));
            }
        }
    }
    nobody("what is there is finished", broken);
}

#[test]
fn files_have_one_subject() {
    let mut broken = Vec::new();
    for source in everything() {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            broken.push(format!("{} has {lines} lines", source.path));
        }
        let name = Path::new(&source.path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if EMPTY_NAMES.contains(&name) || source.path.split('/').any(|folder| EMPTY_NAMES.contains(&folder)) {
            broken.push(format!("{} has a name that says nothing", source.path));
        }
        let test_of_a_module = source.path.starts_with("src/") && name == "tests";
        let thin = source.path == "src/main.rs";
        if !source.text.starts_with("//!") && !test_of_a_module && !thin {
            broken.push(format!("{} does not say in its first line what it is", source.path));
        }
    }
    nobody(&format!("a file has one subject, a name and at most {LINES_MAX} lines"), broken);
}

/// A stage is one folder in a listing: `merge/mod.rs`, never `merge.rs` beside `merge/`.
#[test]
fn no_module_lies_beside_its_folder() {
    let broken = everything()
        .iter()
        .filter(|source| Path::new(env!("CARGO_MANIFEST_DIR")).join(source.path.trim_end_matches(".rs")).is_dir())
        .map(|source| source.path.clone())
        .collect();
    nobody("a module with a folder is its mod.rs", broken);
}

/// A file that no `mod` names is compiled by nobody, and its tests pass by not running.
#[test]
fn no_test_file_is_forgotten() {
    let mut broken = Vec::new();
    for source in sources("tests/it") {
        let path = Path::new(&source.path);
        let (Some(folder), Some(name)) = (path.parent(), path.file_stem().and_then(|stem| stem.to_str())) else {
            continue;
        };
        let (owner, module) = match name {
            "main" => continue,
            "mod" => {
                (folder.parent().unwrap_or(folder), folder.file_name().and_then(|n| n.to_str()).unwrap_or_default())
            }
            name => (folder, name),
        };
        let root = if owner == Path::new("tests/it") { "main.rs" } else { "mod.rs" };
        let owner = Path::new(env!("CARGO_MANIFEST_DIR")).join(owner).join(root);
        let text = fs::read_to_string(&owner).expect("read the owner of a module");
        let declared = text.lines().any(|line| line.trim().trim_start_matches("pub ") == format!("mod {module};"));
        if !declared {
            broken.push(format!("{} is not in {}", source.path, owner.display()));
        }
    }
    nobody("every file of tests/it is a module of the one test binary", broken);
}

/// Linking is what test binaries cost.
#[test]
fn there_are_two_test_binaries() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let names: BTreeSet<String> =
        entries(&tests).iter().filter_map(|path| path.file_name()?.to_str().map(str::to_owned)).collect();
    // What the fuzzer begins with is no binary.
    assert_eq!(names, BTreeSet::from(["corpus", "it", "tidy.rs"].map(str::to_owned)));
}

#[test]
fn imports_are_understood() {
    let found =
        roots("use crate::{error::{Kind, Result}, lake::Lake, model}; use crate::merge::plan; super::crate_name");
    assert_eq!(found, ["error", "lake", "merge", "model"].map(str::to_owned).into());
    assert!(names_crate("use mongodb::Client;", "mongodb::"));
    assert!(!names_crate("crate::synth::mongodb::write()", "mongodb::"));
}

/// Tests by module and name, as `cargo test` prints them, without the `tests` in which a module keeps its own.
fn tests_by_name() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in everything() {
        let path = source.path.trim_start_matches("src/").trim_start_matches("tests/it/").trim_end_matches(".rs");
        let module: Vec<&str> = path.split('/').filter(|part| !["mod", "tests"].contains(part)).collect();
        let mut marked = false;
        for (_, line) in source.code() {
            marked |= line.contains("#[test]") || line.contains("#[tokio::test");
            let name = line.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')).map(|(name, _)| name);
            if let Some(name) = name.filter(|_| std::mem::take(&mut marked)) {
                names.insert(format!("{}::{name}", module.join("::")));
            }
        }
    }
    names
}

/// A promise is worth what guards it and what shows the guard: RELIABILITY.md names both, and nothing that is not there.
#[test]
fn every_promise_has_guards_and_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("RELIABILITY.md")).expect("read RELIABILITY.md");
    let tests = tests_by_name();
    let (mut promise, mut kept, mut broken) = (String::new(), BTreeSet::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        if let Some(heading) = line.strip_prefix("## ") {
            promise = heading.split(' ').next().unwrap_or_default().to_owned();
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [fault, guards, shown] = cells.as_slice() else { continue };
        if !line.starts_with('|') || *fault == "fault" || fault.starts_with("---") {
            continue;
        }
        let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let (guards, shown) = (quoted(guards), quoted(shown));
        if guards.is_empty() || shown.is_empty() {
            broken.push(format!("RELIABILITY.md:{} names no guard or no test", at + 1));
        }
        let gone = guards.iter().filter(|guard| !root.join(guard).is_file());
        let unknown = shown.iter().filter(|test| !tests.contains(*test));
        broken.extend(gone.chain(unknown).map(|name| format!("RELIABILITY.md:{} {name} does not exist", at + 1)));
        kept.insert(promise.clone());
    }
    broken.extend((1..=10).map(|n| format!("P{n}")).filter(|p| !kept.contains(p)).map(|p| format!("{p} has no row")));
    nobody("the table of promises names guards and tests that exist", broken);
}
