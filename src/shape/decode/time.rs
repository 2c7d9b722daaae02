//! Timestamps in milliseconds.

use super::values::Fixed;
use crate::shape::canonical::time::Clock;
use crate::shape::misfits::Row;
use crate::shape::privacy::Privacy;
use crate::shape::raw::Value;
use arrow::array::{ArrayRef, TimestampMillisecondArray};
use std::sync::Arc;

/// Builds timestamp columns.
#[derive(Debug)]
pub struct Times {
    pub(super) values: Fixed<i64>,
    pub(super) clock: Clock,
}

impl Times {
    pub(super) fn new(clock: Clock) -> Self {
        Self { values: Fixed::default(), clock }
    }

    pub(super) fn append<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        let Some(value) = value else { return self.values.push_option(None) };
        let (ms, counted) = match value {
            Value::Date(ms) => (Some(ms), false),
            Value::Timestamp { seconds, increment } => (Some(i64::from(seconds) * 1000), increment != 0),
            _ => (None, false),
        };
        let placed = ms.and_then(|ms| self.clock.place(ms));
        match placed {
            None => row.refuse(value, privacy),
            Some(placed) if counted || placed.repeated => row.misfit(value, privacy),
            Some(_) => {}
        }
        self.values.push_option(placed.map(|placed| placed.value));
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let (values, valid) = self.values.finish();
        let times = TimestampMillisecondArray::new(values.into(), valid);
        Arc::new(times.with_timezone_opt((!self.clock.local).then_some("UTC")))
    }
}
