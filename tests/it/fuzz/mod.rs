//! Fuzzing of the decoder, from a corpus that is kept: documents are damaged and rebuilt, and whatever comes of it must
//! become a row or go to the quarantine byte for byte, never a panic.
//!
//! A document that the `bson` crate reads to its end is sound and must become a row, and a row must hold its document
//! exactly (P6), also after the schema has grown around it (P5). `LAKEFOLD_FUZZ_SECONDS=N` fuzzes longer,
//! `LAKEFOLD_FUZZ_SEED=N` repeats one case. What goes wrong is written to `tests/corpus/`, and from then on tried first
//! in every run.

mod check;
mod corpus;
mod elements;
mod mutate;

use crate::support::soak::{asked, covered};
pub use check::is_sound;
use check::{Feature, check};
pub use corpus::Corpus;
pub use elements::{Element, Value, parse, write};
pub use mutate::Mutator;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Seconds in an ordinary test run.
const SECONDS: u64 = 6;

/// Documents that were worth keeping, beyond the corpus; the oldest give way.
const POOL_MAX: usize = 2_000;

/// One case: documents that arrive one batch after the other.
type Case = Vec<Vec<u8>>;

#[test]
fn whatever_arrives_becomes_a_row_or_is_quarantined() {
    let corpus = Corpus::load();
    for (name, case) in corpus.cases() {
        if let Err(why) = attempt(case) {
            panic!("tests/corpus/{name}: {why}");
        }
    }
    let mut pool: Vec<Vec<u8>> = corpus.documents();
    if let Some(seed) = asked("LAKEFOLD_FUZZ_SEED") {
        return tried(seed, &pool);
    }
    let limit = Duration::from_secs(asked("LAKEFOLD_FUZZ_SECONDS").unwrap_or(SECONDS));
    let (started, first, kept) = (Instant::now(), rand::random::<u64>() >> 16, pool.len());
    let (mut cases, mut known) = (0, HashSet::new());
    while started.elapsed() < limit {
        // A seed must tell its case by itself: it draws from the corpus only. Every other one draws from what was
        // interesting so far as well, which leads further; its case is on disk when it fails.
        let alone = cases % 2 == 0;
        let case = draw(first + cases, if alone { &pool[..kept] } else { &pool });
        match attempt(&case) {
            Ok(features) => {
                let interesting = features.into_iter().filter(|feature| known.insert(*feature)).count() > 0;
                if interesting && pool.len() < kept + POOL_MAX {
                    pool.extend(case);
                } else if interesting {
                    let at = kept + (cases as usize) % POOL_MAX;
                    pool.splice(at..=at, case.into_iter().take(1));
                }
            }
            Err(why) => {
                let names = Corpus::keep(&case);
                let again = if alone { format!("LAKEFOLD_FUZZ_SEED={} or ", first + cases) } else { String::new() };
                panic!("{why}\nrepeat it with {again}the cases kept in tests/corpus: {names}");
            }
        }
        cases += 1;
    }
    assert!(cases > 50 * limit.as_secs(), "{cases} cases in {limit:?} are too few to find anything");
    covered(format_args!("fuzzed {cases} cases from seed {first} in {limit:?}, {} kinds of outcome", known.len()));
}

fn tried(seed: u64, pool: &[Vec<u8>]) {
    if let Err(why) = attempt(&draw(seed, pool)) {
        panic!("LAKEFOLD_FUZZ_SEED={seed}: {why}");
    }
}

fn draw(seed: u64, pool: &[Vec<u8>]) -> Case {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let documents = rng.random_range(1..=4);
    let mut mutator = Mutator { rng, pool };
    (0..documents).map(|_| mutator.document()).collect()
}

/// A panic is a finding like any other.
fn attempt(case: &[Vec<u8>]) -> Result<Vec<Feature>, String> {
    catch_unwind(AssertUnwindSafe(|| check(case))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}
