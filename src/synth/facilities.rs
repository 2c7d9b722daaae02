//! Facilities, their beds, and the stays that fill them.

use super::calendar::{DAY, HOUR, Instant, MINUTE, date, start_of};
use super::care::Encounter;
use super::catalog::{DEPARTMENTS, PLACES, WARDS};
use super::dice::{Dice, Topic};
use super::entity::Entity;
use super::hospital::Hospital;
use super::mess::{self, Money, Stamp};
use super::people::Identity;
use bson::{Bson, Document, doc};

/// `FAC001` for facility 0.
pub fn facility_id(facility: usize) -> String {
    format!("FAC{:03}", facility + 1)
}

/// City, locality, state and PIN code of a facility.
pub fn place(facility: usize) -> (&'static str, &'static str, &'static str, &'static str) {
    PLACES[facility % PLACES.len()]
}

/// A facility as other documents embed it on `day`, named as the system at hand remembers it.
pub fn embedded(facility: usize, day: u32, dice: &mut Dice) -> Document {
    doc! { "id": facility_id(facility), "name": mess::facility_name(place(facility), facility, day, dice) }
}

/// One hospital of the group.
pub struct Facility {
    number: usize,
    beds: usize,
    opened: Instant,
    names: Vec<(Instant, String)>,
    writes: Vec<Instant>,
}

impl Facility {
    /// Facility `number`, with the day on which it was renamed (even numbers are).
    pub fn new(hospital: &Hospital, number: usize) -> Self {
        let mut dice = Dice::new(hospital.seed, Topic::Facility, number as u64, 0);
        let (city, locality, ..) = place(number);
        let created = start_of(0) + 5 * MINUTE + number as i64 * MINUTE;
        let mut names = Vec::new();
        if number.is_multiple_of(2) {
            names.push((created, format!("Lake View Hospital {locality}")));
            names.push((start_of(mess::renamed_on(number)) + 11 * HOUR, format!("Lakeview Hospital, {locality}")));
        } else {
            names.push((created, format!("Lakeview Medical Centre, {city}")));
        }
        let writes = names.iter().map(|(at, _)| *at).collect();
        let opened = start_of(0) - dice.between(900, 9_000) * DAY;
        Self { number, beds: hospital.beds_each, opened, names, writes }
    }
}

impl Entity for Facility {
    fn writes(&self) -> &[Instant] {
        &self.writes
    }

    fn document(&self, until: Instant) -> Document {
        let (city, locality, state, pin) = place(self.number);
        let known: Vec<_> = self.names.iter().filter(|(at, _)| *at < until).collect();
        let departments: Vec<Bson> =
            DEPARTMENTS.iter().map(|d| Bson::Document(doc! { "code": d.code, "name": d.name })).collect();
        let address = match self.number % 6 {
            4 => Bson::String(format!("{locality}, {city} {pin}, {state}")),
            _ => Bson::Document(doc! { "line": locality, "city": city, "state": state, "pin": pin }),
        };
        let mut document = doc! {
            "_id": facility_id(self.number),
            "name": known.last().map_or("", |(_, name)| name.as_str()),
            "known_as": known.iter().map(|(at, name)| doc! { "name": name, "from": date(*at) }).collect::<Vec<_>>(),
            "city": city,
            "address": address,
            "beds": self.beds as i32,
            "departments": departments,
            "opened_on": date(self.opened),
            "currency": "INR",
            "accreditation": if self.number.is_multiple_of(3) { Bson::Null } else { Bson::from("NABH") },
        };
        Stamp::Date.put(&mut document, self.writes[0], self.updated(until).unwrap_or(self.writes[0]));
        document
    }
}

/// How long a bed is cleaned after a discharge; at most until 18:00, when the next patient may come.
const CLEANING: Instant = 2 * HOUR;

/// One patient's time in one bed.
#[derive(Debug, Clone, Copy)]
pub struct Stay {
    /// Index of the bed in the whole group.
    pub bed: usize,
    /// Admission.
    pub start: Instant,
    /// Discharge, which may lie ahead.
    pub end: Instant,
}

impl Stay {
    /// The stays in `bed` that begin in the first `days` days, in order.
    pub fn all_of(seed: u64, bed: usize, days: u32) -> Vec<Self> {
        let mut dice = Dice::new(seed, Topic::Stay, bed as u64, 0);
        let mut stays = Vec::new();
        let mut day = dice.below(3) as i64;
        let mut hour = dice.between(6, 21);
        while day < i64::from(days) {
            let length = [1, 2, 3, 4, 5, 6, 8, 11, 15, 20][dice.weighted(&[14, 20, 18, 14, 10, 8, 7, 5, 3, 1])];
            let start = start_of(day as u32) + hour * HOUR + dice.between(0, 59) * MINUTE;
            let discharged = dice.between(10, 15);
            let end = start_of((day + length) as u32) + discharged * HOUR + dice.between(0, 59) * MINUTE;
            stays.push(Self { bed, start, end });
            let idle = dice.weighted(&[30, 34, 20, 10, 6]) as i64;
            day += length + idle;
            // A bed given away on the day it became free was cleaned first.
            hour = if idle == 0 { dice.between(18, 22) } else { dice.between(6, 21) };
        }
        stays
    }
}

/// Where a bed stands: facility, ward and number within the facility.
#[derive(Debug, Clone, Copy)]
pub struct BedPlace {
    /// Index of the facility.
    pub facility: usize,
    /// Index into [`WARDS`].
    pub ward: usize,
    /// From 1.
    pub number: usize,
}

impl BedPlace {
    /// The place of the group's bed `bed`.
    pub fn of(hospital: &Hospital, bed: usize) -> Self {
        let (facility, position) = (bed / hospital.beds_each, bed % hospital.beds_each);
        let shares: u32 = WARDS.iter().map(|(.., share)| share).sum();
        let mut passed = 0;
        let at = (position * shares as usize / hospital.beds_each) as u32;
        let ward = WARDS.iter().position(|(.., share)| {
            passed += share;
            at < passed
        });
        Self { facility, ward: ward.unwrap_or(0), number: position + 1 }
    }

    /// The ward's name.
    pub fn ward_name(self) -> &'static str {
        WARDS[self.ward].0
    }
}

/// A bed and who lies in it.
pub struct Bed {
    place: BedPlace,
    stays: Vec<(Stay, Document)>,
    writes: Vec<Instant>,
}

impl Bed {
    /// Bed `number` of the group, with its occupants up to the hospital's last day.
    pub fn new(hospital: &Hospital, number: usize) -> Self {
        let place = BedPlace::of(hospital, number);
        let mut writes = vec![start_of(0) + 2 * HOUR + number as i64 * 1_000 % HOUR];
        let stays: Vec<_> = Stay::all_of(hospital.seed, number, hospital.days())
            .into_iter()
            .map(|stay| {
                let patient = Identity::of(hospital, Encounter::admission(hospital, stay).patient);
                (stay, doc! { "id": patient.id, "mrn": patient.mrn(), "name": patient.full_name() })
            })
            .collect();
        writes.extend(stays.iter().flat_map(|(stay, _)| [stay.start, stay.end, stay.end + CLEANING]));
        Self { place, stays, writes }
    }
}

impl Entity for Bed {
    fn writes(&self) -> &[Instant] {
        &self.writes
    }

    fn document(&self, until: Instant) -> Document {
        let facility = facility_id(self.place.facility);
        let past: Vec<_> = self.stays.iter().filter(|(stay, _)| stay.start < until).collect();
        let occupancy = match past.last() {
            Some((stay, patient)) if stay.end >= until => {
                doc! { "patient": patient.clone(), "since": date(stay.start), "expected_until": date(stay.end / DAY * DAY) }
            }
            _ => Document::new(),
        };
        let occupied_ms: i64 = past.iter().map(|(stay, _)| stay.end.min(until) - stay.start).sum();
        let status = if !occupancy.is_empty() {
            "occupied"
        } else if past.last().is_some_and(|(stay, _)| stay.end + CLEANING >= until) {
            "cleaning"
        } else {
            "free"
        };
        let rate = WARDS[self.place.ward].1;
        let money = if self.place.ward == 3 { Money::Whole } else { Money::Decimal };
        let mut document = doc! {
            "_id": { "facility": &facility, "bed": format!("B{:03}", self.place.number) },
            "facility": { "id": facility, "city": place(self.place.facility).0 },
            "ward": self.place.ward_name(),
            "number": self.place.number as i32,
            "status": status,
            "daily_rate": money.of(rate),
            "occupancy": occupancy,
            "stays": past.len() as i32,
            "occupied_hours": (occupied_ms / HOUR) as i32,
            "equipment": match self.place.ward {
                3 => Bson::from(vec!["ventilator", "monitor", "infusion pump"]),
                0 => Bson::Array(Vec::new()),
                _ => Bson::from(vec!["monitor"]),
            },
        };
        Stamp::Date.put(&mut document, self.writes[0], self.updated(until).unwrap_or(self.writes[0]));
        document
    }
}
