//! Shapes the batches of one collection, growing the table's schema as it goes.

use super::canonical::time::Clock;
use super::columns::Columns;
use super::decode::Record;
use super::hashing::Hasher;
use super::id::{self, Ids};
use super::misfits::Row;
use super::observe::Observer;
use super::partition::Partitions;
use super::privacy::{Privacy, is_void};
use super::raw::{Document, Tape, Value};
use super::{changes, guards};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::batch::{Quarantined, RawBatch, ShapedBatch};
use crate::model::collection::CollectionSpec;
use crate::model::modified::{modified_ms, time_at};
use crate::model::record::SchemaChange;
use crate::model::secret::Secret;
use crate::model::seen::Sighting;
use crate::model::settings::Timestamps;
use crate::model::table::{ID, IdKind, TableSchema, TableSettings};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An operator is told of a column when more than one value in so many documents is missing in it.
const REFUSED_ONE_IN: u64 = 1_000;

/// Turns raw batches of one collection into rows of its table.
#[derive(Debug)]
pub struct Shaper {
    spec: CollectionSpec,
    clock: Clock,
    privacy: Option<Privacy>,
    /// The schema as it was when the run started.
    start: TableSchema,
    table: TableSchema,
    partitions: Partitions,
    ids: Ids,
    record: Record,
    /// Rows made so far.
    rows: u64,
    /// Values that their column could not hold, by its path.
    refused: BTreeMap<String, u64>,
}

/// A document that will become a row.
struct Accepted<'a> {
    bytes: &'a Bytes,
    document: Document<'a>,
    id: Value<'a>,
}

impl Shaper {
    /// A shaper for the collection of `spec` whose table has the schema `table` so far.
    ///
    /// Fails when the table was made with other settings, and when paths are to be hashed without a key.
    pub fn new(
        spec: CollectionSpec,
        timezone: chrono_tz::Tz,
        timestamps: Timestamps,
        hash_key: Option<Secret>,
        table: TableSchema,
    ) -> Result<Self> {
        let differing = table.settings.differences(&TableSettings::of(&spec, timezone, timestamps));
        if !differing.is_empty() {
            return Err(Error::new(Kind::Schema, format!("{}: {}", spec.namespace, differing.join("; ")))
                .hint("rebuild the table with --full --forget-schema, or take the change back"));
        }
        let hasher = match (&hash_key, spec.hash.is_empty()) {
            (_, true) => None,
            (Some(key), false) => Some(Hasher::new(key)?),
            (None, false) => {
                return Err(Error::new(Kind::Input, format!("{}: `hash` needs privacy.hash_key", spec.namespace)));
            }
        };
        let clock = Clock { timezone, local: timestamps == Timestamps::Local };
        let mut shaper = Self {
            privacy: Privacy::new(&spec.exclude, &spec.hash, hasher.as_ref()),
            partitions: Partitions::new(spec.partition_by.clone(), timezone),
            ids: Ids::new(&table),
            record: Record::new(&table.columns, clock),
            rows: 0,
            refused: BTreeMap::new(),
            start: table.clone(),
            clock,
            spec,
            table,
        };
        if shaper.table.columns.is_empty() {
            // A rebuilt table keeps what was seen, and its columns follow from that under the new settings.
            shaper.grow()?;
        }
        Ok(shaper)
    }

    /// A shaper that goes on where another one was: its table is what that one had seen, `start` is the schema from
    /// which changes are counted, and `folders` are the partition folders by the numbers they had.
    #[must_use]
    pub fn resumed(mut self, start: TableSchema, folders: Vec<String>) -> Self {
        self.start = start;
        self.partitions.resume(folders);
        self
    }

    /// The schema as it is now.
    pub fn table(&self) -> &TableSchema {
        &self.table
    }

    /// Partition folders by number: `date=2024-05-01/id1=FAC001`, escaped; `""` when the table has no partition keys.
    pub fn partitions(&self) -> &[String] {
        self.partitions.folders()
    }

    /// Columns that appeared or changed since the shaper was made.
    pub fn changes(&self) -> Vec<SchemaChange> {
        changes::record(&self.start, &self.table)
    }

    /// What an operator should know of the types although nothing failed: sub-documents that have become text since the
    /// shaper was made, because the table grew too wide, and columns that many values are missing in.
    pub fn warnings(&self) -> Vec<String> {
        let narrowed = changes::narrowed(&self.start, &self.table).into_iter().map(|path| {
            format!(
                "the table grew too wide for catalogs, and `{path}`, its widest sub-document, is JSON text from now on"
            )
        });
        let often = self.refused.iter().filter(|(_, count)| **count * REFUSED_ONE_IN > self.rows);
        let refused = often.map(|(path, count)| {
            let kind = changes::type_of(&self.table, path).unwrap_or_default();
            format!(
                "`{path}`: {count} values in {} documents have no place in its type {kind}; the column is NULL there and \
                 _misfits has them",
                self.rows
            )
        });
        narrowed.chain(refused).collect()
    }

    /// Grows the schema by what the batch holds, then makes rows of it at the schema as it then is.
    pub fn shape(&mut self, raw: &RawBatch) -> Result<ShapedBatch> {
        let mut quarantined = Vec::new();
        let mut tape = Tape::default();
        let laid: Vec<_> = raw.documents.iter().map(|bytes| (bytes, tape.lay(bytes))).collect();
        let mut accepted = Vec::with_capacity(laid.len());
        for (bytes, laid) in laid {
            let document = laid.map(|laid| tape.document(bytes, laid)).map_err(|damage| damage.to_string());
            match document.and_then(|document| accept(bytes, document)) {
                Ok(document) => accepted.push(document),
                Err(reason) => quarantined.push(Quarantined { document: bytes.clone(), reason }),
            }
        }
        self.observe(&accepted)?;
        self.decode(&accepted, quarantined)
    }

    fn observe(&mut self, accepted: &[Accepted<'_>]) -> Result<()> {
        let mut grown = false;
        let mut new_ids = false;
        let version = self.table.version + 1;
        for Accepted { document, id, .. } in accepted {
            let example = || id::discreet(*id);
            new_ids |= self.observe_id(*id);
            let seen = &mut self.table.seen;
            grown |= Observer::document(seen, *document, self.privacy.as_ref(), self.clock, version, &example);
        }
        if grown {
            self.grow()?;
        }
        if new_ids {
            self.table.version = self.table.version.max(self.table.ids.iter().map(|id| id.since).max().unwrap_or(0));
            self.ids = Ids::new(&self.table);
        }
        Ok(())
    }

    /// Notes the kind of an id; whether it is new. Files written before this version hold no such id.
    fn observe_id(&mut self, id: Value<'_>) -> bool {
        let Some(kind) = id.kind() else { return false };
        if let Some(known) = self.table.ids.iter_mut().find(|known| known.sighting.kind == kind) {
            known.sighting.count += 1;
            return false;
        }
        let sighting = Sighting { kind, count: 1, example: id::discreet(id) };
        self.table.ids.push(IdKind { sighting, since: self.table.version + 1 });
        true
    }

    /// Lets the columns follow what was seen.
    fn grow(&mut self) -> Result<()> {
        let columns = guards::columns(&mut self.table);
        if let Some(at) = &columns.contradiction {
            return Err(Error::new(
                Kind::Schema,
                format!("`{at}` has too many keys for columns or is too deep for them, and a field below it is pinned"),
            )
            .hint("take that pin out, or pin the document itself to json, and rebuild the table with --full"));
        }
        let Columns { list, misfits, .. } = columns;
        let version = self.table.version + 1;
        let history = changes::history(&self.table.columns, &list, version);
        let misfits = misfits || self.table.misfits;
        if !history.is_empty() || misfits != self.table.misfits {
            self.table.version = version;
        }
        self.table.history.extend(history);
        self.table.misfits = misfits;
        self.table.columns = list;
        self.record = Record::new(&self.table.columns, self.clock);
        Ok(())
    }

    fn decode(&mut self, accepted: &[Accepted<'_>], quarantined: Vec<Quarantined>) -> Result<ShapedBatch> {
        let rows = accepted.len();
        let mut shaped = ShapedBatch {
            rows: RecordBatch::new_empty(self.table.arrow()),
            version: self.table.version,
            partition: Vec::with_capacity(rows),
            id_hash: Vec::with_capacity(rows),
            modified_ms: Vec::with_capacity(rows),
            quarantined,
            misfits: 0,
            blind: 0,
            untimed: 0,
            unplaced: 0,
        };
        let mut kept: Vec<Option<String>> = Vec::with_capacity(rows);
        let mut row = Row::default();
        let mut scratch = String::new();
        for Accepted { bytes, document, id } in accepted {
            self.ids.append(*id, &mut scratch);
            shaped.id_hash.push(id::hash(&scratch));
            self.record.append_fields(*document, self.privacy.as_ref(), &mut row);
            let (text, count) = row.finish().map_or((None, 0), |(text, count)| (Some(text), count));
            kept.push(text);
            shaped.misfits += count;
            let (partition, placed) = self.partitions.place(*document);
            shaped.partition.push(partition);
            shaped.unplaced += u64::from(!placed);
            let modified = self.modified(bytes, &mut shaped.untimed);
            shaped.blind += u64::from(self.table.has_modified() && modified.is_none());
            shaped.modified_ms.push(modified);
        }
        self.rows += rows as u64;
        for (column, count) in std::mem::take(&mut row.refused) {
            *self.refused.entry(column).or_default() += count;
        }
        if !self.table.misfits && kept.iter().any(Option::is_some) {
            self.table.misfits = true;
            self.table.version += 1;
        }
        shaped.version = self.table.version;
        let mut columns: Vec<ArrayRef> = vec![self.ids.finish()];
        if self.table.has_modified() {
            columns.push(Arc::new(Int64Array::from(shaped.modified_ms.clone())));
        }
        let doing = || format!("shape {}", self.spec.namespace);
        columns.extend(self.record.finish_children().or_error(Kind::Schema, doing())?);
        if self.table.misfits {
            columns.push(Arc::new(StringArray::from(kept)));
        }
        shaped.rows = RecordBatch::try_new(self.table.arrow(), columns).or_error(Kind::Schema, doing())?;
        Ok(shaped)
    }

    /// The modified time; counts into `untimed` when the path itself has none.
    fn modified(&self, bytes: &Bytes, untimed: &mut u64) -> Option<i64> {
        let path = self.spec.timestamp_column.as_ref()?;
        let document = bson::RawDocument::from_bytes(bytes).ok()?;
        time_at(document, path, self.clock.timezone).or_else(|| {
            *untimed += 1;
            modified_ms(document, path, self.clock.timezone)
        })
    }
}

/// Finds a document's `_id`; the reason when it cannot become a row.
fn accept<'a>(bytes: &'a Bytes, document: Document<'a>) -> Result<Accepted<'a>, String> {
    let mut ids = document.elements().filter(|element| element.key == ID.as_bytes());
    let id = ids.next().ok_or("the document has no _id")?.value();
    if ids.next().is_some() {
        return Err("the document has more than one _id".to_owned());
    }
    if is_void(id, None) {
        return Err("the _id is null or empty".to_owned());
    }
    Ok(Accepted { bytes, document, id })
}
