//! What is counted for alerts where it happens, and how much of it there was within a while.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::id::{EndpointId, SourceId};
use crate::domain::time::Timestamp;
use crate::store::{Notice, SOURCES_MAX};

/// Endpoints whose dead letters are counted apart between two looks; those of others are counted
/// together.
const ENDPOINTS_MAX: usize = 100;
/// A window forgets what happened in it in so many steps.
const PARTS: u32 = 30;

/// How much came, and how much of it went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Count {
    pub came: u64,
    pub wrong: u64,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.came += other.came;
        self.wrong += other.wrong;
    }
}

/// Dead letters by endpoint, `None` for all the others.
pub(super) type Dead = HashMap<Option<EndpointId>, Count>;
/// Requests by source.
pub(super) type Requests = HashMap<SourceId, Count>;

/// Counts since the last look.
#[derive(Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    dead: Dead,
    requests: Requests,
}

impl Tally {
    /// Counts the dead letters among what became durable; all else is others' business.
    pub fn hear(&self, notices: &[Notice]) {
        for notice in notices {
            let Notice::Died(endpoint) = notice else { continue };
            let mut counts = self.counts();
            let named = Some(*endpoint);
            let apart = counts.dead.contains_key(&named) || counts.dead.len() < ENDPOINTS_MAX;
            let count = counts.dead.entry(named.filter(|_| apart)).or_default();
            count.add(Count { came: 1, wrong: 1 });
        }
    }

    /// Counts a request to a source.
    pub fn came(&self, source: SourceId, refused: bool) {
        let mut counts = self.counts();
        // More can only be of sources that were deleted meanwhile.
        if counts.requests.len() < SOURCES_MAX || counts.requests.contains_key(&source) {
            let count = counts.requests.entry(source).or_default();
            count.add(Count { came: 1, wrong: u64::from(refused) });
        }
    }

    /// Forgets what was counted: nobody looked.
    pub fn forget(&self) {
        drop(self.take());
    }

    /// What was counted since the last time.
    pub(super) fn take(&self) -> (Dead, Requests) {
        let Counts { dead, requests } = std::mem::take(&mut *self.counts());
        (dead, requests)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Numbers are whole after every step, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What happened within a while before now.
pub(super) struct Window<K> {
    within: Duration,
    parts: VecDeque<(Timestamp, HashMap<K, Count>)>,
}

impl<K: Copy + Eq + Hash> Window<K> {
    /// Nothing yet.
    pub fn new(within: Duration) -> Window<K> {
        Window { within, parts: VecDeque::new() }
    }

    /// Takes in what was counted up to now, and forgets what happened too long ago.
    pub fn add(&mut self, now: Timestamp, counts: &HashMap<K, Count>) {
        while self.parts.front().is_some_and(|(at, _)| now.since(*at) >= self.within) {
            self.parts.pop_front();
        }
        if counts.is_empty() {
            return;
        }
        let fresh = self.parts.back().is_some_and(|(at, _)| now.since(*at) < self.within / PARTS);
        if !fresh {
            self.parts.push_back((now, HashMap::new()));
        }
        let Some((_, part)) = self.parts.back_mut() else { return };
        for (key, count) in counts {
            part.entry(*key).or_default().add(*count);
        }
    }

    /// How much there was of each.
    pub fn totals(&self) -> HashMap<K, Count> {
        let mut totals: HashMap<K, Count> = HashMap::new();
        for (key, count) in self.parts.iter().flat_map(|(_, part)| part) {
            totals.entry(*key).or_default().add(*count);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Stamp;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn a_window_forgets() {
        let mut window: Window<u8> = Window::new(Duration::from_secs(60));
        let counts = HashMap::from([(1, Count { came: 2, wrong: 1 })]);
        for second in 0..600 {
            window.add(START + Duration::from_secs(second), &counts);
            assert!(window.parts.len() <= PARTS as usize + 1);
        }
        let count = window.totals()[&1];
        assert!((118..=122).contains(&count.came), "{count:?}");
        assert_eq!(count.came, count.wrong * 2);
        window.add(START + Duration::from_secs(700), &HashMap::new());
        assert!(window.totals().is_empty());
    }

    #[test]
    fn endpoints_beyond_the_bound_are_counted_together() {
        let tally = Tally::default();
        let died: Vec<_> =
            (0..250).map(|number| Notice::Died(EndpointId::new(Stamp(number)))).collect();
        tally.hear(&died);
        tally.hear(&died[..1]);
        let (dead, _) = tally.take();
        assert_eq!(dead.len(), ENDPOINTS_MAX + 1);
        assert_eq!(dead[&None].wrong, 150);
        assert_eq!(dead[&Some(EndpointId::new(Stamp(0)))].wrong, 2);
        assert!(tally.take().0.is_empty());
    }
}
