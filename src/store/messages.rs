//! Messages and attempts as lists show them.

use std::ops::{ControlFlow, Range};
use std::time::Duration;

use bytes::Bytes;

use crate::domain::delivery::{Delivery, DeliveryId, Outcome};
use crate::domain::id::{ApplicationId, AttemptId, EndpointId, Id, MessageId, Stamp};
use crate::domain::message::Message;
use crate::domain::time::Timestamp;
use crate::store::keys::{self, Key};
use crate::store::records::{AttemptRow, MessageRow};
use crate::store::transaction::short_hash;
use crate::store::{
    AttemptFilter, BodyLocation, MessageFilter, MessageReference, Page, PageRequest, PageStart,
    Ready, Reference, Shared, Store, StoreError, StoredAttempt, StoredMessage,
};

/// Rows that one list call looks at before it answers with what it has.
const SCAN_MAX: usize = 10_000;

/// A range of keys and the direction to read it in.
struct Span {
    from: Key,
    to: Key,
    reverse: bool,
    backward: bool,
}

impl Span {
    /// The part of `all` that a page may come from; `at` makes the key of a stamp.
    fn new<K>(all: Key, page: &PageRequest<Id<K>>, at: impl Fn(Stamp) -> Key) -> Span {
        let (mut from, mut to) = (all, all.after_prefix());
        let backward = matches!(page.start, PageStart::Before(_));
        let reverse = page.descending != backward;
        if let PageStart::After(id) | PageStart::Before(id) = page.start {
            if reverse {
                to = at(id.stamp());
            } else {
                from = at(id.stamp()).successor();
            }
        }
        Span { from, to, reverse, backward }
    }

    fn narrow(&mut self, from: Option<Key>, to: Option<Key>) {
        self.from = from.map_or(self.from, |from| self.from.max(from));
        self.to = to.map_or(self.to, |to| self.to.min(to)).max(self.from);
    }
}

/// The first stamp of the millisecond behind this one.
pub(super) fn first_after(time: Timestamp) -> Stamp {
    Stamp::first_at(time + Duration::from_millis(1))
}

impl MessageFilter {
    /// Whether a list would show a message, whenever it was accepted.
    pub fn passes(&self, message: &Message) -> bool {
        self.channel.as_ref().is_none_or(|channel| message.channels.contains(channel))
            && self.tag.as_ref().is_none_or(|tag| message.tags.contains(tag))
            && (self.event_types.is_empty() || self.event_types.contains(&message.event_type))
    }

    /// Whether it was accepted in the time that is meant.
    pub fn is_in_time(&self, message: &Message) -> bool {
        let time = message.id.time();
        self.before.is_none_or(|before| time < before)
            && self.after.is_none_or(|after| time > after)
    }

    fn is_by_content(&self) -> bool {
        self.channel.is_some() || self.tag.is_some() || !self.event_types.is_empty()
    }
}

impl AttemptFilter {
    fn passes(&self, row: &AttemptRow) -> bool {
        let attempt = &row.attempt;
        let delivered = attempt.outcome == Outcome::Delivered;
        self.delivered.is_none_or(|wanted| wanted == delivered)
            && self.status_code_class.is_none_or(|class| attempt.status_code / 100 == class / 100)
            && self.endpoint.is_none_or(|endpoint| endpoint == attempt.delivery.endpoint)
            && self.messages.before.is_none_or(|before| attempt.id.time() < before)
            && self.messages.after.is_none_or(|after| attempt.id.time() > after)
    }
}

impl Store {
    /// Reads what is to be sent of a delivery's message. What has waited in memory may name a place
    /// that was given back meanwhile, after the body was carried forward: then it is looked up
    /// again.
    pub fn read_to_send<T>(
        &self,
        ready: &Ready,
        read: impl Fn(&StoredMessage) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let found = read(&ready.message);
        if found.is_ok() {
            return found;
        }
        let message = &ready.message.message;
        match self.shared.message_by_id(message.application, message.id) {
            Some(moved) => read(&moved),
            None => found,
        }
    }

    /// The body of a delivery that is to be sent.
    pub fn body_to_send(&self, ready: &Ready) -> Result<Bytes, StoreError> {
        self.read_to_send(ready, |stored| self.body(&stored.body))
    }
}

impl Shared {
    /// Bytes of the journal that were not expunged.
    pub(super) fn read_body(&self, location: &BodyLocation) -> Result<Bytes, StoreError> {
        if location.is_gone() {
            return Err(StoreError::Expunged);
        }
        self.segments.read(location)
    }

    /// A message of an application, by id.
    pub(super) fn message_by_id(
        &self,
        application: ApplicationId,
        id: MessageId,
    ) -> Option<StoredMessage> {
        let key = keys::message(application, id);
        self.overlay.get(&key).map(|bytes| self.stored_message(&key, &bytes))
    }

    pub(super) fn stored_message(&self, key: &Key, bytes: &Bytes) -> StoredMessage {
        self.decode::<MessageRow>(key, bytes).into()
    }

    /// A message of an application, by id or event id.
    pub(super) fn message(
        &self,
        application: ApplicationId,
        reference: &MessageReference,
    ) -> Option<StoredMessage> {
        let id = match reference {
            Reference::Id(id) => *id,
            Reference::Name(event_id) => {
                let key = keys::event_id(application, short_hash(event_id.as_bytes()));
                self.overlay.get(&key).map(|bytes| self.decode(&key, &bytes))?
            }
        };
        let stored = self.message_by_id(application, id)?;
        let named = match reference {
            Reference::Id(_) => true,
            Reference::Name(name) => stored.message.event_id.as_ref() == Some(name),
        };
        named.then_some(stored)
    }

    /// Messages of an application that pass the filter and for which `show` has something.
    pub(super) fn list_messages<T>(
        &self,
        application: ApplicationId,
        filter: &MessageFilter,
        page: &PageRequest<MessageId>,
        show: impl Fn(StoredMessage) -> Option<T>,
    ) -> Page<T, MessageId> {
        let at = |stamp| keys::message_at(application, stamp);
        let mut span = Span::new(keys::messages(application), page, at);
        span.narrow(
            filter.after.map(|after| at(first_after(after))),
            filter.before.map(|before| at(Stamp::first_at(before))),
        );
        let id_of = |key: &Key| key.u64_at(9).map(|stamp| MessageId::new(Stamp(stamp)));
        self.page(&span, page.limit, id_of, |key, value| {
            let stored = self.stored_message(key, value);
            if filter.passes(&stored.message) { show(stored) } else { None }
        })
    }

    /// Rows named by an id, from all of `all`, for which `show` has something.
    pub(super) fn list_rows<T, K>(
        &self,
        all: Key,
        page: &PageRequest<Id<K>>,
        at: impl Fn(Stamp) -> Key,
        id_of: impl Fn(&Key) -> Option<Id<K>>,
        show: impl Fn(&Key, &Bytes) -> Option<T>,
    ) -> Page<T, Id<K>> {
        self.page(&Span::new(all, page, at), page.limit, id_of, show)
    }

    /// The same, of the rows between two keys.
    pub(super) fn list_between<T, K>(
        &self,
        all: Key,
        within: Range<Key>,
        page: &PageRequest<Id<K>>,
        at: impl Fn(Stamp) -> Key,
        id_of: impl Fn(&Key) -> Option<Id<K>>,
        show: impl Fn(&Key, &Bytes) -> Option<T>,
    ) -> Page<T, Id<K>> {
        let mut span = Span::new(all, page, at);
        span.narrow(Some(within.start), Some(within.end));
        self.page(&span, page.limit, id_of, show)
    }

    /// Attempts at an endpoint.
    pub(super) fn list_endpoint_attempts(
        &self,
        endpoint: EndpointId,
        filter: &AttemptFilter,
        page: &PageRequest<AttemptId>,
    ) -> Page<StoredAttempt, AttemptId> {
        let at = |stamp| keys::attempt_at(endpoint, stamp);
        let mut span = Span::new(keys::attempts(endpoint), page, at);
        span.narrow(
            filter.messages.after.map(|after| at(first_after(after))),
            filter.messages.before.map(|before| at(Stamp::first_at(before))),
        );
        let owner = self.read_catalog().endpoint_by_id(endpoint).map(|(owner, _)| owner.id);
        let id_of = |key: &Key| key.u64_at(9).map(|stamp| AttemptId::new(Stamp(stamp)));
        self.page(&span, page.limit, id_of, |key, value| {
            let row: AttemptRow = self.decode(key, value);
            if !filter.passes(&row) {
                return None;
            }
            if filter.messages.is_by_content() {
                let stored = self.message_by_id(owner?, row.attempt.delivery.message)?;
                if !filter.messages.passes(&stored.message) {
                    return None;
                }
            }
            Some(StoredAttempt { attempt: row.attempt, content: row.content })
        })
    }

    fn page<T, C: Copy>(
        &self,
        span: &Span,
        limit: usize,
        id_of: impl Fn(&Key) -> Option<C>,
        show: impl Fn(&Key, &Bytes) -> Option<T>,
    ) -> Page<T, C> {
        let (mut items, mut scanned) = (Vec::new(), 0);
        let (mut last, mut scanned_to) = (None, None);
        self.overlay.scan(&span.from, &span.to, span.reverse, &mut |key, value| {
            if scanned == SCAN_MAX {
                scanned_to = last;
                return ControlFlow::Break(());
            }
            scanned += 1;
            last = id_of(&key);
            items.extend(show(&key, &value));
            // One more than asked for tells whether there is more.
            if items.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let done = items.len() <= limit && scanned_to.is_none();
        items.truncate(limit);
        if span.backward {
            items.reverse();
        }
        Page { items, done, scanned_to }
    }

    /// Attempts of a message, all its endpoints and replays.
    pub(super) fn list_message_attempts(
        &self,
        message: &Message,
        filter: &AttemptFilter,
        page: &PageRequest<AttemptId>,
    ) -> Page<StoredAttempt, AttemptId> {
        let mut ids: Vec<(AttemptId, EndpointId)> = self
            .deliveries(message)
            .into_iter()
            .flat_map(|(id, delivery)| {
                delivery.attempt_ids.into_iter().map(move |attempt| (attempt, id.endpoint))
            })
            .collect();
        let backward = matches!(page.start, PageStart::Before(_));
        ids.sort_unstable();
        if page.descending != backward {
            ids.reverse();
        }
        let past = |id: AttemptId| match page.start {
            PageStart::First => true,
            PageStart::After(start) | PageStart::Before(start) => {
                id != start && (id < start) == (page.descending != backward)
            }
        };
        let wanted = ids.into_iter().filter(|(id, _)| past(*id));
        let mut shown = wanted
            .filter_map(|(id, endpoint)| self.stored_attempt(endpoint, id))
            .filter(|stored| {
                let row = AttemptRow { attempt: stored.attempt.clone(), content: stored.content };
                filter.passes(&row) && filter.messages.passes(message)
            });
        let mut items: Vec<_> = shown.by_ref().take(page.limit).collect();
        let done = shown.next().is_none();
        if backward {
            items.reverse();
        }
        Page { items, done, scanned_to: None }
    }

    /// One attempt of a message.
    pub(super) fn attempt(&self, message: &Message, attempt: AttemptId) -> Option<StoredAttempt> {
        let deliveries: Vec<(DeliveryId, Delivery)> = self.deliveries(message);
        let (id, _) =
            deliveries.iter().find(|(_, delivery)| delivery.attempt_ids.contains(&attempt))?;
        self.stored_attempt(id.endpoint, attempt)
    }

    pub(super) fn stored_attempt(
        &self,
        endpoint: EndpointId,
        id: AttemptId,
    ) -> Option<StoredAttempt> {
        let key = keys::attempt(endpoint, id);
        let row: AttemptRow = self.overlay.get(&key).map(|bytes| self.decode(&key, &bytes))?;
        Some(StoredAttempt { attempt: row.attempt, content: row.content })
    }
}
