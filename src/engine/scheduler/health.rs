//! How a lane's receiver is doing: how much it may get at once, and when it is parked.

use std::collections::BTreeSet;
use std::time::Duration;

use super::lane::Key;
use super::verdict::Sign;
use crate::domain::time::Timestamp;

const START_LIMIT: usize = 8;
/// What a receiver that has just come back gets at once; it grows from there.
const RAMP_LIMIT: usize = 2;
/// At most so many at once while the receiver's own time is below `WAITING`: more threads would
/// only take turns on the processor.
const INSTANT_LIMIT: usize = 8;
/// A slower answer raises what the receiver takes at present by one part in so many.
const RISE: u32 = 64;
/// What the receiver takes at its best is forgotten over this time.
const MEMORY: Duration = Duration::from_secs(60);
/// Taking so many times as long as at its best it is waited for by others too, or by us for a
/// processor: more at once would only wait longer.
const CROWDED: u32 = 2;
const WAITING: Duration = Duration::from_millis(2);
const SLOW: Duration = Duration::from_secs(2);
/// One in 20: the 95th percentile, in parts of `WHOLE`.
const SLOW_SHARE: u32 = WHOLE / 20;
const WHOLE: u32 = 1 << 16;
const STRAINED_FAILURES: usize = 3;
const PROBE_FIRST: Duration = Duration::from_secs(5);
const PROBE_LAST: Duration = Duration::from_secs(300);

/// A lane that is held because its receiver is down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Park {
    /// When it was.
    pub since: Timestamp,
    /// When the next delivery may be sent to see.
    pub probe_at: Timestamp,
    /// The one that was.
    pub probing: Option<Key>,
    interval: Duration,
}

/// What a lane learned from its attempts since the start.
#[derive(Clone, Debug)]
pub(super) struct Health {
    limit: usize,
    most: usize,
    /// What the receiver takes at present: the quickest of the last answers tell it, an average
    /// also holds what threads wait for a processor.
    quickest: Duration,
    /// What it takes at its best.
    best: Duration,
    slow_share: u32,
    overloaded: bool,
    failed: BTreeSet<Key>,
    failing_since: Option<Timestamp>,
    quiet_since: Timestamp,
    park: Option<Park>,
}

impl Health {
    /// Of a receiver nothing is known of; it never gets more than `most` at once.
    pub fn new(most: usize) -> Health {
        Health {
            limit: START_LIMIT.min(most),
            most,
            quickest: Duration::MAX,
            best: Duration::MAX,
            slow_share: 0,
            overloaded: false,
            failed: BTreeSet::new(),
            failing_since: None,
            quiet_since: Timestamp::default(),
            park: None,
        }
    }

    /// How many deliveries may be in flight.
    pub fn limit(&self) -> usize {
        if self.park.is_some() { 1 } else { self.limit }
    }

    /// Why and since when the lane is held.
    pub fn park(&self) -> Option<&Park> {
        self.park.as_ref()
    }

    /// Since when no attempt succeeded, `None` after a success.
    pub fn failing_since(&self) -> Option<Timestamp> {
        self.failing_since
    }

    /// It failed before this process started, since then.
    pub fn failing_from(&mut self, since: Timestamp) {
        self.failing_since = Some(since);
    }

    /// Whether it times out, fails, is slow for one in 20, or has not answered any of what is in
    /// flight for 2 s.
    pub fn strained(&self, now: Timestamp, in_flight: usize) -> bool {
        self.overloaded
            || self.park.is_some()
            || self.failed.len() >= STRAINED_FAILURES
            || self.slow_share > SLOW_SHARE
            || (in_flight > 0 && now.since(self.quiet_since) > SLOW)
    }

    /// A delivery goes out.
    pub fn sent(&mut self, now: Timestamp, key: Key, in_flight_before: usize, manual: bool) {
        if in_flight_before == 0 {
            self.quiet_since = now;
        }
        if let Some(park) = self.park.as_mut().filter(|_| !manual) {
            park.probing = Some(key);
        }
    }

    /// A delivery comes back unsent.
    pub fn unsent(&mut self, key: Key) {
        if let Some(park) = self.park.as_mut().filter(|park| park.probing == Some(key)) {
            park.probing = None;
        }
    }

    /// An attempt ended, sent or not, for which a sender was held so long.
    pub fn held(&mut self, held: Duration) {
        let slow = if held > SLOW { WHOLE } else { 0 };
        self.slow_share = (self.slow_share * 31 + slow) / 32;
    }

    /// What was sent ended; `limited` when the lane had as many in flight as it may.
    pub fn record(
        &mut self,
        now: Timestamp,
        key: Key,
        (sign, duration): (Sign, Duration),
        limited: bool,
        park_after: usize,
    ) {
        let since = now.since(self.quiet_since).min(MEMORY);
        self.quiet_since = now;
        // One that reached nobody, or was refused at the door, says nothing of what it takes.
        if sign == Sign::Well {
            self.quickest = match duration.checked_sub(self.quickest) {
                Some(over) => self.quickest + over / RISE,
                None => duration,
            };
            self.best = match self.quickest.checked_sub(self.best) {
                Some(over) => self.best + over.mul_f64(since.as_secs_f64() / MEMORY.as_secs_f64()),
                None => self.quickest,
            };
        }
        match sign {
            Sign::Well => self.succeed(limited),
            Sign::Refused | Sign::Gone => _ = self.failing_since.get_or_insert(now),
            Sign::Failed | Sign::Overloaded => {
                self.failing_since.get_or_insert(now);
                if sign == Sign::Overloaded {
                    self.overloaded = true;
                    self.limit = (self.limit / 2).max(1);
                }
                if self.park.is_none() {
                    self.failed.insert(key);
                    if self.failed.len() >= park_after {
                        let (probe_at, interval) = (now + PROBE_FIRST, PROBE_FIRST);
                        self.park = Some(Park { since: now, probe_at, probing: None, interval });
                        self.failed = BTreeSet::new();
                    }
                }
            }
        }
        if let Some(park) = self.park.as_mut().filter(|park| park.probing == Some(key)) {
            park.probing = None;
            park.interval = (park.interval * 2).min(PROBE_LAST);
            park.probe_at = now + park.interval;
        }
    }

    /// The endpoint was changed by a person: a parked lane is probed at once, and days of failure
    /// count from now.
    pub fn forgive(&mut self, now: Timestamp) {
        self.failing_since = None;
        if let Some(park) = &mut self.park {
            park.probe_at = now;
            park.interval = PROBE_FIRST;
        }
    }

    fn succeed(&mut self, limited: bool) {
        self.overloaded = false;
        self.failed.clear();
        self.failing_since = None;
        if self.park.take().is_some() {
            self.limit = RAMP_LIMIT.min(self.most);
        } else if self.quickest <= WAITING || self.quickest > self.best * CROWDED {
            if self.limit > INSTANT_LIMIT {
                self.limit -= 1;
            } else if limited && self.limit < INSTANT_LIMIT.min(self.most) {
                self.limit += 1;
            }
        } else if limited && self.limit < self.most {
            self.limit += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{MessageId, Stamp};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const INSTANT: Duration = Duration::from_millis(1);
    const WAITED: Duration = Duration::from_millis(50);

    fn key(number: u64) -> Key {
        (MessageId::new(Stamp(number)), 0)
    }

    fn after(health: &mut Health, count: u64, sign: Sign, duration: Duration) {
        for number in 0..count {
            health.held(duration);
            health.record(NOW, key(number), (sign, duration), true, 10);
        }
    }

    #[test]
    fn the_limit_grows_while_threads_wait_and_halves_on_timeouts() {
        let check = |steps: &[(u64, Sign, Duration)], limit: usize| {
            let mut health = Health::new(100);
            for (count, sign, duration) in steps {
                after(&mut health, *count, *sign, *duration);
            }
            assert_eq!(health.limit(), limit, "{steps:?}");
        };
        check(&[], 8);
        check(&[(3, Sign::Well, WAITED)], 11);
        check(&[(1_000, Sign::Well, WAITED)], 100);
        check(&[(1_000, Sign::Well, INSTANT)], 8);
        check(&[(1_000, Sign::Well, WAITED), (1_000, Sign::Well, INSTANT)], 8);
        check(&[(9, Sign::Well, INSTANT), (1_000, Sign::Well, WAITED)], 8); // crowded
        check(&[(1, Sign::Overloaded, WAITED)], 4);
        check(&[(9, Sign::Overloaded, WAITED)], 1);
        check(&[(9, Sign::Overloaded, WAITED), (2, Sign::Well, WAITED)], 3);
        check(&[(9, Sign::Failed, WAITED), (9, Sign::Refused, WAITED)], 8);
        check(&[(10, Sign::Failed, WAITED)], 1); // parked
        check(&[(10, Sign::Failed, WAITED), (1, Sign::Well, WAITED)], 2); // the ramp
        check(&[(10, Sign::Failed, WAITED), (4, Sign::Well, WAITED)], 5);
    }

    #[test]
    fn ten_distinct_failures_park_and_a_success_between_does_not() {
        let mut health = Health::new(100);
        for _ in 0..50 {
            health.record(NOW, key(1), (Sign::Failed, WAITED), false, 10);
        }
        assert_eq!(health.park(), None, "one delivery alone");
        after(&mut health, 9, Sign::Failed, WAITED);
        after(&mut health, 1, Sign::Well, WAITED);
        after(&mut health, 9, Sign::Failed, WAITED);
        after(&mut health, 50, Sign::Refused, WAITED);
        assert_eq!(health.park(), None);
        health.record(NOW, key(77), (Sign::Failed, WAITED), false, 10);
        assert_eq!(health.park().map(|park| park.probe_at), Some(NOW + PROBE_FIRST));
    }

    #[test]
    fn probes_come_at_growing_intervals() {
        let mut health = Health::new(100);
        after(&mut health, 10, Sign::Failed, WAITED);
        after(&mut health, 10, Sign::Failed, WAITED); // were in flight when it was parked
        let mut waits = Vec::new();
        let mut now = NOW;
        for number in 100..109 {
            let at = health.park().expect("parked").probe_at;
            waits.push(at.since(now).as_secs());
            now = at;
            health.sent(now, key(number), 0, false);
            health.record(now, key(number), (Sign::Failed, WAITED), true, 10);
        }
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        health.forgive(now);
        assert_eq!(health.park().map(|park| park.probe_at), Some(now));
        health.record(now, key(200), (Sign::Well, WAITED), true, 10);
        assert_eq!((health.park(), health.failing_since()), (None, None));
    }

    #[test]
    fn strain() {
        let check = |steps: &[(u64, Sign, Duration)], strained: bool| {
            let mut health = Health::new(100);
            for (count, sign, duration) in steps {
                after(&mut health, *count, *sign, *duration);
            }
            assert_eq!(health.strained(NOW, 1), strained, "{steps:?}");
        };
        let slow = Duration::from_secs(3);
        check(&[(1, Sign::Well, slow)], false);
        check(&[(2, Sign::Well, slow)], true);
        check(&[(200, Sign::Well, slow), (99, Sign::Well, INSTANT)], false);
        check(&[(1, Sign::Overloaded, INSTANT)], true);
        check(&[(1, Sign::Overloaded, INSTANT), (1, Sign::Well, INSTANT)], false);
        check(&[(2, Sign::Failed, INSTANT)], false);
        check(&[(3, Sign::Failed, INSTANT)], true);
        let mut preparing = Health::new(100);
        for number in 0..2 {
            preparing.held(slow);
            preparing.record(NOW, key(number), (Sign::Well, INSTANT), true, 10);
        }
        assert!(preparing.strained(NOW, 1), "a script is slow, not the receiver");
        let mut silent = Health::new(100);
        silent.sent(NOW, key(1), 0, false);
        assert!(!silent.strained(NOW + SLOW, 1));
        assert!(silent.strained(NOW + SLOW + WAITING, 1));
        assert!(!silent.strained(NOW + SLOW + WAITING, 0));
    }
}
