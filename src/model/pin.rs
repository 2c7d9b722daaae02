//! Column types that the operator has fixed.

use super::collection::FieldPath;
use super::column::ColumnType;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Every type that can be pinned, as `pins.csv` spells it.
pub const PIN_TYPES: [&str; 7] = ["boolean", "bigint", "double", "decimal(38,10)", "timestamp", "string", "json"];

/// A path whose column has this type, whatever is seen there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pin {
    /// Where, in original names; across arrays it means every element.
    pub path: FieldPath,
    /// One of [`PIN_TYPES`].
    #[serde(rename = "type")]
    pub kind: PinType,
}

/// The types that can be pinned: those of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinType {
    /// `boolean`
    Boolean,
    /// `bigint`
    Bigint,
    /// `double`
    Double,
    /// `decimal(38,10)`
    Decimal,
    /// `timestamp`
    Timestamp,
    /// Canonical text of scalars.
    String,
    /// JSON text of documents and lists, canonical text of scalars.
    Json,
}

impl PinType {
    /// The type that `pins.csv` spells so; `decimal( 38, 10 )` and other letter case are fine too.
    pub fn parse(text: &str) -> Option<Self> {
        let spelled: String = text.to_lowercase().split_whitespace().collect();
        Some(match spelled.as_str() {
            "boolean" => Self::Boolean,
            "bigint" => Self::Bigint,
            "double" => Self::Double,
            "decimal(38,10)" => Self::Decimal,
            "timestamp" => Self::Timestamp,
            "string" => Self::String,
            "json" => Self::Json,
            _ => return None,
        })
    }

    /// The column it makes.
    pub fn column(self) -> ColumnType {
        match self {
            Self::Boolean => ColumnType::Boolean,
            Self::Bigint => ColumnType::Bigint,
            Self::Double => ColumnType::Double,
            Self::Decimal => ColumnType::Decimal,
            Self::Timestamp => ColumnType::Timestamp,
            Self::String => ColumnType::String,
            Self::Json => ColumnType::Json,
        }
    }
}

/// As `pins.csv` spells it.
impl fmt::Display for PinType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json => f.write_str("json"),
            other => other.column().fmt(f),
        }
    }
}

/// `patient.age bigint`
impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_spelled_as_it_is_parsed() {
        for text in PIN_TYPES {
            assert_eq!(PinType::parse(text).map(|kind| kind.to_string()).as_deref(), Some(text));
        }
        assert_eq!(PinType::parse("Decimal(38, 10)"), Some(PinType::Decimal));
        assert_eq!(PinType::parse("decimal(10,2)"), None);
    }
}
