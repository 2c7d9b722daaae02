//! A real mongod on a free port of 127.0.0.1, stopped when its owner is gone.
//!
//! The server runs below a small shell that holds a pipe to this process. Whatever ends this process (a panic, a
//! SIGKILL, the end of the test binary) closes the pipe, and the shell kills the server and removes its files: a
//! server shared by all tests through a static, which Rust never drops, is stopped the same way.

use super::free_port;
use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take until it answers; two busy cores need a while.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Tries at another port, when somebody took the free one first.
const PORT_TRIES: usize = 5;

/// Starts the server in the background and prints its pid; a line on the pipe starts it again when it has ended, the end
/// of the pipe kills it and cleans up.
const GUARD: &str = r#"
trap '' INT TERM HUP
folder=$1
shift
"$@" >"$folder/stdout" 2>&1 &
server=$!
echo "$server"
while read -r _; do
    wait "$server" 2>/dev/null
    "$@" >"$folder/stdout" 2>&1 &
    server=$!
    echo "$server"
done
kill -KILL "$server" 2>/dev/null
wait "$server" 2>/dev/null
rm -rf "$folder"
"#;

/// A running mongod.
pub struct Mongod {
    guard: Child,
    says: BufReader<ChildStdout>,
    pid: u32,
    folder: PathBuf,
    port: u16,
    uri: String,
}

impl Mongod {
    /// A standalone server: no operationTime, as the oldest installations have it.
    pub fn start() -> Self {
        let server = Self::launch(&["--nojournal"]);
        server.wait_for("a ping", doc! { "ping": 1 }, |_| true);
        server
    }

    /// A replica set of one member, elected and writable.
    pub fn start_replica_set() -> Self {
        let mut server = Self::launch(&["--replSet", "rs0", "--oplogSize", "64"]);
        server.wait_for("a ping", doc! { "ping": 1 }, |_| true);
        // Majority commits need not wait for a journal that dies with the test anyway.
        let config = doc! {
            "_id": "rs0",
            "writeConcernMajorityJournalDefault": false,
            "members": [{ "_id": 0, "host": format!("127.0.0.1:{}", server.port) }],
        };
        server.command(doc! { "replSetInitiate": config }).expect("initiate the replica set");
        server.await_primary();
        server.uri = format!("mongodb://127.0.0.1:{}/?replicaSet=rs0", server.port);
        server
    }

    /// A standalone server with access control and one user, who may do everything.
    pub fn start_with_auth(user: &str, password: &str) -> Self {
        let mut server = Self::launch(&["--nojournal", "--auth"]);
        server.wait_for("a ping", doc! { "ping": 1 }, |_| true);
        // The first user may be made without a password from the same host.
        server.command(doc! { "createUser": user, "pwd": password, "roles": ["root"] }).expect("create the first user");
        server.uri = server.uri_of(user, password);
        server
    }

    /// A server with more flags, spoken to with more options of the URI (`&tls=true…`).
    pub fn start_as(arguments: &[&str], options: &str) -> Self {
        let mut server = Self::launch(arguments);
        server.uri += options;
        server.wait_for("a hello", doc! { "hello": 1 }, |_| true);
        server
    }

    /// Waits until the member of a replica set of one is elected.
    pub fn await_primary(&self) {
        self.wait_for("the election", doc! { "hello": 1 }, |reply| {
            reply.get_bool("isWritablePrimary").unwrap_or(false)
        });
    }

    /// Makes the first user, who may do everything, and goes on as that user.
    pub fn sign_in(&mut self, user: &str, password: &str, options: &str) {
        let created = self.command(doc! { "createUser": user, "pwd": password, "roles": ["root"] });
        created.expect("create the first user");
        self.uri = self.uri_of(user, password) + options;
    }

    /// The replica set that all tests of this binary share; take a [`fresh_database`] on it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Mongod> = OnceLock::new();
        SHARED.get_or_init(Self::start_replica_set)
    }

    /// The connection string, credentials included.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The connection string of another user.
    pub fn uri_of(&self, user: &str, password: &str) -> String {
        let mut uri = url::Url::parse(&format!("mongodb://127.0.0.1:{}/", self.port)).expect("a fixed URI");
        uri.set_username(user).expect("a URI with a host takes a user");
        uri.set_password(Some(password)).expect("a URI with a host takes a password");
        uri.set_query(Some("authSource=admin&directConnection=true"));
        uri.into()
    }

    /// The port of 127.0.0.1 it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client of the calling runtime: a driver's client must not outlive the runtime that made it.
    pub async fn client(&self) -> Client {
        Client::with_uri_str(&self.uri).await.expect("a client for the test server")
    }

    /// Starts the process with the flags all kinds of servers share.
    pub(super) fn launch(arguments: &[&str]) -> Self {
        let binary = binary();
        for _ in 0..PORT_TRIES {
            let mut server = Self::spawn(&binary, arguments);
            if server.listens() {
                return server;
            }
        }
        panic!("mongod found no free port in {PORT_TRIES} tries");
    }

    fn spawn(binary: &Path, arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("lakefold-mongod-").tempdir().expect("a temporary folder").keep();
        let port = free_port();
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "sh"])
            .arg(&folder)
            .arg(binary)
            .args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--noscripting", "--wiredTigerCacheSizeGB", "0.25"])
            .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
            .args(["--setParameter", "enableTestCommands=1"])
            .args(["--port", &port.to_string()])
            .arg("--dbpath")
            .arg(&folder)
            .arg("--logpath")
            .arg(folder.join("log"))
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("start a shell");
        let mut says = BufReader::new(guard.stdout.take().expect("stdout is piped"));
        let pid = read_pid(&mut says);
        let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
        Self { guard, says, pid, folder, port, uri }
    }

    /// Ends the server at once, as a power failure does.
    pub fn kill(&self) {
        let killed = Command::new("kill").args(["-KILL", &self.pid.to_string()]).status().expect("run kill");
        assert!(killed.success(), "no mongod with pid {}", self.pid);
    }

    /// Starts a killed server again, on its port and its data.
    pub fn restart(&mut self) {
        self.guard.stdin.as_mut().expect("stdin is piped").write_all(b"\n").expect("ask for another start");
        self.pid = read_pid(&mut self.says);
        self.wait_for("a ping", doc! { "ping": 1 }, |_| true);
    }

    /// Waits until the server says in its log that it listens; `false` when the port was taken.
    fn listens(&mut self) -> bool {
        let started = Instant::now();
        loop {
            let log = self.log();
            if log.contains("\"Waiting for connections\"") {
                return true;
            }
            if log.contains("Address already in use") {
                return false;
            }
            let ended = log.contains("\"Now exiting\"") || log.contains("\"Shutting down\"");
            assert!(!ended && started.elapsed() < START_LIMIT, "mongod did not start:\n{}", self.explain());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Repeats `command` until the server answers it and `ready` agrees.
    pub(super) fn wait_for(&self, what: &str, command: Document, ready: impl Fn(&Document) -> bool) {
        let started = Instant::now();
        loop {
            match self.command(command.clone()) {
                Ok(reply) if ready(&reply) => return,
                last => assert!(
                    started.elapsed() < START_LIMIT,
                    "mongod: no answer to {what}; last: {last:?}\n{}",
                    self.explain()
                ),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs one command on `admin`, from tests with and without a runtime of their own.
    pub fn command(&self, command: Document) -> mongodb::error::Result<Document> {
        self.command_on("admin", command)
    }

    /// The same on another database.
    pub fn command_on(&self, database: &str, command: Document) -> mongodb::error::Result<Document> {
        std::thread::scope(|scope| {
            let work = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    let client = Client::with_uri_str(&self.uri).await?;
                    let reply = client.database(database).run_command(command).await;
                    client.shutdown().immediate(true).await;
                    reply
                })
            });
            work.join().expect("the command's thread")
        })
    }

    /// Waits until no query on a collection is at work: those that are left rest between two replies.
    pub fn await_rest(&self, database: &str, collection: &str) {
        let at_work = operations(database, collection, "op");
        self.wait_for("the end of the queries", at_work, |reply| first_batch(reply).is_empty());
    }

    /// Kills the cursors on a collection that rest between two replies, as an administrator, an impatient server or one
    /// that starts again does, and says how many.
    pub fn kill_cursors(&self, database: &str, collection: &str) -> usize {
        let reply = self.command(operations(database, collection, "idleCursor")).expect("list cursors");
        let id = |operation: &Bson| operation.as_document()?.get_document("cursor").ok()?.get_i64("cursorId").ok();
        let cursors: Vec<i64> = first_batch(&reply).iter().filter_map(id).collect();
        if cursors.is_empty() {
            return 0;
        }
        let reply = self.command_on(database, doc! { "killCursors": collection, "cursors": cursors });
        reply.expect("kill the cursors").get_array("cursorsKilled").expect("a list").len()
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        read("stdout") + &read("log")
    }

    /// The end of the log, for a message.
    fn explain(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// The command that lists what the server does for a collection, of one `type` of `$currentOp`.
fn operations(database: &str, collection: &str, kind: &str) -> Document {
    let stages = vec![
        doc! { "$currentOp": { "idleCursors": true, "allUsers": true } },
        doc! { "$match": { "ns": format!("{database}.{collection}"), "type": kind } },
    ];
    doc! { "aggregate": 1, "pipeline": stages, "cursor": {} }
}

fn first_batch(reply: &Document) -> &[Bson] {
    reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch")).expect("a batch")
}

fn read_pid(says: &mut impl BufRead) -> u32 {
    let mut pid = String::new();
    says.read_line(&mut pid).expect("read the server's pid");
    pid.trim().parse().expect("a pid")
}

/// A database name no other test uses: `prefix_PID_N`.
pub fn fresh_database(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{prefix}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// `$MONGOD`, a `mongod` on the PATH, or the one that `make test-servers` keeps in `.tools/`.
fn binary() -> PathBuf {
    if let Some(given) = std::env::var_os("MONGOD") {
        let path = PathBuf::from(given);
        assert!(path.is_file(), "MONGOD={} is not a file", path.display());
        return path;
    }
    let on_path = std::env::var_os("PATH").and_then(|paths| {
        std::env::split_paths(&paths).map(|folder| folder.join("mongod")).find(|path| path.is_file())
    });
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/mongod");
    match on_path {
        Some(path) => path,
        None if kept.is_file() => kept,
        None => panic!(
            "no mongod: set MONGOD, put one on the PATH, or run `make test-servers`, which installs {}",
            kept.display()
        ),
    }
}

#[tokio::test]
async fn every_kind_of_server_starts_and_stops() {
    for server in [Mongod::start(), Mongod::start_replica_set(), Mongod::start_with_auth("admin", "p@ss:w/rd")] {
        let names = server.client().await.list_database_names().await.expect("list databases");
        assert!(names.contains(&"admin".to_owned()), "{names:?}");
        let (port, folder) = (server.port(), server.folder.clone());
        drop(server);
        assert!(!folder.exists(), "{} is left over", folder.display());
        std::net::TcpStream::connect(("127.0.0.1", port)).expect_err("the server still listens");
    }
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let server = Mongod::start_with_auth("reader", "right");
    let client = Client::with_uri_str(server.uri_of("reader", "wrong")).await.expect("a client");
    client.list_database_names().await.expect_err("the wrong password is let in");
}
