//! Counts: of an endpoint's messages and attempts at once, of whole tenants by a background task.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::application::unexpected;
use super::call::Call;
use super::limits::{Problems, is_reference};
use super::query::{Query, wrong};
use super::replay::start;
use super::task::TaskOut;
use crate::domain::task::{Window, Work};
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::store::{ApplicationReference, Reply};

/// Applications named in one call at most.
const APPLICATIONS_MAX: usize = 1_000;

fn window(query: &Query) -> Result<Window, ApiError> {
    let since = query.time("since")?.unwrap_or_default();
    let until = query.time("until")?.unwrap_or(Timestamp::MAX);
    if until < since {
        return Err(wrong("until", "must not be before since"));
    }
    Ok(Window { since, until })
}

/// Row 18: the endpoint's messages by how their last delivery stands.
pub(super) async fn of_endpoint(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    let window = window(&call.query()?)?;
    let counted = move |store: &crate::store::Store| {
        Ok(store.endpoint_stats(application.id, endpoint.id, window))
    };
    let stats = call.read(counted).await?;
    Ok(HttpResponse::Ok().json(json!({
        "success": stats.success,
        "pending": stats.pending,
        // A lease is in memory only: what is being sent is still pending.
        "sending": 0,
        "fail": stats.fail,
        "canceled": stats.cancelled,
    })))
}

/// The attempts made at the endpoint by how they ended.
pub(super) async fn of_attempts(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    let window = window(&call.query()?)?;
    let stats = call.read(move |store| Ok(store.attempt_stats(endpoint.id, window))).await?;
    let shown = json!({ "success": stats.success, "fail": stats.fail, "canceled": 0 });
    Ok(HttpResponse::Ok().json(shown))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsageIn {
    since: String,
    until: String,
    app_ids: Option<Vec<String>>,
}

/// Counts messages by application, in the background.
pub(super) async fn by_application(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let body = call.body().await?;
    let input: UsageIn = body.json()?;
    let mut problems = Problems::default();
    let mut time = |name: &str, text: &str| {
        let time = Timestamp::parse_rfc3339(text);
        if time.is_none() {
            problems.add(&[name], "must be a time such as 2026-11-21T00:00:00Z");
        }
        time.unwrap_or_default()
    };
    let window = Window { since: time("since", &input.since), until: time("until", &input.until) };
    if window.until < window.since {
        problems.add(&["until"], "must not be before since");
    }
    let named = input.app_ids.unwrap_or_default();
    if named.len() > APPLICATIONS_MAX {
        problems.add(&["appIds"], format!("must have at most {APPLICATIONS_MAX} items"));
    }
    problems.finish()?;
    let (mut applications, mut unresolved) = (Vec::new(), Vec::new());
    for name in named {
        let reference = ApplicationReference::read(call.ids(), &name);
        let found = is_reference(&name).then(|| call.store().application(&reference)).flatten();
        match found {
            Some(application) => applications.push(application.id),
            None => unresolved.push(name),
        }
    }
    if applications.is_empty() && !unresolved.is_empty() {
        let words = "names no application of this relay";
        return Err(ApiError::invalid(&["body", "appIds"], words));
    }
    let work = Work::CountByApplication { applications, window };
    let begun = call
        .write_once(&body, move |transaction| {
            Ok(Reply::Task(Box::new(transaction.start_task(work))))
        })
        .await?;
    let Reply::Task(task) = &begun.reply else { return Err(unexpected(&begun.reply)) };
    let mut shown: Value = serde_json::to_value(TaskOut::begun(call.ids(), task))
        .map_err(|error| ApiError::Internal(error.to_string()))?;
    shown["unresolvedAppIds"] = json!(unresolved);
    Ok(HttpResponse::Accepted().json(shown))
}

/// Counts messages by event type, in the background.
pub(super) async fn by_event_type(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let body = call.body().await?;
    let _: serde::de::IgnoredAny = body.json_or_empty()?;
    start(&call, &body, Work::CountByEventType).await
}
