//! `/config`: the configuration in effect; `/config/plan`: what a `relay.toml` would change in the
//! catalog, without changing it.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::json;

use super::call::Call;
use super::limits;
use crate::config::Config;
use crate::config::declared::{DeclaredApplication, DeclaredEndpoint, DeclaredEventType, problems};
use crate::config::secrets::{SecretText, SourceSecrets};
use crate::config::shown::shown;
use crate::config::source::DeclaredSource;
use crate::domain::secret::Secret;
use crate::domain::signature::SigningKey;
use crate::engine::declare::{self, Declared};
use crate::http::error::{ApiError, Problem};

/// The declared parts of a `relay.toml`, by the names they have there. Keys stand apart: the file
/// may name other files for them, which are the caller's to read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanIn {
    #[serde(default)]
    application: Vec<DeclaredApplication>,
    #[serde(default)]
    event_type: Vec<DeclaredEventType>,
    #[serde(default)]
    endpoint: Vec<DeclaredEndpoint>,
    #[serde(default)]
    source: Vec<DeclaredSource>,
    #[serde(default)]
    keys: Vec<KeyIn>,
    #[serde(default)]
    secrets: Vec<SecretsIn>,
}

/// What is secret of a declared source, by its uid.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretsIn {
    source: String,
    #[serde(default)]
    secrets: Vec<String>,
    token: Option<String>,
    verify_token: Option<String>,
}

/// The key of a declared endpoint, by the uids of both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyIn {
    application: String,
    endpoint: String,
    key: String,
}

/// The configuration in effect and where each value comes from, without secrets; for operators.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let in_force = &call.shared.state.in_force;
    Ok(HttpResponse::Ok().json(shown(&in_force.config(), &in_force.origins())))
}

/// Answers a line for each change that a reload of such a file would make; for operators.
pub(super) async fn plan(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let body = call.body().await?;
    let declared = read(body.json()?, &call.shared.state.in_force.config())?;
    let changes = call.read(move |store| Ok(declare::plan(store, declared)?)).await?;
    Ok(HttpResponse::Ok().json(json!({ "changes": changes })))
}

fn read(plan: PlanIn, config: &Config) -> Result<Declared, ApiError> {
    let mut sources = plan.source;
    let secrets = secrets(plan.secrets, &mut sources);
    let found = problems(config, &plan.application, &plan.event_type, &plan.endpoint, &sources);
    let mut found: Vec<Problem> =
        found.into_iter().map(|(setting, message)| problem(setting, message)).collect();
    let mut keys = BTreeMap::new();
    for (index, given) in plan.keys.into_iter().enumerate() {
        for (part, uid) in [("application", &given.application), ("endpoint", &given.endpoint)] {
            if let Err(rule) = limits::name(uid) {
                found.push(problem(format!("keys[{index}].{part}"), rule));
            }
        }
        match SigningKey::parse(&given.key) {
            Ok(key) => drop(keys.insert((given.application, given.endpoint), key)),
            Err(error) => found.push(problem(format!("keys[{index}].key"), error.to_string())),
        }
    }
    if !found.is_empty() {
        return Err(ApiError::Invalid(found));
    }
    let with_key = |endpoint: DeclaredEndpoint| {
        let key = keys.remove(&(endpoint.application.clone(), endpoint.uid.clone()));
        (endpoint, key)
    };
    Ok(Declared {
        applications: plan.application,
        event_types: plan.event_type,
        endpoints: plan.endpoint.into_iter().map(with_key).collect(),
        sources: sources
            .into_iter()
            .map(|source| {
                let given = secrets.get(&source.uid).cloned().unwrap_or_default();
                (source, given)
            })
            .collect(),
        overlap: config.sources.rotation_overlap.0,
    })
}

/// What was read of files stands in the sources as if it had been written there, so that it is
/// checked with them.
fn secrets(
    given: Vec<SecretsIn>,
    sources: &mut [DeclaredSource],
) -> BTreeMap<String, SourceSecrets> {
    let secret = |text: String| Secret::new(text.into_bytes());
    let mut all = BTreeMap::new();
    for SecretsIn { source, secrets, token, verify_token } in given {
        for declared in sources.iter_mut().filter(|declared| declared.uid == source) {
            declared.secrets = secrets.iter().map(|text| SecretText::new(text)).collect();
        }
        let held = SourceSecrets {
            secrets: secrets.into_iter().map(secret).collect(),
            token: token.map(secret),
            verify_token: verify_token.map(secret),
        };
        all.insert(source, held);
    }
    all
}

fn problem(setting: String, msg: String) -> Problem {
    Problem { loc: vec!["body".to_owned(), setting], msg, kind: "value_error" }
}
