//! What comes in: notices from the store, pages from disk, facts of endpoints.

use std::time::Duration;

use super::lane::{Knowledge, Place, key};
use super::ring::renewed;
use super::words::{EndpointFacts, Output};
use super::{IDLE_LANES, Scheduler, Sleeper};
use crate::domain::delivery::{DeliveryId, Trigger};
use crate::domain::id::EndpointId;
use crate::domain::throttle::{Rate, Throttle};
use crate::domain::time::Timestamp;
use crate::store::{DuePage, Notice, Ready};

/// How long a page without news is not asked for again.
const FRUITLESS: Duration = Duration::from_millis(50);

impl Scheduler {
    pub(super) fn notice(&mut self, notice: Notice, outputs: &mut Vec<Output>) {
        match notice {
            Notice::Ready(ready) => self.ready(ready, outputs),
            Notice::Settled { delivery, due } => self.settled(delivery, due, outputs),
            Notice::EndpointChanged(endpoint) => {
                if let Some(lane) = self.lanes.get_mut(&endpoint)
                    && lane.knowledge != Knowledge::None
                {
                    lane.knowledge = Knowledge::Asked;
                    lane.health.forgive(self.now);
                    lane.rest_until = self.now;
                    // What waits in memory may wait for others than before.
                    lane.turn();
                    self.queued -= lane.give_back(0);
                    // And what waits on disk may wait in other groups, which are read first.
                    if lane.groups.look_again() {
                        lane.lower(self.now);
                    }
                    if let Some(feeding) = &mut lane.feeding {
                        feeding.changed = true;
                    }
                    outputs.push(Output::Look(endpoint));
                }
            }
            Notice::EndpointDeleted(endpoint) => self.forget(endpoint),
            Notice::TaskStarted(_) | Notice::Died(_) => {}
        }
    }

    /// A delivery that is due goes to memory if nothing on disk is due before it and there is
    /// room; else it is only noted when the disk is due.
    fn ready(&mut self, ready: Ready, outputs: &mut Vec<Output>) {
        let (now, most, draining) = (self.now, self.settings.lane_memory, self.draining);
        let room = self.settings.memory.saturating_sub(self.queued);
        let endpoint = ready.endpoint;
        let name = key(ready.delivery());
        let manual = ready.trigger == Trigger::Manual;
        let lane = self.lane(endpoint);
        if ready.due <= now && !manual {
            lane.pace.came();
        }
        if lane.held.contains_key(&name) {
            lane.ask_again(ready);
        } else {
            // In an order whatever is yet to be read may go before it.
            let before = if ready.group.is_some() { now } else { ready.due };
            let next = lane.feeding.is_none() && lane.disk.is_none_or(|due| due > before);
            let capacity = lane.capacity(now, most).max(usize::from(manual));
            let fits = room > 0 && lane.queue.len() < capacity;
            let in_turn = (next || manual) && lane.groups.may_queue(ready.group);
            if ready.due <= now && in_turn && fits && lane.may_hold() && !draining {
                lane.enqueue(ready);
                self.queued += 1;
            } else if lane.must_note(&ready, now) {
                lane.lower(ready.due);
            }
        }
        self.refresh(endpoint, outputs);
    }

    fn settled(&mut self, id: DeliveryId, due: Option<Timestamp>, outputs: &mut Vec<Output>) {
        if due.is_some() {
            self.lane(id.endpoint);
        }
        let now = self.now;
        let Some(lane) = self.lanes.get_mut(&id.endpoint) else { return };
        let name = key(id);
        let mut again = false;
        match lane.held.get_mut(&name) {
            // Not the settlement of this attempt, which is still to come: read it again then.
            Some(Place::Flying { again, .. }) => {
                *again = true;
                return;
            }
            Some(Place::Queued) => self.queued -= usize::from(lane.withdraw(name).is_some()),
            Some(Place::Unsettled { again: asked, group, manual }) => {
                again = *asked;
                // Whoever waited for what a person has sent need not wait any more.
                let changed = *manual && due.is_none();
                let group = *group;
                lane.held.remove(&name);
                self.unsettled -= 1;
                group.into_iter().for_each(|group| lane.groups.settled(group));
                again |= group.is_some() || changed && lane.groups.look_again();
            }
            None => again = due.is_none() && lane.groups.look_again(),
        }
        lane.outdate(name, due.is_some());
        if let Some(due) = due {
            lane.lower(due);
        }
        if again {
            lane.lower(now);
        }
        self.refresh(id.endpoint, outputs);
        self.remove_if_done(id.endpoint);
    }

    pub(super) fn fed(&mut self, endpoint: EndpointId, page: DuePage, outputs: &mut Vec<Output>) {
        let (now, memory, most) = (self.now, self.settings.memory, self.settings.lane_memory);
        let Some(lane) = self.lanes.get_mut(&endpoint) else { return };
        let Some(mut feeding) = lane.arrive(page.next_due) else { return };
        self.queued -= feeding.want;
        if feeding.changed || !page.held.is_empty() && feeding.took_away() {
            // Read under the settings of before, or with what holds nobody up any more: nothing is
            // known of what waits for its time.
            lane.lower(now);
        } else {
            lane.groups.held(page.held, page.stuck);
        }
        let open = lane.open().is_some() && !self.draining;
        let mut fresh = 0;
        for ready in page.ready {
            let name = key(ready.delivery());
            let outdated = feeding.is_outdated(name);
            if lane.held.contains_key(&name) {
                // The row of what is held, or that a person asked for it too.
                match ready.trigger {
                    Trigger::Manual if outdated => {}
                    Trigger::Manual => lane.ask_again(ready),
                    // Settled since it was asked for, and sent by a person once more, too.
                    Trigger::Scheduled => lane.goes_beside(name, ready.group),
                }
                continue;
            }
            if outdated {
                feeding.pass_over(name, ready.group);
                continue;
            }
            fresh += 1;
            let held = feeding.is_held(ready.group);
            if held || ready.group.is_some_and(|group| !lane.groups.shown(group)) {
                lane.lower(ready.due);
                continue;
            }
            let fits = self.queued < memory && lane.queue.len() < lane.capacity(now, most);
            if open && fits && ready.due <= now {
                lane.enqueue(ready);
                self.queued += 1;
            } else {
                lane.lower(ready.due);
            }
        }
        let hungry = lane.disk.is_some_and(|due| due <= now) && lane.groups.may_read();
        if fresh == 0 && !feeding.overtaken() && hungry {
            lane.read_after = now + FRUITLESS;
        }
        self.refresh(endpoint, outputs);
    }

    pub(super) fn facts(
        &mut self,
        endpoint: EndpointId,
        facts: Option<EndpointFacts>,
        outputs: &mut Vec<Output>,
    ) {
        let Some(facts) = facts else { return self.forget(endpoint) };
        let Some(lane) = self.lanes.get_mut(&endpoint).filter(|lane| !lane.deleted) else { return };
        if lane.application.is_none() {
            lane.application = Some(facts.application);
            self.ring.join(facts.application);
        }
        self.ring.set_rate(facts.application, facts.application_throttle_rate, self.started);
        lane.knowledge = Knowledge::Facts(facts);
        lane.throttle = renewed(lane.throttle, facts.rate(), self.started);
        if lane.groups.look_again() {
            lane.lower(self.now);
        }
        if !facts.enabled {
            self.queued -= lane.give_back(0);
        }
        self.refresh(endpoint, outputs);
    }

    /// What its receiver allows counts from now on; how well it is stays as it was.
    pub(super) fn allowed(
        &mut self,
        endpoint: EndpointId,
        rate: Option<Rate>,
        outputs: &mut Vec<Output>,
    ) {
        let Some(lane) = self.lanes.get_mut(&endpoint) else { return };
        let Knowledge::Facts(facts) = &mut lane.knowledge else { return };
        (facts.allowed_rate, facts.unasked) = (rate, false);
        // What was sent before it was asked went at no rate.
        let asked = lane.throttle.or_else(|| facts.rate().map(Throttle::new));
        lane.throttle = renewed(asked, facts.rate(), self.started);
        if let Some(throttle) = lane.throttle.as_mut().filter(|_| rate.is_some()) {
            // The delivery that asked was paid for at another rate.
            throttle.take(self.now);
        }
        self.refresh(endpoint, outputs);
    }

    /// The endpoint is gone with all that waited for it.
    fn forget(&mut self, endpoint: EndpointId) {
        let Some(lane) = self.lanes.get_mut(&endpoint) else { return };
        lane.deleted = true;
        self.queued -= lane.give_back(0) + lane.feeding.take().map_or(0, |feeding| feeding.want);
        let places = lane.held.len();
        lane.held.retain(|_, place| matches!(place, Place::Flying { .. }));
        self.unsettled -= places - lane.held.len();
        lane.disk = None;
        if let Some(at) = lane.wake.take() {
            self.wakes.remove(&(at, Sleeper::Lane(endpoint)));
        }
        self.remove_if_done(endpoint);
    }

    /// Drops a lane that is of no use: deleted, or idle among too many.
    pub(super) fn remove_if_done(&mut self, endpoint: EndpointId) {
        let many = self.lanes.len() > IDLE_LANES;
        let now = self.now;
        let Some(lane) = self.lanes.get(&endpoint) else { return };
        if lane.deleted && lane.in_flight == 0 || many && lane.idle(now) {
            if let Some(application) = lane.application {
                self.ring.leave(application, self.now);
            }
            if let Some(at) = lane.wake {
                self.wakes.remove(&(at, Sleeper::Lane(endpoint)));
            }
            self.lanes.remove(&endpoint);
        }
    }
}
