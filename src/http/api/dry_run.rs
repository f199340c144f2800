//! What a filter, a transformation or a dedup rule would have done to what is stored. Nothing is
//! changed and nothing is sent.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::call::Call;
use super::limits::{self, Problems};
use super::transformation;
use crate::config::source::DeclaredDedup;
use crate::domain::endpoint::{Endpoint, Transformation};
use crate::domain::received::Verdict;
use crate::domain::redact::Redaction;
use crate::domain::source::{Dedup, Source};
use crate::domain::time::Timestamp;
use crate::domain::transform::step::Step;
use crate::engine::script::Scripts;
use crate::engine::transformation::{self as engine, Transformed};
use crate::http::error::ApiError;
use crate::store::{
    DEDUP_WINDOW_MAX, MessageFilter, PageRequest, PageStart, RequestFilter, Store, StoredMessage,
};

/// Messages or requests that one call looks at.
const LOOKED_MAX: u64 = 200;
const LOOKED_DEFAULT: u64 = 50;
/// How long one call runs transformations; it tells what it has by then.
const LONGEST: Duration = Duration::from_secs(10);
/// Bytes of payloads in one answer.
const PAYLOADS_MAX: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DryRunIn {
    filter: Option<Box<RawValue>>,
    code: Option<String>,
    steps: Option<Vec<Step>>,
    variables: Option<BTreeMap<String, String>>,
    event_types: Option<Vec<String>>,
    limit: Option<u64>,
}

fn limit(given: Option<u64>, problems: &mut Problems) -> usize {
    let limit = given.unwrap_or(LOOKED_DEFAULT);
    if !(1..=LOOKED_MAX).contains(&limit) {
        problems.add(&["limit"], format!("must be 1 to {LOOKED_MAX}"));
    }
    limit.min(LOOKED_MAX) as usize
}

/// What an endpoint would make of the newest messages of its application, with the filter and the
/// transformation that are given, or else its own.
pub(super) async fn of_endpoint(mut call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    let body = call.body().await?;
    let input: DryRunIn = body.json_or_empty()?;
    let mut problems = Problems::default();
    let limit = limit(input.limit, &mut problems);
    let filter = limits::filter(input.filter.as_deref(), &mut problems);
    let event_types = input.event_types.unwrap_or_default();
    for (index, name) in event_types.iter().enumerate() {
        let place = format!("[{index}]");
        problems.check(&["eventTypes", &place], limits::event_type(name));
    }
    problems.finish()?;
    let given = transformation::read(&call, input.code, input.steps).await?;
    let mut endpoint = Endpoint::clone(&endpoint);
    if filter.is_some() {
        endpoint.subscription.filter = filter;
    }
    let own = endpoint.transformation.as_deref();
    let held = transformation::variables_shown(&call, own, true);
    endpoint.transformation = own.map(|own| {
        let variables = transformation::variables_shown(&call, Some(own), false);
        Arc::new(Transformation { variables, ..own.clone() })
    });
    if let Some(transform) = given {
        endpoint.transformation = Some(Arc::new(Transformation {
            transform,
            enabled: true,
            variables: input.variables.unwrap_or(held),
            updated_at: Timestamp::default(),
        }));
    }
    let (store, scripts) = (call.store().clone(), Arc::clone(&call.shared.state.scripts));
    let redaction = call.redaction();
    let page = PageRequest { limit, start: PageStart::First, descending: true };
    let asked = MessageFilter { event_types, ..MessageFilter::default() };
    let told = transformation::tried(&call, move || {
        let found = store.list_messages(application.id, &asked, &page).items;
        let begun = Instant::now();
        let mut room = PAYLOADS_MAX;
        let told = found.iter().take_while(|_| begun.elapsed() < LONGEST).map(|stored| {
            let mut told = looked(&store, &scripts, &redaction, &endpoint, stored);
            fit(&mut told, &mut room);
            told
        });
        let told: Vec<Value> = told.collect();
        let stopped = told.len() < found.len();
        summed(told, stopped)
    });
    Ok(HttpResponse::Ok().json(told.await?))
}

fn looked(
    store: &Store,
    scripts: &Scripts,
    redaction: &Redaction,
    endpoint: &Endpoint,
    stored: &StoredMessage,
) -> Value {
    let message = &stored.message;
    let mut told = json!({
        "msgId": store.ids().text(message.id), "eventType": message.event_type,
        "timestamp": message.id.time().to_string(), "outcome": "sent",
    });
    if let Some(why) = store.unwanted(endpoint, stored, redaction) {
        (told["outcome"], told["reason"]) = (json!("not_matched"), json!(why));
        return told;
    }
    let request = engine::request_shown(store, scripts, endpoint, stored, redaction);
    match request {
        Err(error) => {
            (told["outcome"], told["reason"]) = (json!("unreadable"), json!(error.to_string()));
        }
        Ok(Transformed { result, console }) => {
            told["console"] = json!(console);
            match result {
                Ok(Some(made)) => {
                    told["request"] = json!({
                        "method": made.method, "url": made.url, "contentType": made.content_type,
                        "payload": String::from_utf8_lossy(&made.body),
                    });
                }
                Ok(None) => told["outcome"] = json!("dropped"),
                Err(failure) => {
                    told["outcome"] = json!("failed");
                    told["reason"] = json!(failure.to_string());
                }
            }
        }
    }
    told
}

/// Leaves a payload out that has no room in the answer, and says so.
fn fit(told: &mut Value, room: &mut usize) {
    let Some(payload) = told.pointer_mut("/request/payload") else { return };
    let length = payload.as_str().map_or(0, str::len);
    if length <= *room {
        *room -= length;
        return;
    }
    *payload = Value::Null;
    told["request"]["payloadLeftOut"] = json!(length);
}

fn summed(data: Vec<Value>, stopped: bool) -> Value {
    let count = |word: &str| data.iter().filter(|told| told["outcome"] == word).count();
    json!({
        "looked": data.len(), "sent": count("sent"), "notMatched": count("not_matched"),
        "dropped": count("dropped"), "failed": count("failed"), "stopped": stopped, "data": data,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DedupDryRunIn {
    dedup: DeclaredDedup,
    dedup_window_seconds: Option<u64>,
    limit: Option<u64>,
}

/// Which of the newest requests of a source a dedup rule would have told apart.
pub(super) async fn of_source(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let source = call.source()?;
    let body = call.body().await?;
    let input: DedupDryRunIn = body.json()?;
    let mut problems = Problems::default();
    let limit = limit(input.limit, &mut problems);
    let window = input.dedup_window_seconds.map(Duration::from_secs);
    if window.is_some_and(|window| window.is_zero() || window > DEDUP_WINDOW_MAX) {
        let most = DEDUP_WINDOW_MAX.as_secs();
        problems.add(&["dedupWindowSeconds"], format!("must be 1 to {most}, or null"));
    }
    let dedup = Dedup { rule: input.dedup.rule(), window };
    let tried = Source { dedup, ..Source::clone(&source) };
    for problem in tried.problems().iter().filter(|problem| problem.field == "dedup.fields") {
        problems.add(&["dedup", "fields"], problem.message.clone());
    }
    problems.finish()?;
    let default = call.shared.state.config.sources.dedup_window.0;
    let window = window.unwrap_or(default);
    let (store, intake) = (call.store().clone(), call.shared.state.intake.clone());
    let told = transformation::tried(&call, move || {
        let page = PageRequest { limit, start: PageStart::First, descending: true };
        let mut found = store.list_requests(tried.id, &RequestFilter::default(), &page).items;
        found.reverse();
        found.retain(|stored| {
            matches!(stored.request.verdict, Verdict::Accepted | Verdict::Duplicate(_))
        });
        let mut seen: HashMap<[u8; 32], (Timestamp, String)> = HashMap::new();
        let mut data = Vec::new();
        for stored in &found {
            let id = store.ids().text(stored.request.id);
            let at = stored.request.id.time();
            let Some(keys) = intake.keys_by(&tried, stored) else {
                data.push(json!({ "requestId": id, "outcome": "unreadable" }));
                continue;
            };
            let first = |key: &[u8; 32]| seen.get(key).filter(|(made, _)| at.since(*made) < window);
            let all = !keys.is_empty() && keys.iter().all(|key| first(key).is_some());
            let of = keys.first().filter(|_| all).and_then(first).cloned();
            match of {
                Some((_, of)) => data.push(json!({
                    "requestId": id, "outcome": "duplicate", "duplicateOf": of,
                })),
                None => {
                    for key in keys {
                        seen.insert(key, (at, id.clone()));
                    }
                    data.push(json!({ "requestId": id, "outcome": "accepted" }));
                }
            }
        }
        let count = |word: &str| data.iter().filter(|told| told["outcome"] == word).count();
        json!({
            "looked": data.len(), "accepted": count("accepted"),
            "duplicates": count("duplicate"), "data": data,
        })
    });
    Ok(HttpResponse::Ok().json(told.await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted() {
        let told = |outcome: &str| json!({ "outcome": outcome });
        let all = vec![told("sent"), told("sent"), told("dropped"), told("not_matched")];
        let sum = summed(all, false);
        assert_eq!(
            (&sum["looked"], &sum["sent"], &sum["dropped"]),
            (&json!(4), &json!(2), &json!(1))
        );
    }
}
