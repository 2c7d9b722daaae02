//! The texts of mails in a folder, as a reader sees them: transfer encodings undone, nothing else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::path::Path;

/// One text for each `.eml`, all of its parts one after the other.
pub fn texts(folder: &Path) -> Vec<String> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("the mail folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| decoded(&fs::read_to_string(path).expect("a mail"))).collect()
}

/// Every part decoded; what is not encoded stays.
fn decoded(mail: &str) -> String {
    let mail = mail.replace("\r\n", "\n");
    let mut out = String::new();
    let mut encoding = "";
    for block in mail.split("\n\n") {
        let body = match encoding {
            "base64" => {
                let text: String = block.lines().take_while(|line| !line.starts_with("--")).collect();
                STANDARD
                    .decode(text.trim())
                    .map_or_else(|_| block.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
            }
            "quoted-printable" => quoted_printable(block),
            _ => block.to_owned(),
        };
        out += &body;
        out.push_str("\n\n");
        let header = "content-transfer-encoding:";
        let named = block.lines().rev().find(|line| line.to_ascii_lowercase().starts_with(header));
        if let Some(line) = named {
            let name = line[header.len()..].trim().to_ascii_lowercase();
            encoding = ["base64", "quoted-printable"].into_iter().find(|known| *known == name).unwrap_or("");
        }
    }
    out
}

fn quoted_printable(text: &str) -> String {
    let text = text.replace("=\n", "");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| *first == b'=').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn parts_are_decoded() {
    let mail = "Subject: x\nContent-Transfer-Encoding: quoted-printable\n\na =3D b=\nc\n\n--b\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n--b--\n";
    let text = decoded(mail);
    assert!(text.contains("a = bc") && text.contains("hello"), "{text}");
}
