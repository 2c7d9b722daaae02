//! What a dashboard shows: the answers of the queries of a folder, ready to be drawn.

use serde::Serialize;
use std::collections::BTreeMap;

/// A page of charts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Dashboard {
    /// Name of the environment.
    pub environment: String,
    /// RFC 3339, UTC.
    pub made_at: String,
    /// The name each facility goes by.
    pub facilities: BTreeMap<String, String>,
    /// In the order in which they are shown.
    pub charts: Vec<Chart>,
}

/// How an answer is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChartKind {
    /// A bar for each value of x.
    Bar,
    /// A bar for each value of x, made of its series.
    StackedBar,
    /// Points over x, a line for each series.
    Line,
    /// Shares of a whole.
    Doughnut,
    /// The rows themselves.
    Table,
}

/// The answer of one query.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// The query's file below its folder, without `.sql`.
    pub name: String,
    /// What the chart is called.
    pub title: String,
    /// Charts of one subject stand together.
    pub subject: String,
    /// What it answers.
    pub question: String,
    /// How it is drawn.
    pub kind: ChartKind,
    /// Of the measures, as `INR` or `percent`.
    pub unit: Option<String>,
    /// What the columns of [`Cell`] are called.
    pub x: Option<String>,
    /// As `x`.
    pub series: Option<String>,
    /// Whether the cells have a day, so that the page can be narrowed to some of them.
    pub dated: bool,
    /// Whether the cells have a facility.
    pub by_facility: bool,
    /// What is drawn, each made of sums.
    pub measures: Vec<Measure>,
    /// Names of the columns that are summed.
    pub summed: Vec<String>,
    /// The answer, as coarse as the page can use it.
    pub cells: Vec<Cell>,
    /// The rows of a table.
    pub table: Option<Grid>,
    /// The query.
    pub sql: String,
}

/// Sums for one day, facility, x and series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// `2024-05-01`, or what the query gives instead.
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The facility's id.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    pub facility: Option<String>,
    /// Where it stands on the axis.
    #[serde(rename = "x")]
    pub x: String,
    /// Which line or part of a bar it belongs to.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// One for each of [`Chart::summed`].
    #[serde(rename = "v")]
    pub sums: Vec<f64>,
}

/// A number worked out from sums, so that it stays right whatever they are narrowed to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measure {
    /// As the query's front matter writes it.
    pub label: String,
    /// Worked out from left to right, beginning with 1.
    pub terms: Vec<Term>,
}

/// A factor or divisor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Term {
    /// Whether it divides.
    pub divides: bool,
    /// What it is.
    #[serde(flatten)]
    pub of: Operand,
}

/// What a term is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operand {
    /// The sum at that place of [`Chart::summed`].
    Sum(usize),
    /// A number.
    Number(f64),
}

/// Rows as they are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grid {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Texts of the rows.
    pub rows: Vec<Vec<String>>,
}
