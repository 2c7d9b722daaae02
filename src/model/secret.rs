//! A string that must never be shown.

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
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
