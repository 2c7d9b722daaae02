//! Timestamps in milliseconds.

use crate::shape::canonical::time::Clock;
use crate::shape::misfits::Row;
use crate::shape::privacy::Privacy;
use crate::shape::raw::Value;
use arrow::array::{ArrayRef, TimestampMillisecondBuilder};
use std::sync::Arc;

/// Builds timestamp columns.
#[derive(Debug)]
pub struct Times {
    values: TimestampMillisecondBuilder,
    clock: Clock,
}

impl Times {
    pub(super) fn new(clock: Clock) -> Self {
        Self { values: TimestampMillisecondBuilder::new(), clock }
    }

    pub(super) fn append<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        let Some(value) = value else { return self.values.append_null() };
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
        self.values.append_option(placed.map(|placed| placed.value));
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        Arc::new(self.values.finish().with_timezone_opt((!self.clock.local).then_some("UTC")))
    }
}
