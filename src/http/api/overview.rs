//! `/stats/overview`: how the relay stands at this moment, on one page.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::Value;

use super::call::Call;
use super::figures::CountedOut;
use super::page;
use crate::domain::figures::Period;
use crate::engine::alert::{Firing, firing};
use crate::engine::scheduler::Standing;
use crate::http::error::ApiError;
use crate::http::server::Shared;
use crate::store::Store;

/// How long the scheduler may take to answer; without an answer nothing is said of lanes.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Troubles that are shown at most.
const ALERTS_MAX: usize = 50;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OverviewOut {
    version: &'static str,
    started_at: String,
    now: String,
    ready: bool,
    reasons: BTreeMap<&'static str, String>,
    accepting: bool,
    refusal: Option<String>,
    waiting: u64,
    oldest_waiting: Option<String>,
    in_flight: Option<usize>,
    parked_endpoints: Option<usize>,
    failing_endpoints: u64,
    disabled_endpoints: u64,
    dead_letters: u64,
    applications: u64,
    endpoints: u64,
    sources: u64,
    disk: DiskOut,
    alerts_firing: Vec<FiringOut>,
    alerts_firing_count: usize,
    last_hour: CountedOut,
    since_start: CountedOut,
}

#[derive(Serialize)]
struct DiskOut {
    used: u64,
    cap: u64,
    free: Option<u64>,
}

#[derive(Serialize)]
struct FiringOut {
    condition: &'static str,
    since: String,
    words: String,
    subject: Value,
    alerts: Vec<String>,
}

impl From<Firing> for FiringOut {
    fn from(firing: Firing) -> FiringOut {
        FiringOut {
            condition: firing.condition.name(),
            since: firing.since.to_string(),
            words: firing.words,
            subject: firing.subject,
            alerts: firing.alerts,
        }
    }
}

/// How it stands; for operators.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let shared = call.shared.clone();
    call.read(move |store| page::encode(&overview(&shared, store))).await.map(page::ok)
}

fn overview(shared: &Shared, store: &Store) -> OverviewOut {
    let state = &shared.state;
    let standing = state.scheduler.standing(PATIENCE);
    let lanes = |count: fn(&Standing) -> usize| standing.as_ref().map(|standing| count(standing));
    let oldest = standing.as_ref().and_then(|standing| standing.oldest_due);
    let (census, refusal, reasons) = (store.census(), store.refuses(), state.readiness.reasons());
    let (alerts, alerts_firing_count) =
        firing(store, &state.in_force.config().declared_alerts, ALERTS_MAX);
    OverviewOut {
        version: env!("CARGO_PKG_VERSION"),
        started_at: shared.started_at.to_string(),
        now: store.now().to_string(),
        ready: reasons.is_empty(),
        reasons,
        accepting: refusal.is_none(),
        refusal,
        waiting: store.waiting_deliveries(),
        oldest_waiting: oldest.map(|due| due.to_string()),
        in_flight: lanes(|standing| standing.load.in_flight),
        parked_endpoints: lanes(|standing| standing.load.parked),
        failing_endpoints: census.failing,
        disabled_endpoints: census.disabled,
        dead_letters: store.dead_letter_count(),
        applications: census.applications,
        endpoints: census.endpoints,
        sources: census.sources,
        disk: DiskOut {
            used: store.used_bytes(),
            cap: state.config.retention.max_bytes.0,
            free: store.free_bytes().ok(),
        },
        alerts_firing: alerts.into_iter().map(FiringOut::from).collect(),
        alerts_firing_count,
        last_hour: (&state.minutes.points(Period::Hour).total()).into(),
        since_start: (&state.minutes.counted()).into(),
    }
}
