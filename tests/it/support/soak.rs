//! What `make soak` asks of the tests through variables: more rounds, other seeds, larger sizes.

use std::ops::Range;
use std::time::{Duration, Instant};

/// Whether the long versions were asked for: `LAKEFOLD_SOAK`.
pub fn soaking() -> bool {
    std::env::var_os("LAKEFOLD_SOAK").is_some()
}

/// The number in a variable, if it is set.
pub fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Seeds of random histories: the one in the variable `one`, or as many as `many` asks for, which are others each time,
/// or the `usual` ones.
pub fn seeds(one: &str, many: &str, usual: u64) -> Range<u64> {
    match (asked(one), asked(many)) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(number)) => {
            let first = u64::from(rand::random::<u32>());
            first..first + number
        }
        (None, None) => 0..usual,
    }
}

/// Until when a soak begins another round: `LAKEFOLD_SOAK_SECONDS` from now.
#[derive(Debug, Clone, Copy)]
pub struct Patience(Option<Instant>);

impl Patience {
    /// Begins now.
    pub fn new() -> Self {
        Self(asked("LAKEFOLD_SOAK_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds)))
    }

    /// Whether there is time for another round.
    pub fn lasts(self) -> bool {
        self.0.is_none_or(|end| Instant::now() < end)
    }
}

/// Says what was covered; `--nocapture` shows it.
#[expect(clippy::print_stderr, reason = "a soak says what it covered")]
pub fn covered(what: impl std::fmt::Display) {
    eprintln!("{what}");
}
