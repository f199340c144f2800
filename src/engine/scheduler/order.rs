//! Which groups of an ordered lane may not send: one has a delivery in flight, or its first failed
//! and the others wait for it.

use std::collections::{BTreeMap, BTreeSet};

use super::lane::{Key, Lane, Place};
use crate::domain::delivery::Trigger;
use crate::domain::time::Timestamp;

/// Why a group sends nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hold {
    /// One is with a sender.
    Flying,
    /// One failed or died, and that is on its way to the disk.
    Failed,
    /// One came back unsent.
    Released(Timestamp),
    /// The disk says that its first is due then.
    Until(Timestamp),
}

/// The groups that hold still. A lane without an order has none.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    holds: BTreeMap<u64, Hold>,
    ends: BTreeSet<(Timestamp, u64)>,
    /// Groups of which the disk does not say yet how they stand.
    unsure: usize,
    /// Nothing more is to be had from the disk before a hold ends.
    stuck: bool,
}

impl Groups {
    /// Whether a delivery of this group may go.
    pub fn may_send(&self, group: Option<u64>) -> bool {
        self.holds.is_empty() || group.is_none_or(|group| !self.holds.contains_key(&group))
    }

    /// Whether a delivery of this group may wait in memory behind those that go before it.
    pub fn may_queue(&self, group: Option<u64>) -> bool {
        let Some(group) = group else { return true };
        !self.stuck && matches!(self.holds.get(&group), None | Some(Hold::Flying))
    }

    /// Whether reading the disk now would show how things stand, and more than it did.
    pub fn may_read(&self) -> bool {
        self.unsure == 0 && !self.stuck
    }

    /// Whether nothing holds still.
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty() && !self.stuck
    }

    /// When the first hold ends by itself.
    pub fn next_end(&self) -> Option<Timestamp> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// One goes out.
    pub fn sent(&mut self, group: u64) {
        self.hold(group, Some(Hold::Flying));
    }

    /// One is done with: the next may go.
    pub fn done(&mut self, group: u64) {
        self.hold(group, None);
    }

    /// One failed, to be tried again or for good.
    pub fn failed(&mut self, group: u64) {
        self.hold(group, Some(Hold::Failed));
    }

    /// What failed is on disk, or needs to wait no longer.
    pub fn settled(&mut self, group: u64) {
        if self.holds.get(&group) == Some(&Hold::Failed) {
            self.hold(group, None);
            // Its own time may be the first that ends: a page tells.
            self.stuck = false;
        }
    }

    /// One came back unsent: nothing is read before `until`.
    pub fn released(&mut self, group: u64, until: Timestamp) {
        self.hold(group, Some(Hold::Released(until)));
    }

    /// What a page says of groups that have none in it.
    pub fn held(&mut self, groups: BTreeMap<u64, Timestamp>, stuck: bool) {
        for (group, until) in groups {
            if matches!(self.holds.get(&group), None | Some(Hold::Until(_))) {
                self.hold(group, Some(Hold::Until(until)));
            }
        }
        self.stuck = stuck && !self.ends.is_empty();
    }

    /// A page has a delivery of the group: whether it may be queued. The disk knows best when a
    /// group that waited for its time goes on.
    pub fn shown(&mut self, group: u64) -> bool {
        if matches!(self.holds.get(&group), Some(Hold::Until(_))) {
            self.hold(group, None);
            // What waits for its time is behind this one: it shows again when this one is done.
            self.stuck = false;
        }
        matches!(self.holds.get(&group), None | Some(Hold::Flying))
    }

    /// Ends what ends by `now`; whether anything did.
    pub fn end(&mut self, now: Timestamp) -> bool {
        let mut ended = false;
        while let Some((_, group)) = self.ends.first().copied().filter(|(at, _)| *at <= now) {
            self.hold(group, None);
            ended = true;
        }
        self.stuck &= !ended;
        ended
    }

    /// Something was taken away on disk: whatever waits for its time may go on already. Whether
    /// anything waited.
    pub fn look_again(&mut self) -> bool {
        let waiting: Vec<u64> = self.ends.iter().map(|(_, group)| *group).collect();
        let mut waited = std::mem::take(&mut self.stuck);
        for group in waiting {
            if matches!(self.holds.get(&group), Some(Hold::Until(_))) {
                self.hold(group, None);
                waited = true;
            }
        }
        waited
    }

    fn hold(&mut self, group: u64, hold: Option<Hold>) {
        let unsure = |hold: &Hold| matches!(hold, Hold::Failed | Hold::Released(_));
        let end = |hold: &Hold| match hold {
            Hold::Released(at) | Hold::Until(at) => Some(*at),
            Hold::Flying | Hold::Failed => None,
        };
        let before = match hold {
            Some(hold) => self.holds.insert(group, hold),
            None => self.holds.remove(&group),
        };
        self.unsure += usize::from(hold.as_ref().is_some_and(unsure));
        self.unsure -= usize::from(before.as_ref().is_some_and(unsure));
        if let Some(at) = before.as_ref().and_then(end) {
            self.ends.remove(&(at, group));
        }
        if let Some(at) = hold.as_ref().and_then(end) {
            self.ends.insert((at, group));
        }
    }
}

impl Lane {
    /// The first in the queue that need not wait for another.
    pub fn next(&self) -> Option<usize> {
        let waits = |group| self.turning || self.beside.values().any(|held| *held == group);
        self.queue
            .iter()
            .position(|ready| !ready.group.is_some_and(waits) && self.groups.may_send(ready.group))
    }

    /// The order may have changed: what has one waits for what is under way.
    pub fn turn(&mut self) {
        self.turning = self.held.values().any(|place| *place != Place::Queued);
    }

    /// A delivery waits in a group while a person has it sent, which does not count there: those
    /// behind it wait for that too, for it may fail.
    pub fn goes_beside(&mut self, key: Key, group: Option<u64>) {
        let Some(group) = group else { return };
        let by_person = match self.held.get(&key) {
            Some(Place::Flying { trigger, .. }) => *trigger == Trigger::Manual,
            Some(Place::Unsettled { manual, .. }) => *manual,
            Some(Place::Queued) => {
                let manual = self.queue.iter().take_while(|one| one.trigger == Trigger::Manual);
                manual.into_iter().any(|ready| super::lane::key(ready.delivery()) == key)
            }
            None => false,
        };
        if by_person {
            self.beside.insert(key, group);
        }
    }

    /// Ends these waits where all is on disk, which knows now what goes first: how many go back to
    /// it.
    pub fn reorder(&mut self, now: Timestamp) -> usize {
        let mut given = 0;
        if self.turning {
            self.turn();
            if !self.turning && self.queue.iter().any(|ready| ready.group.is_some()) {
                given += self.give_back(0);
            }
        }
        let over = self.beside.iter().filter(|(key, _)| !self.held.contains_key(key));
        let over: Vec<(Key, u64)> = over.map(|(key, group)| (*key, *group)).collect();
        for (key, group) in over {
            self.beside.remove(&key);
            given += self.hold_back(group);
            self.lower(now);
        }
        given
    }
}
