//! `/app/{app}/attempt` and what hangs on a message: how deliveries stand and what was tried.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use serde_json::json;

use super::call::Call;
use super::limits::is_reference;
use super::message::{filter, from_time, status};
use super::page;
use super::query::{Query, wrong};
use super::shapes::{AttemptOut, EndpointOut, MessageOut, Shown, Standing, With, content};
use crate::domain::application::Application;
use crate::domain::headers::is_sensitive_header;
use crate::domain::id::{AttemptId, AttemptKind};
use crate::domain::redact::Redaction;
use crate::domain::token::Capability;
use crate::http::error::ApiError;
use crate::store::{
    AttemptFilter, EndpointReference, Page, PageRequest, Reference, Reply, Store, StoredAttempt,
};

/// What of attempts a list shows.
#[derive(Clone, Copy)]
struct Parts {
    shown: Shown,
    with_msg: bool,
}

impl Parts {
    fn read(query: &Query, call: &Call) -> Result<Parts, ApiError> {
        let content = query.flag("with_content", true)?;
        Ok(Parts {
            shown: Shown { content, guard: call.sees_everything().is_ok() },
            with_msg: query.flag("with_msg", false)?,
        })
    }
}

/// The filter, and whether any attempt can pass it: one is over as soon as it is kept.
fn attempt_filter(query: &Query) -> Result<(AttemptFilter, bool), ApiError> {
    let status = status(query)?;
    let class = query.number("status_code_class")?;
    if class.is_some_and(|class| ![0, 100, 200, 300, 400, 500].contains(&class)) {
        return Err(wrong("status_code_class", "is 0, 100, 200, 300, 400 or 500"));
    }
    let filter = AttemptFilter {
        delivered: status.map(|status| status == 0),
        status_code_class: class.map(|class| class as u16),
        messages: filter(query)?,
        endpoint: None,
    };
    Ok((filter, status.is_none_or(|status| matches!(status, 0 | 2))))
}

fn show(
    store: &Store,
    redaction: &Redaction,
    application: &Application,
    request: &PageRequest<AttemptId>,
    page: Page<StoredAttempt, AttemptId>,
    parts: Parts,
) -> Result<bytes::Bytes, ApiError> {
    let name = |stored: &StoredAttempt| stored.attempt.id;
    page::json(store.ids(), request, page, name, |stored| {
        let message = Reference::Id(stored.attempt.delivery.message);
        let msg = parts.with_msg.then(|| store.message(application.id, &message)).flatten();
        let msg = msg.map(|msg| MessageOut::read(store, redaction, &msg, parts.shown.content));
        Ok(AttemptOut::read(store, redaction, &stored, parts.shown, msg)?)
    })
}

fn empty() -> Page<StoredAttempt, AttemptId> {
    Page { items: Vec::new(), done: true, scanned_to: None }
}

/// Row 27: attempts at an endpoint, newest first.
pub(super) async fn list_of_endpoint(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    let query = call.query()?;
    let (filter, possible) = attempt_filter(&query)?;
    let parts = Parts::read(&query, &call)?;
    let request = from_time(page::request(&query, call.ids(), true)?, &filter.messages);
    let redaction = call.redaction();
    call.read(move |store| {
        let page = if possible {
            store.list_endpoint_attempts(endpoint.id, &filter, &request)
        } else {
            empty()
        };
        show(store, &redaction, &application, &request, page, parts)
    })
    .await
    .map(page::ok)
}

/// How many attempts at an endpoint pass the filter of their list.
pub(super) async fn count_of_endpoint(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    let (filter, possible) = attempt_filter(&call.query()?)?;
    let count = call
        .read(move |store| {
            Ok(if possible { store.count_endpoint_attempts(endpoint.id, &filter) } else { 0 })
        })
        .await?;
    Ok(HttpResponse::Ok().json(json!({ "count": count })))
}

/// Row 28: attempts of a message, newest first; `endpoint_id` may be a uid.
pub(super) async fn list_of_message(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let reference = call.reference("msg")?;
    let query = call.query()?;
    let (mut filter, mut possible) = attempt_filter(&query)?;
    let parts = Parts::read(&query, &call)?;
    if let Some(text) = query.text("endpoint_id") {
        if !is_reference(text) {
            return Err(wrong("endpoint_id", "is no id or uid of an endpoint"));
        }
        let named = EndpointReference::read(call.ids(), text);
        filter.endpoint = match call.store().endpoint(application.id, &named) {
            Some(endpoint) => Some(endpoint.id),
            None => call.ids().parse(text),
        };
        possible &= filter.endpoint.is_some();
    }
    let request = from_time(page::request(&query, call.ids(), true)?, &filter.messages);
    let redaction = call.redaction();
    call.read(move |store| {
        let message = store.message(application.id, &reference).ok_or_else(ApiError::not_found)?;
        let page = if possible {
            store.list_message_attempts(&message, &filter, &request)
        } else {
            empty()
        };
        show(store, &redaction, &application, &request, page, parts)
    })
    .await
    .map(page::ok)
}

/// Row 29.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let message = call.reference("msg")?;
    let Reference::Id(attempt) = call.reference::<AttemptKind>("attempt")? else {
        return Err(ApiError::not_found());
    };
    let redaction = call.redaction();
    let shown = Shown { content: true, guard: call.sees_everything().is_ok() };
    call.read(move |store| {
        let message = store.message(application.id, &message).ok_or_else(ApiError::not_found)?;
        let stored = store.attempt(&message, attempt).ok_or_else(ApiError::not_found)?;
        page::encode(&AttemptOut::read(store, &redaction, &stored, shown, None)?)
    })
    .await
    .map(page::ok)
}

/// Beginnings of the names of headers that are the relay's own, which every receiver is sent.
const OWN_HEADERS: [&str; 5] = ["webhook-", "svix-", "content-", "user-agent", "accept"];

/// The headers that an attempt sent; credentials are not among what is kept. Of those that the
/// endpoint adds only the names for who may not change them.
pub(super) async fn headers(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let message = call.reference("msg")?;
    let Reference::Id(attempt) = call.reference::<AttemptKind>("attempt")? else {
        return Err(ApiError::not_found());
    };
    let all = call.caller.capabilities.allow(Capability::ManageEndpoint);
    let redaction = call.redaction();
    let hidden = Arc::clone(&redaction);
    let content = call
        .read(move |store| {
            let stored = store.message(application.id, &message).ok_or_else(ApiError::not_found)?;
            let stored = store.attempt(&stored, attempt).ok_or_else(ApiError::not_found)?;
            Ok(content(store, &redaction, &stored)?)
        })
        .await?;
    let (mut sent, mut sensitive) = (BTreeMap::new(), Vec::new());
    for (name, value) in content.request_headers {
        let own = OWN_HEADERS.iter().any(|begin| name.to_ascii_lowercase().starts_with(begin));
        if is_sensitive_header(&name) || hidden.hides_header(&name) || !(all || own) {
            sensitive.push(name);
        } else {
            sent.insert(name, value);
        }
    }
    Ok(HttpResponse::Ok().json(json!({ "sensitive": sensitive, "sentHeaders": sent })))
}

/// Row 26: the endpoints a message goes to, newest first, and how its delivery to each stands.
pub(super) async fn destinations(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let reference = call.reference("msg")?;
    let request = page::request(&call.query()?, call.ids(), true)?;
    call.read(move |store| {
        let message = store.message(application.id, &reference).ok_or_else(ApiError::not_found)?;
        let mut latest = BTreeMap::new();
        for (id, delivery) in store.deliveries(&message) {
            // A replay is a later delivery to the same endpoint.
            latest.insert(id.endpoint, delivery);
        }
        let found: Vec<_> = latest
            .into_iter()
            .filter_map(|(id, delivery)| {
                let endpoint = store.endpoint(application.id, &Reference::Id(id))?;
                Some((endpoint, delivery))
            })
            .collect();
        let page = page::slice(found, &request, |(endpoint, _)| endpoint.id);
        page::json(
            store.ids(),
            &request,
            page,
            |(endpoint, _)| endpoint.id,
            |item| {
                let (endpoint, delivery) = &item;
                let standing = Standing::new(delivery, endpoint.disabled.is_some());
                Ok(json!(With { shown: EndpointOut::new(store.ids(), endpoint), standing }))
            },
        )
    })
    .await
    .map(page::ok)
}

/// Row 31: one more attempt, now, whatever became of the delivery.
pub(super) async fn resend(mut call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    let message = call.message(&application)?;
    let body = call.body().await?;
    // Nothing in it is known, but it must be what it says it is.
    let _: serde::de::IgnoredAny = body.json_or_empty()?;
    if endpoint.disabled.is_some() {
        let words = "the endpoint is disabled; enable it first".to_owned();
        return Err(ApiError::BadRequest(words));
    }
    let endpoint = endpoint.id;
    call.write_once(&body, move |transaction| {
        transaction.resend(&message, endpoint)?;
        Ok(Reply::Done)
    })
    .await?;
    Ok(HttpResponse::Accepted().json(json!({})))
}
