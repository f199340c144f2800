//! `/dead-letter`: deliveries that are not tried again by themselves, as a list, and what is done
//! with many of them at once.

use std::time::Duration;

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::Call;
use super::dead_letter_plan;
use super::limits::{self, Problems, is_reference};
use super::message;
use super::page;
use super::query::{Query, wrong};
use super::replay::{disabled, start};
use crate::domain::application::Application;
use crate::domain::dead_letter::{DeadLetterAction, DeadLetterFilter, DeadLetterWork};
use crate::domain::delivery::DeadReason;
use crate::domain::id::{EndpointId, Ids};
use crate::domain::subscription::EVENT_TYPES_MAX;
use crate::domain::task::{Window, Work};
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::store::{EndpointReference, StoredDeadLetter};

/// Classes of status codes; 0 is no answer.
const CLASSES: [u64; 6] = [0, 100, 200, 300, 400, 500];
const CLASS_RULE: &str = "0, 100, 200, 300, 400 or 500";
const REASON_RULE: &str = "exhausted, gone, rejected or expired";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeadLetterOut {
    id: String,
    app_id: String,
    endpoint_id: String,
    msg_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    event_type: String,
    reason: &'static str,
    attempts: u32,
    last_status_code: Option<u16>,
    expunged: bool,
    timestamp: String,
}

impl DeadLetterOut {
    fn new(ids: &Ids, stored: StoredDeadLetter) -> DeadLetterOut {
        let StoredDeadLetter { id, application, letter, message } = stored;
        DeadLetterOut {
            id: ids.text(id),
            app_id: ids.text(application),
            endpoint_id: ids.text(letter.delivery.endpoint),
            msg_id: ids.text(letter.delivery.message),
            event_id: message.message.event_id.clone(),
            event_type: letter.event_type,
            reason: letter.reason.told(),
            attempts: letter.attempts,
            last_status_code: (letter.attempts > 0).then_some(letter.status_code),
            expunged: message.body.is_gone(),
            timestamp: id.time().to_string(),
        }
    }
}

/// What is told as this word.
fn reasons(word: &str) -> Option<Vec<DeadReason>> {
    let all = [
        DeadReason::Exhausted,
        DeadReason::Blocked,
        DeadReason::Gone,
        DeadReason::Rejected,
        DeadReason::Expired,
    ];
    let found: Vec<_> = all.into_iter().filter(|reason| reason.told() == word).collect();
    (!found.is_empty()).then_some(found)
}

/// The filter without its endpoint.
fn query_filter(query: &Query) -> Result<DeadLetterFilter, ApiError> {
    let messages = message::content_filter(query)?;
    let read = |word| reasons(word).ok_or_else(|| wrong("reason", &format!("is {REASON_RULE}")));
    let class = query.number("status_code_class")?;
    if class.is_some_and(|class| !CLASSES.contains(&class)) {
        return Err(wrong("status_code_class", &format!("is {CLASS_RULE}")));
    }
    let since = query.time("since")?.unwrap_or_default();
    let until = query.time("until")?.unwrap_or(Timestamp::MAX);
    if until < since {
        return Err(wrong("until", "must not be before since"));
    }
    Ok(DeadLetterFilter {
        endpoint: None,
        reasons: query.text("reason").map(read).transpose()?.unwrap_or_default(),
        event_types: messages.event_types,
        status_code_class: class.map(|class| class as u16),
        channel: messages.channel,
        tag: messages.tag,
        died: Window { since, until },
    })
}

/// The endpoint that `endpoint_id` names, by id or, within an application, by uid.
fn endpoint_of(
    call: &Call,
    application: Option<&Application>,
    query: &Query,
) -> Result<Option<EndpointId>, ApiError> {
    let Some(text) = query.text("endpoint_id") else { return Ok(None) };
    let reference = is_reference(text).then(|| EndpointReference::read(call.ids(), text));
    let found = match (application, reference) {
        (Some(application), Some(reference)) => {
            call.store().endpoint(application.id, &reference).map(|endpoint| endpoint.id)
        }
        (None, Some(EndpointReference::Id(id))) => Some(id),
        _ => None,
    };
    let words = match application {
        Some(_) => "is no id or uid of an endpoint of this application",
        None => "is no id of an endpoint",
    };
    found.map(Some).ok_or_else(|| wrong("endpoint_id", words))
}

/// Dead letters of an application, newest first.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    show(call, Some(&application)).await
}

/// Dead letters of all applications, newest first; for operators.
pub(super) async fn list_all(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    show(call, None).await
}

async fn show(call: Call, application: Option<&Application>) -> Result<HttpResponse, ApiError> {
    let query = call.query()?;
    let endpoint = endpoint_of(&call, application, &query)?;
    let filter = DeadLetterFilter { endpoint, ..query_filter(&query)? };
    let request = page::request(&query, call.ids(), true)?;
    let application = application.map(|application| application.id);
    call.read(move |store| {
        let page = store.list_dead_letters(application, &filter, &request);
        let ids = store.ids();
        let name = |stored: &StoredDeadLetter| stored.id;
        page::json(ids, &request, page, name, |stored| Ok(DeadLetterOut::new(ids, stored)))
    })
    .await
    .map(page::ok)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeadLetterWorkIn {
    plan: Option<bool>,
    endpoint_id: Option<String>,
    reason: Option<String>,
    event_types: Option<Vec<String>>,
    status_code_class: Option<u16>,
    channel: Option<String>,
    tag: Option<String>,
    since: Option<String>,
    until: Option<String>,
}

impl DeadLetterWorkIn {
    /// When what is meant died; what dies from now on is not.
    fn died(&self, now: Timestamp, problems: &mut Problems) -> Window {
        let mut read = |field: &str, text: &Option<String>| {
            let text = text.as_deref()?;
            let time = Timestamp::parse_rfc3339(text);
            if time.is_none() {
                problems.add(&[field], format!("must be a time such as {now}"));
            }
            time
        };
        let since = read("since", &self.since).unwrap_or_default();
        // What died in this very millisecond died before.
        let present = now + Duration::from_millis(1);
        let until = read("until", &self.until).unwrap_or(present);
        if until < since && self.until.is_some() {
            problems.add(&["until"], "must not be before since");
        }
        Window { since, until: until.min(present) }
    }

    fn filter(
        self,
        endpoint: Option<EndpointId>,
        now: Timestamp,
    ) -> Result<DeadLetterFilter, ApiError> {
        let mut problems = Problems::default();
        let died = self.died(now, &mut problems);
        let event_types = self.event_types.unwrap_or_default();
        if event_types.len() > EVENT_TYPES_MAX {
            problems.add(&["eventTypes"], format!("must have at most {EVENT_TYPES_MAX} items"));
        }
        for (index, name) in event_types.iter().enumerate() {
            problems.check(&["eventTypes", &format!("[{index}]")], limits::event_type(name));
        }
        if let Some(channel) = &self.channel {
            problems.check(&["channel"], limits::channel(channel));
        }
        if let Some(tag) = &self.tag {
            problems.check(&["tag"], limits::text(tag, 1, limits::TAG_MAX));
        }
        let meant = self.reason.as_deref().map(reasons);
        if meant == Some(None) {
            problems.add(&["reason"], format!("must be {REASON_RULE}"));
        }
        let class = self.status_code_class;
        if class.is_some_and(|class| !CLASSES.contains(&u64::from(class))) {
            problems.add(&["statusCodeClass"], format!("must be {CLASS_RULE}"));
        }
        if self.endpoint_id.is_some() && endpoint.is_none() {
            let words = "must be the id or uid of an endpoint of this application";
            problems.add(&["endpointId"], words);
        }
        problems.finish()?;
        Ok(DeadLetterFilter {
            endpoint,
            reasons: meant.flatten().unwrap_or_default(),
            event_types,
            status_code_class: class,
            channel: self.channel,
            tag: self.tag,
            died,
        })
    }
}

/// They become due again, with their whole schedule before them.
pub(super) async fn resend(call: Call) -> Result<HttpResponse, ApiError> {
    take(call, DeadLetterAction::Resend).await
}

/// They are given up for good.
pub(super) async fn purge(call: Call) -> Result<HttpResponse, ApiError> {
    take(call, DeadLetterAction::Purge).await
}

/// Tells what would be done, or begins the task that does it.
async fn take(mut call: Call, action: DeadLetterAction) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let body = call.body().await?;
    let input: DeadLetterWorkIn = body.json_or_empty()?;
    let named = input.endpoint_id.as_deref().filter(|text| is_reference(text));
    let endpoint = named.and_then(|text| {
        let reference = EndpointReference::read(call.ids(), text);
        call.store().endpoint(application.id, &reference)
    });
    let is_plan = input.plan.unwrap_or(false);
    let filter = input.filter(endpoint.as_ref().map(|endpoint| endpoint.id), call.store().now())?;
    let is_disabled = endpoint.is_some_and(|endpoint| endpoint.disabled.is_some());
    if is_disabled && action == DeadLetterAction::Resend {
        return Err(disabled());
    }
    let work = DeadLetterWork { application: application.id, filter, action };
    if !is_plan {
        return start(&call, &body, Work::DeadLetters(work)).await;
    }
    call.check_key(&body)?;
    let told = call.read(move |store| Ok(dead_letter_plan::told(store, &application, &work)));
    Ok(HttpResponse::Ok().json(json!(told.await?)))
}
