//! `run`: the summary, what is said meanwhile, and how it ends.

use super::screen::{fits, shown};
use super::{documents, hospital, manifest, seen};
use crate::cli::dump;

#[test]
fn a_first_run_with_a_failure() {
    let place = hospital();
    place.write("collections.csv", manifest(&["hospital,gone,updated_at,"]));
    let ended = place.lakefold(&["run", "--env", "test"]);
    assert_eq!(ended.code, 1, "{ended}");
    seen!("run_in_a_pipe", ended);

    let place = hospital();
    place.write("collections.csv", manifest(&["hospital,gone,updated_at,"]));
    let shown = shown(&place, &["run", "--env", "test"], 80);
    assert_eq!(shown.code, 1, "{shown}");
    seen!("run_on_80_columns", shown);
}

#[test]
fn a_run_on_a_wide_terminal_and_one_that_finds_nothing_new() {
    let place = hospital();
    let first = shown(&place, &["run", "--env", "test"], 160);
    assert_eq!(first.code, 0, "{first}");
    fits(&first.screen, 100);
    seen!("run_on_a_wide_terminal", first);
    let idle = place.lakefold(&["run", "--env", "test", "--quiet"]);
    assert_eq!((idle.code, idle.stderr.as_str()), (0, ""), "{idle}");
    seen!("run_idle_and_quiet", idle);
}

#[test]
fn a_dry_run_says_so_first() {
    let place = hospital();
    dump(&place, "hospital", "bills", &documents(1..=3));
    let ended = place.lakefold(&["run", "--env", "test", "--dry-run", "--quiet"]);
    assert_eq!(ended.code, 0, "{ended}");
    assert!(ended.stdout.contains("dry run, nothing was written"), "{ended}");
    assert!(!place.lake().join("hospital").exists());
}
