//! `/workers`: what works in this process, and how it goes.

use actix_web::HttpResponse;
use serde::Serialize;

use super::call::Call;
use super::overview::PATIENCE;
use super::page;
use crate::engine::scheduler;
use crate::engine::sender;
use crate::http::error::ApiError;
use crate::http::server::Shared;
use crate::metrics::WorkerSeen;
use crate::store::Store;

/// Threads that answer, which `web::block` and the like have besides.
const HTTP: &str = "answers requests";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WorkerOut {
    name: &'static str,
    does: &'static str,
    state: &'static str,
    threads: usize,
    detail: Option<String>,
    runs: Option<u64>,
    last_run: Option<String>,
    took_ms: Option<u64>,
    next_run: Option<String>,
    last_error: Option<ErrorOut>,
}

#[derive(Serialize)]
struct ErrorOut {
    at: String,
    error: String,
}

#[derive(Serialize)]
struct WorkersOut {
    data: Vec<WorkerOut>,
}

impl From<WorkerSeen> for WorkerOut {
    fn from(seen: WorkerSeen) -> WorkerOut {
        let state = match (seen.gone, seen.running) {
            (true, _) => "ended",
            (false, true) => "working",
            (false, false) => "waiting",
        };
        WorkerOut {
            name: seen.name,
            does: seen.does,
            state,
            threads: usize::from(!seen.gone),
            detail: None,
            runs: Some(seen.runs),
            last_run: seen.last.map(|at| at.to_string()),
            took_ms: seen.took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            next_run: seen.next.map(|at| at.to_string()),
            last_error: seen.error.map(|(at, error)| ErrorOut { at: at.to_string(), error }),
        }
    }
}

/// Every worker; for operators.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let shared = call.shared.clone();
    call.read(move |store| page::encode(&WorkersOut { data: workers(&shared, store) }))
        .await
        .map(page::ok)
}

fn workers(shared: &Shared, store: &Store) -> Vec<WorkerOut> {
    let state = &shared.state;
    let mut found: Vec<WorkerOut> =
        state.metrics.workers.all().into_iter().map(WorkerOut::from).collect();
    for worker in &mut found {
        match worker.name {
            "writer" => worker.answers(
                store.answers(PATIENCE).then(|| format!("{} writes wait", store.waiting_writes())),
            ),
            "apply" => {
                let bytes = store.overlay_bytes();
                worker.detail = Some(format!("{bytes} bytes of rows wait for the index"));
            }
            "scheduler" => worker.answers(state.scheduler.load(PATIENCE).map(load)),
            _ => {}
        }
    }
    let names = [
        ("send", "makes the attempts of what has just become due"),
        ("send-behind", "makes the attempts of what waited long, and steps back before all others"),
    ];
    let pools = state.scheduler.senders().into_iter().flatten();
    found.extend(names.into_iter().zip(pools).map(|((name, does), load)| pool(name, does, load)));
    let open = shared.connections.open();
    found.push(WorkerOut {
        threads: state.config.server.workers.max(1),
        detail: Some(format!("{open} connections are open")),
        ..nothing("http", HTTP, "working")
    });
    found
}

impl WorkerOut {
    /// It was asked; `None` when it did not answer in time.
    fn answers(&mut self, said: Option<String>) {
        if said.is_none() {
            self.state = "stuck";
        }
        let stuck = || format!("it does not answer within {} s", PATIENCE.as_secs());
        self.detail = Some(said.unwrap_or_else(stuck));
    }
}

/// One that does not tell of itself.
fn nothing(name: &'static str, does: &'static str, state: &'static str) -> WorkerOut {
    WorkerOut {
        name,
        does,
        state,
        threads: 0,
        detail: None,
        runs: None,
        last_run: None,
        took_ms: None,
        next_run: None,
        last_error: None,
    }
}

fn load(load: scheduler::Load) -> String {
    format!(
        "{} endpoints with work, {} deliveries in memory, {} attempts under way, {} results on \
         their way to the disk",
        load.lanes, load.queued, load.in_flight, load.unsettled
    )
}

fn pool(name: &'static str, does: &'static str, load: sender::Load) -> WorkerOut {
    let busy = load.threads.saturating_sub(load.idle);
    WorkerOut {
        threads: load.threads,
        detail: Some(format!("{busy} at work, {} attempts wait for a thread", load.queued)),
        ..nothing(name, does, if busy > 0 { "working" } else { "waiting" })
    }
}
