//! What a relay counts by the minute, and how minutes add up to the points of a chart.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

/// Counts are kept for each of these.
pub const MINUTE: Duration = Duration::from_secs(60);
/// Below it every millisecond has a bucket of its own,
const EXACT: u32 = 16;
/// and from there on every doubling has so many: a value read back is off by a sixteenth at most.
const PARTS: u32 = 8;
/// Buckets that there are.
pub const BUCKETS: usize = (EXACT + PARTS * (u32::BITS - EXACT.ilog2())) as usize;

/// The bucket of a latency, in milliseconds.
pub const fn bucket(millis: u32) -> u8 {
    if millis < EXACT {
        return millis as u8;
    }
    let octave = millis.ilog2();
    let part = (millis >> (octave - PARTS.ilog2())) % PARTS;
    (EXACT + (octave - EXACT.ilog2()) * PARTS + part) as u8
}

/// The middle of a bucket, in milliseconds.
fn middle(bucket: u8) -> u64 {
    let Some(above) = u32::from(bucket).checked_sub(EXACT) else { return bucket.into() };
    // At most 3 + 27: the last bucket ends with the numbers of 32 bits.
    let shift = above / PARTS + EXACT.ilog2() - PARTS.ilog2();
    let width = 1_u64 << shift;
    u64::from(PARTS + above % PARTS) * width + width / 2
}

/// How many latencies fell into each bucket.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Latencies(BTreeMap<u8, u64>);

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, millis: u32) {
        self.add_to(bucket(millis), 1);
    }

    /// Counts so many in a bucket.
    pub fn add_to(&mut self, bucket: u8, count: u64) {
        if count > 0 {
            *self.0.entry(bucket).or_default() += count;
        }
    }

    /// The latency in milliseconds that this share of them does not exceed, 6.25 % off at most;
    /// `None` when there is none.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let all: u64 = self.0.values().sum();
        let rank = ((all as f64 * share).ceil() as u64).clamp(1, all.max(1));
        let mut seen = 0;
        let found = self.0.iter().find(|(_, count)| {
            seen += **count;
            seen >= rank
        });
        found.map(|(bucket, _)| middle(*bucket))
    }

    fn add(&mut self, other: &Latencies) {
        other.0.iter().for_each(|(bucket, count)| self.add_to(*bucket, *count));
    }

    fn without(&self, earlier: &Latencies) -> Latencies {
        let left = self.0.iter().map(|(bucket, count)| {
            let before = earlier.0.get(bucket).copied().unwrap_or_default();
            (*bucket, count.saturating_sub(before))
        });
        Latencies(left.filter(|(_, count)| *count > 0).collect())
    }
}

/// What happened within a time.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counted {
    /// Messages accepted.
    pub accepted: u64,
    /// Requests that came to sources, whatever was made of them.
    pub received: u64,
    /// Deliveries that were answered 2xx.
    pub delivered: u64,
    /// Attempts that were not.
    pub failed: u64,
    /// Deliveries that became dead letters.
    pub dead: u64,
    /// From when a delivery was due until it was answered 2xx.
    pub latency: Latencies,
}

impl Counted {
    /// Whether nothing happened.
    pub fn is_nothing(&self) -> bool {
        *self == Counted::default()
    }

    /// Adds what happened in another time.
    pub fn add(&mut self, other: &Counted) {
        let Counted { accepted, received, delivered, failed, dead, latency } = other;
        self.accepted += accepted;
        self.received += received;
        self.delivered += delivered;
        self.failed += failed;
        self.dead += dead;
        self.latency.add(latency);
    }

    /// What happened since, when both count from the same beginning.
    pub fn without(&self, earlier: &Counted) -> Counted {
        Counted {
            accepted: self.accepted.saturating_sub(earlier.accepted),
            received: self.received.saturating_sub(earlier.received),
            delivered: self.delivered.saturating_sub(earlier.delivered),
            failed: self.failed.saturating_sub(earlier.failed),
            dead: self.dead.saturating_sub(earlier.dead),
            latency: self.latency.without(&earlier.latency),
        }
    }
}

/// How far back a chart goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Period {
    /// 60 points of a minute.
    Hour,
    /// 96 points of 15 minutes.
    Day,
    /// 168 points of an hour.
    Week,
}

impl Period {
    /// By its word.
    pub fn named(word: &str) -> Option<Period> {
        [Period::Hour, Period::Day, Period::Week].into_iter().find(|known| known.name() == word)
    }

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Week => "week",
        }
    }

    /// What one point stands for.
    pub fn step(self) -> Duration {
        match self {
            Period::Hour => MINUTE,
            Period::Day => MINUTE * 15,
            Period::Week => MINUTE * 60,
        }
    }

    /// How many points there are.
    pub fn points(self) -> usize {
        match self {
            Period::Hour => 60,
            Period::Day => 96,
            Period::Week => 168,
        }
    }

    /// Where the first point begins when the last one is that of `now`.
    pub fn begin(self, now: Timestamp) -> Timestamp {
        let before = u32::try_from(self.points()).unwrap_or(u32::MAX) - 1;
        floor(now, self.step()) - self.step() * before
    }
}

/// The beginning of the step that a time lies in.
pub fn floor(time: Timestamp, step: Duration) -> Timestamp {
    let step = u64::try_from(step.as_millis()).unwrap_or(u64::MAX).max(1);
    Timestamp::from_millis(time.millis() / step * step)
}

/// The points of a chart that ends with `now`, oldest first.
pub struct Points {
    begin: Timestamp,
    step: Duration,
    points: Vec<Counted>,
}

impl Points {
    /// All of them empty.
    pub fn new(period: Period, now: Timestamp) -> Points {
        let (begin, step) = (period.begin(now), period.step());
        Points { begin, step, points: vec![Counted::default(); period.points()] }
    }

    /// The point that a time falls into, if it is in the chart.
    pub fn at(&mut self, time: Timestamp) -> Option<&mut Counted> {
        if time < self.begin {
            return None;
        }
        let index = time.since(self.begin).as_millis() / self.step.as_millis();
        self.points.get_mut(usize::try_from(index).ok()?)
    }

    /// When each begins, and what happened in it.
    pub fn each(&self) -> impl Iterator<Item = (Timestamp, &Counted)> {
        let begins = (0..).map(|index| self.begin + self.step * index);
        begins.zip(&self.points)
    }

    /// All of them together.
    pub fn total(&self) -> Counted {
        let mut total = Counted::default();
        self.points.iter().for_each(|point| total.add(point));
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::from_millis(1_795_219_200_000);

    #[test]
    fn buckets_end_where_the_next_begins() {
        assert_eq!(usize::from(bucket(u32::MAX)) + 1, BUCKETS);
        let mut last = 0;
        for millis in 0..100_000 {
            let here = bucket(millis);
            assert!(here == last || here == last + 1, "{millis}");
            last = here;
        }
        assert_eq!((bucket(15), bucket(16), bucket(17), bucket(18)), (15, 16, 16, 17));
    }

    #[test]
    fn quantiles() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), None);
        (1..=10).for_each(|millis| latencies.record(millis));
        assert_eq!((latencies.quantile(0.5), latencies.quantile(0.99)), (Some(5), Some(10)));
        latencies.add_to(bucket(5_000), 90);
        let found = latencies.quantile(0.5).unwrap();
        assert!((4_700..5_300).contains(&found), "{found}");
        assert_eq!(latencies.quantile(0.0), Some(1));
    }

    #[test]
    fn a_chart_ends_with_now_and_holds_what_is_in_it() {
        let now = START + Duration::from_secs(3_599);
        for (period, first) in [
            (Period::Hour, START),
            (Period::Day, START - MINUTE * 15 * 92),
            (Period::Week, START - MINUTE * 60 * 167),
        ] {
            let mut points = Points::new(period, now);
            let step = period.step();
            assert!(points.at(first - Duration::from_millis(1)).is_none(), "{period:?}");
            assert!(points.at(floor(now, step) + step).is_none(), "{period:?}");
            points.at(first).unwrap().dead += 1;
            points.at(now).unwrap().accepted += 2;
            let all: Vec<_> = points.each().collect();
            assert_eq!((all.len(), all[0].0, all[0].1.dead), (period.points(), first, 1));
            let (at, last) = all[all.len() - 1];
            assert_eq!((at, last.accepted), (floor(now, step), 2), "{period:?}");
            assert_eq!((points.total().dead, points.total().accepted), (1, 2));
        }
    }

    proptest! {
        #[test]
        fn a_value_read_back_is_off_by_a_tenth_at_most(millis: u32) {
            let mut latencies = Latencies::default();
            latencies.record(millis);
            let found = latencies.quantile(0.5).unwrap() as f64;
            prop_assert!((found - f64::from(millis)).abs() <= f64::from(millis) / 16.0);
        }

        #[test]
        fn what_is_added_can_be_taken_away(first: [u16; 6], second: [u16; 6]) {
            let counted = |numbers: [u16; 6]| {
                let [accepted, received, delivered, failed, dead, millis] =
                    numbers.map(u64::from);
                let mut latency = Latencies::default();
                latency.record(millis as u32);
                Counted { accepted, received, delivered, failed, dead, latency }
            };
            let (first, second) = (counted(first), counted(second));
            let mut both = first.clone();
            both.add(&second);
            prop_assert_eq!(both.without(&first), second);
            prop_assert!(first.without(&first).is_nothing());
        }
    }
}
