//! What was really asked of AWS, from moto's recorder.

use crate::support::s3::S3;
use base64::Engine;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One request as it came over the wire.
#[derive(Debug)]
pub struct Call {
    /// `PUT`
    pub method: String,
    /// Path and query.
    pub path: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Call {
    /// The service it was signed for: `s3`, `ses`, `secretsmanager`, `ssm`, `glue`.
    pub fn service(&self) -> &str {
        self.scope(3)
    }

    /// Whose key signed it.
    pub fn key_id(&self) -> &str {
        self.scope(0)
    }

    /// A part of `KEY/20261121/us-east-1/s3/aws4_request`, in the header or, for signed URLs, in the query.
    fn scope(&self, part: usize) -> &str {
        let in_header = self.headers.get("authorization").and_then(|text| text.split_once("Credential="));
        let in_query = || self.path.split_once("X-Amz-Credential=");
        let scope = in_header.or_else(in_query).map_or("", |(_, rest)| rest);
        let scope = scope.split([',', '&']).next().unwrap_or_default();
        let mut parts = scope.split('/').flat_map(|part| part.split("%2F"));
        parts.nth(part).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Line {
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    body: String,
    body_encoded: bool,
}

/// Starts to record, with nothing recorded yet.
pub fn record(server: &S3) {
    for step in ["reset-recording", "start-recording"] {
        assert_eq!(server.plain("POST", &format!("/moto-api/recorder/{step}"), "").0, 200, "{step}");
    }
}

/// Everything asked since.
pub fn recorded(server: &S3) -> Vec<Call> {
    assert_eq!(server.plain("POST", "/moto-api/recorder/stop-recording", "").0, 200);
    let (status, text) = server.plain("GET", "/moto-api/recorder/download-recording", "");
    assert_eq!(status, 200);
    let parsed = |line: &str| {
        let line: Line = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let body = match line.body_encoded {
            true => base64::engine::general_purpose::STANDARD.decode(&line.body).expect("base64"),
            false => line.body.into_bytes(),
        };
        let path = line.url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default();
        let headers = line.headers.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
        Call { method: line.method, path, headers, body }
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(parsed).collect()
}
