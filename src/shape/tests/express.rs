//! The quick way of plain documents and the long way of all of them give the same rows, schema and counts.

use super::commute::{batches, with_ids};
use super::{Setup, batch};
use crate::model::batch::{RawBatch, ShapedBatch};
use crate::model::collection::{FieldPath, PartitionKey, PartitionUnit};
use bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use proptest::prelude::*;

fn key(name: &str, unit: PartitionUnit, path: &str) -> PartitionKey {
    PartitionKey { name: name.into(), unit, path: FieldPath::parse(path).unwrap() }
}

/// A table with three partition keys, one of them the id, a modified time inside a document, and a field that is hashed.
fn setup() -> Setup {
    let keys = vec![
        key("day", PartitionUnit::Day, "meta.at"),
        key("place", PartitionUnit::Value, "place"),
        key("id", PartitionUnit::Value, "_id"),
    ];
    let text = "day=day(meta.at)/place=place/id=_id";
    let mut setup = Setup::local(chrono_tz::Europe::Berlin).partitioned(text, keys).hashing("é");
    setup.spec.timestamp_column = Some(FieldPath::parse("meta.at").unwrap());
    setup
}

/// The place and the time of a document, sometimes of another kind, twice, or missing.
fn framed() -> impl Strategy<Value = Document> {
    let at = prop_oneof![
        6 => (0..1_800_000_000_000_i64).prop_map(|ms| Bson::DateTime(DateTime::from_millis(ms))),
        1 => Just(Bson::Null),
        1 => Just(Bson::String("2024-05-01T10:00:00Z".into())),
        1 => Just(Bson::Array(vec![Bson::DateTime(DateTime::from_millis(5))])),
    ];
    let place = prop_oneof![6 => "[a-c]", 1 => Just(".. /é".to_owned())].prop_map(Bson::String);
    let place = prop_oneof![8 => place, 1 => Just(Bson::Int32(7)), 1 => Just(Bson::Document(doc! { "a": Bson::Null }))];
    let empty =
        prop_oneof![Just(Bson::Null), Just(Bson::Array(vec![])), Just(Bson::Document(doc! { "x": Bson::Null }))];
    (at, place, empty, any::<bool>()).prop_map(|(at, place, empty, first)| {
        let meta = doc! { "by": "x", "at": at };
        if first {
            doc! { "place": place, "meta": meta, "empty": empty }
        } else {
            doc! { "meta": meta, "place": place }
        }
    })
}

fn same(quick: &ShapedBatch, long: &ShapedBatch) -> Result<(), TestCaseError> {
    prop_assert_eq!(&quick.rows, &long.rows);
    prop_assert_eq!(quick.version, long.version);
    prop_assert_eq!(&quick.partition, &long.partition);
    prop_assert_eq!(&quick.id_hash, &long.id_hash);
    prop_assert_eq!(&quick.modified_ms, &long.modified_ms);
    let counts = |b: &ShapedBatch| (b.misfits, b.blind, b.untimed, b.unplaced, b.quarantined.len());
    prop_assert_eq!(counts(quick), counts(long));
    for (quick, long) in quick.quarantined.iter().zip(&long.quarantined) {
        prop_assert_eq!((&quick.remains, &quick.reason), (&long.remains, &long.reason));
    }
    Ok(())
}

/// Each batch comes twice: the second time nothing of it is new.
fn both_ways(setup: &Setup, batches: &[RawBatch]) -> Result<(), TestCaseError> {
    let (mut quick, mut long) = (setup.shaper(setup.table()), setup.shaper(setup.table()));
    for raw in batches.iter().flat_map(|raw| [raw, raw]) {
        same(&quick.shape(raw).unwrap(), &long.shape_the_long_way(raw).unwrap())?;
        prop_assert_eq!(quick.table(), long.table());
        prop_assert_eq!(quick.partitions(), long.partitions());
        prop_assert_eq!(quick.warnings(), long.warnings());
    }
    Ok(())
}

/// Two documents in one: names stand twice.
fn spliced(one: &Document, other: &Document) -> Vec<u8> {
    let (one, other) = (one.to_vec().unwrap(), other.to_vec().unwrap());
    let mut both = one[..one.len() - 1].to_vec();
    both.extend(&other[4..]);
    let length = both.len() as u32;
    both[..4].copy_from_slice(&length.to_le_bytes());
    both
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn documents_of_all_kinds_go_both_ways(batches in batches(), frames in prop::collection::vec(framed(), 16)) {
        let mut frames = frames.into_iter().cycle();
        let batches: Vec<RawBatch> = batches
            .into_iter()
            .enumerate()
            .map(|(at, mut documents)| {
                documents.iter_mut().for_each(|document| document.extend(frames.next().unwrap()));
                batch(&with_ids(documents, at * 100))
            })
            .collect();
        both_ways(&setup(), &batches)?;
        both_ways(&Setup::new(), &batches)?;
    }

    #[test]
    fn damage_and_repeated_names_go_both_ways(
        documents in prop::collection::vec(framed(), 2..6),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
        which in any::<prop::sample::Index>(),
    ) {
        let documents = with_ids(documents, 0);
        let mut raw = batch(&documents);
        let (first, last) = (documents.first().unwrap(), documents.last().unwrap());
        raw.documents.push(spliced(first, last).into());
        let mut twice = last.clone();
        twice.remove("_id");
        raw.documents.push(spliced(first, &twice).into());
        let clean = raw.clone();
        let damaged = which.index(raw.documents.len());
        let mut bytes = raw.documents[damaged].to_vec();
        let end = bytes.len();
        bytes[4 + at.index(end - 4)] = with;
        raw.documents[damaged] = bytes.into();
        both_ways(&setup(), &[clean, raw])?;
    }
}

#[test]
fn ids_of_a_new_kind_begin_the_batch_again() {
    let setup = Setup::new();
    let documents = |id: Bson| doc! { "_id": id, "a": 1, "list": [{ "b": 1.5 }, { "b": 2.5 }] };
    let ids = [Bson::Int32(1), Bson::Int32(2), Bson::ObjectId(ObjectId::from_bytes([1; 12])), Bson::Int32(3)];
    let batches = [batch(&[documents(Bson::Int64(9))]), batch(&ids.map(documents))];
    both_ways(&setup, &batches).unwrap();
}

#[test]
fn keys_cut_from_ids_go_both_ways() {
    let keys = vec![key("date", PartitionUnit::Day, "_id"), key("site", PartitionUnit::Value, "_id.site")];
    let mut setup = Setup::new().partitioned("date=day(_id)/site=_id.site", keys);
    let object_id = |second: u8| {
        let mut bytes = [second; 12];
        bytes[..4].copy_from_slice(&(0x65f0_0000 + u32::from(second)).to_be_bytes());
        Bson::ObjectId(ObjectId::from_bytes(bytes))
    };
    let documents = |ids: &[Bson]| -> RawBatch {
        batch(&ids.iter().map(|id| doc! { "_id": id.clone(), "a": 1 }).collect::<Vec<_>>())
    };
    let of_sites = |number: i32| Bson::Document(doc! { "site": format!("S{}", number % 2), "number": number });
    let batches = [
        documents(&[object_id(1), object_id(2)]),
        documents(&[object_id(3), Bson::String("S1".into()), of_sites(1), Bson::DateTime(DateTime::from_millis(5))]),
        documents(&[of_sites(2), of_sites(3), object_id(4), Bson::Document(doc! { "site": [{ "site": 1 }] })]),
    ];
    both_ways(&setup, &batches).unwrap();
    // The modified time may be the id as well.
    setup.spec.timestamp_column = Some(FieldPath::parse("_id").unwrap());
    both_ways(&setup, &batches).unwrap();

    let mut shaper = setup.shaper(setup.table());
    let placed: Vec<String> = [&batches[0], &batches[0], &documents(&[object_id(9)])]
        .into_iter()
        .flat_map(|raw| {
            let shaped = shaper.shape(raw).unwrap();
            shaped.partition.iter().map(|number| shaper.partitions()[*number as usize].clone()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(placed, vec!["date=2024-03-12/site=__HIVE_DEFAULT_PARTITION__"; 5]);
}
