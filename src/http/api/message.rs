//! `/app/{app}/msg`: what is accepted, and lists of it.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::application::unexpected;
use super::body::Body;
use super::call::Call;
use super::limits::{self, DELIVER_AT_MAX, PAGE_MAX, Problems};
use super::page;
use super::query::{Query, wrong};
use super::shapes::{self, MessageOut, Standing, With};
use crate::config::units::Span;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{Id, Kind, MessageId, Stamp};
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::store::{
    ApplicationReference, MessageFilter, NewMessage, Page, PageRequest, PageStart, Reply, Store,
    StoredMessage,
};

/// What a body is sent as when nothing else is said.
const JSON: &str = "application/json";
/// Messages that a list filtered by status looks at for one page.
const SCAN_MAX: usize = 5_000;
/// The days in which the Svix API counts retention.
const DAY_SECONDS: u64 = 24 * 3_600;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageIn<'body> {
    event_type: String,
    #[serde(borrow)]
    payload: &'body RawValue,
    event_id: Option<String>,
    channels: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    deliver_at: Option<String>,
    #[serde(borrow)]
    application: Option<&'body RawValue>,
    payload_retention_period: Option<u64>,
    payload_retention_hours: Option<u64>,
    transformations_params: Option<TransformationsParams>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransformationsParams {
    raw_payload: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl<'body> MessageIn<'body> {
    /// Fields that this relay knows and can't honour yet are refused, not ignored.
    fn check_later(&self, kept: Span) -> Result<(), ApiError> {
        let later = |field: &str| {
            let words = format!("this relay can't honour {field} yet; nothing was accepted");
            Err(ApiError::NotImplemented(words))
        };
        let seconds = kept.0.as_secs();
        // Some client libraries send their default; where it is ours too it is honoured.
        let is_ours = |count: u64, unit: u64| count.checked_mul(unit) == Some(seconds);
        if self.payload_retention_period.is_some_and(|days| !is_ours(days, DAY_SECONDS)) {
            return later("payloadRetentionPeriod");
        }
        if self.payload_retention_hours.is_some_and(|hours| !is_ours(hours, 3_600)) {
            return later("payloadRetentionHours");
        }
        if self.application.is_some() {
            return later("application");
        }
        let Some(params) = &self.transformations_params else { return Ok(()) };
        let headers = params.headers.iter().flatten();
        if headers.clone().any(|(name, _)| !name.eq_ignore_ascii_case("content-type")) {
            return later("transformationsParams.headers other than content-type");
        }
        match params.others.iter().find(|(_, value)| !value.is_null()) {
            Some((name, _)) => later(&format!("transformationsParams.{name}")),
            None => Ok(()),
        }
    }

    /// The message, after the limits were looked at; its body is a part of `whole` where it can.
    fn check(self, whole: &Bytes, now: Timestamp) -> Result<NewMessageParts, ApiError> {
        let mut problems = Problems::default();
        problems.check(&["eventType"], limits::event_type(&self.event_type));
        if let Some(event_id) = &self.event_id {
            problems.check(&["eventId"], limits::name(event_id));
        }
        if let Some(channels) = &self.channels {
            problems.check(&["channels"], limits::channels(channels));
        }
        problems.check(&["tags"], limits::tags(self.tags.as_deref().unwrap_or_default()));
        if !self.payload.get().starts_with('{') {
            problems
                .add(&["payload"], "must be a JSON object; see transformationsParams.rawPayload");
        }
        let deliver_at = self.deliver_at.as_deref().and_then(|text| {
            let time = Timestamp::parse_rfc3339(text);
            if time.is_none_or(|time| time > now + DELIVER_AT_MAX) {
                let days = DELIVER_AT_MAX.as_secs() / DAY_SECONDS;
                let words = format!("must be a time such as {now}, at most {days} days ahead");
                problems.add(&["deliverAt"], words);
            }
            time
        });
        let params = self.transformations_params;
        let (raw_payload, headers) =
            params.map_or((None, None), |params| (params.raw_payload, params.headers));
        let content_type = headers
            .and_then(|headers| headers.into_values().next())
            .unwrap_or_else(|| JSON.to_owned());
        let location = ["transformationsParams", "headers", "content-type"];
        problems.check(&location, limits::content_type(&content_type));
        problems.finish()?;
        let body = match raw_payload {
            Some(text) => Bytes::from(text),
            None => whole.slice_ref(self.payload.get().as_bytes()),
        };
        Ok(NewMessageParts {
            event_type: self.event_type,
            event_id: self.event_id,
            channels: self.channels.unwrap_or_default(),
            tags: self.tags.unwrap_or_default(),
            content_type,
            deliver_at,
            body,
        })
    }
}

/// A message but for its application, which only the transaction looks up.
struct NewMessageParts {
    event_type: String,
    event_id: Option<String>,
    channels: Vec<String>,
    tags: Vec<String>,
    content_type: String,
    deliver_at: Option<Timestamp>,
    body: Bytes,
}

fn read(body: &Body, kept: Span, now: Timestamp) -> Result<NewMessageParts, ApiError> {
    let input: MessageIn<'_> = body.json()?;
    input.check_later(kept)?;
    input.check(&body.bytes, now)
}

/// Row 22: accepts a message; the answer means that it is on disk.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.operator_only()?;
    let with_content = call.query().flag("with_content", true)?;
    let reference: ApplicationReference = call.reference("app")?;
    let body = call.body().await?;
    let kept = call.shared.state.config.retention.max_age;
    let parts = read(&body, kept, call.store().now())?;
    let payload = parts.body.clone();
    let written = call
        .write_once(&body, move |transaction| {
            let application = transaction.application(&reference)?;
            let stored = transaction.accept(NewMessage {
                application: application.id,
                event_type: parts.event_type,
                event_id: parts.event_id,
                channels: parts.channels,
                tags: parts.tags,
                content_type: parts.content_type,
                deliver_at: parts.deliver_at,
                body: parts.body,
            })?;
            Ok(Reply::Message(stored))
        })
        .await?;
    let Reply::Message(stored) = &written.reply else { return Err(unexpected(&written.reply)) };
    if !written.replayed {
        call.shared.state.metrics.messages_accepted.inc();
    }
    // The same key came with the same body, so a replayed reply shows the same payload.
    let shown = with_content.then(|| shapes::shown(&payload));
    Ok(HttpResponse::Accepted().json(MessageOut::new(call.ids(), &stored.message, shown)))
}

/// Row 24.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let with_content = call.query().flag("with_content", true)?;
    let application = call.application()?;
    let reference = call.reference("msg")?;
    call.read(move |store| {
        let stored = store.message(application.id, &reference).ok_or_else(ApiError::not_found)?;
        page::encode(&MessageOut::read(store, &stored, with_content))
    })
    .await
    .map(page::ok)
}

/// `channel`, `tag`, `event_types`, `before`, `after`.
pub(super) fn filter(query: &Query) -> Result<MessageFilter, ApiError> {
    let event_types = query.list("event_types");
    for name in &event_types {
        limits::event_type(name).map_err(|rule| wrong("event_types", &rule))?;
    }
    Ok(MessageFilter {
        channel: query.text("channel").map(str::to_owned),
        tag: query.text("tag").map(str::to_owned),
        event_types,
        before: query.time("before")?,
        after: query.time("after")?,
    })
}

/// Where a list of things that happened begins: `after` alone asks for what came right after it,
/// as client libraries expect that follow a list forward in time.
pub(super) fn from_time<K: Kind>(
    mut request: PageRequest<Id<K>>,
    filter: &MessageFilter,
) -> PageRequest<Id<K>> {
    if let (PageStart::First, true, None, Some(after)) =
        (request.start, request.descending, filter.before, filter.after)
    {
        request.start = PageStart::Before(Id::new(Stamp::first_at(after)));
    }
    request
}

/// Row 23: messages of an application, newest first.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let query = call.query();
    let with_content = query.flag("with_content", true)?;
    let filter = filter(&query)?;
    let request = from_time(page::request(&query, call.ids(), true)?, &filter);
    call.read(move |store| {
        let page = store.list_messages(application.id, &filter, &request);
        let name = |stored: &StoredMessage| stored.message.id;
        page::json(store.ids(), &request, page, name, |stored| {
            Ok(MessageOut::read(store, &stored, with_content))
        })
    })
    .await
    .map(page::ok)
}

/// Row 21: messages that were matched to an endpoint, newest first, and how each stands.
pub(super) async fn list_of_endpoint(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    let query = call.query();
    let with_content = query.flag("with_content", true)?;
    let status = status(&query)?;
    let filter = filter(&query)?;
    let request = from_time(page::request(&query, call.ids(), true)?, &filter);
    call.read(move |store| {
        let page = with_status(store, &endpoint, &filter, &request, status);
        let name = |(stored, _): &(StoredMessage, Delivery)| stored.message.id;
        page::json(store.ids(), &request, page, name, |(stored, delivery)| {
            let shown = MessageOut::read(store, &stored, with_content);
            let standing = Standing::new(&delivery, endpoint.disabled.is_some());
            Ok(With { shown, standing })
        })
    })
    .await
    .map(page::ok)
}

/// The status a list is asked for, 0 to 4.
pub(super) fn status(query: &Query) -> Result<Option<u8>, ApiError> {
    let status = query.number("status")?;
    if status.is_some_and(|status| status > 4) {
        return Err(wrong(
            "status",
            "is 0 (success), 1 (pending), 2 (fail), 3 (sending) or 4 (canceled)",
        ));
    }
    Ok(status.map(|status| status as u8))
}

/// One page of deliveries that have the status, looking at a bounded number of others.
fn with_status(
    store: &Store,
    endpoint: &Endpoint,
    filter: &MessageFilter,
    request: &PageRequest<MessageId>,
    status: Option<u8>,
) -> Page<(StoredMessage, Delivery), MessageId> {
    let (application, id) = (endpoint.application, endpoint.id);
    let Some(status) = status else {
        return store.list_endpoint_messages(application, id, filter, request);
    };
    let backward = matches!(request.start, PageStart::Before(_));
    let wanted = |item: &(StoredMessage, Delivery)| shapes::status(item.1.state).0 == status;
    let mut start = request.start;
    let mut found = Page { items: Vec::new(), done: false, scanned_to: None };
    for _ in 0..SCAN_MAX.div_ceil(PAGE_MAX as usize) {
        let step = PageRequest { limit: PAGE_MAX as usize, start, ..*request };
        let page = store.list_endpoint_messages(application, id, filter, &step);
        let edge = if backward { page.items.first() } else { page.items.last() };
        let edge = page.scanned_to.or(edge.map(|item| item.0.message.id));
        let mut items: Vec<_> = page.items.into_iter().filter(wanted).collect();
        if backward {
            items.append(&mut found.items);
            found.items = items;
        } else {
            found.items.append(&mut items);
        }
        let excess = found.items.len().saturating_sub(request.limit);
        found.done = page.done && excess == 0;
        if excess > 0 {
            if backward {
                found.items.drain(..excess);
            } else {
                found.items.truncate(request.limit);
            }
            found.scanned_to = None;
            return found;
        }
        found.scanned_to = edge.filter(|_| !page.done);
        let Some(edge) = edge.filter(|_| !page.done) else { return found };
        start = if backward { PageStart::Before(edge) } else { PageStart::After(edge) };
    }
    found
}
