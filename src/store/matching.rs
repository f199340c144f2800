//! Which endpoints want a message.
//!
//! Filters look into the body, which takes time: they are asked before the message comes to the
//! writer, which asks again only what was changed in between. What a replay's endpoint wants is
//! decided when its messages are read.

use std::collections::HashSet;
use std::sync::Arc;

use crate::domain::endpoint::Endpoint;
use crate::domain::filter::{Filter, Selector};
use crate::domain::id::{ApplicationId, EndpointId, MessageId};
use crate::domain::looked::Looked;
use crate::domain::redact::Redaction;
use crate::domain::subscription::Candidate;
use crate::domain::task::Work;
use crate::store::transaction::Transaction;
use crate::store::{NewMessage, Shared, Store, StoreError, StoredMessage};

/// What filters said of a message, each with its endpoint, and what it is ordered by.
#[derive(Clone, Debug, Default)]
pub struct Filtered {
    passes: Vec<(EndpointId, Arc<Filter>, bool)>,
    keys: Vec<(EndpointId, Selector, Option<u64>)>,
}

/// Nothing but a memory of what can be asked again.
impl PartialEq for Filtered {
    fn eq(&self, _: &Filtered) -> bool {
        true
    }
}
impl Eq for Filtered {}

impl Filtered {
    fn of(&self, endpoint: EndpointId, filter: &Arc<Filter>) -> Option<bool> {
        let mut asked = self.passes.iter();
        let found = asked.find(|(id, held, _)| *id == endpoint && Arc::ptr_eq(held, filter));
        found.map(|(_, _, passes)| *passes)
    }

    fn key(&self, endpoint: EndpointId, by: &Selector) -> Option<Option<u64>> {
        let mut looked = self.keys.iter();
        let found = looked.find(|(id, known, _)| *id == endpoint && known == by);
        found.map(|(_, _, key)| *key)
    }
}

impl NewMessage {
    fn looked(&self) -> Looked<'_> {
        let looked = Looked::sent(&self.event_type, &self.channels, &self.content_type, &self.body);
        match &self.received {
            None => looked,
            Some(received) => {
                let origin = &received.origin;
                looked.received(&origin.name, &received.head, origin.verified)
            }
        }
    }
}

impl Store {
    /// Whether any endpoint of the application has a filter, or orders by what is in a message.
    pub fn looks_inside(&self, application: ApplicationId) -> bool {
        let tables = self.shared.read_catalog();
        tables.endpoints(application).any(|endpoint| {
            endpoint.subscription.filter.is_some() || endpoint.delivery.order_by().is_some()
        })
    }

    /// Asks the filters of the endpoints that would want the message but for them. Takes up to some
    /// milliseconds for each, so not on a thread that serves.
    pub fn filter(&self, new: &NewMessage) -> Filtered {
        let candidates: Vec<Arc<Endpoint>> = {
            let tables = self.shared.read_catalog();
            let names = self.shared.names(new);
            let candidate = candidate(new, names.as_ref());
            let wanted = tables.endpoints(new.application).filter(|endpoint| {
                endpoint.disabled.is_none() && endpoint.subscription.wants(&candidate)
            });
            wanted.cloned().collect()
        };
        let looked = new.looked();
        let asked = candidates.iter().filter_map(|endpoint| {
            let filter = endpoint.subscription.filter.as_ref()?;
            Some((endpoint.id, Arc::clone(filter), looked.passes(filter)))
        });
        let passes = asked.collect();
        let ordered = candidates.iter().filter_map(|endpoint| {
            let by = endpoint.delivery.order_by()?;
            Some((endpoint.id, by.clone(), looked.key(by)))
        });
        Filtered { passes, keys: ordered.collect() }
    }

    /// Whether what is shown of a message passes a filter; what can't be read does not.
    pub fn passes(&self, filter: &Filter, stored: &StoredMessage, redaction: &Redaction) -> bool {
        let looked = self.shared.look_shown(stored, redaction, |looked| looked.passes(filter));
        looked.unwrap_or(false)
    }

    /// Whether an endpoint would be sent a message that was accepted, if it came now.
    pub fn is_wanted_by(&self, endpoint: &Endpoint, stored: &StoredMessage) -> bool {
        self.shared.wants(endpoint, stored)
    }

    /// Why an endpoint as it is given would not be sent a message; `None` when it would.
    pub fn unwanted(
        &self,
        endpoint: &Endpoint,
        stored: &StoredMessage,
        redaction: &Redaction,
    ) -> Option<String> {
        if let Some(mismatch) = self.mismatch(endpoint, stored, redaction) {
            return Some(mismatch);
        }
        let wants = self.shared.wants(endpoint, stored);
        (!wants).then(|| "its event types, channels or sources do not fit".to_owned())
    }

    /// What does not fit in a message that an endpoint's filter did not let pass; said of what is
    /// shown of the message, since the words quote it.
    pub fn mismatch(
        &self,
        endpoint: &Endpoint,
        stored: &StoredMessage,
        redaction: &Redaction,
    ) -> Option<String> {
        let filter = endpoint.subscription.filter.as_ref()?;
        let look = |looked: Looked<'_>| looked.explain(filter);
        let mut found = match self.shared.look(stored, look) {
            Ok(found) => found?,
            Err(error) => return Some(error.to_string()),
        };
        if !redaction.is_off() {
            match self.shared.look_shown(stored, redaction, look) {
                Ok(Some(shown)) => found = shown,
                Ok(None) => return Some("what it looks at is not shown (redact)".to_owned()),
                Err(error) => return Some(error.to_string()),
            }
        }
        Some(format!("{} {}", found.place, found.words))
    }
}

fn candidate<'a>(new: &'a NewMessage, names: Option<&'a [String; 2]>) -> Candidate<'a> {
    Candidate {
        event_type: &new.event_type,
        channels: &new.channels,
        source: names.map(|[name, id]| [name.as_str(), id.as_str()]),
    }
}

impl Transaction<'_> {
    /// The endpoints of the application that want it.
    pub(super) fn matching(&self, new: &NewMessage) -> Vec<EndpointId> {
        let shared = &self.writer.shared;
        let names = shared.names(new);
        let candidate = candidate(new, names.as_ref());
        let looked = new.looked();
        let passes = |endpoint: &Endpoint| match &endpoint.subscription.filter {
            None => true,
            Some(filter) => {
                let asked = new.filtered.of(endpoint.id, filter);
                asked.unwrap_or_else(|| looked.passes(filter))
            }
        };
        let endpoints = self.writer.tables.endpoints(new.application).filter(|endpoint| {
            endpoint.disabled.is_none()
                && endpoint.subscription.wants(&candidate)
                && passes(endpoint)
        });
        endpoints.map(|endpoint| endpoint.id).collect()
    }
}

impl Transaction<'_> {
    /// What of a new message its delivery to an endpoint is ordered by.
    pub(super) fn order_key(&self, new: &NewMessage, endpoint: &Endpoint) -> Option<u64> {
        let by = endpoint.delivery.order_by()?;
        new.filtered.key(endpoint.id, by).unwrap_or_else(|| new.looked().key(by))
    }
}

impl Shared {
    /// The names of the source that a message comes from.
    fn names(&self, new: &NewMessage) -> Option<[String; 2]> {
        let origin = &new.received.as_ref()?.origin;
        Some([origin.name.clone(), self.ids.text(origin.source)])
    }

    /// Whether an endpoint would be sent a message that was accepted, if it came now. What a filter
    /// can't look at any more it does not let pass.
    pub(super) fn wants(&self, endpoint: &Endpoint, stored: &StoredMessage) -> bool {
        let message = &stored.message;
        let id = message.origin.as_ref().map(|origin| self.ids.text(origin.source));
        let origin = message.origin.as_ref().zip(id.as_ref());
        let by_name = endpoint.subscription.wants(&Candidate {
            event_type: &message.event_type,
            channels: &message.channels,
            source: origin.map(|(origin, id)| [origin.name.as_str(), id]),
        });
        by_name
            && endpoint.subscription.filter.as_ref().is_none_or(|filter| {
                self.look(stored, |looked| looked.passes(filter)).unwrap_or(false)
            })
    }

    /// What the endpoint of a replay does not want. Bodies are read for it, and filters may take
    /// their time: nothing for the thread that everybody who sends waits for.
    pub(super) fn unwanted(&self, work: &Work, messages: &[StoredMessage]) -> HashSet<MessageId> {
        let Work::ReplayMissing(work) = work else { return HashSet::new() };
        let found = self.read_catalog().endpoint_by_id(work.endpoint).map(|(_, found)| found);
        let Some(endpoint) = found else { return HashSet::new() };
        let unwanted = messages.iter().filter(|stored| {
            // Most have what they are to have, and their bodies need not be read.
            let has_one = stored.message.endpoints.contains(&work.endpoint);
            !has_one && !self.wants(&endpoint, stored)
        });
        unwanted.map(|stored| stored.message.id).collect()
    }

    /// Looks at a message that was accepted, with its bytes.
    pub(super) fn look<T>(
        &self,
        stored: &StoredMessage,
        look: impl FnOnce(Looked<'_>) -> T,
    ) -> Result<T, StoreError> {
        self.look_shown(stored, &Redaction::default(), look)
    }

    /// The same with what is shown of it.
    fn look_shown<T>(
        &self,
        stored: &StoredMessage,
        redaction: &Redaction,
        look: impl FnOnce(Looked<'_>) -> T,
    ) -> Result<T, StoreError> {
        let message = &stored.message;
        let body = self.read_body(&stored.body)?;
        let body = redaction.body(&body);
        let head = stored.head.as_ref().map(|head| self.read_head(head)).transpose()?;
        let head = head.map(|head| redaction.head(head));
        let looked =
            Looked::sent(&message.event_type, &message.channels, &message.content_type, &body);
        Ok(match (&message.origin, &head) {
            (Some(origin), Some(head)) => {
                look(looked.received(&origin.name, head, origin.verified))
            }
            _ => look(looked),
        })
    }
}
