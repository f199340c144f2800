//! Changes that become durable together or not at all.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::domain::application::Application;
use crate::domain::endpoint::Endpoint;
use crate::domain::event_type::EventType;
use crate::domain::headers::HEADERS_MAX;
use crate::domain::id::{ApplicationId, ApplicationKind, EndpointId, EndpointKind, Kind, Stamp};
use crate::domain::operational::HIDDEN;
use crate::domain::time::Timestamp;
use crate::store::aliases::Named;
use crate::store::catalog::CatalogChange;
use crate::store::journal::record::{self, BODY_HEADER, Change};
use crate::store::keys::{self, Key};
use crate::store::records::{self, EndpointRow};
use crate::store::writer::Writer;
use crate::store::{
    ApplicationReference, Author, BodyLocation, EndpointReference, Notice, Reference, Refusal,
};

/// Changes being made, on the writer's thread, one transaction at a time.
pub struct Transaction<'writer> {
    pub(super) writer: &'writer mut Writer,
    parts: Parts,
    /// Where the last change of each row stands, once there are [`MANY`].
    places: HashMap<Key, usize>,
}

/// So many changes are looked through one by one.
const MANY: usize = 64;

/// What a transaction did.
pub(super) struct Parts {
    pub now: Timestamp,
    pub changes: Vec<Change>,
    pub bodies: Vec<u8>,
    pub catalog: Vec<CatalogChange>,
    pub undo: Vec<CatalogChange>,
    pub notices: Vec<Notice>,
    pub counted: Counted,
}

/// What a transaction adds to the counts, if it is kept.
#[derive(Clone, Copy, Default)]
pub struct Counted {
    /// Messages accepted,
    pub accepted: u64,
    /// those of them that applications were sent.
    pub sent_in: u64,
    /// Deliveries made or put back.
    pub deliveries: u64,
    /// Deliveries that ended.
    pub finished: u64,
    /// Deliveries that became dead letters.
    pub died: u64,
    /// Events that the operator is not told of.
    pub untold: u64,
}

impl Parts {
    /// Bytes that the changes take in a record.
    pub fn rows_length(&self) -> usize {
        let length = |change: &Change| match change {
            Change::PutNew(key, value) | Change::Put(key, value) => {
                6 + key.as_bytes().len() + value.len()
            }
            Change::Delete(key) => 2 + key.as_bytes().len(),
        };
        self.changes.iter().map(length).sum()
    }
}

/// The first half of a SHA-256, enough to find a row by.
pub(super) fn short_hash(bytes: &[u8]) -> [u8; 16] {
    let digest = Sha256::digest(bytes);
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

impl<'writer> Transaction<'writer> {
    pub(super) fn new(writer: &'writer mut Writer, now: Timestamp) -> Transaction<'writer> {
        let parts = Parts {
            now,
            changes: Vec::new(),
            bodies: Vec::new(),
            catalog: Vec::new(),
            undo: Vec::new(),
            notices: Vec::new(),
            counted: Counted::default(),
        };
        Transaction { writer, parts, places: HashMap::new() }
    }

    pub(super) fn into_parts(self) -> Parts {
        self.parts
    }

    /// Bytes that its record may have at most.
    pub(super) fn record_max(&mut self) -> usize {
        self.writer.journal().record_max()
    }

    /// Bytes of the record that this transaction makes as it stands.
    pub(super) fn record_length(&self) -> usize {
        record::record_length(self.parts.bodies.len(), self.parts.rows_length())
    }

    /// Engine time of this transaction.
    pub fn now(&self) -> Timestamp {
        self.parts.now
    }

    /// A new stamp, larger than all before.
    pub fn mint(&mut self) -> Stamp {
        self.writer.mint(self.parts.now)
    }

    /// The application, by id or uid, as this transaction sees it.
    pub fn application(
        &self,
        reference: &ApplicationReference,
    ) -> Result<Arc<Application>, Refusal> {
        self.writer.tables.application(reference).ok_or(Refusal::NotFound)
    }

    /// Writes an application; refuses a uid that another has and what the author may not change.
    pub fn put_application(
        &mut self,
        application: Application,
        author: Author,
    ) -> Result<Arc<Application>, Refusal> {
        let id = application.id;
        let old = self.writer.tables.application(&Reference::Id(id));
        if let Some(old) = &old {
            may_change(old.managed, author, "application")?;
        }
        if let Some(uid) = &application.uid
            && let Some(other) = self.writer.tables.application(&Reference::Name(uid.clone()))
            && other.id != id
        {
            return Err(uid_taken("an application", uid));
        }
        self.refuse_id::<ApplicationKind>("uid", application.uid.as_deref())?;
        let key = keys::application(id);
        self.put_row(key, records::encode(&application), old.is_none());
        let application = Arc::new(application);
        self.set(CatalogChange::Application(id, Some(Arc::clone(&application))));
        if old.is_some_and(|old| old.throttle_rate != application.throttle_rate) {
            let endpoints: Vec<_> =
                self.writer.tables.endpoints(id).map(|endpoint| endpoint.id).collect();
            endpoints.iter().for_each(|endpoint| self.forgive(*endpoint));
            self.parts.notices.extend(endpoints.into_iter().map(Notice::EndpointChanged));
        }
        Ok(application)
    }

    /// Deletes an application with its endpoints and all that waits for them.
    pub fn delete_application(&mut self, id: ApplicationId, author: Author) -> Result<(), Refusal> {
        let application = self.application(&Reference::Id(id))?;
        may_change(application.managed, author, "application")?;
        for endpoint in self.endpoints(id) {
            self.delete_endpoint(id, endpoint.id, author)?;
        }
        self.delete_sources_of(id, author)?;
        self.forget_aliases(Named { application: id, endpoint: None });
        self.delete_row(keys::application(id));
        self.set(CatalogChange::Application(id, None));
        Ok(())
    }

    /// The endpoint, by id or uid.
    pub fn endpoint(
        &self,
        application: ApplicationId,
        reference: &EndpointReference,
    ) -> Result<Arc<Endpoint>, Refusal> {
        self.writer.tables.endpoint(application, reference).ok_or(Refusal::NotFound)
    }

    /// Writes an endpoint; refuses a uid that another of the application has and what the author
    /// may not change.
    pub fn put_endpoint(
        &mut self,
        endpoint: Endpoint,
        author: Author,
    ) -> Result<Arc<Endpoint>, Refusal> {
        let (application, id) = (endpoint.application, endpoint.id);
        self.application(&Reference::Id(application))?;
        let old = self.writer.tables.endpoint(application, &Reference::Id(id));
        if let Some(old) = &old {
            may_change(old.managed, author, "endpoint")?;
        }
        if let Some(uid) = &endpoint.uid
            && let named = Reference::Name(uid.clone())
            && let Some(other) = self.writer.tables.endpoint(application, &named)
            && other.id != id
        {
            return Err(uid_taken("an endpoint of this application", uid));
        }
        self.refuse_id::<EndpointKind>("uid", endpoint.uid.as_deref())?;
        let subscription = &endpoint.subscription;
        if application == HIDDEN
            && (subscription.filter.is_some() || !subscription.sources.is_empty())
        {
            let field = if subscription.filter.is_some() { "filter" } else { "sources" };
            return Err(Refusal::Invalid {
                location: vec!["body".to_owned(), field.to_owned()],
                message: "an operational webhook is chosen by its event types alone".to_owned(),
            });
        }
        // However they came together: set one by one, or one of them out of the URL.
        if endpoint.headers.len() > HEADERS_MAX {
            return Err(Refusal::Invalid {
                location: vec!["body".to_owned(), "headers".to_owned()],
                message: format!("an endpoint has at most {HEADERS_MAX} headers"),
            });
        }
        let key = keys::endpoint(application, id);
        let row = EndpointRow::seal(&endpoint, &key, &self.writer.shared.sealer);
        self.put_row(key, records::encode(&row), old.is_none());
        let endpoint = Arc::new(endpoint);
        self.set(CatalogChange::Endpoint(application, id, Some(Arc::clone(&endpoint))));
        self.tell_of_endpoint(old.as_deref(), &endpoint, author)?;
        self.forgive(id);
        self.parts.notices.push(Notice::EndpointChanged(id));
        Ok(endpoint)
    }

    /// Deletes an endpoint; what waits for it is cancelled by the janitor, in bounded steps.
    pub fn delete_endpoint(
        &mut self,
        application: ApplicationId,
        id: EndpointId,
        author: Author,
    ) -> Result<(), Refusal> {
        let endpoint = self.endpoint(application, &Reference::Id(id))?;
        may_change(endpoint.managed, author, "endpoint")?;
        self.forget_aliases(Named { application, endpoint: Some(id) });
        self.delete_row(keys::endpoint(application, id));
        self.set(CatalogChange::Endpoint(application, id, None));
        self.tell_of_deleted(&endpoint)?;
        self.forget_pollers(id);
        self.leave_dead_letters(application, id);
        self.forgive(id);
        self.parts.notices.push(Notice::EndpointDeleted(id));
        Ok(())
    }

    /// The event type.
    pub fn event_type(&self, name: &str) -> Result<Arc<EventType>, Refusal> {
        self.writer.tables.event_type(name).ok_or(Refusal::NotFound)
    }

    /// Writes an event type.
    pub fn put_event_type(
        &mut self,
        event_type: EventType,
        author: Author,
    ) -> Result<Arc<EventType>, Refusal> {
        let old = self.writer.tables.event_type(&event_type.name);
        if let Some(old) = &old {
            may_change(old.managed, author, "event type")?;
        }
        let key = keys::event_type(short_hash(event_type.name.as_bytes()));
        self.put_row(key, records::encode(&event_type), old.is_none());
        let event_type = Arc::new(event_type);
        self.set(CatalogChange::EventType(event_type.name.clone(), Some(Arc::clone(&event_type))));
        Ok(event_type)
    }

    /// Deletes an event type for good.
    pub fn delete_event_type(&mut self, name: &str, author: Author) -> Result<(), Refusal> {
        may_change(self.event_type(name)?.managed, author, "event type")?;
        self.delete_row(keys::event_type(short_hash(name.as_bytes())));
        self.set(CatalogChange::EventType(name.to_owned(), None));
        Ok(())
    }

    /// Every application, as this transaction sees them.
    pub fn applications(&self) -> Vec<Arc<Application>> {
        self.writer.tables.applications().cloned().collect()
    }

    /// Every endpoint of an application.
    pub fn endpoints(&self, application: ApplicationId) -> Vec<Arc<Endpoint>> {
        self.writer.tables.endpoints(application).cloned().collect()
    }

    /// Every event type.
    pub fn event_types(&self) -> Vec<Arc<EventType>> {
        self.writer.tables.event_types().cloned().collect()
    }

    /// Nothing may be named as an id of this relay names another: it could not be reached.
    pub(super) fn refuse_id<K: Kind>(
        &self,
        field: &str,
        name: Option<&str>,
    ) -> Result<(), Refusal> {
        let is_id = |name| self.writer.shared.ids.parse::<K>(name).is_some();
        if !name.is_some_and(is_id) {
            return Ok(());
        }
        Err(Refusal::Invalid {
            location: vec!["body".to_owned(), field.to_owned()],
            message: "is an id that this relay gave: choose a name of your own".to_owned(),
        })
    }

    pub(super) fn set(&mut self, change: CatalogChange) {
        self.parts.undo.push(self.writer.tables.set(change.clone()));
        self.parts.catalog.push(change);
    }

    /// A row as this transaction leaves it.
    pub(super) fn row(&self, key: &Key) -> Option<Bytes> {
        let changes = &self.parts.changes;
        let own = match changes.len() {
            0..MANY => changes.iter().rev().find(|change| change.key() == key),
            MANY.. => self.places.get(key).and_then(|place| changes.get(*place)),
        };
        match own {
            Some(Change::PutNew(_, value) | Change::Put(_, value)) => Some(value.clone()),
            Some(Change::Delete(_)) => None,
            None => self.writer.row(key),
        }
    }

    /// A row, decoded; one that does not decode ends the process, and the next start rebuilds.
    pub(super) fn record<T: records::Record>(&self, key: &Key) -> Option<T> {
        self.row(key).map(|bytes| self.writer.shared.decode(key, &bytes))
    }

    pub(super) fn put_row(&mut self, key: Key, value: Bytes, new: bool) {
        self.change(if new { Change::PutNew(key, value) } else { Change::Put(key, value) });
    }

    pub(super) fn delete_row(&mut self, key: Key) {
        self.change(Change::Delete(key));
    }

    fn change(&mut self, change: Change) {
        let changes = &mut self.parts.changes;
        changes.push(change);
        let count = changes.len();
        if count == MANY {
            let places = changes.iter().enumerate();
            self.places.extend(places.map(|(place, change)| (*change.key(), place)));
        } else if let Some(change) = changes.last().filter(|_| count > MANY) {
            self.places.insert(*change.key(), count - 1);
        }
    }

    pub(super) fn notify(&mut self, notice: Notice) {
        self.parts.notices.push(notice);
    }

    /// A delivery to this endpoint became a dead letter.
    pub(super) fn notify_died(&mut self, endpoint: EndpointId) {
        self.parts.counted.died += 1;
        self.notify(Notice::Died(endpoint));
    }

    /// What it adds to the counts.
    pub(super) fn counted(&mut self) -> &mut Counted {
        &mut self.parts.counted
    }

    /// Puts bytes into this transaction's record.
    pub(super) fn body(&mut self, bytes: &[u8]) -> BodyLocation {
        let (segment, start) = self.writer.bodies_start();
        let offset = start + (self.parts.bodies.len() + BODY_HEADER) as u64;
        let checksum = record::encode_body(bytes, &mut self.parts.bodies);
        BodyLocation {
            segment,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            length: bytes.len() as u32,
            checksum,
        }
    }
}

pub(super) fn may_change(managed: bool, author: Author, what: &str) -> Result<(), Refusal> {
    if managed && author == Author::Caller {
        return Err(Refusal::Managed(format!(
            "this {what} is declared in relay.toml: change it there and reload"
        )));
    }
    Ok(())
}

pub(super) fn uid_taken(what: &str, uid: &str) -> Refusal {
    Refusal::Conflict(format!("{what} with the uid {uid:?} exists already"))
}
