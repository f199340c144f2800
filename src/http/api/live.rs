//! `/live`: what is accepted as it is accepted, as server-sent events, in its order and each once.
//!
//! [`live_event`](super::live_event) writes the events, [`live_stream`](super::live_stream) sends
//! them.

use std::sync::Arc;

use actix_web::HttpResponse;

use super::call::Call;
use super::live_event::Wanted;
use super::live_stream;
use super::message;
use super::query::{Query, wrong};
use crate::domain::endpoint::Endpoint;
use crate::domain::filter::Filter;
use crate::domain::id::{ApplicationId, MessageId};
use crate::domain::source::Source;
use crate::domain::token::Capability;
use crate::http::auth::Scope;
use crate::http::error::ApiError;
use crate::store::{ApplicationReference, EndpointReference, SourceReference, position_at};

/// Where one goes on who was cut off: the id of the last event that came.
const LAST_EVENT_ID: &str = "last-event-id";

/// Of every application.
pub(super) async fn everything(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let query = call.query()?;
    let application = match query.text("application") {
        None => None,
        Some(name) => {
            let reference = ApplicationReference::read(call.ids(), name);
            let found = call.store().application(&reference);
            Some(found.ok_or_else(|| wrong("application", "names no application"))?.id)
        }
    };
    start(call, &query, application, None)
}

/// Of one.
pub(super) async fn of_application(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?.id;
    let query = call.query()?;
    start(call, &query, Some(application), None)
}

/// Of what came to a source; with `requests`, of everything that came there.
pub(super) async fn of_source(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let source = call.source()?;
    let query = call.query()?;
    start(call, &query, Some(source.application), Some(source))
}

fn start(
    call: Call,
    query: &Query,
    application: Option<ApplicationId>,
    source: Option<Arc<Source>>,
) -> Result<HttpResponse, ApiError> {
    let source = match source {
        None => named_source(&call, query)?,
        found => found,
    };
    let whose = application.or(source.as_ref().map(|source| source.application));
    let endpoint = endpoint(&call, query, whose)?;
    let names = message::content_filter(query)?;
    let requests = query.flag("requests", false)?;
    let filter = filter(query)?;
    if requests {
        let alone = "goes with messages, not with requests";
        for name in ["filter", "endpoint", "channel", "tag"] {
            if query.text(name).is_some() {
                return Err(wrong(name, alone));
            }
        }
        if source.is_none() {
            return Err(wrong("requests", "goes with a source"));
        }
    }
    let wanted = Wanted {
        whose: endpoint.as_ref().map(|endpoint| endpoint.application).or(whose),
        filter,
        names,
        source: source.map(|source| source.id),
        endpoint,
        requests,
        with_content: query.flag("with_content", false)?,
        original: original(&call, query)?,
        all_headers: call.changes_everything().is_ok(),
        redaction: call.redaction(),
        scripts: Arc::clone(&call.shared.state.scripts),
        clock: Arc::clone(&call.shared.state.clock),
        names_of_headers: call.shared.state.config.delivery.headers,
    };
    let follow = query.flag("follow", true)?;
    // Before the end is looked for: what comes behind it wakes.
    let follower = call.store().follower();
    let position = position(&call, query)?;
    live_stream::start(call, wanted, follower, position, follow)
}

fn named_source(call: &Call, query: &Query) -> Result<Option<Arc<Source>>, ApiError> {
    let Some(name) = query.text("source") else { return Ok(None) };
    let found = match call.caller.scope {
        Scope::Everything(_) => call.store().source(&SourceReference::read(call.ids(), name)),
        // Sources are the operator's.
        Scope::Application(_) => None,
    };
    found.map(Some).ok_or_else(|| wrong("source", "names no source"))
}

fn endpoint(
    call: &Call,
    query: &Query,
    whose: Option<ApplicationId>,
) -> Result<Option<Arc<Endpoint>>, ApiError> {
    let Some(name) = query.text("endpoint") else { return Ok(None) };
    let store = call.store();
    let found = match (EndpointReference::read(call.ids(), name), whose) {
        (reference, Some(application)) => store.endpoint(application, &reference),
        (EndpointReference::Id(id), None) => store.endpoint_by_id(id).map(|(_, found)| found),
        (EndpointReference::Name(_), None) => {
            let words = "is named by its id here: a uid is known at /app/{app}/live alone";
            return Err(wrong("endpoint", words));
        }
    };
    found.map(Some).ok_or_else(|| wrong("endpoint", "names no endpoint"))
}

fn filter(query: &Query) -> Result<Option<Filter>, ApiError> {
    let Some(text) = query.text("filter") else { return Ok(None) };
    let parsed = Filter::parse_text(text);
    parsed.map(Some).map_err(|error| wrong("filter", &format!("is no filter: {error}")))
}

/// Whether bytes are sent as they are, whatever is not shown elsewhere.
fn original(call: &Call, query: &Query) -> Result<bool, ApiError> {
    let wanted = query.flag("original", false)?;
    // As where a consumer reads: whoever may change an endpoint could have all of it delivered.
    let needed = Capability::ManageEndpoint;
    if wanted && !call.caller.capabilities.allow(needed) {
        return Err(ApiError::Lacks(needed.name()));
    }
    Ok(wanted)
}

/// Behind which the stream begins: the last event that came, or what is asked for, or the end.
fn position(call: &Call, query: &Query) -> Result<MessageId, ApiError> {
    let shown = call.store().shown();
    let last = call.request.headers().get(LAST_EVENT_ID).filter(|value| !value.is_empty());
    if let Some(last) = last {
        let id = last.to_str().ok().and_then(|text| call.ids().parse(text));
        let id: Option<MessageId> = id;
        let words = "is no id of an event that this relay has sent";
        return id
            .map(|id| id.min(shown))
            .ok_or_else(|| ApiError::invalid(&["header", LAST_EVENT_ID], words));
    }
    let Some(text) = query.text("after") else { return Ok(shown) };
    if let Some(id) = call.ids().parse(text) {
        return Ok(MessageId::min(id, shown));
    }
    match query.time("after") {
        Ok(Some(time)) => Ok(position_at(time, call.store().now()).min(shown)),
        _ => {
            let words = "is the id of a message or an event, or a time such as \
                         2026-11-21T00:00:00Z";
            Err(wrong("after", words))
        }
    }
}
