//! Booleans and numbers.

use super::values::{Fixed, Validity};
use crate::model::column::{DECIMAL_PRECISION, DECIMAL_SCALE};
use crate::shape::canonical::decimal::{Decimal, Fit, Number, double_of, scaled_double};
use crate::shape::misfits::Row;
use crate::shape::privacy::Privacy;
use crate::shape::raw::Value;
use arrow::array::{ArrayRef, BooleanArray, BooleanBufferBuilder, Decimal128Array, Float64Array, Int64Array};
use arrow::error::ArrowError;
use std::sync::Arc;

/// Builds boolean columns.
#[derive(Debug)]
pub struct Booleans {
    values: BooleanBufferBuilder,
    valid: Validity,
}

impl Default for Booleans {
    fn default() -> Self {
        Self { values: BooleanBufferBuilder::new(0), valid: Validity::default() }
    }
}

impl Booleans {
    pub(super) fn push_option(&mut self, value: Option<bool>) {
        self.values.append(value.unwrap_or_default());
        self.valid.push(value.is_some());
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.values.truncate(rows);
        self.valid.truncate(rows);
    }

    pub(super) fn append<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        let fitting = match value {
            Some(Value::Boolean(b)) => Some(b),
            Some(other) => {
                row.refuse(other, privacy);
                None
            }
            None => None,
        };
        self.push_option(fitting);
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        Arc::new(BooleanArray::new(self.values.finish(), self.valid.finish()))
    }
}

/// Builds bigint columns.
#[derive(Debug, Default)]
pub struct Integers(pub(super) Fixed<i64>);

impl Integers {
    pub(super) fn append<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        let fitting = match value {
            Some(Value::Int32(i)) => Some(i64::from(i)),
            Some(Value::Int64(i)) => Some(i),
            Some(other) => {
                row.refuse(other, privacy);
                None
            }
            None => None,
        };
        self.0.push_option(fitting);
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let (values, valid) = self.0.finish();
        Arc::new(Int64Array::new(values.into(), valid))
    }
}

/// Builds double columns; an integer whose digits are not the double's keeps its exact value beside.
#[derive(Debug, Default)]
pub struct Doubles(pub(super) Fixed<f64>);

impl Doubles {
    pub(super) fn append<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        let fitting = match value {
            Some(Value::Double(x)) => Some(x),
            Some(Value::Int32(i)) => Some(f64::from(i)),
            Some(exact @ Value::Int64(i)) => {
                if double_of(i).is_none() {
                    row.misfit(exact, privacy);
                }
                Some(i as f64)
            }
            Some(other) => {
                row.refuse(other, privacy);
                None
            }
            None => None,
        };
        self.0.push_option(fitting);
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let (values, valid) = self.0.finish();
        Arc::new(Float64Array::new(values.into(), valid))
    }
}

/// Builds decimal(38,10) columns.
#[derive(Debug, Default)]
pub struct Decimals(pub(super) Fixed<i128>);

impl Decimals {
    pub(super) fn append<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        let Some(value) = value else { return self.0.push_option(None) };
        let fit = match value {
            Value::Int32(i) => Fit::Exact(i128::from(i) * 10_i128.pow(DECIMAL_SCALE.unsigned_abs().into())),
            Value::Int64(i) => Fit::Exact(i128::from(i) * 10_i128.pow(DECIMAL_SCALE.unsigned_abs().into())),
            Value::Double(x) => match scaled_double(x) {
                Some(scaled) => Fit::Exact(scaled),
                None => fit(Decimal::from_double(x)),
            },
            Value::Decimal(bytes) => fit(Decimal::from_bytes(bytes)),
            _ => Fit::Overflow,
        };
        match fit {
            Fit::Exact(_) => {}
            Fit::Rounded(_) => row.misfit(value, privacy),
            Fit::Overflow => row.refuse(value, privacy),
        }
        self.0.push_option(match fit {
            Fit::Exact(scaled) | Fit::Rounded(scaled) => Some(scaled),
            Fit::Overflow => None,
        });
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let (values, valid) = self.0.finish();
        let decimals = Decimal128Array::try_new(values.into(), valid)?;
        Ok(Arc::new(decimals.with_precision_and_scale(DECIMAL_PRECISION, DECIMAL_SCALE)?))
    }
}

fn fit(number: Decimal) -> Fit {
    match number {
        Decimal::Finite(number) => Number::fit(&number),
        Decimal::Infinite(_) | Decimal::NaN => Fit::Overflow,
    }
}
