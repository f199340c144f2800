//! `/message-search`: messages of all applications or of one, by an id, by what is known of them,
//! or by text in their bodies.
//!
//! What `[redact]` hides is not searched: what is found is found in what is shown.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;

use super::call::Call;
use super::limits::{self, is_reference};
use super::message;
use super::message_found::{Counts, Found, Match, shown};
use super::page;
use super::query::{Query, wrong};
use crate::domain::find::{Finder, TEXT_MAX};
use crate::domain::id::{ApplicationId, AttemptId, EndpointId, MessageId, SourceId};
use crate::domain::operational::HIDDEN;
use crate::domain::redact::Redaction;
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::store::{
    ApplicationReference, MessageFilter, Page, PageRequest, Reference, SourceReference, Store,
    StoredMessage,
};

/// Messages that one page looks at.
const ROWS_MAX: usize = 5_000;
/// Applications that are asked for an event id; of others it is found as text is.
const EVENT_APPLICATIONS_MAX: usize = 2_000;
/// Deliveries that it looks up.
const LOOK_UPS_MAX: usize = 10_000;
/// Bytes of bodies that it reads.
const BODY_BYTES_MAX: usize = 8 << 20;
/// How long it takes, once it has looked at so many messages: a disk may be slow.
const TIME_MAX: Duration = Duration::from_millis(120);
const TIMED_FROM: usize = 256;
/// How far back text is looked for when nothing is asked for, and at most.
const WINDOW_DEFAULT: Duration = Duration::from_secs(24 * 3_600);
const WINDOW_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What `q` means.
enum Meant {
    /// Nothing was asked for.
    All,
    Message(MessageId),
    Attempt(AttemptId),
    Endpoint(EndpointId),
    /// An event id, or text where there is no such event.
    Words(String),
    /// Text, whatever the event ids are.
    Text(Finder),
}

/// What a message must be beside its filter.
#[derive(Clone)]
struct Wanted {
    application: Option<ApplicationId>,
    filter: MessageFilter,
    status: Option<u8>,
    source: Option<(String, Option<SourceId>)>,
}

/// Over all applications, or the one that `app` names; for operators.
pub(super) async fn all(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let query = call.query()?;
    let read = |text: &str| {
        let named = is_reference(text).then(|| ApplicationReference::read(call.ids(), text));
        let found = named.and_then(|named| call.store().application(&named));
        found.map(|found| found.id).ok_or_else(|| wrong("app", "names no application"))
    };
    let application = query.text("app").map(read).transpose()?;
    answer(call, &query, application).await
}

/// Over one application.
pub(super) async fn own(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?.id;
    let query = call.query()?;
    answer(call, &query, Some(application)).await
}

async fn answer(
    call: Call,
    query: &Query,
    application: Option<ApplicationId>,
) -> Result<HttpResponse, ApiError> {
    let request: PageRequest<MessageId> = page::request(query, call.ids(), true)?;
    let meant = meant(&call, query)?;
    let filter = message::filter(query)?;
    let now = call.store().now();
    let window = query.text("q").map(|_| window(&filter, now));
    let wanted = Wanted {
        application,
        filter,
        status: message::status(query)?,
        source: source(&call, query)?,
    };
    let redaction = call.redaction();
    call.read(move |store| {
        let found = find(store, &redaction, &wanted, meant, window, &request)?;
        let name = |found: &Found| found.stored.message.id;
        page::searched(store.ids(), &request, found, name, |found| Ok(shown(store, found)))
    })
    .await
    .map(page::ok)
}

fn meant(call: &Call, query: &Query) -> Result<Meant, ApiError> {
    let only = query.text("in");
    if only.is_some_and(|only| only != "body") {
        return Err(wrong("in", "is body"));
    }
    let Some(text) = query.text("q") else { return Ok(Meant::All) };
    let rule = || format!("must have 1 to {TEXT_MAX} bytes and no control characters");
    limits::text(text, 1, TEXT_MAX).map_err(|_| wrong("q", &rule()))?;
    let ids = call.ids();
    if only.is_some() {
        return Ok(Meant::Text(finder(text)?));
    }
    Ok(if let Some(id) = ids.parse(text) {
        Meant::Message(id)
    } else if let Some(id) = ids.parse(text) {
        Meant::Attempt(id)
    } else if let Some(id) = ids.parse(text) {
        Meant::Endpoint(id)
    } else {
        Meant::Words(text.to_owned())
    })
}

fn finder(text: &str) -> Result<Finder, ApiError> {
    let rule = format!("must have 1 to {TEXT_MAX} bytes");
    Finder::new(text).ok_or_else(|| wrong("q", &rule))
}

/// The filter with the window in which text is looked for; an error where more is asked for.
fn window(filter: &MessageFilter, now: Timestamp) -> Result<MessageFilter, ApiError> {
    let end = filter.before.map_or(now, |before| before.min(now));
    let back = |by: Duration| {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        Timestamp::from_millis(end.millis().saturating_sub(by))
    };
    let after = filter.after.unwrap_or_else(|| back(WINDOW_DEFAULT));
    if after < back(WINDOW_MAX) {
        let days = WINDOW_MAX.as_secs() / (24 * 3_600);
        let rule = format!(
            "must be at most {days} days before `before` (now, unless it is given) where text is \
             looked for: {} or later",
            back(WINDOW_MAX)
        );
        return Err(wrong("after", &rule));
    }
    Ok(MessageFilter { after: Some(after), ..filter.clone() })
}

/// The source that is asked for: its name, and its id where it is there still.
fn source(call: &Call, query: &Query) -> Result<Option<(String, Option<SourceId>)>, ApiError> {
    let Some(text) = query.text("source") else { return Ok(None) };
    limits::name(text).map_err(|rule| wrong("source", &rule))?;
    let reference = SourceReference::read(call.ids(), text);
    let id = match &reference {
        Reference::Id(id) => Some(*id),
        Reference::Name(_) => call.store().source(&reference).map(|source| source.id),
    };
    Ok(Some((text.to_owned(), id)))
}

/// What a page has cost so far.
struct Spent {
    messages: usize,
    look_ups: usize,
    bytes: usize,
    begun: Instant,
}

impl Spent {
    fn is_all(&self) -> bool {
        self.look_ups >= LOOK_UPS_MAX
            || self.bytes >= BODY_BYTES_MAX
            || self.messages >= TIMED_FROM && self.begun.elapsed() > TIME_MAX
    }
}

fn find(
    store: &Store,
    redaction: &Redaction,
    wanted: &Wanted,
    meant: Meant,
    window: Option<Result<MessageFilter, ApiError>>,
    request: &PageRequest<MessageId>,
) -> Result<Page<Found, MessageId>, ApiError> {
    let application = wanted.application;
    let known = |found, field| Ok(wanted.known(store, found, request, field));
    let mut event_id = None;
    let text = match meant {
        Meant::All => return Ok(wanted.search(store, &wanted.filter, request, |_, _| Some(None))),
        Meant::Message(id) => {
            let found = match application {
                Some(application) => store.message(application, &Reference::Id(id)),
                None => store.find_message(id),
            };
            return known(found.into_iter().collect(), "id");
        }
        Meant::Attempt(id) => {
            let found = store.find_attempt(application, id);
            return known(found.into_iter().collect(), "attempt");
        }
        Meant::Endpoint(id) => return Ok(at_endpoint(store, wanted, id, request)),
        Meant::Words(text) => {
            let found = store.find_event(application, &text, EVENT_APPLICATIONS_MAX);
            if !found.is_empty() {
                return known(found, "eventId");
            }
            finder(event_id.insert(text))?
        }
        Meant::Text(text) => text,
    };
    let filter = window.unwrap_or_else(|| Ok(wanted.filter.clone()))?;
    Ok(wanted.search(store, &filter, request, |stored, spent| {
        if event_id.is_some() && stored.message.event_id == event_id {
            return Some(Some(Match::of("eventId")));
        }
        spent.bytes += stored.body.length() as usize;
        // What was expunged has no text; of what is damaged, lists and `relay repair` tell.
        let body = store.body(&stored.body).ok()?;
        let excerpt = text.excerpt(&redaction.body(&body))?;
        Some(Some(Match::in_body(excerpt)))
    }))
}

/// Messages that went to an endpoint.
fn at_endpoint(
    store: &Store,
    wanted: &Wanted,
    id: EndpointId,
    request: &PageRequest<MessageId>,
) -> Page<Found, MessageId> {
    let owner = store.endpoint_by_id(id).map(|(owner, _)| owner.id);
    let meant = owner.filter(|owner| wanted.application.is_none_or(|only| only == *owner));
    let Some(owner) = meant.filter(|owner| *owner != HIDDEN) else {
        return Page { items: Vec::new(), done: true, scanned_to: None };
    };
    let of_owner = Wanted { application: Some(owner), ..wanted.clone() };
    of_owner.search(store, &wanted.filter, request, |stored, spent| {
        spent.look_ups += 1;
        store.went_to(stored, id).then(|| Some(Match::of("endpoint")))
    })
}

impl Wanted {
    /// Those that an id names and that are as they must be.
    fn known(
        &self,
        store: &Store,
        mut found: Vec<StoredMessage>,
        request: &PageRequest<MessageId>,
        field: &'static str,
    ) -> Page<Found, MessageId> {
        found.retain(|stored| {
            let message = &stored.message;
            self.filter.passes(message)
                && self.filter.is_in_time(message)
                && self.is_of_source(stored)
                && (self.status.is_none() || self.has_status(&Counts::of(store, stored)))
        });
        let page = page::slice(found, request, |stored| stored.message.id);
        let shown = |stored: StoredMessage| {
            let counts = Counts::of(store, &stored);
            Found { stored, matched: Some(Match::of(field)), counts }
        };
        let items = page.items.into_iter().map(shown).collect();
        Page { items, done: page.done, scanned_to: None }
    }

    /// Looks at one message after the other; `look` tells whether and where one is meant.
    fn search(
        &self,
        store: &Store,
        filter: &MessageFilter,
        request: &PageRequest<MessageId>,
        look: impl Fn(&StoredMessage, &mut Spent) -> Option<Option<Match>>,
    ) -> Page<Found, MessageId> {
        let mut spent = Spent { messages: 0, look_ups: 0, bytes: 0, begun: Instant::now() };
        store.search_messages(self.application, filter, request, ROWS_MAX, |stored| {
            if spent.is_all() {
                return ControlFlow::Break(());
            }
            spent.messages += 1;
            ControlFlow::Continue(self.one(store, stored, &mut spent, &look))
        })
    }

    fn one(
        &self,
        store: &Store,
        stored: &StoredMessage,
        spent: &mut Spent,
        look: impl Fn(&StoredMessage, &mut Spent) -> Option<Option<Match>>,
    ) -> Option<Found> {
        if !self.is_of_source(stored) {
            return None;
        }
        let counted = |spent: &mut Spent| {
            spent.look_ups += stored.message.endpoints.len() + 1;
            Counts::of(store, stored)
        };
        // Of most messages the one costs less than the other.
        let counts = match self.status {
            Some(_) => Some(counted(spent)).filter(|counts| self.has_status(counts))?,
            None => Counts::default(),
        };
        let matched = look(stored, spent)?;
        let counts = if self.status.is_some() { counts } else { counted(spent) };
        Some(Found { stored: stored.clone(), matched, counts })
    }

    fn is_of_source(&self, stored: &StoredMessage) -> bool {
        let Some((name, id)) = &self.source else { return true };
        let origin = stored.message.origin.as_ref();
        origin.is_some_and(|origin| origin.name == *name || Some(origin.source) == *id)
    }

    fn has_status(&self, counts: &Counts) -> bool {
        self.status.is_none_or(|status| counts.with(status) > 0)
    }
}
