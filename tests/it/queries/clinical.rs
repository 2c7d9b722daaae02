//! What the queries about patients and their treatment ask, asked of the documents.

use super::Oracle;
use super::answer::{Answer, Cell, Sums};
use super::documents::{Hospital, Window, at, day, list, parts, text, whole};
use mongodb::bson::{Bson, Document};
use std::collections::{BTreeMap, BTreeSet};

pub const ORACLES: &[Oracle] = &[
    ("clinical/abnormal_results", abnormal_results),
    ("clinical/allergies", allergies),
    ("clinical/diagnoses", diagnoses),
    ("clinical/medicines", medicines),
    ("clinical/outcomes", outcomes),
    ("clinical/prescriptions", prescriptions),
];

const ONE: Cell = Cell::Whole(1);

fn visits<'a>(hospital: &'a Hospital, window: &'a Window) -> impl Iterator<Item = &'a Document> {
    hospital.within("visits", "visit_date", window)
}

/// The tests that have a result, and how many of them are out of range.
fn abnormal_results(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for result in hospital.within("lab_results", "ordered_at", window) {
        if at(result, "result.value").is_none() {
            continue;
        }
        let flag = text(result, "result.flag");
        let odd = ["low", "high", "abnormal"].iter().any(|word| flag == (*word).into());
        let group = [day(result, "ordered_at"), text(result, "facility.id"), text(result, "test.name")];
        sums.add(group, [ONE, Cell::one_if(odd)]);
    }
    sums.answer(["date", "facility_id", "test", "results", "abnormal"])
}

/// How many patients are allergic to each substance, and how badly where that is known. `None known` is no substance.
fn allergies(hospital: &Hospital, _: &Window) -> Answer {
    let mut patients: BTreeMap<[Cell; 3], BTreeSet<Cell>> = BTreeMap::new();
    for patient in hospital.all("patients") {
        for allergy in list(patient, "allergies") {
            let (substance, severity) = match allergy {
                Bson::String(plain) if plain == "None known" => continue,
                Bson::String(plain) => (Cell::Text(plain.clone()), Cell::Null),
                Bson::Document(form) => (text(form, "substance"), text(form, "severity")),
                other => panic!("no allergy: {other}"),
            };
            let group = [text(patient, "home_facility"), substance, severity.or("unknown")];
            patients.entry(group).or_default().insert(text(patient, "_id"));
        }
    }
    let count = |all: BTreeSet<Cell>| Cell::Whole(i64::try_from(all.len()).expect("a count"));
    let rows =
        patients.into_iter().map(|([facility, substance, severity], all)| [facility, substance, severity, count(all)]);
    Answer::of(["facility_id", "substance", "severity", "patients"], rows)
}

/// How often each diagnosis was made. Who typed the code alone meant the diagnosis that has it.
fn diagnoses(hospital: &Hospital, window: &Window) -> Answer {
    let mut titles: BTreeMap<String, Cell> = BTreeMap::new();
    for diagnosis in hospital.all("visits").iter().flat_map(|visit| parts(visit, "diagnoses")) {
        let code = text(diagnosis, "code").text().expect("a code").to_owned();
        let earlier = titles.insert(code, text(diagnosis, "title"));
        assert!(earlier.is_none_or(|title| title == text(diagnosis, "title")), "a code with two titles");
    }
    let mut sums = Sums::new();
    for visit in visits(hospital, window) {
        for diagnosis in list(visit, "diagnoses") {
            let (title, kind) = match diagnosis {
                Bson::String(code) => (titles[code].clone(), Cell::Null),
                Bson::Document(form) => (text(form, "title"), text(form, "kind")),
                other => panic!("no diagnosis: {other}"),
            };
            let group = [
                day(visit, "visit_date"),
                text(visit, "facility.id"),
                text(visit, "department.name"),
                title,
                kind.or("unknown"),
            ];
            sums.add(group, [ONE]);
        }
    }
    sums.answer(["date", "facility_id", "department", "diagnosis", "kind", "diagnoses"])
}

/// How often each medicine was prescribed, and how much of it was prescribed and handed out.
fn medicines(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for prescription in hospital.within("prescriptions", "prescribed_at", window) {
        for item in parts(prescription, "items") {
            let group = [
                day(prescription, "prescribed_at"),
                text(prescription, "facility.id"),
                text(item, "medicine.name"),
                text(item, "medicine.form"),
            ];
            sums.add(group, [ONE, whole(item, "quantity"), whole(item, "dispensed")]);
        }
    }
    sums.answer(["date", "facility_id", "medicine", "form", "prescribed_times", "prescribed", "dispensed"])
}

/// How the stays that have an outcome ended.
fn outcomes(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for visit in visits(hospital, window).filter(|visit| at(visit, "admission.outcome").is_some()) {
        let group = [
            day(visit, "visit_date"),
            text(visit, "facility.id"),
            text(visit, "department.name"),
            text(visit, "admission.type"),
            text(visit, "admission.outcome"),
        ];
        sums.add(group, [ONE]);
    }
    sums.answer(["date", "facility_id", "department", "admission", "outcome", "stays"])
}

/// The prescriptions of each department, the medicines on them, and how many of those were handed out in full.
fn prescriptions(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for prescription in hospital.within("prescriptions", "prescribed_at", window) {
        for (at, item) in parts(prescription, "items").into_iter().enumerate() {
            let group = [
                day(prescription, "prescribed_at"),
                text(prescription, "facility.id"),
                text(prescription, "department.name"),
            ];
            let in_full = whole(item, "dispensed") >= whole(item, "quantity");
            sums.add(group, [Cell::one_if(at == 0), ONE, Cell::one_if(in_full)]);
        }
    }
    sums.answer(["date", "facility_id", "department", "prescriptions", "items", "dispensed_in_full"])
}
