//! Ranges of `_id` that together hold every document exactly once, whatever types its `_id`s have.
//!
//! A comparison sees only values of its operand's type, so ranges cut within the commonest type alone: the first is
//! open below and the last open above, within that type. All other types (and NaN, which no comparison sees) are
//! what is neither below nor above the first cut: the complement of the ranges by logic, not by a list of types.

use crate::model::read_plan::{IdRange, ReadPlan};
use bson::{Bson, Document, doc};

/// The types that compare with each other, as far as ranges are cut in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Number,
    Text,
    ObjectId,
    Binary,
    Date,
}

fn class(id: &Bson) -> Option<Class> {
    match id {
        Bson::Double(number) if number.is_nan() => None,
        // Its infinities and NaN are not worth telling apart for a cut.
        Bson::Decimal128(_) => None,
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) => Some(Class::Number),
        Bson::String(_) => Some(Class::Text),
        Bson::ObjectId(_) => Some(Class::ObjectId),
        Bson::Binary(_) => Some(Class::Binary),
        Bson::DateTime(_) => Some(Class::Date),
        _ => None,
    }
}

/// The server's filter of a range.
pub(super) fn filter(range: &IdRange) -> Document {
    let mut within = Document::new();
    if let Some(from) = &range.from {
        within.insert(if range.resumed { "$gt" } else { "$gte" }, from);
    }
    if let Some(to) = &range.to {
        within.insert("$lt", to);
    }
    doc! { "_id": within }
}

/// Finds every document whose `_id` is in none of the ranges of a plan: neither below its first cut nor above.
pub(super) fn others(plan: &ReadPlan) -> Document {
    match plan.ranges.first().and_then(|range| range.to.as_ref()) {
        Some(first) => doc! { "$nor": [{ "_id": { "$lt": first } }, { "_id": { "$gte": first } }] },
        None => Document::new(),
    }
}

/// Cuts at the quantiles of a sample of `_id`s, sorted by the server; `None`: there is nothing to cut.
///
/// `text`: whether texts may be cut, too.
pub(super) fn cut(sample: &[Bson], pieces: usize, text: bool) -> Option<ReadPlan> {
    let classes = [Class::Number, Class::ObjectId, Class::Binary, Class::Date, Class::Text];
    let of = |wanted: Class| sample.iter().filter(move |id| class(id) == Some(wanted));
    let usable = classes.into_iter().filter(|class| text || *class != Class::Text);
    let commonest = usable.max_by_key(|class| of(*class).count())?;
    let ids: Vec<&Bson> = of(commonest).collect();
    let mut cuts: Vec<&Bson> = (1..pieces).filter_map(|piece| ids.get(ids.len() * piece / pieces).copied()).collect();
    cuts.dedup();
    cuts.first()?;
    let starts = std::iter::once(None).chain(cuts.iter().map(|cut| Some((*cut).clone())));
    let ends = cuts.iter().map(|cut| Some((*cut).clone())).chain([None]);
    Some(ReadPlan { ranges: starts.zip(ends).map(|(from, to)| IdRange { from, resumed: false, to }).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_the_commonest_type_and_the_others() {
        let sample: Vec<Bson> = vec![1.into(), 2.into(), 3.5.into(), 4.into(), "a".into(), f64::NAN.into()];
        let cuts = cut(&sample, 2, true).unwrap();
        let filters: Vec<Document> = cuts.ranges.iter().map(filter).collect();
        assert_eq!(filters, [doc! { "_id": { "$lt": 3.5 } }, doc! { "_id": { "$gte": 3.5 } }]);
        assert_eq!(others(&cuts), doc! { "$nor": [{ "_id": { "$lt": 3.5 } }, { "_id": { "$gte": 3.5 } }] });
    }

    #[test]
    fn repeated_samples_make_no_empty_ranges() {
        let sample: Vec<Bson> = std::iter::repeat_n(Bson::Int32(7), 100).collect();
        assert_eq!(cut(&sample, 8, true).unwrap().ranges.len(), 2);
    }

    #[test]
    fn nothing_to_cut() {
        assert_eq!(cut(&[], 4, true), None);
        assert_eq!(cut(&[Bson::Null, doc! { "a": 1 }.into()], 4, true), None);
        assert_eq!(cut(&["a".into(), "b".into()], 2, false), None);
        assert_eq!(cut(&[1.into(), 2.into()], 1, true), None);
    }

    #[test]
    fn a_resumed_range_keeps_its_end() {
        let mut range = cut(&[1.into(), 5.into()], 2, true).unwrap().ranges.remove(0);
        range.resume_after(3.into());
        assert_eq!(filter(&range), doc! { "_id": { "$gt": 3, "$lt": 5 } });
    }
}
