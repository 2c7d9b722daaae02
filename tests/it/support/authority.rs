//! A private certificate authority, and what it signs for a server and for people.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The authority and a folder with its certificates.
pub struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new one that nobody trusts yet.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name = name("authority", "tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("sign itself");
        let folder = tempfile::Builder::new().prefix("lakefold-test-").tempdir().expect("a temporary folder");
        fs::write(folder.path().join("ca.pem"), issuer.pem()).expect("write a certificate");
        Self { folder, issuer }
    }

    /// The authority's own certificate, for `tlsCAFile`.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Certificate and key, in one file, of the server 127.0.0.1.
    pub fn server(&self) -> PathBuf {
        self.sign("server", "servers", ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Certificate and key, in one file, of a person: `CN=<person>,OU=people,O=lakefold`.
    pub fn person(&self, person: &str) -> PathBuf {
        self.sign(person, "people", ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, common: &str, unit: &str, usage: ExtendedKeyUsagePurpose) -> PathBuf {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])
            .expect("names of this machine");
        params.distinguished_name = name(common, unit);
        params.extended_key_usages = vec![usage];
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("sign a certificate");
        let path = self.folder.path().join(format!("{common}.pem"));
        fs::write(&path, certificate.pem() + &key.serialize_pem()).expect("write a certificate");
        path
    }
}

/// A path as an option of a URI.
pub fn option(name: &str, path: &Path) -> String {
    let path: String = url::form_urlencoded::byte_serialize(path.to_str().expect("UTF-8").as_bytes()).collect();
    format!("{name}={path}")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("make a key")
}

fn name(common: &str, unit: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "lakefold");
    name.push(DnType::OrganizationalUnitName, unit);
    name.push(DnType::CommonName, common);
    name
}
