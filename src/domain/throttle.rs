//! A rate, kept exactly: the generic cell rate algorithm.

use crate::domain::time::Timestamp;

/// Deliveries that may go out at once before the rate bites: what a tenth of a second is worth.
const BURST_DIVISOR: u64 = 10;
const MINUTE: u64 = 60_000;
const MINUTE_S: u32 = 60;

/// Deliveries in a time, at least one a minute.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rate {
    per_minute: u32,
}

impl Rate {
    /// So many in a minute; 0 counts as 1.
    pub fn per_minute(deliveries: u32) -> Rate {
        Rate { per_minute: deliveries.clamp(1, u32::from(u16::MAX) * MINUTE_S) }
    }

    /// So many in a second; 0 counts as 1.
    pub fn per_second(deliveries: u16) -> Rate {
        Rate::per_minute(u32::from(deliveries.max(1)) * MINUTE_S)
    }

    /// How many in a minute.
    pub fn in_a_minute(self) -> u32 {
        self.per_minute
    }

    /// Whole ones in a second.
    pub fn in_a_second(self) -> u16 {
        u16::try_from(self.per_minute / MINUTE_S).unwrap_or(u16::MAX)
    }
}

/// Lets deliveries through at a rate, with bursts of a tenth of a second's (at least one).
///
/// Times are kept in units of `1/rate` milliseconds, in which a delivery costs exactly 60,000: no
/// rounding, so no drift.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Throttle {
    rate: u64,
    /// When the last delivery let through would be due at an even pace, plus one delivery's cost.
    paid_until: u64,
}

impl Throttle {
    /// One that nothing went through yet.
    pub fn new(rate: Rate) -> Throttle {
        Throttle { rate: u64::from(rate.per_minute), paid_until: 0 }
    }

    /// One through which as much went until `now` as may: of what went before nobody knows.
    pub fn spent(rate: Rate, now: Timestamp) -> Throttle {
        let fresh = Throttle::new(rate);
        let paid_until = now.millis().saturating_mul(fresh.rate);
        Throttle { paid_until: paid_until.saturating_add(fresh.burst() * MINUTE), ..fresh }
    }

    /// The same throttle at another rate; what was let through still counts.
    pub fn with_rate(self, rate: Rate) -> Throttle {
        let fresh = Throttle::new(rate);
        if fresh.rate == self.rate {
            return self;
        }
        let paid_until = (self.paid_until / self.rate).saturating_mul(fresh.rate);
        Throttle { paid_until, ..fresh }
    }

    /// When the next delivery may go: `now`, or later.
    pub fn next_at(&self, now: Timestamp) -> Timestamp {
        let earliest = self.paid_until.saturating_sub((self.burst() - 1) * MINUTE);
        now.max(Timestamp::from_millis(earliest.div_ceil(self.rate)))
    }

    /// When it is as if nothing had gone through: `now`, or later.
    pub fn paid_at(&self, now: Timestamp) -> Timestamp {
        now.max(Timestamp::from_millis(self.paid_until.div_ceil(self.rate)))
    }

    fn burst(&self) -> u64 {
        (self.rate / u64::from(MINUTE_S) / BURST_DIVISOR).max(1)
    }

    /// Counts a delivery that goes out at `now`; ask [`Throttle::next_at`] first.
    pub fn take(&mut self, now: Timestamp) {
        let now = now.millis().saturating_mul(self.rate);
        // Less than a millisecond late is the rounding of `next_at`, and not lost.
        let on_time = now < self.paid_until.saturating_add(self.rate);
        let from = if on_time { self.paid_until } else { now };
        self.paid_until = from.saturating_add(MINUTE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    /// Sends as fast as allowed for `span`; the times in milliseconds after the start.
    fn sent(rate: Rate, span: Duration) -> Vec<u64> {
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
        let second = Rate::per_second;
        assert_eq!(sent(second(1), Duration::from_secs(3)), [0, 1_000, 2_000]);
        assert_eq!(sent(second(3), Duration::from_secs(1)), [0, 334, 667]);
        assert_eq!(sent(second(20), Duration::from_millis(101)), [0, 0, 50, 100]);
        let slow = sent(Rate::per_minute(7), Duration::from_secs(60));
        assert_eq!(slow, [0, 8_572, 17_143, 25_715, 34_286, 42_858, 51_429]);
        assert_eq!(sent(Rate::per_minute(0), Duration::from_secs(61)), [0, 60_000]);
        for rate in [1, 3, 7, 600, 9_999, u16::MAX] {
            let hour = sent(second(rate), Duration::from_secs(600)).len() as u64;
            let exact = 600 * u64::from(rate);
            let burst = (u64::from(rate) / 10).max(1);
            assert!((exact..exact + burst + 1).contains(&hour), "{rate}: {hour}");
        }
    }

    #[test]
    fn time_not_used_is_not_saved_up() {
        let mut throttle = Throttle::new(Rate::per_second(2));
        let later = Timestamp::from_millis(1_000_000);
        throttle.take(later);
        assert_eq!(throttle.next_at(later), later + Duration::from_millis(500));
    }

    /// Whatever went before a start, what goes after it stays within the rate.
    #[test]
    fn what_is_spent_is_paid_before_anything_goes() {
        let start = Timestamp::from_millis(1_795_219_200_000);
        for rate in [1, 9, 20, 500, 9_999] {
            let rate = Rate::per_second(rate);
            let mut before = Throttle::new(rate);
            while before.next_at(start) == start {
                before.take(start);
            }
            let spent = Throttle::spent(rate, start);
            assert_eq!(spent.next_at(start), before.next_at(start), "{rate:?}");
            let paid = spent.paid_at(start);
            assert_eq!(spent.next_at(paid), paid);
            assert_eq!(Throttle::new(rate).paid_at(start), start);
        }
        assert_eq!(
            Throttle::spent(Rate::per_minute(1), start).next_at(start).since(start).as_secs(),
            60
        );
    }

    #[test]
    fn another_rate_goes_on_where_the_old_one_stood() {
        let now = Timestamp::from_millis(5_000);
        let mut throttle = Throttle::new(Rate::per_second(1));
        throttle.take(now);
        let faster = throttle.with_rate(Rate::per_second(4));
        assert_eq!(faster.next_at(now), Timestamp::from_millis(6_000));
        assert_eq!(Rate::per_second(0), Rate::per_second(1));
        assert_eq!(Rate::per_minute(u32::MAX).in_a_second(), u16::MAX);
    }

    proptest! {
        #[test]
        fn no_second_carries_more_than_rate_and_burst(
            rate: u16,
            waits in prop::collection::vec(0u64..2_000, 1..300),
        ) {
            let mut throttle = Throttle::new(Rate::per_second(rate));
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
            let mut throttle = Throttle::new(Rate::per_second(rate));
            throttle.take(Timestamp::from_millis(millis));
            throttle.take(Timestamp::MAX);
            prop_assert!(throttle.next_at(Timestamp::MAX) == Timestamp::MAX);
        }
    }
}
