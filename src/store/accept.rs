//! Messages: matched to endpoints and taken in.

use std::time::Duration;

use crate::domain::delivery::{Delivery, DeliveryId, Trigger};
use crate::domain::id::{ApplicationId, EndpointId, MessageId, MessageKind};
use crate::domain::message::Message;
use crate::domain::operational::HIDDEN;
use crate::store::keys;
use crate::store::records::{self, MessageRow};
use crate::store::transaction::{Transaction, short_hash};
use crate::store::{NewMessage, Notice, Ready, Reference, Refusal, StoredMessage};
use crate::telemetry::panic_point;

/// What an endpoint's settings mean for a delivery.
#[derive(Clone, Copy, Default)]
struct Own {
    delay: Duration,
    ordered: bool,
    order_key: Option<u64>,
}

impl Transaction<'_> {
    /// Accepts a message: matches the application's endpoints, makes one delivery for each.
    /// Refuses an event id that a kept message of the application has.
    pub fn accept(&mut self, new: NewMessage) -> Result<StoredMessage, Refusal> {
        let endpoints = self.matching(&new);
        self.accept_for(new, endpoints)
    }

    /// Accepts a message for these endpoints and no others, whatever they subscribe to: the caller
    /// has seen that they belong to the application.
    pub fn accept_for(
        &mut self,
        new: NewMessage,
        endpoints: Vec<EndpointId>,
    ) -> Result<StoredMessage, Refusal> {
        self.may_take_in()?;
        self.take_in(new, endpoints)
    }

    /// Whether anything is taken in at present.
    pub(super) fn may_take_in(&self) -> Result<(), Refusal> {
        if let Some(reason) = self.writer.shared.refuses() {
            return Err(Refusal::Full(reason));
        }
        if self.writer.shared.is_past_allowance() {
            return Err(Refusal::Busy);
        }
        Ok(())
    }

    /// The same, whether messages are accepted at present or not.
    pub(super) fn take_in(
        &mut self,
        new: NewMessage,
        endpoints: Vec<EndpointId>,
    ) -> Result<StoredMessage, Refusal> {
        let application = new.application;
        self.application(&Reference::Id(application))?;
        self.refuse_id::<MessageKind>("eventId", new.event_id.as_deref())?;
        let event_id_key = match &new.event_id {
            Some(event_id) => {
                let key = keys::event_id(application, short_hash(event_id.as_bytes()));
                if self.row(&key).is_some() {
                    return Err(Refusal::Conflict(format!(
                        "a message with the eventId {event_id:?} was accepted already"
                    )));
                }
                Some(key)
            }
            None => None,
        };
        let own: Vec<Own> = endpoints.iter().map(|id| self.own(&new, *id)).collect();
        panic_point::reach("accept");
        let id = self.mint_message(application);
        let message = Message {
            id,
            application,
            event_type: new.event_type,
            event_id: new.event_id,
            channels: new.channels,
            tags: new.tags,
            content_type: new.content_type,
            deliver_at: new.deliver_at,
            endpoints,
            origin: new.received.as_ref().map(|received| received.origin.clone()),
        };
        if let Some(kept) = new.content_kept {
            let until = self.now() + kept;
            self.expunge_later(&message, until);
        }
        let body = self.body(&new.body);
        let head = new.received.map(|received| self.body(&records::encode(&received.head)));
        let row = MessageRow { body, head, message };
        self.put_row(keys::message(application, id), records::encode(&row), true);
        if let Some(key) = event_id_key {
            self.put_row(key, records::encode(&id), true);
        }
        let stored = StoredMessage::from(row);
        for (endpoint, own) in stored.message.endpoints.clone().into_iter().zip(own) {
            let delivery = DeliveryId { message: id, endpoint, replay: 0 };
            let Own { delay, ordered, order_key } = own;
            let due = stored.message.first_due() + delay;
            // What is as usual follows from the message.
            if !delay.is_zero() || order_key.is_some() {
                let row = Delivery { order_key, ..Delivery::waiting(due) };
                self.put_row(keys::delivery(delivery), records::encode(&row), true);
            }
            self.put_row(keys::due(delivery, due), bytes::Bytes::new(), true);
            self.notify(Notice::Ready(Ready {
                message: stored.clone(),
                endpoint,
                replay: 0,
                due,
                attempts: 0,
                trigger: Trigger::Scheduled,
                group: ordered.then_some(order_key.unwrap_or_default()),
            }));
        }
        self.count(&stored.message);
        Ok(stored)
    }

    fn count(&mut self, message: &Message) {
        let counted = self.counted();
        counted.accepted += 1;
        counted.deliveries += message.endpoints.len() as u64;
        // What the relay tells its operator nobody sent.
        counted.sent_in += u64::from(message.application != HIDDEN);
    }

    /// The id of the next message of an application, told to searches before anybody can see it.
    fn mint_message(&mut self, application: ApplicationId) -> MessageId {
        let id = MessageId::new(self.mint());
        self.writer.shared.newest.raise(application, id.stamp());
        id
    }

    fn own(&self, new: &NewMessage, endpoint: EndpointId) -> Own {
        let Some((_, endpoint)) = self.writer.tables.endpoint_by_id(endpoint) else {
            return Own::default();
        };
        Own {
            delay: endpoint.delivery.delay(),
            ordered: endpoint.delivery.order.is_some(),
            order_key: self.order_key(new, &endpoint),
        }
    }
}
