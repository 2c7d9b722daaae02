//! Paths the operator wants left out or hashed, at any depth and inside arrays; and what counts as void without them.

use super::hashing::Hasher;
use super::raw::{Element, Value};
use crate::model::collection::FieldPath;

/// What is to be done at one path and below it.
#[derive(Debug, Clone, Default)]
pub struct Privacy {
    exclude: bool,
    hash: Option<Hasher>,
    children: Vec<(Vec<u8>, Privacy)>,
}

impl Privacy {
    /// The tree of all excluded and hashed paths; `None` when there are none.
    pub fn new(exclude: &[FieldPath], hash: &[FieldPath], hasher: Option<&Hasher>) -> Option<Self> {
        let mut root = Self::default();
        exclude.iter().for_each(|path| root.ensure(path).exclude = true);
        hash.iter().for_each(|path| root.ensure(path).hash = hasher.cloned());
        (!root.children.is_empty()).then_some(root)
    }

    fn ensure(&mut self, path: &FieldPath) -> &mut Self {
        path.0.iter().fold(self, |node, part| {
            let at = node.children.iter().position(|(name, _)| name == part.as_bytes()).unwrap_or_else(|| {
                node.children.push((part.as_bytes().to_vec(), Self::default()));
                node.children.len() - 1
            });
            &mut node.children[at].1
        })
    }

    /// What is to be done with the field `key` of a document here.
    pub fn child(&self, key: &[u8]) -> Option<&Self> {
        self.children.iter().find(|(name, _)| name == key).map(|(_, below)| below)
    }

    /// Whether values here are never read.
    pub fn excluded(&self) -> bool {
        self.exclude
    }

    /// What replaces values here by their digest.
    pub fn hasher(&self) -> Option<&Hasher> {
        self.hash.as_ref()
    }
}

/// Whether a value counts as missing: Null, Undefined, `{}`, `[]`, and documents and lists of void only.
pub fn is_void(value: Value<'_>, privacy: Option<&Privacy>) -> bool {
    match value {
        Value::Null | Value::Undefined => true,
        Value::Document(document) => document.elements().all(|element| {
            let below = privacy.and_then(|p| p.child(element.key));
            below.is_some_and(Privacy::excluded) || is_void_element(&element, below)
        }),
        Value::Array(array) => array.elements().all(|element| is_void_element(&element, privacy)),
        _ => false,
    }
}

/// [`is_void`] of an element's value; texts, which are most of what there is, are not read for it.
pub fn is_void_element(element: &Element<'_>, privacy: Option<&Privacy>) -> bool {
    !element.is_text() && is_void(element.value(), privacy)
}
