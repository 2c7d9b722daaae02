//! Values replaced by their HMAC, so that they can be joined on and not be read.

use super::canonical;
use super::raw::Value;
use crate::error::{Error, Kind, Result};
use crate::model::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// HMAC-SHA-256 under the operator's key.
#[derive(Clone)]
pub struct Hasher(Hmac<Sha256>);

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher(…)")
    }
}

impl Hasher {
    /// A hasher under `key`.
    pub fn new(key: &Secret) -> Result<Self> {
        Hmac::new_from_slice(key.expose().as_bytes())
            .map(Self)
            .map_err(|_| Error::new(Kind::Input, "privacy.hash_key cannot be used as an HMAC key"))
    }

    /// Lower-case hex of the HMAC of the value's canonical text.
    pub fn digest(&self, value: Value<'_>) -> String {
        let mut text = String::new();
        canonical::text(value, &mut text);
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        text.clear();
        canonical::hex(&mac.finalize().into_bytes(), &mut text);
        text
    }
}
