//! How fast a run may draw on the source, all collections together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What may be drawn at once after a pause.
const BURST: Duration = Duration::from_secs(1);

/// A token bucket: bytes are paid for in time, after they have come, before more are asked for.
pub(super) struct Rate {
    /// Bytes a second; `None`: as fast as the source gives them.
    per_second: Option<u64>,
    /// Until when the bytes taken so far are paid for.
    paid_until: Mutex<Instant>,
}

impl Rate {
    /// `per_second` in bytes, more than 0.
    pub fn new(per_second: Option<u64>) -> Self {
        Self { per_second: per_second.filter(|rate| *rate > 0), paid_until: Mutex::new(Instant::now()) }
    }

    /// Waits until so many bytes more are within the rate.
    pub async fn take(&self, bytes: usize) {
        let Some(per_second) = self.per_second else { return };
        let price = Duration::from_secs_f64(bytes as f64 / per_second as f64);
        let until = {
            let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            // Time that passed unused is worth no more than one burst.
            let from = now.checked_sub(BURST).map_or(*paid_until, |earliest| earliest.max(*paid_until));
            *paid_until = from + price;
            *paid_until
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readers_share_one_rate() {
        let rate = Rate::new(Some(1 << 20));
        let started = Instant::now();
        // 512 KiB by two readers: half a second together, wherever each of them stands.
        let draw = async || {
            for _ in 0..16 {
                rate.take(16 << 10).await;
            }
        };
        tokio::join!(draw(), draw());
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(5), "{took:?}");
    }

    #[tokio::test]
    async fn without_a_rate_nobody_waits() {
        let rate = Rate::new(None);
        let started = Instant::now();
        rate.take(usize::MAX).await;
        assert!(started.elapsed() < Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_pause_saves_up_one_burst_and_no_more() {
        let rate = Rate::new(Some(1 << 20));
        let long_ago = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        *rate.paid_until.lock().unwrap() = long_ago;
        let started = Instant::now();
        rate.take(1 << 20).await;
        assert!(started.elapsed() < Duration::from_millis(900), "the burst is free");
        rate.take(1 << 19).await;
        assert!(started.elapsed() >= Duration::from_millis(450), "and then it is paid for");
    }
}
