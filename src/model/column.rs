//! Columns of a table: their types, and how Arrow and Athena spell them.

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Digits of a decimal column.
pub const DECIMAL_PRECISION: u8 = 38;
/// Digits after the point of a decimal column.
pub const DECIMAL_SCALE: i8 = 10;
/// The child of a struct that holds bare scalars seen beside documents.
pub const SCALARS: &str = "value_";

/// The type of a column or of a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// `boolean`
    Boolean,
    /// 64-bit integers.
    Bigint,
    /// 64-bit floating point.
    Double,
    /// `decimal(38,10)`
    Decimal,
    /// Milliseconds, UTC or wall clock by the table's settings.
    Timestamp,
    /// Canonical text of any scalar.
    String,
    /// JSON text of documents and lists that are not taken apart, beside canonical text of scalars; a string to readers.
    Json,
    /// A list of one type.
    List(Box<ColumnType>),
    /// A struct; children are only ever appended.
    Struct(Vec<Column>),
    /// Keys that are data, to values of one scalar type.
    Map(Box<ColumnType>),
}

/// A named column or struct child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Folded name, as it stands in the lake.
    pub name: String,
    /// The original names that share the column, the one that appeared first in front (of several, the
    /// column's own, else the bytewise smallest); none for [`SCALARS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub originals: Vec<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
}

impl Column {
    /// The spelling that wins when a document has several: the one equal to the column's name, else the bytewise smallest.
    pub fn spelling(&self) -> &str {
        self.originals.iter().find(|o| **o == self.name).or_else(|| self.originals.iter().min()).unwrap_or(&self.name)
    }

    /// The Arrow field; always nullable.
    pub fn arrow(&self, local: bool) -> Field {
        Field::new(&self.name, self.kind.arrow(local), true)
    }
}

impl ColumnType {
    /// The Arrow type; `local` decides whether times are wall clock.
    pub fn arrow(&self, local: bool) -> DataType {
        match self {
            ColumnType::Boolean => DataType::Boolean,
            ColumnType::Bigint => DataType::Int64,
            ColumnType::Double => DataType::Float64,
            ColumnType::Decimal => DataType::Decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, (!local).then(|| "UTC".into())),
            ColumnType::String | ColumnType::Json => DataType::Utf8,
            ColumnType::List(element) => DataType::List(Arc::new(Field::new("element", element.arrow(local), true))),
            ColumnType::Struct(children) => {
                DataType::Struct(children.iter().map(|child| child.arrow(local)).collect::<Fields>())
            }
            ColumnType::Map(value) => {
                let entry =
                    vec![Field::new("key", DataType::Utf8, false), Field::new("value", value.arrow(local), true)];
                DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entry.into()), false)), false)
            }
        }
    }

    /// Columns that hold values: one for each path down to a scalar.
    pub fn leaves(&self) -> usize {
        match self {
            ColumnType::List(element) => element.leaves(),
            ColumnType::Struct(children) => children.iter().map(|child| child.kind.leaves()).sum(),
            ColumnType::Map(_) => 2,
            _ => 1,
        }
    }

    /// Whether values of this type are neither lists, structs, maps nor JSON text.
    pub fn is_scalar(&self) -> bool {
        !matches!(self, ColumnType::Json | ColumnType::List(_) | ColumnType::Struct(_) | ColumnType::Map(_))
    }
}

/// The type as Glue's catalog and Athena's DDL spell it: `array<struct<a:bigint>>`.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColumnType::Boolean => f.write_str("boolean"),
            ColumnType::Bigint => f.write_str("bigint"),
            ColumnType::Double => f.write_str("double"),
            ColumnType::Decimal => write!(f, "decimal({DECIMAL_PRECISION},{DECIMAL_SCALE})"),
            ColumnType::Timestamp => f.write_str("timestamp"),
            ColumnType::String | ColumnType::Json => f.write_str("string"),
            ColumnType::List(element) => write!(f, "array<{element}>"),
            ColumnType::Map(value) => write!(f, "map<string,{value}>"),
            ColumnType::Struct(children) => {
                f.write_str("struct<")?;
                for (i, child) in children.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{}:{}", child.name, child.kind)?;
                }
                f.write_str(">")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glue_spells_types_without_spaces() {
        let item = ColumnType::Struct(vec![
            Column { name: "price".into(), originals: vec!["price".into()], kind: ColumnType::Decimal },
            Column { name: SCALARS.into(), originals: vec![], kind: ColumnType::String },
        ]);
        let list = ColumnType::List(Box::new(item));
        assert_eq!(list.to_string(), "array<struct<price:decimal(38,10),value_:string>>");
        assert_eq!(list.leaves(), 2);
        assert_eq!(ColumnType::Map(Box::new(ColumnType::Bigint)).to_string(), "map<string,bigint>");
    }
}
