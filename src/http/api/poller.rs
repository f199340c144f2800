//! `/app/{app}/poller/{sink}`: messages read instead of delivered, in the order in which they were
//! accepted. A sink is an endpoint: what it subscribes to says what is seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::limits::{self, PAGE_DEFAULT, PAGE_MAX, Problems};
use super::page;
use super::query::{Query, wrong};
use super::shapes::MessageOut;
use crate::domain::endpoint::Endpoint;
use crate::domain::headers::is_sensitive_header;
use crate::domain::id::MessageId;
use crate::domain::redact::Redaction;
use crate::domain::time::Timestamp;
use crate::domain::token::Capability;
use crate::http::error::ApiError;
use crate::store::{
    EndpointReference, PollFilter, Polled, Reply, START, Store, StoredMessage, position_at,
};

/// PollingEndpointOut.
#[derive(Serialize)]
struct PolledOut {
    data: Vec<PolledMessageOut>,
    iterator: String,
    done: bool,
}

/// PollingEndpointMessageOut.
#[derive(Serialize)]
pub(super) struct PolledMessageOut {
    headers: BTreeMap<String, String>,
    #[serde(flatten)]
    message: MessageOut,
}

#[derive(Deserialize)]
struct SeekIn {
    after: String,
}

/// The endpoint that the path calls a sink.
pub(super) fn sink(call: &Call) -> Result<Arc<Endpoint>, ApiError> {
    let application = call.application()?;
    let reference: EndpointReference = call.reference("sink")?;
    call.store().endpoint(application.id, &reference).ok_or_else(ApiError::not_found)
}

/// The name of a consumer: whatever its caller likes.
pub(super) fn consumer(call: &Call) -> Result<String, ApiError> {
    let name = call.parameter("consumer");
    if limits::is_reference(name) { Ok(name.to_owned()) } else { Err(ApiError::not_found()) }
}

pub(super) fn limit(query: &Query) -> Result<usize, ApiError> {
    let limit = query.number("limit")?.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(wrong("limit", &format!("must be 1 to {PAGE_MAX}")));
    }
    Ok(limit as usize)
}

fn iterator(call: &Call, query: &Query) -> Result<Option<MessageId>, ApiError> {
    let read = |text| {
        let position = call.ids().parse(text);
        position.ok_or_else(|| wrong("iterator", "is none that this poller has given"))
    };
    query.text("iterator").map(read).transpose()
}

/// The next messages behind the iterator, or behind a time, or from the first that is kept.
pub(super) async fn poll(call: Call) -> Result<HttpResponse, ApiError> {
    let endpoint = sink(&call)?;
    let query = call.query()?;
    let limit = limit(&query)?;
    let filter = PollFilter {
        event_type: query.text("event_type").map(str::to_owned),
        channel: query.text("channel").map(str::to_owned),
    };
    if let Some(event_type) = &filter.event_type {
        limits::event_type(event_type).map_err(|rule| wrong("event_type", &rule))?;
    }
    if let Some(channel) = &filter.channel {
        limits::channel(channel).map_err(|rule| wrong("channel", &rule))?;
    }
    let now = call.store().now();
    let after = query.time("after")?.map(|after| position_at(after, now));
    let start = iterator(&call, &query)?.max(after).unwrap_or(START);
    answer(call, endpoint, filter, start, limit).await
}

/// The next messages behind what the consumer has committed; an iterator commits what was read up
/// to there.
pub(super) async fn consumer_poll(call: Call) -> Result<HttpResponse, ApiError> {
    let endpoint = sink(&call)?;
    let consumer = consumer(&call)?;
    let query = call.query()?;
    let limit = limit(&query)?;
    let committed = call.store().poller_position(endpoint.id, &consumer);
    let start = match iterator(&call, &query)? {
        Some(read) => {
            if committed.unwrap_or(START) < read {
                let endpoint = Arc::clone(&endpoint);
                // A reader that goes on is no entry of the audit log.
                let committed = call.store().write(None, move |transaction| {
                    transaction.commit_poller(&endpoint, &consumer, read)?;
                    Ok(Reply::Done)
                });
                committed.await?;
            }
            read
        }
        None => committed.unwrap_or(START),
    };
    answer(call, endpoint, PollFilter::default(), start, limit).await
}

/// Has the consumer go on behind a time, forward or back.
pub(super) async fn seek(mut call: Call) -> Result<HttpResponse, ApiError> {
    let endpoint = sink(&call)?;
    let consumer = consumer(&call)?;
    let body = call.body().await?;
    let input: SeekIn = body.json()?;
    let mut problems = Problems::default();
    let after = Timestamp::parse_rfc3339(&input.after);
    if after.is_none() {
        let words = "must be a time from 1970 on, such as 2026-11-21T00:00:00Z";
        problems.add(&["after"], words);
    }
    problems.finish()?;
    let position = position_at(after.unwrap_or_default(), call.store().now());
    call.write(move |transaction| {
        transaction.seek_poller(&endpoint, &consumer, position)?;
        Ok(Reply::Done)
    })
    .await?;
    let iterator = call.ids().text(position);
    Ok(HttpResponse::Ok().json(serde_json::json!({ "iterator": iterator })))
}

async fn answer(
    call: Call,
    endpoint: Arc<Endpoint>,
    filter: PollFilter,
    start: MessageId,
    limit: usize,
) -> Result<HttpResponse, ApiError> {
    // As where headers are read: any of them may be a credential to who may not change them.
    let whole = call.caller.capabilities.allow(Capability::ManageEndpoint);
    let own = if whole { own_headers(&endpoint) } else { BTreeMap::new() };
    call.read(move |store| {
        let Polled { messages, position, done } = store.poll(&endpoint, &filter, start, limit);
        let shown = messages.iter().map(|stored| shown(store, &own, stored));
        let data = shown.collect();
        page::encode(&PolledOut { data, iterator: store.ids().text(position), done })
    })
    .await
    .map(page::ok)
}

/// The headers of an endpoint's own that who polls it is told.
pub(super) fn own_headers(endpoint: &Endpoint) -> BTreeMap<String, String> {
    let own = endpoint.headers.iter().filter(|(name, _)| !is_sensitive_header(name));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// With the headers that a delivery would have, but for those that are secret and the signature.
pub(super) fn shown(
    store: &Store,
    own: &BTreeMap<String, String>,
    stored: &StoredMessage,
) -> PolledMessageOut {
    let own = own.iter().map(|(name, value)| (name.clone(), value.clone()));
    let content_type = ("content-type".to_owned(), stored.message.content_type.clone());
    PolledMessageOut {
        headers: [content_type].into_iter().chain(own).collect(),
        // Whoever polls is who it was sent to.
        message: MessageOut::read(store, &Redaction::default(), stored, true),
    }
}
