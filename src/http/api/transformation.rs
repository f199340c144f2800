//! `/app/{app}/endpoint/{endpoint}/transformation`: what changes an endpoint's requests, and what
//! it would make of one.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::application::{present, unexpected};
use super::call::Call;
use super::limits::{self, METADATA_MAX, Problems};
use crate::domain::endpoint::{Endpoint, Transformation};
use crate::domain::time::Timestamp;
use crate::domain::token::Role;
use crate::domain::transform::step::Step;
use crate::domain::transform::{Context, Failure, Outgoing, Ran, Transform};
use crate::engine::script::Scripts;
use crate::http::auth::Scope;
use crate::http::error::ApiError;
use crate::store::{Author, EndpointReference, Reply};

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct TransformationPatch {
    #[serde(deserialize_with = "present")]
    code: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    steps: Option<Option<Vec<Step>>>,
    enabled: Option<bool>,
    #[serde(deserialize_with = "present")]
    variables: Option<Option<BTreeMap<String, String>>>,
}

/// What stands for the value of a variable.
const NOT_SHOWN: &str = "(hidden)";

/// The transformation of an endpoint; what stands in its variables is not shown.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let endpoint = call.endpoint(&*call.application()?)?;
    Ok(HttpResponse::Ok().json(shown(endpoint.transformation.as_deref())))
}

fn shown(held: Option<&Transformation>) -> Value {
    let Some(held) = held else {
        return json!({ "code": null, "enabled": false, "variables": null, "updatedAt": null });
    };
    let hidden = held.variables.keys().map(|name| (name.clone(), json!(NOT_SHOWN)));
    let mut out = json!({
        "code": null, "enabled": held.enabled, "updatedAt": held.updated_at.to_string(),
        "variables": hidden.collect::<serde_json::Map<_, _>>(),
    });
    match &held.transform {
        Transform::Script(code) => out["code"] = json!(code),
        Transform::Steps(steps) => out["steps"] = json!(steps),
    }
    out
}

/// Changes what is given; a script that can't be read or has no handler is refused.
pub(super) async fn patch(mut call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let reference: EndpointReference = call.reference("endpoint")?;
    call.endpoint(&application)?;
    let body = call.body().await?;
    let patch: TransformationPatch = body.json()?;
    let given = read(&call, patch.code.clone().flatten(), patch.steps.clone().flatten()).await?;
    let mut problems = Problems::default();
    let variables = patch.variables.clone().map(Option::unwrap_or_default);
    let bytes = |all: &BTreeMap<String, String>| -> usize {
        all.iter().map(|(name, value)| name.len() + value.len()).sum()
    };
    if variables.as_ref().is_some_and(|all| bytes(all) > METADATA_MAX) {
        problems.add(&["variables"], format!("must have at most {METADATA_MAX} bytes in all"));
    }
    problems.finish()?;
    let removed = given.is_none() && (patch.code.is_some() || patch.steps.is_some());
    let written = call
        .write(move |transaction| {
            let mut endpoint = Endpoint::clone(&*transaction.endpoint(application.id, &reference)?);
            let now = transaction.now();
            let old = endpoint.transformation.as_deref().cloned();
            endpoint.transformation = match (given, old) {
                _ if removed => None,
                (None, None) => None,
                (Some(transform), None) => Some(made(transform, now)),
                (None, Some(old)) => Some(old),
                (Some(transform), Some(old)) => Some(Transformation { transform, ..old }),
            }
            .map(|held| {
                let enabled = patch.enabled.unwrap_or(held.enabled);
                let variables = variables.unwrap_or(held.variables);
                Arc::new(Transformation { enabled, variables, updated_at: now, ..held })
            });
            endpoint.updated_at = now;
            let endpoint = transaction.put_endpoint(endpoint, Author::Caller)?;
            Ok(Reply::Endpoint { endpoint, created: false })
        })
        .await?;
    let Reply::Endpoint { endpoint, .. } = &written.reply else {
        return Err(unexpected(&written.reply));
    };
    Ok(HttpResponse::Ok().json(shown(endpoint.transformation.as_deref())))
}

fn made(transform: Transform, now: Timestamp) -> Transformation {
    Transformation { transform, enabled: true, variables: BTreeMap::new(), updated_at: now }
}

/// The transformation that is given, checked as far as it can be without a message.
pub(super) async fn read(
    call: &Call,
    code: Option<String>,
    steps: Option<Vec<Step>>,
) -> Result<Option<Transform>, ApiError> {
    let (field, transform) = match (code, steps) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(&["body", "steps"], "must not stand beside code"));
        }
        (Some(code), None) => ("code", Transform::Script(code)),
        (None, Some(steps)) => ("steps", Transform::Steps(steps)),
    };
    transform.check().map_err(|failure| wrong(field, &failure))?;
    let Transform::Script(code) = &transform else { return Ok(Some(transform)) };
    let (scripts, code) = (Arc::clone(&call.shared.state.scripts), code.clone());
    let checked = tried(call, move || scripts.check(&code)).await?;
    checked.map_err(|failure| wrong(field, &failure))?;
    Ok(Some(transform))
}

fn wrong(field: &str, failure: &Failure) -> ApiError {
    if failure.passes() {
        return ApiError::Busy(failure.to_string());
    }
    ApiError::invalid(&["body", field], failure.to_string())
}

/// The variables that code sees which a caller tries: those that are stored are the operator's, and
/// code that is `given` could tell them. Who is read-only is not told what the stored code makes of
/// them either.
pub(super) fn variables_shown(
    call: &Call,
    held: Option<&Transformation>,
    given: bool,
) -> BTreeMap<String, String> {
    let shown = match call.caller.scope {
        Scope::Everything(role) => role == Role::Operator,
        Scope::Application(_) => !given,
    };
    let held = held.map(|held| held.variables.clone()).unwrap_or_default();
    let hidden = |(name, _)| (name, NOT_SHOWN.to_owned());
    if shown { held } else { held.into_iter().map(hidden).collect() }
}

/// Tries something beside what is delivered, when it is its turn.
pub(super) async fn tried<T: Send + 'static>(
    call: &Call,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let turn = Arc::clone(&call.shared.state.tries).acquire_owned().await;
    // A caller that leaves gives no turn away: the work goes on.
    blocking(move || (work(), turn).0).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    web::block(work).await.map_err(|_| ApiError::Busy("the relay is stopping".to_owned()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SimulateIn {
    code: Option<String>,
    steps: Option<Vec<Step>>,
    payload: Box<RawValue>,
    event_type: String,
    channels: Option<Vec<String>>,
}

/// What a transformation, the one given or else the endpoint's own, makes of a payload. Nothing is
/// stored and nothing is sent.
pub(super) async fn simulate(mut call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    let body = call.body().await?;
    let input: SimulateIn = body.json()?;
    call.check_key(&body)?;
    let mut problems = Problems::default();
    problems.check(&["eventType"], limits::event_type(&input.event_type));
    if let Some(channels) = &input.channels {
        problems.check(&["channels"], limits::channels(channels));
    }
    problems.finish()?;
    let given = read(&call, input.code, input.steps).await?;
    let held = endpoint.transformation.as_deref();
    let env = variables_shown(&call, held, given.is_some());
    let transform = given.or_else(|| held.map(|held| held.transform.clone()));
    let transform = transform
        .ok_or_else(|| ApiError::invalid(&["body", "code"], "is missing: the endpoint has none"))?;
    let outgoing = Outgoing {
        method: "POST".to_owned(),
        url: endpoint.url.clone(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: input.payload.get().as_bytes().to_vec(),
    };
    let context = Context {
        message_id: call.ids().text(crate::domain::id::MessageId::new(Default::default())),
        event_type: input.event_type,
        endpoint_id: call.ids().text(endpoint.id),
        application_id: call.ids().text(application.id),
        timestamp_ms: call.wall().millis(),
        env,
        ..Context::default()
    };
    let scripts: Arc<Scripts> = Arc::clone(&call.shared.state.scripts);
    let ran = tried(&call, move || scripts.apply(&transform, &outgoing, &context)).await?;
    simulated(ran)
}

fn simulated(ran: Ran) -> Result<HttpResponse, ApiError> {
    let Ran { result, console, console_left_out } = ran;
    let console: Vec<String> =
        console.iter().map(|line| format!("{}: {}", line.level.name(), line.text)).collect();
    let more = json!({ "console": console, "consoleLeftOut": console_left_out });
    let mut out = match result {
        Ok(Some(made)) => json!({
            "url": made.url, "method": made.method, "headers": made.headers,
            "payload": String::from_utf8_lossy(&made.body), "dropped": false,
        }),
        Ok(None) => json!({ "url": "", "payload": "", "dropped": true }),
        Err(failure) if failure.passes() => return Err(ApiError::Busy(failure.to_string())),
        Err(failure) => json!({
            "url": "", "payload": "", "dropped": false,
            "error": { "code": failure.code(), "message": failure.to_string() },
        }),
    };
    for (name, value) in more.as_object().into_iter().flatten() {
        out[name] = value.clone();
    }
    Ok(HttpResponse::Ok().json(out))
}
