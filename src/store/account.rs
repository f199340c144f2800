//! The account: every delivery of every kept message stands in exactly one state.
//!
//! `accepted x fan-out = delivered + dead + cancelled + waiting` is what nothing may break. It is
//! counted from the rows themselves, message by message: each delivery by its own row, and one that
//! waits only when the due index has it too, so that a delivery which nobody would ever send shows.

use std::ops::ControlFlow;

use crate::domain::delivery::{Delivery, DeliveryId, State};
use crate::domain::id::EndpointId;
use crate::domain::message::Message;
use crate::store::keys::{self, Key};
use crate::store::records::MessageRow;
use crate::store::{Shared, Store};

/// Messages looked at in one step; the index is let go between two steps.
const STEP: usize = 512;
/// Looks at a delivery that changes while it is looked at.
const LOOKS: usize = 8;
/// Deliveries without a place that are named in the log.
const NAMED: u64 = 20;

/// How the deliveries of all kept messages stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Messages kept.
    pub accepted: u64,
    /// Deliveries made for them.
    pub deliveries: u64,
    /// Answered 2xx.
    pub delivered: u64,
    /// Not tried again by themselves.
    pub dead: u64,
    /// Taken back.
    pub cancelled: u64,
    /// Due and never tried.
    pub waiting: u64,
    /// Due and tried before.
    pub retrying: u64,
}

/// Where one delivery stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Delivered,
    Dead,
    Cancelled,
    Waiting,
    Retrying,
    /// Not ended, and not in the due index either.
    Nowhere,
}

impl Place {
    /// By its row, `None` when it was never tried, and whether the due index has it.
    pub fn of(state: Option<State>, is_due: bool) -> Place {
        match (state, is_due) {
            (Some(State::Delivered), _) => Place::Delivered,
            (Some(State::Dead(_)), _) => Place::Dead,
            (Some(State::Cancelled), _) => Place::Cancelled,
            (Some(State::Retrying), true) => Place::Retrying,
            (Some(State::Waiting | State::Sending) | None, true) => Place::Waiting,
            (Some(State::Waiting | State::Sending | State::Retrying) | None, false) => {
                Place::Nowhere
            }
        }
    }
}

/// What is done with each message and the places of its deliveries.
type Visit<'run> = dyn FnMut(&Message, &[(EndpointId, Place)]) + 'run;

impl Account {
    /// Whether every delivery has its place.
    pub fn holds(&self) -> bool {
        let placed = [self.delivered, self.dead, self.cancelled, self.waiting, self.retrying];
        placed.iter().sum::<u64>() == self.deliveries
    }

    pub(super) fn add_message(&mut self, deliveries: usize) {
        self.accepted += 1;
        self.deliveries += deliveries as u64;
    }

    pub(super) fn add(&mut self, place: Place) {
        match place {
            Place::Delivered => self.delivered += 1,
            Place::Dead => self.dead += 1,
            Place::Cancelled => self.cancelled += 1,
            Place::Waiting => self.waiting += 1,
            Place::Retrying => self.retrying += 1,
            Place::Nowhere => {}
        }
    }
}

impl Store {
    /// Counts every kept message and its deliveries; takes microseconds for each, so not on a
    /// thread that serves. What is accepted meanwhile may be in it or not.
    pub fn account(&self) -> Account {
        let mut account = Account::default();
        let mut nowhere = 0;
        self.shared.each_message(&mut |message, places| {
            account.add_message(places.len());
            for (endpoint, place) in places {
                account.add(*place);
                if *place == Place::Nowhere && nowhere < NAMED {
                    nowhere += 1;
                    let ids = self.ids();
                    let (message_id, endpoint) = (ids.text(message.id), ids.text(*endpoint));
                    tracing::error!(message_id, endpoint, "a delivery that nothing will send");
                }
            }
        });
        account
    }
}

impl Shared {
    /// Visits every message with the places of its deliveries, in steps that let the index go.
    pub(super) fn each_message(&self, visit: &mut Visit<'_>) {
        let mut from = keys::all_messages();
        // Bounded by the messages there are: each step begins behind the last one.
        loop {
            let (messages, next) = self.some_messages(from);
            for (key, message) in &messages {
                if let Some(places) = self.places(key, message) {
                    visit(message, &places);
                }
            }
            match next {
                Some(next) => from = next,
                None => return,
            }
        }
    }

    /// The next messages from a key on, and where the rest begins.
    fn some_messages(&self, from: Key) -> (Vec<(Key, Message)>, Option<Key>) {
        let mut found = Vec::with_capacity(STEP);
        let mut next = None;
        let end = keys::all_messages().after_prefix();
        self.overlay.scan(&from, &end, false, &mut |key, value| {
            if found.len() == STEP {
                next = Some(key);
                return ControlFlow::Break(());
            }
            let row: MessageRow = self.decode(&key, &value);
            found.push((key, row.message));
            ControlFlow::Continue(())
        });
        (found, next)
    }

    /// Where each delivery of a message stands; `None` when the message has gone meanwhile.
    fn places(&self, key: &Key, message: &Message) -> Option<Vec<(EndpointId, Place)>> {
        let mut places = Vec::with_capacity(message.endpoints.len());
        for endpoint in &message.endpoints {
            let id = DeliveryId { message: message.id, endpoint: *endpoint, replay: 0 };
            let place = self.place(message, id);
            if place == Place::Nowhere && self.overlay.get(key).is_none() {
                return None;
            }
            places.push((*endpoint, place));
        }
        Some(places)
    }

    /// Row and due index are read one after the other: what was settled in between is read again.
    fn place(&self, message: &Message, id: DeliveryId) -> Place {
        let key = keys::delivery(id);
        let read = || -> Option<Delivery> {
            self.overlay.get(&key).map(|bytes| self.decode(&key, &bytes))
        };
        let mut held = read();
        for _ in 0..LOOKS {
            let due = held.as_ref().map_or(message.first_due(), |held| held.due);
            let is_due = self.overlay.get(&keys::due(id, due)).is_some();
            let place = Place::of(held.as_ref().map(|held| held.state), is_due);
            let now = read();
            if place != Place::Nowhere || now == held {
                return place;
            }
            held = now;
        }
        Place::Nowhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::DeadReason;

    #[test]
    fn a_delivery_that_waits_must_be_due() {
        let check = |state, is_due, expected| assert_eq!(Place::of(state, is_due), expected);
        check(None, true, Place::Waiting);
        check(None, false, Place::Nowhere);
        check(Some(State::Waiting), true, Place::Waiting);
        check(Some(State::Retrying), true, Place::Retrying);
        check(Some(State::Retrying), false, Place::Nowhere);
        check(Some(State::Delivered), false, Place::Delivered);
        check(Some(State::Dead(DeadReason::Gone)), false, Place::Dead);
        check(Some(State::Cancelled), true, Place::Cancelled);
    }

    #[test]
    fn the_identity() {
        let mut account = Account::default();
        account.add_message(2);
        account.add(Place::Delivered);
        assert!(!account.holds());
        account.add(Place::Retrying);
        assert!(account.holds());
        account.add_message(1);
        account.add(Place::Nowhere);
        assert!(!account.holds());
    }
}
