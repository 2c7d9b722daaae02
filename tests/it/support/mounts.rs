//! Disks that are full or read-only: real ones, mounted where only one process and its children see them.

use std::path::Path;
use std::process::{Command, Output};

/// Runs a shell script in a mount namespace of its own, in which it may mount; `$LAKEFOLD` is the program.
///
/// What it mounts is gone with it. Needs root or user namespaces; where neither is allowed it fails and says so, since
/// a test that cannot fill a disk has shown nothing.
pub fn in_a_namespace(folder: &Path, script: &str) -> Output {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let mut command = Command::new("unshare");
    if !is_root {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "--propagation", "private", "sh", "-euc"]);
    command.arg(format!("mount -t tmpfs none /mnt && umount /mnt && echo mounts >&2\n{script}")).current_dir(folder);
    command.env_clear().env("LAKEFOLD", env!("CARGO_BIN_EXE_lakefold")).env("HOME", folder);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let output = command.output().expect("start unshare (util-linux)");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("mounts"),
        "no mount namespace: allow user namespaces (sysctl kernel.unprivileged_userns_clone=1) or run the tests as \
         root with CAP_SYS_ADMIN\n{stderr}"
    );
    assert!(output.status.success(), "the script failed: {}\n{stderr}", output.status);
    output
}
