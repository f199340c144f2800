//! The deliveries of one endpoint: what waits in memory, what is with a sender, what is on disk.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::dispatch::expired;
use super::feeding::Feeding;
use super::health::Health;
use super::order::Groups;
use super::pace::{BEHIND, Pace};
use super::ring::Class;
use super::words::EndpointFacts;
use crate::domain::delivery::{DeliveryId, LaneKey, Trigger};
use crate::domain::delivery_settings::Batch;
use crate::domain::id::ApplicationId;
use crate::domain::throttle::{Rate, Throttle};
use crate::domain::time::Timestamp;
use crate::store::Ready;

/// A delivery within its lane: the message and which time round.
pub(super) type Key = LaneKey;

/// The name of a delivery within its lane.
pub(super) fn key(delivery: DeliveryId) -> Key {
    delivery.in_lane()
}

/// Where a delivery that the lane holds is. Rows read from disk that name one are skipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// In the queue.
    Queued,
    /// With a sender.
    Flying {
        /// Scheduled attempts made before.
        attempts: u16,
        /// Who started the attempt.
        trigger: Trigger,
        /// Asked for again meanwhile: to be read again once settled.
        again: bool,
        /// What waits for it.
        group: Option<u64>,
    },
    /// Its result is on the way to the disk.
    Unsettled {
        /// Asked for again meanwhile.
        again: bool,
        /// The group that waits for it, for it failed or died.
        group: Option<u64>,
        /// A person asked for the attempt.
        manual: bool,
    },
}

/// What the lane knows of its endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Knowledge {
    /// Nothing.
    None,
    /// Nothing yet, and it was asked for.
    Asked,
    /// This.
    Facts(EndpointFacts),
}

/// One endpoint's share of the scheduler.
pub(super) struct Lane {
    pub knowledge: Knowledge,
    pub queue: VecDeque<Ready>,
    pub held: BTreeMap<Key, Place>,
    /// Nothing on disk is due before it, what is held aside; `None`: nothing is on disk.
    pub disk: Option<Timestamp>,
    /// A page had nothing to send: the next is not read before.
    pub read_after: Timestamp,
    /// A page on its way from disk.
    pub feeding: Option<Feeding>,
    pub groups: Groups,
    pub in_flight: usize,
    pub pace: Pace,
    pub throttle: Option<Throttle>,
    /// The receiver asked for nothing before then.
    pub rest_until: Timestamp,
    /// Whose ring it belongs to.
    pub application: Option<ApplicationId>,
    pub health: Health,
    /// The ring it stands in.
    pub listed: Option<Class>,
    /// Waits for room in memory.
    pub hungry: bool,
    pub wake: Option<Timestamp>,
    /// Its deliveries in flight are counted as strained.
    pub strained: bool,
    /// Its order may have changed: what has one goes when what is under way is on disk.
    pub turning: bool,
    /// What a person has sent while it waits in an order itself, and the group that it holds up.
    pub beside: BTreeMap<Key, u64>,
    /// Whether what was queued last has an order.
    ordered: bool,
    /// The endpoint was deleted; the lane goes when nothing is in flight.
    pub deleted: bool,
}

impl Lane {
    /// Of an endpoint nothing is known of yet.
    pub fn new(threads: usize) -> Lane {
        Lane {
            knowledge: Knowledge::None,
            queue: VecDeque::new(),
            held: BTreeMap::new(),
            disk: None,
            read_after: Timestamp::default(),
            feeding: None,
            groups: Groups::default(),
            in_flight: 0,
            pace: Pace::default(),
            throttle: None,
            rest_until: Timestamp::default(),
            application: None,
            health: Health::new(threads),
            listed: None,
            hungry: false,
            wake: None,
            strained: false,
            turning: false,
            beside: BTreeMap::new(),
            ordered: false,
            deleted: false,
        }
    }

    /// The facts of an endpoint that takes deliveries.
    pub fn open(&self) -> Option<&EndpointFacts> {
        match &self.knowledge {
            Knowledge::Facts(facts) if facts.enabled && !self.deleted => Some(facts),
            _ => None,
        }
    }

    /// Whether it may take deliveries as far as is known.
    pub fn may_hold(&self) -> bool {
        !self.deleted && (self.open().is_some() || !matches!(self.knowledge, Knowledge::Facts(_)))
    }

    /// How many deliveries may wait in memory: all that fit while the receiver is well, little
    /// when it is not or a throttle lets little through, one to probe with while parked.
    pub fn capacity(&self, now: Timestamp, most: usize) -> usize {
        if let Some(park) = self.health.park() {
            return usize::from(park.probing.is_none() && now >= park.probe_at);
        }
        let rate = self.open().map_or(u16::MAX, |facts| {
            let own = facts.rate().map_or(u16::MAX, Rate::in_a_second);
            own.min(facts.application_throttle_rate.unwrap_or(u16::MAX))
        });
        let batch = self.batch().map_or(0, |batch| usize::from(batch.size));
        let most = most.max(batch).min(usize::from(rate).max(1));
        if self.strained { most.min(self.health.limit()) } else { most }
    }

    /// Deliveries that it may have in flight at once.
    pub fn limit(&self) -> usize {
        let limit = self.health.limit();
        match self.open() {
            Some(facts) if facts.unasked => 1,
            Some(facts) => limit.min(facts.max_in_flight.map_or(limit, |most| most.max(1).into())),
            None => limit,
        }
    }

    /// How many rows it wants read now.
    pub fn appetite(&self, now: Timestamp, most: usize) -> usize {
        let due = self.disk.is_some_and(|due| due.max(self.read_after) <= now);
        if self.feeding.is_some() || !due || !self.groups.may_read() {
            return 0;
        }
        let capacity = self.capacity(now, most);
        if self.queue.len() > capacity / 2 { 0 } else { capacity - self.queue.len() }
    }

    /// When the front of the queue may go as far as the lane decides, alone or `beside` others
    /// that send in time; `None`: not before something else happens.
    pub fn next_send(&self, now: Timestamp, beside: bool) -> Option<Timestamp> {
        let front = self.queue.get(self.next()?)?;
        let mut at = self.throttle.map_or(now, |throttle| throttle.next_at(now));
        match self.health.park() {
            Some(_) if front.trigger == Trigger::Manual => {
                let most = self.open().and_then(|facts| facts.max_in_flight);
                let full = most.is_some_and(|most| self.in_flight >= usize::from(most.max(1)));
                return (!full).then_some(at);
            }
            Some(park) if park.probing.is_some() => return None,
            Some(park) => at = at.max(park.probe_at),
            None if self.in_flight >= self.limit() => return None,
            None if front.trigger == Trigger::Manual => return Some(at),
            None if beside && now.since(front.due) > BEHIND => {
                at = at.max(self.together_at(front, now)).max(self.pace.next_at(now));
            }
            None => at = at.max(self.together_at(front, now)),
        }
        Some(at.max(self.rest_until))
    }

    fn batch(&self) -> Option<Batch> {
        self.open().and_then(|facts| facts.batch)
    }

    /// When those that wait are to go together: when they are enough, or the first has waited
    /// long enough.
    fn together_at(&self, front: &Ready, now: Timestamp) -> Timestamp {
        let Some(batch) = self.batch() else { return now };
        let enough = self.queue.len() >= usize::from(batch.size);
        let waited = front.due + Duration::from_millis(batch.wait_ms.into());
        if enough { now } else { waited }
    }

    /// One goes out.
    pub fn fly(&mut self, ready: &Ready) {
        let Ready { attempts, trigger, group, .. } = *ready;
        let flight = Place::Flying { attempts, trigger, again: false, group };
        self.held.insert(key(ready.delivery()), flight);
        if let Some(group) = group {
            self.groups.sent(group);
        }
    }

    /// Takes what goes out together with `first`: while the lane is parked nothing.
    pub fn take_others(
        &mut self,
        first: &Ready,
        expire_after: Option<Duration>,
        now: Timestamp,
    ) -> Vec<Ready> {
        let alone = first.trigger == Trigger::Manual || self.health.park().is_some();
        let Some(batch) = self.batch().filter(|_| !alone) else { return Vec::new() };
        let (mut others, mut bytes) = (Vec::new(), u64::from(first.message.body.length()));
        while others.len() + 1 < usize::from(batch.size) {
            let fits = |next: &Ready| {
                let scheduled = next.trigger == Trigger::Scheduled && next.group.is_none();
                let whole = bytes + u64::from(next.message.body.length());
                scheduled && !expired(next, expire_after, now) && whole <= batch.max_bytes.into()
            };
            if !self.queue.front().is_some_and(fits) {
                break;
            }
            let Some(next) = self.queue.pop_front() else { break };
            bytes += u64::from(next.message.body.length());
            self.fly(&next);
            others.push(next);
        }
        others
    }

    /// Whether to remember that the disk has this one. What waits behind one that failed is read
    /// when that goes on, and asking for it before would be in vain.
    pub fn must_note(&self, ready: &Ready, now: Timestamp) -> bool {
        ready.due > now || self.feeding.is_some() || self.groups.may_queue(ready.group)
    }

    /// One of a group failed or came back unsent: those behind it go back to the disk. How many.
    pub fn hold_back(&mut self, group: u64) -> usize {
        if let Some(feeding) = &mut self.feeding {
            feeding.hold_back(group);
        }
        let before = self.queue.len();
        let queue = std::mem::take(&mut self.queue);
        for ready in queue {
            if ready.group == Some(group) {
                self.held.remove(&key(ready.delivery()));
                self.lower(ready.due);
            } else {
                self.queue.push_back(ready);
            }
        }
        before - self.queue.len()
    }

    /// When time alone will give it something to read, if it is not read already.
    pub fn next_read(&self) -> Option<Timestamp> {
        if self.feeding.is_some() || !self.queue.is_empty() && self.health.park().is_some() {
            return None;
        }
        if !self.groups.may_read() {
            return None;
        }
        match self.health.park() {
            Some(park) if park.probing.is_some() => None,
            Some(park) => self.disk.map(|due| due.max(park.probe_at).max(self.read_after)),
            None => self.disk.map(|due| due.max(self.read_after)),
        }
    }

    /// When the first of what waits was or is due, in memory and on disk.
    pub fn first_due(&self) -> Option<Timestamp> {
        self.queue.iter().map(|ready| ready.due).chain(self.disk).min()
    }

    /// Something on disk is due at `due`.
    pub fn lower(&mut self, due: Timestamp) {
        self.disk = Some(self.disk.map_or(due, |known| known.min(due)));
        self.read_after = Timestamp::default();
        if let Some(feeding) = &mut self.feeding {
            feeding.notice(due);
        }
    }

    /// A delivery is settled: what a page that is on its way says of it is out of date.
    pub fn outdate(&mut self, key: Key, waits: bool) {
        if let Some(feeding) = &mut self.feeding {
            feeding.outdate(key, waits);
        }
    }

    /// Takes the page that was waited for: the room kept for it, and what it cannot know.
    pub fn arrive(&mut self, next_due: Option<Timestamp>) -> Option<Feeding> {
        let feeding = self.feeding.take()?;
        self.disk = next_due.into_iter().chain(feeding.noticed()).min();
        self.read_after = Timestamp::default();
        Some(feeding)
    }

    /// Queues a delivery, before all others if a person asked for it.
    pub fn enqueue(&mut self, ready: Ready) {
        let scheduled = ready.trigger == Trigger::Scheduled;
        if scheduled && self.ordered != ready.group.is_some() {
            self.ordered = !self.ordered;
            self.turn();
        }
        self.held.insert(key(ready.delivery()), Place::Queued);
        match ready.trigger {
            Trigger::Scheduled => self.queue.push_back(ready),
            Trigger::Manual => self.queue.push_front(ready),
        }
    }

    /// A delivery that is held is asked for once more: what a person asked for goes before all
    /// others, and what is on its way is read again once it is settled.
    pub fn ask_again(&mut self, ready: Ready) {
        let name = key(ready.delivery());
        match self.held.get_mut(&name) {
            Some(Place::Flying { again, .. } | Place::Unsettled { again, .. }) => *again = true,
            Some(Place::Queued) if ready.trigger == Trigger::Manual => {
                if let Some(scheduled) = self.withdraw(name) {
                    self.enqueue(ready);
                    self.goes_beside(name, scheduled.group);
                }
            }
            Some(Place::Queued) | None => {}
        }
    }

    /// Takes one delivery out of the queue again.
    pub fn withdraw(&mut self, wanted: Key) -> Option<Ready> {
        let index = self.queue.iter().position(|ready| key(ready.delivery()) == wanted)?;
        self.held.remove(&wanted);
        self.queue.remove(index)
    }

    /// Gives what waits in memory beyond the first `keep` back to the disk; how many.
    pub fn give_back(&mut self, keep: usize) -> usize {
        let mut given = 0;
        while self.queue.len() > keep {
            let Some(ready) = self.queue.pop_back() else { break };
            self.held.remove(&key(ready.delivery()));
            self.lower(ready.due);
            given += 1;
        }
        given
    }

    /// Whether nothing would be lost if the lane were forgotten but what it learned.
    pub fn idle(&self, now: Timestamp) -> bool {
        self.paid_at(now).is_none_or(|at| at <= now) && self.rests()
    }

    /// When the throttle of a lane without work has nothing more to remember.
    pub fn paid_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.throttle.filter(|_| self.rests()).map(|throttle| throttle.paid_at(now))
    }

    fn rests(&self) -> bool {
        self.held.is_empty()
            && self.disk.is_none()
            && self.feeding.is_none()
            && self.listed.is_none()
            && self.groups.is_empty()
            && !self.hungry
            && self.health.failing_since().is_none()
            && self.health.park().is_none()
    }
}
