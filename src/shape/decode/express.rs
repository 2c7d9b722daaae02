//! The quick way: one walk over a document that looks as those before it did.
//!
//! Most documents of a collection hold nothing new. What is known of them, each field with its column, the kinds seen
//! there and what was seen of its values, is laid out once for each schema; a document is then checked, noted and put into
//! the columns while its bytes are passed over once. Whatever is not plain (damage, a new field or kind, names that share a
//! column, a repeated key, a value its column cannot hold exactly) ends the walk: the columns are cut back, and the document
//! goes the long way, which knows everything and decides everything. That both ways give the same is a test's work
//! (`shape::tests::express`).

use super::{Builder, Record};
use crate::model::column::{Column, ColumnType};
use crate::model::seen::{KINDS, Kind, KindSet, Seen, Traits};
use crate::model::table::ID;
use crate::shape::canonical::decimal::{Decimal, Fit, double_of, scaled_double};
use crate::shape::canonical::time::Clock;
use crate::shape::hashing::Hasher;
use crate::shape::privacy::Privacy;
use crate::shape::raw::{Value, body, size, string};
use std::collections::HashMap;

/// Documents after which it is asked whether the quick way is worth trying.
const TRIAL: u32 = 512;

/// The quick way is given up, until the schema changes, when more than one document in so many cannot go it.
const MISSES_ONE_IN: u32 = 3;

/// The document is not plain.
#[derive(Debug)]
struct Unusual;

type Walked<T> = std::result::Result<T, Unusual>;

/// What documents of a table have looked like so far.
#[derive(Debug)]
pub struct Express {
    top: Level,
    /// Places of the `_id` itself among the values that are watched.
    identities: Vec<usize>,
    clock: Clock,
    tally: Tally,
    walked: u32,
    missed: u32,
    given_up: bool,
}

/// Values counted by node and kind.
#[derive(Debug, Default)]
struct Tally {
    /// [`KINDS`] for each node.
    counts: Vec<u64>,
    /// What the current document has counted, to be taken back when it has to go the long way.
    current: Vec<usize>,
    /// Visits of levels: a field that was met in the current one stands there twice.
    visits: u64,
}

/// A document or sub-document.
#[derive(Debug)]
struct Level {
    fields: Vec<Field>,
    places: HashMap<Vec<u8>, usize>,
    /// Of each column, the visit that filled it last.
    filled: Vec<u64>,
}

#[derive(Debug)]
struct Field {
    name: Name,
    column: usize,
    /// Its place among the fields seen.
    seen: usize,
    /// Its places among the values that are watched: the modified time may be a partition key as well.
    watched: Vec<usize>,
    /// The visit that met it last.
    met: u64,
    node: Node,
}

/// A value, and what was seen of it.
#[derive(Debug)]
struct Node {
    what: What,
    known: KindSet,
    traits: Traits,
    /// Where its counts begin in the tally.
    counts: usize,
}

#[derive(Debug)]
enum What {
    /// Whatever stands here is for the long way.
    Unusual,
    /// A scalar.
    Scalar,
    /// A scalar that is replaced by its digest.
    Hashed(Box<Hasher>),
    /// A list.
    List(Box<Node>),
    /// A document.
    Record(Box<Level>),
}

/// A path to a value that is wanted, as far as it leads on from here, with its number.
type Path<'p> = (usize, &'p [String]);

impl Express {
    /// Lays out what was seen, for documents whose columns are `columns`; `watched` are paths whose scalars are wanted.
    pub fn new(
        seen: &Seen,
        columns: &[Column],
        privacy: Option<&Privacy>,
        clock: Clock,
        watched: &[Vec<String>],
    ) -> Self {
        let paths: Vec<Path<'_>> = watched.iter().map(Vec::as_slice).enumerate().collect();
        let mut tally = Tally::default();
        let top = Level::new(seen, columns, privacy, &paths, &mut tally);
        // The `_id` is no field that was seen. Below it nothing is plain: an `_id` that is a document goes the long way.
        let identities = paths.iter().filter(|(_, path)| *path == [ID]).map(|(number, _)| *number).collect();
        Self { top, identities, clock, tally, walked: 0, missed: 0, given_up: columns.is_empty() }
    }

    /// Whether documents are still worth trying.
    pub fn is_worth_it(&self) -> bool {
        !self.given_up
    }

    /// Appends a row of all but the `_id`, which is returned, to `record`, and puts the scalars of the watched paths into
    /// `watched`; none when the document has to go the long way, and `record` has to be cut back then.
    pub fn walk<'a>(
        &mut self,
        document: &'a [u8],
        record: &mut Record,
        watched: &mut [Option<Value<'a>>],
    ) -> Option<Value<'a>> {
        watched.fill(None);
        self.walked += 1;
        let (tally, identities) = (&mut self.tally, &self.identities[..]);
        let mut walk = Walk { clock: self.clock, tally, watched, identities, id: None };
        let walked = body(document).map_err(|_| Unusual).and_then(|body| {
            walk.fields(&mut self.top, body, &mut record.children, true)?;
            walk.id.ok_or(Unusual)
        });
        if walked.is_err() {
            self.missed += 1;
            self.tally.take_back();
        }
        self.tally.current.clear();
        if self.walked >= TRIAL {
            self.given_up = self.missed * MISSES_ONE_IN > self.walked;
            (self.walked, self.missed) = (0, 0);
        }
        walked.ok()
    }

    /// Adds what was counted since to what was seen.
    pub fn settle(&mut self, seen: &mut Seen) {
        self.top.settle(seen, &self.tally.counts);
        self.forget();
    }

    /// Forgets what was counted since.
    pub fn forget(&mut self) {
        self.tally.counts.fill(0);
    }
}

impl Tally {
    /// Counts for one more node.
    fn node(&mut self) -> usize {
        let start = self.counts.len();
        self.counts.resize(start + KINDS, 0);
        start
    }

    #[inline]
    fn count(&mut self, node: &Node, kind: Kind) -> Walked<()> {
        let at = node.counts + kind as usize;
        match self.counts.get_mut(at) {
            Some(count) if node.known.contains(kind) => *count += 1,
            _ => return Err(Unusual),
        }
        self.current.push(at);
        Ok(())
    }

    fn take_back(&mut self) {
        for &at in &self.current {
            if let Some(count) = self.counts.get_mut(at) {
                *count -= 1;
            }
        }
    }
}

/// The name of a field, made to be compared.
#[derive(Debug)]
struct Name {
    /// With the zero behind it.
    bytes: Vec<u8>,
    /// Its first eight bytes as a number, and which of them there are.
    first: (u64, u64),
}

impl Name {
    fn new(name: &str) -> Self {
        let mut bytes = name.as_bytes().to_vec();
        bytes.push(0);
        let (mut first, mut mask) = ([0; 8], [0; 8]);
        for ((first, mask), byte) in first.iter_mut().zip(&mut mask).zip(&bytes) {
            (*first, *mask) = (*byte, 0xff);
        }
        Self { bytes, first: (u64::from_le_bytes(first), u64::from_le_bytes(mask)) }
    }

    /// Whether it is at the beginning of `rest`.
    #[inline]
    fn begins(&self, rest: &[u8]) -> bool {
        let (first, mask) = self.first;
        match rest.first_chunk() {
            Some(chunk) if u64::from_le_bytes(*chunk) & mask != first => false,
            Some(_) if self.bytes.len() <= 8 => true,
            _ => rest.starts_with(&self.bytes),
        }
    }
}

/// The name of ids, with the zero behind it.
const IDENTITY: &[u8] = b"_id\0";

impl Level {
    /// The field whose name is at the start of `rest`, and the length of that name with its zero. Documents of a collection
    /// resemble each other, so the one at `hint` is looked at first, and then those behind it.
    fn find(&self, rest: &[u8], hint: usize) -> Walked<(Option<usize>, usize)> {
        for (at, field) in self.fields.iter().enumerate().skip(hint).take(2) {
            if field.name.begins(rest) {
                return Ok((Some(at), field.name.bytes.len()));
            }
        }
        let length = rest.iter().position(|byte| *byte == 0).ok_or(Unusual)?;
        Ok((self.places.get(rest.get(..length).unwrap_or_default()).copied(), length + 1))
    }

    fn new(
        seen: &Seen,
        columns: &[Column],
        privacy: Option<&Privacy>,
        watched: &[Path<'_>],
        tally: &mut Tally,
    ) -> Self {
        let mut level = Self { fields: Vec::new(), places: HashMap::new(), filled: vec![0; columns.len()] };
        for (at, field) in seen.fields.iter().enumerate() {
            let here = columns.iter().position(|column| column.originals.contains(&field.name));
            let below: Vec<Path<'_>> = watched
                .iter()
                .filter_map(|(number, path)| {
                    path.split_first().filter(|(name, _)| **name == field.name).map(|(_, rest)| (*number, rest))
                })
                .collect();
            let privacy = privacy.and_then(|privacy| privacy.child(field.name.as_bytes()));
            let node = match here.and_then(|here| columns.get(here)) {
                // Several names of one column have an order among them.
                Some(column) if column.originals.len() == 1 => {
                    Node::new(&field.seen, &column.kind, privacy, &below, tally)
                }
                _ => Node { what: What::Unusual, known: KindSet::default(), traits: Traits::default(), counts: 0 },
            };
            level.places.insert(field.name.as_bytes().to_vec(), at);
            level.fields.push(Field {
                name: Name::new(&field.name),
                column: here.unwrap_or_default(),
                seen: at,
                watched: below.iter().filter(|(_, rest)| rest.is_empty()).map(|(number, _)| *number).collect(),
                met: 0,
                node,
            });
        }
        level
    }

    fn settle(&self, seen: &mut Seen, counts: &[u64]) {
        for field in &self.fields {
            if let Some(seen) = seen.fields.get_mut(field.seen) {
                field.node.settle(seen, counts);
            }
        }
    }
}

impl Node {
    fn new(
        seen: &Seen,
        column: &ColumnType,
        privacy: Option<&Privacy>,
        watched: &[Path<'_>],
        tally: &mut Tally,
    ) -> Self {
        let hasher = privacy.and_then(Privacy::hasher);
        let counts = tally.node();
        let what = match column {
            _ if privacy.is_some_and(Privacy::excluded) || seen.guard.is_some() => What::Unusual,
            ColumnType::Json | ColumnType::Map(_) => What::Unusual,
            // A path leads on through lists, and which of their elements counts is not for here.
            ColumnType::List(element) if watched.is_empty() && hasher.is_none() => match seen.items.as_deref() {
                Some(items) => What::List(Box::new(Node::new(items, element, privacy, watched, tally))),
                None => What::Unusual,
            },
            ColumnType::List(_) => What::Unusual,
            ColumnType::Struct(_) if hasher.is_some() => What::Unusual,
            ColumnType::Struct(children) => What::Record(Box::new(Level::new(seen, children, privacy, watched, tally))),
            _ => match hasher {
                Some(hasher) => What::Hashed(Box::new(hasher.clone())),
                None => What::Scalar,
            },
        };
        Self { what, known: seen.kinds(), traits: seen.traits, counts }
    }

    fn settle(&self, seen: &mut Seen, counts: &[u64]) {
        if !matches!(self.what, What::Unusual) {
            seen.count(|kind| counts.get(self.counts + kind as usize).copied().unwrap_or_default());
        }
        match &self.what {
            What::List(element) => {
                if let Some(items) = seen.items.as_deref_mut() {
                    element.settle(items, counts);
                }
            }
            What::Record(level) => level.settle(seen, counts),
            What::Unusual | What::Scalar | What::Hashed(_) => {}
        }
    }
}

/// One walk.
struct Walk<'a, 'w> {
    clock: Clock,
    tally: &'w mut Tally,
    watched: &'w mut [Option<Value<'a>>],
    identities: &'w [usize],
    id: Option<Value<'a>>,
}

impl<'a> Walk<'a, '_> {
    /// Appends a row to every column of a level; whether any of them got a value. When none did the document is void, and
    /// nothing was appended below the top.
    fn fields(&mut self, level: &mut Level, body: &'a [u8], columns: &mut [Builder], top: bool) -> Walked<bool> {
        self.tally.visits += 1;
        let visit = self.tally.visits;
        let (mut at, mut hint, mut filled) = (0, 0, 0);
        while let Some((&tag, rest)) = body.get(at..).and_then(<[u8]>::split_first) {
            let (found, length) = level.find(rest, hint)?;
            let (name, value) = rest.split_at(length);
            let bytes = value.get(..size(tag, value).map_err(|_| Unusual)?).ok_or(Unusual)?;
            at += 1 + length + bytes.len();
            let Some(found) = found else {
                if top && name == IDENTITY {
                    self.identify(tag, bytes)?;
                } else if !is_null(tag) && !is_empty(tag, bytes) || std::str::from_utf8(name).is_err() {
                    // Only a field that nobody has ever put anything into is no news.
                    return Err(Unusual);
                }
                continue;
            };
            hint = found + 1;
            let Some(field) = level.fields.get_mut(found) else { return Err(Unusual) };
            if std::mem::replace(&mut field.met, visit) == visit {
                return Err(Unusual);
            }
            if is_null(tag) {
                continue;
            }
            let (Some(column), Some(last)) = (columns.get_mut(field.column), level.filled.get_mut(field.column)) else {
                return Err(Unusual);
            };
            if self.value(&mut field.node, tag, bytes, column)? {
                *last = visit;
                filled += 1;
                for &watched in field.watched.iter().filter(|_| !is_container(tag)) {
                    *self.watched.get_mut(watched).ok_or(Unusual)? = Value::scalar(tag, bytes);
                }
            }
        }
        if filled == 0 && !top {
            return Ok(false);
        }
        if filled < columns.len() {
            for (column, last) in columns.iter_mut().zip(&level.filled) {
                if *last != visit {
                    column.push_null();
                }
            }
        }
        Ok(true)
    }

    fn identify(&mut self, tag: u8, bytes: &'a [u8]) -> Walked<()> {
        if self.id.is_some() || is_container(tag) {
            return Err(Unusual);
        }
        self.id = Some(Value::scalar(tag, bytes).ok_or(Unusual)?);
        for &watched in self.identities {
            *self.watched.get_mut(watched).ok_or(Unusual)? = self.id;
        }
        Ok(())
    }

    /// Appends a value that is neither Null nor Undefined; `false` when it was void all the same, and nothing was appended.
    fn value(&mut self, node: &mut Node, tag: u8, bytes: &'a [u8], column: &mut Builder) -> Walked<bool> {
        match (&mut node.what, tag, column) {
            (What::Scalar, tag, column) if !is_container(tag) => self.scalar(node, tag, bytes, column)?,
            (What::Record(level), DOCUMENT, Builder::Record(record)) => {
                if !self.fields(level, body(bytes).map_err(|_| Unusual)?, &mut record.children, false)? {
                    return Ok(false);
                }
                record.valid.push(true);
                self.tally.count(node, Kind::Document)?;
            }
            (What::List(element), ARRAY, Builder::List(list)) => {
                let before = list.ends.elements();
                let length = self.elements(element, body(bytes).map_err(|_| Unusual)?, &mut list.element)?;
                let Some(length) = length else {
                    list.element.truncate(before);
                    return Ok(false);
                };
                list.ends.push(length, true);
                self.tally.count(node, Kind::Array)?;
            }
            (What::Hashed(hasher), tag, Builder::Text(texts)) if !is_container(tag) => {
                texts.values.push(&hasher.digest(Value::scalar(tag, bytes).ok_or(Unusual)?));
                self.tally.count(node, Kind::String)?;
            }
            _ => return Err(Unusual),
        }
        Ok(true)
    }

    /// Appends the elements of a list; how many, or none when all of them are void.
    fn elements(&mut self, node: &mut Node, body: &'a [u8], column: &mut Builder) -> Walked<Option<usize>> {
        let (mut at, mut length, mut filled) = (0, 0, false);
        while let Some((&tag, rest)) = body.get(at..).and_then(<[u8]>::split_first) {
            let name = rest.iter().position(|byte| !byte.is_ascii_digit()).ok_or(Unusual)?;
            let value = match rest.split_at_checked(name) {
                Some((_, [0, value @ ..])) => value,
                _ => return Err(Unusual),
            };
            let bytes = value.get(..size(tag, value).map_err(|_| Unusual)?).ok_or(Unusual)?;
            at += name + 2 + bytes.len();
            length += 1;
            if !is_null(tag) && self.value(node, tag, bytes, column)? {
                filled = true;
            } else {
                column.push_null();
            }
        }
        Ok(filled.then_some(length))
    }

    /// Appends a scalar; the commonest by the shortest way.
    #[inline]
    fn scalar(&mut self, node: &Node, tag: u8, bytes: &'a [u8], column: &mut Builder) -> Walked<()> {
        match (tag, column) {
            (STRING, Builder::Text(texts)) => {
                texts.values.push(string(bytes).map_err(|_| Unusual)?);
                self.tally.count(node, Kind::String)
            }
            (DOUBLE, Builder::Double(doubles)) => {
                let x = f64::from_le_bytes(*bytes.first_chunk().ok_or(Unusual)?);
                plain_double(node.traits, x)?;
                doubles.0.push(x);
                self.tally.count(node, Kind::Double)
            }
            (INT, Builder::Bigint(integers)) => {
                integers.0.push(i64::from(i32::from_le_bytes(*bytes.first_chunk().ok_or(Unusual)?)));
                self.tally.count(node, Kind::Int)
            }
            (DATE, Builder::Timestamp(times)) => {
                let ms = i64::from_le_bytes(*bytes.first_chunk().ok_or(Unusual)?);
                let placed = self.clock.place(ms).filter(|placed| !placed.repeated).ok_or(Unusual)?;
                times.values.push(placed.value);
                self.tally.count(node, Kind::Date)
            }
            (tag, column) => self.any_scalar(node, tag, bytes, column),
        }
    }

    fn any_scalar(&mut self, node: &Node, tag: u8, bytes: &'a [u8], column: &mut Builder) -> Walked<()> {
        let value = Value::scalar(tag, bytes).ok_or(Unusual)?;
        self.tally.count(node, value.kind().ok_or(Unusual)?)?;
        let traits = node.traits;
        match (column, value) {
            (Builder::Bigint(integers), Value::Int64(i)) => {
                plain_integer(traits, i)?;
                integers.0.push(i);
            }
            (Builder::Boolean(booleans), Value::Boolean(b)) => booleans.push_option(Some(b)),
            (Builder::Double(doubles), Value::Int32(i)) => doubles.0.push(f64::from(i)),
            (Builder::Double(doubles), Value::Int64(i)) => doubles.0.push(double_of(i).ok_or(Unusual)?),
            (Builder::Decimal(decimals), Value::Double(x)) => decimals.0.push(scaled_double(x).ok_or(Unusual)?),
            // A counter of a timestamp would be lost in its text, and with it the seconds of others in their column.
            (Builder::Text(_), Value::Timestamp { .. }) => return Err(Unusual),
            (Builder::Text(texts), scalar) => {
                match scalar {
                    Value::Int64(i) => plain_integer(traits, i)?,
                    Value::Double(x) => plain_double(traits, x)?,
                    Value::Decimal(bytes) => plain_decimal(traits, Decimal::from_bytes(bytes))?,
                    Value::Date(ms) if !traits.odd_time => {
                        self.clock.place(ms).filter(|placed| !placed.repeated).ok_or(Unusual)?;
                    }
                    _ => {}
                }
                texts.push(scalar);
            }
            _ => return Err(Unusual),
        }
        Ok(())
    }
}

const DOUBLE: u8 = 0x01;
const STRING: u8 = 0x02;
const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
const DATE: u8 = 0x09;
const INT: u8 = 0x10;

/// Null and Undefined.
fn is_null(tag: u8) -> bool {
    tag == 0x0a || tag == 0x06
}

fn is_container(tag: u8) -> bool {
    tag == DOCUMENT || tag == ARRAY
}

/// `{}` and `[]`.
fn is_empty(tag: u8, bytes: &[u8]) -> bool {
    is_container(tag) && bytes == [5, 0, 0, 0, 0]
}

/// Values whose traits are new have to be noted.
fn plain_integer(traits: Traits, i: i64) -> Walked<()> {
    if traits.long_integer || double_of(i).is_some() { Ok(()) } else { Err(Unusual) }
}

fn plain_double(traits: Traits, x: f64) -> Walked<()> {
    if traits.fine_number || scaled_double(x).is_some() {
        return Ok(());
    }
    plain_decimal(traits, Decimal::from_double(x))
}

fn plain_decimal(traits: Traits, number: Decimal) -> Walked<()> {
    let exact = matches!(number, Decimal::Finite(number) if matches!(number.fit(), Fit::Exact(_)));
    if traits.fine_number || exact { Ok(()) } else { Err(Unusual) }
}
