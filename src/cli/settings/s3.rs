//! The keys of `[lake]` that speak of S3.

use super::bounded;
use super::document::{Reader, Section};
use crate::model::settings::{Encryption, S3Settings};

/// Names of the keys.
pub(super) const KEYS: [&str; 5] = ["encryption", "kms_key", "requester_pays", "storage_class", "requests"];

/// Classes whose objects can be read at once. Every file of a table is read by queries and by the next merge.
const CLASSES: [&str; 6] =
    ["STANDARD", "INTELLIGENT_TIERING", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "REDUCED_REDUNDANCY"];

/// Reads them out of `[lake]`.
pub(super) fn s3(reader: &mut Reader<'_>, section: &Section<'_>) -> S3Settings {
    let defaults = S3Settings::default();
    S3Settings {
        encryption: encryption(reader, section),
        requester_pays: reader.boolean(section, "requester_pays").unwrap_or(false),
        storage_class: storage_class(reader, section),
        requests: bounded(reader, section, "requests", 1, 1024).unwrap_or(defaults.requests),
    }
}

fn encryption(reader: &mut Reader<'_>, section: &Section<'_>) -> Encryption {
    let word = reader.string(section, "encryption");
    let key = reader.string(section, "kms_key");
    let kms = word.as_ref().is_some_and(|word| word.value == "sse-kms");
    if let Some(key) = key.as_ref().filter(|_| !kms) {
        reader.reject(key, "says nothing without `encryption = \"sse-kms\"`");
    }
    match word.as_ref().map(|word| word.value.as_str()) {
        None | Some("bucket") => Encryption::Bucket,
        Some("sse-s3") => Encryption::S3,
        Some("sse-kms") => Encryption::Kms(key.map(|key| key.value)),
        Some(_) => {
            if let Some(word) = &word {
                let message = format!("{} is none of its words", word.shown());
                reader.reject(word, message).hint_nearest(&word.value, &["bucket", "sse-s3", "sse-kms"]);
            }
            Encryption::Bucket
        }
    }
}

fn storage_class(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<String> {
    let class = reader.string(section, "storage_class")?;
    if !CLASSES.contains(&class.value.as_str()) {
        let message = match class.value.as_str() {
            "GLACIER" | "DEEP_ARCHIVE" => "holds objects that nobody can read until they are restored",
            _ => "is no storage class that lakefold knows",
        };
        reader.reject(&class, message).hint_nearest(&class.value, &CLASSES);
    }
    Some(class.value)
}
