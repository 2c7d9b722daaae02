//! Partition projection: Athena works out which partitions there are instead of asking the catalog.
//!
//! What is projected is what Athena looks at, so that a partition outside of it is not seen, without a word. Therefore a
//! key whose folders Athena cannot spell is refused, and everything that stays unseen is named.

use super::collection::{PartitionKey, PartitionUnit};
use chrono::{DateTime, Datelike, NaiveDate, Utc};
use std::collections::BTreeSet;

/// Values that are listed, at most; of more, each query has to name one.
const ENUM_MAX: usize = 200;

/// Partitions that Athena reads in one query, at most.
const PARTITIONS_MAX: u64 = 1_000_000;

/// The last hour of a year with four digits: no format of a key has room for more.
const LAST: &str = "9999-12-31T23";

/// The folder of rows that have no value.
const NOWHERE: &str = "__HIVE_DEFAULT_PARTITION__";

/// Hours by which any zone is ahead of Athena's clock, at most, rounded up.
const HOURS_AHEAD: i64 = 15;

/// How one key is projected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectedKey {
    /// Name of the key.
    pub name: String,
    /// Its values.
    pub range: Range,
}

/// The values of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// Times.
    Date {
        /// In the key's own format.
        from: String,
        /// Relative to the time of the query; in the key's own format where that would be after the year 9999.
        to: String,
        /// As Java writes it.
        format: &'static str,
        /// `DAYS`
        unit: &'static str,
    },
    /// These.
    Enum(Vec<String>),
    /// Whatever a query asks for; each has to ask for one.
    Injected,
}

/// How a table is projected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// In folder order.
    pub keys: Vec<ProjectedKey>,
    /// What a person has to know before using it, a sentence each.
    pub warnings: Vec<String>,
}

/// Why a table cannot be projected: the key, and how many of its values Athena would look for in other folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Name of the key.
    pub key: String,
    /// Values that are spelled otherwise in their folders.
    pub escaped: usize,
}

/// The projection of a table with `keys` and the partitions `folders`, as they stand in the lake, at the time `now`.
///
/// # Errors
/// A key has values whose folders are spelled otherwise: Athena puts values into the location as they are.
pub fn project(keys: &[PartitionKey], folders: &[String], now: DateTime<Utc>) -> Result<Projection, Refusal> {
    let mut projection = Projection::default();
    let mut partitions: u64 = 1;
    for (at, key) in keys.iter().enumerate() {
        let value = |folder: &str| folder.split('/').nth(at)?.split_once('=').map(|(_, value)| value.to_owned());
        let mut values: BTreeSet<String> = folders.iter().filter_map(|folder| value(folder)).collect();
        let escaped = values.iter().filter(|value| value.contains('%')).count();
        if escaped > 0 {
            return Err(Refusal { key: key.name.clone(), escaped });
        }
        let range = match time(key.unit) {
            Some(time) => {
                if values.remove(NOWHERE) {
                    projection.warnings.push(format!(
                        "rows without a value of `{}` are not seen by Athena: they are in the folder {NOWHERE}",
                        key.name
                    ));
                }
                let (range, times) = time.range(&values, now);
                partitions = partitions.saturating_mul(times);
                range
            }
            None if values.is_empty() || values.len() > ENUM_MAX => {
                projection.warnings.push(format!("every query has to ask for one value of `{}`", key.name));
                Range::Injected
            }
            None => {
                projection.warnings.push(format!(
                    "a value of `{}` that is not among these {} is not seen by Athena until the statement is made again",
                    key.name,
                    values.len()
                ));
                partitions = partitions.saturating_mul(values.len() as u64);
                Range::Enum(values.into_iter().collect())
            }
        };
        projection.keys.push(ProjectedKey { name: key.name.clone(), range });
    }
    if partitions > PARTITIONS_MAX {
        let keys: Vec<String> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
        projection.warnings.push(format!(
            "this makes {partitions} partitions, of which Athena reads {PARTITIONS_MAX} in one query at most: correct \
             dates that are far off at the source, such as 9999-12-31, or narrow {} in every query",
            keys.join(", ")
        ));
    }
    Ok(projection)
}

/// A key that is cut from a time.
struct Time {
    format: &'static str,
    unit: &'static str,
    /// How a first of January goes on after its year.
    january: &'static str,
    /// Hours of a unit.
    hours: i64,
}

fn time(unit: PartitionUnit) -> Option<Time> {
    let (format, unit, january, hours) = match unit {
        PartitionUnit::Year => ("yyyy", "YEARS", "", 8_784),
        PartitionUnit::Month => ("yyyy-MM", "MONTHS", "-01", 744),
        PartitionUnit::Day => ("yyyy-MM-dd", "DAYS", "-01-01", 24),
        PartitionUnit::Hour => ("yyyy-MM-dd'T'HH", "HOURS", "-01-01T00", 1),
        PartitionUnit::Value => return None,
    };
    Some(Time { format, unit, january, hours })
}

impl Time {
    /// From the first of January before the first value, so that what is entered late is seen too, to as far ahead again
    /// as the last value is ahead of now; and how many times there are in it.
    fn range(&self, values: &BTreeSet<String>, now: DateTime<Utc>) -> (Range, u64) {
        let year =
            values.first().and_then(|value| value.get(..4)).map_or_else(|| format!("{:04}", now.year()), str::to_owned);
        let from = format!("{year}{}", self.january);
        let now = now.timestamp().div_euclid(3600);
        let ahead = values.last().and_then(|value| hour(value)).map_or(0, |last| last - now);
        let ahead = (2 * ahead).max(HOURS_AHEAD).div_euclid(self.hours) + 1;
        let end = now + ahead * self.hours;
        let (end, to) = match hour(LAST) {
            Some(last) if end > last => (last, LAST.chars().take(from.len()).collect()),
            _ => (end, format!("NOW+{ahead}{}", self.unit)),
        };
        let times = (end - hour(&from).unwrap_or(now)).div_euclid(self.hours) + 1;
        (Range::Date { from, to, format: self.format, unit: self.unit }, u64::try_from(times).unwrap_or(1))
    }
}

/// The hour since 1970 that a value begins with: `2024`, `2024-05`, `2024-05-01`, `2024-05-01T13`.
fn hour(value: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| value.get(range).and_then(|digits| digits.parse::<u32>().ok());
    let year: i32 = value.get(..4)?.parse().ok()?;
    let day = NaiveDate::from_ymd_opt(year, number(5..7).unwrap_or(1), number(8..10).unwrap_or(1))?;
    let midnight = day.and_hms_opt(0, 0, 0)?.and_utc().timestamp().div_euclid(3600);
    Some(midnight + i64::from(number(11..13).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::collection::FieldPath;

    fn key(name: &str, unit: PartitionUnit) -> PartitionKey {
        PartitionKey { name: name.into(), unit, path: FieldPath(vec!["x".into()]) }
    }

    fn now() -> DateTime<Utc> {
        "2024-05-10T12:00:00Z".parse().unwrap()
    }

    fn dates(unit: PartitionUnit, values: &[&str]) -> (String, String) {
        let folders: Vec<String> = values.iter().map(|value| format!("k={value}")).collect();
        match project(&[key("k", unit)], &folders, now()).unwrap().keys.remove(0).range {
            Range::Date { from, to, .. } => (from, to),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn times_are_seen_from_the_year_of_the_first_to_beyond_the_last() {
        let range = |unit, values: &[&str]| dates(unit, values);
        let is = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(range(PartitionUnit::Day, &["2023-03-04", "2024-05-10"]), is("2023-01-01", "NOW+1DAYS"));
        // Appointments ten days ahead: twice that.
        assert_eq!(range(PartitionUnit::Day, &["2024-05-20"]), is("2024-01-01", "NOW+20DAYS"));
        assert_eq!(range(PartitionUnit::Month, &["2024-05"]), is("2024-01", "NOW+1MONTHS"));
        assert_eq!(range(PartitionUnit::Year, &["2019"]), is("2019", "NOW+1YEARS"));
        assert_eq!(range(PartitionUnit::Hour, &["2024-05-10T11"]), is("2024-01-01T00", "NOW+16HOURS"));
        assert_eq!(range(PartitionUnit::Day, &[]), is("2024-01-01", "NOW+1DAYS"));
    }

    #[test]
    fn a_date_that_stands_for_never_is_the_last_there_is() {
        let to = |unit, value: &str| dates(unit, &["2024-05-10T12", value]).1;
        assert_eq!(to(PartitionUnit::Day, "9999-12-31"), "9999-12-31");
        assert_eq!(to(PartitionUnit::Month, "9999-12"), "9999-12");
        assert_eq!(to(PartitionUnit::Year, "9999"), "9999");
        assert_eq!(to(PartitionUnit::Hour, "9999-12-31T00"), "9999-12-31T23");
        assert_eq!(to(PartitionUnit::Year, "2030"), "NOW+12YEARS");

        let warnings = |folders: &[&str]| {
            let folders: Vec<String> = folders.iter().map(|&folder| folder.to_owned()).collect();
            project(&[key("k", PartitionUnit::Day)], &folders, now()).unwrap().warnings
        };
        assert!(warnings(&["k=2024-05-01", "k=2034-05-01"]).is_empty());
        let many = warnings(&["k=2024-05-01", "k=9999-12-31"]);
        assert_eq!(many.len(), 1, "{many:?}");
        assert!(many[0].contains("this makes 2913174 partitions") && many[0].contains("`k`"), "{many:?}");
    }

    #[test]
    fn values_are_listed_or_asked_for_or_refused() {
        let keys = [key("date", PartitionUnit::Day), key("site", PartitionUnit::Value)];
        let folder = |site: &str| format!("date=2024-05-01/site={site}");
        let folders = vec![folder("B"), folder("A"), folder(NOWHERE), format!("date={NOWHERE}/site=A")];
        let projection = project(&keys, &folders, now()).unwrap();
        assert_eq!(projection.keys[1].range, Range::Enum(vec!["A".into(), "B".into(), NOWHERE.into()]));
        assert_eq!(projection.warnings.len(), 2, "{:?}", projection.warnings);
        assert!(projection.warnings[0].contains("rows without a value of `date` are not seen"));

        let many: Vec<String> = (0..=ENUM_MAX).map(|site| folder(&site.to_string())).collect();
        assert_eq!(project(&keys, &many, now()).unwrap().keys[1].range, Range::Injected);
        let escaped = [folder("A"), folder("A%2FB"), folder("%C3%A9")];
        assert_eq!(project(&keys, &escaped, now()), Err(Refusal { key: "site".into(), escaped: 2 }));
    }
}
