//! `/app/{app}/msg`: what is accepted, and lists of it.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::application::unexpected;
use super::call::Call;
use super::limits::{self, PAGE_MAX, Problems, TAG_MAX};
use super::message_in::{self, MessageParts};
use super::page;
use super::query::{Query, wrong};
use super::schema;
use super::shapes::{self, MessageOut, Standing, With};
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::id::{ApplicationId, Id, Kind, MessageId, Stamp};
use crate::domain::subscription::EVENT_TYPES_MAX;
use crate::http::error::ApiError;
use crate::store::{
    ApplicationReference, Author, Filtered, MessageFilter, NewMessage, Page, PageRequest,
    PageStart, Reference, Refusal, Reply, Store, StoredMessage,
};

/// Messages that a list filtered by status looks at for one page.
const SCAN_MAX: usize = 5_000;

/// Row 22: accepts a message; the answer means that it is on disk.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let with_content = call.query()?.flag("with_content", true)?;
    let reference: ApplicationReference = call.reference("app")?;
    let body = call.body().await?;
    let kept = call.shared.state.config.retention.max_age;
    // Callers mean the wall clock, which may be ahead of engine time (docs/storage.md).
    let clock = &call.shared.state.clock;
    let mut parts = message_in::read(&body, kept, clock.now().max(clock.wall()))?;
    if let Some(payload) = parts.payload() {
        schema::check(&call, payload).await?;
    }
    let filtered = filtered(&call, &parts, &reference).await?;
    let payload = parts.body().clone();
    let new = parts.application.take();
    let new = new.map(|fields| fields.named(call.parameter("app"))).transpose()?;
    // A message is no entry of the audit log, but an application that is made with it is.
    let note = new.is_some().then(|| call.note());
    let written = call
        .accept_once(&body, move |transaction| {
            let application = match (transaction.application(&reference), &reference, new) {
                (Err(Refusal::NotFound), Reference::Name(_), Some(fields)) => {
                    let id = ApplicationId::new(transaction.mint());
                    let made = fields.make(id, transaction.now());
                    note.into_iter().for_each(|note| transaction.note(note));
                    transaction.put_application(made, Author::Caller)?
                }
                (found, _, _) => found?,
            };
            let new = NewMessage { filtered, ..parts.of(application.id) };
            Ok(Reply::Message(transaction.accept(new)?))
        })
        .await?;
    let Reply::Message(stored) = &written.reply else { return Err(unexpected(&written.reply)) };
    if !written.replayed {
        call.shared.state.metrics.messages_accepted.inc();
    }
    // The same key came with the same body, so a replayed reply shows the same payload.
    let shown = with_content.then(|| shapes::shown(&call.redaction(), &payload));
    Ok(HttpResponse::Accepted().json(MessageOut::new(call.ids(), &stored.message, shown)))
}

/// Asks the filters of the application's endpoints, away from the threads that serve.
async fn filtered(
    call: &Call,
    parts: &MessageParts,
    reference: &ApplicationReference,
) -> Result<Filtered, ApiError> {
    let application = call.store().application(reference);
    let Some(application) = application.filter(|found| call.store().looks_inside(found.id)) else {
        return Ok(Filtered::default());
    };
    let (store, new) = (call.store().clone(), parts.clone().of(application.id));
    let asked = web::block(move || store.filter(&new)).await;
    asked.map_err(|_| ApiError::Busy("the relay is stopping".to_owned()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PrecheckIn {
    event_type: String,
    channels: Option<Vec<String>>,
}

/// Whether a message of this kind would go to any endpoint now.
pub(super) async fn precheck(mut call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let body = call.body().await?;
    let input: PrecheckIn = body.json()?;
    let mut problems = Problems::default();
    problems.check(&["eventType"], limits::event_type(&input.event_type));
    if let Some(channels) = &input.channels {
        problems.check(&["channels"], limits::channels(channels));
    }
    problems.finish()?;
    let channels = input.channels.unwrap_or_default();
    let active = call.store().is_wanted(application.id, &input.event_type, &channels);
    Ok(HttpResponse::Ok().json(serde_json::json!({ "active": active })))
}

/// Row 24.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let with_content = call.query()?.flag("with_content", true)?;
    let application = call.application()?;
    let reference = call.reference("msg")?;
    let redaction = call.redaction();
    call.read(move |store| {
        let stored = store.message(application.id, &reference).ok_or_else(ApiError::not_found)?;
        page::encode(&MessageOut::read(store, &redaction, &stored, with_content))
    })
    .await
    .map(page::ok)
}

/// `channel`, `tag`, `event_types`, `before`, `after`.
pub(super) fn filter(query: &Query) -> Result<MessageFilter, ApiError> {
    let filter = content_filter(query)?;
    Ok(MessageFilter { before: query.time("before")?, after: query.time("after")?, ..filter })
}

/// `channel`, `tag`, `event_types`.
pub(super) fn content_filter(query: &Query) -> Result<MessageFilter, ApiError> {
    let event_types = query.list("event_types");
    for name in &event_types {
        limits::event_type(name).map_err(|rule| wrong("event_types", &rule))?;
    }
    if event_types.len() > EVENT_TYPES_MAX {
        let rule = format!("must have at most {EVENT_TYPES_MAX} items");
        return Err(wrong("event_types", &rule));
    }
    if let Some(channel) = query.text("channel") {
        limits::channel(channel).map_err(|rule| wrong("channel", &rule))?;
    }
    if let Some(tag) = query.text("tag") {
        limits::text(tag, 1, TAG_MAX).map_err(|rule| wrong("tag", &rule))?;
    }
    Ok(MessageFilter {
        channel: query.text("channel").map(str::to_owned),
        tag: query.text("tag").map(str::to_owned),
        event_types,
        before: None,
        after: None,
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
    let query = call.query()?;
    let with_content = query.flag("with_content", true)?;
    let filter = filter(&query)?;
    let request = from_time(page::request(&query, call.ids(), true)?, &filter);
    let redaction = call.redaction();
    call.read(move |store| {
        let page = store.list_messages(application.id, &filter, &request);
        let name = |stored: &StoredMessage| stored.message.id;
        page::json(store.ids(), &request, page, name, |stored| {
            Ok(MessageOut::read(store, &redaction, &stored, with_content))
        })
    })
    .await
    .map(page::ok)
}

/// Row 21: messages that were matched to an endpoint, newest first, and how each stands.
pub(super) async fn list_of_endpoint(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    let query = call.query()?;
    let with_content = query.flag("with_content", true)?;
    let status = status(&query)?;
    let filter = filter(&query)?;
    let request = from_time(page::request(&query, call.ids(), true)?, &filter);
    let redaction = call.redaction();
    call.read(move |store| {
        let page = with_status(store, &endpoint, &filter, &request, status);
        let name = |(stored, _): &(StoredMessage, Delivery)| stored.message.id;
        page::json(store.ids(), &request, page, name, |(stored, delivery)| {
            let shown = MessageOut::read(store, &redaction, &stored, with_content);
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
