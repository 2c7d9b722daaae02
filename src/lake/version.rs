//! What a condition on a write is made of: the version of the bytes that were read.

use chrono::{DateTime, Utc};
use object_store::{ObjectMeta, PutResult, UpdateVersion};
use std::fmt;

/// The identity of one object's bytes: the ETag of an object store; inode, time and size of a local file.
///
/// Two versions are equal exactly when their texts are, so a version may be kept in a state object and compared
/// with what a listing says later.
#[derive(Clone)]
pub struct Version {
    e_tag: String,
    /// Google's generation, which its conditional writes want instead of the ETag; unknown after a listing.
    generation: Option<String>,
}

impl Version {
    /// A version from the text [`Version::as_str`] gave.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self { e_tag: text.into(), generation: None }
    }

    /// The text that stands for the version.
    pub fn as_str(&self) -> &str {
        &self.e_tag
    }

    pub(super) fn generation(&self) -> Option<&str> {
        self.generation.as_deref()
    }

    pub(super) fn to_update(&self) -> UpdateVersion {
        UpdateVersion { e_tag: Some(self.e_tag.clone()), version: self.generation.clone() }
    }

    /// `None`: the store gave no ETag, so nothing can be conditional on this object.
    pub(super) fn of_meta(meta: &ObjectMeta) -> Option<Self> {
        Some(Self { e_tag: meta.e_tag.clone()?, generation: meta.version.clone() })
    }

    /// As [`Version::of_meta`], from the answer to a write.
    pub(super) fn of_put(result: &PutResult) -> Option<Self> {
        Some(Self { e_tag: result.e_tag.clone()?, generation: result.version.clone() })
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.e_tag == other.e_tag
    }
}

impl Eq for Version {}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({})", self.e_tag)
    }
}

/// What a write expects to find at its key; anything else is a [`crate::error::Kind::Conflict`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Absent,
    /// These very bytes.
    Version(Version),
    /// Whatever is there is replaced.
    Any,
}

impl Expect {
    /// What was read is what is expected: `None` becomes [`Expect::Absent`].
    pub fn unchanged(read: Option<Version>) -> Self {
        read.map_or(Self::Absent, Self::Version)
    }

    /// Whether what is there now is what was expected.
    pub(super) fn holds(&self, found: Option<&Version>) -> bool {
        match (self, found) {
            (Self::Any, _) | (Self::Absent, None) => true,
            (Self::Version(expected), Some(found)) => expected == found,
            (Self::Absent, Some(_)) | (Self::Version(_), None) => false,
        }
    }
}

/// An object as a listing or a HEAD describes it.
#[derive(Debug, Clone)]
pub struct Object {
    /// Relative to the lake's root.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// Of its bytes.
    pub version: Version,
    /// When it was written, by the store's clock.
    pub modified: DateTime<Utc>,
}
