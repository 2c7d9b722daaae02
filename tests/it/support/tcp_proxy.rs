//! A TCP proxy between the program and a server, which cuts, slows and freezes connections as a bad network does.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How soon a pump notices a change of the rules.
const TICK: Duration = Duration::from_millis(20);

/// What happens to what the server sends.
#[derive(Default)]
struct Rules {
    /// Nobody gets through, and whoever is through is cut off.
    down: AtomicBool,
    /// The proxy is gone: its threads end.
    over: AtomicBool,
    /// So many connections more are cut.
    cuts: AtomicI64,
    /// So many connections more go silent, without being closed.
    freezes: AtomicI64,
    /// Bytes a connection gives before one of these happens to it.
    after: AtomicU64,
    /// Bytes a second of one connection; 0: as fast as it goes.
    speed: AtomicU64,
    /// Connections that were cut or frozen.
    hurt: AtomicU64,
    /// Connections that somebody wanted.
    wanted: AtomicU64,
    /// Directions of connections in which bytes may still pass.
    passing: AtomicU64,
}

/// A proxy on a port of its own; dropping it closes every connection.
pub struct TcpProxy {
    port: u16,
    rules: Arc<Rules>,
}

impl TcpProxy {
    /// A proxy that does nothing yet, before a port of 127.0.0.1.
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port of 127.0.0.1");
        let port = listener.local_addr().expect("address of a bound socket").port();
        listener.set_nonblocking(true).expect("a listener that does not block");
        let rules = Arc::new(Rules::default());
        let accepting = Arc::clone(&rules);
        std::thread::spawn(move || accept(&listener, server, &accepting));
        Self { port, rules }
    }

    /// The URI of the one server behind it.
    pub fn uri(&self, options: &str) -> String {
        format!("mongodb://127.0.0.1:{}/?directConnection=true&{options}", self.port)
    }

    /// Cuts the next `connections` that have brought `after` bytes.
    pub fn cut(&self, connections: i64, after: u64) {
        self.rules.after.store(after, Ordering::SeqCst);
        self.rules.cuts.store(connections, Ordering::SeqCst);
    }

    /// Freezes the next `connections` that have brought `after` bytes: they stay open and say nothing more.
    pub fn freeze(&self, connections: i64, after: u64) {
        self.rules.after.store(after, Ordering::SeqCst);
        self.rules.freezes.store(connections, Ordering::SeqCst);
    }

    /// Lets every connection bring at most so many bytes a second.
    pub fn slow(&self, bytes_per_second: u64) {
        self.rules.speed.store(bytes_per_second, Ordering::SeqCst);
    }

    /// Whether nobody gets through.
    pub fn set_down(&self, down: bool) {
        self.rules.down.store(down, Ordering::SeqCst);
    }

    /// Cuts everybody off and waits until no byte passes any more; nobody gets through from then on.
    pub fn cut_off(&self) {
        self.set_down(true);
        let started = Instant::now();
        while self.rules.passing.load(Ordering::SeqCst) > 0 {
            assert!(started.elapsed() < Duration::from_secs(60), "a connection lives on");
            std::thread::sleep(TICK);
        }
    }

    /// Waits until so many connections more are wanted: somebody has noticed.
    pub fn await_attempts(&self, more: u64) {
        let started = Instant::now();
        let wanted = self.rules.wanted.load(Ordering::SeqCst) + more;
        while self.rules.wanted.load(Ordering::SeqCst) < wanted {
            assert!(started.elapsed() < Duration::from_secs(60), "nobody connects again");
            std::thread::sleep(TICK);
        }
    }

    /// How many connections were cut or frozen.
    pub fn hurt(&self) -> u64 {
        self.rules.hurt.load(Ordering::SeqCst)
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.rules.over.store(true, Ordering::SeqCst);
    }
}

impl Rules {
    fn is_closed(&self) -> bool {
        self.down.load(Ordering::SeqCst) || self.over.load(Ordering::SeqCst)
    }

    /// Takes one of a number of blows, when some are left and the connection is due.
    fn strikes(&self, left: &AtomicI64, brought: u64) -> bool {
        let due = brought >= self.after.load(Ordering::SeqCst);
        let take = |left: i64| (left > 0).then_some(left - 1);
        let strikes = due && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
        self.hurt.fetch_add(u64::from(strikes), Ordering::SeqCst);
        strikes
    }
}

fn accept(listener: &TcpListener, server: u16, rules: &Arc<Rules>) {
    while !rules.over.load(Ordering::SeqCst) {
        let accepted = listener.accept();
        rules.wanted.fetch_add(u64::from(accepted.is_ok()), Ordering::SeqCst);
        match accepted {
            Ok((client, _)) if rules.is_closed() => drop(client),
            Ok((client, _)) => {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else { continue };
                for stream in [&client, &server] {
                    stream.set_nonblocking(false).expect("a stream that blocks");
                    stream.set_nodelay(true).expect("no delay");
                    stream.set_read_timeout(Some(TICK)).expect("a timeout");
                }
                let (up, down) = (Arc::clone(rules), Arc::clone(rules));
                let (client_up, server_up) =
                    (client.try_clone().expect("a clone"), server.try_clone().expect("a clone"));
                rules.passing.fetch_add(2, Ordering::SeqCst);
                std::thread::spawn(move || pump(client_up, server_up, &up, false));
                std::thread::spawn(move || pump(server, client, &down, true));
            }
            Err(_) => std::thread::sleep(TICK),
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, rules: &Rules, from_server: bool) {
    let mut buffer = [0; 16 << 10];
    let (mut brought, mut frozen) = (0_u64, false);
    while !rules.is_closed() {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => break,
        };
        brought += count as u64;
        if from_server {
            if rules.strikes(&rules.cuts, brought) {
                break;
            }
            frozen = frozen || rules.strikes(&rules.freezes, brought);
            if frozen {
                continue;
            }
            let speed = rules.speed.load(Ordering::SeqCst);
            if speed > 0 {
                std::thread::sleep(Duration::from_secs_f64(count as f64 / speed as f64));
            }
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    rules.passing.fetch_sub(1, Ordering::SeqCst);
}
