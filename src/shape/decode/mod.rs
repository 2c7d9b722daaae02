//! Raw values to Arrow columns, by builders made once per schema.
//!
//! What a column does with a value is decided when its builder is made; a row costs one pass over its fields.

mod express;
mod list;
mod map;
mod number;
mod record;
mod text;
mod time;
mod values;

pub use express::Express;
pub use record::Record;

use super::canonical::time::Clock;
use super::misfits::Row;
use super::privacy::Privacy;
use super::raw::Value;
use crate::model::column::ColumnType;
use arrow::array::ArrayRef;
use arrow::error::ArrowError;

/// Builds one column, or one part of it.
#[derive(Debug)]
pub enum Builder {
    /// Booleans.
    Boolean(number::Booleans),
    /// 64-bit integers.
    Bigint(number::Integers),
    /// Doubles.
    Double(number::Doubles),
    /// decimal(38,10)
    Decimal(number::Decimals),
    /// Milliseconds.
    Timestamp(time::Times),
    /// Canonical text.
    Text(text::Texts),
    /// JSON text.
    Json(text::Texts),
    /// Lists.
    List(Box<list::Lists>),
    /// Structs.
    Record(Record),
    /// Maps with text keys.
    Map(Box<map::Maps>),
}

impl Builder {
    /// A builder for a column of this type; `name` is the column's, which decides between fields that fold alike.
    pub fn new(kind: &ColumnType, clock: Clock) -> Self {
        match kind {
            ColumnType::Boolean => Self::Boolean(number::Booleans::default()),
            ColumnType::Bigint => Self::Bigint(number::Integers::default()),
            ColumnType::Double => Self::Double(number::Doubles::default()),
            ColumnType::Decimal => Self::Decimal(number::Decimals::default()),
            ColumnType::Timestamp => Self::Timestamp(time::Times::new(clock)),
            ColumnType::String => Self::Text(text::Texts::default()),
            ColumnType::Json => Self::Json(text::Texts::default()),
            ColumnType::List(element) => Self::List(Box::new(list::Lists::new(element, clock))),
            ColumnType::Struct(children) => Self::Record(Record::new(children, clock)),
            ColumnType::Map(value) => Self::Map(Box::new(map::Maps::new(value, clock))),
        }
    }

    /// Appends a value that is not void, or NULL.
    ///
    /// A value the column cannot hold becomes NULL and is kept among the row's misfits.
    pub fn append<'a>(&mut self, value: Option<Value<'a>>, privacy: Option<&Privacy>, row: &mut Row<'a>) {
        match self {
            Self::Boolean(builder) => builder.append(value, privacy, row),
            Self::Bigint(builder) => builder.append(value, privacy, row),
            Self::Double(builder) => builder.append(value, privacy, row),
            Self::Decimal(builder) => builder.append(value, privacy, row),
            Self::Timestamp(builder) => builder.append(value, privacy, row),
            Self::Text(builder) => builder.text(value, privacy, row),
            Self::Json(builder) => builder.json(value, privacy, row),
            Self::List(builder) => builder.append(value, privacy, row),
            Self::Record(builder) => builder.append(value, privacy, row),
            Self::Map(builder) => builder.append(value, privacy, row),
        }
    }

    /// Appends NULL.
    pub fn push_null(&mut self) {
        match self {
            Self::Boolean(builder) => builder.push_option(None),
            Self::Bigint(builder) => builder.0.push_option(None),
            Self::Double(builder) => builder.0.push_option(None),
            Self::Decimal(builder) => builder.0.push_option(None),
            Self::Timestamp(builder) => builder.values.push_option(None),
            Self::Text(builder) | Self::Json(builder) => builder.values.push_null(),
            Self::List(builder) => builder.ends.push(0, false),
            Self::Record(builder) => builder.push_null(),
            Self::Map(builder) => builder.push_null(),
        }
    }

    /// Forgets all values but the first `rows`.
    pub fn truncate(&mut self, rows: usize) {
        match self {
            Self::Boolean(builder) => builder.truncate(rows),
            Self::Bigint(builder) => builder.0.truncate(rows),
            Self::Double(builder) => builder.0.truncate(rows),
            Self::Decimal(builder) => builder.0.truncate(rows),
            Self::Timestamp(builder) => builder.values.truncate(rows),
            Self::Text(builder) | Self::Json(builder) => builder.values.truncate(rows),
            Self::List(builder) => builder.truncate(rows),
            Self::Record(builder) => builder.truncate(rows),
            Self::Map(builder) => builder.truncate(rows),
        }
    }

    /// The values appended so far as an array; the builder starts anew.
    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        match self {
            Self::Boolean(builder) => Ok(builder.finish()),
            Self::Bigint(builder) => Ok(builder.finish()),
            Self::Double(builder) => Ok(builder.finish()),
            Self::Decimal(builder) => builder.finish(),
            Self::Timestamp(builder) => Ok(builder.finish()),
            Self::Text(builder) | Self::Json(builder) => builder.finish(),
            Self::List(builder) => builder.finish(),
            Self::Record(builder) => builder.finish(),
            Self::Map(builder) => builder.finish(),
        }
    }
}
