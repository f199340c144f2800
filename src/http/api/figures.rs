//! `/stats/history`: what was counted, as the points of a chart.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::call::Call;
use super::query::{Query, wrong};
use crate::domain::figures::{Counted, Period, Points};
use crate::domain::time::Timestamp;
use crate::engine::minutes::Minutes;
use crate::http::error::ApiError;

/// The share of deliveries that were not slower.
pub const USUAL: f64 = 0.5;
/// The same for all but a hundredth.
pub const SLOW: f64 = 0.99;

/// What happened within a time.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CountedOut {
    accepted: u64,
    received: u64,
    delivered: u64,
    failed: u64,
    dead: u64,
    #[serde(rename = "latencyP50Ms")]
    latency_p50_ms: Option<u64>,
    #[serde(rename = "latencyP99Ms")]
    latency_p99_ms: Option<u64>,
}

impl From<&Counted> for CountedOut {
    fn from(counted: &Counted) -> CountedOut {
        CountedOut {
            accepted: counted.accepted,
            received: counted.received,
            delivered: counted.delivered,
            failed: counted.failed,
            dead: counted.dead,
            latency_p50_ms: counted.latency.quantile(USUAL),
            latency_p99_ms: counted.latency.quantile(SLOW),
        }
    }
}

#[derive(Serialize)]
struct PointOut {
    at: String,
    #[serde(flatten)]
    counted: CountedOut,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HistoryOut {
    period: &'static str,
    step_seconds: u64,
    points: Vec<PointOut>,
    total: CountedOut,
}

/// Reads `period`, an hour when none is given.
pub fn period(query: &Query) -> Result<Period, ApiError> {
    match query.text("period") {
        None => Ok(Period::Hour),
        Some(word) => Period::named(word).ok_or_else(|| wrong("period", "is hour, day or week")),
    }
}

/// The points of a chart, away from the threads that serve.
pub async fn points(minutes: Minutes, period: Period) -> Result<Points, ApiError> {
    let read = web::block(move || minutes.points(period)).await;
    read.map_err(|_| ApiError::Busy("the relay is stopping".to_owned()))
}

/// What was counted within the last hour, day or week; for operators.
pub(super) async fn history(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let period = period(&call.query()?)?;
    let points = points(call.shared.state.minutes.clone(), period).await?;
    let shown = |(at, counted): (Timestamp, &Counted)| PointOut {
        at: at.to_string(),
        counted: counted.into(),
    };
    Ok(HttpResponse::Ok().json(HistoryOut {
        period: period.name(),
        step_seconds: period.step().as_secs(),
        points: points.each().map(shown).collect(),
        total: (&points.total()).into(),
    }))
}
