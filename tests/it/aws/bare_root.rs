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
    let with = |start: &[&str]| {
        let mut command = Command::new(start[0]);
        // Where administrators' programs are, which not every user's path has.
        command.args(&start[1..]).arg(root).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    };
    let direct = with(&["chroot"]).args(["/lakefold", "--version"]).output().expect("start chroot");
    let start: &[&str] = if direct.status.success() { &["chroot"] } else { &["unshare", "--map-root-user", "chroot"] };
    let mut command = with(start);
    command.arg("/lakefold").args(arguments);
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

/// Ends TLS before a plain server, with the certificate and key in two files.
const TLS_RELAY: &str = r#"
import select, socket, ssl, sys, threading
certificate, key, upstream = sys.argv[1], sys.argv[2], int(sys.argv[3])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)

# One thread a connection: two of them in one TLS session at a time garble it now and then.
def serve(plain):
    try:
        with context.wrap_socket(plain, server_side=True) as client, \
                socket.create_connection(("127.0.0.1", upstream)) as server:
            while True:
                ready = [client] if client.pending() else select.select([client, server], [], [])[0]
                for source in ready:
                    data = source.recv(65536)
                    if not data:
                        return
                    (server if source is client else client).sendall(data)
    except OSError:
        pass

while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;

/// A relay that ends with the test.
struct Relay {
    process: std::process::Child,
    port: u16,
}

impl Relay {
    fn start(folder: &Path, upstream: u16) -> Self {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/servers/bin/python");
        let mut process = Command::new(python)
            .args(["-c", TLS_RELAY])
            .args([folder.join("server.pem"), folder.join("server.key")])
            .arg(upstream.to_string())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("start the relay");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("stdout");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("its port");
        Self { process, port: line.trim().parse().expect("a port") }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An authority of our own in `ca.pem`, and a certificate for 127.0.0.1 that it signed.
fn certificates(folder: &Path) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().expect("a key");
    let root = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().expect("a key");
    let server = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    let server = server.signed_by(&key, &issuer).expect("a certificate");
    for (name, text) in [("ca.pem", root.pem()), ("server.pem", server.pem()), ("server.key", key.serialize_pem())] {
        std::fs::write(folder.join(name), text).expect("write");
    }
}

/// Every client that speaks TLS starts in a root without certificates: those of S3, of the SDK and of MongoDB. They trust
/// what is bundled, and so not this server, until its authority is named.
#[test]
fn tls_works_without_the_systems_certificates() {
    let server = crate::support::s3::S3::moto();
    let place = bills(3);
    let root = root(&place);
    let work = root.join("work");
    certificates(&work);
    let relay = Relay::start(&work, server.port());
    for file in ["source/hospital/bills.bson", "collections.csv"] {
        std::fs::create_dir_all(work.join(file).parent().expect("a folder")).expect("make a folder");
        std::fs::copy(place.path().join(file), work.join(file)).expect("copy");
    }
    assert_eq!(server.signed("PUT", "warm-up", "").0, 200);
    let environment = |source: &str, secret: &str| {
        format!(
            "manifest = \"/work/collections.csv\"\n[source]\nuri = \"{source}\"\n[lake]\nurl = \"{}\"\n\
             [privacy]\nhash_key = \"{secret}\"\n",
            server.url("lake")
        )
    };
    let run = |trusting: bool| {
        let mut command = inside(&root, &["run", "--env", "/work/test.toml", "--json", "-v"]);
        for (name, value) in server.variables() {
            command.env(name, value);
        }
        command.env("AWS_ENDPOINT_URL", format!("https://127.0.0.1:{}", relay.port)).env("AWS_MAX_ATTEMPTS", "1");
        if trusting {
            command.env("SSL_CERT_FILE", "/work/ca.pem");
        }
        ended(command)
    };
    let bundled = "the bundled ones are used";
    let write = |text: String| std::fs::write(work.join("test.toml"), text).expect("write");

    write(environment("dump:/work/source", "key"));
    let strange = run(false);
    strange.refused(3, &[bundled, "the store cannot be reached"]);
    let known = run(true);
    assert!(known.code == 0 && !known.stderr.contains(bundled), "{known}");

    write(environment("dump:/work/source", "${aws-secret:nothing}"));
    run(false).refused(3, &["secret `nothing` could not be read: no answer from AWS"]);
    run(true).refused(2, &["there is no secret `nothing`"]);

    let mongodb = format!("mongodb://127.0.0.1:{}/?tls=true&serverSelectionTimeoutMS=500", relay.port);
    write(environment(&mongodb, "key").replace(&server.url("lake"), "file:/work/lake"));
    run(false).refused(3, &[&format!("127.0.0.1:{}", relay.port)]);
}
