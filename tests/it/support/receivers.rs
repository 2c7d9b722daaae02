//! A real mail server and a web server on this machine that write down what they get (`receivers.py`), ended when
//! dropped or when the test process dies.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The user and password of [`Receivers::with_login`].
pub const LOGIN: (&str, &str) = ("lake", "hunter2 of the mail");

/// Running receivers.
pub struct Receivers {
    process: Child,
    folder: TempDir,
    /// Port of the web server.
    pub http: u16,
    /// Port of the mail server that protects nothing.
    pub smtp: u16,
    /// Port of the mail server that insists on STARTTLS.
    pub starttls: u16,
    /// Port of the mail server that speaks TLS from the first byte.
    pub tls: u16,
}

impl Receivers {
    /// A mail server that takes everything, and the web server.
    pub fn start() -> Self {
        Self::launch(&[])
    }

    /// Mail servers for `localhost` with a certificate of their own ([`Receivers::certificate`]) and a [`LOGIN`].
    pub fn with_login() -> Self {
        Self::launch(&["--login", &format!("{}:{}", LOGIN.0, LOGIN.1)])
    }

    fn launch(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("lakefold-receivers-").tempdir().expect("a temporary folder");
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(folder.path().join("certificate.pem"), own.cert.pem()).expect("write the certificate");
        std::fs::write(folder.path().join("key.pem"), own.signing_key.serialize_pem()).expect("write the key");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join(".tools/servers/bin/python");
        assert!(python.exists(), "{} is missing: run tools/install-test-servers", python.display());
        let mut process = Command::new(python)
            .arg(root.join("tests/it/support/receivers.py"))
            .arg(folder.path())
            .args(arguments)
            .arg("--certificate")
            .arg(folder.path().join("certificate.pem"))
            .arg("--key")
            .arg(folder.path().join("key.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start the receivers");
        let mut ports = String::new();
        let stdout = process.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut ports).expect("read the ports");
        let ports: Vec<u16> = ports.split_whitespace().map(|port| port.parse().expect("a port")).collect();
        let [http, smtp, starttls, tls] = ports[..] else { panic!("the receivers did not start") };
        Self { process, folder, http, smtp, starttls, tls }
    }

    /// The mail servers' certificate; whoever trusts it knows them.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// `http://127.0.0.1:PORT<path>`
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    /// Lets the mailbox of `address` answer `code` from now on.
    pub fn fill(&self, address: &str, code: u16) {
        std::fs::write(self.folder.path().join("full"), format!("{address} {code}\n")).expect("fill a mailbox");
    }

    /// Makes room in every mailbox.
    pub fn make_room(&self) {
        std::fs::remove_file(self.folder.path().join("full")).expect("make room");
    }

    /// The mails taken so far: `from`, `to`, `secure`, `user`, `content`.
    pub fn mails(&self) -> Vec<Value> {
        self.kept("mail-")
    }

    /// The requests received so far: `method`, `path`, `headers`, `body`.
    pub fn posts(&self) -> Vec<Value> {
        self.kept("post-")
    }

    fn kept(&self, prefix: &str) -> Vec<Value> {
        let entries = std::fs::read_dir(self.folder.path()).expect("read the folder");
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
            .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix)))
            .collect();
        paths.sort();
        let read =
            |path: &PathBuf| serde_json::from_slice(&std::fs::read(path).expect("read what was kept")).expect("JSON");
        paths.iter().map(read).collect()
    }
}

impl Drop for Receivers {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
