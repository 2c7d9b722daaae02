//! From the rows of a query to the sums that a page can be narrowed by.

use super::front::Front;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::dashboard::{Cell, Grid};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::collections::BTreeMap;

/// What a value that is missing is called.
const NONE: &str = "(none)";

/// Where a cell stands: day, facility, x, series.
type Place = (Option<String>, Option<String>, String, Option<String>);

/// The cells of a chart, row by row summed up.
#[derive(Debug, Default)]
pub(super) struct Cells(BTreeMap<Place, Vec<f64>>);

impl Cells {
    /// Takes in the rows of a batch.
    pub fn add(&mut self, rows: &RecordBatch, front: &Front, file: &str) -> Result<()> {
        let texts = |name: &Option<String>| name.as_ref().map(|name| text(rows, name, file)).transpose();
        let (date, facility, series) = (texts(&front.date)?, texts(&front.facility)?, texts(&front.series)?);
        let Some(x) = texts(&front.x)? else { return Ok(()) };
        let summed: Vec<ArrayRef> =
            front.summed.iter().map(|name| typed(rows, name, &DataType::Float64, file)).collect::<Result<_>>()?;
        for row in 0..rows.num_rows() {
            let of = |column: &Option<ArrayRef>| column.as_ref().map(|column| value(column, row));
            let place = (of(&date), of(&facility), value(&x, row), of(&series));
            let sums = self.0.entry(place).or_insert_with(|| vec![0.0; summed.len()]);
            for (sum, column) in sums.iter_mut().zip(&summed) {
                let column = column.as_primitive::<Float64Type>();
                if column.is_valid(row) {
                    *sum += column.value(row);
                }
            }
        }
        Ok(())
    }

    /// The sums, in the order of their places.
    pub fn into_cells(self) -> Vec<Cell> {
        let cell = |((date, facility, x, series), sums)| Cell { date, facility, x, series, sums };
        self.0.into_iter().map(cell).collect()
    }
}

/// The names that `front` says a query gives.
pub(super) fn names(rows: &RecordBatch, front: &Front, file: &str) -> Result<Vec<(String, String)>> {
    let Some((id, name)) = &front.names else { return Ok(Vec::new()) };
    let (id, name) = (text(rows, id, file)?, text(rows, name, file)?);
    Ok((0..rows.num_rows()).map(|row| (value(&id, row), value(&name, row))).collect())
}

/// The rows as texts.
pub(super) fn grid(grid: &mut Grid, rows: &RecordBatch) -> Result<()> {
    let what = "write the rows of a table";
    grid.columns = rows.schema().fields().iter().map(|field| field.name().clone()).collect();
    let options = FormatOptions::default();
    let columns: Vec<ArrayFormatter<'_>> = rows
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<std::result::Result<_, _>>()
        .or_error(Kind::Lake, what)?;
    for row in 0..rows.num_rows() {
        grid.rows.push(columns.iter().map(|column| column.value(row).to_string()).collect());
    }
    Ok(())
}

fn value(column: &ArrayRef, row: usize) -> String {
    let column = column.as_string::<i32>();
    if column.is_null(row) { NONE.to_owned() } else { column.value(row).to_owned() }
}

fn text(rows: &RecordBatch, name: &str, file: &str) -> Result<ArrayRef> {
    typed(rows, name, &DataType::Utf8, file)
}

fn typed(rows: &RecordBatch, name: &str, to: &DataType, file: &str) -> Result<ArrayRef> {
    let column = rows.column_by_name(name).ok_or_else(|| {
        Error::new(Kind::Input, format!("{file}: the query gives no column `{name}`"))
            .hint("correct the front matter, or give the column that name with AS")
    })?;
    cast(column, to).or_error(Kind::Input, format!("{file}: column `{name}` as {to}"))
}
