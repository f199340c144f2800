//! Messages of one application or of all of them, in the order in which they were accepted.
//!
//! Rows of messages stand by application. Their ids grow over all applications, so that reading
//! each application from its own place and taking the newest of what was read gives all of them in
//! order ([`merge`]). An application is asked only once its newest message is the next one.

mod merge;
mod newest;

use std::ops::ControlFlow;

use crate::domain::id::{ApplicationId, AttemptId, EndpointId, MessageId, Stamp};
use crate::domain::operational::HIDDEN;
use crate::store::keys::{self, Key};
use crate::store::messages::first_after;
use crate::store::{
    MessageFilter, MessageReference, Page, PageRequest, PageStart, Reference, Store, StoredMessage,
};
use merge::{Merge, Range};
pub(super) use newest::Newest;

impl Store {
    /// Messages of an application, or of all but the hidden one, that pass the filter and that
    /// `look` has something for. After `rows` of them it answers with what it has.
    ///
    /// `look` ends the page before the message it is shown by breaking; not before the first.
    pub fn search_messages<T>(
        &self,
        application: Option<ApplicationId>,
        filter: &MessageFilter,
        page: &PageRequest<MessageId>,
        rows: usize,
        mut look: impl FnMut(&StoredMessage) -> ControlFlow<(), Option<T>>,
    ) -> Page<T, MessageId> {
        let backward = matches!(page.start, PageStart::Before(_));
        let range = range(filter, page, page.descending != backward);
        let merge = Merge::new(&self.shared, application, range);
        let (mut items, mut looked, mut last) = (Vec::new(), 0, None);
        let (mut done, mut scanned_to) = (true, None);
        for (key, value) in merge {
            if items.len() == page.limit {
                done = false;
                break;
            }
            let stored = self.shared.stored_message(&key, &value);
            let passes = looked < rows && filter.passes(&stored.message);
            let seen = match passes {
                true => look(&stored),
                false if looked == rows => ControlFlow::Break(()),
                false => ControlFlow::Continue(None),
            };
            let ControlFlow::Continue(found) = seen else {
                (done, scanned_to) = (false, last.or(Some(stored.message.id)));
                break;
            };
            items.extend(found);
            looked += 1;
            last = Some(stored.message.id);
        }
        if backward {
            items.reverse();
        }
        Page { items, done, scanned_to }
    }

    /// The message of this id, whosever it is but the hidden application's. Asks each application
    /// that may have it, where no delivery of it was ever tried.
    pub fn find_message(&self, id: MessageId) -> Option<StoredMessage> {
        let shared = &self.shared;
        let all = keys::deliveries(id);
        let mut owner = None;
        shared.overlay.scan(&all, &all.after_prefix(), false, &mut |key, _| {
            let delivery = keys::delivery_of(&key);
            owner = delivery.and_then(|id| shared.read_catalog().endpoint_by_id(id.endpoint));
            if owner.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if let Some((owner, _)) = owner {
            let shown = owner.id != HIDDEN;
            return shown.then(|| shared.message_by_id(owner.id, id)).flatten();
        }
        let owners = self.owners(None, id.stamp());
        owners.into_iter().find_map(|owner| shared.message_by_id(owner, id))
    }

    /// Messages with this event id, of which each application has one at most, the newest first.
    /// `most` applications are asked, those with the newest messages: each takes some 20 µs.
    pub fn find_event(
        &self,
        application: Option<ApplicationId>,
        event_id: &str,
        most: usize,
    ) -> Vec<StoredMessage> {
        let reference = MessageReference::Name(event_id.to_owned());
        let owners = self.owners(application, Stamp(u64::MAX));
        let newest = self.shared.newest.of(&owners);
        let mut owners: Vec<_> = newest.into_iter().zip(owners).collect();
        owners.sort_unstable_by(|left, right| right.cmp(left));
        let asked = owners.into_iter().take(most);
        let found = asked.filter_map(|(_, owner)| self.shared.message(owner, &reference));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable_by_key(|stored| std::cmp::Reverse(stored.message.id));
        found
    }

    /// The message that an attempt was made of. Asks each endpoint that may have it.
    pub fn find_attempt(
        &self,
        application: Option<ApplicationId>,
        id: AttemptId,
    ) -> Option<StoredMessage> {
        let shared = &self.shared;
        let asked: Vec<(ApplicationId, EndpointId)> = {
            let catalog = shared.read_catalog();
            let owners = catalog.applications().map(|owner| owner.id);
            let owners = owners.filter(|owner| application.is_none_or(|only| only == *owner));
            let theirs = owners.flat_map(|owner| {
                catalog.endpoints(owner).map(move |endpoint| (owner, endpoint.id))
            });
            theirs.filter(|(_, endpoint)| endpoint.stamp() < id.stamp()).collect()
        };
        asked.into_iter().find_map(|(owner, endpoint)| {
            let stored = shared.stored_attempt(endpoint, id)?;
            shared.message(owner, &Reference::Id(stored.attempt.delivery.message))
        })
    }

    /// The applications, or the one, that may have had something by then.
    fn owners(&self, application: Option<ApplicationId>, by: Stamp) -> Vec<ApplicationId> {
        let catalog = self.shared.read_catalog();
        let all = catalog.applications().map(|owner| owner.id);
        let meant = all.filter(|owner| application.is_none_or(|only| only == *owner));
        meant.filter(|owner| owner.stamp() < by).collect()
    }

    /// Whether a message was matched or replayed to an endpoint.
    pub fn went_to(&self, message: &StoredMessage, endpoint: EndpointId) -> bool {
        self.shared.newest(&message.message, endpoint).is_some()
    }
}

/// The stamps that a page may be of.
fn range(filter: &MessageFilter, page: &PageRequest<MessageId>, reverse: bool) -> Range {
    let mut low = filter.after.map_or(0, |after| first_after(after).0);
    let mut high = filter.before.map_or(u64::MAX, |before| Stamp::first_at(before).0);
    if let PageStart::After(id) | PageStart::Before(id) = page.start {
        let id = id.stamp().0;
        if reverse {
            high = high.min(id);
        } else {
            low = low.max(id.saturating_add(1));
        }
    }
    Range { low, high, reverse }
}

/// The stamp of the message that a key is of.
fn stamp_of(key: &Key) -> u64 {
    key.u64_at(9).unwrap_or_default()
}
