//! Which columns the operator has pinned, and what a pinned column refuses.

use super::names::Level;
use crate::model::pin::{Pin, PinType};
use crate::model::seen::{Kind, KindSet, Traits};

const INTEGERS: KindSet = KindSet::of(&[Kind::Int]);
const DOUBLES: KindSet = KindSet::of(&[Kind::Int, Kind::Double]);
const NUMBERS: KindSet = KindSet::of(&[Kind::Int, Kind::Double, Kind::Decimal]);
const TIMES: KindSet = KindSet::of(&[Kind::Date, Kind::Timestamp]);
const BOOLEANS: KindSet = KindSet::of(&[Kind::Boolean]);
const SCALARS: KindSet = KindSet::of(&[
    Kind::Int,
    Kind::Double,
    Kind::Decimal,
    Kind::Boolean,
    Kind::Date,
    Kind::Timestamp,
    Kind::String,
    Kind::Symbol,
    Kind::Code,
    Kind::CodeWithScope,
    Kind::Regex,
    Kind::ObjectId,
    Kind::Uuid,
    Kind::Binary,
    Kind::DbPointer,
    Kind::MinKey,
    Kind::MaxKey,
]);

/// The pins at and below one column, by folded names: all spellings of a column share its pin, so that the order in
/// which spellings arrive cannot matter.
#[derive(Debug, Default)]
pub struct Pins {
    kind: Option<PinType>,
    children: Vec<(String, Pins)>,
}

impl Pins {
    /// The tree of a table's pins; `keys` are its partition keys.
    pub fn new(pins: &[Pin], keys: &[String]) -> Self {
        let mut root = Self::default();
        for pin in pins {
            let mut node = &mut root;
            let mut level = Level::Top(keys);
            for part in &pin.path.0 {
                node = node.ensure(level.column(part));
                level = Level::Nested;
            }
            node.kind = Some(pin.kind);
        }
        root
    }

    fn ensure(&mut self, name: String) -> &mut Self {
        let at = self.children.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.children.push((name, Self::default()));
            self.children.len() - 1
        });
        &mut self.children[at].1
    }

    /// The pins at and below the column `name` of a document here.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(known, _)| known == name).map(|(_, below)| below)
    }

    /// The pin of this column.
    pub fn kind(&self) -> Option<PinType> {
        self.kind
    }

    /// Whether a field somewhere below is pinned.
    pub fn is_above(&self) -> bool {
        !self.children.is_empty()
    }
}

/// The kinds a column pinned to `pin` has no place for.
pub fn refused(pin: PinType, kinds: KindSet) -> KindSet {
    kinds.without(match pin {
        PinType::Boolean => BOOLEANS,
        PinType::Bigint => INTEGERS,
        PinType::Double => DOUBLES,
        PinType::Decimal => NUMBERS,
        PinType::Timestamp => TIMES,
        PinType::String => SCALARS,
        PinType::Json => kinds,
    })
}

/// Whether a column pinned to `pin` has to round or refuse values of these kinds and traits.
pub fn needs_misfits(pin: PinType, kinds: KindSet, traits: Traits) -> bool {
    let rounds = match pin {
        PinType::Double => traits.long_integer,
        PinType::Decimal => traits.fine_number,
        PinType::Timestamp => traits.odd_time,
        PinType::Boolean | PinType::Bigint | PinType::String | PinType::Json => false,
    };
    rounds || !refused(pin, kinds).is_empty()
}
