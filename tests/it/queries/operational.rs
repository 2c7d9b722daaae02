//! What the queries about the daily work ask, asked of the documents.

use super::Oracle;
use super::answer::{Answer, Cell, Sums};
use super::documents::{Hospital, MINUTE, Window, at, between, day, hour, text, weekday, whole};
use mongodb::bson::Document;
use std::collections::{BTreeMap, BTreeSet};

pub const ORACLES: &[Oracle] = &[
    ("operational/arrivals", arrivals),
    ("operational/bed_occupancy", bed_occupancy),
    ("operational/beds_now", beds_now),
    ("operational/doctor_workload", doctor_workload),
    ("operational/emergency", emergency),
    ("operational/lab_turnaround", lab_turnaround),
    ("operational/length_of_stay", length_of_stay),
    ("operational/no_shows", no_shows),
    ("operational/waiting_time", waiting_time),
];

const ONE: Cell = Cell::Whole(1);

fn visits<'a>(hospital: &'a Hospital, window: &'a Window) -> impl Iterator<Item = &'a Document> {
    hospital.within("visits", "visit_date", window)
}

/// The visits of each day, with its weekday, by kind.
fn arrivals(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for visit in visits(hospital, window) {
        let (day, weekday) = (day(visit, "visit_date"), weekday(visit, "visit_date"));
        sums.add([day, text(visit, "facility.id"), weekday, text(visit, "kind")], [ONE]);
    }
    sums.answer(["date", "facility_id", "weekday", "kind", "visits"])
}

/// For each day somebody came and each ward: its beds, and the patients who lay there at the end of the day.
fn bed_occupancy(hospital: &Hospital, window: &Window) -> Answer {
    let days: BTreeSet<Cell> = visits(hospital, window).map(|visit| day(visit, "visit_date")).collect();
    let mut wards: BTreeMap<[Cell; 2], i64> = BTreeMap::new();
    for bed in hospital.all("beds") {
        *wards.entry([text(bed, "facility.id"), text(bed, "ward")]).or_default() += 1;
    }
    let mut occupied: BTreeMap<(Cell, [Cell; 2]), i64> = BTreeMap::new();
    for visit in hospital.all("visits").iter().filter(|visit| at(visit, "admission.admitted_at").is_some()) {
        let ward = [text(visit, "admission.bed.facility"), text(visit, "admission.ward")];
        let (came, left) = (day(visit, "admission.admitted_at"), day(visit, "admission.discharged_at"));
        // Who has not left is in bed still; `Null` is after every day.
        for day in days.iter().filter(|day| came <= **day && **day < left) {
            *occupied.entry((day.clone(), ward.clone())).or_default() += 1;
        }
    }
    let mut rows = Vec::new();
    for day in &days {
        for (ward, beds) in &wards {
            let patients = occupied.get(&(day.clone(), ward.clone())).copied().unwrap_or_default();
            let [facility, name] = ward.clone();
            rows.push([day.clone(), facility, name, Cell::Whole(*beds), Cell::Whole(patients)]);
        }
    }
    Answer::of(["date", "facility_id", "ward", "beds", "occupied"], rows)
}

/// How many beds of each ward are free, occupied or being cleaned.
fn beds_now(hospital: &Hospital, _: &Window) -> Answer {
    let mut sums = Sums::new();
    for bed in hospital.all("beds") {
        sums.add([text(bed, "facility.id"), text(bed, "ward"), text(bed, "status")], [ONE]);
    }
    sums.answer(["facility_id", "ward", "status", "beds"])
}

/// Visits, admissions and emergencies of each doctor, and how many different patients those were.
fn doctor_workload(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    let mut seen: BTreeSet<([Cell; 4], Cell)> = BTreeSet::new();
    for visit in visits(hospital, window) {
        let group = [
            day(visit, "visit_date"),
            text(visit, "facility.id"),
            text(visit, "department.name"),
            text(visit, "doctor.name"),
        ];
        let kind = text(visit, "kind");
        let another = seen.insert((group.clone(), text(visit, "patient.mrn")));
        sums.add(
            group,
            [
                ONE,
                Cell::one_if(kind == "inpatient".into()),
                Cell::one_if(kind == "emergency".into()),
                Cell::one_if(another),
            ],
        );
    }
    sums.answer(["date", "facility_id", "department", "doctor", "visits", "admissions", "emergencies", "patients"])
}

/// The emergencies of each triage level: how many came, how many have been seen, and how long those waited.
fn emergency(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for visit in visits(hospital, window).filter(|visit| text(visit, "kind") == "emergency".into()) {
        let level = match whole(visit, "triage.level") {
            Cell::Whole(level) => Cell::Text(level.to_string()),
            _ => "not recorded".into(),
        };
        let seen = Cell::one_if(at(visit, "seen_at").is_some());
        let waited = between(visit, "arrived_at", "seen_at", MINUTE);
        sums.add([day(visit, "visit_date"), text(visit, "facility.id"), level], [ONE, seen, waited]);
    }
    sums.answer(["date", "facility_id", "triage_level", "arrivals", "seen", "minutes"])
}

/// The tests ordered and reported, and the minutes from the one to the other: all together, and the longest.
fn lab_turnaround(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    let mut longest: BTreeMap<[Cell; 4], Cell> = BTreeMap::new();
    for result in hospital.within("lab_results", "ordered_at", window) {
        let group = [
            day(result, "ordered_at"),
            text(result, "facility.id"),
            text(result, "test.name"),
            text(result, "priority"),
        ];
        let took = between(result, "ordered_at", "reported_at", MINUTE);
        if took.is_there() {
            let most = longest.entry(group.clone()).or_insert(Cell::Whole(i64::MIN));
            *most = most.clone().max(took.clone());
        }
        sums.add(group, [ONE, Cell::one_if(at(result, "reported_at").is_some()), took]);
    }
    let rows = sums.all().map(|(group, [orders, reports, minutes])| {
        let [day, facility, test, priority] = group.clone();
        let most = longest.get(group).cloned().unwrap_or(Cell::Null);
        [day, facility, test, priority, orders.clone(), reports.clone(), minutes.clone(), most]
    });
    Answer::of(["date", "facility_id", "test", "priority", "orders", "reports", "minutes", "longest"], rows)
}

/// The stays that are over, by the day they began, the ward and the outcome, and the whole hours each lasted.
fn length_of_stay(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for visit in visits(hospital, window).filter(|visit| at(visit, "admission.discharged_at").is_some()) {
        let group = [
            day(visit, "visit_date"),
            text(visit, "facility.id"),
            text(visit, "department.name"),
            text(visit, "admission.ward"),
            text(visit, "admission.outcome"),
        ];
        let hours = between(visit, "admission.admitted_at", "admission.discharged_at", 60 * MINUTE);
        sums.add(group, [ONE, hours]);
    }
    sums.answer(["date", "facility_id", "department", "ward", "outcome", "stays", "hours"])
}

/// The appointments of each department and weekday: all, those whose time has come, and how those ended.
fn no_shows(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    for appointment in hospital.within("appointments", "scheduled_at", window) {
        let group = [
            day(appointment, "scheduled_at"),
            text(appointment, "facility.id"),
            text(appointment, "department.name"),
            weekday(appointment, "scheduled_at"),
        ];
        let status = text(appointment, "status");
        let [kept, missed, cancelled] = ["completed", "no-show", "cancelled"].map(|word| status == word.into());
        sums.add(group, [ONE, Cell::one_if(kept || missed), Cell::one_if(missed), Cell::one_if(cancelled)]);
    }
    sums.answer(["date", "facility_id", "department", "weekday", "appointments", "due", "no_shows", "cancelled"])
}

/// The minutes that patients with an appointment waited, by the hour it was for.
fn waiting_time(hospital: &Hospital, window: &Window) -> Answer {
    let mut sums = Sums::new();
    let mut longest: BTreeMap<[Cell; 4], Cell> = BTreeMap::new();
    for appointment in hospital.within("appointments", "scheduled_at", window) {
        let waited = whole(appointment, "waiting_minutes");
        if !waited.is_there() {
            continue;
        }
        let group = [
            day(appointment, "scheduled_at"),
            text(appointment, "facility.id"),
            text(appointment, "department.name"),
            hour(appointment, "scheduled_at"),
        ];
        let most = longest.entry(group.clone()).or_insert(Cell::Whole(i64::MIN));
        *most = most.clone().max(waited.clone());
        sums.add(group, [ONE, waited]);
    }
    let rows = sums.all().map(|(group, [seen, minutes])| {
        let [day, facility, department, hour] = group.clone();
        [day, facility, department, hour, seen.clone(), minutes.clone(), longest[group].clone()]
    });
    Answer::of(["date", "facility_id", "department", "hour", "seen", "minutes", "longest"], rows)
}
