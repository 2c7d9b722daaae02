//! What the integration tests stand on: a real mongod, a real S3 server, the real binary, a plain reader of the lake.

pub mod answering;
pub mod authority;
pub mod browser;
pub mod demo;
pub mod dump;
pub mod eml;
pub mod folding;
#[path = "../../../src/run/schema/grammar.rs"]
pub mod grammar;
pub mod ground;
pub mod lake_rows;
pub mod lakefold;
pub mod mongod;
pub mod mounts;
pub mod one_table;
pub mod read_back;
pub mod receivers;
pub mod replica_set;
pub mod s3;
pub mod s3_proxy;
pub mod s3_request;
pub mod slow;
pub mod soak;
pub mod tcp_proxy;
pub mod watched;

use std::net::{Ipv4Addr, TcpListener};

/// A port of the loopback interface that nobody listens on at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port of 127.0.0.1");
    listener.local_addr().expect("address of a bound socket").port()
}
