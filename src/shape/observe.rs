//! Notes the kinds of a document's values in the tree of everything seen.

use super::canonical::decimal::{Decimal, Fit, double_of, scaled_double};
use super::canonical::time::Clock;
use super::privacy::{Privacy, is_void_element};
use super::raw::{Document, Element, Value};
use crate::model::seen::{Guard, Kind, MAX_DEPTH, MAX_KEYS, Seen};
use crate::model::table::ID;

/// Observes one document after the other.
pub struct Observer<'a> {
    clock: Clock,
    version: u64,
    example: &'a dyn Fn() -> String,
    grown: bool,
}

impl<'a> Observer<'a> {
    /// Notes everything below the top of a checked document except `_id`; whether anything new was seen.
    ///
    /// New fields are noted as unknown to files before `version`. `example` gives the discreet form of the document's id;
    /// it is asked for only when a kind is new somewhere.
    pub fn document(
        seen: &mut Seen,
        document: Document<'_>,
        privacy: Option<&Privacy>,
        clock: Clock,
        version: u64,
        example: &'a dyn Fn() -> String,
    ) -> bool {
        let mut observer = Self { clock, version, example, grown: false };
        observer.fields(seen, document, privacy, 0);
        observer.grown
    }

    fn fields(&mut self, seen: &mut Seen, document: Document<'_>, privacy: Option<&Privacy>, depth: usize) {
        let mut hint = 0;
        for element in document.elements() {
            if depth == 0 && element.key == ID.as_bytes() {
                continue;
            }
            let below = privacy.and_then(|p| p.child(element.key));
            if below.is_some_and(Privacy::excluded) || is_void_element(&element, below) {
                continue;
            }
            if seen.guard.is_none() {
                let at = seen.fields.position(element.key, hint).unwrap_or_else(|| {
                    self.grown = true;
                    seen.fields.ensure(&String::from_utf8_lossy(element.key), self.version)
                });
                hint = at + 1;
                if let Some(field) = seen.fields.get_mut(at) {
                    self.value(field, &element, below, depth + 1);
                }
                if depth > 0 && seen.fields.len() > MAX_KEYS {
                    self.grown |= seen.trip(Guard::Keys);
                }
            } else if let Some(values) = seen.values.as_deref_mut() {
                self.value(values, &element, below, depth + 1);
            }
        }
    }

    /// Notes a value that is not void.
    fn value(&mut self, seen: &mut Seen, element: &Element<'_>, privacy: Option<&Privacy>, depth: usize) {
        if element.is_text() {
            return self.note(seen, Kind::String);
        }
        match element.value() {
            Value::Array(array) => {
                self.note(seen, Kind::Array);
                if self.is_deep(seen, depth) {
                    return;
                }
                let items = seen.items.get_or_insert_default();
                for element in array.elements() {
                    if !is_void_element(&element, privacy) {
                        self.value(items, &element, privacy, depth + 1);
                    }
                }
            }
            _ if privacy.is_some_and(|p| p.hasher().is_some()) => self.note(seen, Kind::String),
            Value::Document(document) => {
                self.note(seen, Kind::Document);
                if !self.is_deep(seen, depth) {
                    self.fields(seen, document, privacy, depth);
                }
            }
            scalar => {
                if let Some(kind) = scalar.kind() {
                    self.note(seen, kind);
                    self.traits(seen, scalar);
                }
            }
        }
    }

    fn is_deep(&mut self, seen: &mut Seen, depth: usize) -> bool {
        if depth > MAX_DEPTH {
            self.grown |= seen.trip(Guard::Depth);
        }
        seen.guard == Some(Guard::Depth)
    }

    fn note(&mut self, seen: &mut Seen, kind: Kind) {
        self.grown |= seen.note(kind, self.example);
    }

    fn traits(&mut self, seen: &mut Seen, value: Value<'_>) {
        let traits = &mut seen.traits;
        let fine = |number: Decimal| !matches!(number, Decimal::Finite(n) if matches!(n.fit(), Fit::Exact(_)));
        let (flag, set) = match value {
            Value::Int64(i) if !traits.long_integer => (&mut traits.long_integer, double_of(i).is_none()),
            Value::Double(x) if !traits.fine_number => {
                (&mut traits.fine_number, scaled_double(x).is_none() && fine(Decimal::from_double(x)))
            }
            Value::Decimal(bytes) if !traits.fine_number => (&mut traits.fine_number, fine(Decimal::from_bytes(bytes))),
            Value::Date(ms) if !traits.odd_time => {
                (&mut traits.odd_time, self.clock.place(ms).is_none_or(|p| p.repeated))
            }
            Value::Timestamp { seconds, .. } if !traits.odd_time => {
                (&mut traits.odd_time, self.clock.place(i64::from(seconds) * 1000).is_none_or(|p| p.repeated))
            }
            _ => return,
        };
        if set {
            *flag = true;
            self.grown = true;
        }
    }
}
