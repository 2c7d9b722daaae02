//! The laboratory: tests ordered in an encounter, their results, and amendments.

use super::calendar::{DAY, HOUR, Instant, MINUTE, date, day_of};
use super::care::{Encounter, Kind};
use super::catalog::{CULTURE, DEPARTMENTS, TESTS};
use super::dice::{Dice, Topic};
use super::entity::Entity;
use super::facilities;
use super::hospital::Hospital;
use super::mess::{self, Stamp};
use super::people::Identity;
use bson::{Bson, Document, doc};

/// One test of one encounter.
pub struct LabResult<'a> {
    hospital: &'a Hospital,
    encounter: Encounter,
    part: u64,
    test: usize,
    ordered: Instant,
    collected: Instant,
    reported: Instant,
    amended: Option<Instant>,
    stamp: Stamp,
    writes: Vec<Instant>,
}

/// The tests ordered in an encounter, as indexes into [`TESTS`], all different.
pub fn tests_of(seed: u64, encounter: &Encounter) -> Vec<usize> {
    let mut dice = encounter.dice(seed, Topic::Lab, 0);
    let count = match encounter.kind {
        Kind::Outpatient => dice.weighted(&[55, 30, 15]),
        Kind::Emergency => dice.weighted(&[20, 40, 40]),
        Kind::Inpatient => dice.weighted(&[5, 30, 40, 25]),
    };
    let mut tests = Vec::with_capacity(count);
    for _ in 0..count {
        let test = dice.below(TESTS.len());
        if !tests.contains(&test) {
            tests.push(test);
        }
    }
    tests
}

impl<'a> LabResult<'a> {
    /// All results of an encounter.
    pub fn all_of(hospital: &'a Hospital, encounter: &Encounter) -> Vec<Self> {
        let tests = tests_of(hospital.seed, encounter);
        tests.into_iter().zip(1..).map(|(test, part)| Self::new(hospital, *encounter, test, part)).collect()
    }

    fn new(hospital: &'a Hospital, encounter: Encounter, test: usize, part: u64) -> Self {
        let mut dice = encounter.dice(hospital.seed, Topic::Lab, part);
        // In a bed, tests are spread over the first days.
        let later = if encounter.kind == Kind::Inpatient { (part as i64 - 1) * DAY } else { 0 };
        let ordered = (encounter.seen + later).min(encounter.ended) + dice.between(2, 7) * MINUTE;
        let collected = ordered + dice.between(8, 70) * MINUTE;
        let reported = collected + TESTS[test].minutes * dice.between(60, 190) / 100 * MINUTE;
        let stamp = Stamp::throw(&mut dice);
        let amended = (stamp.shows_changes() && dice.chance(30)).then(|| reported + dice.between(2 * HOUR, 3 * DAY));
        let writes = if stamp.shows_changes() {
            [ordered, collected, reported].into_iter().chain(amended).collect()
        } else {
            // An analyser's import: it appears when it is finished, and stays.
            vec![reported]
        };
        Self { hospital, encounter, part, test, ordered, collected, reported, amended, stamp, writes }
    }

    /// The measured value as the analyser writes it, and its flag.
    fn value(&self, until: Instant, dice: &mut Dice) -> (Bson, &'static str) {
        if self.test == CULTURE {
            return match dice.weighted(&[82, 12, 6]) {
                0 => ("No growth".into(), "normal"),
                1 => ("Escherichia coli".into(), "abnormal"),
                _ => ("Staphylococcus aureus".into(), "abnormal"),
            };
        }
        let (low, high) = TESTS[self.test].range;
        let spread = (high - low).max(2);
        let mut hundredths = dice.between((low - spread / 3).max(0), high + spread / 2);
        if self.amended.is_some_and(|at| at < until) {
            hundredths += spread / 4;
        }
        let flag = match hundredths {
            v if v < low => "low",
            v if v > high => "high",
            _ => "normal",
        };
        let number = hundredths as f64 / 100.0;
        let value = match dice.weighted(&[84, 7, 5, 4]) {
            0 => Bson::Double(number),
            1 => Bson::String(format!("{number}")),
            2 => Bson::Int32(number as i32),
            _ if flag == "high" => Bson::String(format!(">{}", high / 100)),
            _ => Bson::Double(number),
        };
        (value, flag)
    }
}

impl Entity for LabResult<'_> {
    fn writes(&self) -> &[Instant] {
        &self.writes
    }

    fn document(&self, until: Instant) -> Document {
        let (e, seed, test) = (&self.encounter, self.hospital.seed, &TESTS[self.test]);
        let mut dice = e.dice(seed, Topic::Lab, self.part + 100);
        let patient = Identity::of(self.hospital, e.patient);
        let created = self.writes[0];
        let mut document = doc! {
            "_id": mess::object_id(created, &mut dice),
            "order_no": format!("{}-{}", e.number("L"), self.part),
            "visit_id": mess::reference(e.visit_id(seed), &mut dice),
            "patient": { "id": mess::reference(patient.id, &mut dice), "name": patient.full_name() },
            "facility": facilities::embedded(e.facility, day_of(created), &mut dice),
            "department": DEPARTMENTS[e.department].name,
            "test": { "code": test.code, "name": test.name },
            "priority": if e.kind == Kind::Emergency { "stat" } else { "routine" },
            "ordered_at": date(self.ordered),
        };
        let status = match (self.reported < until, self.amended.is_some_and(|at| at < until)) {
            (_, true) => "amended",
            (true, false) => "final",
            (false, false) if self.collected < until => "collected",
            (false, false) => "ordered",
        };
        document.insert("status", status);
        if self.collected < until {
            document.insert("collected_at", date(self.collected));
        }
        if self.reported < until {
            let (value, flag) = self.value(until, &mut dice);
            let (low, high) = (test.range.0 as f64 / 100.0, test.range.1 as f64 / 100.0);
            document.insert("reported_at", date(self.reported));
            document.insert("result", doc! { "value": value, "unit": test.unit, "flag": flag });
            document.insert(
                "reference",
                match self.test {
                    CULTURE => mess::void(&mut dice),
                    _ if dice.chance(80) => Bson::String(format!("{low}-{high}")),
                    _ => Bson::Document(doc! { "low": low, "high": high }),
                },
            );
            let mut flags = Document::new();
            if flag == "high" || flag == "low" {
                let spelling = [format!("{}.{flag}", test.code), format!("{} {flag}", test.name), flag.to_uppercase()];
                flags.insert(spelling[dice.weighted(&[50, 30, 20])].clone(), true);
            }
            document.insert("flags", flags);
        }
        self.stamp.put(&mut document, created, self.updated(until).unwrap_or(created));
        document
    }
}
