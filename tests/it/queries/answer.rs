//! An answer of the independent code, and its comparison with the rows of a query.

use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Text(String),
    Whole(i64),
    /// Money and other numbers with at most two decimals, exact.
    Hundredths(i128),
    /// A quotient.
    Real(f64),
    /// Sorted last.
    Null,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Cell {
    /// 1 when it is so: counts add these up.
    pub fn one_if(holds: bool) -> Self {
        Self::Whole(i64::from(holds))
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether there is a value.
    pub fn is_there(&self) -> bool {
        *self != Self::Null
    }

    /// This, or the other when there is none.
    pub fn or(self, other: impl Into<Self>) -> Self {
        if self.is_there() { self } else { other.into() }
    }

    /// The product of a number of things and what one of them costs.
    pub fn times(self, number: &Self) -> Self {
        match (self, number) {
            (Self::Hundredths(price), Self::Whole(number)) => Self::Hundredths(price * i128::from(*number)),
            _ => Self::Null,
        }
    }

    /// Adds another one: what is missing adds nothing, and nothing but missing ones stay missing.
    fn add(&mut self, other: Self) {
        *self = match (std::mem::replace(self, Self::Null), other) {
            (Self::Null, other) | (other, Self::Null) => other,
            (Self::Whole(a), Self::Whole(b)) => Self::Whole(a + b),
            (Self::Hundredths(a), Self::Hundredths(b)) => Self::Hundredths(a + b),
            (a, b) => panic!("{a:?} and {b:?} do not add up"),
        };
    }

    /// Whether a query's value is this one. Texts and whole numbers are equal or not; doubles that were added up may be
    /// wrong far behind the second decimal.
    fn is(&self, value: &Value) -> bool {
        let number = || value.as_f64().or_else(|| value.as_str()?.parse().ok());
        match self {
            Self::Null => value.is_null(),
            Self::Text(text) => value.as_str() == Some(text),
            Self::Whole(whole) => value.as_i64() == Some(*whole),
            Self::Hundredths(exact) => {
                number().is_some_and(|number: f64| (number - *exact as f64 / 100.0).abs() < 1e-5)
            }
            Self::Real(real) => number().is_some_and(|number: f64| (number - real).abs() <= real.abs() * 1e-9),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Text(_) => 0,
            Self::Whole(_) => 1,
            Self::Hundredths(_) => 2,
            Self::Real(_) => 3,
            Self::Null => 4,
        }
    }
}

impl Eq for Cell {}

impl PartialOrd for Cell {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cell {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Whole(a), Self::Whole(b)) => a.cmp(b),
            (Self::Hundredths(a), Self::Hundredths(b)) => a.cmp(b),
            (Self::Real(a), Self::Real(b)) => a.total_cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// Rows in their order, with the names of their columns.
#[derive(Debug, PartialEq)]
pub struct Answer {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Answer {
    /// Rows as they are to come.
    pub fn of<const N: usize>(columns: [&'static str; N], rows: impl IntoIterator<Item = [Cell; N]>) -> Self {
        Self { columns: columns.to_vec(), rows: rows.into_iter().map(Vec::from).collect() }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What is wrong with a query's rows: the first one that differs, or their number.
    pub fn complaint(&self, rows: &[Map<String, Value>]) -> Option<String> {
        for (at, (expected, row)) in self.rows.iter().zip(rows).enumerate() {
            let names: Vec<&str> = row.keys().map(String::as_str).collect();
            let same_columns =
                names.len() == self.columns.len() && names.iter().all(|name| self.columns.contains(name));
            if !same_columns {
                return Some(format!("the columns are {names:?} and not {:?}", self.columns));
            }
            if let Some(column) = (0..expected.len()).find(|c| !expected[*c].is(&row[self.columns[*c]])) {
                let name = self.columns[column];
                return Some(format!("row {at}, {name}: the documents say {expected:?}, the query {row:?}"));
            }
        }
        let (expected, found) = (self.rows.len(), rows.len());
        let more = |rest: String| format!("{expected} rows by the documents, {found} by the query: {rest}");
        match (self.rows.get(found), rows.get(expected)) {
            (Some(missing), _) => Some(more(format!("{missing:?} is missing"))),
            (_, Some(extra)) => Some(more(format!("{extra:?} is too much"))),
            (None, None) => None,
        }
    }
}

/// Sums by group.
#[derive(Debug, Default)]
pub struct Sums<const KEYS: usize, const VALUES: usize>(BTreeMap<[Cell; KEYS], [Cell; VALUES]>);

impl<const KEYS: usize, const VALUES: usize> Sums<KEYS, VALUES> {
    /// None yet.
    pub fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds values to a group's.
    pub fn add(&mut self, group: [Cell; KEYS], values: [Cell; VALUES]) {
        let sums = self.0.entry(group).or_insert_with(|| std::array::from_fn(|_| Cell::Null));
        for (sum, value) in sums.iter_mut().zip(values) {
            sum.add(value);
        }
    }

    /// The sums of a group.
    pub fn of(&self, group: &[Cell; KEYS]) -> Option<&[Cell; VALUES]> {
        self.0.get(group)
    }

    /// All of them, in the order of their groups.
    pub fn all(&self) -> impl Iterator<Item = (&[Cell; KEYS], &[Cell; VALUES])> {
        self.0.iter()
    }

    /// A row for each group, in the order of the groups.
    pub fn answer<const ALL: usize>(self, columns: [&'static str; ALL]) -> Answer {
        assert_eq!(ALL, KEYS + VALUES);
        let rows = self.0.into_iter().map(|(group, sums)| group.into_iter().chain(sums).collect());
        Answer { columns: columns.to_vec(), rows: rows.collect() }
    }
}
