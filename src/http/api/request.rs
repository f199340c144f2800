//! `/source/{source}/request`: what came to a source, with its verdict, and what was refused made
//! messages after all.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::limits::{self, UID_MAX};
use super::page;
use super::query::wrong;
use crate::domain::headers::{REDACTED, is_sensitive_header};
use crate::domain::id::{Ids, RequestId};
use crate::domain::received::{Head, ReceivedRequest, Verdict};
use crate::domain::redact::Redaction;
use crate::domain::source::Source;
use crate::engine::intake::ReleaseError;
use crate::http::error::ApiError;
use crate::store::{
    Reference, Refusal, RequestFilter, Store, StoreError, StoredRequest, WriteError,
};

/// Requests that one call looks at again.
const RELEASE_MAX: usize = 200;
const VERDICTS: [&str; 6] = ["accepted", "duplicate", "held", "inspected", "handshake", "refused"];

/// A request as lists show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestOut<'a> {
    id: String,
    timestamp: String,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate_of: Option<String>,
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msg_id: Option<String>,
}

impl<'a> RequestOut<'a> {
    fn new(ids: &Ids, request: &'a ReceivedRequest) -> RequestOut<'a> {
        let (reason, detail) = match &request.verdict {
            Verdict::Refused { code, why } => (Some(code.as_str()), Some(why.as_str())),
            _ => (None, None),
        };
        let duplicate_of = match request.verdict {
            Verdict::Duplicate(of) => Some(ids.text(of)),
            _ => None,
        };
        RequestOut {
            id: ids.text(request.id),
            timestamp: request.id.time().to_string(),
            verdict: request.verdict.word(),
            reason,
            detail,
            duplicate_of,
            event_type: &request.event_type,
            event_id: request.event_id.as_deref(),
            app_id: request.message.map(|(application, _)| ids.text(application)),
            msg_id: request.message.map(|(_, message)| ids.text(message)),
        }
    }
}

/// One with its bytes.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    request: RequestOut<'a>,
    #[serde(flatten)]
    content: Content,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", untagged)]
enum Content {
    /// As it came.
    #[serde(rename_all = "camelCase")]
    Here {
        method: String,
        path: String,
        query: String,
        headers: Vec<(String, String)>,
        ip: Option<std::net::IpAddr>,
        #[serde(flatten)]
        body: BodyOut,
    },
    /// Expunged, or gone for its age.
    Gone { expired: bool },
}

/// Text where it is any.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum BodyOut {
    Body(String),
    BodyBase64(String),
}

/// Requests, newest first.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let source = call.source()?;
    let query = call.query()?;
    let request = page::request(&query, call.ids(), true)?;
    let verdict = query.text("verdict").map(str::to_owned);
    if verdict.as_ref().is_some_and(|word| !VERDICTS.contains(&word.as_str())) {
        return Err(wrong("verdict", &format!("is one of {}", VERDICTS.join(", "))));
    }
    if let Some(name) = query.text("event_type") {
        limits::event_type(name).map_err(|rule| wrong("event_type", &rule))?;
    }
    if let Some(id) = query.text("event_id") {
        limits::text(id, 1, UID_MAX).map_err(|rule| wrong("event_id", &rule))?;
    }
    let filter = RequestFilter {
        verdict,
        event_type: query.text("event_type").map(str::to_owned),
        event_id: query.text("event_id").map(str::to_owned),
    };
    call.read(move |store| {
        let page = store.list_requests(source.id, &filter, &request);
        let name = |stored: &StoredRequest| stored.request.id;
        page::json(store.ids(), &request, page, name, |stored| {
            let shown = RequestOut::new(store.ids(), &stored.request);
            serde_json::to_value(shown).map_err(|error| ApiError::Internal(error.to_string()))
        })
    })
    .await
    .map(page::ok)
}

/// One with its bytes.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let (source, id) = named(&call)?;
    let redaction = call.redaction();
    call.read(move |store| {
        let stored = store.request(source.id, id).ok_or_else(ApiError::not_found)?;
        let content = content(store, &redaction, &stored)?;
        page::encode(&Whole { request: RequestOut::new(store.ids(), &stored.request), content })
    })
    .await
    .map(page::ok)
}

/// A request as a live stream shows it.
pub(super) fn shown(
    store: &Store,
    redaction: &Redaction,
    stored: &StoredRequest,
    with_content: bool,
) -> serde_json::Value {
    let request = RequestOut::new(store.ids(), &stored.request);
    let content = match with_content {
        true => content(store, redaction, stored).ok(),
        false => None,
    };
    let shown = match content {
        Some(content) => serde_json::to_value(Whole { request, content }),
        None => serde_json::to_value(request),
    };
    shown.expect("invariant: keys are text")
}

fn named(call: &Call) -> Result<(Arc<Source>, RequestId), ApiError> {
    let source = call.source()?;
    match call.reference("request")? {
        Reference::Id(id) => Ok((source, id)),
        Reference::Name(_) => Err(ApiError::not_found()),
    }
}

/// A header that is a credential itself is not shown.
fn redacted((name, value): (String, String)) -> (String, String) {
    let value = if is_sensitive_header(&name) { REDACTED.to_owned() } else { value };
    (name, value)
}

fn content(
    store: &Store,
    redaction: &Redaction,
    stored: &StoredRequest,
) -> Result<Content, ApiError> {
    let read = store.head(&stored.head).and_then(|head| Ok((head, store.body(&stored.body)?)));
    match read {
        Ok((head, body)) => Ok(content_shown(redaction.head(head), &redaction.body(&body))),
        Err(StoreError::Expunged) => Ok(Content::Gone { expired: true }),
        Err(error) => Err(error.into()),
    }
}

fn content_shown(head: Head, body: &[u8]) -> Content {
    Content::Here {
        method: head.method,
        path: head.path,
        query: head.query,
        headers: head.headers.into_iter().map(redacted).collect(),
        ip: head.peer,
        body: match std::str::from_utf8(body) {
            Ok(text) => BodyOut::Body(text.to_owned()),
            Err(_) => BodyOut::BodyBase64(STANDARD.encode(body)),
        },
    }
}

#[derive(Deserialize, Default)]
struct ReleaseIn {
    /// Whatever its verdict is.
    #[serde(default)]
    anyway: bool,
}

/// Verifies one again and makes it a message; with `anyway`, one that is refused or a duplicate.
pub(super) async fn release(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    call.source()?;
    let body = call.body().await?;
    let ReleaseIn { anyway } = body.json_or_empty()?;
    let (source, id) = named(&call)?;
    call.check_key(&body)?;
    let ids = call.ids().clone();
    let intake = call.shared.state.intake.clone();
    let note = Some(call.note());
    let released = web::block(move || intake.release(&source, id, anyway, note)).await;
    let released = released.map_err(|_| ApiError::Busy("the relay is stopping".to_owned()))?;
    let request = released.map_err(ApiError::from)?;
    if request.message.is_some() {
        call.shared.state.metrics.messages_accepted.inc();
    }
    Ok(HttpResponse::Ok().json(RequestOut::new(&ids, &request)))
}

/// Verifies what was refused again, oldest first; what passes becomes messages.
pub(super) async fn release_all(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let source = call.source()?;
    let body = call.body().await?;
    let input: ReleaseAllIn = body.json_or_empty()?;
    call.check_key(&body)?;
    let ids = call.ids().clone();
    let after = match &input.iterator {
        None => None,
        Some(text) => Some(ids.parse(text).ok_or_else(|| {
            ApiError::invalid(&["body", "iterator"], "is none that this call has given")
        })?),
    };
    let (intake, store) = (call.shared.state.intake.clone(), call.store().clone());
    let note = call.note();
    let looked = web::block(move || {
        let waiting = store.waiting_requests(source.id, after, RELEASE_MAX);
        if !waiting.is_empty() {
            store.note(note)?;
        }
        let (mut released, mut refused, mut duplicates) = (0, 0, 0);
        for id in &waiting {
            match intake.release(&source, *id, false, None) {
                Ok(request) if request.message.is_some() => released += 1,
                Ok(_) => duplicates += 1,
                // Somebody else released or expunged it meanwhile.
                Err(ReleaseError::Write(WriteError::Refused(
                    Refusal::NotFound | Refusal::Conflict(_),
                ))) => {}
                Err(ReleaseError::Write(error)) => return Err(ApiError::from(error)),
                Err(_) => refused += 1,
            }
        }
        let done = waiting.len() < RELEASE_MAX;
        let iterator = waiting.last().map(|id| store.ids().text(*id));
        Ok(json!({
            "released": released, "duplicates": duplicates, "refused": refused,
            "iterator": iterator, "done": done,
        }))
    });
    let told = looked.await.map_err(|_| ApiError::Busy("the relay is stopping".to_owned()))??;
    let released = told["released"].as_u64().unwrap_or(0);
    call.shared.state.metrics.messages_accepted.inc_by(released);
    Ok(HttpResponse::Ok().json(told))
}

#[derive(Deserialize, Default)]
struct ReleaseAllIn {
    iterator: Option<String>,
}

impl From<ReleaseError> for ApiError {
    fn from(error: ReleaseError) -> ApiError {
        match error {
            ReleaseError::Content(StoreError::Expunged) => {
                ApiError::Conflict("the bytes of this request are gone".to_owned())
            }
            ReleaseError::Content(error) => error.into(),
            ReleaseError::Refused(reason) => ApiError::Conflict(format!(
                "it is refused still: {reason}; \"anyway\": true takes it all the same"
            )),
            ReleaseError::Write(error) => error.into(),
        }
    }
}
