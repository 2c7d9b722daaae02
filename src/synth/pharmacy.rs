//! The pharmacy: prescriptions, what was dispensed of them, and the stock it was taken from.

use super::calendar::{HOUR, Instant, MINUTE, date, day_of, start_of};
use super::care::{Encounter, Kind};
use super::catalog::{DEPARTMENTS, MEDICINES};
use super::dice::{Dice, Topic};
use super::entity::Entity;
use super::facilities::{self, facility_id};
use super::hospital::Hospital;
use super::mess::{self, Money, Stamp};
use super::people::{Identity, doctor_id, doctor_name};
use bson::{Bson, Document, doc, oid::ObjectId};

/// One medicine of a prescription.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// Index into [`MEDICINES`].
    pub medicine: usize,
    /// Units prescribed.
    pub quantity: i64,
    /// Units handed out when the prescription is filled.
    pub dispensed: i64,
}

/// A prescription.
pub struct Prescription<'a> {
    hospital: &'a Hospital,
    encounter: Encounter,
    /// Never empty.
    pub items: Vec<Item>,
    created: Instant,
    /// When it was filled, if ever.
    pub dispensed: Option<Instant>,
    writes: Vec<Instant>,
}

impl<'a> Prescription<'a> {
    /// The prescription of an encounter, if it ends with one.
    pub fn of(hospital: &'a Hospital, encounter: &Encounter) -> Option<Self> {
        let mut dice = encounter.dice(hospital.seed, Topic::Prescription, 0);
        let wanted = if encounter.kind == Kind::Inpatient { 950 } else { 720 };
        if !dice.chance(wanted) {
            return None;
        }
        let mut items: Vec<Item> = Vec::new();
        for _ in 0..=dice.weighted(&[35, 35, 20, 10]) {
            let medicine = dice.below(MEDICINES.len());
            let quantity = MEDICINES[medicine].4 * dice.between(1, 2);
            let dispensed = match dice.weighted(&[90, 7, 3]) {
                0 => quantity,
                1 => (quantity + 1) / 2,
                _ => 0,
            };
            if items.iter().all(|item| item.medicine != medicine) {
                items.push(Item { medicine, quantity, dispensed });
            }
        }
        let created = encounter.seen + dice.between(2, 7) * MINUTE;
        let filled = match encounter.kind {
            Kind::Inpatient => created + dice.between(20, 180) * MINUTE,
            _ => encounter.ended + dice.between(5, 45) * MINUTE,
        };
        let dispensed = dice.chance(940).then_some(filled);
        let mut writes = vec![created];
        writes.extend(dispensed);
        Some(Self { hospital, encounter: *encounter, items, created, dispensed, writes })
    }
}

impl Entity for Prescription<'_> {
    fn writes(&self) -> &[Instant] {
        &self.writes
    }

    fn document(&self, until: Instant) -> Document {
        let (e, seed) = (&self.encounter, self.hospital.seed);
        let mut dice = e.dice(seed, Topic::Prescription, 1);
        let patient = Identity::of(self.hospital, e.patient);
        let filled = self.dispensed.filter(|at| *at < until);
        let items: Vec<Bson> = self
            .items
            .iter()
            .map(|item| {
                let (code, name, form, ..) = MEDICINES[item.medicine];
                let mut line = doc! {
                    "medicine": { "code": code, "name": name, "form": form },
                    "frequency": dice.pick(&["1-0-1", "1-1-1", "0-0-1", "1-0-0", "SOS"]),
                    "days": dice.pick(&[3, 5, 7, 10, 15, 30]),
                    "quantity": item.quantity as i32,
                    "dispensed": if filled.is_some() { item.dispensed as i32 } else { 0 },
                };
                if dice.chance(250) {
                    let after = ["after food", "with plenty of water"];
                    line.insert(
                        "instructions",
                        if dice.chance(400) { Bson::from(after.to_vec()) } else { after[0].into() },
                    );
                }
                Bson::Document(line)
            })
            .collect();
        let all = self.items.iter().all(|item| item.dispensed == item.quantity);
        let status = match filled {
            None => "open",
            Some(_) if all => "dispensed",
            Some(_) => "partly dispensed",
        };
        let mut document = doc! {
            "_id": mess::object_id(self.created, &mut dice),
            "prescription_no": e.number("R"),
            "visit_id": e.visit_id(seed),
            "facility": facilities::embedded(e.facility, e.day, &mut dice),
            "department": { "code": DEPARTMENTS[e.department].code, "name": DEPARTMENTS[e.department].name },
            "doctor": { "id": doctor_id(e.doctor), "name": doctor_name(seed, e.doctor) },
            "patient": { "id": mess::reference(patient.id, &mut dice), "mrn": patient.mrn(), "age": mess::age(patient.years, &mut dice) },
            "prescribed_at": date(self.created),
            "items": items,
            "status": status,
        };
        if let Some(at) = filled {
            document.insert("dispensed_at", date(at));
            document.insert("pharmacist", doc! { "id": format!("PH{:02}", dice.between(1, 24)) });
        }
        Stamp::Date.put(&mut document, self.created, self.updated(until).unwrap_or(self.created));
        document
    }
}

/// Units of each medicine dispensed at each facility on each day, from the prescriptions themselves.
pub struct Consumption {
    days: usize,
    units: Vec<u32>,
}

impl Consumption {
    /// Counts through the hospital's prescriptions once; 4 bytes for each facility, medicine and day.
    pub fn of(hospital: &Hospital) -> Self {
        let days = hospital.days() as usize;
        let mut consumption = Self { days, units: vec![0; hospital.facilities * MEDICINES.len() * days] };
        for encounter in (0..hospital.days()).flat_map(|day| hospital.encounters(day)) {
            let Some(prescription) = Prescription::of(hospital, &encounter) else { continue };
            let Some(day) = prescription.dispensed.map(|at| day_of(at) as usize).filter(|day| *day < days) else {
                continue;
            };
            for item in &prescription.items {
                let at = (encounter.facility * MEDICINES.len() + item.medicine) * days + day;
                consumption.units[at] += item.dispensed as u32;
            }
        }
        consumption
    }

    fn by_day(&self, facility: usize, medicine: usize) -> &[u32] {
        let at = (facility * MEDICINES.len() + medicine) * self.days;
        &self.units[at..at + self.days]
    }
}

#[derive(Debug, Clone)]
struct Batch {
    number: String,
    received: Instant,
    expiry: u32,
    quantity: i64,
    cost: i64,
}

/// How one medicine stands on the shelf of one facility.
#[derive(Debug, Clone)]
struct Shelf {
    batches: Vec<Batch>,
    /// Quantity ordered and the day it is expected.
    ordered: Option<(i64, u32)>,
    received_total: i64,
    dispensed_total: i64,
    short_total: i64,
    expired_total: i64,
}

/// A medicine's stock at a facility, replayed from its opening stock day by day.
pub struct Stock {
    id: ObjectId,
    facility: usize,
    medicine: usize,
    reorder_level: i64,
    /// The shelf after each write.
    shelves: Vec<Shelf>,
    writes: Vec<Instant>,
    seed: u64,
}

impl Stock {
    /// Every medicine at every facility.
    pub fn all(hospital: &Hospital, consumption: &Consumption) -> impl Iterator<Item = Self> {
        (0..hospital.facilities * MEDICINES.len()).map(|number| {
            let (facility, medicine) = (number / MEDICINES.len(), number % MEDICINES.len());
            Self::new(hospital, facility, medicine, consumption.by_day(facility, medicine))
        })
    }

    fn new(hospital: &Hospital, facility: usize, medicine: usize, consumed: &[u32]) -> Self {
        let mut dice = Dice::new(hospital.seed, Topic::Stock, facility as u64, medicine as u64);
        let created = start_of(0) + 3 * HOUR + (facility * MEDICINES.len() + medicine) as i64 * 7_000 % HOUR;
        let id = mess::object_id(created, &mut dice);
        // Patients a day and facility times the chance that one takes this medicine, from the rates of `Hospital`.
        let patients = 68.0 * hospital.scale / hospital.facilities as f64;
        let daily = (patients * 0.045 * MEDICINES[medicine].4 as f64).max(0.5);
        let reorder_level = (daily * 7.0).ceil() as i64;
        let mut shelf = Shelf {
            batches: Vec::new(),
            ordered: None,
            received_total: 0,
            dispensed_total: 0,
            short_total: 0,
            expired_total: 0,
        };
        for share in [0.4, 0.6] {
            let quantity = (daily * share * dice.between(8, 34) as f64).ceil() as i64;
            let expiry = dice.between(15, 400) as u32;
            shelf.receive(created, quantity, expiry, MEDICINES[medicine].3, &mut dice);
        }
        let (mut shelves, mut writes) = (vec![shelf.clone()], vec![created]);
        for (day, units) in (0u32..).zip(consumed) {
            let mut changed = shelf.expire(day);
            if let Some((quantity, _)) = shelf.ordered.filter(|(_, expected)| *expected == day) {
                shelf.ordered = None;
                let expiry = day + dice.between(150, 700) as u32;
                shelf.receive(start_of(day) + 10 * HOUR, quantity, expiry, MEDICINES[medicine].3, &mut dice);
                changed = true;
            }
            changed |= shelf.dispense(i64::from(*units));
            if shelf.on_hand() < reorder_level && shelf.ordered.is_none() {
                let lead = [2, 3, 4, 6, 9][dice.weighted(&[25, 30, 25, 14, 6])];
                shelf.ordered = Some(((daily * 28.0).ceil() as i64, day + lead));
                changed = true;
            }
            if changed {
                shelves.push(shelf.clone());
                writes.push(start_of(day) + 21 * HOUR + medicine as i64 * MINUTE);
            }
        }
        Self { id, facility, medicine, reorder_level, shelves, writes, seed: hospital.seed }
    }
}

impl Shelf {
    fn on_hand(&self) -> i64 {
        self.batches.iter().map(|batch| batch.quantity).sum()
    }

    fn receive(&mut self, at: Instant, quantity: i64, expiry: u32, price: i64, dice: &mut Dice) {
        let number = format!("B{}{:04}", super::calendar::text(at, "%y%m"), dice.below(10_000));
        // Bought at 60 to 80 % of what the patient pays.
        let cost = price * dice.between(60, 80) / 100;
        self.received_total += quantity;
        self.batches.push(Batch { number, received: at, expiry, quantity, cost });
        self.batches.sort_by_key(|batch| batch.expiry);
    }

    fn expire(&mut self, day: u32) -> bool {
        let before = self.expired_total;
        self.expired_total += self.batches.iter().filter(|b| b.expiry <= day).map(|b| b.quantity).sum::<i64>();
        self.batches.retain(|batch| batch.expiry > day);
        self.expired_total > before
    }

    /// Takes `units` from the batches that expire first; what is missing was bought elsewhere and counted short.
    fn dispense(&mut self, units: i64) -> bool {
        let mut left = units;
        for batch in &mut self.batches {
            let taken = left.min(batch.quantity);
            batch.quantity -= taken;
            left -= taken;
        }
        self.batches.retain(|batch| batch.quantity > 0);
        self.dispensed_total += units - left;
        self.short_total += left;
        units > 0
    }
}

impl Entity for Stock {
    fn writes(&self) -> &[Instant] {
        &self.writes
    }

    fn document(&self, until: Instant) -> Document {
        let updated = self.updated(until).unwrap_or(self.writes[0]);
        let at = self.writes.partition_point(|written| *written < until).saturating_sub(1);
        let shelf = &self.shelves[at];
        let (code, name, form, price, _) = MEDICINES[self.medicine];
        let mut dice = Dice::new(self.seed, Topic::Stock, self.facility as u64 | 1 << 32, self.medicine as u64);
        let money = Money::throw(&mut dice);
        let batches: Vec<Bson> = shelf
            .batches
            .iter()
            .map(|batch| {
                Bson::Document(doc! {
                    "batch_no": batch.number.as_str(),
                    "quantity": batch.quantity as i32,
                    "unit_cost": money.of(batch.cost),
                    "received_at": date(batch.received),
                    "expires_on": date(start_of(batch.expiry)),
                })
            })
            .collect();
        let reorder = if day_of(updated) >= mess::FRACTIONAL_REORDER_FROM {
            Bson::Double(self.reorder_level as f64 + 0.5)
        } else {
            Bson::Int32(self.reorder_level as i32)
        };
        let mut document = doc! {
            "_id": self.id,
            "facility": { "id": facility_id(self.facility), "city": facilities::place(self.facility).0 },
            "medicine": { "code": code, "name": name, "form": form },
            "unit_price": money.of(price),
            "quantity_on_hand": shelf.on_hand() as i32,
            "reorder_level": reorder,
            "batches": batches,
            "on_order": shelf.ordered.map_or(Bson::Null, |(quantity, day)| {
                Bson::Document(doc! { "quantity": quantity as i32, "expected_on": date(start_of(day)) })
            }),
            "received_total": shelf.received_total as i32,
            "dispensed_total": shelf.dispensed_total as i32,
            "short_total": shelf.short_total as i32,
            "expired_total": shelf.expired_total as i32,
            "storage": if form == "pen" || form == "vial" { Bson::from("cold chain") } else { mess::void(&mut dice) },
            "shelf": { "Rack No.": format!("R{}", dice.between(1, 20)), "Bin": dice.between(1, 40) as i32 },
        };
        Stamp::Date.put(&mut document, self.writes[0], updated.max(self.writes[0]));
        document
    }
}
