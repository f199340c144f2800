//! The attempts at an endpoint as the points of a chart, counted from their list.

use actix_web::HttpResponse;
use serde::Serialize;

use super::call::Call;
use super::figures::{SLOW, USUAL, period};
use super::page;
use crate::domain::delivery::{Attempt, Outcome};
use crate::domain::figures::{Counted, Points};
use crate::http::error::ApiError;

/// Attempts that are counted at most, the newest.
const ATTEMPTS_MAX: usize = 50_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CountedOut {
    delivered: u64,
    failed: u64,
    #[serde(rename = "latencyP50Ms")]
    latency_p50_ms: Option<u64>,
    #[serde(rename = "latencyP99Ms")]
    latency_p99_ms: Option<u64>,
}

impl From<&Counted> for CountedOut {
    fn from(counted: &Counted) -> CountedOut {
        CountedOut {
            delivered: counted.delivered,
            failed: counted.failed,
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
    complete: bool,
    since: String,
}

/// Counts the attempts within the last hour, day or week.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    let period = period(&call.query()?)?;
    let history = call.read(move |store| {
        let now = store.now();
        let (begin, mut points) = (period.begin(now), Points::new(period, now));
        let cut = store.attempts_since(endpoint.id, begin, ATTEMPTS_MAX, &mut |attempt| {
            if let Some(point) = points.at(attempt.id.time()) {
                count(point, attempt);
            }
        });
        let shown = points.each();
        page::encode(&HistoryOut {
            period: period.name(),
            step_seconds: period.step().as_secs(),
            points: shown
                .map(|(at, counted)| PointOut { at: at.to_string(), counted: counted.into() })
                .collect(),
            total: (&points.total()).into(),
            complete: cut.is_none(),
            since: cut.unwrap_or(begin).to_string(),
        })
    });
    history.await.map(page::ok)
}

fn count(point: &mut Counted, attempt: &Attempt) {
    match attempt.outcome {
        Outcome::Delivered => {
            point.delivered += 1;
            point.latency.record(attempt.duration_ms);
        }
        // Its transformation said that there was nothing to send.
        Outcome::Dropped => {}
        _ => point.failed += 1,
    }
}
