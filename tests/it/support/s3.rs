//! S3 servers on this machine: moto, which is quick and lax, and SeaweedFS, which is a real one.
//!
//! moto checks no signature and ignores `If-Match` when a multipart upload completes; SeaweedFS does both as AWS
//! does. Each server has its own free port and a bucket, and is killed when dropped or when the test process dies.

use futures::TryStreamExt;
use lakefold::model::settings::LakeSettings;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as StorePath;
use object_store::signer::Signer;
use object_store::{ObjectStore, ObjectStoreExt};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The bucket every server starts with.
pub const BUCKET: &str = "lake-bucket";

const ACCESS_KEY: &str = "test";
const SECRET_KEY: &str = "testtest";

/// Of SeaweedFS's identity that may read and list, and nothing else.
const READER_KEY: &str = "reader";

/// A server takes its ports after they were found free; another process may be quicker now and then.
const STARTS: usize = 3;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running S3 server with a bucket.
pub struct S3 {
    guard: Child,
    port: u16,
    _folder: TempDir,
}

impl S3 {
    /// moto: starts in two seconds, also serves Glue, SES and Secrets Manager on the same port.
    pub fn moto() -> Self {
        Self::start(|folder, ports| {
            let mut command = Command::new(server("moto_server"));
            command.current_dir(folder).args(["-H", "127.0.0.1", "-p", &ports[0].to_string()]);
            (command, "/moto-api/")
        })
    }

    /// moto with the parts of Glue that it lacks, by `tools/aws-stand-in`.
    pub fn aws() -> Self {
        Self::start(|folder, ports| {
            let launcher = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tools/aws-stand-in");
            let mut command = Command::new(server("python"));
            command.current_dir(folder).arg(launcher).args(["-H", "127.0.0.1", "-p", &ports[0].to_string()]);
            (command, "/moto-api/")
        })
    }

    /// SeaweedFS: checks signatures and every condition.
    pub fn seaweed() -> Self {
        let s3 = Self::start(|folder, ports| {
            let identity = format!(
                r#"{{"identities":[{{"name":"t","credentials":[{{"accessKey":"{ACCESS_KEY}","secretKey":"{SECRET_KEY}"}}],
                "actions":["Admin","Read","Write","List","Tagging"]}},
                {{"name":"r","credentials":[{{"accessKey":"{READER_KEY}","secretKey":"{SECRET_KEY}"}}],
                "actions":["Read","List"]}}]}}"#
            );
            std::fs::write(folder.join("s3.json"), identity).expect("write s3.json");
            let mut command = Command::new(server("weed"));
            command.current_dir(folder).args([
                "-logtostderr",
                "server",
                "-dir=.",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
            ]);
            let flags =
                ["s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc"];
            for (flag, port) in flags.iter().chain(&["filer.port", "filer.port.grpc"]).zip(ports) {
                command.arg(format!("-{flag}={port}"));
            }
            command.args(["-filer", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.config=s3.json"]);
            command.args(["-master.telemetry=false", "-master.volumeSizeLimitMB=256", "-volume.max=50"]);
            (command, "/healthz")
        });
        // The first write of a bucket waits seconds for its volumes to grow; tests should not.
        let grown = s3.signed("PUT", "warm-up", "x").0;
        assert_eq!(grown, 200, "the first write");
        s3.signed("DELETE", "warm-up", "");
        s3
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port of 127.0.0.1 it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `s3://bucket/prefix`
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// Settings of a lake below `prefix`; the endpoint comes with [`S3::variables`].
    pub fn settings(&self, prefix: &str) -> LakeSettings {
        LakeSettings { path_style: true, zstd_level: 1, ..LakeSettings::at(&self.url(prefix)) }
    }

    /// What a process needs in its environment to reach the server.
    pub fn variables(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint().as_str()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", "us-east-1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// The keys of SeaweedFS's second identity, which may only read and list.
    pub fn reader(&self) -> Vec<(String, String)> {
        vec![("AWS_ACCESS_KEY_ID".to_owned(), READER_KEY.to_owned())]
    }

    /// Sends a signed request for a key of the bucket (`""`: the bucket itself): status and body.
    pub fn signed(&self, method: &str, key: &str, body: &str) -> (u16, String) {
        let store = self.client();
        let key = StorePath::parse(key).expect("key");
        let verb = method.parse().expect("method");
        let url = futures::executor::block_on(store.signed_url(verb, &key, Duration::from_secs(60))).expect("sign");
        let path = url.as_str().strip_prefix(&self.endpoint()).expect("a URL of this server").to_owned();
        http(self.port, method, &path, body).unwrap_or_else(|e| panic!("{method} {key}: {e}"))
    }

    /// Writes every object below `prefix` into `folder`.
    pub async fn download(&self, prefix: &str, folder: &std::path::Path) {
        let store = self.client();
        let prefix = StorePath::parse(prefix).expect("prefix");
        let objects: Vec<_> = store.list(Some(&prefix)).try_collect().await.expect("list");
        for object in objects {
            let key: PathBuf =
                object.location.prefix_match(&prefix).expect("below").map(|p| p.as_ref().to_owned()).collect();
            let bytes = store.get(&object.location).await.expect("get").bytes().await.expect("get");
            let path = folder.join(key);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("make a folder");
            std::fs::write(path, bytes).expect("write an object");
        }
    }

    /// Writes every file below `folder` under `prefix`.
    pub async fn upload(&self, folder: &std::path::Path, prefix: &str) {
        let store = self.client();
        let mut pending = vec![folder.to_owned()];
        while let Some(below) = pending.pop() {
            for entry in std::fs::read_dir(below).expect("list a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    pending.push(path);
                    continue;
                }
                let key = path.strip_prefix(folder).expect("below").to_str().expect("UTF-8").to_owned();
                let bytes = std::fs::read(&path).expect("read a file");
                let key = StorePath::parse(format!("{prefix}/{key}")).expect("a key");
                store.put(&key, bytes.into()).await.expect("put");
            }
        }
    }

    fn client(&self) -> AmazonS3 {
        AmazonS3Builder::new()
            .with_endpoint(self.endpoint())
            .with_allow_http(true)
            .with_bucket_name(BUCKET)
            .with_access_key_id(ACCESS_KEY)
            .with_secret_access_key(SECRET_KEY)
            .build()
            .expect("set up a client")
    }

    /// Sends an unsigned request: status and body.
    pub fn plain(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        http(self.port, method, path, body).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    fn start(command: impl Fn(&std::path::Path, &[u16]) -> (Command, &'static str)) -> Self {
        let mut logs = String::new();
        for _ in 0..STARTS {
            let folder = tempfile::tempdir().expect("folder");
            let ports = free_ports(8);
            let (command, ready) = command(folder.path(), &ports);
            let log = std::fs::File::create(folder.path().join("log")).expect("log");
            let guard = guarded(&command).stdout(log.try_clone().expect("log")).stderr(log).spawn().expect("start");
            let mut server = Self { guard, port: ports[0], _folder: folder };
            if server.wait_until_ready(ready) {
                assert_eq!(server.signed("PUT", "", "").0, 200, "create the bucket");
                return server;
            }
            let log = std::fs::read_to_string(server._folder.path().join("log")).unwrap_or_default();
            logs += &format!("{command:?} did not get ready:\n{log}\n");
        }
        panic!("the server did not start {STARTS} times\n{logs}");
    }

    /// `false`: it ended, or time is up.
    fn wait_until_ready(&mut self, path: &str) -> bool {
        let started = Instant::now();
        while started.elapsed() < READY_WITHIN {
            if http(self.port, "GET", path, "").is_ok_and(|(status, _)| status == 200) {
                return true;
            }
            if self.guard.try_wait().expect("look at the server").is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// A server installed by `tools/install-test-servers`.
fn server(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".tools/servers/bin").join(name);
    assert!(path.exists(), "{} is missing: run tools/install-test-servers", path.display());
    path
}

/// The command under a shell that kills it as soon as its own stdin closes, which it does also when the test
/// process is killed. KILL, because SeaweedFS takes half a minute over a TERM.
fn guarded(command: &Command) -> Command {
    let script = r#"exec 3<&0
        "$@" </dev/null 3<&- & server=$!
        (read -r _ <&3; kill -9 $server) & reader=$!
        wait $server; kill $reader 2>/dev/null; wait"#;
    let mut guard = Command::new("sh");
    guard.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args()).stdin(Stdio::piped());
    guard.current_dir(command.get_current_dir().expect("folder"));
    guard
}

/// Ports nobody listens on now, all different.
fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("bind")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("address").port()).collect()
}

fn http(port: u16, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or(std::io::ErrorKind::InvalidData)?;
    Ok((status, answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned())))
}
