//! `/sealing-key`: which keys secrets are sealed with on disk, by id, and another key for them.

use actix_web::HttpResponse;
use serde::Serialize;

use super::application::unexpected;
use super::call::Call;
use super::task::TaskOut;
use crate::domain::id::Ids;
use crate::http::error::ApiError;
use crate::store::{KeyOrigin, PreviousKey, Reply, Sealing};

/// SealingKeyOut.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SealingKeyOut {
    id: String,
    origin: &'static str,
    resealed: bool,
    task_id: Option<String>,
    previous_keys: Vec<PreviousKeyOut>,
    needed_through_segment: Option<u32>,
    oldest_segment: u32,
}

#[derive(Serialize)]
struct PreviousKeyOut {
    id: String,
    origin: &'static str,
    needed: bool,
}

fn origin(is_configured: bool) -> &'static str {
    if is_configured { "configuration" } else { "data folder" }
}

impl SealingKeyOut {
    fn new(ids: &Ids, sealing: &Sealing) -> SealingKeyOut {
        let previous = |key: &PreviousKey| PreviousKeyOut {
            id: key.id.to_string(),
            origin: origin(key.configured),
            needed: key.needed,
        };
        SealingKeyOut {
            id: sealing.current.to_string(),
            origin: origin(sealing.origin == KeyOrigin::Configuration),
            resealed: sealing.resealed,
            task_id: sealing.task.map(|task| ids.text(task)),
            previous_keys: sealing.previous.iter().map(previous).collect(),
            needed_through_segment: sealing.needed_through,
            oldest_segment: sealing.oldest_segment,
        }
    }
}

/// The keys by id, and which of them are needed.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let shown = |sealing: Sealing, ids: &Ids| SealingKeyOut::new(ids, &sealing);
    let out = call.read(move |store| Ok(shown(store.sealing(), store.ids()))).await?;
    Ok(HttpResponse::Ok().json(out))
}

/// Begins to seal everything with another key, or goes on where that was not finished.
pub(super) async fn rotate(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let body = call.body().await?;
    // Nothing in it is known, but it must be what it says it is.
    let _: serde::de::IgnoredAny = body.json_or_empty()?;
    let begun = call
        .write_once(&body, |transaction| {
            Ok(Reply::Task(Box::new(transaction.rotate_sealing_key()?)))
        })
        .await?;
    let Reply::Task(task) = &begun.reply else { return Err(unexpected(&begun.reply)) };
    Ok(HttpResponse::Accepted().json(TaskOut::begun(call.ids(), task)))
}
