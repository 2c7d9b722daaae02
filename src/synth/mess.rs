//! The mess of a real hospital, each kind in one place and on purpose.
//!
//! Several billing systems, data typed by hand, a migration half done: the same fact is written in different ways.
//! The facts themselves stay consistent, so that questions about the hospital keep exact answers.

use super::calendar::{self, Instant, date, text};
use super::dice::Dice;
use bson::{Bson, Decimal128, Document, doc, oid::ObjectId};

/// The day from which new admissions to the books describe allergies as documents.
pub const STRUCTURED_ALLERGIES_FROM: u32 = 30;
/// The day from which patients carry their national health id (a late field).
pub const HEALTH_ID_FROM: u32 = 40;
/// The day from which bills carry an e-invoice: the first field that only `--advance` brings.
pub const E_INVOICE_FROM: u32 = 60;
/// The day from which purchasing writes reorder levels as doubles, not integers.
pub const FRACTIONAL_REORDER_FROM: u32 = 61;

/// How one system writes money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Money {
    /// Decimal128 with two places.
    Decimal,
    /// A double.
    Double,
    /// Whole rupees as an integer where there are no paise, else a double.
    Whole,
}

impl Money {
    /// The system a document was written by.
    pub fn throw(dice: &mut Dice) -> Self {
        [Self::Decimal, Self::Double, Self::Whole][dice.weighted(&[70, 22, 8])]
    }

    /// `paise` as this system writes it.
    pub fn of(self, paise: i64) -> Bson {
        match self {
            Self::Decimal => decimal(paise),
            Self::Whole if paise % 100 == 0 => Bson::Int64(paise / 100),
            Self::Double | Self::Whole => Bson::Double(paise as f64 / 100.0),
        }
    }
}

/// The IEEE 754-2008 bytes of `paise / 100`: coefficient, and exponent -2 in the biased field.
fn decimal(paise: i64) -> Bson {
    const EXPONENT_BIAS: u128 = 6176;
    let sign = u128::from(paise < 0) << 127;
    let bits = sign | ((EXPONENT_BIAS - 2) << 113) | u128::from(paise.unsigned_abs());
    Bson::Decimal128(Decimal128::from_bytes(bits.to_le_bytes()))
}

/// An age as the front desk typed it: `45`, `"45 yrs"`, `"45"` or `45.0`.
pub fn age(years: i64, dice: &mut Dice) -> Bson {
    match dice.weighted(&[72, 16, 8, 4]) {
        0 => Bson::Int32(years as i32),
        1 => Bson::String(format!("{years} yrs")),
        2 => Bson::String(years.to_string()),
        _ => Bson::Double(years as f64),
    }
}

/// A day of birth: usually a date, sometimes what stood on the form.
pub fn birth(at: Instant, dice: &mut Dice) -> Bson {
    match dice.weighted(&[90, 6, 4]) {
        0 => Bson::DateTime(date(at)),
        1 => Bson::String(text(at, "%d/%m/%Y")),
        _ => Bson::String(text(at, "%Y-%m-%d")),
    }
}

/// The day on which a facility with an even number took the group's name.
pub fn renamed_on(facility: usize) -> u32 {
    20 + (facility as u32 % 4) * 7
}

/// The name of a facility as some system remembers it on `day`: it was renamed, and is abbreviated and shouted.
pub fn facility_name(place: (&str, &str, &str, &str), facility: usize, day: u32, dice: &mut Dice) -> String {
    let (city, locality, ..) = place;
    let renamed = day >= renamed_on(facility);
    let plain = if facility.is_multiple_of(2) && renamed {
        format!("Lakeview Hospital, {locality}")
    } else if facility.is_multiple_of(2) {
        format!("Lake View Hospital {locality}")
    } else {
        format!("Lakeview Medical Centre, {city}")
    };
    match dice.weighted(&[86, 5, 5, 4]) {
        0 => plain,
        1 => plain.to_uppercase(),
        2 => plain.replace("Hospital", "Hosp.").replace("Medical Centre", "Med. Ctr"),
        _ => format!("{plain} "),
    }
}

/// How a document says when it was last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// `updated_at` is a date.
    Date,
    /// A string with the zone, without it, or with a compact offset.
    Text(&'static str),
    /// Milliseconds as an integer.
    Millis,
    /// `updated_at` is missing: the document comes from an import and never changes.
    Missing,
    /// `updated_at` is null, likewise.
    Null,
}

impl Stamp {
    /// Mostly dates; the analysers and imports of a laboratory write what they like.
    pub fn throw(dice: &mut Dice) -> Self {
        match dice.weighted(&[900, 15, 15, 10, 10, 35, 15]) {
            0 => Self::Date,
            1 => Self::Text("%Y-%m-%dT%H:%M:%S%:z"),
            2 => Self::Text("%Y-%m-%d %H:%M:%S"),
            3 => Self::Text("%Y-%m-%dT%H:%M:%S%z"),
            4 => Self::Millis,
            5 => Self::Missing,
            _ => Self::Null,
        }
    }

    /// Whether a change could be told from the document; if not, it must be written once only.
    pub fn shows_changes(self) -> bool {
        !matches!(self, Self::Missing | Self::Null)
    }

    /// Puts `created_at` and `updated_at` at the end of `document`.
    pub fn put(self, document: &mut Document, created: Instant, updated: Instant) {
        document.insert("created_at", date(created));
        let value = match self {
            Self::Date => Bson::DateTime(date(updated)),
            Self::Text(pattern) => Bson::String(text(updated, pattern)),
            Self::Millis => Bson::Int64(updated),
            Self::Null => Bson::Null,
            Self::Missing => return,
        };
        document.insert("updated_at", value);
    }
}

/// A sub-document that nobody filled in: `{}`, `[]` or null.
pub fn void(dice: &mut Dice) -> Bson {
    [Bson::Document(Document::new()), Bson::Array(Vec::new()), Bson::Null][dice.below(3)].clone()
}

/// A reference to a document: the id, or its hex text from a system that knows only strings.
pub fn reference(id: ObjectId, dice: &mut Dice) -> Bson {
    if dice.chance(40) { Bson::String(id.to_hex()) } else { Bson::ObjectId(id) }
}

/// Vital signs, with the keys of three monitors: dots, spaces and other capitals.
pub fn vitals(pulse: i32, systolic: i32, diastolic: i32, celsius: f64, dice: &mut Dice) -> Bson {
    let vitals = match dice.weighted(&[70, 12, 10, 8]) {
        0 => doc! { "pulse": pulse, "bp": { "systolic": systolic, "diastolic": diastolic }, "temperature_c": celsius },
        1 => doc! { "Pulse": pulse, "BP.systolic": systolic, "BP.diastolic": diastolic, "Temp (C)": celsius },
        2 => doc! { "Pulse Rate": pulse, "bp": format!("{systolic}/{diastolic}"), "temperature_c": celsius },
        _ => return void(dice),
    };
    Bson::Document(vitals)
}

/// An id that carries the time of the insert; the rest makes it unique among documents of the same second.
pub fn object_id(created: Instant, dice: &mut Dice) -> ObjectId {
    let [a, b, c, d, e, f, g, h] = dice.bytes();
    let seconds = u32::try_from(created.div_euclid(1000)).unwrap_or(0);
    ObjectId::from_parts(seconds, [a, b, c, d, e], [f, g, h])
}

/// Whether a late field has arrived by the time `created` of a document.
pub fn since(day: u32, created: Instant) -> bool {
    calendar::day_of(created) >= day
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::dice::Topic;

    #[test]
    fn money_is_exact_in_every_spelling() {
        assert_eq!(Money::Decimal.of(123_450).to_string(), "1234.50");
        assert_eq!(Money::Decimal.of(-5).to_string(), "-0.05");
        assert_eq!(Money::Double.of(123_450), Bson::Double(1234.5));
        assert_eq!(Money::Whole.of(123_400), Bson::Int64(1234));
        assert_eq!(Money::Whole.of(123_450), Bson::Double(1234.5));
    }

    #[test]
    fn ids_carry_the_time_of_the_insert() {
        let mut dice = Dice::new(1, Topic::Bill, 0, 0);
        let created = calendar::start_of(3) + 1234;
        let id = object_id(created, &mut dice);
        assert_eq!(id.timestamp().timestamp_millis(), created / 1000 * 1000);
    }
}
