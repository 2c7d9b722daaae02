//! The figures of a chart, worked out from the rows of its query by what the query's first lines say; knows nothing of the
//! page.

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What is left out of a chart.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filters<'a> {
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
    pub facility: Option<&'a str>,
}

/// A query and its rows.
pub struct Answer {
    front: BTreeMap<String, String>,
    pub rows: Vec<Map<String, Value>>,
}

/// A cell as text, as a key of the chart.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::String(text) => text.parse().expect("a number"),
        other => other.as_f64().expect("a number"),
    }
}

impl Answer {
    pub fn new(sql: &str, rows: Vec<Map<String, Value>>) -> Self {
        let lines = sql.lines().map_while(|line| line.strip_prefix("-- ")?.split_once(": "));
        Self { front: lines.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect(), rows }
    }

    /// A line of the query's first ones.
    pub fn front(&self, key: &str) -> Option<&str> {
        self.front.get(key).map(String::as_str)
    }

    /// Whether the page can be narrowed by that.
    pub fn is_narrowed_by(&self, filters: &Filters<'_>) -> bool {
        let dated = filters.from.is_some() || filters.to.is_some();
        (dated && self.front("date").is_some()) || (filters.facility.is_some() && self.front("facility").is_some())
    }

    fn narrowed(&self, filters: &Filters<'_>) -> Vec<&Map<String, Value>> {
        let kept = |row: &&Map<String, Value>| {
            let day = self.front("date").map(|column| text(&row[column]));
            // A month is compared with the month of the filter.
            let in_time = day.is_none_or(|day| {
                let cut = |filter: &str| filter.chars().take(day.chars().count()).collect::<String>();
                filters.from.is_none_or(|from| day >= cut(from)) && filters.to.is_none_or(|to| day <= cut(to))
            });
            let there = self
                .front("facility")
                .is_none_or(|column| filters.facility.is_none_or(|facility| text(&row[column]) == facility));
            in_time && there
        };
        self.rows.iter().filter(kept).collect()
    }

    /// The column that parts the bars or lines; doughnuts and plain bars have none.
    fn series(&self) -> Option<&str> {
        self.front("series").filter(|_| !["bar", "doughnut"].contains(&self.front("chart").expect("a chart")))
    }

    /// What `measure` is over `rows`; none when it divides by nothing.
    fn measured(measure: &str, rows: &[&Map<String, Value>]) -> Option<f64> {
        let mut value = 1.0;
        let mut divides = false;
        for word in measure.split_whitespace() {
            match word {
                "*" => divides = false,
                "/" => divides = true,
                word => {
                    let sum = || rows.iter().map(|row| number(&row[word])).sum::<f64>();
                    let operand: f64 = word.parse().unwrap_or_else(|_| sum());
                    value = if divides { value / operand } else { value * operand };
                }
            }
        }
        value.is_finite().then_some(value)
    }

    /// Every figure by the name of its dataset and its key on the axis.
    pub fn figures(&self, filters: &Filters<'_>) -> BTreeMap<(String, String), Option<f64>> {
        let rows = self.narrowed(filters);
        let x = self.front("x").expect("an x");
        let measures: Vec<&str> = self.front("y").expect("a y").split(',').map(str::trim).collect();
        let keys: BTreeSet<String> = rows.iter().map(|row| text(&row[x])).collect();
        let mut figures = BTreeMap::new();
        for key in keys {
            let of_key: Vec<_> = rows.iter().copied().filter(|row| text(&row[x]) == key).collect();
            match self.series() {
                None => {
                    for measure in &measures {
                        figures.insert(((*measure).to_owned(), key.clone()), Self::measured(measure, &of_key));
                    }
                }
                Some(series) => {
                    let all: BTreeSet<String> = rows.iter().map(|row| text(&row[series])).collect();
                    for one in all {
                        let both: Vec<_> = of_key.iter().copied().filter(|row| text(&row[series]) == one).collect();
                        let value = if both.is_empty() { None } else { Self::measured(measures[0], &both) };
                        figures.insert((one, key.clone()), value);
                    }
                }
            }
        }
        figures
    }

    /// The figure of all series but the `named` ones together.
    pub fn others(&self, filters: &Filters<'_>, named: &[String], key: &str) -> Option<f64> {
        let (x, series) = (self.front("x")?, self.series()?);
        let rest: Vec<_> = self
            .narrowed(filters)
            .into_iter()
            .filter(|row| text(&row[x]) == key && !named.contains(&text(&row[series])))
            .collect();
        if rest.is_empty() { None } else { Self::measured(self.front("y")?, &rest) }
    }
}
