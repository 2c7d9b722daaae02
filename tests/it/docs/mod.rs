//! The documentation: what it shows can be used as it is, and what can go wrong stands in it.

mod failures;
mod fences;

use std::path::{Path, PathBuf};

/// The README and every page of `docs/`, with their names.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root.join("docs"))
        .expect("read docs/")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    paths.sort();
    paths.insert(0, root.join("README.md"));
    let page = |path: &PathBuf| {
        let name = path.strip_prefix(root).expect("below the package").display().to_string();
        (name, std::fs::read_to_string(path).expect("read a page"))
    };
    paths.iter().map(page).collect()
}

/// Every link to another page of the repository leads somewhere, also to a heading.
#[test]
fn no_link_is_dead() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let anchor = |heading: &str| -> String {
        let kept = heading.trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    let mut broken = Vec::new();
    for (name, text) in pages() {
        let folder = root.join(&name).parent().expect("a folder").to_owned();
        for part in text.split("](").skip(1) {
            let Some((link, _)) = part.split_once(')') else { continue };
            if link.contains("://") {
                continue;
            }
            let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let target = if file.is_empty() { root.join(&name) } else { folder.join(file) };
            if target.is_dir() {
                continue;
            }
            let Ok(found) = std::fs::read(&target) else {
                broken.push(format!("{name}: {link}"));
                continue;
            };
            let found = String::from_utf8_lossy(&found);
            let has = |wanted: &str| {
                found
                    .lines()
                    .filter_map(|line| line.strip_prefix('#'))
                    .any(|line| anchor(line.trim_start_matches('#')) == wanted)
            };
            if heading.is_some_and(|heading| !has(heading)) {
                broken.push(format!("{name}: {link} has no such heading"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
