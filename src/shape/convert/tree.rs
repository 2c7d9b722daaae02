//! The misfits of one row, as a tree by the steps of their pointers.

use crate::error::{Kind, Result, ResultExt};
use crate::shape::canonical::Json;
use crate::shape::misfits::{BARE, Row, SPELLED};
use crate::shape::raw::Writer;
use std::collections::BTreeMap;

/// Misfits at one place and below it.
#[derive(Debug, Default)]
pub struct Tree {
    /// Exact original of the value here.
    pub value: Option<Json>,
    /// The column holds the field of this spelling.
    pub spelled: bool,
    /// What a list column holds here is no list but its only element.
    pub bare: bool,
    /// Earlier values of a duplicate key, in their order.
    shadows: BTreeMap<u64, Json>,
    /// By field name or element number.
    pub children: BTreeMap<String, Tree>,
}

impl Tree {
    /// Reads a `_misfits` text.
    pub fn parse(text: &str) -> Result<Self> {
        let parsed: Json = serde_json::from_str(text).or_error(Kind::Lake, "read the _misfits of a stored row")?;
        let mut root = Self::default();
        if let Json::Object(entries) = parsed {
            entries.into_iter().for_each(|(pointer, value)| root.insert(&pointer, value));
        }
        Ok(root)
    }

    fn insert(&mut self, pointer: &str, value: Json) {
        let (pointer, spelled) = match pointer.strip_suffix(SPELLED) {
            Some(pointer) => (pointer, true),
            None => (pointer, false),
        };
        let (pointer, bare) = match pointer.strip_suffix(BARE) {
            Some(pointer) => (pointer, true),
            None => (pointer, false),
        };
        let (pointer, shadow) = match pointer.rsplit_once("~#") {
            Some((pointer, number)) => (pointer, number.parse::<u64>().ok()),
            None => (pointer, None),
        };
        let place = pointer
            .split('/')
            .skip(1)
            .fold(self, |tree, step| tree.children.entry(step.replace("~1", "/").replace("~0", "~")).or_default());
        match shadow {
            _ if spelled => place.spelled = true,
            _ if bare => place.bare = true,
            Some(number) => drop(place.shadows.insert(number, value)),
            None => place.value = Some(value),
        }
    }

    /// Moves the children that satisfy `belongs` into a tree of their own.
    pub fn split_off(&mut self, belongs: impl Fn(&str) -> bool) -> Self {
        let (apart, stay) = std::mem::take(&mut self.children).into_iter().partition(|(name, _)| belongs(name));
        self.children = stay;
        Self { children: apart, ..Self::default() }
    }

    /// The misfits at and below a field or element.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.get(name)
    }

    /// Appends the earlier values of a duplicate key.
    pub fn append_shadows(&self, key: &str, writer: &mut Writer) {
        self.shadows.values().for_each(|value| value.append(key, writer));
    }

    /// Keeps everything as it is in the row that is being written.
    pub fn carry(&self, pointer: &str, row: &mut Row<'_>) {
        let text = |value: &Json| {
            let mut text = String::new();
            value.write(&mut text);
            text
        };
        if let Some(value) = &self.value {
            row.carry(pointer.to_owned(), text(value));
        }
        if self.spelled {
            row.carry(format!("{pointer}{SPELLED}"), "true".to_owned());
        }
        if self.bare {
            row.carry(format!("{pointer}{BARE}"), "true".to_owned());
        }
        for (number, value) in &self.shadows {
            row.carry(format!("{pointer}~#{number}"), text(value));
        }
        for (name, below) in &self.children {
            below.carry(&format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), row);
        }
    }
}
