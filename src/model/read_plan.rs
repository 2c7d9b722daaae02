//! A full read cut into ranges of `_id`, and how far each of them has been read: what a run that died leaves to the
//! next one.

use crate::error::{Error, Kind, Result, ResultExt};
use bson::{Bson, Document, doc};

/// A range within one BSON type: from a value, or open below; up to and without a value, or open above. Never open on
/// both sides, so that it always sees one type only.
#[derive(Debug, Clone, PartialEq)]
pub struct IdRange {
    /// Where it begins.
    pub from: Option<Bson>,
    /// Whether `from` itself was read already.
    pub resumed: bool,
    /// Where it ends.
    pub to: Option<Bson>,
}

/// Ranges in ascending order. Documents whose `_id` is in none of them, being of another type, are read besides.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadPlan {
    /// At least two.
    pub ranges: Vec<IdRange>,
}

/// How far a range has been read.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// Number of the range in its plan.
    pub range: usize,
    /// The last `_id` read: everything below it in the range was read before.
    pub last: Bson,
}

impl IdRange {
    /// Leaves out everything up to `last`, which was read in ascending order.
    pub fn resume_after(&mut self, last: Bson) {
        self.from = Some(last);
        self.resumed = true;
    }
}

impl ReadPlan {
    /// Leaves out what has been read up to `position`.
    pub fn advance(&mut self, position: Position) {
        if let Some(range) = self.ranges.get_mut(position.range) {
            range.resume_after(position.last);
        }
    }

    /// The plan as BSON, which keeps every `_id` exactly.
    ///
    /// # Errors
    /// [`Kind::Invariant`] when an `_id` cannot be written, which no document has.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let range = |range: &IdRange| {
            let mut document = doc! { "resumed": range.resumed };
            for (name, end) in [("from", &range.from), ("to", &range.to)] {
                if let Some(end) = end {
                    document.insert(name, end.clone());
                }
            }
            document
        };
        let ranges: Vec<Document> = self.ranges.iter().map(range).collect();
        doc! { "ranges": ranges }.to_vec().or_error(Kind::Invariant, "write the ranges of a read")
    }

    /// The plan that [`ReadPlan::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Kind::Lake`] when it is damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::new(Kind::Lake, "the ranges of a read are damaged");
        let document = Document::from_reader(bytes).map_err(|_| damaged())?;
        let range = |item: &Bson| {
            let document = item.as_document()?;
            let end = |name: &str| document.get(name).cloned();
            Some(IdRange { from: end("from"), resumed: document.get_bool("resumed").ok()?, to: end("to") })
        };
        let ranges: Option<Vec<IdRange>> =
            document.get_array("ranges").ok().and_then(|list| list.iter().map(range).collect());
        let bounded = |range: &IdRange| range.from.is_some() || range.to.is_some();
        match ranges {
            Some(ranges) if ranges.len() > 1 && ranges.iter().all(bounded) => Ok(Self { ranges }),
            _ => Err(damaged()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_with_every_id_as_it_is() {
        let ends = [Bson::Int32(7), Bson::Int64(7), Bson::Double(7.5), "a".into(), bson::oid::ObjectId::new().into()];
        let range = |to: &Bson| IdRange { from: None, resumed: false, to: Some(to.clone()) };
        let mut plan = ReadPlan { ranges: ends.iter().map(range).collect() };
        plan.advance(Position { range: 1, last: Bson::Int64(3) });
        assert_eq!(ReadPlan::from_bytes(&plan.to_bytes().unwrap()).unwrap(), plan);
        assert!(plan.ranges[1].resumed && plan.ranges[1].from == Some(Bson::Int64(3)));
    }

    #[test]
    fn damage_is_noticed() {
        let open = doc! { "ranges": [{ "resumed": false }, { "resumed": false, "to": 1 }] };
        for bytes in [&b"x"[..], &doc! {}.to_vec().unwrap(), &open.to_vec().unwrap()] {
            assert!(ReadPlan::from_bytes(bytes).is_err());
        }
    }
}
