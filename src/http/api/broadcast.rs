//! `/msg/broadcast`: one message to every application.

use actix_web::HttpResponse;

use super::application::unexpected;
use super::call::Call;
use super::message_in;
use super::schema;
use super::task::TaskOut;
use crate::domain::operational::HIDDEN;
use crate::http::error::ApiError;
use crate::store::Reply;

/// Accepts the message and begins the task that copies it; the answer means that both are on disk.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let body = call.body().await?;
    let kept = call.shared.state.config.retention.max_age;
    let clock = &call.shared.state.clock;
    let parts = message_in::read(&body, kept, clock.now().max(clock.wall()))?;
    if let Some(payload) = parts.payload() {
        schema::check(&call, payload).await?;
    }
    let begun = call
        .accept_once(&body, move |transaction| {
            Ok(Reply::Task(Box::new(transaction.broadcast(parts.of(HIDDEN))?)))
        })
        .await?;
    let Reply::Task(task) = &begun.reply else { return Err(unexpected(&begun.reply)) };
    Ok(HttpResponse::Accepted().json(TaskOut::begun(call.ids(), task)))
}
