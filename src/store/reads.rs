//! What readers ask the store for: from overlay, index and journal, beside the writer.

use std::sync::Arc;

use bytes::Bytes;

use crate::domain::application::Application;
use crate::domain::delivery::{AttemptContent, Delivery, DeliveryId, LaneKey};
use crate::domain::endpoint::Endpoint;
use crate::domain::event_type::EventType;
use crate::domain::id::{ApplicationId, AttemptId, EndpointId, MessageId};
use crate::domain::time::Timestamp;
use crate::store::{
    ApplicationReference, AttemptFilter, BodyLocation, DuePage, EndpointReference, MessageFilter,
    MessageReference, Page, PageRequest, Store, StoreError, StoredAttempt, StoredMessage,
};

impl Store {
    /// The application, by id or uid.
    pub fn application(&self, reference: &ApplicationReference) -> Option<Arc<Application>> {
        self.shared.read_catalog().application(reference)
    }

    /// Applications by id.
    pub fn list_applications(
        &self,
        page: &PageRequest<ApplicationId>,
    ) -> Page<Arc<Application>, ApplicationId> {
        self.shared.read_catalog().list_applications(page)
    }

    /// The endpoint of an application, by id or uid.
    pub fn endpoint(
        &self,
        application: ApplicationId,
        reference: &EndpointReference,
    ) -> Option<Arc<Endpoint>> {
        self.shared.read_catalog().endpoint(application, reference)
    }

    /// The endpoint by id alone, with its application: what the engine needs to send.
    pub fn endpoint_by_id(&self, id: EndpointId) -> Option<(Arc<Application>, Arc<Endpoint>)> {
        self.shared.read_catalog().endpoint_by_id(id)
    }

    /// Endpoints of an application by id.
    pub fn list_endpoints(
        &self,
        application: ApplicationId,
        page: &PageRequest<EndpointId>,
    ) -> Page<Arc<Endpoint>, EndpointId> {
        self.shared.read_catalog().list_endpoints(application, page)
    }

    /// The event type.
    pub fn event_type(&self, name: &str) -> Option<Arc<EventType>> {
        self.shared.read_catalog().event_type(name)
    }

    /// Event types that pass, by name.
    pub fn list_event_types(
        &self,
        page: &PageRequest<String>,
        passes: impl Fn(&EventType) -> bool,
    ) -> Page<Arc<EventType>, String> {
        self.shared.read_catalog().list_event_types(page, passes)
    }

    /// The message, by id or event id.
    pub fn message(
        &self,
        application: ApplicationId,
        reference: &MessageReference,
    ) -> Option<StoredMessage> {
        self.shared.message(application, reference)
    }

    /// Messages of an application.
    pub fn list_messages(
        &self,
        application: ApplicationId,
        filter: &MessageFilter,
        page: &PageRequest<MessageId>,
    ) -> Page<StoredMessage, MessageId> {
        self.shared.list_messages(application, filter, page, Some)
    }

    /// The bytes that were accepted, or an error when the journal no longer gives them back.
    pub fn body(&self, location: &BodyLocation) -> Result<Bytes, StoreError> {
        self.shared.read_body(location)
    }

    /// Every delivery of a message, in the order of `message.endpoints`, replays after.
    pub fn deliveries(&self, message: &StoredMessage) -> Vec<(DeliveryId, Delivery)> {
        self.shared.deliveries(&message.message)
    }

    /// Messages that were matched to an endpoint or replayed to it, with the last delivery of each.
    pub fn list_endpoint_messages(
        &self,
        application: ApplicationId,
        endpoint: EndpointId,
        filter: &MessageFilter,
        page: &PageRequest<MessageId>,
    ) -> Page<(StoredMessage, Delivery), MessageId> {
        self.shared.list_messages(application, filter, page, |stored| {
            let id = self.shared.newest(&stored.message, endpoint)?;
            Some((stored.clone(), self.shared.delivery(&stored.message, id)))
        })
    }

    /// Attempts at an endpoint.
    pub fn list_endpoint_attempts(
        &self,
        endpoint: EndpointId,
        filter: &AttemptFilter,
        page: &PageRequest<AttemptId>,
    ) -> Page<StoredAttempt, AttemptId> {
        self.shared.list_endpoint_attempts(endpoint, filter, page)
    }

    /// Attempts of a message.
    pub fn list_message_attempts(
        &self,
        message: &StoredMessage,
        filter: &AttemptFilter,
        page: &PageRequest<AttemptId>,
    ) -> Page<StoredAttempt, AttemptId> {
        self.shared.list_message_attempts(&message.message, filter, page)
    }

    /// One attempt of a message.
    pub fn attempt(&self, message: &StoredMessage, attempt: AttemptId) -> Option<StoredAttempt> {
        self.shared.attempt(&message.message, attempt)
    }

    /// What was sent and what came back.
    pub fn attempt_content(&self, location: &BodyLocation) -> Result<AttemptContent, StoreError> {
        let bytes = self.body(location)?;
        let content = self.shared.attempt_content(&bytes);
        content.ok_or_else(|| self.shared.segments.damaged(location))
    }

    /// Every endpoint with deliveries waiting, and when the first is due.
    pub fn lanes(&self) -> Vec<(EndpointId, Timestamp)> {
        self.shared.lanes()
    }

    /// The first `limit` deliveries of an endpoint that are due by `until`, without
    /// those of `held`, which is sorted: of them only what a person asked for is given, and all
    /// where the endpoint keeps an order.
    pub fn due(
        &self,
        endpoint: EndpointId,
        until: Timestamp,
        limit: usize,
        held: &[LaneKey],
    ) -> DuePage {
        self.shared.due(endpoint, until, limit, held)
    }
}
