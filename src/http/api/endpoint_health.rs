//! How an endpoint stands: whether its receiver takes what it is sent, and what waits for it. And a
//! list of all those that do not stand well.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use serde::Serialize;

use super::call::Call;
use super::health_words::{Status, words};
use super::overview::PATIENCE;
use super::page;
use super::query::{Query, wrong};
use crate::domain::application::Application;
use crate::domain::delivery::Attempt;
use crate::domain::endpoint::{Disabled, Endpoint};
use crate::domain::id::{EndpointId, Ids};
use crate::domain::operational::HIDDEN;
use crate::domain::time::Timestamp;
use crate::engine::driver::Handle;
use crate::engine::scheduler::LaneStanding;
use crate::http::error::ApiError;
use crate::store::{LastAttempts, Store, WaitingOf};

/// Deliveries that are counted at most, of one endpoint and of each in a list.
const WAITING_MAX: u64 = 10_000;
const LISTED_WAITING_MAX: u64 = 200;
/// Attempts that are looked at for the last success and the last failure.
const ATTEMPTS_MAX: usize = 1_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HealthOut {
    status: &'static str,
    words: String,
    waiting: WaitingOut,
    oldest_waiting: Option<String>,
    next_due: Option<String>,
    in_flight: Option<usize>,
    concurrency: Option<usize>,
    failing_since: Option<String>,
    last_success: Option<String>,
    last_failure: Option<AttemptOut>,
    next_probe: Option<String>,
    throttle: Option<ThrottleOut>,
}

#[derive(Serialize)]
struct WaitingOut {
    count: u64,
    exact: bool,
}

impl From<WaitingOf> for WaitingOut {
    fn from(waiting: WaitingOf) -> WaitingOut {
        WaitingOut { count: waiting.count, exact: waiting.exact }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptOut {
    at: String,
    outcome: &'static str,
    status_code: u16,
}

impl AttemptOut {
    /// How it ended, as whoever `sees` the whole relay is told it, or a tenant.
    fn new(attempt: &Attempt, sees: bool) -> AttemptOut {
        let outcome = if sees { attempt.outcome } else { attempt.outcome_told() };
        AttemptOut {
            at: attempt.started_at.to_string(),
            outcome: outcome.word(),
            status_code: attempt.status_code,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ThrottleOut {
    rate_per_minute: u32,
    waiting_for_ms: u64,
}

/// What is known of one endpoint at one moment.
pub(super) struct Seen {
    pub endpoint: Arc<Endpoint>,
    /// What the scheduler says, if it has a lane for it and answers.
    pub lane: Option<LaneStanding>,
    pub failing_since: Option<Timestamp>,
    pub waiting: WaitingOf,
    pub attempts: LastAttempts,
    pub now: Timestamp,
}

/// How one endpoint stands.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    let scheduler = call.shared.state.scheduler.clone();
    let sees = call.sees_everything().is_ok();
    let health = call.read(move |store| page::encode(&health(store, &scheduler, endpoint, sees)));
    health.await.map(page::ok)
}

fn health(store: &Store, scheduler: &Handle, endpoint: Arc<Endpoint>, sees: bool) -> HealthOut {
    let id = endpoint.id;
    let asked = scheduler.lane(id, PATIENCE);
    let seen = Seen {
        lane: asked.flatten(),
        failing_since: store.failing_since(id),
        waiting: store.waiting_of(id, WAITING_MAX),
        attempts: store.last_attempts(id, ATTEMPTS_MAX),
        now: store.now(),
        endpoint,
    };
    let (status, lane, now) = (Status::of(&seen), seen.lane, seen.now);
    let throttle = lane.and_then(|lane| lane.throttle).map(|(rate, next)| ThrottleOut {
        rate_per_minute: rate.in_a_minute(),
        waiting_for_ms: u64::try_from(next.since(now).as_millis()).unwrap_or(u64::MAX),
    });
    let text = |time: Timestamp| time.to_string();
    HealthOut {
        status: status.word(),
        words: words(status, &seen),
        waiting: seen.waiting.into(),
        oldest_waiting: seen.waiting.first_due.filter(|due| *due <= now).map(text),
        next_due: seen.waiting.first_due.filter(|due| *due > now).map(text),
        // Without a lane there is nothing under way; without an answer nobody knows.
        in_flight: asked.map(|lane| lane.map_or(0, |lane| lane.in_flight)),
        concurrency: lane.map(|lane| lane.limit),
        failing_since: seen.failing_since.map(text),
        last_success: seen.attempts.success.as_ref().map(|one| text(one.started_at)),
        last_failure: seen.attempts.failure.as_ref().map(|one| AttemptOut::new(one, sees)),
        next_probe: lane.and_then(|lane| lane.parked?.1).map(text),
        throttle,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedOut {
    app_id: Option<String>,
    app_uid: Option<String>,
    app_name: String,
    endpoint_id: String,
    endpoint_uid: Option<String>,
    url: String,
    status: &'static str,
    words: String,
    since: Option<String>,
    waiting: WaitingOut,
    last_attempt: Option<AttemptOut>,
}

#[derive(Serialize)]
struct ListOut {
    data: Vec<ListedOut>,
    total: usize,
    done: bool,
}

/// Endpoints that do not stand well, over all applications, the worst first; for operators.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let query = call.query()?;
    let (wanted, asked) = (statuses(&query)?, !query.list("status").is_empty());
    let limit = page::request::<EndpointId>(&query, call.ids(), false)?.limit;
    let scheduler = call.shared.state.scheduler.clone();
    let list = call.read(move |store| {
        let mut found = unwell(store, &scheduler);
        found.retain(|(status, _, seen, _)| {
            wanted.contains(status) && (asked || !is_meant(&seen.endpoint))
        });
        found.sort_by_key(|(status, since, seen, _)| {
            (*status, since.unwrap_or(Timestamp::MAX), seen.endpoint.id)
        });
        let total = found.len();
        let shown = found.into_iter().take(limit);
        let data = shown.map(|one| listed(store, one)).collect();
        page::encode(&ListOut { data, total, done: total <= limit })
    });
    list.await.map(page::ok)
}

/// Those asked for; without any all that something may have to be done about.
fn statuses(query: &Query) -> Result<Vec<Status>, ApiError> {
    let named = query.list("status");
    if named.is_empty() {
        let all = Status::UNWELL.into_iter();
        return Ok(all.filter(|status| *status != Status::Throttled).collect());
    }
    let read = |word: &String| {
        let mut known = Status::UNWELL.into_iter();
        let found = known.find(|status| status.word() == word);
        found.ok_or_else(|| wrong("status", "is parked, failing, paused, throttled or disabled"))
    };
    named.iter().map(read).collect()
}

/// Whether somebody wanted it disabled, so that nobody has to look after it.
fn is_meant(endpoint: &Endpoint) -> bool {
    matches!(endpoint.disabled, Some(Disabled::ByCaller | Disabled::LeftConfig))
}

type Unwell = (Status, Option<Timestamp>, Seen, Arc<Application>);

fn unwell(store: &Store, scheduler: &Handle) -> Vec<Unwell> {
    let now = store.now();
    let standing = scheduler.standing(PATIENCE).unwrap_or_default();
    let lanes: BTreeMap<EndpointId, LaneStanding> =
        standing.held.iter().map(|lane| (lane.endpoint, *lane)).collect();
    let failing: BTreeMap<EndpointId, Timestamp> = store.failing().into_iter().collect();
    let mut named: BTreeMap<EndpointId, (Arc<Application>, Arc<Endpoint>)> = BTreeMap::new();
    for (application, endpoint) in store.disabled_endpoints() {
        named.insert(endpoint.id, (application, endpoint));
    }
    for id in lanes.keys().chain(failing.keys()) {
        if !named.contains_key(id)
            && let Some(found) = store.endpoint_by_id(*id)
        {
            named.insert(*id, found);
        }
    }
    let all = named.into_iter().map(|(id, (application, endpoint))| {
        let seen = Seen {
            lane: lanes.get(&id).copied(),
            failing_since: failing.get(&id).copied(),
            waiting: WaitingOf::default(),
            attempts: LastAttempts::default(),
            now,
            endpoint,
        };
        let status = Status::of(&seen);
        let since = match status {
            Status::Disabled => Some(seen.endpoint.updated_at),
            Status::Parked => seen.lane.and_then(|lane| lane.parked).map(|(since, _)| since),
            _ => seen.failing_since,
        };
        (status, since, seen, application)
    });
    all.collect()
}

fn listed(store: &Store, (status, since, seen, application): Unwell) -> ListedOut {
    let (ids, endpoint): (&Ids, &Endpoint) = (store.ids(), &seen.endpoint);
    let last = store.last_attempts(endpoint.id, 1).last;
    ListedOut {
        // The operational webhooks are nobody's.
        app_id: (application.id != HIDDEN).then(|| ids.text(application.id)),
        app_uid: application.uid.clone(),
        app_name: application.name.clone(),
        endpoint_id: ids.text(endpoint.id),
        endpoint_uid: endpoint.uid.clone(),
        url: endpoint.url.clone(),
        status: status.word(),
        words: words(status, &seen),
        since: since.map(|since| since.to_string()),
        waiting: store.waiting_of(endpoint.id, LISTED_WAITING_MAX).into(),
        last_attempt: last.as_ref().map(|one| AttemptOut::new(one, true)),
    }
}
