//! What failed and waits for its next attempt, sent before that is due.

use crate::domain::delivery::{Delivery, DeliveryId, Input, State, Trigger, transition};
use crate::domain::task::EndpointWork;
use crate::store::transaction::Transaction;
use crate::store::{Notice, Ready, StoredMessage, keys, records};

impl Transaction<'_> {
    /// The last delivery of a message to the endpoint, where it failed and is due later. One that
    /// was never tried is meant for later, and waits for that.
    pub(super) fn waits(
        &self,
        stored: &StoredMessage,
        work: &EndpointWork,
    ) -> Option<(DeliveryId, Delivery)> {
        let (id, held) = self.newest_delivery(&stored.message, work)?;
        let held = held?;
        let later = held.state == State::Retrying && held.next_attempt() > self.now();
        later.then_some((id, held))
    }

    /// Such a delivery becomes due, with its whole schedule before it; returns whether it does.
    pub(super) fn hurry(&mut self, stored: &StoredMessage, work: &EndpointWork) -> bool {
        let Some((id, held)) = self.waits(stored, work) else { return false };
        if stored.body.is_gone() {
            return false;
        }
        if held.held_until.is_some() {
            // In an order it keeps its place, and goes beside those that wait behind it.
            return self.resend(stored, work.endpoint).is_ok();
        }
        let Ok(state) = transition(held.state, Input::Requeue) else { return false };
        self.delete_row(keys::due(id, held.due));
        let due = self.now();
        let delivery = Delivery { state, attempts: 0, due, ..held };
        self.put_row(keys::delivery(id), records::encode(&delivery), false);
        self.put_row(keys::due(id, due), bytes::Bytes::new(), true);
        self.notify(Notice::Ready(Ready {
            message: stored.clone(),
            endpoint: id.endpoint,
            replay: id.replay,
            due,
            attempts: 0,
            trigger: Trigger::Scheduled,
            group: self.group_of(id.endpoint, delivery.order_key),
        }));
        true
    }
}
