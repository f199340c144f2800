//! Telling the operator: messages accepted into the hidden application, in the transaction of what
//! they tell of.
//!
//! With nobody to tell nothing is made. What is told of the catalog is part of the change and fails
//! with it; what is told of a delivery is left out where there is no space for it.

use bytes::Bytes;
use serde_json::Value;

use crate::domain::application::Application;
use crate::domain::delivery::{Attempt, Delivery, DeliveryId};
use crate::domain::endpoint::Endpoint;
use crate::domain::id::ApplicationId;
use crate::domain::operational::{self, Event, HIDDEN};
use crate::domain::time::Timestamp;
use crate::store::records::{AttemptRow, MessageRow};
use crate::store::transaction::Transaction;
use crate::store::{Author, NewMessage, Reference, Refusal, keys};

/// What the rows of an event take beside its body and one due time for each endpoint, at most.
const ROWS_MAX: usize = 1_024;
/// What the due time of one endpoint takes.
const DUE_MAX: usize = 64;

impl NewMessage {
    /// JSON that relay sends of its own: nothing narrows it, names it or holds it back.
    pub fn plain(application: ApplicationId, event_type: String, body: Bytes) -> NewMessage {
        NewMessage {
            application,
            event_type,
            event_id: None,
            channels: Vec::new(),
            tags: Vec::new(),
            content_type: "application/json".to_owned(),
            deliver_at: None,
            content_kept: None,
            body,
            received: None,
            filtered: Default::default(),
        }
    }
}

impl Transaction<'_> {
    /// An endpoint was made or changed.
    pub(super) fn tell_of_endpoint(
        &mut self,
        old: Option<&Endpoint>,
        new: &Endpoint,
        author: Author,
    ) -> Result<(), Refusal> {
        let unchanged =
            |old: &Endpoint| Endpoint { updated_at: old.updated_at, ..new.clone() } == *old;
        if new.application == HIDDEN || !self.has_listeners() || old.is_some_and(unchanged) {
            return Ok(());
        }
        let change = match old {
            None => Some(Event::EndpointCreated),
            // That it was disabled is all there is to tell.
            Some(_) if author == Author::Relay => None,
            Some(_) => Some(Event::EndpointUpdated),
        };
        let disabled = new.disabled.is_some() && old.is_none_or(|old| old.disabled.is_none());
        let disabled = disabled.then_some(Event::EndpointDisabled);
        let owner = self.application(&Reference::Id(new.application))?;
        // One that a caller changed between its last failure and its end failed a moment ago.
        let ended = (author == Author::Relay).then(|| self.now());
        let since = self.writer.tables.failing_since(new.id).or(ended);
        for event in [change, disabled].into_iter().flatten() {
            self.tell_of(event, &owner, new, since)?;
        }
        Ok(())
    }

    /// An endpoint was deleted.
    pub(super) fn tell_of_deleted(&mut self, endpoint: &Endpoint) -> Result<(), Refusal> {
        let owner = self.application(&Reference::Id(endpoint.application))?;
        self.tell_of(Event::EndpointDeleted, &owner, endpoint, None)
    }

    fn tell_of(
        &mut self,
        event: Event,
        owner: &Application,
        endpoint: &Endpoint,
        fail_since: Option<Timestamp>,
    ) -> Result<(), Refusal> {
        if !self.is_told(event, owner.id) {
            return Ok(());
        }
        let ids = self.writer.shared.ids.clone();
        let body = operational::about_endpoint(event, &ids, owner, endpoint, fail_since);
        self.tell(event, &body).map(|_| ())
    }

    /// What became of a delivery with an attempt; returns whether anybody is told.
    pub(super) fn tell_of_attempt(&mut self, event: Event, attempt: &Attempt) -> bool {
        self.tell_of_delivery(event, attempt.delivery, Some(attempt))
    }

    /// A delivery's time ran out.
    pub(super) fn tell_of_expiry(&mut self, id: DeliveryId) -> bool {
        let held: Option<Delivery> = self.record(&keys::delivery(id));
        let last = held.and_then(|held| held.attempt_ids.last().copied());
        let row: Option<AttemptRow> =
            last.and_then(|last| self.record(&keys::attempt(id.endpoint, last)));
        let last = row.map(|row| row.attempt);
        self.tell_of_delivery(Event::AttemptExhausted, id, last.as_ref())
    }

    fn tell_of_delivery(&mut self, event: Event, id: DeliveryId, last: Option<&Attempt>) -> bool {
        let Some((owner, _)) = self.writer.tables.endpoint_by_id(id.endpoint) else { return false };
        if !self.is_told(event, owner.id) {
            return false;
        }
        if self.writer.shared.refuses().is_some() {
            self.counted().untold += 1;
            return false;
        }
        let row: Option<MessageRow> = self.record(&keys::message(owner.id, id.message));
        let event_id = row.and_then(|row| row.message.event_id);
        let message = (id.message, event_id.as_deref());
        let ids = self.writer.shared.ids.clone();
        let body = operational::about_delivery(event, &ids, &owner, message, id.endpoint, last);
        self.tell(event, &body).unwrap_or(false)
    }

    fn has_listeners(&self) -> bool {
        self.writer.tables.endpoints(HIDDEN).next().is_some()
    }

    /// Whether anybody wants to know; of the hidden application nobody is told.
    fn is_told(&self, event: Event, about: ApplicationId) -> bool {
        let mut listeners = self.writer.tables.endpoints(HIDDEN);
        about != HIDDEN && listeners.any(|endpoint| wants(endpoint, event))
    }

    /// Accepts the event; `false` when the record has no room left for it.
    fn tell(&mut self, event: Event, body: &Value) -> Result<bool, Refusal> {
        let listeners = self.writer.tables.endpoints(HIDDEN);
        let listeners = listeners.filter(|endpoint| wants(endpoint, event));
        let listeners: Vec<_> = listeners.map(|endpoint| endpoint.id).collect();
        let body = Bytes::from(body.to_string());
        let most = self.record_length() + body.len() + ROWS_MAX + DUE_MAX * listeners.len();
        if most > self.record_max() {
            self.counted().untold += 1;
            return Ok(false);
        }
        let new = NewMessage::plain(HIDDEN, event.name().to_owned(), body);
        self.take_in(new, listeners).map(|_| true)
    }
}

/// Events carry no channels, so that only their type counts.
fn wants(endpoint: &Endpoint, event: Event) -> bool {
    endpoint.disabled.is_none() && endpoint.subscription.wants_event_type(event.name())
}
