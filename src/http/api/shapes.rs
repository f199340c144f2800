//! What the API shows: the shapes of the Svix API, v1 names beside the present ones.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use super::delivery_settings::DeliveryOut;
use crate::domain::application::Application;
use crate::domain::delivery::{Attempt, AttemptContent, Delivery, Outcome, State, Trigger};
use crate::domain::endpoint::{Disabled, Endpoint};
use crate::domain::event_type::EventType;
use crate::domain::id::{EndpointId, Ids};
use crate::domain::redact::Redaction;
use crate::engine::answer::UNREACHABLE;
use crate::store::{Store, StoreError, StoredAttempt};

mod message;

pub use message::{MessageOut, shown};

/// ApplicationOut.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationOut<'a> {
    id: String,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    throttle_rate: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<u16>,
    metadata: &'a BTreeMap<String, String>,
    managed: bool,
    created_at: String,
    updated_at: String,
}

impl<'a> ApplicationOut<'a> {
    /// Everything there is to show.
    pub fn new(ids: &Ids, application: &'a Application) -> ApplicationOut<'a> {
        ApplicationOut {
            id: ids.text(application.id),
            name: &application.name,
            uid: application.uid.as_deref(),
            throttle_rate: application.throttle_rate,
            rate_limit: application.throttle_rate,
            metadata: &application.metadata,
            managed: application.managed,
            created_at: application.created_at.to_string(),
            updated_at: application.updated_at.to_string(),
        }
    }
}

/// EndpointOut; secrets and headers have calls of their own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointOut<'a> {
    id: String,
    url: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_reason: Option<&'static str>,
    event_types: Option<&'a [String]>,
    filter_types: Option<&'a [String]>,
    channels: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    throttle_rate: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<u16>,
    delivery: DeliveryOut,
    metadata: &'a BTreeMap<String, String>,
    managed: bool,
    version: u16,
    created_at: String,
    updated_at: String,
}

impl<'a> EndpointOut<'a> {
    /// Everything there is to show.
    pub fn new(ids: &Ids, endpoint: &'a Endpoint) -> EndpointOut<'a> {
        let given = |list: &'a Vec<String>| (!list.is_empty()).then_some(list.as_slice());
        let event_types = given(&endpoint.subscription.event_types);
        EndpointOut {
            id: ids.text(endpoint.id),
            url: &endpoint.url,
            description: &endpoint.description,
            uid: endpoint.uid.as_deref(),
            disabled: endpoint.disabled.is_some(),
            disabled_reason: endpoint.disabled.map(disabled_reason),
            event_types,
            filter_types: event_types,
            channels: given(&endpoint.subscription.channels),
            sources: given(&endpoint.subscription.sources),
            filter: endpoint.subscription.filter.as_ref().map(|filter| filter.as_json()),
            throttle_rate: endpoint.throttle_rate,
            rate_limit: endpoint.throttle_rate,
            delivery: DeliveryOut::new(&endpoint.delivery, false),
            metadata: &endpoint.metadata,
            managed: endpoint.managed,
            version: 1,
            created_at: endpoint.created_at.to_string(),
            updated_at: endpoint.updated_at.to_string(),
        }
    }

    /// With the credentials of its deliveries.
    pub fn with_credentials(self, endpoint: &Endpoint) -> EndpointOut<'a> {
        EndpointOut { delivery: DeliveryOut::new(&endpoint.delivery, true), ..self }
    }
}

/// Why an endpoint takes nothing, as a word.
pub fn disabled_reason(disabled: Disabled) -> &'static str {
    match disabled {
        Disabled::ByCaller => "by_caller",
        Disabled::Gone => "gone",
        Disabled::Failing => "failing",
        Disabled::LeftConfig => "left_config",
    }
}

/// EventTypeOut.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventTypeOut<'a> {
    name: &'a str,
    description: &'a str,
    archived: bool,
    deprecated: bool,
    schemas: Option<Box<RawValue>>,
    feature_flag: Option<&'a str>,
    feature_flags: Option<&'a [String]>,
    group_name: Option<&'a str>,
    managed: bool,
    created_at: String,
    updated_at: String,
}

impl<'a> EventTypeOut<'a> {
    /// Everything there is to show; schemas only when asked for.
    pub fn new(event_type: &'a EventType, with_content: bool) -> EventTypeOut<'a> {
        let flags = &event_type.feature_flags;
        let schemas = event_type.schemas.clone().filter(|_| with_content);
        EventTypeOut {
            name: &event_type.name,
            description: &event_type.description,
            archived: event_type.archived,
            deprecated: event_type.deprecated,
            schemas: schemas.and_then(|text| RawValue::from_string(text).ok()),
            feature_flag: flags.first().map(String::as_str),
            feature_flags: (!flags.is_empty()).then_some(flags.as_slice()),
            group_name: event_type.group_name.as_deref(),
            managed: event_type.managed,
            created_at: event_type.created_at.to_string(),
            updated_at: event_type.updated_at.to_string(),
        }
    }
}

/// The number and the word that the API has for a state.
pub fn status(state: State) -> (u8, &'static str) {
    match state {
        State::Delivered => (0, "success"),
        State::Waiting | State::Retrying => (1, "pending"),
        State::Dead(_) => (2, "fail"),
        State::Sending => (3, "sending"),
        State::Cancelled => (4, "canceled"),
    }
}

/// How a delivery stands: what EndpointMessageOut and MessageEndpointOut have more.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    status: u8,
    status_text: &'static str,
    next_attempt: Option<String>,
}

impl Standing {
    /// As it stands; a disabled endpoint has no next attempt.
    pub fn new(delivery: &Delivery, disabled: bool) -> Standing {
        let (status, status_text) = status(delivery.state);
        let waits = matches!(delivery.state, State::Waiting | State::Retrying) && !disabled;
        let next_attempt = waits.then(|| delivery.next_attempt().to_string());
        Standing { status, status_text, next_attempt }
    }
}

/// EndpointMessageOut, MessageEndpointOut.
#[derive(Serialize)]
pub struct With<T> {
    #[serde(flatten)]
    pub(super) shown: T,
    #[serde(flatten)]
    pub(super) standing: Standing,
}

/// MessageAttemptOut.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptOut {
    id: String,
    msg_id: String,
    endpoint_id: String,
    url: String,
    response: String,
    response_status_code: u16,
    response_duration_ms: u32,
    status: u8,
    status_text: &'static str,
    trigger_type: u8,
    timestamp: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    console: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg: Option<MessageOut>,
}

/// What of an attempt is shown.
#[derive(Clone, Copy)]
pub struct Shown {
    /// The answer.
    pub content: bool,
    /// That the address guard refused it: for who may see the whole relay.
    pub guard: bool,
}

/// What is shown for an answer that was kept and can't be read any more.
const DAMAGED: &str = "(this answer is damaged on disk: `relay repair` names its record)";

impl AttemptOut {
    /// An attempt, with its answer when it is asked for.
    pub fn read(
        store: &Store,
        redaction: &Redaction,
        stored: &StoredAttempt,
        shown: Shown,
        msg: Option<MessageOut>,
    ) -> Result<AttemptOut, StoreError> {
        let (ids, attempt) = (store.ids(), &stored.attempt);
        let mut content = content(store, redaction, stored)?;
        if let Some(words) = refused(attempt, &content).filter(|_| shown.guard) {
            content.response_body = words.into_bytes();
        }
        let delivered = attempt.outcome == Outcome::Delivered;
        let response = String::from_utf8(content.response_body)
            .unwrap_or_else(|error| STANDARD.encode(error.as_bytes()));
        Ok(AttemptOut {
            id: ids.text(attempt.id),
            msg_id: ids.text(attempt.delivery.message),
            endpoint_id: ids.text(attempt.delivery.endpoint),
            url: content.url,
            response: if shown.content { response } else { String::new() },
            response_status_code: attempt.status_code,
            response_duration_ms: attempt.duration_ms,
            status: if delivered { 0 } else { 2 },
            status_text: if delivered { "success" } else { "fail" },
            trigger_type: match attempt.trigger {
                Trigger::Scheduled => 0,
                Trigger::Manual => 1,
            },
            timestamp: attempt.started_at.to_string(),
            console: content.console,
            msg,
        })
    }
}

/// What stands in the place of an answer for somebody who may see the whole relay: the guard's
/// refusal, which tenants are told in the same words as any silence.
fn refused(attempt: &Attempt, content: &AttemptContent) -> Option<String> {
    let hidden =
        attempt.outcome == Outcome::Blocked && content.response_body == UNREACHABLE.as_bytes();
    let url = hidden.then(|| Url::parse(&content.url).ok()).flatten();
    let host = hidden.then(|| url.as_ref().and_then(Url::host_str).unwrap_or("its host"))?;
    Some(format!(
        "the address guard refused {host}: its address is private or this relay's own; open a \
         private network with guard.allow"
    ))
}

/// What is shown of what an attempt sent and was answered. Of one that was expunged or is damaged
/// what is still known, so that it hides no others in a list.
pub fn content(
    store: &Store,
    redaction: &Redaction,
    stored: &StoredAttempt,
) -> Result<AttemptContent, StoreError> {
    let attempt = &stored.attempt;
    // Where it went is no secret of the content.
    let lost = || AttemptContent {
        url: url_now(store, attempt.delivery.endpoint),
        ..AttemptContent::default()
    };
    match store.attempt_content(&stored.content) {
        Err(StoreError::Expunged) => Ok(lost()),
        Err(error @ StoreError::Damaged { .. }) => {
            let attempt_id = store.ids().text(attempt.id);
            tracing::error!(attempt_id, %error, "an attempt can't be read");
            Ok(AttemptContent { response_body: DAMAGED.as_bytes().to_vec(), ..lost() })
        }
        content => content.map(|content| redacted(redaction, attempt, content)),
    }
}

fn redacted(redaction: &Redaction, attempt: &Attempt, content: AttemptContent) -> AttemptContent {
    let text = |bytes: Vec<u8>| redaction.text(String::from_utf8_lossy(&bytes).into_owned());
    AttemptContent {
        response_body: match (attempt.status_code, attempt.outcome) {
            // What a script threw may hold what it was given.
            (0, Outcome::Transform) => text(content.response_body).into_bytes(),
            // Why there is no answer, in the relay's own words.
            (0, _) => content.response_body,
            _ => redaction.body(&content.response_body).into_owned(),
        },
        console: content.console.into_iter().map(|line| redaction.text(line)).collect(),
        ..content
    }
}

fn url_now(store: &Store, endpoint: EndpointId) -> String {
    store.endpoint_by_id(endpoint).map(|(_, endpoint)| endpoint.url.clone()).unwrap_or_default()
}
