//! Messages as pollers read them: in the order in which they were accepted, and how far each
//! consumer is.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::domain::endpoint::Endpoint;
use crate::domain::id::{EndpointId, MessageId, Stamp};
use crate::domain::lease::Leases;
use crate::domain::time::Timestamp;
use crate::store::records::{self, MessageRow};
use crate::store::transaction::Transaction;
use crate::store::{Reference, Refusal, Store, StoredMessage, keys};

/// Messages that one poll looks at before it answers with what it has.
const SCAN_MAX: usize = 10_000;
/// Consumers of one endpoint at most: they share a row.
pub const CONSUMERS_MAX: usize = 50;

/// Positions of an endpoint's consumers, by their names. A position is a message up to which all
/// was read, or where one would stand that was accepted at that moment.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct PollerRow(BTreeMap<String, MessageId>);

records::one_version!(PollerRow);

/// What one poll found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Polled {
    /// In the order in which they were accepted.
    pub messages: Vec<StoredMessage>,
    /// Where to go on: everything up to there was looked at.
    pub position: MessageId,
    /// Whether nothing more was there.
    pub done: bool,
}

/// What a poll leaves out beside what its endpoint does not want.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PollFilter {
    /// Of this type only.
    pub event_type: Option<String>,
    /// In this channel only.
    pub channel: Option<String>,
}

/// Before the first message that there can be.
pub const START: MessageId = MessageId::new(Stamp(0));

/// Behind everything accepted up to the end of that millisecond and before all that came after it;
/// `now` at the latest.
pub fn position_at(after: Timestamp, now: Timestamp) -> MessageId {
    let next = after.min(now).millis() + 1;
    MessageId::new(Stamp(Stamp::first_at(Timestamp::from_millis(next)).0 - 1))
}

impl Store {
    /// The next messages of an endpoint's application that it wants, at most `limit`. Nothing comes
    /// later that belongs before the position that is returned: ids grow with every message, they
    /// are shown in their order, and what is not yet shown when this begins is not looked at.
    pub fn poll(
        &self,
        endpoint: &Endpoint,
        filter: &PollFilter,
        after: MessageId,
        limit: usize,
    ) -> Polled {
        let application = endpoint.application;
        let from = keys::message(application, after).successor();
        let mut found = Polled { messages: Vec::new(), position: after, done: true };
        // A scan may meet a row that came while it went on, and not one before it that came then
        // too. All that is before the newest row of now is there already.
        let all = keys::messages(application).after_prefix();
        let mut newest = None;
        self.shared.overlay.scan(&from, &all.max(from), true, &mut |key, _| {
            newest = Some(key);
            ControlFlow::Break(())
        });
        let Some(newest) = newest else { return found };
        let end = newest.successor();
        let mut looked_at = 0;
        self.shared.overlay.scan(&from, &end, false, &mut |key, value| {
            if looked_at == SCAN_MAX || found.messages.len() == limit {
                found.done = false;
                return ControlFlow::Break(());
            }
            looked_at += 1;
            let stored = StoredMessage::from(self.shared.decode::<MessageRow>(&key, &value));
            let message = &stored.message;
            found.position = message.id;
            let by_type = filter.event_type.as_ref();
            let by_channel = filter.channel.as_ref();
            if by_type.is_none_or(|wanted| *wanted == message.event_type)
                && by_channel.is_none_or(|wanted| message.channels.contains(wanted))
                && self.shared.wants(endpoint, &stored)
            {
                found.messages.push(stored);
            }
            ControlFlow::Continue(())
        });
        found
    }

    /// Up to where a consumer has committed; `None` while it never has.
    pub fn poller_position(&self, endpoint: EndpointId, consumer: &str) -> Option<MessageId> {
        let key = keys::pollers::positions(endpoint);
        let row = self.shared.overlay.get(&key)?;
        let PollerRow(positions) = self.shared.decode(&key, &row);
        positions.get(consumer).copied()
    }
}

impl Transaction<'_> {
    /// A consumer has read everything up to `position`; one that is further already stays there.
    pub fn commit_poller(
        &mut self,
        endpoint: &Endpoint,
        consumer: &str,
        position: MessageId,
    ) -> Result<(), Refusal> {
        let held = self.poller_positions(endpoint)?.0.get(consumer).copied();
        if position <= held.unwrap_or(START) {
            return Ok(());
        }
        self.change_leases(endpoint.id, consumer, |leases| leases.commit_to(position));
        self.set_poller(endpoint, consumer, position)
    }

    /// Sets where a consumer goes on, forward or back; nothing is handed out to it any more.
    pub fn seek_poller(
        &mut self,
        endpoint: &Endpoint,
        consumer: &str,
        position: MessageId,
    ) -> Result<(), Refusal> {
        self.change_leases(endpoint.id, consumer, Leases::restart);
        self.set_poller(endpoint, consumer, position)
    }

    pub(super) fn set_poller(
        &mut self,
        endpoint: &Endpoint,
        consumer: &str,
        position: MessageId,
    ) -> Result<(), Refusal> {
        let PollerRow(mut positions) = self.poller_positions(endpoint)?;
        if positions.len() >= CONSUMERS_MAX && !positions.contains_key(consumer) {
            return Err(Refusal::Conflict(format!(
                "an endpoint has at most {CONSUMERS_MAX} consumers: use one of those it has, or \
                 another endpoint"
            )));
        }
        if positions.insert(consumer.to_owned(), position) != Some(position) {
            let key = keys::pollers::positions(endpoint.id);
            self.put_row(key, records::encode(&PollerRow(positions)), false);
        }
        Ok(())
    }

    /// Up to where a consumer has committed, as this transaction leaves it.
    pub(super) fn position(
        &self,
        endpoint: &Endpoint,
        consumer: &str,
    ) -> Result<Option<MessageId>, Refusal> {
        Ok(self.poller_positions(endpoint)?.0.get(consumer).copied())
    }

    fn poller_positions(&self, endpoint: &Endpoint) -> Result<PollerRow, Refusal> {
        self.endpoint(endpoint.application, &Reference::Id(endpoint.id))?;
        Ok(self.record(&keys::pollers::positions(endpoint.id)).unwrap_or_default())
    }

    /// Forgets the consumers of an endpoint that goes.
    pub(super) fn forget_pollers(&mut self, endpoint: EndpointId) {
        let key = keys::pollers::positions(endpoint);
        let Some(PollerRow(positions)) = self.record(&key) else { return };
        positions.keys().for_each(|consumer| self.forget_leases(endpoint, consumer));
        self.delete_row(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of version 1, for ever.
    #[test]
    fn frozen_bytes() {
        let position = MessageId::new(Stamp(0x0102_0304_0506_0708));
        let row = PollerRow(BTreeMap::from([("books".to_owned(), position)]));
        let bytes = records::encode(&row);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "010105626f6f6b73fd0807060504030201");
        assert_eq!(records::decode::<PollerRow>(&bytes).expect("a row"), row);
    }

    #[test]
    fn a_time_is_a_position() {
        let at = Timestamp::from_millis;
        let position = position_at(at(7), at(9));
        assert!(position >= MessageId::new(Stamp::first_at(at(7))));
        assert!(position < MessageId::new(Stamp::first_at(at(8))));
        assert_eq!(position_at(Timestamp::MAX, at(9)), position_at(at(9), at(9)));
    }
}
