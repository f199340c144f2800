//! How fast a lane that is behind may go while others send in time.
//!
//! A backlog for a receiver that answers at once takes every processor it can get, and whoever
//! sends something fresh waits for one. While somebody does, the backlog goes at a pace that leaves
//! processors free, evenly; alone it gets them all. A lane that would not catch up so, for as much
//! comes as goes, is not held back.

use std::time::Duration;

use crate::domain::id::EndpointId;
use crate::domain::time::Timestamp;

/// What has been due for longer is no longer waited for by the millisecond.
pub const BEHIND: Duration = Duration::from_secs(1);
/// For so long after its last delivery in time a lane counts as sending.
const COMPANY: Duration = Duration::from_secs(1);
/// Deliveries that it may be sent in each millisecond.
const PER_MS: usize = 4;
/// What comes and goes is counted for so long before it is compared.
const PERIOD: Duration = Duration::from_secs(1);

/// What came and went since a lane fell behind.
#[derive(Default)]
pub(super) struct Pace {
    /// When counting began; `None`: it is not behind.
    since: Option<Timestamp>,
    came: usize,
    went: usize,
    /// It is not held back at present.
    hurries: bool,
    /// How much of what had gone out by then the time that passed had not made up for.
    owed: (Timestamp, usize),
}

impl Pace {
    /// Something new is to be sent.
    pub fn came(&mut self) {
        self.came += 1;
    }

    /// `count` went out, of which the first was due at `due`.
    pub fn went(&mut self, count: usize, due: Timestamp, now: Timestamp) {
        if now.since(due) <= BEHIND {
            *self = Pace::default();
            return;
        }
        if self.since.is_none() {
            *self = Pace { since: Some(now), ..Pace::default() };
        }
        // Of what it was sent while it was not held back no more than that.
        self.owed = (now, self.owes(now).min(PER_MS - 1) + count);
        self.went += count;
        let period = self.since.map_or(Duration::ZERO, |since| now.since(since));
        if period >= PERIOD {
            let held_back = PER_MS.saturating_mul(period.as_millis() as usize);
            // Less than half of its pace would be left for what waits. A period in which little
            // could be sent, for its receiver was down, says nothing.
            let hurries = period < 2 * PERIOD && 2 * self.came > self.went.min(held_back);
            *self = Pace { since: Some(now), hurries, owed: self.owed, ..Pace::default() };
        }
    }

    /// How much of what went out the time that passed has not made up for.
    fn owes(&self, now: Timestamp) -> usize {
        let (at, owed) = self.owed;
        let passed = usize::try_from(now.since(at).as_millis()).unwrap_or(usize::MAX);
        owed.saturating_sub(passed.saturating_mul(PER_MS))
    }

    /// When it may send the next beside others: `now`, or later.
    pub fn next_at(&self, now: Timestamp) -> Timestamp {
        let wait = if self.hurries { 0 } else { self.owes(now) / PER_MS };
        now + Duration::from_millis(wait as u64)
    }
}

/// The two lanes that sent something in time last.
#[derive(Default)]
pub(super) struct Timely {
    last: Option<(EndpointId, Timestamp)>,
    other: Option<(EndpointId, Timestamp)>,
}

impl Timely {
    /// This lane sent something that was due at `due`.
    pub fn sent(&mut self, endpoint: EndpointId, due: Timestamp, now: Timestamp) {
        if now.since(due) > BEHIND {
            return;
        }
        if self.last.is_some_and(|(last, _)| last != endpoint) {
            self.other = self.last;
        }
        self.last = Some((endpoint, now));
    }

    /// Whether another lane than this one sends in time.
    pub fn beside(&self, endpoint: EndpointId, now: Timestamp) -> bool {
        let mut both = [self.last, self.other].into_iter().flatten();
        both.any(|(id, at)| id != endpoint && now.since(at) < COMPANY)
    }
}
