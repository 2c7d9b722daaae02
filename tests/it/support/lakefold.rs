//! Runs the real binary in a folder of its own, with an environment in which nothing of this machine's counts.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// A working directory with `env/test.toml`, `collections.csv`, a lake and a mail folder.
pub struct Workplace {
    folder: TempDir,
}

/// The parts of an environment file that tests vary; everything else is fixed by [`Workplace::environment`].
pub struct Environment<'a> {
    /// `[source] uri`
    pub source: &'a str,
    /// `timezone`
    pub timezone: &'a str,
    /// `timestamps`
    pub timestamps: &'a str,
    /// `[source] overlap`
    pub overlap: &'a str,
}

impl<'a> Environment<'a> {
    /// UTC, no overlap.
    pub fn of(source: &'a str) -> Self {
        Self { source, timezone: "UTC", timestamps: "utc", overlap: "0s" }
    }
}

/// Waits until a run gets another identity than one that started by now: identities order runs by the second.
pub fn next_second() {
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let now = second();
    while second() == now {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; 128 + N for signal N, as shells have it.
    pub code: i32,
    /// What it said to programs.
    pub stdout: String,
    /// What it said to people.
    pub stderr: String,
}

impl Workplace {
    /// An empty one.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("lakefold-test-").tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("env")).expect("make env/");
        Self { folder }
    }

    /// One with an environment and a manifest.
    pub fn with(environment: &Environment<'_>, manifest: &str) -> Self {
        let place = Self::new();
        place.environment(environment);
        place.write("collections.csv", manifest);
        place
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the lake.
    pub fn lake(&self) -> PathBuf {
        self.path().join("lake")
    }

    /// Writes a file below the working directory.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("below a folder")).expect("make a folder");
        fs::write(path, text).expect("write a file");
    }

    /// Writes `env/test.toml`.
    pub fn environment(&self, environment: &Environment<'_>) {
        let Environment { source, timezone, timestamps, overlap } = environment;
        self.write(
            "env/test.toml",
            format!(
                "timezone = \"{timezone}\"\n\
                 timestamps = \"{timestamps}\"\n\
                 [source]\n\
                 uri = \"{source}\"\n\
                 overlap = \"{overlap}\"\n\
                 [lake]\n\
                 url = \"file:lake\"\n\
                 [mail]\n\
                 transport = \"file\"\n\
                 from = \"lake@example.org\"\n\
                 to = [\"data@example.org\"]\n\
                 [run]\n\
                 memory = \"256MiB\"\n"
            ),
        );
    }

    /// The program with `arguments`, ready for more settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakefold"));
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        // What any process has, and no more: no AWS profile, no LAKEFOLD_ENV, no proxy.
        for name in ["PATH", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("HOME", self.path());
        command
    }

    /// Runs the program to its end.
    pub fn lakefold(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().expect("start lakefold"))
    }

    /// `lakefold run --env test --json` with more flags, which must end with `code`; gives the record.
    pub fn run(&self, flags: &[&str], code: i32) -> Value {
        let arguments = [&["run", "--env", "test", "--json"], flags].concat();
        let ended = self.lakefold(&arguments);
        assert_eq!(ended.code, code, "lakefold {arguments:?}\n{ended}");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("stdout is no record: {error}\n{ended}"))
    }
}

impl Ended {
    /// What a finished child left.
    pub fn of(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
        Self {
            code: code.expect("a finished process has a code or a signal"),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        }
    }

    /// The marks of one subject in `check --json`, by what was looked at.
    #[track_caller]
    pub fn marks(&self, subject: &str) -> Vec<(&'static str, &'static str)> {
        // Leaked, so that tests compare with literals; there are a few dozen of these words.
        let text = |value: &Value| -> &'static str { value.as_str().expect("a text").to_owned().leak() };
        let about = self.findings().into_iter().filter(|finding| finding["subject"] == subject);
        about.map(|finding| (text(&finding["what"]), text(&finding["mark"]))).collect()
    }

    /// One finding of `check --json`.
    #[track_caller]
    pub fn finding(&self, subject: &str, what: &str) -> Value {
        let found = self.findings().into_iter().find(|one| one["subject"] == subject && one["what"] == what);
        found.unwrap_or_else(|| panic!("nothing is said of {subject}: {what}\n{self}"))
    }

    #[track_caller]
    fn findings(&self) -> Vec<Value> {
        let report: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"));
        report["findings"].as_array().expect("findings").clone()
    }

    /// Insists on an exit code and on what the reader is told, on stderr.
    #[track_caller]
    pub fn refused(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, code, "{self}");
        for part in says {
            assert!(self.stderr.contains(part), "stderr does not say {part:?}\n{self}");
        }
        assert!(!self.stderr.contains("panicked"), "{self}");
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}
