//! Appointments: booked ahead, moved, cancelled, kept or not.

use super::calendar::{self, DAY, HOUR, Instant, MINUTE, date, day_of, start_of};
use super::catalog::DEPARTMENTS;
use super::dice::{Dice, Topic};
use super::entity::Entity;
use super::facilities;
use super::hospital::Hospital;
use super::mess::{self, Stamp};
use super::people::{Identity, doctor_id, doctor_name};
use bson::{Document, doc, oid::ObjectId};

/// How an appointment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Kept,
    NoShow,
    Cancelled(Instant),
}

/// An appointment, filed under the day it is finally for.
pub struct Appointment {
    /// The day it is finally for.
    pub day: u32,
    /// Its number on that day.
    pub ordinal: u64,
    /// `_id` in `appointments`.
    pub id: ObjectId,
    /// Index of the facility.
    pub facility: usize,
    /// Index into [`DEPARTMENTS`].
    pub department: usize,
    /// Index of the doctor in the whole group.
    pub doctor: usize,
    /// Index of the patient.
    pub patient: u64,
    /// The doctor's and the patient's names, as the desk printed them.
    people: (String, Identity),
    created: Instant,
    slot: Instant,
    /// When it was moved here, and from which time.
    moved: Option<(Instant, Instant)>,
    outcome: Outcome,
    /// When the patient comes, if kept.
    pub arrived: Instant,
    /// When the doctor has time, if kept.
    pub seen: Instant,
    /// The end of the consultation, if kept.
    pub ended: Instant,
    seed: u64,
    writes: Vec<Instant>,
}

impl Appointment {
    /// How far ahead appointments are booked at most.
    pub const BOOKED_AHEAD_DAYS: u32 = 14;

    /// The appointment number `ordinal` of `day`.
    pub fn new(hospital: &Hospital, day: u32, ordinal: u64) -> Self {
        let mut dice = Dice::new(hospital.seed, Topic::Appointment, u64::from(day), ordinal);
        let ahead = [0, 1, 2, 3, 5, 7, 10, Self::BOOKED_AHEAD_DAYS][dice.weighted(&[12, 22, 18, 14, 12, 10, 7, 5])];
        let ahead = ahead.min(day);
        let slot = start_of(day) + 9 * HOUR + dice.between(0, 31) * 15 * MINUTE;
        let created = match ahead {
            0 => slot - dice.between(60, 180) * MINUTE,
            days => start_of(day - days) + dice.between(7 * 60, 20 * 60) * MINUTE,
        };
        let moved = (ahead >= 3 && dice.chance(120)).then(|| {
            let shift = if dice.chance(500) { 1 } else { -1 };
            (created + dice.between(60, 24 * 60) * MINUTE, slot + shift * DAY)
        });
        let outcome = match dice.weighted(&[74, 15, 11]) {
            0 => Outcome::Kept,
            1 => Outcome::NoShow,
            _ => {
                let from = moved.map_or(created, |(at, _)| at);
                Outcome::Cancelled(from + dice.between(MINUTE, (slot - from).max(2 * MINUTE)))
            }
        };
        let arrived = slot + dice.between(-25, 20) * MINUTE;
        let seen = arrived.max(slot)
            + dice.weighted(&[20, 25, 20, 15, 10, 6, 4]) as i64 * 11 * MINUTE
            + dice.between(1, 9) * MINUTE;
        let ended = seen + dice.between(8, 35) * MINUTE;
        let (facility, department) = (hospital.facility(&mut dice), Hospital::department(&mut dice));
        let doctor = hospital.doctor_of(facility, department, &mut dice);
        let patient = dice.below(hospital.registered_before(day_of(created)) as usize) as u64;
        let mut writes = vec![created];
        writes.extend(moved.map(|(at, _)| at));
        match outcome {
            Outcome::Kept => writes.extend([arrived, ended]),
            Outcome::NoShow => writes.push(start_of(day) + 20 * HOUR + ordinal as i64 % 60 * MINUTE),
            Outcome::Cancelled(at) => writes.push(at),
        }
        let people = (doctor_name(hospital.seed, doctor), Identity::of(hospital, patient));
        let id = mess::object_id(created, &mut dice);
        let seed = hospital.seed;
        Self {
            day,
            ordinal,
            id,
            facility,
            department,
            doctor,
            patient,
            people,
            created,
            slot,
            moved,
            outcome,
            arrived,
            seen,
            ended,
            seed,
            writes,
        }
    }
}

impl Appointment {
    /// Whether the patient comes.
    pub fn kept(&self) -> bool {
        self.outcome == Outcome::Kept
    }
}

impl Entity for Appointment {
    fn writes(&self) -> &[Instant] {
        &self.writes
    }

    fn document(&self, until: Instant) -> Document {
        let mut dice = Dice::new(self.seed, Topic::Appointment, u64::from(self.day), self.ordinal | 1 << 32);
        let updated = self.updated(until).unwrap_or(self.created);
        let slot = match self.moved {
            Some((at, earlier)) if at >= until => earlier,
            _ => self.slot,
        };
        let happened = |at: Instant| at < until;
        let status = match self.outcome {
            Outcome::Kept if happened(self.ended) => "completed",
            Outcome::Kept if happened(self.arrived) => "checked-in",
            Outcome::NoShow if self.writes.last().is_some_and(|at| happened(*at)) => "no-show",
            Outcome::Cancelled(at) if happened(at) => "cancelled",
            _ if self.moved.is_some_and(|(at, _)| happened(at)) => "rescheduled",
            _ => "booked",
        };
        let (doctor, patient) = &self.people;
        let department = &DEPARTMENTS[self.department];
        let mut document = doc! {
            "_id": self.id,
            "appointment_no": format!("A{}-{:05}", calendar::text(start_of(self.day), "%y%m%d"), self.ordinal + 1),
            "facility": facilities::embedded(self.facility, day_of(self.created), &mut dice),
            "department": { "code": department.code, "name": department.name },
            "doctor": { "id": doctor_id(self.doctor), "name": doctor.as_str() },
            "patient": { "id": mess::reference(patient.id, &mut dice), "mrn": patient.mrn(), "name": patient.full_name() },
            "channel": dice.pick(&["app", "phone", "desk", "web", "App"]),
            "scheduled_at": date(slot),
            "duration_minutes": 15,
            "status": status,
        };
        if let Some((at, earlier)) = self.moved.filter(|(at, _)| happened(*at)) {
            document.insert("rescheduled", vec![doc! { "at": date(at), "from": date(earlier), "to": date(self.slot) }]);
        }
        match self.outcome {
            Outcome::Kept if happened(self.arrived) => {
                document.insert("checked_in_at", date(self.arrived));
                if happened(self.ended) {
                    document.insert("seen_at", date(self.seen));
                    document.insert("waiting_minutes", ((self.seen - self.arrived) / MINUTE) as i32);
                }
            }
            Outcome::Cancelled(at) if happened(at) => {
                document.insert("cancellation", doc! { "at": date(at), "by": dice.pick(&["patient", "doctor", "desk"]), "reason": dice.pick(&["feels better", "no transport", "doctor on leave", "duplicate"]) });
            }
            _ => {}
        }
        Stamp::Date.put(&mut document, self.created, updated);
        document
    }
}
