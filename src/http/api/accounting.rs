//! `/stats/accounting`: whether every delivery stands in exactly one state.

use actix_web::HttpResponse;
use serde::Serialize;

use super::call::Call;
use crate::http::error::ApiError;

#[derive(Serialize)]
struct AccountingOut {
    accepted: u64,
    deliveries: u64,
    delivered: u64,
    dead: u64,
    cancelled: u64,
    waiting: u64,
    retrying: u64,
    holds: bool,
}

/// Counts all kept messages and their deliveries; for operators, since it reads every row.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let account = call.read(|store| Ok(store.account())).await?;
    Ok(HttpResponse::Ok().json(AccountingOut {
        accepted: account.accepted,
        deliveries: account.deliveries,
        delivered: account.delivered,
        dead: account.dead,
        cancelled: account.cancelled,
        waiting: account.waiting,
        retrying: account.retrying,
        holds: account.holds(),
    }))
}
