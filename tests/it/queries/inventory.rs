//! What the queries about the pharmacy ask, asked of the documents.

use super::Oracle;
use super::answer::{Answer, Cell, Sums};
use super::documents::{Hospital, MINUTE, Window, day, hundredths, moment, parts, text, whole};
use mongodb::bson::Document;
use std::collections::BTreeSet;

pub const ORACLES: &[Oracle] = &[
    ("inventory/below_reorder_level", below_reorder_level),
    ("inventory/days_of_cover", days_of_cover),
    ("inventory/expiring_batches", expiring_batches),
    ("inventory/stock_value", stock_value),
    ("inventory/wastage", wastage),
];

const ONE: Cell = Cell::Whole(1);

/// The shelves, by facility and medicine.
fn shelves(hospital: &Hospital) -> Vec<([Cell; 2], &Document)> {
    let shelves = hospital.all("pharmacy_stock").iter();
    let mut shelves: Vec<_> =
        shelves.map(|shelf| ([text(shelf, "facility.id"), text(shelf, "medicine.name")], shelf)).collect();
    shelves.sort_by(|(a, _), (b, _)| a.cmp(b));
    shelves
}

fn number(cell: &Cell) -> f64 {
    match cell {
        Cell::Whole(number) => *number as f64,
        Cell::Hundredths(number) => *number as f64 / 100.0,
        other => panic!("{other:?} is no number"),
    }
}

/// The medicines of which fewer are there than there should be: how many are missing, how many are ordered.
fn below_reorder_level(hospital: &Hospital, _: &Window) -> Answer {
    let mut rows = Vec::new();
    for ([facility, medicine], shelf) in shelves(hospital) {
        let (there, level) = (whole(shelf, "quantity_on_hand"), hundredths(shelf, "reorder_level"));
        let missing = number(&level) - number(&there);
        if missing > 0.0 {
            let ordered = whole(shelf, "on_order.quantity").or(Cell::Whole(0));
            rows.push([facility, medicine, there, level, Cell::Real(missing), ordered]);
        }
    }
    let columns = ["facility_id", "medicine", "quantity_on_hand", "reorder_level", "missing", "on_order"];
    Answer::of(columns, rows)
}

/// What was handed out in the window, on how many days, and for how many such days what is there would last.
fn days_of_cover(hospital: &Hospital, window: &Window) -> Answer {
    let mut used = Sums::new();
    let mut days = BTreeSet::new();
    for prescription in hospital.within("prescriptions", "prescribed_at", window) {
        days.insert(day(prescription, "prescribed_at"));
        for item in parts(prescription, "items") {
            let group = [text(prescription, "facility.id"), text(item, "medicine.name")];
            used.add(group, [whole(item, "dispensed")]);
        }
    }
    let span = Cell::Whole(i64::try_from(days.len()).expect("a count"));
    let rows = shelves(hospital).into_iter().map(|(place, shelf)| {
        let there = whole(shelf, "quantity_on_hand");
        let gone = used.of(&place).map_or(Cell::Null, |[gone]| gone.clone());
        let lasts = match gone {
            Cell::Whole(1..) => Cell::Real(number(&there) * number(&span) / number(&gone)),
            _ => Cell::Null,
        };
        let gone = gone.or(Cell::Whole(0));
        let a_day = Cell::Real(number(&gone) / number(&span));
        let [facility, medicine] = place;
        [facility, medicine, there, gone, span.clone(), a_day, lasts]
    });
    let columns = ["facility_id", "medicine", "on_hand", "dispensed", "days", "used_per_day", "days_of_cover"];
    Answer::of(columns, rows)
}

/// The batches that expire within 180 days of the last change of any shelf, and what they cost.
fn expiring_batches(hospital: &Hospital, _: &Window) -> Answer {
    let now = shelves(hospital).into_iter().filter_map(|(_, shelf)| moment(shelf, "updated_at")).max();
    let now = now.expect("shelves");
    let mut sums = Sums::new();
    for ([facility, medicine], shelf) in shelves(hospital) {
        for batch in parts(shelf, "batches") {
            let left = moment(batch, "expires_on").expect("a day") - now;
            let soon = match left / (24 * 60 * MINUTE) {
                _ if left <= 0 => "0 expired",
                0..=30 => "1 within 30 days",
                31..=90 => "2 within 90 days",
                91..=180 => "3 within 180 days",
                _ => continue,
            };
            let quantity = whole(batch, "quantity");
            let value = hundredths(batch, "unit_cost").times(&quantity);
            sums.add([facility.clone(), medicine.clone(), soon.into()], [ONE, quantity, value]);
        }
    }
    sums.answer(["facility_id", "medicine", "expires_in", "batches", "quantity", "value"])
}

/// How much of each medicine lies on the shelf, and what it cost.
fn stock_value(hospital: &Hospital, _: &Window) -> Answer {
    let mut sums = Sums::new();
    for ([facility, medicine], shelf) in shelves(hospital) {
        for batch in parts(shelf, "batches") {
            let quantity = whole(batch, "quantity");
            let value = hundredths(batch, "unit_cost").times(&quantity);
            sums.add([facility.clone(), medicine.clone(), text(shelf, "medicine.form")], [quantity, value]);
        }
    }
    sums.answer(["facility_id", "medicine", "form", "quantity", "value"])
}

/// What came in of each medicine, what was handed out, what expired and what was missing.
fn wastage(hospital: &Hospital, _: &Window) -> Answer {
    let rows = shelves(hospital).into_iter().map(|([facility, medicine], shelf)| {
        let total = |path: &str| whole(shelf, path);
        let or_none = |path: &str| total(path).or(Cell::Whole(0));
        let (received, dispensed) = (total("received_total"), total("dispensed_total"));
        [facility, medicine, received, dispensed, or_none("expired_total"), or_none("short_total")]
    });
    Answer::of(["facility_id", "medicine", "received", "dispensed", "expired", "short"], rows)
}
