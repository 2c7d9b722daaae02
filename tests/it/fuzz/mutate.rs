//! Draws documents from others: elements moved, renamed, replaced, wrapped and doubled, then bytes changed, cut out and
//! spliced in.

use super::elements::{Element, Value, parse, write};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// Names that fold alike, are reserved, or have to be escaped; the last one ends in the middle of a letter.
const KEYS: [&[u8]; 16] = [
    b"a",
    b"A",
    b"b c",
    b"b.c",
    b"",
    b"_id",
    b"_ID",
    b"_misfits",
    b"value_",
    b"value__field",
    b"x/y~z",
    b"0",
    b"date",
    b"$oid",
    "ä".as_bytes(),
    b"\xc3",
];

/// Types of BSON.
const TAGS: [u8; 21] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 0x7f, 0xff];

/// The documents to draw from, and the dice.
pub struct Mutator<'p> {
    /// The dice.
    pub rng: ChaCha8Rng,
    /// Sound and damaged ones.
    pub pool: &'p [Vec<u8>],
}

impl Mutator<'_> {
    /// A new document; some are left as they were drawn.
    pub fn document(&mut self) -> Vec<u8> {
        let mut bytes = self.drawn();
        if self.rng.random_ratio(3, 4) {
            let mut elements = parse(&bytes);
            for _ in 0..self.rng.random_range(1..5) {
                self.rearrange(&mut elements, 0);
            }
            bytes = write(&elements);
        }
        if self.rng.random_ratio(1, 2) {
            for _ in 0..self.rng.random_range(1..4) {
                self.damage(&mut bytes);
            }
            // Damage is looked at from outside in: half of it must not be seen at the first length already.
            if self.rng.random_ratio(1, 2) && bytes.len() >= 5 {
                let length = bytes.len() as i32;
                bytes[..4].copy_from_slice(&length.to_le_bytes());
                bytes.pop();
                bytes.push(0);
            }
        }
        bytes
    }

    fn drawn(&mut self) -> Vec<u8> {
        self.pool.choose(&mut self.rng).cloned().unwrap_or_else(|| vec![5, 0, 0, 0, 0])
    }

    fn rearrange(&mut self, elements: &mut Vec<Element>, depth: usize) {
        let nested: Vec<usize> = elements
            .iter()
            .enumerate()
            .filter_map(|(at, element)| matches!(element.value, Value::Elements(_)).then_some(at))
            .collect();
        if let Some(&at) = nested.choose(&mut self.rng)
            && depth < 8
            && self.rng.random_ratio(1, 2)
            && let Value::Elements(below) = &mut elements[at].value
        {
            let mut below = std::mem::take(below);
            self.rearrange(&mut below, depth + 1);
            elements[at].value = Value::Elements(below);
            return;
        }
        let at = if elements.is_empty() { 0 } else { self.rng.random_range(0..elements.len()) };
        match self.rng.random_range(0..9) {
            0 => {
                let mut others = parse(&self.drawn());
                if !others.is_empty() {
                    let from = self.rng.random_range(0..others.len());
                    elements.insert(at, others.swap_remove(from));
                }
            }
            _ if elements.is_empty() => {}
            1 => drop(elements.remove(at)),
            2 => elements.push(elements[at].clone()),
            3 => elements[at].key = self.key(),
            // The key of a neighbour: a duplicate, with another value.
            4 => elements[at].key = elements.choose(&mut self.rng).map(|e| e.key.clone()).unwrap_or_default(),
            5 => self.wrap(&mut elements[at]),
            6 => self.unwrap(&mut elements[at]),
            7 => {
                let to = self.rng.random_range(0..elements.len());
                elements.swap(at, to);
            }
            _ => (elements[at].tag, elements[at].value) = self.scalar(),
        }
    }

    fn key(&mut self) -> Vec<u8> {
        match self.rng.random_range(0..20) {
            0 => vec![b'k'; self.rng.random_range(150..300)],
            1 => format!("k{}", self.rng.random_range(0..2_000)).into_bytes(),
            _ => KEYS.choose(&mut self.rng).map(|key| key.to_vec()).unwrap_or_default(),
        }
    }

    /// Puts a value into documents or arrays of its own, sometimes into very many.
    fn wrap(&mut self, element: &mut Element) {
        let layers = if self.rng.random_ratio(1, 12) { self.rng.random_range(20..220) } else { 1 };
        for _ in 0..layers {
            let array = self.rng.random_ratio(1, 2);
            let key = if array { b"0".to_vec() } else { self.key() };
            let inner = Element { key, ..element.clone() };
            element.tag = if array { 0x04 } else { 0x03 };
            element.value = Value::Elements(vec![inner]);
        }
    }

    /// A value in place of the document around it.
    fn unwrap(&mut self, element: &mut Element) {
        if let Value::Elements(below) = &element.value
            && let Some(inner) = below.choose(&mut self.rng).cloned()
        {
            (element.tag, element.value) = (inner.tag, inner.value);
        }
    }

    /// A scalar with the values at which columns change their mind.
    fn scalar(&mut self) -> (u8, Value) {
        let doubles = [0.0, -0.0, 1.0, 0.1, 1e22, 1e300, -1e-300, f64::NAN, f64::INFINITY, 9_007_199_254_740_993.0];
        let integers = [0, 1, -1, i64::MAX, i64::MIN, 9_007_199_254_740_993, 1_714_521_600_000, -62_135_596_800_001];
        let texts: [&[u8]; 8] = [b"", b"5", b"true", b"1e+40", b"{\"a\":1}", "é".as_bytes(), b"\xff\xfe", b"a\0b"];
        let text = |text: &[u8]| [&(text.len() as i32 + 1).to_le_bytes()[..], text, b"\0"].concat();
        let (tag, bytes) = match self.rng.random_range(0..12) {
            0 => (0x01, doubles.choose(&mut self.rng).unwrap_or(&0.5).to_le_bytes().to_vec()),
            1 => (0x10, self.rng.random::<i32>().to_le_bytes().to_vec()),
            2 | 3 => {
                let number = integers.choose(&mut self.rng).copied().unwrap_or_default();
                (*[0x12, 0x09, 0x11].choose(&mut self.rng).unwrap_or(&0x12), number.to_le_bytes().to_vec())
            }
            4 | 5 => {
                let words = texts.choose(&mut self.rng).copied().unwrap_or_default();
                (*[0x02, 0x02, 0x0d, 0x0e].choose(&mut self.rng).unwrap_or(&0x02), text(words))
            }
            6 => (0x13, self.rng.random::<[u8; 16]>().to_vec()),
            // Exponents around zero: ordinary amounts.
            7 => {
                let (digits, exponent) =
                    (self.rng.random_range(0..1_000_000_u128), self.rng.random_range(6160..6190_u128));
                (0x13, (digits | exponent << 113).to_le_bytes().to_vec())
            }
            8 => (0x08, vec![self.rng.random_range(0..3)]),
            9 => (0x07, self.rng.random::<[u8; 12]>().to_vec()),
            10 => {
                let data: Vec<u8> = (0..16).map(|_| self.rng.random()).collect();
                let subtype = [0, 2, 3, 4, 5, 128].choose(&mut self.rng).copied().unwrap_or(0);
                (0x05, [&16_i32.to_le_bytes()[..], &[subtype], &data].concat())
            }
            _ => (*[0x06, 0x0a, 0x7f, 0xff].choose(&mut self.rng).unwrap_or(&0x0a), Vec::new()),
        };
        (tag, Value::Bytes(bytes))
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return bytes.push(self.rng.random());
        }
        let at = self.rng.random_range(0..bytes.len());
        let to = (at + self.rng.random_range(1..20)).min(bytes.len());
        match self.rng.random_range(0..9) {
            0 => bytes[at] ^= 1 << self.rng.random_range(0..8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xc3, 0xff].choose(&mut self.rng).copied().unwrap_or(0),
            2 => bytes[at] = TAGS.choose(&mut self.rng).copied().unwrap_or(0),
            3 => self.length(&mut bytes[at..]),
            4 => drop(bytes.drain(at..to)),
            5 => bytes.truncate(at),
            6 => {
                let doubled = bytes[at..to].to_vec();
                bytes.splice(at..at, doubled);
            }
            7 => {
                let other = self.drawn();
                let from = self.rng.random_range(0..=other.len());
                let length = self.rng.random_range(0..=(other.len() - from).min(60));
                bytes.splice(at..to, other[from..from + length].iter().copied());
            }
            _ => bytes.insert(at, self.rng.random()),
        }
    }

    /// What a length prefix must not say.
    fn length(&mut self, bytes: &mut [u8]) {
        let Some(prefix) = bytes.first_chunk_mut::<4>() else { return };
        let old = i32::from_le_bytes(*prefix);
        let lies =
            [0, 1, 4, 5, -1, i32::MIN, i32::MAX, old.wrapping_add(1), old.wrapping_sub(1), old.wrapping_mul(256)];
        *prefix = lies.choose(&mut self.rng).copied().unwrap_or(0).to_le_bytes();
    }
}
