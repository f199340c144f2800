//! A rate per second, kept exactly: the generic cell rate algorithm.

use crate::domain::time::Timestamp;

/// Deliveries that may go out at once before the rate bites: what a tenth of a second is worth.
const BURST_DIVISOR: u64 = 10;
const SECOND: u64 = 1_000;

/// Lets `rate` deliveries a second through, with bursts of a tenth of it (at least one).
///
/// Times are kept in units of `1/rate` milliseconds, in which a delivery costs exactly 1000: no
/// rounding, so no drift.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Throttle {
    rate: u64,
    /// When the last delivery let through would be due at an even pace, plus one delivery's cost.
    paid_until: u64,
}

impl Throttle {
    /// With a rate per second; 0 counts as 1.
    pub fn new(rate: u16) -> Throttle {
        Throttle { rate: u64::from(rate).max(1), paid_until: 0 }
    }

    /// The rate per second.
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// The same throttle at another rate; what was let through still counts.
    pub fn with_rate(self, rate: u16) -> Throttle {
        let fresh = Throttle::new(rate);
        if fresh.rate == self.rate {
            return self;
        }
        let paid_until = (self.paid_until / self.rate).saturating_mul(fresh.rate);
        Throttle { paid_until, ..fresh }
    }

    /// When the next delivery may go: `now`, or later.
    pub fn next_at(&self, now: Timestamp) -> Timestamp {
        let burst = (self.rate / BURST_DIVISOR).max(1);
        let earliest = self.paid_until.saturating_sub((burst - 1) * SECOND);
        now.max(Timestamp::from_millis(earliest.div_ceil(self.rate)))
    }

    /// Counts a delivery that goes out at `now`; ask [`Throttle::next_at`] first.
    pub fn take(&mut self, now: Timestamp) {
        let now = now.millis().saturating_mul(self.rate);
        // Less than a millisecond late is the rounding of `next_at`, and not lost.
        let on_time = now < self.paid_until.saturating_add(self.rate);
        let from = if on_time { self.paid_until } else { now };
        self.paid_until = from.saturating_add(SECOND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    /// Sends as fast as allowed for `span`; the times in milliseconds after the start.
    fn sent(rate: u16, span: Duration) -> Vec<u64> {
        let start = Timestamp::from_millis(1_795_219_200_000);
        let mut throttle = Throttle::new(rate);
        let mut now = start;
        let mut sent = Vec::new();
        while now < start + span {
            throttle.take(now);
            sent.push(now.since(start).as_millis() as u64);
            now = throttle.next_at(now);
        }
        sent
    }

    #[test]
    fn the_rate_holds_without_drift() {
        assert_eq!(sent(1, Duration::from_secs(3)), [0, 1_000, 2_000]);
        assert_eq!(sent(3, Duration::from_secs(1)), [0, 334, 667]);
        assert_eq!(sent(20, Duration::from_millis(101)), [0, 0, 50, 100]);
        for rate in [1, 3, 7, 600, 9_999, u16::MAX] {
            let hour = sent(rate, Duration::from_secs(600)).len() as u64;
            let exact = 600 * u64::from(rate);
            let burst = (u64::from(rate) / 10).max(1);
            assert!((exact..exact + burst + 1).contains(&hour), "{rate}: {hour}");
        }
    }

    #[test]
    fn time_not_used_is_not_saved_up() {
        let mut throttle = Throttle::new(2);
        let later = Timestamp::from_millis(1_000_000);
        throttle.take(later);
        assert_eq!(throttle.next_at(later), later + Duration::from_millis(500));
    }

    #[test]
    fn another_rate_goes_on_where_the_old_one_stood() {
        let now = Timestamp::from_millis(5_000);
        let mut throttle = Throttle::new(1);
        throttle.take(now);
        let faster = throttle.with_rate(4);
        assert_eq!((faster.rate(), faster.next_at(now)), (4, Timestamp::from_millis(6_000)));
        assert_eq!(Throttle::new(0).rate(), 1);
    }

    proptest! {
        #[test]
        fn no_second_carries_more_than_rate_and_burst(
            rate: u16,
            waits in prop::collection::vec(0u64..2_000, 1..300),
        ) {
            let mut throttle = Throttle::new(rate);
            let mut now = Timestamp::from_millis(1_000_000);
            let mut taken: Vec<u64> = Vec::new();
            for wait in waits {
                now = now + Duration::from_millis(wait / 100);
                let at = throttle.next_at(now);
                prop_assert!(at >= now);
                now = at;
                throttle.take(now);
                taken.push(now.millis());
            }
            let limit = usize::from(rate.max(1)) + usize::from(rate / 10).max(1);
            for (index, start) in taken.iter().enumerate() {
                let within = taken[index..].iter().take_while(|at| **at < start + 1_000).count();
                prop_assert!(within <= limit, "{within} in a second at {rate}");
            }
        }

        #[test]
        fn the_end_of_time_is_safe(rate: u16, millis: u64) {
            let mut throttle = Throttle::new(rate);
            throttle.take(Timestamp::from_millis(millis));
            throttle.take(Timestamp::MAX);
            prop_assert!(throttle.next_at(Timestamp::MAX) == Timestamp::MAX);
        }
    }
}
