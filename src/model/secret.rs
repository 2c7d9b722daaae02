//! A string that must never be shown.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// A secret: no `Display`, a `Debug` that hides it, and one explicit way to read it.
///
/// ```compile_fail
/// let secret = lakefold::model::secret::Secret::new("hunter2".into());
/// println!("{secret}");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps the value.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself; call it only where it is handed to the system that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The first 8 hex digits of the HMAC-SHA-256 of `bytes` under it: the same for the same key and bytes, and neither
    /// can be told from them.
    pub fn mark(&self, bytes: &[u8]) -> String {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else { return String::new() };
        mac.update(bytes);
        mac.finalize().into_bytes().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_follow_from_key_and_bytes() {
        let mark = |key: &str, bytes: &str| Secret::new(key.into()).mark(bytes.as_bytes());
        // RFC 4231, test case 2.
        assert_eq!(mark("Jefe", "what do ya want for nothing?"), "5bdcc146");
        assert_ne!(mark("Jefe", "what"), mark("jefe", "what"));
        assert_eq!(mark("", "").len(), 8);
    }
}
