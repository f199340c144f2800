//! `/listener/{listener}` and `/app/{app}/listener/{listener}`: where programs go on that follow
//! what is accepted, kept here so that they may end and go on elsewhere.

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::limits;
use crate::domain::id::{ApplicationId, Ids, MessageId};
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::store::{Listener, Reply, position_at};

/// A listener as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListenerOut {
    name: String,
    position: String,
    updated_at: String,
}

impl ListenerOut {
    fn new(ids: &Ids, listener: Listener) -> ListenerOut {
        ListenerOut {
            position: ids.text(listener.position),
            name: listener.name,
            updated_at: listener.updated_at.to_string(),
        }
    }
}

#[derive(Deserialize)]
struct ListenerIn {
    position: String,
}

/// Whose it is: the application's in the path, or the operators'.
fn owner(call: &Call) -> Result<Option<ApplicationId>, ApiError> {
    if call.request.match_info().get("app").is_some() {
        return Ok(Some(call.application()?.id));
    }
    call.sees_everything()?;
    Ok(None)
}

fn name(call: &Call) -> Result<String, ApiError> {
    let name = call.parameter("listener");
    if limits::is_reference(name) { Ok(name.to_owned()) } else { Err(ApiError::not_found()) }
}

/// All of the operators'.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let found = call
        .read(|store| {
            let listeners = store.listeners(None).into_iter();
            Ok(listeners.map(|held| ListenerOut::new(store.ids(), held)).collect::<Vec<_>>())
        })
        .await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "data": found })))
}

/// Where one goes on.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let (owner, name) = (owner(&call)?, name(&call)?);
    let found = call
        .read(move |store| {
            let held = store.listener(owner, &name).ok_or_else(ApiError::not_found)?;
            Ok(ListenerOut::new(store.ids(), held))
        })
        .await?;
    Ok(HttpResponse::Ok().json(found))
}

/// Has one go on there: forward, as what it has done, or back, to do it again.
pub(super) async fn put(mut call: Call) -> Result<HttpResponse, ApiError> {
    let (owner, name) = (owner(&call)?, name(&call)?);
    let body = call.body().await?;
    let input: ListenerIn = body.json()?;
    let time = || {
        let time = Timestamp::parse_rfc3339(&input.position)?;
        Some(position_at(time, call.store().now()))
    };
    let position: Option<MessageId> = call.ids().parse(&input.position).or_else(time);
    let position = position.ok_or_else(|| {
        let words = "is the id of an event or a message, or a time such as 2026-11-21T00:00:00Z";
        ApiError::invalid(&["body", "position"], words)
    })?;
    let named = name.clone();
    // A reader that goes on is no entry of the audit log.
    let moved = call.store().write(None, move |transaction| {
        transaction.set_listener(owner, &name, position)?;
        Ok(Reply::Done)
    });
    moved.await?;
    let updated_at = call.store().now();
    let held = Listener { name: named, position, updated_at };
    Ok(HttpResponse::Ok().json(ListenerOut::new(call.ids(), held)))
}

/// Forgets one.
pub(super) async fn delete(call: Call) -> Result<HttpResponse, ApiError> {
    let (owner, name) = (owner(&call)?, name(&call)?);
    call.write(move |transaction| {
        transaction.forget_listener(owner, &name)?;
        Ok(Reply::Done)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}
