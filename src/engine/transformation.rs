//! An endpoint's transformation, applied to the request of one attempt.

use bytes::Bytes;

use crate::domain::endpoint::{Endpoint, Transformation};
use crate::domain::endpoint_url::parse_endpoint_url;
use crate::domain::received::Head;
use crate::domain::redact::Redaction;
use crate::domain::transform::{Context, Failure, Outgoing, Ran};
use crate::engine::script::Scripts;
use crate::store::{Store, StoreError, StoredMessage};

/// How a delivery is made, and what it is called by, unless a transformation says otherwise.
pub const POST: &str = "POST";
/// Names who sends.
pub const AGENT: &str = "user-agent";
/// The uid or id of the source that a message came to.
const SOURCE: &str = "relay-source";
/// Whether the provider's signature was verified: `true` or `false`.
const VERIFIED: &str = "relay-verified";
/// Names the body's type; the rest of the headers is passed on beside it.
const CONTENT_TYPE: &str = "content-type";

/// A request before it is signed.
pub struct Unsigned {
    /// `POST`.
    pub method: String,
    /// Where to, normalised.
    pub url: String,
    /// Of the body.
    pub content_type: String,
    /// What a provider sent with it, and what a transformation sets.
    pub headers: Vec<(String, String)>,
    /// What is signed.
    pub body: Bytes,
}

/// What a transformation made of it.
pub struct Transformed {
    /// What is to be sent; `None` when it was dropped.
    pub result: Result<Option<Unsigned>, Failure>,
    /// A line for each that it wrote, `warn: …`.
    pub console: Vec<String>,
}

/// The request of a message to an endpoint, as the endpoint's transformation leaves it; takes as
/// long as its script may.
pub fn request(
    store: &Store,
    scripts: &Scripts,
    endpoint: &Endpoint,
    stored: &StoredMessage,
) -> Result<Transformed, StoreError> {
    request_shown(store, scripts, endpoint, stored, &Redaction::default())
}

/// The request that would be made if the message were what is shown of it: whatever comes out of
/// the transformation, nothing that is hidden is in it.
pub fn request_shown(
    store: &Store,
    scripts: &Scripts,
    endpoint: &Endpoint,
    stored: &StoredMessage,
    redaction: &Redaction,
) -> Result<Transformed, StoreError> {
    let message = &stored.message;
    let head = stored.head.as_ref().map(|head| store.head(head)).transpose()?;
    let head = head.map(|head| redaction.head(head));
    let body = shown(redaction, store.body(&stored.body)?);
    let mut headers = head.as_ref().map(Head::passed_on).unwrap_or_default();
    if let Some(origin) = &message.origin {
        headers.push((SOURCE.to_owned(), origin.name.clone()));
        headers.push((VERIFIED.to_owned(), origin.verified.to_string()));
    }
    let agent = head.as_ref().and_then(Head::user_agent);
    headers.extend(agent.map(|agent| (AGENT.to_owned(), agent.to_owned())));
    let request = Unsigned {
        method: POST.to_owned(),
        url: endpoint.url.clone(),
        content_type: message.content_type.clone(),
        headers,
        body,
    };
    let transformation = endpoint.transformation.as_ref().filter(|held| held.enabled);
    let Some(held) = transformation else {
        return Ok(Transformed { result: Ok(Some(request)), console: Vec::new() });
    };
    let ids = store.ids();
    let context = Context {
        message_id: ids.text(message.id),
        event_type: message.event_type.clone(),
        source: message.origin.as_ref().map(|origin| origin.name.clone()),
        verified: message.origin.as_ref().is_some_and(|origin| origin.verified),
        endpoint_id: ids.text(endpoint.id),
        application_id: ids.text(message.application),
        timestamp_ms: message.id.time().millis(),
        env: held.variables.clone(),
        path: head.as_ref().map(|head| head.path.clone()).unwrap_or_default(),
        query: head.as_ref().map(|head| head.query.clone()).unwrap_or_default(),
    };
    Ok(apply(scripts, held, request, &context))
}

fn shown(redaction: &Redaction, body: Bytes) -> Bytes {
    match redaction.is_off() {
        true => body,
        false => Bytes::from(redaction.body(&body).into_owned()),
    }
}

/// Applies a transformation; takes as long as its script may.
fn apply(
    scripts: &Scripts,
    transformation: &Transformation,
    request: Unsigned,
    context: &Context,
) -> Transformed {
    let mut headers = vec![(CONTENT_TYPE.to_owned(), request.content_type)];
    headers.extend(request.headers);
    let outgoing =
        Outgoing { method: request.method, url: request.url, headers, body: request.body.to_vec() };
    let Ran { result, console, console_left_out } =
        scripts.apply(&transformation.transform, &outgoing, context);
    let mut lines: Vec<String> =
        console.iter().map(|line| format!("{}: {}", line.level.name(), line.text)).collect();
    if console_left_out > 0 {
        lines.push(format!("({console_left_out} more lines are not kept)"));
    }
    let result =
        result.and_then(|changed| changed.map(|made| unsigned(made, request.body)).transpose());
    Transformed { result, console: lines }
}

fn unsigned(made: Outgoing, before: Bytes) -> Result<Unsigned, Failure> {
    let url = parse_endpoint_url(&made.url)
        .map_err(|error| Failure::BadResult(format!("the URL {:?}: {error}", made.url)))?;
    let content_type = made.header(CONTENT_TYPE).unwrap_or("application/octet-stream").to_owned();
    let is_type = |name: &str| name.eq_ignore_ascii_case(CONTENT_TYPE);
    let bodiless = matches!(made.method.as_str(), "GET" | "DELETE");
    let body = match made.body {
        _ if bodiless => Bytes::new(),
        body if body == before => before,
        body => Bytes::from(body),
    };
    Ok(Unsigned {
        url: url.to_string(),
        content_type,
        headers: made.headers.into_iter().filter(|(name, _)| !is_type(name)).collect(),
        method: made.method,
        body,
    })
}
