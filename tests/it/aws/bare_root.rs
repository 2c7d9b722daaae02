//! The binary runs in a root that holds nothing but itself and the libraries it names, and TLS works there: it brings
//! the root certificates that such a root lacks.
//!
//! This is what the Dockerfile ships and what a Lambda finds. `tools/bare-root` makes the root for both.

use super::bills;
use crate::support::lakefold::{Ended, Workplace};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A root with the program at `/lakefold`, an empty `/tmp` and the workplace at `/work`.
fn root(place: &Workplace) -> PathBuf {
    let root = place.path().join("root");
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/bare-root");
    let made =
        Command::new(tool).arg(env!("CARGO_BIN_EXE_lakefold")).arg(&root).output().expect("start tools/bare-root");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    root
}

/// Every file below a folder, relative to it.
fn files(folder: &Path) -> Vec<String> {
    let mut pending = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(at) = pending.pop() {
        for entry in std::fs::read_dir(at).expect("list") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => pending.push(path),
                false => found.push(path.strip_prefix(folder).expect("below").display().to_string()),
            }
        }
    }
    found.sort();
    found
}

/// The program with the folder for its root: by chroot where that is allowed, else in a namespace in which it is.
fn inside(root: &Path, arguments: &[&str]) -> Command {
    let direct = Command::new("chroot").arg(root).args(["/lakefold", "--version"]).output().expect("start chroot");
    let mut command = if direct.status.success() {
        Command::new("chroot")
    } else {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "chroot"]);
        command
    };
    command.arg(root).arg("/lakefold").args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

fn ended(mut command: Command) -> Ended {
    Ended::of(command.output().expect("start chroot"))
}

#[test]
fn the_binary_runs_where_nothing_else_is() {
    let place = bills(3);
    let root = root(&place);
    let shipped = files(&root);
    let allowed = |file: &String| file == "lakefold" || file.contains(".so");
    assert!(shipped.iter().all(allowed) && shipped.len() > 3, "the program, its libraries, the loader: {shipped:?}");

    let version = ended(inside(&root, &["--version"]));
    assert_eq!(
        version.code, 0,
        "neither chroot nor a user namespace is possible here, so this cannot be shown\n{version}"
    );

    for file in ["source/hospital/bills.bson", "collections.csv"] {
        let target = root.join("work").join(file);
        std::fs::create_dir_all(target.parent().expect("a folder")).expect("make a folder");
        std::fs::copy(place.path().join(file), target).expect("copy");
    }
    let environment = "manifest = \"/work/collections.csv\"\n[source]\nuri = \"dump:/work/source\"\n[lake]\n\
                       url = \"file:/work/lake\"\n";
    std::fs::write(root.join("work/test.toml"), environment).expect("write");
    let folded = ended(inside(&root, &["run", "--env", "/work/test.toml", "--json"]));
    assert_eq!(folded.code, 0, "{folded}");
    let record: serde_json::Value = serde_json::from_str(&folded.stdout).expect("a record");
    assert_eq!(record["collections"][0]["rows"]["inserted"], 3, "{record:#}");
    let rows = ended(inside(
        &root,
        &["query", "--env", "/work/test.toml", "--format", "csv", "-e", "SELECT count(*) AS bills FROM hospital.bills"],
    ));
    assert_eq!(rows.stdout, "bills\n3\n", "{rows}");
}
