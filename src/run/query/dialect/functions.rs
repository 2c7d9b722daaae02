//! Functions that Athena has and DataFusion has not.

use arrow::array::{Array, ArrayRef, Int64Array, StringBuilder, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDateTime};
use datafusion::common::cast::{as_list_array, as_string_array, as_timestamp_millisecond_array};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, create_udf,
};
use std::sync::Arc;

const MILLIS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// `date_diff(unit, from, to)`, `day_of_week(time)` and `array_join(list, delimiter[, missing])`.
pub(in crate::run::query) fn all() -> [ScalarUDF; 3] {
    [
        create_udf(
            "date_diff",
            vec![DataType::Utf8, MILLIS, MILLIS],
            DataType::Int64,
            Volatility::Immutable,
            Arc::new(|args| {
                let [unit, from, to] = &arrays(args)?[..] else { return exec_err!("date_diff takes three values") };
                date_diff(as_string_array(unit)?.iter(), from, to)
            }),
        ),
        create_udf(
            "day_of_week",
            vec![MILLIS],
            DataType::Int64,
            Volatility::Immutable,
            Arc::new(|args| {
                let [time] = &arrays(args)?[..] else { return exec_err!("day_of_week takes one value") };
                day_of_week(time)
            }),
        ),
        ScalarUDF::from(ArrayJoin(Signature::variadic_any(Volatility::Immutable))),
    ]
}

/// The values of a list as one text. DataFusion's own knows neither times nor decimals.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ArrayJoin(Signature);

impl ScalarUDFImpl for ArrayJoin {
    fn name(&self) -> &'static str {
        "array_join"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [DataType::List(_), DataType::Utf8, ..] if args.len() <= 3 => Ok(DataType::Utf8),
            _ => plan_err!("array_join takes a list, a text between its values, and a text for those that are missing"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let args = arrays(&args.args)?;
        let [list, between, missing @ ..] = args.as_slice() else { return exec_err!("array_join takes two values") };
        let texts = cast(list, &DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))?;
        let (texts, between) = (as_list_array(&texts)?, as_string_array(between)?);
        let missing = missing.first().map(|missing| as_string_array(missing)).transpose()?;
        let mut joined = StringBuilder::new();
        for row in 0..texts.len() {
            if texts.is_null(row) || between.is_null(row) {
                joined.append_null();
                continue;
            }
            let values = texts.value(row);
            let missing = missing.filter(|missing| missing.is_valid(row)).map(|missing| missing.value(row));
            let values: Vec<&str> = as_string_array(&values)?.iter().filter_map(|value| value.or(missing)).collect();
            joined.append_value(values.join(between.value(row)));
        }
        Ok(ColumnarValue::Array(Arc::new(joined.finish())))
    }
}

fn arrays(args: &[ColumnarValue]) -> Result<Vec<ArrayRef>> {
    ColumnarValue::values_to_arrays(args)
}

/// Whole units from one time to another, cut towards zero, as Trino counts them.
fn date_diff<'a>(
    units: impl Iterator<Item = Option<&'a str>>,
    from: &ArrayRef,
    to: &ArrayRef,
) -> Result<ColumnarValue> {
    let (from, to) = (as_timestamp_millisecond_array(from)?, as_timestamp_millisecond_array(to)?);
    let rows = units.zip(from).zip(to).map(|row| match row {
        ((Some(unit), Some(from)), Some(to)) => difference(unit, from, to).map(Some),
        _ => Ok(None),
    });
    Ok(ColumnarValue::Array(Arc::new(rows.collect::<Result<Int64Array>>()?)))
}

fn difference(unit: &str, from: i64, to: i64) -> Result<i64> {
    const SECOND: i64 = 1000;
    let span = to.saturating_sub(from);
    Ok(match unit.to_ascii_lowercase().as_str() {
        "millisecond" => span,
        "second" => span / SECOND,
        "minute" => span / (60 * SECOND),
        "hour" => span / (3600 * SECOND),
        "day" => span / (86_400 * SECOND),
        "week" => span / (7 * 86_400 * SECOND),
        "month" => months(from, to),
        "quarter" => months(from, to) / 3,
        "year" => months(from, to) / 12,
        _ => return exec_err!("date_diff knows millisecond, second, minute, hour, day, week, month, quarter and year"),
    })
}

fn months(from: i64, to: i64) -> i64 {
    if from > to {
        return -months(to, from);
    }
    let (Some(from), Some(to)) = (moment(from), moment(to)) else { return 0 };
    let of = |t: NaiveDateTime| i64::from(t.year()) * 12 + i64::from(t.month0());
    let begun = (to.day(), to.time()) < (from.day(), from.time());
    of(to) - of(from) - i64::from(begun)
}

fn moment(millis: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_millis(millis).map(|t| t.naive_utc())
}

/// Monday is 1, Sunday 7.
fn day_of_week(times: &ArrayRef) -> Result<ColumnarValue> {
    let times: &TimestampMillisecondArray = as_timestamp_millisecond_array(times)?;
    let days: Int64Array =
        times.iter().map(|time| Some(i64::from(moment(time?)?.weekday().number_from_monday()))).collect();
    Ok(ColumnarValue::Array(Arc::new(days)))
}
