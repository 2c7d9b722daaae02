//! How far and how fast: counts, speed, and the time that is left as far as it can honestly be told.

use std::time::Duration;

/// Before this much time nothing is said of the time left: the first batches come from caches.
const SETTLED: Duration = Duration::from_secs(2);

/// Nor before this share has been read.
const TELLING: f64 = 0.01;

/// What has been read of one collection, or of all together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pace {
    /// Documents read.
    pub documents: u64,
    /// Bytes of BSON read.
    pub bytes: u64,
    /// Documents there are, by the source's counters.
    pub expected_documents: Option<u64>,
    /// Bytes there are, likewise.
    pub expected_bytes: Option<u64>,
}

impl Pace {
    /// Nothing read yet.
    pub fn new(documents: Option<u64>, bytes: Option<u64>) -> Self {
        Self { documents: 0, bytes: 0, expected_documents: documents, expected_bytes: bytes }
    }

    /// So much more has been read.
    pub fn add(&mut self, documents: u64, bytes: u64) {
        self.documents += documents;
        self.bytes += bytes;
    }

    /// What is read of the whole, by bytes where they are known: documents differ in size. More than 1: the counters
    /// were too low. None: the whole is unknown.
    pub fn share(&self) -> Option<f64> {
        // Shares are shown in hundredths; what a double cannot hold of a count is far behind them.
        let of = |part: u64, all: Option<u64>| all.filter(|all| *all > 0).map(|all| part as f64 / all as f64);
        of(self.bytes, self.expected_bytes).or_else(|| of(self.documents, self.expected_documents))
    }

    /// Megabytes (10^6 bytes) a second.
    pub fn megabytes_a_second(&self, elapsed: Duration) -> f64 {
        self.bytes as f64 / 1e6 / elapsed.as_secs_f64().max(1e-3)
    }

    /// How long the rest takes at the speed so far. None: too early to tell, the whole is unknown, or the counters
    /// have turned out too low.
    pub fn left(&self, elapsed: Duration) -> Option<Duration> {
        let share = self.share().filter(|share| (TELLING..1.0).contains(share) && elapsed >= SETTLED)?;
        Some(elapsed.mul_f64((1.0 - share) / share))
    }

    /// The sum of several; what is unknown of one is unknown of all.
    pub fn sum<'a>(paces: impl Iterator<Item = &'a Pace>) -> Pace {
        let start = Pace::new(Some(0), Some(0));
        paces.fold(start, |sum, pace| Pace {
            documents: sum.documents + pace.documents,
            bytes: sum.bytes + pace.bytes,
            expected_documents: sum.expected_documents.zip(pace.expected_documents).map(|(a, b)| a + b),
            expected_bytes: sum.expected_bytes.zip(pace.expected_bytes).map(|(a, b)| a + b),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn the_time_left_goes_by_bytes() {
        let mut pace = Pace::new(Some(1_000), Some(40_000_000));
        assert_eq!((pace.share(), pace.left(TEN)), (Some(0.0), None), "nothing read");
        // A tenth of the documents, and a quarter of the bytes.
        pace.add(100, 10_000_000);
        assert_eq!(pace.left(TEN), Some(Duration::from_secs(30)));
        assert_eq!(pace.left(Duration::from_millis(500)), None, "too early");
        assert!((pace.megabytes_a_second(TEN) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_promised_that_is_not_known() {
        let mut unknown = Pace::new(None, None);
        unknown.add(5, 5);
        assert_eq!((unknown.share(), unknown.left(TEN)), (None, None));
        let mut outgrown = Pace::new(None, Some(10));
        outgrown.add(1, 11);
        assert_eq!(outgrown.left(TEN), None);
        let mut documents = Pace::new(Some(10), None);
        documents.add(5, 999);
        assert_eq!(documents.left(TEN), Some(TEN), "documents, where bytes are unknown");
        assert_eq!(Pace::sum([unknown, outgrown].iter()).expected_bytes, None);
        assert_eq!(Pace::sum([outgrown, outgrown].iter()).expected_bytes, Some(20));
    }
}
