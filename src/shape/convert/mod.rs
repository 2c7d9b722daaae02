//! Rows of an older schema as rows of the table's current one.
//!
//! A column whose type changed is read back into the values it was made of, exact originals from `_misfits` first, and
//! these go through the same builders as fresh documents. So there is one encoder only, and converting a row gives what
//! encoding its document at the current schema would have given (P5).
//!
//! What a column alone does not tell (which spelling of a name it holds, whether the only element of a list stood there
//! bare) is marked in `_misfits` where it will ever matter.

mod stored;
mod tree;

use super::canonical::time::Clock;
use super::decode::Record;
use super::id;
use super::misfits::Row;
use super::names::Level;
use super::raw::{Tape, Writer};
use crate::error::{Error, Kind as ErrorKind, Result, ResultExt};
use crate::model::column::Column;
use crate::model::seen::{Kind, KindSet};
use crate::model::table::{ID, MISFITS, MODIFIED, TableSchema};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::Schema;
use std::sync::Arc;
use stored::Field;
use tree::Tree;

/// Converts rows of a stored file, or of an older version of the schema, to the table's current schema.
#[derive(Debug)]
pub struct Converter {
    to: TableSchema,
    from_version: u64,
    clock: Clock,
    /// The `_id`s must be written anew.
    ids: bool,
    /// Columns whose type changed, as they are now.
    changed: Vec<Column>,
    /// The same columns, as the rows to be converted have them.
    stored: Vec<Field>,
}

impl Converter {
    /// A converter from the schema of a file written at `from_version`; `None` when the rows already have the current
    /// schema.
    ///
    /// Fails when the file has a column the table does not know.
    pub fn new(from: &Schema, from_version: u64, to: &TableSchema, timezone: chrono_tz::Tz) -> Result<Option<Self>> {
        let target = to.arrow();
        if let Some(unknown) = from.fields().iter().find(|field| target.field_with_name(field.name()).is_err()) {
            return Err(Error::new(
                ErrorKind::Schema,
                format!("a data file has the column `{}`, its table has not", unknown.name()),
            )
            .hint("the table's schema file is older than its data: rebuild the table with --full --forget-schema"));
        }
        let only_strings = to.id_kinds(from_version).within(KindSet::of(&[Kind::String]));
        let ids = from.field_with_name(ID).is_ok_and(|field| *field.data_type() != to.id_type())
            || (only_strings && id::is_mixed(to.id_kinds(to.version)));
        let clock = Clock { timezone, local: to.is_local() };
        let keys = Level::Top(&to.settings.partition_keys);
        let mut changed = Vec::new();
        let mut stored = Vec::new();
        for column in &to.columns {
            if let Ok(field) = from.field_with_name(&column.name)
                && *field.data_type() != column.kind.arrow(clock.local)
            {
                stored.push(Field::new(&[&to.seen], keys, field)?);
                changed.push(column.clone());
            }
        }
        if !ids && changed.is_empty() && from.fields().len() == target.fields().len() {
            let same_order = from.fields().iter().zip(target.fields()).all(|(a, b)| a.name() == b.name());
            if same_order {
                return Ok(None);
            }
        }
        Ok(Some(Self { to: to.clone(), from_version, clock, ids, changed, stored }))
    }

    /// Whether a column the rows already have changes its type or, for `_id`, its spelling; otherwise columns are only
    /// added, and a file that lacks them reads as NULL.
    pub fn retypes(&self) -> bool {
        self.ids || !self.changed.is_empty()
    }

    /// Whether ids are spelled anew, so that rows sorted by the old spelling have to be sorted again.
    pub fn respells_ids(&self) -> bool {
        self.ids
    }

    /// Converts one batch of rows.
    pub fn convert(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let (columns, misfits) = self.convert_changed(rows)?;
        let target = self.to.arrow();
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(target.fields().len());
        for field in target.fields() {
            let name = field.name().as_str();
            let at = self.changed.iter().position(|column| column.name == name && name != ID && name != MODIFIED);
            let converted = at.and_then(|at| columns.get(at));
            arrays.push(match (name, converted, rows.column_by_name(name)) {
                (ID, _, Some(ids)) if self.ids => id::rewrite(ids, self.from_version, &self.to)?,
                (MISFITS, _, _) if let Some(misfits) = &misfits => misfits.clone(),
                (_, Some(converted), _) => converted.clone(),
                (_, None, Some(same)) => same.clone(),
                (_, None, None) => new_null_array(field.data_type(), rows.num_rows()),
            });
        }
        RecordBatch::try_new(target, arrays).or_error(ErrorKind::Schema, "convert rows to the table's schema")
    }

    /// The changed columns at their new types, and `_misfits` as it is after that.
    fn convert_changed(&self, rows: &RecordBatch) -> Result<(Vec<ArrayRef>, Option<ArrayRef>)> {
        if self.changed.is_empty() {
            return Ok((Vec::new(), None));
        }
        let kept = rows.column_by_name(MISFITS).and_then(|column| column.as_string_opt::<i32>());
        let stored: Vec<(&Field, &ArrayRef)> = self
            .stored
            .iter()
            .filter_map(|field| rows.column_by_name(field.column()).map(|array| (field, array)))
            .collect();
        let mut record = Record::new(&self.changed, self.clock);
        let mut texts: Vec<Option<String>> = Vec::with_capacity(rows.num_rows());
        for index in 0..rows.num_rows() {
            let text = kept.filter(|kept| kept.is_valid(index)).map(|kept| kept.value(index));
            let mut tree = text.map(Tree::parse).transpose()?.unwrap_or_default();
            let carried = tree.split_off(|name| !self.is_changed(name));
            let mut writer = Writer::new();
            stored::write_fields(&stored, index, &tree, self.clock, &mut writer);
            let bytes = writer.finish();
            let mut tape = Tape::default();
            let laid = tape.lay(&bytes).map_err(|damage| {
                Error::new(ErrorKind::Invariant, format!("P6: a stored row cannot be read back: {damage}"))
            })?;
            let mut row = Row::default();
            record.append_fields(tape.document(&bytes, laid), None, &mut row);
            carried.carry("", &mut row);
            texts.push(row.finish().map(|(text, _)| text));
        }
        if !self.to.misfits && texts.iter().any(Option::is_some) {
            return Err(Error::new(
                ErrorKind::Invariant,
                "P6: a conversion has misfits and the table no column for them",
            ));
        }
        let columns = record.finish_children().or_error(ErrorKind::Schema, "convert columns")?;
        Ok((columns, self.to.misfits.then(|| Arc::new(StringArray::from(texts)) as ArrayRef)))
    }

    /// Whether the top-level field `name` belongs to a column that changes.
    fn is_changed(&self, name: &str) -> bool {
        let column = Level::Top(&self.to.settings.partition_keys).column(name);
        self.changed.iter().any(|changed| changed.name == column)
    }
}
