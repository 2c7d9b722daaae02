//! Doctors and patients.

use super::calendar::{DAY, HOUR, Instant, MINUTE, date, day_of, start_of};
use super::catalog::{ALLERGENS, DEPARTMENTS, FIRST_NAMES, LAST_NAMES, PAYERS};
use super::dice::{Dice, Topic};
use super::entity::Entity;
use super::facilities::{facility_id, place};
use super::hospital::Hospital;
use super::mess::{self, Money, Stamp};
use bson::{Bson, Document, doc, oid::ObjectId};

/// The `_id` of doctor `number`: doctors are numbered.
pub fn doctor_id(number: usize) -> i32 {
    1001 + number as i32
}

/// The name of doctor `number`, as visits and bills print it.
pub fn doctor_name(seed: u64, number: usize) -> String {
    let mut dice = Dice::new(seed, Topic::Doctor, number as u64, 0);
    format!("Dr. {} {}", dice.pick(FIRST_NAMES).0, dice.pick(LAST_NAMES))
}

/// A doctor, whose fee and leave change now and then.
pub struct Doctor {
    number: usize,
    facility: usize,
    department: usize,
    name: String,
    joined: Instant,
    writes: Vec<Instant>,
}

impl Doctor {
    /// Doctor `number` of the group.
    pub fn new(hospital: &Hospital, number: usize) -> Self {
        let position = number % hospital.doctors_each;
        let mut dice = Dice::new(hospital.seed, Topic::Doctor, number as u64, 1);
        let joined = start_of(0) - dice.between(30, 7_000) * DAY;
        let mut writes = vec![start_of(0) + HOUR + number as i64 * 1_000 % HOUR];
        let mut day = dice.between(5, 50);
        while day < i64::from(hospital.days()) {
            writes.push(start_of(day as u32) + dice.between(9, 18) * HOUR);
            day += dice.between(15, 60);
        }
        Self {
            number,
            facility: number / hospital.doctors_each,
            department: position % DEPARTMENTS.len(),
            name: doctor_name(hospital.seed, number),
            joined,
            writes,
        }
    }
}

impl Entity for Doctor {
    fn writes(&self) -> &[Instant] {
        &self.writes
    }

    fn document(&self, until: Instant) -> Document {
        let updated = self.updated(until).unwrap_or(self.writes[0]);
        let changes = self.writes.iter().filter(|at| **at < until).count() as i64 - 1;
        let department = &DEPARTMENTS[self.department];
        // Every second change is a revision of the fee by 5 %, the others are leave.
        let fee = department.fee + department.fee / 20 * (changes / 2);
        let money = if self.number.is_multiple_of(4) { Money::Double } else { Money::Decimal };
        let mut document = doc! {
            "_id": doctor_id(self.number),
            "name": self.name.as_str(),
            "registration_no": format!("MCI-{:05}", 20_000 + self.number * 37 % 70_000),
            "department": { "code": department.code, "name": department.name },
            "facility": { "id": facility_id(self.facility), "city": place(self.facility).0 },
            "qualifications": if self.number.is_multiple_of(5) { Bson::from("MBBS, MD") } else { Bson::from(vec!["MBBS", "MD"]) },
            "consultation_fee": money.of(fee),
            "hours": { "Mon-Fri": "09:00-17:00", "Sat": "09:00-13:00" },
            "joined_on": date(self.joined),
            "active": true,
        };
        if changes % 2 == 1 {
            document.insert(
                "leave",
                doc! { "from": date(updated + DAY), "to": date(updated + 4 * DAY), "reason": "annual" },
            );
        }
        Stamp::Date.put(&mut document, self.writes[0], updated);
        document
    }
}

/// What other documents need to know of a patient; cheap to make.
pub struct Identity {
    /// Index of the patient.
    pub number: u64,
    /// `_id` in `patients`.
    pub id: ObjectId,
    /// When the patient was registered.
    pub created: Instant,
    first: &'static str,
    last: &'static str,
    gender: &'static str,
    /// Completed years.
    pub years: i64,
}

impl Identity {
    /// The patient with this index.
    pub fn of(hospital: &Hospital, number: u64) -> Self {
        let mut dice = Dice::new(hospital.seed, Topic::Patient, number, 0);
        let created = match hospital.registration(number) {
            Some((day, _)) => start_of(day) + dice.between(7 * 60, 20 * 60) * MINUTE,
            // Those known from before were imported in the first hours.
            None => start_of(0) + dice.between(0, 5 * HOUR),
        };
        let (first, gender) = dice.pick(FIRST_NAMES);
        let last = dice.pick(LAST_NAMES);
        let decade = dice.weighted(&[12, 10, 16, 17, 14, 12, 10, 6, 3]) as i64;
        let years = decade * 10 + dice.between(0, 9);
        Self { number, id: mess::object_id(created, &mut dice), created, first, last, gender, years }
    }

    /// Medical record number.
    pub fn mrn(&self) -> String {
        format!("LV{:07}", self.number + 1)
    }

    /// `Asha Rao`
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

/// A patient's record.
pub struct Patient {
    identity: Identity,
    seed: u64,
    home: usize,
    stamp: Stamp,
    moved_phone: Option<Instant>,
    structured: Option<Instant>,
    writes: Vec<Instant>,
}

impl Patient {
    /// The patient with this index.
    pub fn new(hospital: &Hospital, number: u64) -> Self {
        let identity = Identity::of(hospital, number);
        let mut dice = Dice::new(hospital.seed, Topic::Patient, number, 1);
        let home = hospital.facility(&mut dice);
        // Only imported records come without a modified time.
        let stamp = match hospital.registration(number) {
            None if dice.chance(80) => {
                if dice.chance(600) {
                    Stamp::Missing
                } else {
                    Stamp::Null
                }
            }
            _ => Stamp::Date,
        };
        let mut later = |permille, low: i64, high: i64| {
            let at = identity.created + dice.between(low * DAY, high * DAY);
            (stamp.shows_changes() && dice.chance(permille)).then_some(at)
        };
        let moved_phone = later(120, 2, 50);
        // Allergies are described anew when a nurse asks again, once the form for it exists.
        let structured = later(400, 1, 55).filter(|at| day_of(*at) >= mess::STRUCTURED_ALLERGIES_FROM);
        let mut writes = vec![identity.created];
        writes.extend(moved_phone.into_iter().chain(structured));
        writes.sort_unstable();
        Self { identity, seed: hospital.seed, home, stamp, moved_phone, structured, writes }
    }

    fn allergies(&self, until: Instant, dice: &mut Dice) -> Bson {
        let count = dice.weighted(&[62, 25, 10, 3]);
        let names: Vec<&str> = (0..count).map(|_| dice.pick(ALLERGENS)).collect();
        let described = |name: &str, at: Instant| {
            let severity = ["mild", "moderate", "severe"][name.len() % 3];
            Bson::Document(doc! { "substance": name, "severity": severity, "noted_at": date(at) })
        };
        let created = self.identity.created;
        match self.structured.filter(|at| *at < until) {
            Some(at) => names.iter().map(|name| described(name, at)).collect(),
            None if mess::since(mess::STRUCTURED_ALLERGIES_FROM, created) => {
                // Some desks still use the old form; both meet in one array.
                names
                    .iter()
                    .enumerate()
                    .map(|(n, name)| if n == 1 { Bson::from(*name) } else { described(name, created) })
                    .collect()
            }
            None if count == 0 && dice.chance(150) => Bson::String("None known".into()),
            None => names.iter().map(|name| Bson::from(*name)).collect(),
        }
    }
}

impl Entity for Patient {
    fn writes(&self) -> &[Instant] {
        &self.writes
    }

    fn document(&self, until: Instant) -> Document {
        let who = &self.identity;
        let mut dice = Dice::new(self.seed, Topic::Patient, who.number, 2);
        let born = start_of(0) - who.years * 365 * DAY - who.years / 4 * DAY - dice.between(0, 364) * DAY;
        let phone = |dice: &mut Dice| format!("+91 9{:04} {:05}", dice.below(10_000), dice.below(100_000));
        let (old, new) = (phone(&mut dice), phone(&mut dice));
        let phone = if self.moved_phone.is_some_and(|at| at < until) { new } else { old };
        let (city, locality, state, pin) = place(self.home);
        let gender = match (dice.weighted(&[80, 12, 8]), who.gender) {
            (0, gender) => gender,
            (1, "M") => "Male",
            (1, _) => "Female",
            (_, "M") => "male",
            _ => "female",
        };
        let mut document = doc! {
            "_id": who.id,
            "mrn": who.mrn(),
            "name": { "first": who.first, "last": who.last, "full": who.full_name() },
            "gender": gender,
            "date_of_birth": mess::birth(born, &mut dice),
            "age": mess::age(who.years, &mut dice),
            "blood_group": dice.pick(&["O+", "B+", "A+", "AB+", "O-", "B-", "A-"]),
            "phone": if dice.chance(150) { Bson::from(vec![phone]) } else { Bson::String(phone) },
            "address": if dice.chance(60) {
                Bson::String(format!("{locality}, {city}"))
            } else {
                Bson::Document(doc! { "line": format!("{} Main Road", dice.between(1, 220)), "locality": locality, "city": city, "state": state, "pin": pin })
            },
            "home_facility": facility_id(self.home),
            "registered_at": date(who.created),
            "referral": dice.pick(&["walk-in", "doctor", "camp", "online", "family"]),
        };
        // Their own dice: a nurse who asks again must not change the rest of the record.
        let mut asked = Dice::new(self.seed, Topic::Patient, who.number, 3);
        document.insert("allergies", self.allergies(until, &mut asked));
        let (kind, payer, _) = PAYERS[dice.weighted(&PAYERS.iter().map(|(.., weight)| *weight).collect::<Vec<_>>())];
        let insurance = if kind == "self" {
            mess::void(&mut dice)
        } else {
            Bson::Document(
                doc! { "type": kind, "payer": payer, "policy_no": format!("P{:08}", dice.below(100_000_000)), "valid_until": date(start_of(0) + dice.between(10, 700) * DAY) },
            )
        };
        document.insert("insurance", insurance);
        let contact = if dice.chance(300) {
            mess::void(&mut dice)
        } else {
            Bson::Document(
                doc! { "name": format!("{} {}", dice.pick(FIRST_NAMES).0, who.last), "relation": dice.pick(&["spouse", "parent", "child", "sibling"]) },
            )
        };
        document.insert("emergency_contact", contact);
        if mess::since(mess::HEALTH_ID_FROM, who.created) {
            document.insert(
                "abha_id",
                format!("91-{:04}-{:04}-{:04}", dice.below(10_000), dice.below(10_000), dice.below(10_000)),
            );
        }
        self.stamp.put(&mut document, who.created, self.updated(until).unwrap_or(who.created));
        document
    }
}
