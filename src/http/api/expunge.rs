//! Content that is deleted for good, from the disk too; the message and its attempts stay.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::json;

use super::call::Call;
use super::limits::{Problems, is_reference};
use super::replay::start;
use crate::domain::id::{AttemptKind, RequestKind};
use crate::domain::task::Work;
use crate::http::error::ApiError;
use crate::store::{MessageReference, Reference, Reply};

/// Messages expunged by one call at most.
const BULK_MAX: usize = 1_000;

/// Row 25: the payload of a message, and what its attempts sent and were answered; what waits to be
/// sent of it is cancelled. Answers when the bytes are overwritten.
pub(super) async fn message(call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let application = call.application()?;
    let stored = call.message(&application)?;
    let note = call.note();
    call.read(move |store| Ok(store.expunge_whole(stored, Some(note))?)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Row 30: what was sent and answered in an attempt.
pub(super) async fn attempt(call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let application = call.application()?;
    let stored = call.message(&application)?;
    let Reference::Id(attempt) = call.reference::<AttemptKind>("attempt")? else {
        return Err(ApiError::not_found());
    };
    let note = call.note();
    call.read(move |store| {
        store.expunge(move |transaction| {
            transaction.expunge_attempt(attempt, &stored.message)?;
            transaction.note(note);
            Ok(Reply::Done)
        })?;
        Ok(())
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What came to a source; where it is a message, that one's payload too.
pub(super) async fn request(call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let source = call.source()?;
    let Reference::Id(request) = call.reference::<RequestKind>("request")? else {
        return Err(ApiError::not_found());
    };
    let mut note = Some(call.note());
    call.read(move |store| {
        let stored = store.request(source.id, request).ok_or_else(ApiError::not_found)?;
        let message = stored
            .request
            .message
            .and_then(|(application, message)| store.message(application, &Reference::Id(message)));
        if let Some(message) = message {
            store.expunge_whole(message, note.take())?;
        }
        store.expunge(move |transaction| {
            transaction.expunge_request(source.id, request)?;
            note.into_iter().for_each(|note| transaction.note(note));
            Ok(Reply::Done)
        })?;
        Ok(())
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize)]
struct ExpungeIn {
    ids: Option<Vec<String>>,
}

/// The payloads of these messages, by id or event id.
pub(super) async fn bulk(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let application = call.application()?;
    let body = call.body().await?;
    let names = body.json_or_empty::<ExpungeIn>()?.ids.unwrap_or_default();
    let mut problems = Problems::default();
    if !(1..=BULK_MAX).contains(&names.len()) {
        problems.add(&["ids"], format!("must have 1 to {BULK_MAX} items"));
    }
    problems.finish()?;
    let mut note = Some(call.note());
    call.read(move |store| {
        let mut results = BTreeMap::new();
        let mut found = Vec::new();
        for name in names {
            let reference = MessageReference::read(store.ids(), &name);
            let known = is_reference(&name).then(|| store.message(application.id, &reference));
            let known = known.flatten();
            results.insert(name, if known.is_some() { "expunged" } else { "not-found" });
            found.extend(known);
        }
        found.into_iter().try_for_each(|stored| store.expunge_whole(stored, note.take()))?;
        Ok(json!({ "results": results }))
    })
    .await
    .map(|shown| HttpResponse::Ok().json(shown))
}

/// The payload of every message of an application, in the background.
pub(super) async fn all(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let application = call.application()?;
    let body = call.body().await?;
    let _: serde::de::IgnoredAny = body.json_or_empty()?;
    start(&call, &body, Work::PurgeContent { application: application.id }).await
}
