//! Decides what is sent when: a pure state machine over lanes, one per endpoint with work.
//!
//! It has no threads, no clock and no I/O: [`Scheduler::step`] takes the time and what happened
//! and says what to do. The same inputs give the same outputs, which is what the simulation in
//! `tests/simulation` stands on.
//!
//! Memory holds a bounded number of deliveries that are due; the others stay on disk and are
//! read ([`Output::Feed`]) when there is room. What keeps a delivery from being sent twice is
//! `held` of its lane: from the moment it is queued until its result is durable it is in there,
//! and a row of a page that names it is skipped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::domain::id::{ApplicationId, EndpointId};
use crate::domain::time::Timestamp;
use lane::Lane;
use pace::Timely;
use ring::Ring;

mod dispatch;
mod feeding;
mod health;
mod intake;
mod lane;
mod order;
mod pace;
mod result;
mod ring;
mod standing;
#[cfg(test)]
mod tests;
mod verdict;
mod words;

pub use pace::BEHIND;
pub use standing::{LaneStanding, Standing};
pub use words::{EndpointFacts, Finished, Input, LateLane, Load, Output, Settings};

/// Lanes kept for what they learned though they have no work.
const IDLE_LANES: usize = 4_096;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sleeper {
    Lane(EndpointId),
    Application(ApplicationId),
}

/// The state machine; see the module.
pub struct Scheduler {
    settings: Settings,
    random: u64,
    now: Timestamp,
    /// When it had its first input.
    started: Timestamp,
    lanes: BTreeMap<EndpointId, Lane>,
    ring: Ring,
    turn: usize,
    timely: Timely,
    wakes: BTreeSet<(Timestamp, Sleeper)>,
    hungry: VecDeque<EndpointId>,
    /// Deliveries in queues, and room kept for pages on their way.
    queued: usize,
    in_flight: usize,
    strained: usize,
    unsettled: usize,
    draining: bool,
    drained: bool,
}

impl Scheduler {
    /// With nothing to do yet; `seed` decides the jitter of every retry.
    /// A limit of 0 counts as 1, and the reserve leaves at least one thread for all.
    pub fn new(mut settings: Settings, seed: u64) -> Scheduler {
        for limit in [
            &mut settings.threads,
            &mut settings.strained_threads,
            &mut settings.park_after,
            &mut settings.lane_memory,
            &mut settings.memory,
            &mut settings.unsettled,
        ] {
            *limit = (*limit).max(1);
        }
        settings.reserve = settings.reserve.min(settings.threads - 1);
        Scheduler {
            settings,
            random: seed,
            now: Timestamp::default(),
            started: Timestamp::MAX,
            lanes: BTreeMap::new(),
            ring: Ring::default(),
            turn: 0,
            timely: Timely::default(),
            wakes: BTreeSet::new(),
            hungry: VecDeque::new(),
            queued: 0,
            in_flight: 0,
            strained: 0,
            unsettled: 0,
            draining: false,
            drained: false,
        }
    }

    /// Takes one input at engine time `now` and appends what is to be done to `outputs`.
    pub fn step(&mut self, now: Timestamp, input: Input, outputs: &mut Vec<Output>) {
        self.now = self.now.max(now);
        self.started = self.started.min(self.now);
        match input {
            Input::Lanes(lanes) => {
                for (endpoint, due) in lanes {
                    self.lane(endpoint).lower(due);
                    self.refresh(endpoint, outputs);
                }
            }
            Input::Failing(failing) => {
                for (endpoint, since) in failing {
                    self.lane(endpoint).health.failing_from(since);
                }
            }
            Input::Notice(notice) => self.notice(notice, outputs),
            Input::Fed { endpoint, page } => self.fed(endpoint, page, outputs),
            Input::Facts { endpoint, facts } => self.facts(endpoint, facts, outputs),
            Input::Allowed { endpoint, rate } => self.allowed(endpoint, rate, outputs),
            Input::Finished(finished) => self.finished(&[finished], outputs),
            Input::FinishedTogether(finished) => self.finished(&finished, outputs),
            Input::Released(ready) => self.released(&[ready], outputs),
            Input::ReleasedTogether(ready) => self.released(&ready, outputs),
            Input::Tick => {}
            Input::Drain => self.drain(),
        }
        self.wake_due(outputs);
        self.dispatch(outputs);
        self.feed_hungry(outputs);
        if self.draining && self.in_flight == 0 && !self.drained {
            self.drained = true;
            outputs.push(Output::Drained);
        }
    }

    /// When [`Input::Tick`] is wanted if nothing else comes first; `None`: never.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// How much is in memory.
    pub fn load(&self) -> Load {
        Load {
            lanes: self.lanes.len(),
            parked: self.lanes.values().filter(|lane| lane.health.park().is_some()).count(),
            queued: self.queued,
            in_flight: self.in_flight,
            unsettled: self.unsettled,
        }
    }

    /// Lanes that are parked, or in which something was due before this.
    pub fn late(&self, before: Timestamp) -> Vec<LateLane> {
        let lanes = self.lanes.iter().filter(|(_, lane)| !lane.deleted);
        let late = lanes.map(|(endpoint, lane)| LateLane {
            endpoint: *endpoint,
            parked_since: lane.health.park().map(|park| park.since),
            due: lane.first_due().filter(|due| *due < before),
        });
        late.filter(|late| late.parked_since.is_some() || late.due.is_some()).collect()
    }

    fn lane(&mut self, endpoint: EndpointId) -> &mut Lane {
        let most = self.settings.threads - self.settings.reserve;
        self.lanes.entry(endpoint).or_insert_with(|| Lane::new(most))
    }

    fn wake_due(&mut self, outputs: &mut Vec<Output>) {
        while let Some((at, sleeper)) = self.wakes.first().copied() {
            if at > self.now {
                return;
            }
            self.wakes.pop_first();
            match sleeper {
                Sleeper::Application(id) => self.ring.resume(id),
                Sleeper::Lane(endpoint) => {
                    if let Some(lane) = self.lanes.get_mut(&endpoint) {
                        lane.wake = None;
                    }
                    self.refresh(endpoint, outputs);
                    self.remove_if_done(endpoint);
                }
            }
        }
    }

    fn drain(&mut self) {
        self.draining = true;
        self.wakes.clear();
        self.hungry.clear();
        for lane in self.lanes.values_mut() {
            lane.wake = None;
            lane.hungry = false;
            self.queued -= lane.give_back(0);
        }
    }

    /// A number that the seed decides (splitmix64).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.random;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }
}
