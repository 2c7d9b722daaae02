//! From the rows of a query to the sums that a page can be narrowed by.

use super::front::Front;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::dashboard::{Cell, Grid};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
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
    // What is no number must not become a sum without it.
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    // Arrow quotes the value, and no filter finds the end of one that holds an apostrophe (P10).
    cast_with_options(column, to, &strict).map_err(|_| {
        Error::new(Kind::Input, "it holds what is no such value")
            .context(format!("{file}: column `{name}` as {to}"))
            .hint("cast it in the query; TRY_CAST gives NULL for what cannot be cast")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, Float64Array, Int64Array, StringArray, StructArray};
    use std::sync::Arc;

    fn front() -> Front {
        let text = "-- title: T\n-- subject: s\n-- question: Q?\n-- chart: bar\n-- x: ward\n-- y: net / bills\n\
                    -- series: kind\n-- date: date\n-- facility: facility_id\nSELECT 1";
        Front::of(text, "q.sql").unwrap()
    }

    fn texts<const N: usize>(values: [Option<&str>; N]) -> ArrayRef {
        Arc::new(StringArray::from_iter(values))
    }

    fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .unwrap()
    }

    fn three_rows(net: ArrayRef) -> RecordBatch {
        rows(vec![
            ("date", texts([Some("2024-05-01"), Some("2024-05-01"), None])),
            ("facility_id", texts([Some("F"), Some("F"), None])),
            ("ward", texts([Some("ICU"), Some("ICU"), None])),
            ("kind", texts([Some("new"), Some("new"), None])),
            ("bills", Arc::new(Int64Array::from(vec![Some(2), None, Some(1)]))),
            ("net", net),
        ])
    }

    fn places(cells: Vec<Cell>) -> Vec<(String, Vec<f64>)> {
        let text = |cell: &Cell| format!("{:?} {:?} {} {:?}", cell.date, cell.facility, cell.x, cell.series);
        cells.into_iter().map(|cell| (text(&cell), cell.sums)).collect()
    }

    #[test]
    fn rows_of_one_place_are_added_up_over_batches_and_what_is_missing_has_a_name() {
        let mut cells = Cells::default();
        // 12.50, 0.25 and nothing, as a sum of money comes.
        let net = Decimal128Array::from(vec![Some(1250), Some(25), None]).with_precision_and_scale(38, 2).unwrap();
        cells.add(&three_rows(Arc::new(net)), &front(), "q").unwrap();
        cells.add(&three_rows(Arc::new(Float64Array::from(vec![1.0, 1.0, 0.5]))), &front(), "q").unwrap();
        let expected = [
            (r#"Some("(none)") Some("(none)") (none) Some("(none)")"#.to_owned(), vec![0.5, 2.0]),
            (r#"Some("2024-05-01") Some("F") ICU Some("new")"#.to_owned(), vec![14.75, 4.0]),
        ];
        assert_eq!(places(cells.into_cells()), expected);
    }

    #[test]
    fn numbers_and_days_on_an_axis_are_texts() {
        let front = Front { x: Some("hour".into()), summed: vec!["n".into()], ..Front::default() };
        let mut cells = Cells::default();
        let hours: ArrayRef = Arc::new(Int64Array::from(vec![9, 10]));
        cells.add(&rows(vec![("hour", Arc::clone(&hours)), ("n", hours)]), &front, "q").unwrap();
        let expected = [("None None 10 None".to_owned(), vec![10.0]), ("None None 9 None".to_owned(), vec![9.0])];
        assert_eq!(places(cells.into_cells()), expected);
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_with_the_column_and_the_file() {
        let refusal = |rows: &RecordBatch| {
            let error = Cells::default().add(rows, &front(), "money/net.sql").unwrap_err();
            assert_eq!(error.kind(), Kind::Input);
            format!("{error}; {}", error.hint_text().unwrap_or_default())
        };
        let whole = three_rows(texts([None, None, None]));
        let lacks = whole.project(&[0, 1, 2, 3, 4]).unwrap();
        assert_eq!(
            refusal(&lacks),
            "money/net.sql: the query gives no column `net`; correct the front matter, or give the column that name with AS"
        );
        let words = refusal(&three_rows(texts([Some("12.5"), Some("O'Brien's"), None])));
        assert!(words.starts_with("money/net.sql: column `net` as Float64"), "{words}");
        assert!(!words.contains("Brien"), "{words}");
        let document = StructArray::from(vec![(
            Arc::new(arrow::datatypes::Field::new("a", DataType::Utf8, true)),
            texts([None, None, None]),
        )]);
        let documents = refusal(&three_rows(Arc::new(document)));
        assert!(documents.starts_with("money/net.sql: column `net` as Float64"), "{documents}");
        // Texts of numbers are numbers.
        Cells::default().add(&three_rows(texts([Some("12.5"), None, None])), &front(), "q").unwrap();
    }

    #[test]
    fn a_table_shows_its_rows_as_texts_and_names_are_pairs() {
        let batch = rows(vec![
            ("id", texts([Some("F1"), Some("F2")])),
            ("name", texts([Some("Adyar"), None])),
            ("n", Arc::new(Int64Array::from(vec![None, Some(7)]))),
        ]);
        let mut shown = Grid { columns: vec![], rows: vec![] };
        grid(&mut shown, &batch).unwrap();
        assert_eq!(shown.columns, ["id", "name", "n"]);
        assert_eq!(shown.rows, [["F1", "Adyar", ""], ["F2", "", "7"]]);

        let pairs = Front { names: Some(("id".into(), "name".into())), ..Front::default() };
        let pair = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        assert_eq!(names(&batch, &pairs, "q").unwrap(), [pair("F1", "Adyar"), pair("F2", "(none)")]);
        assert_eq!(names(&batch, &Front::default(), "q").unwrap(), []);
        let wrong = Front { names: Some(("id".into(), "nme".into())), ..Front::default() };
        assert!(names(&batch, &wrong, "q").unwrap_err().to_string().contains("no column `nme`"));
    }
}
