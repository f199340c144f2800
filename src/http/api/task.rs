//! `/background-task`: work that goes on by itself, and how far it is.

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::{Value, json};

use super::call::Call;
use super::page;
use super::query::wrong;
use crate::domain::id::{Ids, TaskId, TaskKind};
use crate::domain::task::{Progress, Task, Work};
use crate::http::auth::Scope;
use crate::http::error::ApiError;
use crate::store::{Reference, TaskFilter};

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
        if let Progress::Failed(why) = &task.progress {
            data["error"] = json!(why);
        }
        TaskOut { data: Some(data), ..TaskOut::begun(ids, task) }
    }
}

fn status(task: &Task) -> &'static str {
    match task.progress {
        Progress::Running(_) => "running",
        Progress::Finished => "finished",
        Progress::Failed(_) => "failed",
    }
}

fn name(work: &Work) -> &'static str {
    match work {
        Work::Recover(_) => "endpoint.recover",
        Work::ReplayMissing(_) => "endpoint.replay",
        Work::BulkReplay(..) => "endpoint.bulk-replay",
        Work::CountByApplication { .. } => "application.stats",
        Work::CountByEventType => "event-type.aggregate",
        Work::PurgeContent { .. } => "application.purge_content",
        Work::Broadcast { .. } => "message.broadcast",
        Work::Reseal => "sealing-key.rotate",
    }
}

/// Every kind of task that a list can be asked for.
const NAMES: [&str; 9] = [
    "endpoint.recover",
    "endpoint.replay",
    "endpoint.bulk-replay",
    "application.stats",
    "event-type.aggregate",
    "application.purge_content",
    "message.broadcast",
    "sealing-key.rotate",
    "sdk.generate",
];

/// Tasks, newest first; an application's token sees those of its application.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let query = call.query()?;
    let wanted_status = query.text("status").map(str::to_owned);
    if wanted_status.as_deref().is_some_and(|it| !["running", "finished", "failed"].contains(&it)) {
        return Err(wrong("status", "is running, finished or failed"));
    }
    let wanted_name = query.text("task").map(str::to_owned);
    if wanted_name.as_deref().is_some_and(|it| !NAMES.contains(&it)) {
        return Err(wrong("task", &format!("is one of {}", NAMES.join(", "))));
    }
    let application = match &call.caller.scope {
        Scope::Everything => None,
        Scope::Application(_) => Some(call.own_application()?.id),
    };
    let request = page::request(&query, call.ids(), true)?;
    call.read(move |store| {
        let passes = |task: &Task| {
            wanted_status.as_deref().is_none_or(|wanted| wanted == status(task))
                && wanted_name.as_deref().is_none_or(|wanted| wanted == name(&task.work))
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

fn find(call: &Call, id: TaskId) -> Result<Task, ApiError> {
    let task = call.store().task(id).ok_or_else(ApiError::not_found)?;
    if call.caller.scope != Scope::Everything {
        let own = call.own_application()?;
        if task.work.application() != Some(own.id) {
            return Err(ApiError::not_found());
        }
    }
    Ok(task)
}
