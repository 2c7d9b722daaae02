//! Sub-documents that stop being columns: their stored rows must become the text or map their documents would give.

use super::commute::{scalar, with_ids};
use super::{Setup, batch};
use crate::model::seen::Guard;
use crate::model::table::TableSchema;
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
    let wide = tripped(shaper.table(), &["d"], guard);
    let at_once = setup.shaper(wide.clone()).shape(&first).unwrap();
    prop_assert_eq!(&setup.convert(&narrow, &wide), &at_once.rows);
    Ok(())
}

/// Trips a guard at a path of everything seen, as if the table had just grown too wide there.
fn tripped(table: &TableSchema, path: &[&str], guard: Guard) -> TableSchema {
    let mut wide = table.clone();
    let mut seen = Some(&mut wide.seen);
    for name in path {
        seen = seen.and_then(|seen| {
            let at = seen.fields.position(name.as_bytes(), 0)?;
            seen.fields.get_mut(at)
        });
    }
    if let Some(seen) = seen {
        seen.trip(guard);
    }
    let columns = Columns::of(&wide.seen, &[], &Pins::default(), &wide.columns);
    (wide.columns, wide.misfits, wide.version) = (columns.list, columns.misfits || wide.misfits, wide.version + 1);
    wide
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

    /// Text that is made of documents which hold text already.
    #[test]
    fn documents_with_text_in_them_become_text(documents in documents()) {
        let documents: Vec<Document> =
            documents.into_iter().map(|inner| bson::doc! { "d": { "a": inner.clone(), "b": [inner.clone(), "[1]"], "c": inner } }).collect();
        let (setup, raw) = (Setup::new(), batch(&with_ids(documents, 0)));
        let mut shaper = setup.shaper(setup.table());
        shaper.shape(&raw).unwrap();
        let mut table = tripped(shaper.table(), &["d", "a"], Guard::Width);
        table = tripped(&table, &["d", "b"], Guard::Width);
        let narrow = setup.shaper(table.clone()).shape(&raw).unwrap();
        let wide = tripped(&table, &["d"], Guard::Width);
        let at_once = setup.shaper(wide.clone()).shape(&raw).unwrap();
        prop_assert_eq!(&setup.convert(&narrow, &wide), &at_once.rows);
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
