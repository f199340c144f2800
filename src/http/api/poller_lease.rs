//! `/app/{app}/polling-endpoint/{sink}/consumer/{consumer}`: messages handed out to one caller at a
//! time, and committed by their offsets.

use std::time::Duration;

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::limits::{LEASE_DEFAULT, LEASE_MAX};
use super::page;
use super::poller::{PolledMessageOut, consumer, limit, own_headers, shown, sink};
use super::query::{Query, wrong};
use crate::http::error::ApiError;
use crate::store::StartingPosition;

/// PollerV2PollOut.
#[derive(Serialize)]
struct LeasedOut {
    data: Vec<LeasedMessageOut>,
    done: bool,
}

/// PollerV2MessageOut.
#[derive(Serialize)]
struct LeasedMessageOut {
    offset: u64,
    #[serde(flatten)]
    message: PolledMessageOut,
}

#[derive(Deserialize)]
struct CommitIn {
    offset: u64,
}

/// Hands out the next messages; what is not committed when the lease is over comes again.
pub(super) async fn poll(call: Call) -> Result<HttpResponse, ApiError> {
    let endpoint = sink(&call)?;
    let consumer = consumer(&call)?;
    let query = call.query()?;
    let (limit, lease, start) = (limit(&query)?, lease(&query)?, starting_position(&query)?);
    let own = own_headers(&endpoint);
    call.read(move |store| {
        let leased = store.lease(&endpoint, &consumer, limit, lease, start)?;
        let data = leased.messages.iter().map(|(offset, stored)| LeasedMessageOut {
            offset: *offset,
            message: shown(store, &own, stored),
        });
        page::encode(&LeasedOut { data: data.collect(), done: leased.done })
    })
    .await
    .map(page::ok)
}

/// Everything up to the offset is done.
pub(super) async fn commit(mut call: Call) -> Result<HttpResponse, ApiError> {
    let endpoint = sink(&call)?;
    let consumer = consumer(&call)?;
    let body = call.body().await?;
    call.check_key(&body)?;
    let CommitIn { offset } = body.json()?;
    call.read(move |store| Ok(store.commit_lease(&endpoint, &consumer, offset)?)).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn lease(query: &Query) -> Result<Duration, ApiError> {
    let Some(millis) = query.number("lease_duration_ms")? else { return Ok(LEASE_DEFAULT) };
    let lease = Duration::from_millis(millis);
    if lease.is_zero() || lease > LEASE_MAX {
        let most = LEASE_MAX.as_millis();
        return Err(wrong("lease_duration_ms", &format!("must be 1 to {most}")));
    }
    Ok(lease)
}

fn starting_position(query: &Query) -> Result<StartingPosition, ApiError> {
    match query.text("starting_position") {
        None | Some("earliest") => Ok(StartingPosition::Earliest),
        Some("latest") => Ok(StartingPosition::Latest),
        Some(_) => Err(wrong("starting_position", "must be earliest or latest")),
    }
}
