//! How many instructions the stages of a fold take for the same work (`benches/work.rs`), counted by callgrind: times on
//! shared machines waver, and these do not.
//!
//! `instructions.csv` says how many they were. A stage that takes a twentieth more fails the test; when that is what a
//! change is worth, or a stage takes less now, `LAKEFOLD_WRITE_INSTRUCTIONS=1 cargo test --test it instructions::` writes
//! the file anew. The counts belong to a compiler, which the file names.

#[path = "../../benches/work.rs"]
#[allow(dead_code, reason = "the benches use more of it")]
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use work::{Rows, Table, corpus, decode, shaper};

/// Names the stage whose instructions are counted, to the process that does the work.
const STAGE: &str = "LAKEFOLD_COUNTED_STAGE";

const STAGES: [&str; 4] = ["decode", "stage", "write", "merge"];

/// Documents: enough that what happens once weighs little.
const BILLS: i64 = 1_000;

fn counts_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/instructions.csv")
}

/// The compiler that built this; its version decides the counts as much as the code.
fn compiler() -> String {
    let said = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output();
    let said = String::from_utf8(said.expect("rustc").stdout).expect("a version");
    said.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn valgrind() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/valgrind");
    assert!(ours.exists(), "{} is missing: make test-servers installs it", ours.display());
    ours
}

/// Does all stages once; under callgrind only the one named by [`STAGE`] counts.
#[test]
fn the_counted_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = shaper(None);
    let shaped = decode(&mut first, &corpus(BILLS, None));
    let table = Table { table: Arc::new(first.table().clone()), folder: folder.path().to_owned() };
    let rows = Rows::new(shaped, &first, folder.path());
    assert_eq!(table.write(&rows).inserted, BILLS as u64);
    if std::env::var(STAGE).is_ok_and(|stage| stage != "merge") {
        return;
    }
    let mut second = shaper(Some(first.table().clone()));
    let changed = decode(&mut second, &corpus(BILLS, Some(100)));
    assert_eq!(table.merge(&Rows::new(changed, &second, folder.path())).updated, BILLS as u64 / 100);
}

fn count(stage: &str) -> u64 {
    let function = match stage {
        "decode" | "stage" => format!("it::instructions::work::{stage}"),
        _ => format!("it::instructions::work::Table::{stage}"),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let out = Command::new(valgrind())
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={function}"))
        .arg(format!("--callgrind-out-file={}", folder.path().join("out").display()))
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "instructions::the_counted_work", "--test-threads", "1"])
        .env(STAGE, stage)
        .output()
        .expect("run valgrind");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}\n{}", String::from_utf8_lossy(&out.stdout));
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).expect("a count").1;
    collected.trim().parse().expect("a number")
}

#[test]
fn no_stage_takes_a_twentieth_more_instructions_than_it_did() {
    let compiler = compiler();
    let now: BTreeMap<&str, u64> = STAGES.iter().map(|stage| (*stage, count(stage))).collect();
    assert!(now.values().all(|count| *count > 1_000_000), "nothing was counted: {now:?}");
    if std::env::var_os("LAKEFOLD_WRITE_INSTRUCTIONS").is_some() {
        let rows: String = STAGES.iter().map(|stage| format!("{stage},{}\n", now[stage])).collect();
        std::fs::write(counts_file(), format!("# {compiler}\nstage,instructions\n{rows}")).expect("write the counts");
        return;
    }
    let text = std::fs::read_to_string(counts_file()).expect("tests/it/instructions.csv");
    let mut lines = text.lines();
    let written_with = lines.next().and_then(|line| line.strip_prefix("# ")).expect("a compiler");
    let before: BTreeMap<&str, u64> =
        lines.skip(1).filter_map(|line| line.split_once(',')).map(|(s, n)| (s, n.parse().expect("a number"))).collect();
    for stage in STAGES {
        let (before, now) = (before[stage], now[stage]);
        println!("{stage}: {now} instructions, {:+.1} %", (now as f64 / before as f64 - 1.0) * 100.0);
        assert!(
            now <= before + before / 20,
            "{stage} takes {now} instructions, {before} before (counted with {written_with}; this is {compiler})"
        );
    }
}
