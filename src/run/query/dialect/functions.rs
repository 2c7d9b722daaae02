//! Functions that Athena has and DataFusion has not.

use arrow::array::{Array, ArrayRef, Int64Array, StringBuilder, TimestampMillisecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime};
use datafusion::common::cast::{as_list_array, as_string_array, as_timestamp_millisecond_array};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

const MILLIS: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// The units of `date_diff`, as Trino lists them.
const UNITS: [&str; 9] = ["millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"];

/// `date_diff(unit, from, to)`, `day_of_week(time)` and `array_join(list, delimiter[, missing])`.
pub(in crate::run::query) fn all() -> [ScalarUDF; 3] {
    let of_times =
        |which| ScalarUDF::from(OfTimes { which, signature: Signature::user_defined(Volatility::Immutable) });
    let array_join = ScalarUDF::from(ArrayJoin(Signature::variadic_any(Volatility::Immutable)));
    [of_times(Which::DateDiff), of_times(Which::DayOfWeek), array_join]
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
        let args = ColumnarValue::values_to_arrays(&args.args)?;
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Which {
    DateDiff,
    DayOfWeek,
}

/// A function of times, which are days too, and of any precision: what is finer than a millisecond makes no difference.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OfTimes {
    which: Which,
    signature: Signature,
}

impl ScalarUDFImpl for OfTimes {
    fn name(&self) -> &str {
        match self.which {
            Which::DateDiff => "date_diff",
            Which::DayOfWeek => "day_of_week",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        use DataType::{Date32, Date64, LargeUtf8, Null, Timestamp, Utf8, Utf8View};
        let is_text = |kind: &DataType| matches!(kind, Utf8 | LargeUtf8 | Utf8View | Null);
        let is_time = |kind: &DataType| matches!(kind, Timestamp(..) | Date32 | Date64 | Null);
        match (self.which, given) {
            (Which::DateDiff, [unit, from, to]) if is_text(unit) && is_time(from) && is_time(to) => {
                Ok(vec![Utf8, MILLIS, MILLIS])
            }
            (Which::DateDiff, _) => plan_err!("date_diff takes a unit and two times, as date_diff('day', a, b)"),
            (Which::DayOfWeek, [time]) if is_time(time) => Ok(vec![MILLIS]),
            (Which::DayOfWeek, _) => plan_err!("day_of_week takes one time"),
        }
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        // A unit is written down in the query nearly always, so that it is known to be none before a row is read.
        if self.which == Which::DateDiff
            && let Some(Some(unit)) = args.scalar_arguments.first().and_then(|unit| (*unit)?.try_as_str())
            && !UNITS.contains(&unit.to_ascii_lowercase().as_str())
        {
            return plan_err!("date_diff knows no `{unit}`, but {}", UNITS.join(", "));
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Int64, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns: Vec<ArrayRef> =
            args.args.iter().map(|arg| arg.to_array_of_size(args.number_rows)).collect::<Result<_>>()?;
        match (self.which, columns.as_slice()) {
            (Which::DateDiff, [unit, from, to]) => date_diff(as_string_array(unit)?.iter(), from, to),
            (Which::DayOfWeek, [time]) => day_of_week(time),
            _ => exec_err!("{} is called with {} values", self.name(), columns.len()),
        }
    }
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
        _ => return exec_err!("date_diff knows no such unit, but {}", UNITS.join(", ")),
    })
}

/// A month is over on the same day of a later one, or on the last day of one that has no such day: from 31 January to
/// 29 February it is one.
fn months(from: i64, to: i64) -> i64 {
    if from > to {
        return -months(to, from);
    }
    let (Some(from), Some(to)) = (moment(from), moment(to)) else { return 0 };
    let of = |t: NaiveDateTime| i64::from(t.year()) * 12 + i64::from(t.month0());
    let day = if is_last_of_its_month(to.date()) { from.day().min(to.day()) } else { from.day() };
    let begun = (to.day(), to.time()) < (day, from.time());
    of(to) - of(from) - i64::from(begun)
}

fn is_last_of_its_month(day: NaiveDate) -> bool {
    day.succ_opt().is_none_or(|next| next.day() == 1)
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
