//! Reads stored columns back into the values they were made of.

use super::tree::Tree;
use crate::error::{Error, Kind, Result};
use crate::model::column::SCALARS;
use crate::model::seen::Seen;
use crate::shape::canonical::decimal::{Decimal, Number};
use crate::shape::canonical::time::Clock;
use crate::shape::changes::below;
use crate::shape::names::Level;
use crate::shape::raw::{Value, Writer};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Field as ArrowField, Float64Type, Int64Type, TimestampMillisecondType,
};
use std::collections::BTreeMap;

/// A stored column or struct child.
#[derive(Debug)]
pub struct Field {
    column: String,
    /// Original names; the one that appeared first, in front, is what a value is read back under unless its misfits say
    /// otherwise, because files written before there was another spelling do not say. None: bare scalars.
    spellings: Vec<String>,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Scalar,
    List(Box<Shape>),
    Record(Vec<Field>),
    Map(Box<Shape>),
}

impl Field {
    /// How `field`, a child of what was seen at `parents`, is read back.
    pub fn new(parents: &[&Seen], level: Level<'_>, field: &ArrowField) -> Result<Self> {
        let column = field.name().clone();
        let found = below(parents, level, &column);
        let mut since: BTreeMap<&str, u64> = BTreeMap::new();
        for (field, _) in &found {
            let earliest = since.entry(&field.name).or_insert(field.since);
            *earliest = field.since.min(*earliest);
        }
        let mut spellings: Vec<String> = since.keys().map(|name| (*name).to_owned()).collect();
        spellings.sort_by_key(|name| (since.get(name.as_str()), *name != column));
        let scalars = column == SCALARS && matches!(level, Level::Nested);
        if spellings.is_empty() && !scalars {
            spellings.push(column.clone());
        }
        let nodes: Vec<&Seen> = found.into_iter().map(|(_, node)| node).collect();
        Ok(Self { column, spellings, shape: Shape::new(&nodes, field.data_type())? })
    }

    /// Folded name.
    pub fn column(&self) -> &str {
        &self.column
    }
}

impl Shape {
    fn new(nodes: &[&Seen], data_type: &DataType) -> Result<Self> {
        Ok(match data_type {
            DataType::List(element) => Self::List(Box::new(Self::new(nodes, element.data_type())?)),
            DataType::Struct(children) => Self::Record(
                children.iter().map(|child| Field::new(nodes, Level::Nested, child)).collect::<Result<_>>()?,
            ),
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair) if let [_, value] = pair.as_ref() => {
                    Self::Map(Box::new(Self::new(&[], value.data_type())?))
                }
                other => return Err(unknown(other)),
            },
            DataType::Boolean
            | DataType::Int64
            | DataType::Float64
            | DataType::Utf8
            | DataType::Decimal128(_, _)
            | DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, _) => Self::Scalar,
            other => return Err(unknown(other)),
        })
    }

    /// Appends what stands at `index`; nothing for NULL without an exact original. Whether anything was appended.
    fn write(
        &self,
        key: &str,
        array: &dyn Array,
        index: usize,
        tree: Option<&Tree>,
        clock: Clock,
        writer: &mut Writer,
    ) -> bool {
        if let Some(exact) = tree.and_then(|tree| tree.value.as_ref()) {
            exact.append(key, writer);
            return true;
        }
        if array.is_null(index) {
            return false;
        }
        match self {
            Self::Scalar => match scalar(array, index, clock) {
                Some(value) => writer.append(key, value),
                None => return false,
            },
            Self::List(element) => {
                let elements = array.as_list::<i32>().value(index);
                if tree.is_some_and(|tree| tree.bare) && elements.len() == 1 {
                    let below = tree.and_then(|tree| tree.child("0"));
                    return element.write(key, &elements, 0, below, clock, writer);
                }
                writer.open_array(key);
                for at in 0..elements.len() {
                    let key = at.to_string();
                    let below = tree.and_then(|tree| tree.child(&key));
                    if !element.write(&key, &elements, at, below, clock, writer) {
                        writer.append(&key, Value::Null);
                    }
                }
                writer.close();
            }
            Self::Record(fields) => {
                let columns = array.as_struct();
                let stored: Vec<(&Field, &ArrayRef)> = fields.iter().zip(columns.columns()).collect();
                let bare = stored.iter().find(|(field, child)| field.spellings.is_empty() && child.is_valid(index));
                if let Some((field, child)) = bare {
                    return field.shape.write(key, child, index, None, clock, writer);
                }
                writer.open_document(key);
                write_fields(&stored, index, tree.unwrap_or(&Tree::default()), clock, writer);
                writer.close();
            }
            Self::Map(value) => {
                let entries = array.as_map().value(index);
                writer.open_document(key);
                let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1));
                for at in 0..entries.len() {
                    let below = tree.and_then(|tree| tree.child(keys.value(at)));
                    below.inspect(|below| below.append_shadows(keys.value(at), writer));
                    value.write(keys.value(at), values, at, below, clock, writer);
                }
                writer.close();
            }
        }
        true
    }
}

/// Appends the fields of a struct, or of a table's top level, and those that lost their column to them.
pub fn write_fields(stored: &[(&Field, &ArrayRef)], index: usize, tree: &Tree, clock: Clock, writer: &mut Writer) {
    let mut used: Vec<&str> = Vec::new();
    for (field, array) in stored {
        let spelled = |name: &&String| tree.child(name).is_some_and(|below| below.spelled);
        let Some(name) = field.spellings.iter().find(spelled).or(field.spellings.first()) else { continue };
        let below = tree.child(name);
        below.inspect(|below| below.append_shadows(name, writer));
        field.shape.write(name, array, index, below, clock, writer);
        used.push(name);
    }
    for (name, below) in tree.children.iter().filter(|(name, _)| !used.contains(&name.as_str())) {
        below.append_shadows(name, writer);
        if let Some(value) = &below.value {
            value.append(name, writer);
        }
    }
}

fn scalar(array: &dyn Array, index: usize, clock: Clock) -> Option<Value<'_>> {
    Some(match array.data_type() {
        DataType::Boolean => Value::Boolean(array.as_boolean().value(index)),
        DataType::Int64 => Value::Int64(array.as_primitive::<Int64Type>().value(index)),
        DataType::Float64 => Value::Double(array.as_primitive::<Float64Type>().value(index)),
        DataType::Utf8 => Value::String(array.as_string::<i32>().value(index)),
        DataType::Decimal128(_, scale) => {
            let unscaled = array.as_primitive::<Decimal128Type>().value(index);
            let number = Number::new(unscaled < 0, unscaled.unsigned_abs(), -i32::from(*scale));
            Value::Decimal(Decimal::Finite(number).to_bytes()?)
        }
        DataType::Timestamp(_, _) => {
            Value::Date(clock.instant(array.as_primitive::<TimestampMillisecondType>().value(index)))
        }
        _ => return None,
    })
}

fn unknown(data_type: &DataType) -> Error {
    Error::new(Kind::Schema, format!("a data file has a column of type {data_type}, which lakefold does not write"))
}
