//! Whose turn it is: applications first, then their lanes, so that a tenant with a million due
//! deliveries or a thousand endpoints takes no more turns than one with ten.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::id::{ApplicationId, EndpointId};
use crate::domain::throttle::{Rate, Throttle};
use crate::domain::time::Timestamp;

/// Which ring a lane that may send stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// Well, and nothing in flight: may use the reserve.
    Fresh,
    /// Well, and more in flight already.
    Busy,
    /// Fails, times out or is slow: shares a part of the pool.
    Strained,
}

impl Class {
    /// Every class, in the order of their first turn.
    pub const ALL: [Class; 3] = [Class::Fresh, Class::Busy, Class::Strained];
}

#[derive(Default)]
struct Shelf {
    lanes: VecDeque<EndpointId>,
    listed: bool,
}

/// A tenant's turn, and what its deliveries have in common.
#[derive(Default)]
pub(super) struct Application {
    /// Over all its lanes.
    pub throttle: Option<Throttle>,
    lanes: usize,
    resting: bool,
    shelves: [Shelf; 3],
}

/// The lanes that may send, in the order of their turns.
#[derive(Default)]
pub(super) struct Ring {
    applications: BTreeMap<ApplicationId, Application>,
    order: [VecDeque<ApplicationId>; 3],
    /// Without a lane, and kept for what their throttle remembers.
    left: VecDeque<ApplicationId>,
}

impl Ring {
    /// A lane of this application came.
    pub fn join(&mut self, id: ApplicationId) {
        self.applications.entry(id).or_default().lanes += 1;
    }

    /// How many deliveries a second all its lanes together may send.
    pub fn set_rate(&mut self, id: ApplicationId, rate: Option<u16>, start: Timestamp) {
        if let Some(application) = self.applications.get_mut(&id) {
            let rate = rate.map(Rate::per_second);
            application.throttle = renewed(application.throttle, rate, start);
        }
    }

    /// A lane of this application went. A throttle that is not paid off yet outlives the last.
    pub fn leave(&mut self, id: ApplicationId, now: Timestamp) {
        if let Some(application) = self.applications.get_mut(&id) {
            application.lanes -= 1;
            if application.lanes == 0 {
                self.left.push_back(id);
            }
        }
        // Two for each that leaves, so that none stays for good.
        for _ in 0..self.left.len().min(2) {
            let Some(id) = self.left.pop_front() else { return };
            let empty = |application: &&Application| application.lanes == 0;
            let Some(left) = self.applications.get(&id).filter(empty) else { continue };
            if left.throttle.is_none_or(|throttle| throttle.paid_at(now) <= now) {
                self.applications.remove(&id);
            } else {
                self.left.push_back(id);
            }
        }
    }

    /// What the lanes of an application have in common.
    pub fn application(&mut self, id: ApplicationId) -> Option<&mut Application> {
        self.applications.get_mut(&id)
    }

    /// The throttle that all lanes of an application have in common.
    pub fn throttle(&self, id: ApplicationId) -> Option<Throttle> {
        self.applications.get(&id)?.throttle
    }

    /// Gives a lane a turn after those that wait already.
    pub fn push(&mut self, class: Class, id: ApplicationId, lane: EndpointId) {
        if let Some(application) = self.applications.get_mut(&id) {
            let shelf = &mut application.shelves[class as usize];
            shelf.lanes.push_back(lane);
            if !shelf.listed && !application.resting {
                shelf.listed = true;
                self.order[class as usize].push_back(id);
            }
        }
    }

    /// Takes a lane's turn back: it is of another class by now.
    pub fn take_back(&mut self, class: Class, id: ApplicationId, lane: EndpointId) {
        if let Some(application) = self.applications.get_mut(&id) {
            // Without a lane the application passes when its turn comes.
            application.shelves[class as usize].lanes.retain(|listed| *listed != lane);
        }
    }

    /// Whose turn it is.
    pub fn next_application(&self, class: Class) -> Option<ApplicationId> {
        self.order[class as usize].front().copied()
    }

    /// Takes the turn; `None` when the application has no lane left there.
    pub fn pop(&mut self, class: Class) -> Option<EndpointId> {
        let id = self.order[class as usize].pop_front()?;
        let application = self.applications.get_mut(&id)?;
        let shelf = &mut application.shelves[class as usize];
        let lane = shelf.lanes.pop_front();
        shelf.listed = !shelf.lanes.is_empty();
        if shelf.listed {
            self.order[class as usize].push_back(id);
        }
        lane
    }

    /// Takes an application whose throttle is spent out of the order; its lanes keep their turns.
    pub fn rest(&mut self, id: ApplicationId) {
        if let Some(application) = self.applications.get_mut(&id) {
            application.resting = true;
            for (shelf, order) in application.shelves.iter_mut().zip(&mut self.order) {
                if shelf.listed {
                    shelf.listed = false;
                    order.retain(|listed| *listed != id);
                }
            }
        }
    }

    /// Puts it back.
    pub fn resume(&mut self, id: ApplicationId) {
        if let Some(application) = self.applications.get_mut(&id) {
            application.resting = false;
            for (shelf, order) in application.shelves.iter_mut().zip(&mut self.order) {
                if !shelf.lanes.is_empty() && !shelf.listed {
                    shelf.listed = true;
                    order.push_back(id);
                }
            }
        }
    }
}

/// The throttle at a rate that may have changed; what was let through still counts. What went
/// before `start` nobody knows: it may have been as much as could go.
pub(super) fn renewed(
    throttle: Option<Throttle>,
    rate: Option<Rate>,
    start: Timestamp,
) -> Option<Throttle> {
    let rate = rate?;
    let known = throttle.map(|throttle| throttle.with_rate(rate));
    Some(known.unwrap_or_else(|| Throttle::spent(rate, start)))
}
