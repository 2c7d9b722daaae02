//! Whom TLS trusts: the system's root certificates, and where a system has none, those of Mozilla bundled here.
//!
//! The binary runs where nothing else is: in a container made from scratch, in a Lambda. Such a root usually has no
//! `/etc/ssl`, and every HTTPS client would refuse every server. A system that has roots of its own is believed: an
//! operator who trusts a company's authority, or distrusts one of Mozilla's, put it there. `SSL_CERT_FILE` and
//! `SSL_CERT_DIR` name other places. (The MongoDB driver always brings Mozilla's roots with it.)

use rustls_native_certs::load_native_certs;
use std::sync::LazyLock;

/// The roots to trust in addition to the system's, DER encoded: none where the system has its own.
pub fn bundled_roots() -> &'static [&'static [u8]] {
    static ROOTS: LazyLock<Vec<&'static [u8]>> = LazyLock::new(|| {
        if !load_native_certs().certs.is_empty() {
            return Vec::new();
        }
        tracing::debug!("this system has no root certificates; the bundled ones are used");
        webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(AsRef::as_ref).collect()
    });
    &ROOTS
}

/// [`bundled_roots`] as one text in PEM.
pub fn bundled_pem() -> String {
    pem(bundled_roots())
}

fn pem(roots: &[&[u8]]) -> String {
    use base64::Engine;
    let mut pem = String::new();
    for root in roots {
        let text = base64::engine::general_purpose::STANDARD.encode(root);
        pem += "-----BEGIN CERTIFICATE-----\n";
        // Base64 is ASCII: every cut is a character's border.
        for at in (0..text.len()).step_by(64) {
            pem += text.get(at..text.len().min(at + 64)).unwrap_or_default();
            pem.push('\n');
        }
        pem += "-----END CERTIFICATE-----\n";
    }
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_roots_are_understood_in_both_forms() {
        let roots: Vec<&[u8]> = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(AsRef::as_ref).collect();
        assert!(roots.len() > 100, "{}", roots.len());
        let found = reqwest::Certificate::from_pem_bundle(pem(&roots).as_bytes()).unwrap();
        assert_eq!(found.len(), roots.len());
        let mut client = reqwest::Client::builder().tls_built_in_root_certs(false);
        for root in &roots {
            client = client.add_root_certificate(reqwest::Certificate::from_der(root).unwrap());
        }
        client.build().unwrap();
        // Who signs for S3, Glue, SES and the others.
        assert!(roots.iter().any(|root| root.windows(16).any(|part| part == b"Amazon Root CA 1")));
    }
}
