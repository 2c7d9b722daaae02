//! What a request to an S3 server is about: what is done, and to which kind of object of the lake.

use std::collections::BTreeMap;
use std::io::{self, Read};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Get,
    Head,
    List,
    /// A listing of multipart uploads that nobody completed.
    Uploads,
    Put,
    /// Start of a multipart upload.
    Begin,
    Part,
    Complete,
    Abort,
    Delete,
}

/// To what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Data,
    Watermark,
    Schema,
    Journal,
    Index,
    Lease,
    Record,
    Quarantine,
    /// The folder that the probe at the start lists, and whatever else there is.
    Other,
}

/// Both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind(pub Verb, pub Place);

impl Kind {
    /// Lakefold's writes are conditional wherever two could collide.
    pub fn conditional(self) -> bool {
        matches!(self.0, Verb::Put | Verb::Complete)
    }

    pub fn has_body(self) -> bool {
        matches!(self.0, Verb::Put | Verb::Part | Verb::Complete)
    }

    pub fn answers_with_body(self) -> bool {
        matches!(self.0, Verb::Get | Verb::List | Verb::Uploads | Verb::Begin | Verb::Complete)
    }

    pub fn changes_something(self) -> bool {
        !matches!(self.0, Verb::Get | Verb::Head | Verb::List | Verb::Uploads)
    }
}

/// The head of a request, unread body behind it.
pub struct Head {
    /// With the empty line at its end.
    pub text: String,
    pub content_length: usize,
}

/// A request as the rules see it.
pub struct Request {
    pub method: String,
    /// Path of the object; for a listing the prefix.
    pub key: String,
    pub kind: Kind,
}

/// Reads to the empty line, byte by byte: what follows is the body's.
pub fn read_head(from: &mut impl Read) -> io::Result<Head> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    let text = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    });
    Ok(Head { content_length: length.unwrap_or(0), text })
}

impl Request {
    pub fn of(head: &Head, body: &[u8]) -> Self {
        let mut words = head.text.split_whitespace();
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default();
        let url = url::Url::parse("http://store").and_then(|base| base.join(target)).expect("a request target");
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let mut key = url.path().to_owned();
        let verb = match method.as_str() {
            "GET" if query.contains_key("list-type") => {
                key = format!("/{}", query.get("prefix").map_or("", String::as_str));
                Verb::List
            }
            "GET" if query.contains_key("uploads") => {
                key = format!("/{}", query.get("prefix").map_or("", String::as_str));
                Verb::Uploads
            }
            "GET" => Verb::Get,
            "HEAD" => Verb::Head,
            "PUT" if query.contains_key("partNumber") => Verb::Part,
            "PUT" => Verb::Put,
            "POST" if query.contains_key("uploads") => Verb::Begin,
            "POST" if query.contains_key("uploadId") => Verb::Complete,
            "DELETE" if query.contains_key("uploadId") => Verb::Abort,
            "DELETE" => Verb::Delete,
            "POST" if query.contains_key("delete") => {
                let text = String::from_utf8_lossy(body);
                let first = text.split_once("<Key>").and_then(|(_, rest)| rest.split_once("</Key>"));
                key = first.map_or_else(String::new, |(first, _)| format!("/{first}"));
                Verb::Delete
            }
            other => panic!("no request of lakefold's: {other} {target}"),
        };
        let place = place_of(&key);
        Self { method, key, kind: Kind(verb, place) }
    }
}

fn place_of(key: &str) -> Place {
    let state = key.split_once("/_lakefold/").map(|(_, state)| state.split('/').next().unwrap_or_default());
    match state {
        None => Place::Data,
        Some("watermarks") => Place::Watermark,
        Some("schemas") => Place::Schema,
        Some("journal") => Place::Journal,
        Some("index") => Place::Index,
        Some("leases") => Place::Lease,
        Some("runs") => Place::Record,
        Some("quarantine") => Place::Quarantine,
        Some(_) => Place::Other,
    }
}
