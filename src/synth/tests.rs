//! What the synthetic hospital promises, over its documents.

use super::*;
use crate::model::progress::Silent;
use bson::{Bson, Document, doc};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// Documents by the Extended JSON of their `_id`, whose absence or repetition fails.
fn documents(hospital: &Hospital, collection: Collection, from: Option<u32>) -> BTreeMap<String, Document> {
    let mut found = BTreeMap::new();
    hospital
        .documents(collection, from, &mut |document| {
            let id = document.get("_id").expect("every document has an _id").to_string();
            assert!(found.insert(id, document).is_none(), "{} repeats an _id", collection.name());
            Ok(())
        })
        .unwrap();
    found
}

fn millis(value: Option<&Bson>) -> Option<i64> {
    value.and_then(Bson::as_datetime).map(|date| date.timestamp_millis())
}

/// Paise of any number a money field may hold.
fn paise(value: &Bson) -> i64 {
    match value {
        Bson::Double(rupees) => (rupees * 100.0).round() as i64,
        Bson::Int64(rupees) => rupees * 100,
        Bson::Decimal128(rupees) => (rupees.to_string().parse::<f64>().unwrap() * 100.0).round() as i64,
        other => panic!("{other:?} is no money"),
    }
}

fn options(out: &Path, seed: Option<u64>, scale: Option<f64>, advance: u32) -> SynthOptions {
    SynthOptions { out: Destination::Dump(out.to_owned()), seed, scale, advance }
}

async fn dump(out: &Path, seed: Option<u64>, scale: Option<f64>, advance: u32) -> Result<SynthReport> {
    synth(&options(out, seed, scale, advance), Arc::new(Silent)).await
}

/// Every file below `folder` with its content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// As [`files`], by the path below `folder`.
fn relative(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let prefix = folder.display().to_string();
    files(folder).into_iter().map(|(path, bytes)| (path[prefix.len()..].to_owned(), bytes)).collect()
}

#[test]
fn scale_one_has_about_twenty_thousand_documents() {
    let hospital = Hospital::new(DEFAULT_SEED, 1.0, HISTORY_DAYS);
    let counts: Vec<(&str, usize)> =
        Collection::ALL.iter().map(|c| (c.name(), documents(&hospital, *c, None).len())).collect();
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    assert!((18_000..24_000).contains(&total), "{total}: {counts:?}");
    assert!(counts.iter().all(|(_, count)| *count > 0), "{counts:?}");
}

/// The incremental view and the full one are two readings of the same history, also long after the start.
#[test]
fn advancing_equals_generating_more_days() {
    for (before, after) in [(60, 61), (59, 60), (60, 150), (0, 30)] {
        let (earlier, later) = (Hospital::new(3, 0.08, before), Hospital::new(3, 0.08, after));
        for collection in Collection::ALL {
            let mut advanced = documents(&earlier, collection, None);
            let count = advanced.len();
            let changes = documents(&later, collection, Some(before));
            let updates = changes.keys().filter(|id| advanced.contains_key(*id)).count();
            advanced.extend(changes);
            let all = documents(&later, collection, None);
            assert!(advanced == all, "{} from day {before} to {after}", collection.name());
            if (before, after, collection) == (60, 150, Collection::Bills) {
                assert!(updates > 0 && advanced.len() > count);
            }
        }
    }
}

/// Each of the first days of advance has what a fold must cope with.
#[test]
fn a_day_inserts_updates_and_moves() {
    let place = |bill: &Document| {
        let facility = bill.get_document("facility").unwrap().get_str("id").unwrap().to_owned();
        (facility, calendar::day_of(millis(bill.get("bill_date")).unwrap()))
    };
    for day in 60..64 {
        let (before, after) = (Hospital::new(DEFAULT_SEED, 1.0, day), Hospital::new(DEFAULT_SEED, 1.0, day + 1));
        let old = documents(&before, Collection::Bills, None);
        let changed = documents(&after, Collection::Bills, Some(day));
        assert!(changed.len() * 10 < old.len(), "a day changes little");
        let (mut moved, mut corrected) = (0, 0);
        for (id, bill) in &changed {
            assert!(millis(bill.get("updated_at")).unwrap() >= before.now(), "a change shows in updated_at");
            let Some(was) = old.get(id) else { continue };
            assert!(millis(bill.get("updated_at")) > millis(was.get("updated_at")));
            moved += usize::from(place(bill) != place(was));
            corrected += usize::from(bill.contains_key("corrections") && !was.contains_key("corrections"));
        }
        assert!(moved > 0 && corrected >= moved, "day {day}: {moved} moved, {corrected} corrected");
        assert!(changed.keys().any(|id| !old.contains_key(id)), "no new bills on day {day}");
    }
}

#[test]
fn writes_are_ordered_and_times_consistent() {
    let hospital = Hospital::new(11, 0.3, 90);
    for collection in Collection::ALL {
        for document in documents(&hospital, collection, None).values() {
            let created = millis(document.get("created_at")).expect("created_at is a date everywhere");
            assert!(created < hospital.now());
            if let Some(updated) = millis(document.get("updated_at")) {
                assert!((created..hospital.now()).contains(&updated), "{} {document}", collection.name());
            }
            if let Ok(id) = document.get_object_id("_id") {
                assert_eq!(id.timestamp().timestamp_millis() / 1000, created / 1000, "{}", collection.name());
            }
        }
    }
}

#[test]
fn bills_add_up() {
    let hospital = Hospital::new(5, 1.0, 75);
    let bills = documents(&hospital, Collection::Bills, None);
    let mut refunds = 0;
    for bill in bills.values() {
        let totals = bill.get_document("totals").unwrap();
        let lines = bill.get_array("line_items").unwrap();
        let sum: i64 = lines.iter().map(|line| paise(line.as_document().unwrap().get("amount").unwrap())).sum();
        assert_eq!(sum, paise(totals.get("net").unwrap()), "{bill}");
        let part = |name| paise(totals.get(name).unwrap());
        assert_eq!(part("gross") - part("discount") + part("tax"), part("net"));
        let amounts = |field| -> i64 {
            let list = bill.get_array(field).map(Vec::as_slice).unwrap_or_default();
            list.iter().map(|entry| paise(entry.as_document().unwrap().get("amount").unwrap())).sum()
        };
        assert_eq!(amounts("payments"), paise(bill.get("paid").unwrap()));
        let owed = if bill.contains_key("cancelled") { 0 } else { sum };
        assert_eq!(owed - amounts("payments") + amounts("refunds"), paise(bill.get("balance").unwrap()), "{bill}");
        refunds += usize::from(amounts("refunds") > 0);
    }
    assert!(refunds > 0);
    let bytes: usize = bills.values().map(|bill| bill.to_vec().unwrap().len()).sum();
    assert!((900..2_500).contains(&(bytes / bills.len())), "{} bytes each", bytes / bills.len());
}

/// Stock is replayed from the prescriptions: consumption and stock answer each other exactly.
#[test]
fn stock_follows_prescriptions() {
    let hospital = Hospital::new(8, 1.0, 70);
    let mut dispensed: BTreeMap<(String, String), i64> = BTreeMap::new();
    for prescription in documents(&hospital, Collection::Prescriptions, None).values() {
        let facility = prescription.get_document("facility").unwrap().get_str("id").unwrap();
        for item in prescription.get_array("items").unwrap() {
            let item = item.as_document().unwrap();
            let code = item.get_document("medicine").unwrap().get_str("code").unwrap();
            let units = dispensed.entry((facility.into(), code.into())).or_default();
            *units += i64::from(item.get_i32("dispensed").unwrap());
        }
    }
    let (mut below, mut expired) = (0, 0);
    for stock in documents(&hospital, Collection::PharmacyStock, None).values() {
        let number = |field: &str| i64::from(stock.get_i32(field).unwrap());
        let facility = stock.get_document("facility").unwrap().get_str("id").unwrap();
        let code = stock.get_document("medicine").unwrap().get_str("code").unwrap();
        let used = dispensed.get(&(facility.into(), code.into())).copied().unwrap_or(0);
        assert_eq!(number("dispensed_total") + number("short_total"), used, "{facility} {code}");
        let left = number("received_total") - number("dispensed_total") - number("expired_total");
        assert_eq!(left, number("quantity_on_hand"));
        let reorder = stock.get("reorder_level").unwrap();
        let reorder = reorder.as_f64().or(reorder.as_i32().map(f64::from)).unwrap();
        below += usize::from((left as f64) < reorder);
        expired += usize::from(number("expired_total") > 0);
    }
    assert!(below > 0 && expired > 0, "{below} below the reorder level, {expired} with expired batches");
}

#[test]
fn beds_and_visits_tell_the_same_stays() {
    let hospital = Hospital::new(4, 1.0, 61);
    let visits = documents(&hospital, Collection::Visits, None);
    let admitted: HashSet<String> = visits
        .values()
        .filter(|visit| visit.get_str("status").is_ok_and(|status| status == "admitted"))
        .map(|visit| visit.get_document("admission").unwrap().get("bed").unwrap().to_string())
        .collect();
    let beds = documents(&hospital, Collection::Beds, None);
    let occupied: HashSet<String> = beds
        .values()
        .filter(|bed| bed.get_str("status").is_ok_and(|status| status == "occupied"))
        .map(|bed| bed.get("_id").unwrap().to_string())
        .collect();
    assert_eq!(admitted, occupied);
    assert!((40..95).contains(&(occupied.len() * 100 / beds.len())), "{} of {}", occupied.len(), beds.len());
}

/// Every kind of mess the documentation promises, looked up in the finished documents.
#[test]
fn the_mess_is_there() {
    let hospital = Hospital::new(DEFAULT_SEED, 1.0, 62);
    let count = |collection, is: &dyn Fn(&Document) -> bool| {
        documents(&hospital, collection, None).values().filter(|document| is(document)).count()
    };
    let net = |document: &Document| document.get_document("totals").unwrap().get("net").unwrap().element_type();
    let element = |document: &Document, field: &str| document.get(field).map(Bson::element_type);
    let list_of = |document: &Document, field: &str, kind: bson::spec::ElementType| {
        document.get_array(field).is_ok_and(|list| list.iter().any(|value| value.element_type() == kind))
    };
    use bson::spec::ElementType as Type;
    let kinds: Vec<(&str, usize)> = vec![
        ("money as decimal", count(Collection::Bills, &|d| net(d) == Type::Decimal128)),
        ("money as double", count(Collection::Bills, &|d| net(d) == Type::Double)),
        ("money as integer", count(Collection::Bills, &|d| net(d) == Type::Int64)),
        ("age as integer", count(Collection::Patients, &|d| element(d, "age") == Some(Type::Int32))),
        ("age in years", count(Collection::Patients, &|d| d.get_str("age").is_ok_and(|age| age.ends_with(" yrs")))),
        ("allergies as strings", count(Collection::Patients, &|d| list_of(d, "allergies", Type::String))),
        ("allergies as documents", count(Collection::Patients, &|d| list_of(d, "allergies", Type::EmbeddedDocument))),
        (
            "both in one array",
            count(Collection::Patients, &|d| {
                list_of(d, "allergies", Type::String) && list_of(d, "allergies", Type::EmbeddedDocument)
            }),
        ),
        ("a late field of patients", count(Collection::Patients, &|d| d.contains_key("abha_id"))),
        ("a field only advances bring", count(Collection::Bills, &|d| d.contains_key("e_invoice"))),
        (
            "a type only advances bring",
            count(Collection::PharmacyStock, &|d| element(d, "reorder_level") == Some(Type::Double)),
        ),
        ("patients without a modified time", count(Collection::Patients, &|d| !d.contains_key("updated_at"))),
        ("a modified time of null", count(Collection::Patients, &|d| element(d, "updated_at") == Some(Type::Null))),
        ("a modified time as text", count(Collection::LabResults, &|d| element(d, "updated_at") == Some(Type::String))),
        (
            "a modified time as a number",
            count(Collection::LabResults, &|d| element(d, "updated_at") == Some(Type::Int64)),
        ),
        ("a birthday as text", count(Collection::Patients, &|d| element(d, "date_of_birth") == Some(Type::String))),
        ("an address as text", count(Collection::Patients, &|d| element(d, "address") == Some(Type::String))),
        ("{}", count(Collection::Patients, &|d| d.get_document("insurance").is_ok_and(Document::is_empty))),
        ("[]", count(Collection::Patients, &|d| d.get_array("insurance").is_ok_and(Vec::is_empty))),
        ("null", count(Collection::Patients, &|d| element(d, "insurance") == Some(Type::Null))),
        (
            "names with dots",
            count(Collection::Visits, &|d| d.get_document("vitals").is_ok_and(|v| v.contains_key("BP.systolic"))),
        ),
        (
            "names with spaces",
            count(Collection::Visits, &|d| d.get_document("vitals").is_ok_and(|v| v.contains_key("Pulse Rate"))),
        ),
        (
            "names in other capitals",
            count(Collection::Visits, &|d| d.get_document("vitals").is_ok_and(|v| v.contains_key("Pulse"))),
        ),
        ("diagnoses as codes", count(Collection::Visits, &|d| list_of(d, "diagnoses", Type::String))),
        ("a bare diagnosis", count(Collection::Visits, &|d| element(d, "diagnoses") == Some(Type::EmbeddedDocument))),
        (
            "results as text",
            count(Collection::LabResults, &|d| {
                d.get_document("result")
                    .is_ok_and(|result| result.get_str("value").is_ok_and(|value| value.starts_with('>')))
            }),
        ),
        ("ids as text", count(Collection::LabResults, &|d| element(d, "visit_id") == Some(Type::String))),
        ("corrections of old bills", count(Collection::Bills, &|d| d.contains_key("corrections"))),
    ];
    let missing: Vec<_> = kinds.iter().filter(|(_, count)| *count == 0).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");

    let mut names: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    for visit in documents(&hospital, Collection::Visits, None).values() {
        let facility = visit.get_document("facility").unwrap();
        let spelled = names.entry(facility.get_str("id").unwrap().to_owned()).or_default();
        spelled.insert(facility.get_str("name").unwrap().to_owned());
    }
    assert_eq!(names.len(), 6);
    assert!(names.values().all(|spellings| spellings.len() >= 4), "{names:?}");
}

#[test]
fn ids_are_of_many_types() {
    let hospital = Hospital::new(1, 0.2, 5);
    let first = |collection| documents(&hospital, collection, None).into_values().next().unwrap();
    assert_eq!(first(Collection::Facilities).get("_id"), Some(&Bson::from("FAC001")));
    assert!(first(Collection::Doctors).get_i32("_id").is_ok());
    assert!(first(Collection::Beds).get_document("_id").is_ok());
    assert!(first(Collection::Bills).get_object_id("_id").is_ok());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b, other] = ["a", "b", "other"].map(|name| folder.path().join(name));
    let report = dump(&a, Some(9), Some(0.05), 0).await.unwrap();
    assert_eq!((report.days, report.days_before), (60, 0));
    dump(&b, Some(9), Some(0.05), 0).await.unwrap();
    dump(&other, Some(10), Some(0.05), 0).await.unwrap();
    assert_eq!(relative(&a), relative(&b));
    assert_ne!(relative(&a)["/hospital/bills.bson"], relative(&other)["/hospital/bills.bson"]);
    let started = String::from_utf8(relative(&a)["/dump.json"].clone()).unwrap();
    assert_eq!(started, r#"{"started_at":"2024-04-30T00:00:00+05:30"}"#);
}

#[tokio::test]
async fn days_can_be_added_one_by_one_or_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    dump(&a, Some(9), Some(0.05), 0).await.unwrap();
    dump(&b, Some(9), Some(0.05), 0).await.unwrap();
    dump(&a, None, None, 1).await.unwrap();
    dump(&a, None, None, 1).await.unwrap();
    let report = dump(&b, None, None, 2).await.unwrap();
    assert_eq!((report.days_before, report.days), (60, 62));
    assert_eq!(relative(&a), relative(&b));
    assert!(relative(&a)["/dump.json"].windows(10).any(|text| text == b"2024-05-02"));
    // Without an advance, the hospital starts over.
    dump(&a, None, None, 0).await.unwrap();
    assert!(relative(&a)["/dump.json"].windows(10).any(|text| text == b"2024-04-30"));
}

/// A killed run leaves a state that says it is under way, some new files, and files aside.
#[tokio::test]
async fn a_killed_run_is_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let [whole, cut] = ["whole", "cut"].map(|name| folder.path().join(name));
    dump(&whole, Some(9), Some(0.05), 0).await.unwrap();
    std::fs::create_dir_all(cut.join("hospital")).unwrap();
    std::fs::write(cut.join("synth.json"), State::new(9, 0.05).towards(60).text().unwrap()).unwrap();
    std::fs::write(cut.join("hospital/visits.bson.partial"), b"half").unwrap();
    for out in [&whole, &cut] {
        dump(out, None, None, 1).await.unwrap();
    }
    assert_eq!(relative(&whole), relative(&cut));
}

#[tokio::test]
async fn foreign_folders_and_wrong_advances_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let message = |result: Result<SynthReport>| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), Kind::Input, "{error}");
        error.to_string()
    };
    assert!(message(dump(&out, None, None, 1).await).contains("no synthetic hospital"));
    assert!(message(dump(&out, None, Some(0.0), 0).await).contains("--scale"));
    assert!(!out.exists(), "a refusal writes nothing");

    dump(&out, Some(1), Some(0.02), 0).await.unwrap();
    assert!(message(dump(&out, Some(2), None, 1).await).contains("--seed 1"));
    std::fs::write(out.join("hospital/notes.txt"), b"mine").unwrap();
    assert!(message(dump(&out, None, None, 1).await).contains("notes.txt was not written by synth"));

    let foreign = folder.path().join("foreign");
    std::fs::create_dir_all(foreign.join("hospital")).unwrap();
    std::fs::write(foreign.join("hospital/bills.bson"), b"mine").unwrap();
    assert!(message(dump(&foreign, None, None, 0).await).contains("was not written by synth"));
    assert_eq!(std::fs::read(foreign.join("hospital/bills.bson")).unwrap(), b"mine");
}

#[test]
fn destinations_are_told_apart() {
    assert!(matches!(Destination::parse("mongodb+srv://h/"), Destination::MongoDb(_)));
    assert!(matches!(Destination::parse("dump:a/b"), Destination::Dump(path) if path == Path::new("a/b")));
    assert!(matches!(Destination::parse("mongodb"), Destination::Dump(_)));
    assert_eq!(doc! { "id": facilities::facility_id(11) }, doc! { "id": "FAC012" });
}
