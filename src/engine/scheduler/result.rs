//! What comes back from the senders.

use std::time::Duration;

use super::Scheduler;
use super::lane::{Knowledge, Place, key};
use super::verdict::{is_gone, pause, sign, verdict};
use super::words::{Finished, Output};
use crate::domain::delivery::Trigger;
use crate::domain::endpoint::Disabled;
use crate::domain::id::EndpointId;
use crate::store::{Ready, Verdict};

/// How long a delivery that a sender gave back is left alone.
const RELEASED: Duration = Duration::from_millis(100);

impl Scheduler {
    /// What was sent together ended together: one sign of the receiver's health.
    pub(super) fn finished(&mut self, all: &[Finished], outputs: &mut Vec<Output>) {
        let Some(finished) = all.first() else { return };
        let (now, seed) = (self.now, self.draw());
        let endpoint = finished.delivery.endpoint;
        for one in all {
            self.finish(one, seed, outputs);
        }
        let lane = self.lanes.get_mut(&endpoint).expect("invariant: a lane outlives its flights");
        let limited = lane.in_flight >= lane.limit();
        let name = key(finished.delivery);
        lane.health.held(finished.held);
        // Of a receiver that was not sent anything nothing else is to be learned.
        let told = all.iter().find(|one| one.outcome.was_sent());
        if let Some(told) = told {
            let record = (sign(told.outcome, told.status_code), told.duration);
            lane.health.record(now, name, record, limited, self.settings.park_after);
            if let Some(pause) = pause(told) {
                lane.rest_until = lane.rest_until.max(now + pause);
            }
        } else {
            lane.health.unsent(name);
        }
        self.landed(endpoint);
        if let Some(told) = told {
            self.judge(endpoint, is_gone(told), outputs);
        }
        self.refresh(endpoint, outputs);
        self.remove_if_done(endpoint);
    }

    fn finish(&mut self, finished: &Finished, seed: u64, outputs: &mut Vec<Output>) {
        let name = key(finished.delivery);
        let lane = self.lanes.get_mut(&finished.delivery.endpoint);
        let lane = lane.expect("invariant: a lane outlives its flights");
        let place = lane.held.get(&name).copied();
        let Some(Place::Flying { attempts, trigger, again, group }) = place else {
            unreachable!("invariant: a delivery finishes once for each time it is sent")
        };
        let usual = &self.settings.retry;
        let verdict = verdict(usual, finished, (trigger, attempts), self.now, seed);
        outputs.push(Output::Settle { delivery: finished.delivery, trigger, verdict });
        if lane.deleted {
            lane.held.remove(&name);
            return;
        }
        // One that died would be tried again after a crash before that is on disk.
        let waits = matches!(verdict, Verdict::RetryAt(_) | Verdict::Dead(_));
        let failed = group.filter(|_| waits);
        let manual = trigger == Trigger::Manual;
        lane.held.insert(name, Place::Unsettled { again, group: failed, manual });
        self.unsettled += 1;
        match (group, failed) {
            (_, Some(group)) => {
                lane.groups.failed(group);
                self.queued -= lane.hold_back(group);
            }
            (Some(group), None) => lane.groups.done(group),
            (None, None) => {}
        }
    }

    /// Deliveries that were not sent are on disk as they were.
    pub(super) fn released(&mut self, all: &[Ready], outputs: &mut Vec<Output>) {
        let until = self.now + RELEASED;
        let Some(endpoint) = all.first().map(|ready| ready.endpoint) else { return };
        let lane = self.lanes.get_mut(&endpoint).expect("invariant: a lane outlives its flights");
        for ready in all {
            let name = key(ready.delivery());
            let place = lane.held.remove(&name);
            let Some(Place::Flying { group, .. }) = place else {
                unreachable!("invariant: only what flies comes back")
            };
            lane.health.unsent(name);
            if !lane.deleted {
                lane.lower(until);
                if let Some(group) = group {
                    lane.groups.released(group, until);
                    self.queued -= lane.hold_back(group);
                } else if lane.turning {
                    // It may have an order by now, before what waits.
                    self.queued -= lane.give_back(0);
                }
            }
        }
        self.landed(endpoint);
        self.refresh(endpoint, outputs);
        self.remove_if_done(endpoint);
    }

    fn landed(&mut self, endpoint: EndpointId) {
        if let Some(lane) = self.lanes.get_mut(&endpoint) {
            lane.in_flight -= 1;
            self.in_flight -= 1;
            self.strained -= usize::from(lane.strained);
        }
        self.recount(endpoint);
    }

    /// Stops a lane whose endpoint is gone, or has failed for too long.
    fn judge(&mut self, endpoint: EndpointId, gone: bool, outputs: &mut Vec<Output>) {
        let Some(lane) = self.lanes.get_mut(&endpoint) else { return };
        let Some(mut facts) = lane.open().copied() else { return };
        let failing = lane.health.failing_since();
        let why = if gone {
            Disabled::Gone
        } else if failing.is_some_and(|since| self.now.since(since) >= self.settings.disable_after)
        {
            Disabled::Failing
        } else {
            return;
        };
        facts.enabled = false;
        lane.knowledge = Knowledge::Facts(facts);
        self.queued -= lane.give_back(0);
        outputs.push(Output::Disable { endpoint, why });
    }
}
