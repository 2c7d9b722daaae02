//! What the queries about administration ask, asked of the documents.

use super::Oracle;
use super::answer::{Answer, Cell, Sums};
use super::documents::{Hospital, Window, at, day, hundredths, moment, month, text};
use mongodb::bson::Bson;
use std::cmp::Reverse;
use std::collections::BTreeMap;

pub const ORACLES: &[Oracle] = &[
    ("administrative/booking_channels", booking_channels),
    ("administrative/current_rows", current_rows),
    ("administrative/facility_names", facility_names),
    ("administrative/feedback", feedback),
    ("administrative/new_and_returning", new_and_returning),
    ("administrative/registrations", registrations),
];

const ONE: Cell = Cell::Whole(1);

/// How the appointments of each day were booked, however the software spelled it.
fn booking_channels(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for appointment in hospital.within("appointments", "scheduled_at", window) {
        let channel = text(appointment, "channel").text().expect("a channel").to_lowercase();
        let group = [day(appointment, "scheduled_at"), text(appointment, "facility.id"), Cell::Text(channel)];
        sums.add(group, [ONE]);
    }
    sums.answer(["date", "facility_id", "channel", "appointments"])
}

/// Every bill has one row, and that is the current one.
fn current_rows(hospital: &Hospital, _: &Window) -> Answer {
    let mut sums = Sums::new();
    for bill in hospital.all("bills") {
        sums.add([text(bill, "facility.id")], [ONE, ONE, Cell::Whole(0)]);
    }
    sums.answer(["facility_id", "stored_rows", "current_rows", "doubles"])
}

/// How many bills have a spelling, the latest of them, and the spelling; the most frequent sorts first.
type Spelling = (Reverse<(i64, i64)>, String);

/// The spelling of each facility's name that most bills have, of equally frequent ones the one on the latest bill.
pub fn names(hospital: &Hospital) -> BTreeMap<String, (String, i64)> {
    let mut uses: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    for bill in hospital.all("bills") {
        let part = |path: &str| text(bill, path).text().expect("a text").to_owned();
        let (count, last) = uses.entry((part("facility.id"), part("facility.name").trim().to_owned())).or_default();
        *count += 1;
        *last = (*last).max(moment(bill, "bill_date").expect("a day"));
    }
    let mut names: BTreeMap<String, Vec<Spelling>> = BTreeMap::new();
    for ((facility, name), used) in uses {
        names.entry(facility).or_default().push((Reverse(used), name));
    }
    let first = |(facility, mut all): (String, Vec<Spelling>)| {
        all.sort();
        (facility, (all[0].1.clone(), i64::try_from(all.len()).expect("a count")))
    };
    names.into_iter().map(first).collect()
}

/// See [`names`].
fn facility_names(hospital: &Hospital, _: &Window) -> Answer {
    let rows = names(hospital).into_iter();
    let rows =
        rows.map(|(facility, (name, spellings))| [Cell::Text(facility), Cell::Text(name), Cell::Whole(spellings)]);
    Answer::of(["facility_id", "name", "spellings"], rows)
}

/// The visits that patients have rated, their stars, and how many got two or less.
fn feedback(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for visit in hospital.within("visits", "visit_date", window) {
        let stars = hundredths(visit, "feedback.rating");
        if !stars.is_there() {
            continue;
        }
        let unhappy = Cell::one_if(stars <= Cell::Hundredths(200));
        let group = [day(visit, "visit_date"), text(visit, "facility.id"), text(visit, "department.name")];
        sums.add(group, [ONE, stars, unhappy]);
    }
    sums.answer(["date", "facility_id", "department", "ratings", "stars", "unhappy"])
}

/// Visits of patients who were registered for them, and of those who were known.
fn new_and_returning(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for visit in hospital.within("visits", "visit_date", window) {
        let first = at(visit, "new_patient").and_then(Bson::as_bool).expect("a patient is new or not");
        let group = [day(visit, "visit_date"), month(visit, "visit_date"), text(visit, "facility.id")];
        sums.add(group, [Cell::one_if(first), Cell::one_if(!first)]);
    }
    sums.answer(["date", "month", "facility_id", "first_visits", "later_visits"])
}

/// How those who were registered in the months of the window had found the hospital.
fn registrations(hospital: &Hospital, window: &Window) -> Answer {
    let months = &window.from[..7]..=&window.to[..7];
    let mut sums = Sums::new();
    for patient in hospital.all("patients") {
        let month = month(patient, "registered_at");
        if month.text().is_some_and(|month| months.contains(&month)) {
            sums.add([month, text(patient, "home_facility"), text(patient, "referral")], [ONE]);
        }
    }
    sums.answer(["month", "facility_id", "referral", "patients"])
}
