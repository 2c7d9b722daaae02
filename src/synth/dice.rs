//! The only source of chance: ChaCha keyed by what is being decided.
//!
//! A document's fate must not depend on how many documents were made before it: `--advance` looks at one day, a full
//! generation at all of them, and both have to agree. So nothing shares a running generator; each subject opens its
//! own, whose 256-bit key *is* the subject: the seed, the topic and two coordinates.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a [`Dice`] decides about; the discriminant is part of the key, so it must never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Topic {
    Facility = 1,
    Doctor = 2,
    Patient = 3,
    Calendar = 4,
    Appointment = 5,
    Stay = 6,
    Visit = 7,
    Bill = 8,
    Lab = 9,
    Prescription = 10,
    Stock = 11,
}

/// A reproducible sequence of decisions about one subject.
///
/// The arithmetic is our own (multiply and shift): `rand` promises stable ChaCha output, but not stable sampling.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of `topic` at the coordinates `a` and `b` (usually a day and an ordinal within it).
    pub fn new(seed: u64, topic: Topic, a: u64, b: u64) -> Self {
        let mut key = [0u8; 32];
        for (slot, part) in key.chunks_exact_mut(8).zip([seed, topic as u64, a, b]) {
            slot.copy_from_slice(&part.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Eight random bytes.
    pub fn bytes(&mut self) -> [u8; 8] {
        self.0.next_u64().to_le_bytes()
    }

    /// An index below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let wide = u128::from(self.0.next_u64()) * n as u128;
        (wide >> 64) as usize
    }

    /// A number of `low..=high`; `low` when the range is empty.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(1) as usize) as i64
    }

    /// True in about `permille` of 1,000 throws.
    pub fn chance(&mut self, permille: usize) -> bool {
        self.below(1000) < permille
    }

    /// One of a list that is part of the program, never empty.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// An index drawn in proportion to `weights`.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let total: u32 = weights.iter().sum();
        let mut left = self.below(total as usize) as u32;
        for (index, weight) in weights.iter().enumerate() {
            if left < *weight {
                return index;
            }
            left -= weight;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_do_not_share_a_sequence() {
        let first = |topic, a, b| Dice::new(7, topic, a, b).bytes();
        assert_eq!(first(Topic::Bill, 1, 2), first(Topic::Bill, 1, 2));
        assert_ne!(first(Topic::Bill, 1, 2), first(Topic::Bill, 2, 1));
        assert_ne!(first(Topic::Bill, 1, 2), first(Topic::Visit, 1, 2));
    }

    #[test]
    fn draws_stay_in_range() {
        let mut dice = Dice::new(1, Topic::Calendar, 0, 0);
        for _ in 0..1000 {
            assert!((-3..=5).contains(&dice.between(-3, 5)));
            assert!(dice.weighted(&[0, 3, 1]) > 0);
        }
        assert!(!dice.chance(0) && dice.chance(1000));
    }
}
