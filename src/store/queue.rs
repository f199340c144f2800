//! Deliveries: accepted, due, settled.

use std::collections::BTreeMap;

use crate::domain::delivery::{
    Attempt, AttemptContent, Delivery, DeliveryId, Input, State, Trigger, transition,
};
use crate::domain::id::{AttemptId, EndpointId, MessageId};
use crate::domain::message::Message;
use crate::domain::operational::{Event, after_attempt};
use crate::domain::time::Timestamp;
use crate::store::keys;
use crate::store::records::{self, AttemptRow, MessageRow};
use crate::store::transaction::Transaction;
use crate::store::{
    BodyLocation, Notice, Ready, Reference, Refusal, Settlement, Shared, StoredMessage, Verdict,
};

/// How often a message was replayed to each endpoint.
pub(super) type Replays = BTreeMap<EndpointId, u16>;

fn replayed(message: MessageId, replays: Replays) -> impl Iterator<Item = DeliveryId> {
    replays.into_iter().flat_map(move |(endpoint, last)| {
        (1..=last).map(move |replay| DeliveryId { message, endpoint, replay })
    })
}

fn newest(message: &Message, endpoint: EndpointId, replays: &Replays) -> Option<DeliveryId> {
    let first = message.endpoints.contains(&endpoint).then_some(0);
    let replay = replays.get(&endpoint).copied().or(first)?;
    Some(DeliveryId { message: message.id, endpoint, replay })
}

impl Transaction<'_> {
    /// Asks for one manual attempt of the last delivery of a message to an endpoint; it survives a
    /// restart.
    pub fn resend(
        &mut self,
        message: &StoredMessage,
        endpoint: EndpointId,
    ) -> Result<DeliveryId, Refusal> {
        let application = message.message.application;
        self.endpoint(application, &Reference::Id(endpoint))?;
        // It may have gone since the caller looked.
        let key = keys::message(application, message.message.id);
        let row: MessageRow = self.record(&key).ok_or(Refusal::NotFound)?;
        let delivery = self.newest(&message.message, endpoint).ok_or(Refusal::NotFound)?;
        if row.body.is_gone() {
            let words = "the content of this message was expunged: there is nothing to send";
            return Err(Refusal::Conflict(words.to_owned()));
        }
        let held: Option<Delivery> = self.record(&keys::delivery(delivery));
        let now = self.now();
        self.put_row(keys::resend(delivery), records::encode(&now), false);
        self.notify(Notice::Ready(Ready {
            message: message.clone(),
            endpoint,
            replay: delivery.replay,
            due: now,
            attempts: held.map_or(0, |held| held.attempts),
            trigger: Trigger::Manual,
            group: None,
        }));
        Ok(delivery)
    }

    /// Records an attempt and what becomes of its delivery.
    ///
    /// A delivery that a person cancelled or that died while the attempt was under way keeps its
    /// state, unless the attempt succeeded: then it is delivered, for that is what happened.
    /// Returns what the operator is to be told of it.
    pub(super) fn settle(&mut self, settlement: &Settlement) -> Option<(Event, Attempt)> {
        let id = settlement.delivery;
        let attempt_id = AttemptId::new(self.mint());
        let held: Option<Delivery> = self.record(&keys::delivery(id));
        let is_new = held.is_none();
        let mut delivery = held.unwrap_or_else(|| Delivery::waiting(settlement.first_due));
        let was_queued = matches!(delivery.state, State::Waiting | State::Retrying);
        let was_due = delivery.due;
        let (before, failed) = (delivery.state, delivery.attempts);
        delivery.attempt_ids.push(attempt_id);
        if settlement.trigger == Trigger::Scheduled {
            delivery.attempts += 1;
        }
        delivery.state = next_state(&delivery, settlement);
        if let (State::Retrying, Verdict::RetryAt(due)) = (delivery.state, settlement.verdict) {
            // In an order it keeps its place, and whatever is behind it waits.
            let ordered = self.group_of(id.endpoint, None).is_some();
            delivery.held_until = ordered.then_some(due);
            delivery.due = if ordered { delivery.due } else { due };
        }
        let is_queued = matches!(delivery.state, State::Waiting | State::Retrying);
        if was_queued && !(is_queued && delivery.due == was_due) {
            self.delete_row(keys::due(id, was_due));
        }
        if is_queued && !(was_queued && delivery.due == was_due) {
            self.put_row(keys::due(id, delivery.due), bytes::Bytes::new(), true);
        }
        if settlement.trigger == Trigger::Manual {
            self.answer_resend(settlement);
        }
        self.list_dead(id, &mut delivery, Some(settlement.status_code));
        self.put_row(keys::delivery(id), records::encode(&delivery), is_new);
        let content = match self.was_expunged(settlement) {
            true => BodyLocation::GONE,
            false => self.body(&records::encode(&settlement.content)),
        };
        let attempt = Attempt {
            id: attempt_id,
            delivery: id,
            trigger: settlement.trigger,
            started_at: settlement.started_at,
            duration_ms: settlement.duration_ms,
            status_code: settlement.status_code,
            outcome: settlement.outcome,
        };
        let row = records::encode(&AttemptRow { attempt: attempt.clone(), content });
        self.put_row(keys::attempt(id.endpoint, attempt_id), row, true);
        self.note_outcome(id.endpoint, settlement.outcome);
        let due = is_queued.then_some(delivery.due);
        self.notify(Notice::Settled { delivery: id, due });
        self.counted().finished += u64::from(was_queued && !is_queued);
        if before != delivery.state && matches!(delivery.state, State::Dead(_)) {
            self.notify_died(id.endpoint);
        }
        let scheduled = settlement.trigger == Trigger::Scheduled;
        let event = after_attempt(before, delivery.state, failed, scheduled)?;
        Some((event, attempt))
    }

    /// Whether its message was expunged while the attempt was under way.
    fn was_expunged(&self, settlement: &Settlement) -> bool {
        let expunged = &self.writer.shared.expunged;
        let id = settlement.delivery;
        expunged.any() && {
            let owner = self.writer.tables.endpoint_by_id(id.endpoint);
            expunged.holds(id.message, owner.map(|(owner, _)| owner.id))
        }
    }
}

impl Transaction<'_> {
    /// How often a message was replayed to which endpoints.
    pub(super) fn replays(&self, message: MessageId) -> Replays {
        self.record(&keys::replays(message)).unwrap_or_default()
    }

    /// Every delivery that a replay made of a message.
    pub(super) fn replay_rows(&self, message: MessageId) -> Vec<(DeliveryId, Delivery)> {
        let named = replayed(message, self.replays(message));
        named.filter_map(|id| Some((id, self.record(&keys::delivery(id))?))).collect()
    }

    /// The last of the deliveries of a message to an endpoint; `None` when there was never one.
    pub(super) fn newest(&self, message: &Message, endpoint: EndpointId) -> Option<DeliveryId> {
        newest(message, endpoint, &self.replays(message.id))
    }

    /// Whether deliveries to the endpoint wait for one another.
    pub(super) fn group_of(&self, endpoint: EndpointId, key: Option<u64>) -> Option<u64> {
        let (_, endpoint) = self.writer.tables.endpoint_by_id(endpoint)?;
        Some(endpoint.delivery.order.as_ref()?.group(key))
    }

    /// What a person asked for is done, unless it was asked for again since: an attempt answers
    /// only what it was made for, and its result may be written long after on a full disk.
    fn answer_resend(&mut self, settlement: &Settlement) {
        let key = keys::resend(settlement.delivery);
        let asked: Option<Timestamp> = self.record(&key);
        if asked.is_some_and(|asked| asked <= settlement.due) {
            self.delete_row(key);
        }
    }
}

fn next_state(delivery: &Delivery, settlement: &Settlement) -> State {
    let input = match settlement.verdict {
        Verdict::Delivered => return State::Delivered,
        Verdict::Unchanged => return delivery.state,
        Verdict::Dropped => {
            return transition(delivery.state, Input::Cancel).unwrap_or(delivery.state);
        }
        Verdict::RetryAt(_) => Input::Fail,
        Verdict::Dead(reason) => Input::Die(reason),
    };
    match transition(delivery.state, Input::Lease).and_then(|leased| transition(leased, input)) {
        Ok(state) => state,
        // Cancelled or dead meanwhile: that stands.
        Err(_) => delivery.state,
    }
}

impl Shared {
    /// A delivery as it stands; one that was never tried has no row.
    pub(super) fn delivery(&self, message: &Message, id: DeliveryId) -> Delivery {
        if let Some(held) = self.delivery_row(id) {
            return held;
        }
        let known = self.read_catalog().endpoint_by_id(id.endpoint).is_some();
        let state = if known { State::Waiting } else { State::Cancelled };
        Delivery { state, ..Delivery::waiting(message.first_due()) }
    }

    /// Every delivery of a message, in the order of its endpoints, replays after.
    pub(super) fn deliveries(&self, message: &Message) -> Vec<(DeliveryId, Delivery)> {
        let first = |endpoint: &EndpointId| DeliveryId {
            message: message.id,
            endpoint: *endpoint,
            replay: 0,
        };
        let mut found: Vec<_> = message
            .endpoints
            .iter()
            .map(first)
            .map(|id| (id, self.delivery(message, id)))
            .collect();
        // A replay is made with its row: one without was lost with a damaged record.
        let again = replayed(message.id, self.replays(message.id));
        found.extend(again.filter_map(|id| Some((id, self.delivery_row(id)?))));
        found
    }

    fn delivery_row(&self, id: DeliveryId) -> Option<Delivery> {
        let key = keys::delivery(id);
        self.overlay.get(&key).map(|bytes| self.decode(&key, &bytes))
    }

    fn replays(&self, message: MessageId) -> Replays {
        let key = keys::replays(message);
        self.overlay.get(&key).map(|bytes| self.decode(&key, &bytes)).unwrap_or_default()
    }

    /// The last of the deliveries of a message to an endpoint; `None` when there was never one.
    pub(super) fn newest(&self, message: &Message, endpoint: EndpointId) -> Option<DeliveryId> {
        newest(message, endpoint, &self.replays(message.id))
    }

    /// What was sent and what came back.
    pub(super) fn attempt_content(&self, bytes: &[u8]) -> Option<AttemptContent> {
        records::decode(bytes).ok()
    }
}
