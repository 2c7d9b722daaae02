//! A proxy in front of an S3 server that spoils chosen requests, on the wire, where a network or an overloaded store
//! would.
//!
//! What the client signed reaches the server byte for byte, the `Host` header included: a server takes part in the
//! signature under the name it was called by, and both listen on the same address. One request per connection, so
//! that a cut one harms no other.

use super::s3_request::{Kind, Request, read_head};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a silent proxy keeps a connection open when the client does not give up.
const SILENCE: Duration = Duration::from_secs(60);

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The server never sees it; the client gets this status and S3 code.
    Refuse(u16, &'static str),
    /// The server never sees it; the connection closes without an answer.
    Drop,
    /// The server never sees it, and the client waits for nothing.
    Silence,
    /// Half of its body reaches the server, then both connections close.
    CutRequest,
    /// The server carries it out; the client gets this status and code.
    DoneThenRefuse(u16, &'static str),
    /// The server carries it out; the connection closes without an answer.
    DoneThenDrop,
    /// The server carries it out, and the client waits for nothing.
    DoneThenSilence,
    /// The server carries it out; half of the answer's body arrives.
    CutAnswer,
    /// It is carried out and answered, this many milliseconds late.
    Slow(u64),
}

impl Fault {
    /// Whether a request of this kind can meet the fault: conditions are of writes, bodies are cut where there are any.
    pub fn fits(self, kind: Kind) -> bool {
        match self {
            Self::Refuse(409 | 412, _) => kind.conditional(),
            Self::CutRequest => kind.has_body(),
            Self::CutAnswer => kind.answers_with_body(),
            Self::DoneThenRefuse(..) | Self::DoneThenDrop | Self::DoneThenSilence => kind.changes_something(),
            Self::Refuse(..) | Self::Drop | Self::Silence | Self::Slow(_) => true,
        }
    }
}

/// Which requests meet a fault.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Requests of these kinds; empty: of every kind that the fault fits.
    pub kinds: Vec<Kind>,
    /// Only keys with this text in them.
    pub key: String,
    /// So many of each kind pass first.
    pub skip: u32,
    /// So many of each kind meet the fault then.
    pub times: u32,
    /// What happens to them.
    pub fault: Fault,
}

impl Rule {
    /// The first request of every kind.
    pub fn once_each(fault: Fault) -> Self {
        Self { kinds: Vec::new(), key: String::new(), skip: 0, times: 1, fault }
    }

    /// All requests of one kind.
    pub fn always(kind: Kind, fault: Fault) -> Self {
        Self { kinds: vec![kind], key: String::new(), skip: 0, times: u32::MAX, fault }
    }

    /// Whether it is for requests of this kind.
    pub fn means(&self, kind: Kind) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind)) && self.fault.fits(kind)
    }

    fn selects(&self, request: &Request) -> bool {
        self.means(request.kind) && request.key.contains(&self.key)
    }
}

/// The proxy; it ends when dropped.
pub struct S3Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    upstream: u16,
    stopped: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rule: Option<Rule>,
    selected: BTreeMap<Kind, u32>,
    hit: BTreeMap<Kind, u32>,
    seen: BTreeMap<Kind, u32>,
}

impl S3Proxy {
    /// Listens on a free port in front of the server at `port` of this machine.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let address = listener.local_addr().expect("address");
        let shared = Arc::new(Shared { upstream: port, ..Shared::default() });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if serving.stopped.load(Ordering::Acquire) {
                    break;
                }
                let (Ok(client), shared) = (client, Arc::clone(&serving)) else { continue };
                // A client that goes away in the middle is what many faults lead to.
                std::thread::spawn(move || drop(serve(&client, &shared)));
            }
        });
        Self { address, shared }
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests meet `rule` from now on; counts begin anew.
    pub fn set(&self, rule: impl Into<Option<Rule>>) {
        *self.shared.state.lock().expect("state") = State { rule: rule.into(), ..State::default() };
    }

    /// Requests by kind since [`S3Proxy::set`].
    pub fn seen(&self) -> BTreeMap<Kind, u32> {
        self.shared.state.lock().expect("state").seen.clone()
    }

    /// Kinds of which a request met the fault since [`S3Proxy::set`].
    pub fn hit(&self) -> BTreeSet<Kind> {
        self.shared.state.lock().expect("state").hit.keys().copied().collect()
    }
}

impl Drop for S3Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        // Wakes the thread that waits for the next connection.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn fault_of(&self, request: &Request) -> Option<Fault> {
        let mut state = self.state.lock().expect("state");
        *state.seen.entry(request.kind).or_default() += 1;
        let rule = state.rule.clone().filter(|rule| rule.selects(request))?;
        let number = state.selected.entry(request.kind).or_default();
        *number += 1;
        let nth = *number;
        if nth <= rule.skip || nth - rule.skip > rule.times {
            return None;
        }
        *state.hit.entry(request.kind).or_default() += 1;
        Some(rule.fault)
    }
}

/// One request, its answer, and the end.
fn serve(mut client: &TcpStream, shared: &Shared) -> io::Result<()> {
    let head = read_head(&mut client)?;
    let mut body = vec![0; head.content_length];
    client.read_exact(&mut body)?;
    let request = Request::of(&head, &body);
    match shared.fault_of(&request) {
        None => client.write_all(&forward(shared.upstream, &head.text, &body)?),
        Some(Fault::Refuse(status, code)) => client.write_all(&refusal(&request, status, code)),
        Some(Fault::Drop) => client.shutdown(Shutdown::Both),
        Some(Fault::Silence) => wait_for_the_end(client),
        Some(Fault::CutRequest) => {
            let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.upstream))?;
            server.write_all(head.text.as_bytes())?;
            server.write_all(&body[..body.len() / 2])?;
            server.shutdown(Shutdown::Both)?;
            client.shutdown(Shutdown::Both)
        }
        Some(Fault::DoneThenRefuse(status, code)) => {
            forward(shared.upstream, &head.text, &body)?;
            client.write_all(&refusal(&request, status, code))
        }
        Some(Fault::DoneThenDrop) => {
            forward(shared.upstream, &head.text, &body)?;
            client.shutdown(Shutdown::Both)
        }
        Some(Fault::DoneThenSilence) => {
            forward(shared.upstream, &head.text, &body)?;
            wait_for_the_end(client)
        }
        Some(Fault::CutAnswer) => {
            let answer = forward(shared.upstream, &head.text, &body)?;
            let body_at = answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
            client.write_all(&answer[..body_at + (answer.len() - body_at) / 2])?;
            client.shutdown(Shutdown::Both)
        }
        Some(Fault::Slow(millis)) => {
            std::thread::sleep(Duration::from_millis(millis));
            client.write_all(&forward(shared.upstream, &head.text, &body)?)
        }
    }
}

/// Sends a request as it is, but for the connection's end after it, and reads the whole answer.
fn forward(port: u16, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let head = head.strip_suffix("\r\n").unwrap_or(head);
    server.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    server.write_all(body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    Ok(answer)
}

fn refusal(request: &Request, status: u16, code: &str) -> Vec<u8> {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>injected</Message></Error>");
    let head = format!(
        "HTTP/1.1 {status} Injected\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if request.method == "HEAD" { head.into_bytes() } else { (head + &body).into_bytes() }
}

/// Until the client closes, or for [`SILENCE`].
fn wait_for_the_end(mut client: &TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(SILENCE))?;
    client.read(&mut [0; 1]).map(drop)
}
