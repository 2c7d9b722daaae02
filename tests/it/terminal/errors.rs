//! Errors: one line first, what to do next below it, the rest only for those who ask.

use super::{hospital, manifest};
use crate::support::free_port;
use crate::support::lakefold::{Environment, Workplace};

#[test]
fn detail_is_for_those_who_ask() {
    let port = free_port();
    let uri = format!("mongodb://reader:hunter2@127.0.0.1:{port}/?serverSelectionTimeoutMS=300");
    let place = Workplace::with(&Environment::of(&uri), &manifest(&[]));
    let brief = place.lakefold(&["plan", "--env", "test"]);
    brief.refused(1, &[&format!("no suitable MongoDB server answers at 127.0.0.1:{port}: ")]);
    let lines: Vec<&str> = brief.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{brief}");
    assert!(lines[0].starts_with("error: ") && lines[1].starts_with("  hint: "), "{brief}");
    let long = place.lakefold(&["plan", "--env", "test", "-v"]);
    assert!(long.stderr.contains("  detail: ") && long.stderr.contains("Topology"), "{long}");
    assert!(!long.stderr.contains("hunter2"), "{long}");
}

#[test]
fn a_typo_gets_a_suggestion() {
    let place = hospital();
    place.run(&[], 0);
    let says = |arguments: &[&str], code: i32, part: &str| place.lakefold(arguments).refused(code, &[part]);
    says(&["staus", "--env", "test"], 2, "'status'");
    says(&["run", "--env", "test", "--dryrun"], 2, "'--dry-run'");
    says(&["status", "--env", "tset"], 2, "did you mean `--env test`?");
    says(&["run", "--env", "test", "--collection", "hospital.bill"], 2, "did you mean `hospital.bills`?");
    says(&["plan", "--env", "test", "--collection", "hospital.bill"], 2, "did you mean `hospital.bills`?");
    says(&["schema", "hospital.bill", "--env", "test"], 1, "did you mean `hospital.bills`?");
    place.write("collections.csv", "database,colection,partition_by\nhospital,bills,date=dya(created_at)\n");
    says(&["run", "--env", "test"], 2, "did you mean `collection`?");
    place.write("collections.csv", "database,collection,partition_by\nhospital,bills,date=dya(created_at)\n");
    says(&["run", "--env", "test"], 2, "did you mean `day`?");
    place.write(
        "env/test.toml",
        "[source]\nuri = \"dump:source\"\n[lake]\nurl = \"file:lake\"\n[run]\nmemry = \"1GiB\"\n",
    );
    says(&["run", "--env", "test"], 2, "did you mean `memory`?");
}
