//! `/event-type/import/openapi`: the webhooks of an OpenAPI document become event types.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::call::Call;
use super::event_type::Fields;
use super::limits::{self, Problems};
use super::schema;
use crate::domain::event_type::EventType;
use crate::domain::openapi::{self, Described};
use crate::domain::schema::Fault;
use crate::http::error::{ApiError, Problem};
use crate::store::{Author, Refusal, Reply, Transaction};

/// Levels of a YAML document at most; JSON has a limit of its own, 128.
const YAML_LEVELS_MAX: usize = 100;
/// Values of a YAML document at most, those that aliases repeat counted each time.
const YAML_VALUES_MAX: usize = 200_000;
/// The version that an imported schema has.
const VERSION: &str = "1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImportIn {
    spec: Option<Value>,
    spec_raw: Option<String>,
    replace_all: Option<bool>,
    dry_run: Option<bool>,
}

#[derive(Serialize)]
struct ImportOut {
    data: ImportOutData,
}

#[derive(Serialize)]
struct ImportOutData {
    modified: Vec<String>,
    /// With this name and no other in the Svix API.
    to_modify: Option<Vec<Found>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    name: String,
    description: String,
    schemas: Option<Box<RawValue>>,
    deprecated: bool,
    group_name: Option<String>,
    feature_flags: Option<Vec<String>>,
}

/// Makes and changes the event types that the document describes, all of them or none.
pub(super) async fn import(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let body = call.body().await?;
    let input: ImportIn = body.json()?;
    let (replace_all, dry_run) =
        (input.replace_all.unwrap_or(false), input.dry_run.unwrap_or(false));
    let fields = web::block(move || read(input.spec, input.spec_raw))
        .await
        .map_err(|_| ApiError::Busy("the relay is stopping".to_owned()))??;
    for (name, fields) in &fields {
        let checked = schema::check_versions(fields.schemas.as_deref()).await;
        checked.map_err(|error| inside(error, name))?;
    }
    let names: Vec<String> = fields.keys().cloned().collect();
    if dry_run {
        call.check_key(&body)?;
        let found = fields.into_iter().map(|(name, fields)| Found::new(name, fields)).collect();
        return Ok(answer(Vec::new(), Some(found)));
    }
    let written = names.clone();
    call.write_once(&body, move |transaction| {
        for (name, fields) in fields {
            put(transaction, name, fields)?;
        }
        if replace_all {
            archive_others(transaction, &written)?;
        }
        Ok(Reply::Done)
    })
    .await?;
    Ok(answer(names, None))
}

fn answer(modified: Vec<String>, to_modify: Option<Vec<Found>>) -> HttpResponse {
    HttpResponse::Ok().json(ImportOut { data: ImportOutData { modified, to_modify } })
}

impl Found {
    fn new(name: String, fields: Fields) -> Found {
        let schemas = fields.schemas.and_then(|text| RawValue::from_string(text).ok());
        let flags = fields.feature_flags;
        Found {
            name,
            description: fields.description,
            schemas,
            deprecated: fields.deprecated,
            group_name: fields.group_name,
            feature_flags: (!flags.is_empty()).then_some(flags),
        }
    }
}

/// Reads the document that is given in one of two ways.
fn read(
    spec: Option<Value>,
    spec_raw: Option<String>,
) -> Result<BTreeMap<String, Fields>, ApiError> {
    let (document, place) = match (spec, spec_raw) {
        (Some(document), None) => (document, "spec"),
        (None, Some(text)) => (parse(&text)?, "specRaw"),
        _ => {
            let words = "give the document either as spec (JSON) or as specRaw (text)";
            return Err(ApiError::BadRequest(words.to_owned()));
        }
    };
    let described = openapi::event_types(&document).map_err(|fault| invalid(place, fault))?;
    let mut problems = Problems::default();
    let mut fields = BTreeMap::new();
    for described in described {
        let place: Vec<String> =
            [place.to_owned()].into_iter().chain(described.path.clone()).collect();
        let place: Vec<&str> = place.iter().map(String::as_str).collect();
        let name = described.name.clone();
        problems.check(&place, limits::event_type(&name));
        let described = fields_of(described);
        described.check(&place, &mut problems);
        fields.insert(name, described);
    }
    problems.finish()?;
    Ok(fields)
}

fn fields_of(described: Described) -> Fields {
    let schemas = described.schema.map(|schema| serde_json::json!({ VERSION: schema }).to_string());
    Fields {
        description: described.description,
        archived: false,
        deprecated: described.deprecated,
        schemas,
        feature_flags: described.feature_flags,
        group_name: described.group_name,
    }
}

/// Reads JSON, or YAML, of which JSON is a part; what begins with a brace is read as JSON.
fn parse(text: &str) -> Result<Value, ApiError> {
    if text.trim_start().starts_with('{') {
        let read = serde_json::from_str(text);
        return read.map_err(|error| unreadable(&format!("is no JSON: {error}")));
    }
    let mut budget = serde_saphyr::Budget::default();
    budget.max_depth = YAML_LEVELS_MAX;
    budget.max_nodes = YAML_VALUES_MAX;
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = YAML_VALUES_MAX;
    // «no» is Norway, and «on» is an ordinary key.
    options.strict_booleans = true;
    options.with_snippet = false;
    let read = serde_saphyr::from_str_with_options(text, options);
    read.map_err(|error| unreadable(&format!("is no YAML: {error}")))
}

fn unreadable(words: &str) -> ApiError {
    let path = Vec::new();
    invalid("specRaw", Fault { path, words: words.to_owned() })
}

fn invalid(place: &str, fault: Fault) -> ApiError {
    let loc = ["body", place].map(str::to_owned).into_iter().chain(fault.path).collect();
    ApiError::Invalid(vec![Problem { loc, msg: fault.words, kind: "value_error" }])
}

/// Says which event type it is whose schema is none.
fn inside(error: ApiError, name: &str) -> ApiError {
    let ApiError::Invalid(problems) = error else { return error };
    let named = |mut problem: Problem| {
        problem.msg = format!("the schema of {name}: {}", problem.msg);
        problem.loc.insert(1, name.to_owned());
        problem
    };
    ApiError::Invalid(problems.into_iter().map(named).collect())
}

fn put(transaction: &mut Transaction<'_>, name: String, fields: Fields) -> Result<(), Refusal> {
    let now = transaction.now();
    let old = transaction.event_type(&name).ok();
    let mut new = fields.make(name, now);
    if let Some(old) = old {
        (new.created_at, new.updated_at, new.managed) =
            (old.created_at, old.updated_at, old.managed);
        if *old == new {
            return Ok(());
        }
        new.updated_at = now;
    }
    let name = new.name.clone();
    transaction.put_event_type(new, Author::Caller).map(drop).map_err(|refusal| match refusal {
        Refusal::Managed(words) => Refusal::Managed(format!("{name}: {words}")),
        other => other,
    })
}

/// Archives every event type that has none of these names; what `relay.toml` declares stays.
fn archive_others(transaction: &mut Transaction<'_>, names: &[String]) -> Result<(), Refusal> {
    let now = transaction.now();
    for held in transaction.event_types() {
        if held.archived || held.managed || names.contains(&held.name) {
            continue;
        }
        let archived = EventType { archived: true, updated_at: now, ..held.as_ref().clone() };
        transaction.put_event_type(archived, Author::Caller)?;
    }
    Ok(())
}
