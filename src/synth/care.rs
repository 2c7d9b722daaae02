//! Encounters (everybody who comes) and the visits they leave behind.

use super::appointments::Appointment;
use super::calendar::{self, DAY, HOUR, Instant, MINUTE, date, day_of, start_of};
use super::catalog::{COMMENTS, DEPARTMENTS, EMERGENCY};
use super::dice::{Dice, Topic};
use super::entity::Entity;
use super::facilities::{self, BedPlace, Stay};
use super::hospital::Hospital;
use super::mess::{self, Stamp};
use super::people::{Identity, doctor_id, doctor_name};
use bson::{Bson, Document, doc, oid::ObjectId};

/// What brings somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Consultation.
    Outpatient,
    /// Emergency department.
    Emergency,
    /// Admission to a bed.
    Inpatient,
}

impl Kind {
    /// As documents spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Outpatient => "outpatient",
            Self::Emergency => "emergency",
            Self::Inpatient => "inpatient",
        }
    }
}

/// Somebody who came: the facts that visit, bill, laboratory and pharmacy share.
#[derive(Debug, Clone, Copy)]
pub struct Encounter {
    /// The day of arrival.
    pub day: u32,
    /// Unique within the day, across all ways of coming.
    pub key: u64,
    /// What brings the patient in.
    pub kind: Kind,
    /// Index of the facility.
    pub facility: usize,
    /// Index into [`DEPARTMENTS`].
    pub department: usize,
    /// Index of the doctor in the whole group.
    pub doctor: usize,
    /// Index of the patient.
    pub patient: u64,
    /// Index into the department's diagnoses.
    pub diagnosis: usize,
    /// Registered for this encounter.
    pub new_patient: bool,
    /// `_id` of the appointment that was kept.
    pub appointment: Option<ObjectId>,
    /// The bed and the time in it, of an inpatient.
    pub stay: Option<Stay>,
    /// Arrival or admission.
    pub arrived: Instant,
    /// Start of the consultation.
    pub seen: Instant,
    /// End of the consultation, or discharge, which may lie ahead.
    pub ended: Instant,
}

/// Keys of the ways of coming do not overlap.
const KEPT: u64 = 1 << 40;
const ADMITTED: u64 = 2 << 40;

impl Encounter {
    /// Somebody without an appointment; the day's new patients come first, in the order of their registration.
    pub fn walk_in(hospital: &Hospital, day: u32, ordinal: u64, new: bool) -> Self {
        let mut dice = Dice::new(hospital.seed, Topic::Visit, u64::from(day), ordinal);
        let known = hospital.registered_before(day);
        let (patient, arrived) = if new {
            let patient = known + ordinal;
            (patient, Identity::of(hospital, patient).created + dice.between(4, 12) * MINUTE)
        } else {
            (dice.below(known as usize) as u64, start_of(day) + dice.between(7 * 60, 20 * 60) * MINUTE)
        };
        let emergency = dice.chance(350);
        let department = if emergency { EMERGENCY } else { Hospital::department(&mut dice) };
        let waited = if emergency { dice.between(2, 25) } else { dice.between(10, 80) };
        let seen = arrived + waited * MINUTE;
        let ended = seen + dice.between(8, if emergency { 100 } else { 30 }) * MINUTE;
        let facility = hospital.facility(&mut dice);
        Self {
            day,
            key: ordinal,
            kind: if emergency { Kind::Emergency } else { Kind::Outpatient },
            facility,
            department,
            doctor: hospital.doctor_of(facility, department, &mut dice),
            patient,
            diagnosis: dice.below(DEPARTMENTS[department].diagnoses.len()),
            new_patient: new,
            appointment: None,
            stay: None,
            arrived,
            seen,
            ended,
        }
    }

    /// The encounter of an appointment that was kept.
    pub fn kept(hospital: &Hospital, appointment: &Appointment) -> Option<Self> {
        let key = KEPT | appointment.ordinal;
        let mut dice = Dice::new(hospital.seed, Topic::Visit, u64::from(appointment.day), key);
        appointment.kept().then(|| Self {
            day: appointment.day,
            key,
            kind: Kind::Outpatient,
            facility: appointment.facility,
            department: appointment.department,
            doctor: appointment.doctor,
            patient: appointment.patient,
            diagnosis: dice.below(DEPARTMENTS[appointment.department].diagnoses.len()),
            new_patient: false,
            appointment: Some(appointment.id),
            stay: None,
            arrived: appointment.arrived,
            seen: appointment.seen,
            ended: appointment.ended,
        })
    }

    /// The encounter of a stay in a bed.
    pub fn admission(hospital: &Hospital, stay: Stay) -> Self {
        let (day, key) = (day_of(stay.start), ADMITTED | stay.bed as u64);
        let mut dice = Dice::new(hospital.seed, Topic::Visit, u64::from(day), key);
        let facility = BedPlace::of(hospital, stay.bed).facility;
        let department = if dice.chance(120) { EMERGENCY } else { Hospital::department(&mut dice) };
        Self {
            day,
            key,
            kind: Kind::Inpatient,
            facility,
            department,
            doctor: hospital.doctor_of(facility, department, &mut dice),
            patient: dice.below(hospital.registered_before(day) as usize) as u64,
            diagnosis: dice.below(DEPARTMENTS[department].diagnoses.len()),
            new_patient: false,
            appointment: None,
            stay: Some(stay),
            arrived: stay.start,
            seen: stay.start + dice.between(10, 45) * MINUTE,
            ended: stay.end,
        }
    }

    /// The dice of one matter of this encounter; `part` tells apart several of one topic.
    pub fn dice(&self, seed: u64, topic: Topic, part: u64) -> Dice {
        Dice::new(seed, topic, u64::from(self.day) | part << 32, self.key | 1 << 48)
    }

    /// `_id` in `visits`.
    pub fn visit_id(&self, seed: u64) -> ObjectId {
        mess::object_id(self.arrived, &mut self.dice(seed, Topic::Visit, 1))
    }

    /// A number people can read out, unique in the group.
    pub fn number(&self, prefix: &str) -> String {
        let way = [0, 4, 8][(self.key >> 40) as usize % 3];
        format!("{prefix}{}-{way}{:05}", calendar::text(start_of(self.day), "%y%m%d"), (self.key & 0xFF_FFFF) + 1)
    }
}

/// A visit: from arrival to discharge and, sometimes, what the patient thought of it.
pub struct Visit<'a> {
    hospital: &'a Hospital,
    encounter: Encounter,
    feedback: Option<Instant>,
    writes: Vec<Instant>,
}

impl<'a> Visit<'a> {
    /// The visit of an encounter.
    pub fn new(hospital: &'a Hospital, encounter: Encounter) -> Self {
        let mut dice = encounter.dice(hospital.seed, Topic::Visit, 2);
        let feedback = dice.chance(260).then(|| encounter.ended + dice.between(2 * HOUR, 6 * DAY));
        let mut writes = vec![encounter.arrived, encounter.seen, encounter.ended];
        writes.extend(feedback);
        Self { hospital, encounter, feedback, writes }
    }

    fn diagnoses(&self, dice: &mut Dice) -> Bson {
        let known = DEPARTMENTS[self.encounter.department].diagnoses;
        let (code, title) = known[self.encounter.diagnosis];
        let primary = doc! { "code": code, "title": title, "kind": "primary" };
        match dice.weighted(&[66, 20, 8, 6]) {
            0 => Bson::Array(vec![primary.into()]),
            1 => {
                let (code, title) = known[(self.encounter.diagnosis + 1) % known.len()];
                Bson::Array(vec![primary.into(), doc! { "code": code, "title": title, "kind": "secondary" }.into()])
            }
            // Typed without the form: a bare document, or the code alone.
            2 => primary.into(),
            _ => Bson::from(vec![code]),
        }
    }
}

impl Entity for Visit<'_> {
    fn writes(&self) -> &[Instant] {
        &self.writes
    }

    fn document(&self, until: Instant) -> Document {
        let (e, seed) = (&self.encounter, self.hospital.seed);
        let mut dice = e.dice(seed, Topic::Visit, 3);
        let patient = Identity::of(self.hospital, e.patient);
        let department = &DEPARTMENTS[e.department];
        let (seen, ended) = (e.seen < until, e.ended < until);
        let status = match (e.kind, seen, ended) {
            (Kind::Inpatient, _, false) => "admitted",
            (Kind::Inpatient, _, true) => "discharged",
            (_, false, _) => "waiting",
            (_, true, false) => "in consultation",
            (_, true, true) => "closed",
        };
        let mut document = doc! {
            "_id": e.visit_id(seed),
            "visit_no": e.number("V"),
            "kind": e.kind.name(),
            "facility": facilities::embedded(e.facility, e.day, &mut dice),
            "department": { "code": department.code, "name": department.name },
            "doctor": { "id": doctor_id(e.doctor), "name": doctor_name(seed, e.doctor) },
            "patient": { "id": patient.id, "mrn": patient.mrn(), "name": patient.full_name(), "age": mess::age(patient.years, &mut dice) },
            "new_patient": e.new_patient,
            "visit_date": date(e.arrived),
            "arrived_at": date(e.arrived),
            "status": status,
            "vitals": mess::vitals(dice.between(58, 118) as i32, dice.between(95, 170) as i32, dice.between(58, 104) as i32, dice.between(362, 396) as f64 / 10.0, &mut dice),
        };
        if let Some(appointment) = e.appointment {
            document.insert("appointment_id", appointment);
        }
        if e.kind == Kind::Emergency && e.day >= 20 {
            document.insert(
                "triage",
                doc! { "level": dice.between(1, 5) as i32, "nurse": format!("N{:03}", dice.between(1, 90)) },
            );
        }
        if seen {
            document.insert("seen_at", date(e.seen));
            document.insert("diagnoses", self.diagnoses(&mut dice));
        }
        if ended {
            document.insert("ended_at", date(e.ended));
            document.insert(
                "notes",
                if dice.chance(120) {
                    mess::void(&mut dice)
                } else {
                    dice.pick(&[
                        "Review in two weeks.",
                        "Advised rest.",
                        "Follow up with reports.",
                        "Stable at discharge.",
                    ])
                    .into()
                },
            );
        }
        if let Some(stay) = e.stay {
            let bed = BedPlace::of(self.hospital, stay.bed);
            let mut admission = doc! { "admitted_at": date(stay.start), "type": if e.department == EMERGENCY { "emergency" } else { "planned" }, "ward": bed.ward_name(), "bed": { "facility": facilities::facility_id(bed.facility), "bed": format!("B{:03}", bed.number) } };
            if ended {
                let outcome =
                    ["recovered", "improved", "against advice", "referred", "died"][dice.weighted(&[60, 30, 5, 4, 1])];
                admission.insert("discharged_at", date(stay.end));
                admission.insert("outcome", outcome);
            }
            document.insert("admission", admission);
        }
        if let Some(at) = self.feedback.filter(|at| *at < until) {
            let stars = dice.weighted(&[4, 7, 16, 38, 35]) as i32 + 1;
            let rating = if dice.chance(100) { Bson::Double(f64::from(stars) - 0.5) } else { Bson::Int32(stars) };
            document.insert("feedback", doc! { "rating": rating, "comment": dice.pick(COMMENTS), "at": date(at) });
        }
        Stamp::Date.put(&mut document, e.arrived, self.updated(until).unwrap_or(e.arrived));
        document
    }
}
