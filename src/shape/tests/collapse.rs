//! Sub-documents that stop being columns: their stored rows must become the text or map their documents would give.

use super::commute::{scalar, with_ids};
use super::{Setup, batch};
use crate::model::seen::Guard;
use crate::shape::columns::Columns;
use crate::shape::pins::Pins;
use bson::{Bson, Document};
use proptest::prelude::*;

/// Names of which some fold alike.
fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "A", "b", "B c", "b C", "value_"]).prop_map(str::to_owned)
}

/// Fields of some level; lists of one, which differ from bare values in text only, are frequent.
fn fields(value: impl Strategy<Value = Bson> + Clone) -> impl Strategy<Value = Document> {
    prop::collection::btree_map(name(), value, 0..4).prop_map(|fields| fields.into_iter().collect())
}

fn document() -> impl Strategy<Value = Document> {
    let value = scalar().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(Bson::Array),
            1 => inner.clone().prop_map(|only| Bson::Array(vec![only])),
            2 => fields(inner).prop_map(Bson::Document),
        ]
    });
    fields(value.boxed())
}

fn commutes(setup: &Setup, guard: Guard, first: Vec<Document>, second: Vec<Document>) -> Result<(), TestCaseError> {
    let wrapped = |documents: Vec<Document>, from| {
        let under = documents.into_iter().map(|d| bson::doc! { "d": d }).collect();
        batch(&with_ids(under, from))
    };
    let (first, second) = (wrapped(first, 0), wrapped(second, 100));
    let mut shaper = setup.shaper(setup.table());
    let narrow = shaper.shape(&first).unwrap();
    shaper.shape(&second).unwrap();
    let mut wide = shaper.table().clone();
    if let Some(at) = wide.seen.fields.position(b"d", 0) {
        wide.seen.fields.get_mut(at).unwrap().trip(guard);
    }
    let columns = Columns::of(&wide.seen, &[], &Pins::default(), &wide.columns);
    (wide.columns, wide.misfits, wide.version) = (columns.list, columns.misfits || wide.misfits, wide.version + 1);
    let at_once = setup.shaper(wide.clone()).shape(&first).unwrap();
    prop_assert_eq!(&setup.convert(&narrow, &wide), &at_once.rows);
    Ok(())
}

fn documents() -> impl Strategy<Value = Vec<Document>> {
    prop::collection::vec(document(), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn documents_become_text(first in documents(), second in documents()) {
        commutes(&Setup::new(), Guard::Width, first, second)?;
    }

    #[test]
    fn documents_become_maps(first in documents(), second in documents()) {
        commutes(&Setup::new(), Guard::Keys, first, second)?;
    }

    #[test]
    fn hashed_and_excluded_fields_collapse_alike(first in documents(), second in documents(), keys in any::<bool>()) {
        let setup = Setup::new().hashing("d.a").hashing("d.list.b").excluding("d.B c");
        commutes(&setup, if keys { Guard::Keys } else { Guard::Width }, first, second)?;
    }
}
