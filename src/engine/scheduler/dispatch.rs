//! What goes out: pages asked for, turns given, deliveries sent.

use super::feeding::Feeding;
use super::lane::{Knowledge, Lane, Place, key};
use super::ring::Class;
use super::words::Output;
use super::{IDLE_LANES, Scheduler, Sleeper};
use crate::domain::delivery::Trigger;
use crate::domain::id::EndpointId;
use crate::domain::time::Timestamp;
use crate::store::Ready;

/// Rows asked for at least when many lanes wait for room, if there is as much.
const SMALL_PAGE: usize = 8;

impl Scheduler {
    /// Asks for what the lane needs next: a look, a page, a turn, or to be woken.
    pub(super) fn refresh(&mut self, endpoint: EndpointId, outputs: &mut Vec<Output>) {
        let (now, most, draining) = (self.now, self.settings.lane_memory, self.draining);
        let many = self.lanes.len() > IDLE_LANES;
        let beside = self.timely.beside(endpoint, now);
        let Some(lane) = self.lanes.get_mut(&endpoint) else { return };
        if lane.groups.end(now) {
            lane.lower(now);
        }
        self.queued -= lane.reorder(now);
        let mut wake = None;
        if draining || lane.deleted {
        } else if let Some(facts) = lane.open().copied() {
            if lane.appetite(now, most) > 0 && !lane.hungry {
                lane.hungry = true;
                self.hungry.push_back(endpoint);
            }
            let send = lane.next_send(now, beside);
            let class = class(lane);
            if send.is_some_and(|at| at <= now) && lane.listed != Some(class) {
                if let Some(former) = lane.listed.replace(class) {
                    self.ring.take_back(former, facts.application, endpoint);
                }
                self.ring.push(class, facts.application, endpoint);
            }
            let paid = lane.paid_at(now).filter(|_| many);
            let later = [send, lane.next_read(), lane.groups.next_end(), paid];
            let later = later.into_iter().flatten().filter(|at| *at > now);
            wake = later.min();
        } else if lane.knowledge == Knowledge::None {
            if !lane.queue.is_empty() || lane.disk.is_some_and(|due| due <= now) {
                lane.knowledge = Knowledge::Asked;
                outputs.push(Output::Look(endpoint));
            } else {
                wake = lane.disk;
            }
        }
        if lane.wake != wake {
            if let Some(at) = lane.wake {
                self.wakes.remove(&(at, Sleeper::Lane(endpoint)));
            }
            if let Some(at) = wake {
                self.wakes.insert((at, Sleeper::Lane(endpoint)));
            }
            lane.wake = wake;
        }
    }

    /// Lets the lanes that want rows ask for them, in turn, while there is room in memory.
    pub(super) fn feed_hungry(&mut self, outputs: &mut Vec<Output>) {
        let (now, most) = (self.now, self.settings.lane_memory);
        while self.queued < self.settings.memory {
            let Some(endpoint) = self.hungry.pop_front() else { return };
            let Some(lane) = self.lanes.get_mut(&endpoint) else { continue };
            lane.hungry = false;
            let appetite = if lane.open().is_some() { lane.appetite(now, most) } else { 0 };
            if appetite > 0 {
                let room = self.settings.memory - self.queued;
                let share = (room / (self.hungry.len() + 1)).max(SMALL_PAGE).min(room);
                let want = appetite.min(share);
                lane.feeding = Some(Feeding::new(want));
                self.queued += want;
                let held = lane.held.keys().copied().collect();
                outputs.push(Output::Feed { endpoint, until: now, limit: want, held });
            }
            self.refresh(endpoint, outputs);
        }
    }

    /// Gives turns until the pool is full or nobody may send.
    pub(super) fn dispatch(&mut self, outputs: &mut Vec<Output>) {
        while let Some(class) = self.next_class() {
            let Some(application) = self.ring.next_application(class) else { return };
            let throttle = self.ring.application(application).and_then(|shared| shared.throttle);
            let at = throttle.map_or(self.now, |throttle| throttle.next_at(self.now));
            if at > self.now {
                self.ring.rest(application);
                self.wakes.insert((at, Sleeper::Application(application)));
                continue;
            }
            if let Some(endpoint) = self.ring.pop(class) {
                self.take_turn(endpoint, class, outputs);
                self.refresh(endpoint, outputs);
            }
        }
    }

    fn next_class(&mut self) -> Option<Class> {
        let full =
            self.in_flight >= self.settings.threads || self.unsettled >= self.settings.unsettled;
        if self.draining || full {
            return None;
        }
        let reserved = self.in_flight >= self.settings.threads - self.settings.reserve;
        for _ in Class::ALL {
            let class = Class::ALL[self.turn % Class::ALL.len()];
            self.turn = (self.turn + 1) % Class::ALL.len();
            let allowed = match class {
                Class::Fresh => true,
                Class::Busy => !reserved,
                Class::Strained => !reserved && self.strained < self.settings.strained_threads,
            };
            if allowed && self.ring.next_application(class).is_some() {
                return Some(class);
            }
        }
        None
    }

    fn take_turn(&mut self, endpoint: EndpointId, taken: Class, outputs: &mut Vec<Output>) {
        let now = self.now;
        self.recount(endpoint);
        let beside = self.timely.beside(endpoint, now);
        let Some(lane) = self.lanes.get_mut(&endpoint) else { return };
        lane.listed = None;
        let Some(facts) = lane.open().copied() else { return };
        if class(lane) != taken || lane.next_send(now, beside).is_none_or(|at| at > now) {
            return; // `refresh` finds it another turn
        }
        let Some(ready) = lane.next().and_then(|next| lane.queue.remove(next)) else { return };
        self.queued -= 1;
        let name = key(ready.delivery());
        if expired(&ready, self.settings.expire_after, now) {
            lane.held.insert(name, Place::Unsettled { again: false, group: None, manual: false });
            self.unsettled += 1;
            outputs.push(Output::Expire(ready.delivery()));
            return;
        }
        let trigger = ready.trigger;
        lane.fly(&ready);
        let others = lane.take_others(&ready, self.settings.expire_after, now);
        self.queued -= others.len();
        lane.health.sent(now, name, lane.in_flight, trigger == Trigger::Manual);
        if trigger == Trigger::Scheduled {
            lane.pace.went(1 + others.len(), ready.due, now);
        }
        self.timely.sent(endpoint, ready.due, now);
        lane.in_flight += 1;
        self.in_flight += 1;
        self.strained += usize::from(lane.strained);
        let shared = self.ring.application(facts.application);
        let shared = shared.and_then(|shared| shared.throttle.as_mut());
        for throttle in lane.throttle.as_mut().into_iter().chain(shared) {
            (0..=others.len()).for_each(|_| throttle.take(now));
        }
        outputs.push(if others.is_empty() {
            Output::Send(ready)
        } else {
            Output::SendTogether([ready].into_iter().chain(others).collect())
        });
    }

    /// Counts the lane's deliveries in flight where its health says, and gives back what it may
    /// no longer keep in memory.
    pub(super) fn recount(&mut self, endpoint: EndpointId) {
        let Some(lane) = self.lanes.get_mut(&endpoint) else { return };
        let strained = lane.health.strained(self.now, lane.in_flight);
        if strained != lane.strained {
            lane.strained = strained;
            if strained {
                self.strained += lane.in_flight;
            } else {
                self.strained -= lane.in_flight;
            }
        }
        if strained {
            let manual = lane.queue.iter().take_while(|ready| ready.trigger == Trigger::Manual);
            let keep = lane.capacity(self.now, self.settings.lane_memory).max(manual.count());
            self.queued -= lane.give_back(keep);
        }
    }
}

fn class(lane: &Lane) -> Class {
    match (lane.strained, lane.in_flight) {
        (true, _) => Class::Strained,
        (false, 0) => Class::Fresh,
        (false, _) => Class::Busy,
    }
}

/// Whether its time ran out. It runs from acceptance or `deliver_at`; a delivery that a person
/// put back is due from then on and gets one attempt at least.
pub(super) fn expired(ready: &Ready, after: Option<std::time::Duration>, now: Timestamp) -> bool {
    let Some(after) = after.filter(|_| ready.trigger == Trigger::Scheduled) else { return false };
    let message = &ready.message.message;
    let accepted = message.deliver_at.map_or(message.id.time(), |at| at.max(message.id.time()));
    let since = if ready.attempts == 0 { accepted.max(ready.due) } else { accepted };
    now >= since + after
}
