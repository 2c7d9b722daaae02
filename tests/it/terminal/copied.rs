//! What is printed to be copied can be copied: every command of lakefold in what it says is run by a shell as it stands.

use super::{documents, hospital, manifest};
use crate::cli::dump;
use crate::support::lakefold::{Ended, Workplace};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Named by a path that a shell would take apart.
const ENVIRONMENT: &str = "conf/it's live.toml";

/// The commands in what was said, without the labels before them.
fn commands(said: &Ended) -> BTreeSet<String> {
    let all = format!("{}\n{}", said.stdout, said.stderr);
    let bare = |line: &str| {
        let line = line.trim();
        let line =
            ["hint: ", "rerun: ", "tell again: "].iter().find_map(|label| line.strip_prefix(label)).unwrap_or(line);
        line.starts_with("lakefold ").then(|| line.to_owned())
    };
    all.lines().filter_map(bare).collect()
}

fn shell(place: &Workplace, command: &str) -> Ended {
    let folder = Path::new(env!("CARGO_BIN_EXE_lakefold")).parent().expect("a folder");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(place.path()).env_clear().env("PATH", path).env("HOME", place.path());
    Ended::of(shell.output().expect("start a shell"))
}

#[test]
fn every_printed_command_is_understood_as_it_stands() {
    let place = hospital();
    let environment = std::fs::read_to_string(place.path().join("env/test.toml")).expect("the environment");
    std::fs::remove_file(place.path().join("env/test.toml")).expect("remove it");
    place.write(ENVIRONMENT, environment);
    let lakefold = |arguments: &[&str]| place.lakefold(&[arguments, &["--env", ENVIRONMENT]].concat());
    let mut printed = BTreeSet::new();
    let mut say = |arguments: &[&str], part: &str| {
        let found = commands(&lakefold(arguments));
        assert!(found.iter().any(|command| command.contains(part)), "{arguments:?} does not print {part}: {found:?}");
        printed.extend(found);
    };
    say(&["report"], "lakefold run --env");
    say(&["schema", "hospital.wards"], "--collection hospital.wards");
    lakefold(&["run"]);
    place.write("collections.csv", manifest(&["hospital,gone,updated_at,"]));
    say(&["run"], "--collection hospital.gone");
    say(&["status"], "--collection hospital.gone");
    // Most of the bills are gone, and the wards are to be cut another way.
    dump(&place, "hospital", "bills", &documents(1..=5));
    let rows = "hospital,bills,updated_at,date=day(created_at)\nhospital,wards,updated_at,name=name";
    place.write("collections.csv", crate::cli::manifest(rows));
    say(&["run", "--full", "--collection", "hospital.bills"], "--full --allow-shrink");
    for command in ["run", "check", "plan", "status"] {
        say(&[command], if command == "status" { "hospital.wards" } else { "hospital.wards --full" });
    }
    assert!(printed.len() >= 5, "{printed:?}");
    for command in printed {
        let ended = shell(&place, &command);
        match () {
            // What is no collection any more was printed while it was one.
            () if command.contains("hospital.gone") => assert_eq!(ended.code, 2, "{command}\n{ended}"),
            // Cures.
            () if command.contains("--full") => assert_eq!(ended.code, 0, "{command}\n{ended}"),
            // A rerun before the cure fails as it did.
            () => assert!([0, 1].contains(&ended.code), "{command}\n{ended}"),
        }
    }
}
