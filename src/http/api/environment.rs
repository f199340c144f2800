//! `/environment/export`: the catalogue as one document, which `/environment/import` reads again.
//!
//! The shape is the one of the Svix API (`eventTypes`, `settings`, `connectors`) with our own parts
//! under `applications`.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use bytes::Bytes;
use serde::Serialize;

use super::call::Call;
use super::limits::PAGE_MAX;
use super::page;
use super::shapes::{ApplicationOut, EndpointOut, EventTypeOut};
use crate::domain::endpoint::Endpoint;
use crate::domain::event_type::EventType;
use crate::domain::headers::is_sensitive_header;
use crate::domain::id::ApplicationId;
use crate::domain::token::Capability;
use crate::http::error::ApiError;
use crate::store::{Page, PageRequest, PageStart, Store};

/// Version of the document.
pub(super) const VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvironmentOut<'a> {
    version: u32,
    created_at: String,
    event_types: Vec<EventTypeOut<'a>>,
    /// A relay's settings stand in its `relay.toml`.
    settings: Option<()>,
    connectors: [(); 0],
    applications: Vec<ApplicationEntry<'a>>,
}

#[derive(Serialize)]
struct ApplicationEntry<'a> {
    #[serde(flatten)]
    application: ApplicationOut<'a>,
    endpoints: Vec<EndpointEntry<'a>>,
}

#[derive(Serialize)]
struct EndpointEntry<'a> {
    #[serde(flatten)]
    endpoint: EndpointOut<'a>,
    headers: BTreeMap<&'a str, &'a str>,
    /// Headers whose values are left out.
    sensitive: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// The whole catalogue; with `with_secrets` also signing keys and credentials in headers.
pub(super) async fn export(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let with_secrets = call.query()?.flag("with_secrets", false)?;
    let _: serde::de::IgnoredAny = call.body().await?.json_or_empty()?;
    if with_secrets {
        call.changes_everything()?;
        tracing::warn!(owner = call.caller.owner, "the secrets of every endpoint are exported");
    }
    let redaction = call.redaction();
    // As where headers are read: any of them may be a credential to who may not change them.
    let values = call.caller.capabilities.allow(Capability::ManageEndpoint);
    let hides = move |name: &str| {
        // With secrets nothing is left out.
        !with_secrets && (!values || is_sensitive_header(name) || redaction.hides_header(name))
    };
    call.read(move |store| document(store, &hides, with_secrets)).await.map(page::ok)
}

fn document(
    store: &Store,
    hides: &impl Fn(&str) -> bool,
    with_secrets: bool,
) -> Result<Bytes, ApiError> {
    let event_types = all(|page| store.list_event_types(page, |_| true), |held| held.name.clone());
    let applications = all(|page| store.list_applications(page), |held| held.id);
    let owned: Vec<_> = applications
        .into_iter()
        .map(|application| {
            let endpoints = endpoints(store, application.id);
            (application, endpoints)
        })
        .collect();
    let ids = store.ids();
    let entries = owned.iter().map(|(application, endpoints)| ApplicationEntry {
        application: ApplicationOut::new(ids, application),
        endpoints: endpoints
            .iter()
            .map(|endpoint| entry(EndpointOut::new(ids, endpoint), endpoint, hides, with_secrets))
            .collect(),
    });
    page::encode(&EnvironmentOut {
        version: VERSION,
        created_at: store.now().to_string(),
        event_types: event_types
            .iter()
            .map(|held: &Arc<EventType>| EventTypeOut::new(held, true))
            .collect(),
        settings: None,
        connectors: [],
        applications: entries.collect(),
    })
}

fn endpoints(store: &Store, application: ApplicationId) -> Vec<Arc<Endpoint>> {
    all(|page| store.list_endpoints(application, page), |held| held.id)
}

fn entry<'a>(
    shown: EndpointOut<'a>,
    endpoint: &'a Endpoint,
    hides: &impl Fn(&str) -> bool,
    secrets: bool,
) -> EndpointEntry<'a> {
    let headers = endpoint.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let (hidden, headers): (BTreeMap<_, _>, BTreeMap<_, _>) =
        headers.partition(|(name, _)| hides(name));
    let key = endpoint.keys.first().filter(|_| secrets);
    let shown = if secrets { shown.with_credentials(endpoint) } else { shown };
    EndpointEntry {
        endpoint: shown,
        headers,
        sensitive: hidden.into_keys().collect(),
        secret: key.map(|held| held.key.text()),
    }
}

/// Every page of a list, one after the other.
fn all<T, C: Clone>(
    list: impl Fn(&PageRequest<C>) -> Page<T, C>,
    name: impl Fn(&T) -> C,
) -> Vec<T> {
    let mut found: Vec<T> = Vec::new();
    loop {
        let start = found.last().map_or(PageStart::First, |last| PageStart::After(name(last)));
        let page = list(&PageRequest { limit: PAGE_MAX as usize, start, descending: false });
        // Each page goes on behind the last item, so the end comes whatever is added meanwhile.
        if page.items.is_empty() {
            return found;
        }
        found.extend(page.items);
        if page.done {
            return found;
        }
    }
}
