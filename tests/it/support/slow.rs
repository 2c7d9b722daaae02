//! A TCP proxy before a server on this machine whose answers can be slowed, from one moment to the next.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The proxy; it goes with the test's process.
pub struct Slow {
    port: u16,
    delay_ms: Arc<AtomicU64>,
}

impl Slow {
    /// A proxy before `port` of 127.0.0.1 that delays nothing yet.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind");
        let slow =
            Self { port: listener.local_addr().expect("an address").port(), delay_ms: Arc::new(AtomicU64::new(0)) };
        let delay = Arc::clone(&slow.delay_ms);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                let (Ok(back), Ok(forth)) = (client.try_clone(), server.try_clone()) else { continue };
                let delay = Arc::clone(&delay);
                std::thread::spawn(move || pump(client, forth, &AtomicU64::new(0)));
                std::thread::spawn(move || pump(server, back, &delay));
            }
        });
        slow
    }

    /// From now on each piece of an answer waits that long.
    pub fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).expect("a short time"), Ordering::Release);
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, delay_ms: &AtomicU64) {
    let mut buffer = [0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        std::thread::sleep(Duration::from_millis(delay_ms.load(Ordering::Acquire)));
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
