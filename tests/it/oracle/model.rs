//! What the lake must hold after each run, kept as plain documents.

use super::documents::{Known, Layout};
use super::expected::{Clock, TableSeen};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Documents by their id's text, which the test keeps unique across kinds.
pub type Documents = BTreeMap<String, Known>;

/// What a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// All of the source; the table is replaced.
    Everything,
    /// What may have been modified at this time or later, milliseconds.
    Since(i64),
}

/// What a run must report of a collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub read: u64,
    pub inserted: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub moved: u64,
    pub deleted: u64,
}

/// One table as it must be.
#[derive(Debug, Clone)]
pub struct Table {
    stored: Documents,
    seen: TableSeen,
    layout: Layout,
    clock: Clock,
}

impl Table {
    /// An empty one.
    pub fn new(layout: Layout, clock: Clock) -> Self {
        Self { stored: Documents::new(), seen: TableSeen::default(), layout, clock }
    }

    /// Folds what a run reads of `source`: each document read replaces its row, whatever its time says (P1).
    pub fn fold(&mut self, source: &Documents, reads: Reads) -> Counts {
        let visible: Vec<(&String, &Known)> = source
            .iter()
            .filter(|(_, known)| match reads {
                Reads::Everything => true,
                Reads::Since(from) => known.modified_by_ms.is_some_and(|at| at >= from),
            })
            .collect();
        visible.iter().for_each(|(_, known)| self.seen.observe(&known.document));
        let mut counts = Counts { read: visible.len() as u64, ..Counts::default() };
        for (id, known) in visible {
            match self.stored.insert(id.clone(), known.clone()) {
                None => counts.inserted += 1,
                Some(old) if old.partition != known.partition => {
                    counts.updated += 1;
                    counts.moved += 1;
                }
                Some(old) if self.row(&old) != self.row(known) => counts.updated += 1,
                Some(_) => counts.unchanged += 1,
            }
        }
        if reads == Reads::Everything {
            let before = self.stored.len();
            self.stored.retain(|id, _| source.contains_key(id));
            counts.deleted = (before - self.stored.len()) as u64;
        }
        counts
    }

    /// Rows of the table by partition and `_id`.
    pub fn rows(&self) -> BTreeMap<(String, String), Map<String, Value>> {
        self.stored
            .values()
            .map(|known| {
                let row = self.row(known);
                ((known.partition.clone(), row["_id"].to_string()), row)
            })
            .collect()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.stored.len()
    }

    fn row(&self, known: &Known) -> Map<String, Value> {
        self.seen.row(&known.document, known.modified_ms, self.layout.keys(), self.clock)
    }
}
