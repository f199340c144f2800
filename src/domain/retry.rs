//! When a failed delivery is due again.

use std::time::Duration;

const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);
const JITTER_MAX: f64 = 0.5;

/// The delays between the attempts of a delivery.
#[derive(Clone, PartialEq, Debug)]
pub struct RetryPolicy {
    /// Delays after the first, second … failed attempt; its length + 1 is the number of attempts.
    pub schedule: Vec<Duration>,
    /// Share of a delay that chance may add or take; above 0.5 it counts as 0.5.
    pub jitter: f64,
}

impl RetryPolicy {
    /// How long to wait after the attempt that was the `failed`-th to fail (1 for the first), in
    /// whole milliseconds; `None` when the schedule is used up. `seed` decides the jitter. What the
    /// receiver asked for (`retry_after`, clamped to 1 s … 24 h) is obeyed when it is later, but
    /// not past the latest time at which the schedule would make its last attempt.
    pub fn delay(&self, failed: u16, seed: u64, retry_after: Option<Duration>) -> Option<Duration> {
        let (floor, ceiling) = self.bounds(failed)?;
        let width = millis(ceiling) - millis(floor) + 1;
        let scheduled = floor + Duration::from_millis(seed % width);
        let asked = retry_after
            .map(|asked| asked.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX).min(self.horizon(failed)));
        Some(asked.map_or(scheduled, |asked| asked.max(scheduled)))
    }

    /// The shortest delay that the `failed`-th failure may have: the schedule's less the jitter.
    pub fn floor(&self, failed: u16) -> Option<Duration> {
        self.bounds(failed).map(|(floor, _)| floor)
    }

    /// From the `failed`-th failure to the last attempt, at most.
    pub fn horizon(&self, failed: u16) -> Duration {
        let attempts = u16::try_from(self.schedule.len()).unwrap_or(u16::MAX);
        (failed..=attempts).filter_map(|failed| self.bounds(failed)).map(|(_, top)| top).sum()
    }

    fn bounds(&self, failed: u16) -> Option<(Duration, Duration)> {
        let delay = millis(*self.schedule.get(usize::from(failed).checked_sub(1)?)?);
        let jitter = if self.jitter.is_finite() { self.jitter.clamp(0.0, JITTER_MAX) } else { 0.0 };
        let spread = ((delay as f64 * jitter) as u64).min(delay);
        let (floor, ceiling) = (delay - spread, delay.saturating_add(spread));
        Some((Duration::from_millis(floor), Duration::from_millis(ceiling)))
    }
}

/// Schedules are days at most; half the range leaves room for jitter.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(seconds: &[u64], jitter: f64) -> RetryPolicy {
        let schedule = seconds.iter().map(|s| Duration::from_secs(*s)).collect();
        RetryPolicy { schedule, jitter }
    }

    #[test]
    fn delays_follow_the_schedule_and_end() {
        let policy = policy(&[5, 300, 1_800], 0.0);
        let check = |failed: u16, seconds: Option<u64>| {
            assert_eq!(policy.delay(failed, 99, None), seconds.map(Duration::from_secs));
        };
        check(0, None);
        check(1, Some(5));
        check(2, Some(300));
        check(3, Some(1_800));
        check(4, None);
        assert_eq!(RetryPolicy { schedule: vec![], jitter: 0.2 }.delay(1, 0, None), None);
    }

    #[test]
    fn retry_after_is_obeyed_within_bounds() {
        let policy = policy(&[10, 300, 200_000], 0.0);
        let check = |failed: u16, asked: Duration, seconds: u64| {
            let delay = policy.delay(failed, 0, Some(asked));
            assert_eq!(delay, Some(Duration::from_secs(seconds)), "{failed} {asked:?}");
        };
        check(1, Duration::from_secs(60), 60);
        check(1, Duration::ZERO, 10); // never earlier than the schedule
        check(2, Duration::from_secs(10), 300);
        check(1, Duration::MAX, 24 * 3_600); // the clamp
        check(3, Duration::from_secs(1), 200_000);
        let short = RetryPolicy {
            schedule: vec![Duration::from_secs(10), Duration::from_secs(20)],
            jitter: 0.0,
        };
        let delay = short.delay(1, 0, Some(Duration::from_secs(3_600)));
        assert_eq!(delay, Some(Duration::from_secs(30)), "not past the last attempt");
    }

    #[test]
    fn jitter_uses_its_whole_width() {
        let policy = policy(&[10], 0.2);
        let delays: Vec<_> = (0..4_001).filter_map(|seed| policy.delay(1, seed, None)).collect();
        assert_eq!(delays.iter().min(), Some(&Duration::from_secs(8)));
        assert_eq!(delays.iter().max(), Some(&Duration::from_secs(12)));
    }

    proptest! {
        #[test]
        fn delays_stay_in_bounds(
            seconds in prop::collection::vec(0u64..400_000, 0..12),
            jitter in 0.0f64..=0.5,
            failed in 0u16..14,
            seed: u64,
            asked in prop::option::of(0u64..u64::MAX),
        ) {
            let policy = policy(&seconds, jitter);
            let delay = policy.delay(failed, seed, asked.map(Duration::from_secs));
            let base = usize::from(failed).checked_sub(1).and_then(|index| seconds.get(index));
            prop_assert_eq!(delay.is_some(), base.is_some());
            if let (Some(delay), Some(base)) = (delay, base) {
                let base = *base as f64;
                prop_assert!(delay.as_secs_f64() + 0.001 >= base * (1.0 - jitter));
                prop_assert!(delay <= policy.horizon(failed));
                let top = (base * (1.0 + jitter)).max(asked.map_or(0.0, |_| 86_400.0));
                prop_assert!(delay.as_secs_f64() <= top + 0.001);
            }
        }

        #[test]
        fn any_policy_is_safe(millis: u64, jitter: f64, failed: u16, seed: u64) {
            let schedule = vec![Duration::from_millis(millis); 3];
            let policy = RetryPolicy { schedule, jitter };
            prop_assert_eq!(policy.delay(failed, seed, None).is_some(), (1..=3).contains(&failed));
        }
    }
}
