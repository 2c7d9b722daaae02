//! The simulated hospital: its size, how busy each day is, and the documents of each collection at any time.

use super::appointments::Appointment;
use super::billing::Bill;
use super::calendar::{self, Instant, start_of};
use super::care::{Encounter, Visit};
use super::catalog::{DEPARTMENTS, EMERGENCY};
use super::dice::{Dice, Topic};
use super::entity::Entity;
use super::facilities::{Bed, Facility, Stay};
use super::labs::LabResult;
use super::people::{Doctor, Patient};
use super::pharmacy::{Consumption, Prescription, Stock};
use crate::error::Result;
use bson::Document;
use std::ops::RangeInclusive;

/// The collections of the database, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Collection {
    Facilities,
    Doctors,
    Patients,
    Appointments,
    Visits,
    Bills,
    LabResults,
    Prescriptions,
    PharmacyStock,
    Beds,
}

impl Collection {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Facilities,
        Self::Doctors,
        Self::Patients,
        Self::Appointments,
        Self::Visits,
        Self::Bills,
        Self::LabResults,
        Self::Prescriptions,
        Self::PharmacyStock,
        Self::Beds,
    ];

    /// As MongoDB calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Facilities => "facilities",
            Self::Doctors => "doctors",
            Self::Patients => "patients",
            Self::Appointments => "appointments",
            Self::Visits => "visits",
            Self::Bills => "bills",
            Self::LabResults => "lab_results",
            Self::Prescriptions => "prescriptions",
            Self::PharmacyStock => "pharmacy_stock",
            Self::Beds => "beds",
        }
    }

    /// For how many days after its key day a document may still be written; `None`: for ever.
    fn lifetime_days(self) -> Option<u32> {
        match self {
            Self::Facilities | Self::Doctors | Self::PharmacyStock | Self::Beds => None,
            Self::Patients => Some(60),
            Self::Appointments => Some(1),
            Self::Visits => Some(35),
            Self::Bills => Some(90),
            Self::LabResults => Some(10),
            Self::Prescriptions => Some(3),
        }
    }

    /// How many days before its key day a document may appear: appointments are filed by the day they are for.
    fn ahead_days(self) -> u32 {
        if self == Self::Appointments { Appointment::BOOKED_AHEAD_DAYS } else { 0 }
    }
}

/// What a day brings, on average at scale 1.
#[derive(Clone, Copy)]
enum Rate {
    NewPatients = 0,
    ReturningWalkIns = 1,
    Appointments = 2,
}

impl Rate {
    fn per_day(self) -> f64 {
        match self {
            Self::NewPatients => 16.0,
            Self::ReturningWalkIns => 7.0,
            Self::Appointments => 50.0,
        }
    }
}

/// Sundays are quiet, Mondays are not.
const WEEKDAYS: [f64; 7] = [1.2, 1.1, 1.05, 1.05, 1.05, 0.95, 0.5];
/// Patients known before the books opened, at scale 1.
const KNOWN_PATIENTS: f64 = 1_100.0;

/// The hospital of one seed and scale, up to the end of a day.
///
/// Holds only what several collections need and what grows slowly: the stays in beds (24 bytes each) and counts of
/// patients; everything else is made document by document.
pub struct Hospital {
    /// Chooses the hospital.
    pub seed: u64,
    /// 1 is about 20,000 documents after 60 days.
    pub scale: f64,
    /// Number of facilities.
    pub facilities: usize,
    /// Doctors at each facility.
    pub doctors_each: usize,
    /// Beds at each facility.
    pub beds_each: usize,
    days: u32,
    /// Admissions by day, at most one a bed and day.
    stays: Vec<Vec<Stay>>,
    /// Patients registered before each day, and after the last.
    registered: Vec<u64>,
}

impl Hospital {
    /// Simulates `days` days from the opening of the books.
    pub fn new(seed: u64, scale: f64, days: u32) -> Self {
        let facilities = (6.0 * scale.sqrt()).round().clamp(2.0, 48.0) as usize;
        let each = |total: f64, least: usize| ((total * scale / facilities as f64).round() as usize).max(least);
        let mut hospital = Self {
            seed,
            scale,
            facilities,
            doctors_each: each(72.0, DEPARTMENTS.len()),
            beds_each: each(96.0, 4),
            days,
            stays: vec![Vec::new(); days as usize],
            registered: vec![((KNOWN_PATIENTS * scale).round() as u64).max(5)],
        };
        for bed in 0..hospital.facilities * hospital.beds_each {
            for stay in Stay::all_of(seed, bed, days) {
                if let Some(day) = hospital.stays.get_mut(calendar::day_of(stay.start) as usize) {
                    day.push(stay);
                }
            }
        }
        let mut known = hospital.registered_before(0);
        for day in 0..days {
            known += hospital.count(Rate::NewPatients, day);
            hospital.registered.push(known);
        }
        hospital
    }

    /// How many days are simulated.
    pub fn days(&self) -> u32 {
        self.days
    }

    /// The end of the last simulated day.
    pub fn now(&self) -> Instant {
        start_of(self.days)
    }

    /// How many patients were registered before `day`; those have the indexes below it.
    pub fn registered_before(&self, day: u32) -> u64 {
        let day = (day as usize).min(self.registered.len() - 1);
        self.registered[day]
    }

    /// The day on which a patient was registered and its position among that day's; `None`: known from before.
    pub fn registration(&self, patient: u64) -> Option<(u32, u64)> {
        let day = self.registered.partition_point(|before| *before <= patient).checked_sub(1)?;
        Some((day as u32, patient - self.registered[day]))
    }

    /// A doctor of `department` at `facility`.
    pub fn doctor_of(&self, facility: usize, department: usize, dice: &mut Dice) -> usize {
        let step = DEPARTMENTS.len();
        let colleagues = (self.doctors_each - department).div_ceil(step);
        facility * self.doctors_each + department + step * dice.below(colleagues)
    }

    /// Any department that is not Emergency.
    pub fn department(dice: &mut Dice) -> usize {
        dice.weighted(&[26, 12, 11, 12, 10, 7, 6, 9, 7]).min(EMERGENCY - 1)
    }

    /// A facility; the first ones are larger.
    pub fn facility(&self, dice: &mut Dice) -> usize {
        let first = dice.below(self.facilities);
        if dice.chance(350) { first.min(dice.below(self.facilities)) } else { first }
    }

    fn count(&self, rate: Rate, day: u32) -> u64 {
        let mut dice = Dice::new(self.seed, Topic::Calendar, u64::from(day), rate as u64);
        let mood = 0.85 + dice.below(300) as f64 / 1000.0;
        (rate.per_day() * self.scale * WEEKDAYS[calendar::weekday(day)] * mood).round() as u64
    }

    /// The appointments that are for `day`.
    pub fn appointments(&self, day: u32) -> impl Iterator<Item = Appointment> + '_ {
        (0..self.count(Rate::Appointments, day)).map(move |ordinal| Appointment::new(self, day, ordinal))
    }

    /// Everybody who comes on `day`: walk-ins (the new patients first), kept appointments, admissions.
    pub fn encounters(&self, day: u32) -> impl Iterator<Item = Encounter> + '_ {
        let new = self.count(Rate::NewPatients, day);
        let walk_ins = new + self.count(Rate::ReturningWalkIns, day);
        let admissions = self.stays.get(day as usize).map(Vec::as_slice).unwrap_or_default();
        (0..walk_ins)
            .map(move |ordinal| Encounter::walk_in(self, day, ordinal, ordinal < new))
            .chain(self.appointments(day).filter_map(|appointment| Encounter::kept(self, &appointment)))
            .chain(admissions.iter().map(|stay| Encounter::admission(self, *stay)))
    }

    /// Hands every document of `collection` that was written on day `from` or later to `sink`, as it stands at the end
    /// of the last day; without `from` all of them. The order is the same each time.
    pub fn documents(
        &self,
        collection: Collection,
        from: Option<u32>,
        sink: &mut dyn FnMut(Document) -> Result<()>,
    ) -> Result<()> {
        let until = self.now();
        let since = from.map_or(Instant::MIN, start_of);
        let first = match (from, collection.lifetime_days()) {
            (Some(day), Some(lifetime)) => day.saturating_sub(lifetime),
            _ => 0,
        };
        let Some(last) = (self.days + collection.ahead_days()).checked_sub(1) else { return Ok(()) };
        self.entities(collection, first..=last, &mut |entity| match entity.updated(until) {
            // As of its last write, not of now: what nobody wrote cannot have changed.
            Some(updated) if updated >= since => sink(entity.document(updated + 1)),
            _ => Ok(()),
        })
    }

    fn entities(
        &self,
        collection: Collection,
        keyed: RangeInclusive<u32>,
        each: &mut dyn FnMut(&dyn Entity) -> Result<()>,
    ) -> Result<()> {
        match collection {
            Collection::Facilities => (0..self.facilities).try_for_each(|n| each(&Facility::new(self, n))),
            Collection::Doctors => {
                (0..self.facilities * self.doctors_each).try_for_each(|n| each(&Doctor::new(self, n)))
            }
            Collection::Beds => self.beds(each),
            Collection::PharmacyStock => {
                let consumption = Consumption::of(self);
                Stock::all(self, &consumption).try_for_each(|stock| each(&stock))
            }
            Collection::Patients => {
                let first = if *keyed.start() == 0 { 0 } else { self.registered_before(*keyed.start()) };
                (first..self.registered_before(self.days)).try_for_each(|n| each(&Patient::new(self, n)))
            }
            Collection::Appointments => keyed
                .into_iter()
                .try_for_each(|day| self.appointments(day).try_for_each(|appointment| each(&appointment))),
            Collection::Visits => self.each_encounter(keyed, &mut |e| each(&Visit::new(self, e))),
            Collection::Bills => self.each_encounter(keyed, &mut |e| each(&Bill::new(self, e))),
            Collection::LabResults => self.each_encounter(keyed, &mut |e| {
                LabResult::all_of(self, &e).into_iter().try_for_each(|result| each(&result))
            }),
            Collection::Prescriptions => self.each_encounter(keyed, &mut |e| {
                Prescription::of(self, &e).map_or(Ok(()), |prescription| each(&prescription))
            }),
        }
    }

    fn each_encounter(&self, days: RangeInclusive<u32>, each: &mut dyn FnMut(Encounter) -> Result<()>) -> Result<()> {
        days.into_iter().try_for_each(|day| self.encounters(day).try_for_each(&mut *each))
    }

    fn beds(&self, each: &mut dyn FnMut(&dyn Entity) -> Result<()>) -> Result<()> {
        (0..self.facilities * self.beds_each).try_for_each(|n| each(&Bed::new(self, n)))
    }
}
