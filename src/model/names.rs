//! Folding of names: what MongoDB calls a thing, spelled so that every reader of the lake accepts it.

use sha2::{Digest, Sha256};

/// The end of a column's name whose own is taken, by a partition key or a column of lakefold's.
pub const RENAMED: &str = "_field";

/// Longest folded name in bytes, before the hash that replaces its end.
const MAX_BYTES: usize = 200;

/// Folds one name: Unicode lower case, every code point outside `[a-z0-9_]` becomes one `_`, empty becomes `_`,
/// over 200 bytes cut and ended by `_` and 8 hex digits of the SHA-256 of the original.
///
/// Athena lower-cases names and its type parser refuses most punctuation inside `struct<...>`, so the same rule
/// holds at every depth and for databases and collections.
pub fn fold(original: &str) -> String {
    let mut folded: String = original
        .chars()
        .flat_map(char::to_lowercase)
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' { c } else { '_' })
        .collect();
    if folded.is_empty() {
        folded.push('_');
    }
    if folded.len() > MAX_BYTES {
        folded.truncate(MAX_BYTES - 9);
        folded.push('_');
        folded.push_str(&hash8(original.as_bytes()));
    }
    folded
}

/// The first 8 hex digits of the SHA-256 of `bytes`: how something is named that must not be shown (P10).
pub fn hash8(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(4).map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_case_punctuation_and_unicode() {
        assert_eq!(fold("Patient.Name"), "patient_name");
        assert_eq!(fold("$amount (₹)"), "_amount____");
        assert_eq!(fold("Ärzte"), "_rzte");
        assert_eq!(fold(""), "_");
        assert_eq!(fold("2nd"), "2nd");
    }

    #[test]
    fn long_names_stay_distinct_and_short() {
        let (a, b) = ("x".repeat(300) + "a", "x".repeat(300) + "b");
        assert_eq!(fold(&a).len(), MAX_BYTES);
        assert_ne!(fold(&a), fold(&b));
    }
}
