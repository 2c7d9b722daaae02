//! Who holds a lease or writes a file: enough to name the process, and to know when it is dead.

use crate::model::names::hash8;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A process as seen by others that share the lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    /// Run that the process carries out.
    pub run_id: String,
    /// Host name, for people.
    pub host: String,
    /// Process id there.
    pub pid: u32,
    /// Boot and process namespace in which `pid` means something; none where the system does not tell.
    pub place: Option<String>,
    /// When the process started, in the system's own unit: tells it from a later one with the same id.
    pub started: Option<String>,
}

impl Owner {
    /// This process.
    pub(super) fn this(run_id: &str) -> Self {
        let pid = std::process::id();
        Self { run_id: run_id.to_owned(), host: host(), pid, place: place(), started: start_of(pid) }
    }

    /// As [`mark`], of any process.
    pub(super) fn mark(&self) -> String {
        let or_none = |part: &Option<String>| part.clone().unwrap_or_else(|| "none".to_owned());
        format!("{}-{}-{}-", or_none(&self.place), self.pid, or_none(&self.started))
    }

    /// Whether the process is known to be gone. A process of another host, container or boot may be alive.
    pub(super) fn is_dead(&self) -> bool {
        self.place.is_some() && self.place == place() && start_of(self.pid) != self.started
    }
}

/// `<place>-<pid>-<started>-`: what a file or folder of this process is called, so that a later one knows when it is
/// nobody's any more.
pub fn mark() -> String {
    Owner::this("-").mark()
}

/// Whether the process that [`mark`]ed a name is known to be gone.
pub fn is_abandoned(name: &str) -> bool {
    let mut parts = name.split('-');
    let (Some(place), Some(pid), Some(started)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let Ok(pid) = pid.parse() else { return false };
    let (place, started) = (Some(place.to_owned()), Some(started.to_owned()));
    Owner { run_id: String::new(), host: String::new(), pid, place, started }.is_dead()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} on {} (pid {})", self.run_id, self.host, self.pid)
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "unknown host".to_owned(),
        name => name.to_owned(),
    }
}

/// Containers of one machine share its boot id but not its process ids, hence the namespace.
fn place() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(hash8(format!("{} {}", boot.trim(), namespace.display()).as_bytes()))
}

/// Start time in clock ticks since boot; `None`: no such process. A zombie is one that has ended.
fn start_of(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold blanks and parentheses of its own; the state follows the last one.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_known_to_be_gone_are_dead() {
        let this = Owner::this("R");
        assert!(!this.is_dead());
        assert!(Owner { started: Some("1".into()), ..this.clone() }.is_dead(), "the id was given to a later process");
        assert!(!Owner { place: Some("elsewhere".into()), started: None, ..this.clone() }.is_dead());
        assert!(!Owner { place: None, started: None, ..this }.is_dead());
    }

    #[test]
    fn a_child_that_ended_is_dead_before_it_is_waited_for() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().expect("cat");
        let owner = Owner { pid: child.id(), started: start_of(child.id()), ..Owner::this("R") };
        assert!(!owner.is_dead());
        child.kill().expect("kill");
        child.wait().expect("wait");
        assert!(owner.is_dead());
    }
}
