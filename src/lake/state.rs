//! State objects: JSON with a `"format"`, so that an older binary refuses what it would misread. One whose key ends in
//! `.zst` is compressed.

use super::{Expect, Lake, Version};
use crate::error::{Error, Kind, Result, ResultExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// The end of the keys of compressed objects.
const PACKED: &str = ".zst";

/// The object at `key` with its version; `None`: there is none.
///
/// # Errors
/// [`Kind::Unavailable`] when its format is newer than `newest`; [`Kind::Lake`] when it cannot be read.
pub async fn load<T: DeserializeOwned>(lake: &Lake, key: &str, newest: u32) -> Result<Option<(T, Version)>> {
    match look(lake, key, newest).await? {
        Stored::Nothing => Ok(None),
        Stored::Object(object, version) => Ok(Some((object, version))),
        Stored::Damaged(_, error) => Err(error),
    }
}

/// What is at a key, for whoever can do without it when it is damaged.
pub enum Stored<T> {
    /// Nothing.
    Nothing,
    /// The object.
    Object(T, Version),
    /// Something that cannot be read, in contrast to a lake that does not answer.
    Damaged(Version, Error),
}

/// As [`load`], but a damaged object is no error.
///
/// # Errors
/// [`Kind::Unavailable`] when its format is newer than `newest`; what reading the lake ends with.
pub async fn look<T: DeserializeOwned>(lake: &Lake, key: &str, newest: u32) -> Result<Stored<T>> {
    let Some((bytes, version)) = lake.get(key).await? else { return Ok(Stored::Nothing) };
    match unpacked(key, &bytes).and_then(|text| decode(&text, newest)).map_err(|e| e.context(format!("read {key}"))) {
        Ok(object) => Ok(Stored::Object(object, version)),
        Err(error) if error.kind() == Kind::Lake => Ok(Stored::Damaged(version, error)),
        Err(error) => Err(error),
    }
}

/// Writes the object; `value` brings its own `format` field.
///
/// # Errors
/// [`Kind::Conflict`] when `expect` does not hold.
pub async fn store<T: Serialize>(lake: &Lake, key: &str, value: &T, expect: Expect) -> Result<Version> {
    let mut text = serde_json::to_vec(value).or_error(Kind::Lake, format!("write {key}"))?;
    text.push(b'\n');
    if key.ends_with(PACKED) {
        text = zstd::encode_all(text.as_slice(), zstd::DEFAULT_COMPRESSION_LEVEL)
            .or_error(Kind::Lake, format!("write {key}"))?;
    }
    lake.put(key, text.into(), expect).await
}

/// Refuses a format newer than this binary knows.
pub(super) fn refuse_newer(format: u64, newest: u32) -> Result<()> {
    if format <= u64::from(newest) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unavailable,
        format!("its format {format} is newer than {newest}, the newest this lakefold knows"),
    )
    .hint("upgrade lakefold; a newer one has written to this lake"))
}

fn unpacked<'b>(key: &str, bytes: &'b [u8]) -> Result<Cow<'b, [u8]>> {
    if !key.ends_with(PACKED) {
        return Ok(bytes.into());
    }
    zstd::decode_all(bytes).map(Cow::from).map_err(|_| damaged("not compressed by zstd as its name says"))
}

fn damaged(why: impl std::fmt::Display) -> Error {
    Error::new(Kind::Lake, format!("the state is damaged: {why}"))
        .hint("restore it from the bucket's versions or a backup")
}

fn decode<T: DeserializeOwned>(bytes: &[u8], newest: u32) -> Result<T> {
    // Where it breaks is said, not what stands there (P10).
    let at =
        |e: serde_json::Error| damaged(format!("not the JSON expected at line {} column {}", e.line(), e.column()));
    let format = serde_json::from_slice::<Format>(bytes).map_err(at)?.format;
    refuse_newer(format.ok_or_else(|| damaged("no format"))?, newest)?;
    serde_json::from_slice(bytes).map_err(at)
}

/// The one field every state object has, whatever a newer format made of the others.
#[derive(serde::Deserialize)]
struct Format {
    format: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        format: u32,
        name: String,
    }

    #[test]
    fn newer_formats_are_refused_before_anything_else_is_read() {
        let sample: Sample = decode(br#"{"format":1,"name":"a"}"#, 1).expect("read");
        assert_eq!(sample, Sample { format: 1, name: "a".into() });
        let newer = decode::<Sample>(br#"{"format":2,"names":["a"]}"#, 1).expect_err("newer");
        assert_eq!(newer.kind(), Kind::Unavailable);
        assert!(newer.hint_text().is_some_and(|hint| hint.contains("upgrade")));
    }

    #[test]
    fn damage_is_told_without_content() {
        for text in [r#"{"name":"Asha"}"#, r#"{"format":1,"name":{"Asha":1}}"#, r#"{"format":1,"name":"As"#, ""] {
            let error = decode::<Sample>(text.as_bytes(), 1).expect_err("damaged");
            assert_eq!(error.kind(), Kind::Lake);
            assert!(!error.to_string().contains("Asha"), "{error}");
        }
    }
}
