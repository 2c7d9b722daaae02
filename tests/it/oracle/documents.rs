//! Documents of a hospital that cannot agree on anything, each with what the test knows about it beforehand: its
//! modified time and its partition, so that the oracle parses no time and no path.

use super::expected::Clock;
use chrono::{DateTime, Days, FixedOffset, NaiveDate, SecondsFormat, TimeZone};
use mongodb::bson::{Bson, DateTime as BsonTime, Document, Timestamp, Uuid, doc, oid::ObjectId};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// A partition without a usable value.
const NOWHERE: &str = "__HIVE_DEFAULT_PARTITION__";

/// How a table is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One file.
    Whole,
    /// `date=day(created_at)`
    ByDay,
    /// `month=month(created_at)/ward=facility.ward`
    ByMonthAndWard,
}

impl Layout {
    /// As the manifest writes it.
    pub fn partition_by(self) -> &'static str {
        match self {
            Layout::Whole => "",
            Layout::ByDay => "date=day(created_at)",
            Layout::ByMonthAndWard => "month=month(created_at)/ward=facility.ward",
        }
    }

    /// Names of the partition keys.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Layout::Whole => &[],
            Layout::ByDay => &["date"],
            Layout::ByMonthAndWard => &["month", "ward"],
        }
    }
}

/// A document and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// As it stands at the source.
    pub document: Document,
    /// The modified time that the manifest's timestamp column gives.
    pub modified_ms: Option<i64>,
    /// As late as it may have been, where the column is coarser than a millisecond.
    pub modified_by_ms: Option<i64>,
    /// `date=2024-05-01`
    pub partition: String,
}

/// Draws documents.
pub struct Author<'r> {
    /// The dice.
    pub rng: &'r mut ChaCha8Rng,
    /// Zone of times without one.
    pub clock: Clock,
    /// How the table is cut.
    pub layout: Layout,
    /// How many values in a hundred are of an unusual kind.
    pub wild: u32,
    /// The test's own time, milliseconds.
    pub now_ms: i64,
}

impl Author<'_> {
    fn wild(&mut self) -> bool {
        self.rng.random_ratio(self.wild, 100)
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices.choose(self.rng).expect("there are choices").clone()
    }

    /// An id that no other call gives; `number` is new each time.
    pub fn id(&mut self, number: i64, mixed: bool) -> Bson {
        if !mixed {
            return Bson::ObjectId(self.object_id(number));
        }
        match self.rng.random_range(0..8) {
            0 | 1 => Bson::ObjectId(self.object_id(number)),
            2 => Bson::Int32(i32::try_from(number).expect("few documents")),
            3 => Bson::Int64(number),
            4 => Bson::Double(number as f64 + 0.5),
            5 => Bson::Binary(Uuid::from_bytes((number as u128).to_be_bytes()).into()),
            6 => Bson::String(format!("P-{number}")),
            // Texts that read as another kind: numbers (also one that is an id), ObjectIds, the beginnings of JSON.
            _ => Bson::String(match (number - 1, number % 3) {
                (before, 0) => before.to_string(),
                (before, 1) => format!("{before:024x}"),
                (before, _) => format!("{{{before}"),
            }),
        }
    }

    /// ObjectIds carry a time in seconds; some are old.
    fn object_id(&mut self, number: i64) -> ObjectId {
        let age_ms = self.pick(&[0, 0, 5 * 60_000, 86_400_000]);
        let seconds = u32::try_from((self.now_ms - age_ms) / 1000).expect("this century");
        let [_, _, _, a, b, c, d, e] = number.to_be_bytes();
        let [s, t, u, v] = seconds.to_be_bytes();
        ObjectId::from_bytes([s, t, u, v, 0xfe, 0xed, 0x01, a, b, c, d, e])
    }

    /// A new reading of the document `id`.
    pub fn write(&mut self, id: Bson) -> Known {
        let (stamp, stamped) = self.modified();
        let modified = stamped.or_else(|| match &id {
            Bson::ObjectId(id) => Some(within(id.timestamp().timestamp_millis(), 1000)),
            _ => None,
        });
        let (created, created_ms) = self.created();
        let (ward, ward_text) = self.ward();
        let mut document = doc! { "_id": id };
        let mut put = |name: &str, value: Option<Bson>| {
            if let Some(value) = value {
                document.insert(name, value);
            }
        };
        put("updated_at", stamp);
        put("created_at", created);
        put("facility", ward.map(|ward| Bson::Document(doc! { "ward": ward, "Beds": 4 })));
        put("amount", self.amount());
        put("Patient Name", self.name());
        put("tags", self.tags());
        put("visit", self.visit());
        put("ward", self.rng.random_bool(0.3).then(|| Bson::String("not the key".to_owned())));
        let partition = self.partition(created_ms, ward_text.as_deref());
        let (modified_ms, modified_by_ms) = modified.unzip();
        Known { document, modified_ms, modified_by_ms, partition }
    }

    fn partition(&self, created_ms: Option<i64>, ward: Option<&str>) -> String {
        let wall = created_ms.map(|millis| self.wall(millis));
        let cut = |format: &str| wall.map_or(NOWHERE.to_owned(), |wall| wall.format(format).to_string());
        match self.layout {
            Layout::Whole => String::new(),
            Layout::ByDay => format!("date={}", cut("%Y-%m-%d")),
            Layout::ByMonthAndWard => format!("month={}/ward={}", cut("%Y-%m"), ward.unwrap_or(NOWHERE)),
        }
    }

    fn wall(&self, millis: i64) -> DateTime<chrono_tz::Tz> {
        DateTime::from_timestamp_millis(millis).expect("a year of our time").with_timezone(&self.clock.zone)
    }

    fn midnight(&self, day: NaiveDate) -> i64 {
        let midnight = day.and_hms_opt(0, 0, 0).expect("midnight");
        let start = self.clock.zone.from_local_datetime(&midnight).single().expect("no change of clocks then");
        start.timestamp_millis()
    }

    /// A last-modified value and the times it may stand for, first and last: around now, some minutes or days ago (a
    /// correction that only a full run sees), in the future, in every kind that can hold a time, or none.
    fn modified(&mut self) -> (Option<Bson>, Option<(i64, i64)>) {
        const MINUTE: i64 = 60_000;
        let ago = self.pick(&[0, 0, 0, 0, 5 * MINUTE, 20 * MINUTE, 3 * 24 * 60 * MINUTE, -60 * MINUTE]);
        let at = self.now_ms - ago;
        let exact = Some((at, at));
        if !self.wild() {
            return (Some(time(at)), exact);
        }
        let second = at.div_euclid(1000);
        let seconds = u32::try_from(second).expect("this century");
        let whole = Some(within(second * 1000, 1000));
        let offset = FixedOffset::east_opt(5 * 3600 + 1800).expect("an offset of this world");
        match self.rng.random_range(0..15) {
            0 => (Some(Bson::Timestamp(Timestamp { time: seconds, increment: 0 })), whole),
            1 => (Some(Bson::Int64(at)), exact),
            2 => (Some(Bson::Int32(i32::try_from(second).expect("before 2038"))), whole),
            3 => (Some(Bson::Double(at as f64)), exact),
            4 => (Some(Bson::Decimal128(second.to_string().parse().expect("a number"))), whole),
            5 => {
                let text = utc(at).to_rfc3339_opts(SecondsFormat::Millis, true);
                (Some(Bson::String(text)), exact)
            }
            6 => {
                let text = offset.timestamp_millis_opt(at).single().expect("one time").to_rfc3339();
                // It says no milliseconds when there are none.
                (Some(Bson::String(text)), if at % 1000 == 0 { whole } else { exact })
            }
            7 => {
                let text = self.wall(at).format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
                (Some(Bson::String(text)), exact)
            }
            8 => {
                let wall = self.wall(at);
                let day = Some((self.midnight(wall.date_naive()), self.midnight(wall.date_naive() + Days::new(1)) - 1));
                (Some(Bson::String(wall.format("%Y-%m-%d").to_string())), day)
            }
            9 => (Some(Bson::ObjectId(ObjectId::from_parts(seconds, [7; 5], [1, 2, 3]))), whole),
            10 => (Some(Bson::Array(vec![time(at - 3_600_000), time(at)])), exact),
            11 => (Some(Bson::String("yesterday, I think".to_owned())), None),
            12 => (Some(Bson::Boolean(true)), None),
            13 => (Some(Bson::Null), None),
            _ => (None, None),
        }
    }

    fn created(&mut self) -> (Option<Bson>, Option<i64>) {
        // A few days on both sides of midnight in all zones, and of the end of a month.
        const BASE: i64 = 1_717_180_200_000;
        let at = BASE + self.rng.random_range(-6..=6) * 4 * 3_600_000;
        if !self.wild() {
            return (Some(time(at)), Some(at));
        }
        match self.rng.random_range(0..5) {
            0 => (Some(Bson::Int64(at)), Some(at)),
            1 => (Some(Bson::String(utc(at).to_rfc3339_opts(SecondsFormat::Secs, true))), Some(at)),
            2 => (Some(Bson::String("unknown".to_owned())), None),
            3 => (Some(Bson::Document(doc! {})), None),
            _ => (None, None),
        }
    }

    fn ward(&mut self) -> (Option<Bson>, Option<String>) {
        if !self.wild() {
            let ward = self.pick(&["icu", "er"]);
            return (Some(Bson::String(ward.to_owned())), Some(ward.to_owned()));
        }
        match self.rng.random_range(0..6) {
            0 => (Some(Bson::String("Süd 1/a".to_owned())), Some("S%C3%BCd%201%2Fa".to_owned())),
            1 => (Some(Bson::Int32(7)), Some("7".to_owned())),
            2 => (Some(Bson::Double(7.0)), Some("7".to_owned())),
            3 => (Some(Bson::Boolean(true)), Some("true".to_owned())),
            4 => (Some(Bson::Null), None),
            _ => (None, None),
        }
    }

    fn amount(&mut self) -> Option<Bson> {
        let eighths = self.rng.random_range(-80..800);
        if !self.wild() {
            return Some(Bson::Int32(eighths));
        }
        match self.rng.random_range(0..7) {
            0 => Some(Bson::Int64(i64::from(eighths))),
            // Halves of halves are exact in every type a number can get.
            1 => Some(Bson::Double(f64::from(eighths) / 8.0)),
            2 => Some(Bson::Decimal128(format!("{eighths}.50").parse().expect("a number"))),
            // One more than a double can tell apart.
            3 => Some(Bson::Int64(9_007_199_254_740_993)),
            4 => Some(Bson::String("free".to_owned())),
            5 => Some(Bson::Null),
            _ => None,
        }
    }

    fn name(&mut self) -> Option<Bson> {
        let name = self.pick(&["Asha", "Ravi", "Meena"]).to_owned();
        if !self.wild() {
            return Some(Bson::String(name));
        }
        match self.rng.random_range(0..4) {
            0 => Some(Bson::Int32(17)),
            1 => Some(Bson::Document(doc! { "First": name, "last": "Rao" })),
            2 => Some(time(1_700_000_000_000)),
            _ => None,
        }
    }

    fn tags(&mut self) -> Option<Bson> {
        let number = self.rng.random_range(1..4);
        if !self.wild() {
            return Some(Bson::Array((0..number).map(|n| Bson::String(format!("t{n}"))).collect()));
        }
        match self.rng.random_range(0..7) {
            0 => Some(Bson::String("alone".to_owned())),
            1 => Some(Bson::Array(vec![doc! { "code": number, "note": "n" }.into(), "beside".into()])),
            2 => Some(Bson::Array(vec![Bson::Null, Bson::Int32(number), Bson::Document(doc! {})])),
            3 => Some(Bson::Array(vec![Bson::Array(vec![Bson::Int32(1), Bson::Null]), Bson::Int32(number)])),
            4 => Some(Bson::Array(vec![])),
            5 => Some(Bson::Array(vec![Bson::Null, Bson::Array(vec![])])),
            _ => None,
        }
    }

    fn visit(&mut self) -> Option<Bson> {
        let age = self.rng.random_range(0..90);
        let place = doc! { "City": "Pune", "pin": 411_001 };
        if !self.wild() {
            return Some(Bson::Document(doc! { "age": age, "address": place, "walk-in": age % 2 == 0 }));
        }
        match self.rng.random_range(0..6) {
            0 => Some(Bson::Document(doc! { "age": format!("{age} yrs"), "address": Bson::Null })),
            1 => {
                Some(Bson::Document(doc! { "age": f64::from(age) + 0.5, "late": { "seen": time(1_700_000_000_500) } }))
            }
            2 => Some(Bson::String("N/A".to_owned())),
            3 => Some(Bson::Document(doc! {})),
            4 => Some(Bson::Document(doc! { "address": [place, "elsewhere"] })),
            _ => None,
        }
    }
}

/// What was cut to `unit` milliseconds.
fn within(first: i64, unit: i64) -> (i64, i64) {
    (first, first + unit - 1)
}

fn time(millis: i64) -> Bson {
    Bson::DateTime(BsonTime::from_millis(millis))
}

fn utc(millis: i64) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp_millis(millis).expect("a year of our time")
}
