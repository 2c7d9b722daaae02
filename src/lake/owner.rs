//! Who holds a lease or writes a file: enough to name the process, and to know when it is dead.

use crate::model::names::hash8;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

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
        let started = match look(pid) {
            Look::Started(at) => Some(at),
            Look::Ended | Look::Hidden => None,
        };
        Self { run_id: run_id.to_owned(), host: host(), pid, place: place(), started }
    }

    /// As [`mark`], of any process.
    pub(super) fn mark(&self) -> String {
        let or_none = |part: &Option<String>| part.clone().unwrap_or_else(|| "none".to_owned());
        format!("{}-{}-{}-", or_none(&self.place), self.pid, or_none(&self.started))
    }

    /// Whether the process is known to be gone. A process of another host, container or boot may be alive.
    pub(super) fn is_dead(&self) -> bool {
        let here = self.place.is_some() && self.place == place();
        here && is_over(exists(self.pid), &look(self.pid), self.started.as_deref())
    }
}

/// `<place>-<pid>-<started>-`: what a file or folder of this process is called, so that a later one knows when it is
/// nobody's any more.
pub fn mark() -> String {
    Owner::this("-").mark()
}

/// What a process of another host, container or boot left is litter when nobody has touched it for so long.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether nobody needs what the process that [`mark`]ed a name has left there, `untouched` until now: the process is
/// known to be gone, or nothing is known of it and that was long ago.
pub fn is_abandoned(name: &str, untouched: Duration) -> bool {
    let mut parts = name.split('-');
    // As [`Owner::mark`] writes what is not known.
    let mut next = || parts.next().filter(|part| *part != "none").map(str::to_owned);
    let (place, pid, started) = (next(), next().and_then(|pid| pid.parse().ok()), next());
    match pid {
        Some(pid) if place.is_some() && place == self::place() => {
            Owner { run_id: String::new(), host: String::new(), pid, place, started }.is_dead()
        }
        _ => untouched > ABANDONED,
    }
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

/// What `/proc` shows of a process id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Look {
    /// A process, by its start time in clock ticks since boot.
    Started(String),
    /// A zombie: it has ended, and nobody has waited for it.
    Ended,
    /// Nothing: there is none, or it is another user's and hidden (`hidepid`, `ProtectProc`).
    Hidden,
}

fn look(pid: u32) -> Look {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    look_at(&stat).unwrap_or(Look::Hidden)
}

/// The name in parentheses may hold blanks and parentheses of its own; the state follows the last one.
fn look_at(stat: &str) -> Option<Look> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    match fields.next()? {
        "Z" => Some(Look::Ended),
        _ => fields.nth(18).map(|at| Look::Started(at.to_owned())),
    }
}

/// Whether there is a process of this id, whoever's: signal 0 is checked and never sent.
#[expect(unsafe_code, reason = "no safe call of std tells a process that is hidden from none; it takes two numbers")]
fn exists(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: it reads and writes no memory of this process.
    let refused = unsafe { libc::kill(pid, 0) } != 0;
    !(refused && std::io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH))
}

/// Whether the process that began at `started` has ended: none is there, or a later one that was given its id.
fn is_over(exists: bool, look: &Look, started: Option<&str>) -> bool {
    let ended = match look {
        Look::Started(at) => started.is_some_and(|started| started != at),
        Look::Ended => true,
        Look::Hidden => false,
    };
    ended || !exists
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
        let Look::Started(started) = look(child.id()) else { panic!("the child is there") };
        let owner = Owner { pid: child.id(), started: Some(started), ..Owner::this("R") };
        assert!(!owner.is_dead());
        child.kill().expect("kill");
        child.wait().expect("wait");
        assert!(owner.is_dead());
    }

    /// P9: what `/proc` hides of another user's process says nothing about its life.
    #[test]
    fn a_process_that_is_hidden_is_not_dead() {
        let began = |at: &str| Look::Started(at.to_owned());
        let mine = Some("5");
        for (there, look, started, over) in [
            (true, Look::Hidden, mine, false),
            (true, Look::Hidden, None, false),
            (false, Look::Hidden, mine, true),
            (true, began("5"), mine, false),
            (true, began("6"), mine, true),
            (true, began("6"), None, false),
            (true, Look::Ended, mine, true),
            // It ended between both looks.
            (false, began("5"), mine, true),
        ] {
            assert_eq!(is_over(there, &look, started), over, "{there} {look:?} {started:?}");
        }
        assert!(exists(1) && exists(std::process::id()));
        assert_eq!(look_at("7 (a b) c) S 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 99 8 1"), Some(began("99")));
        assert_eq!(look_at("7 (sh) Z 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0"), Some(Look::Ended));
    }
}
