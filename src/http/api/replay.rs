//! `recover`, `replay-missing` and `bulk-replay` of an endpoint: deliveries made again, many at
//! once, by a background task.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use serde::Deserialize;

use super::application::unexpected;
use super::call::Call;
use super::limits::{self, Problems};
use super::task::TaskOut;
use crate::domain::application::Application;
use crate::domain::endpoint::Endpoint;
use crate::domain::subscription::EVENT_TYPES_MAX;
use crate::domain::task::{EndpointWork, ReplayFilter, Standing, Window, Work};
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::store::Reply;

/// How far back failed deliveries are recovered.
const RECOVER_MAX: Duration = Duration::from_secs(14 * 24 * 3_600);

#[derive(Deserialize)]
struct WindowIn {
    since: String,
    until: Option<String>,
}

#[derive(Deserialize)]
struct RecoverIn {
    since: String,
    until: Option<String>,
    waiting: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkReplayIn {
    since: String,
    until: Option<String>,
    event_types: Option<Vec<String>>,
    channel: Option<String>,
    tag: Option<String>,
    status: Option<u8>,
    status_code_class: Option<u16>,
}

/// The window that is meant; what is accepted from now on never is.
fn window(since: &str, until: Option<&str>, now: Timestamp, problems: &mut Problems) -> Window {
    let words = || format!("must be a time such as {now}");
    let read = |text: &str| Timestamp::parse_rfc3339(text);
    let begin = read(since);
    if begin.is_none() {
        problems.add(&["since"], words());
    }
    // What was accepted in this very millisecond was accepted before.
    let present = now + Duration::from_millis(1);
    let end = until.map_or(Some(present), read);
    if end.is_none() {
        problems.add(&["until"], words());
    }
    let window =
        Window { since: begin.unwrap_or_default(), until: end.unwrap_or_default().min(present) };
    if let (Some(begin), Some(end)) = (begin, end)
        && end < begin
    {
        problems.add(&["until"], "must not be before since");
    }
    window
}

/// Row 19: every dead delivery of an endpoint becomes due again, with `waiting` those too that
/// wait for their next attempt.
pub(super) async fn recover(mut call: Call) -> Result<HttpResponse, ApiError> {
    let (application, endpoint) = named(&call)?;
    let body = call.body().await?;
    let input: RecoverIn = body.json()?;
    let mut problems = Problems::default();
    let now = call.store().now();
    let window = window(&input.since, input.until.as_deref(), now, &mut problems);
    let back = u64::try_from(RECOVER_MAX.as_millis()).unwrap_or(u64::MAX);
    let earliest = Timestamp::from_millis(now.millis().saturating_sub(back));
    if window.since < earliest {
        let days = RECOVER_MAX.as_secs() / (24 * 3_600);
        let words = format!("must be at most {days} days ago, {earliest} or later");
        problems.add(&["since"], words);
    }
    problems.finish()?;
    let over = over(&application, &endpoint, window)?;
    let waiting = input.waiting.unwrap_or(false);
    let work = if waiting { Work::RecoverWaiting(over) } else { Work::Recover(over) };
    start(&call, &body, work).await
}

/// What the endpoint wants and never had becomes deliveries.
pub(super) async fn replay_missing(mut call: Call) -> Result<HttpResponse, ApiError> {
    let (application, endpoint) = named(&call)?;
    let body = call.body().await?;
    let input: WindowIn = body.json()?;
    let mut problems = Problems::default();
    let now = call.store().now();
    let window = window(&input.since, input.until.as_deref(), now, &mut problems);
    problems.finish()?;
    let over = over(&application, &endpoint, window)?;
    start(&call, &body, Work::ReplayMissing(over)).await
}

fn named(call: &Call) -> Result<(Arc<Application>, Arc<Endpoint>), ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    Ok((application, endpoint))
}

/// Refuses an endpoint that is disabled: it would be sent nothing.
fn over(
    application: &Application,
    endpoint: &Endpoint,
    window: Window,
) -> Result<EndpointWork, ApiError> {
    if endpoint.disabled.is_some() {
        return Err(disabled());
    }
    Ok(EndpointWork { application: application.id, endpoint: endpoint.id, window })
}

pub(super) fn disabled() -> ApiError {
    ApiError::BadRequest("the endpoint is disabled; enable it first".to_owned())
}

/// Everything that passes the filter is delivered once more, whether it was delivered or not.
pub(super) async fn bulk_replay(mut call: Call) -> Result<HttpResponse, ApiError> {
    let (application, endpoint) = named(&call)?;
    let body = call.body().await?;
    let input: BulkReplayIn = body.json()?;
    let mut problems = Problems::default();
    let now = call.store().now();
    let window = window(&input.since, input.until.as_deref(), now, &mut problems);
    let event_types = input.event_types.unwrap_or_default();
    if event_types.len() > EVENT_TYPES_MAX {
        problems.add(&["eventTypes"], format!("must have at most {EVENT_TYPES_MAX} items"));
    }
    for (index, name) in event_types.iter().enumerate() {
        problems.check(&["eventTypes", &format!("[{index}]")], limits::event_type(name));
    }
    if let Some(channel) = &input.channel {
        problems.check(&["channel"], limits::channel(channel));
    }
    if let Some(tag) = &input.tag {
        problems.check(&["tag"], limits::text(tag, 1, limits::TAG_MAX));
    }
    let standing = input.status.map(standing);
    if standing == Some(None) {
        let words = "must be 0 (success), 1 (pending), 2 (fail), 3 (sending) or 4 (canceled)";
        problems.add(&["status"], words);
    }
    let class = input.status_code_class;
    if class.is_some_and(|class| ![0, 100, 200, 300, 400, 500].contains(&class)) {
        problems.add(&["statusCodeClass"], "must be 0, 100, 200, 300, 400 or 500");
    }
    problems.finish()?;
    let over = over(&application, &endpoint, window)?;
    let filter = ReplayFilter {
        event_types,
        channel: input.channel,
        tag: input.tag,
        standing: standing.flatten(),
        status_code_class: class,
    };
    start(&call, &body, Work::BulkReplay(over, filter)).await
}

fn standing(status: u8) -> Option<Standing> {
    let all = [
        Standing::Success,
        Standing::Pending,
        Standing::Fail,
        Standing::Sending,
        Standing::Cancelled,
    ];
    all.get(usize::from(status)).copied()
}

/// Begins a task and answers 202 with it.
pub(super) async fn start(
    call: &Call,
    body: &super::body::Body,
    work: Work,
) -> Result<HttpResponse, ApiError> {
    let begun = call
        .write_once(body, move |transaction| {
            Ok(Reply::Task(Box::new(transaction.start_task(work))))
        })
        .await?;
    let Reply::Task(task) = &begun.reply else { return Err(unexpected(&begun.reply)) };
    Ok(HttpResponse::Accepted().json(TaskOut::begun(call.ids(), task)))
}
