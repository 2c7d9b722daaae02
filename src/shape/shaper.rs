//! Shapes the batches of one collection, growing the table's schema as it goes.

use super::canonical::time::Clock;
use super::columns::Columns;
use super::decode::{Express, Record};
use super::hashing::Hasher;
use super::id::{self, Ids};
use super::misfits::Row;
use super::observe::Observer;
use super::partition::Partitions;
use super::privacy::{Privacy, is_void};
use super::raw::{Document, Tape, Value};
use super::{changes, guards};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::batch::{Quarantined, RawBatch, Remains, ShapedBatch};
use crate::model::collection::CollectionSpec;
use crate::model::modified::{modified_ms, time_at};
use crate::model::names::hash8;
use crate::model::record::SchemaChange;
use crate::model::secret::Secret;
use crate::model::seen::{KINDS, Seen, Sighting};
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
    /// What digests of documents are made under.
    hash_key: Option<Secret>,
    /// The schema as it was when the run started.
    start: TableSchema,
    table: TableSchema,
    partitions: Partitions,
    ids: Ids,
    record: Record,
    express: Express,
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

/// Whether documents brought something that was not seen before.
#[derive(Debug, Clone, Copy, Default)]
struct News {
    /// A kind, a field, or a value that a column has to be made for.
    kinds: bool,
    /// A kind of id.
    ids: bool,
}

impl News {
    fn any(self) -> bool {
        self.kinds || self.ids
    }

    fn add(&mut self, more: Self) {
        self.kinds |= more.kinds;
        self.ids |= more.ids;
    }
}

/// Everything about the rows of a batch but their columns.
#[derive(Debug, Default)]
struct Rows {
    partition: Vec<u32>,
    id_hash: Vec<u128>,
    modified_ms: Vec<Option<i64>>,
    /// `_misfits`
    kept: Vec<Option<String>>,
    quarantined: Vec<Quarantined>,
    misfits: u64,
    blind: u64,
    untimed: u64,
    unplaced: u64,
    /// Values that their column could not hold, by its path.
    refused: BTreeMap<String, u64>,
    /// Ids that came the quick way, by kind.
    ids: [u64; KINDS],
    scratch: String,
}

impl Rows {
    fn of(documents: usize) -> Self {
        Self {
            partition: Vec::with_capacity(documents),
            id_hash: Vec::with_capacity(documents),
            modified_ms: Vec::with_capacity(documents),
            kept: Vec::with_capacity(documents),
            ..Self::default()
        }
    }

    fn len(&self) -> usize {
        self.partition.len()
    }

    /// Counts an id when its kind is known.
    fn counts_id(&mut self, id: Value<'_>, known: &[IdKind]) -> bool {
        let kind = id.kind().filter(|kind| known.iter().any(|known| known.sighting.kind == *kind));
        let count = kind.and_then(|kind| self.ids.get_mut(kind as usize));
        count.map(|count| *count += 1).is_some()
    }
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
        mut table: TableSchema,
    ) -> Result<Self> {
        let settings = TableSettings::of(&spec, timezone, timestamps, hash_key.as_ref());
        let differing = table.settings.differences(&settings);
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
        // What an older state does not have on record yet.
        table.settings = settings;
        let clock = Clock { timezone, local: timestamps == Timestamps::Local };
        let mut shaper = Self {
            privacy: Privacy::new(&spec.exclude, &spec.hash, hasher.as_ref()),
            partitions: Partitions::new(spec.partition_by.clone(), timezone),
            ids: Ids::new(&table),
            record: Record::new(&[], clock),
            express: Express::new(&Seen::default(), &[], None, clock, &[]),
            rows: 0,
            refused: BTreeMap::new(),
            start: table.clone(),
            clock,
            hash_key,
            spec,
            table,
        };
        if shaper.table.columns.is_empty() {
            // A rebuilt table keeps what was seen, and its columns follow from that under the new settings.
            shaper.grow()?;
        }
        shaper.prepare();
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
    ///
    /// Most batches bring nothing new, and their documents become rows one by one. When one does bring something, the batch
    /// begins again: first all of it is noted, then all of it becomes rows.
    pub fn shape(&mut self, raw: &RawBatch) -> Result<ShapedBatch> {
        let mut noted = vec![false; raw.documents.len()];
        let mut news = News::default();
        if self.express.is_worth_it() {
            let mut rows = Rows::of(raw.documents.len());
            news = self.take_plain(raw, &mut rows, &mut noted);
            if !news.any() {
                self.express.settle(&mut self.table.seen);
                return self.finish(rows);
            }
        }
        self.take_all(raw, &noted, news)
    }

    /// Makes rows of documents until one brings something new; `noted` tells which have been noted by then.
    fn take_plain(&mut self, raw: &RawBatch, rows: &mut Rows, noted: &mut [bool]) -> News {
        let mut watched = vec![None; self.watched().len()];
        let mut tape = Tape::default();
        for (bytes, noted) in raw.documents.iter().zip(noted) {
            let id = self.express.walk(bytes, &mut self.record, &mut watched);
            if let Some(id) = id.filter(|id| rows.counts_id(*id, &self.table.ids)) {
                let of_keys = watched.get(usize::from(self.table.has_modified())..).unwrap_or_default();
                let placed = self.partitions.place_values(of_keys);
                let modified = match watched.first() {
                    Some(Some(Value::Date(ms))) if self.table.has_modified() => Some(*ms),
                    _ => self.modified(bytes, &mut rows.untimed),
                };
                self.identify(id, placed, modified, rows);
                rows.kept.push(None);
                continue;
            }
            self.record.truncate(rows.len());
            tape.clear();
            match tape.document_of(bytes).and_then(|document| accept(bytes, document)) {
                Err(reason) => rows.quarantined.push(Quarantined { remains: self.remains(bytes), reason }),
                Ok(accepted) => {
                    *noted = true;
                    let news = self.note(&accepted);
                    if news.any() {
                        return news;
                    }
                    self.take(&accepted, rows);
                }
            }
        }
        News::default()
    }

    /// Notes all documents that are not noted yet, then makes rows of all of them; `news` is what the others brought, and
    /// nothing is kept of the rows they were made into.
    fn take_all(&mut self, raw: &RawBatch, noted: &[bool], mut news: News) -> Result<ShapedBatch> {
        let mut rows = Rows::of(raw.documents.len());
        let mut tape = Tape::default();
        let laid: Vec<_> = raw.documents.iter().map(|bytes| (bytes, tape.lay(bytes))).collect();
        let mut accepted = Vec::with_capacity(laid.len());
        for ((bytes, laid), noted) in laid.into_iter().zip(noted) {
            let document = laid.map(|laid| tape.document(bytes, laid)).map_err(|damage| damage.to_string());
            match document.and_then(|document| accept(bytes, document)) {
                Ok(document) => {
                    if !noted {
                        news.add(self.note(&document));
                    }
                    accepted.push(document);
                }
                Err(reason) => rows.quarantined.push(Quarantined { remains: self.remains(bytes), reason }),
            }
        }
        self.follow(news)?;
        accepted.iter().for_each(|accepted| self.take(accepted, &mut rows));
        self.finish(rows)
    }

    /// What may be kept of a document that cannot be read.
    fn remains(&self, bytes: &Bytes) -> Remains {
        if self.privacy.is_none() {
            return Remains::Raw(bytes.clone());
        }
        // Under the key where there is one: a plain digest lets a value be guessed whose surroundings are known.
        let digest = self.hash_key.as_ref().map_or_else(|| hash8(bytes), |key| key.mark(bytes));
        Remains::Marked { length: bytes.len() as u64, digest }
    }

    /// As [`Self::shape`], with every document the long way, which the quick one has to agree with.
    #[cfg(test)]
    pub fn shape_the_long_way(&mut self, raw: &RawBatch) -> Result<ShapedBatch> {
        self.take_all(raw, &vec![false; raw.documents.len()], News::default())
    }

    /// Paths of which the quick way tells the scalars: the modified time first, then the partition keys.
    fn watched(&self) -> Vec<Vec<String>> {
        let time = self.spec.timestamp_column.iter().map(|path| path.0.clone());
        time.chain(self.partitions.paths().map(<[String]>::to_vec)).collect()
    }

    /// Notes what a document holds.
    fn note(&mut self, Accepted { document, id, .. }: &Accepted<'_>) -> News {
        let version = self.table.version + 1;
        let example = || id::discreet(*id);
        let ids = self.observe_id(*id);
        let seen = &mut self.table.seen;
        News { ids, kinds: Observer::document(seen, *document, self.privacy.as_ref(), self.clock, version, &example) }
    }

    /// Lets the table follow what was noted.
    fn follow(&mut self, news: News) -> Result<()> {
        if news.kinds {
            self.grow()?;
        }
        if news.ids {
            self.table.version = self.table.version.max(self.table.ids.iter().map(|id| id.since).max().unwrap_or(0));
        }
        if news.any() {
            self.prepare();
        }
        Ok(())
    }

    /// Makes what turns documents into rows anew.
    fn prepare(&mut self) {
        let (table, privacy) = (&self.table, self.privacy.as_ref());
        self.ids = Ids::new(table);
        self.record = Record::new(&table.columns, self.clock);
        self.express = Express::new(&table.seen, &table.columns, privacy, self.clock, &self.watched());
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
        Ok(())
    }

    /// Appends the row of a document whose kinds are all noted.
    fn take(&mut self, Accepted { bytes, document, id }: &Accepted<'_>, rows: &mut Rows) {
        let mut row = Row::default();
        self.record.append_fields(*document, self.privacy.as_ref(), &mut row);
        let (text, count) = row.finish().map_or((None, 0), |(text, count)| (Some(text), count));
        rows.kept.push(text);
        rows.misfits += count;
        for (column, count) in row.refused {
            *rows.refused.entry(column).or_default() += count;
        }
        let placed = self.partitions.place(*document);
        let modified = self.modified(bytes, &mut rows.untimed);
        self.identify(*id, placed, modified, rows);
    }

    fn identify(&mut self, id: Value<'_>, (partition, placed): (u32, bool), modified: Option<i64>, rows: &mut Rows) {
        let mut scratch = std::mem::take(&mut rows.scratch);
        self.ids.append(id, &mut scratch);
        rows.id_hash.push(id::hash(&scratch));
        rows.scratch = scratch;
        rows.partition.push(partition);
        rows.unplaced += u64::from(!placed);
        rows.blind += u64::from(self.table.has_modified() && modified.is_none());
        rows.modified_ms.push(modified);
    }

    fn finish(&mut self, rows: Rows) -> Result<ShapedBatch> {
        self.rows += rows.len() as u64;
        for (column, count) in rows.refused {
            *self.refused.entry(column).or_default() += count;
        }
        for known in &mut self.table.ids {
            known.sighting.count += rows.ids.get(known.sighting.kind as usize).copied().unwrap_or_default();
        }
        if !self.table.misfits && rows.kept.iter().any(Option::is_some) {
            self.table.misfits = true;
            self.table.version += 1;
        }
        let mut columns: Vec<ArrayRef> = vec![self.ids.finish()];
        if self.table.has_modified() {
            columns.push(Arc::new(Int64Array::from(rows.modified_ms.clone())));
        }
        let doing = || format!("shape {}", self.spec.namespace);
        columns.extend(self.record.finish_children().or_error(Kind::Schema, doing())?);
        if self.table.misfits {
            columns.push(Arc::new(StringArray::from(rows.kept)));
        }
        Ok(ShapedBatch {
            rows: RecordBatch::try_new(self.table.arrow(), columns).or_error(Kind::Schema, doing())?,
            version: self.table.version,
            partition: rows.partition,
            id_hash: rows.id_hash,
            modified_ms: rows.modified_ms,
            quarantined: rows.quarantined,
            misfits: rows.misfits,
            blind: rows.blind,
            untimed: rows.untimed,
            unplaced: rows.unplaced,
        })
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
