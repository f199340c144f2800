//! `/background-task`: work that goes on by itself, and how far it is.

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::{Value, json};

use super::application::unexpected;
use super::call::Call;
use super::page;
use super::query::wrong;
use crate::domain::dead_letter::DeadLetterAction;
use crate::domain::id::{Ids, TaskId, TaskKind};
use crate::domain::task::{Progress, Task, Work};
use crate::http::auth::Scope;
use crate::http::error::ApiError;
use crate::store::{Reference, Reply, TaskFilter};

/// BackgroundTaskOut; the answer to the call that begins one has it without `data`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaskOut {
    id: String,
    status: &'static str,
    task: &'static str,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

impl TaskOut {
    /// As the call that begins it answers.
    pub fn begun(ids: &Ids, task: &Task) -> TaskOut {
        TaskOut {
            id: ids.text(task.id),
            status: status(task),
            task: name(&task.work),
            updated_at: task.updated_at.to_string(),
            data: None,
        }
    }

    /// With how far it is and what it counted.
    pub fn new(ids: &Ids, task: &Task) -> TaskOut {
        let mut data = json!({ "lookedAt": task.looked_at, "done": task.done });
        if !task.counts.is_empty() {
            data["counts"] = json!(task.counts);
        }
        if let Some(application) = task.work.application() {
            data["appId"] = json!(ids.text(application));
        }
        if let Some(work) = further_name(&task.work) {
            data["work"] = json!(work);
        }
        match &task.progress {
            Progress::Failed(why) => data["error"] = json!(why),
            Progress::Cancelled => {
                data["error"] = json!("it was cancelled; what it had done stays");
                data["cancelled"] = json!(true);
            }
            _ => {}
        }
        TaskOut { data: Some(data), ..TaskOut::begun(ids, task) }
    }
}

/// Client libraries know these three and refuse any other.
fn status(task: &Task) -> &'static str {
    match task.progress {
        Progress::Running(_) | Progress::Behind(_) => "running",
        Progress::Finished => "finished",
        Progress::Failed(_) | Progress::Cancelled => "failed",
    }
}

fn name(work: &Work) -> &'static str {
    match work {
        // Client libraries refuse names that they don't know.
        Work::Recover(_) | Work::RecoverWaiting(_) | Work::DeadLetters(_) => "endpoint.recover",
        Work::ReplayMissing(_) => "endpoint.replay",
        Work::BulkReplay(..) => "endpoint.bulk-replay",
        Work::CountByApplication { .. } => "application.stats",
        Work::CountByEventType => "event-type.aggregate",
        Work::PurgeContent { .. } => "application.purge_content",
        Work::Broadcast { .. } => "message.broadcast",
        Work::Reseal => "sealing-key.rotate",
    }
}

/// What it does, where client libraries have no name for that.
fn further_name(work: &Work) -> Option<&'static str> {
    match work {
        Work::DeadLetters(work) => Some(match work.action {
            DeadLetterAction::Resend => "dead-letter.resend",
            DeadLetterAction::Purge => "dead-letter.purge",
        }),
        _ => None,
    }
}

/// Every kind of task that a list can be asked for.
const NAMES: [&str; 11] = [
    "endpoint.recover",
    "endpoint.replay",
    "endpoint.bulk-replay",
    "application.stats",
    "event-type.aggregate",
    "application.purge_content",
    "message.broadcast",
    "sealing-key.rotate",
    "sdk.generate",
    "dead-letter.resend",
    "dead-letter.purge",
];

/// How a task may stand; a cancelled one has failed too.
const STATUSES: [&str; 4] = ["running", "finished", "failed", "cancelled"];

/// Tasks, newest first; an application's token sees those of its application.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let query = call.query()?;
    let wanted_status = query.text("status").map(str::to_owned);
    if wanted_status.as_deref().is_some_and(|it| !STATUSES.contains(&it)) {
        return Err(wrong("status", "is running, finished, failed or cancelled"));
    }
    let wanted_name = query.text("task").map(str::to_owned);
    if wanted_name.as_deref().is_some_and(|it| !NAMES.contains(&it)) {
        return Err(wrong("task", &format!("is one of {}", NAMES.join(", "))));
    }
    let application = match &call.caller.scope {
        Scope::Everything(_) => None,
        Scope::Application(_) => Some(call.own_application()?.id),
    };
    let request = page::request(&query, call.ids(), true)?;
    call.read(move |store| {
        let passes = |task: &Task| {
            let cancelled = task.progress == Progress::Cancelled;
            let stands = |wanted| wanted == status(task) || wanted == "cancelled" && cancelled;
            let does =
                |wanted| wanted == name(&task.work) || Some(wanted) == further_name(&task.work);
            wanted_status.as_deref().is_none_or(stands) && wanted_name.as_deref().is_none_or(does)
        };
        let filter = TaskFilter { passes: &passes, application };
        let page = store.list_tasks(&filter, &request);
        let ids = store.ids();
        page::json(ids, &request, page, |task| task.id, |task| Ok(TaskOut::new(ids, &task)))
    })
    .await
    .map(page::ok)
}

/// One task.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let Reference::Id(id) = call.reference::<TaskKind>("task")? else {
        return Err(ApiError::not_found());
    };
    let task = find(&call, id)?;
    Ok(HttpResponse::Ok().json(TaskOut::new(call.ids(), &task)))
}

/// Ends a task; an application's token ends what such a token can begin.
pub(super) async fn cancel(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    // Nothing in it is known, but it must be what it says it is.
    let _: serde::de::IgnoredAny = body.json_or_empty()?;
    let Reference::Id(id) = call.reference::<TaskKind>("task")? else {
        return Err(ApiError::not_found());
    };
    let task = find(&call, id)?;
    let by_operators = matches!(task.work, Work::PurgeContent { .. });
    if by_operators {
        call.changes_everything()?;
    }
    let cancelled = call
        .write_once(&body, move |transaction| {
            Ok(Reply::Task(Box::new(transaction.cancel_task(id)?)))
        })
        .await?;
    let Reply::Task(task) = &cancelled.reply else { return Err(unexpected(&cancelled.reply)) };
    Ok(HttpResponse::Ok().json(TaskOut::new(call.ids(), task)))
}

fn find(call: &Call, id: TaskId) -> Result<Task, ApiError> {
    let task = call.store().task(id).ok_or_else(ApiError::not_found)?;
    if matches!(call.caller.scope, Scope::Application(_)) {
        let own = call.own_application()?;
        if task.work.application() != Some(own.id) {
            return Err(ApiError::not_found());
        }
    }
    Ok(task)
}
