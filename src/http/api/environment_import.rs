//! `/environment/import`: creates what is not there, changes what differs, leaves the rest.
//!
//! Each entry is read by itself, so that one that is wrong need not hold up the others; what is
//! then done with them is in [`environment_apply`](super::environment_apply).

use std::sync::mpsc;

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::application::{self, ApplicationIn};
use super::body::read_json;
use super::call::Call;
use super::endpoint::{self, EndpointIn};
use super::endpoint_secret::draw_key;
use super::environment::VERSION;
use super::environment_apply::{Action, apply};
use super::event_type::{self, EventTypeIn};
use super::limits;
use super::schema;
use crate::domain::signature::SigningKey;
use crate::http::error::{ApiError, Problem};
use crate::http::state::CheckUrl;
use crate::store::{Refusal, Reply};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvironmentIn<'body> {
    version: Option<u32>,
    #[serde(borrow)]
    event_types: Option<Vec<&'body RawValue>>,
    settings: Option<Value>,
    #[serde(borrow)]
    connectors: Option<Vec<&'body RawValue>>,
    #[serde(borrow)]
    applications: Option<Vec<&'body RawValue>>,
}

/// What an entry has beside the fields that other calls take.
#[derive(Deserialize, Default)]
struct Beside<'body> {
    id: Option<String>,
    #[serde(borrow)]
    endpoints: Option<Vec<&'body RawValue>>,
    sensitive: Option<Vec<String>>,
}

/// An entry of the document: where it stands, what people call it, and what it says, or what is
/// wrong with it.
pub(super) struct Entry<T> {
    pub at: Vec<String>,
    pub name: String,
    pub read: Result<T, Vec<Problem>>,
}

pub(super) struct ApplicationEntry {
    pub id: Option<String>,
    pub fields: application::Fields,
}

pub(super) struct EndpointEntry {
    pub id: Option<String>,
    pub fields: endpoint::Fields,
    /// Names of headers whose values the document does not have.
    pub sensitive: Vec<String>,
    /// For one that is made without a key of its own.
    pub key: SigningKey,
}

/// Everything that was read; `refused` is what a relay has no place for.
#[derive(Default)]
pub(super) struct Entries {
    pub event_types: Vec<Entry<(String, event_type::Fields)>>,
    pub applications: Vec<(Entry<ApplicationEntry>, Vec<Entry<EndpointEntry>>)>,
    pub refused: Vec<(&'static str, Entry<()>)>,
}

/// Takes the whole or nothing, answering 204; with `per_item` all that can be taken, answering 200
/// and what was done with each entry. With `dry_run` nothing is changed.
pub(super) async fn import(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let query = call.query()?;
    let (dry_run, per_item) = (query.flag("dry_run", false)?, query.flag("per_item", false)?);
    let body = call.body().await?;
    let entries = read(&call, body.json()?).await?;
    let ids = call.ids().clone();
    let config = call.shared.state.in_force.config();
    let (sender, done) = mpsc::channel();
    let written = call
        .write(move |transaction| {
            let items = apply(transaction, entries, &ids, &config);
            let refused = items.iter().any(|item| item.action == Action::Refused);
            // The receiver waits below.
            let _ = sender.send(items);
            if dry_run || refused && !per_item { Err(Refusal::NotFound) } else { Ok(Reply::Done) }
        })
        .await;
    let Ok(mut items) = done.try_recv() else {
        written?;
        return Err(ApiError::Internal("an import told nothing of what it did".to_owned()));
    };
    let problems = items.iter_mut().flat_map(|item| std::mem::take(&mut item.problems));
    let problems: Vec<Problem> = problems.collect();
    if !per_item && !problems.is_empty() {
        return Err(ApiError::Invalid(problems));
    }
    if !dry_run {
        written?;
    }
    if per_item || dry_run {
        return Ok(HttpResponse::Ok().json(json!({ "dryRun": dry_run, "items": items })));
    }
    Ok(HttpResponse::NoContent().finish())
}

async fn read(call: &Call, input: EnvironmentIn<'_>) -> Result<Entries, ApiError> {
    if input.version.is_some_and(|version| version != VERSION) {
        let words = format!("must be {VERSION}: another document is none that this relay knows");
        return Err(ApiError::invalid(&["body", "version"], words));
    }
    let mut entries = Entries::default();
    for (index, raw) in input.event_types.into_iter().flatten().enumerate() {
        let at = vec!["eventTypes".to_owned(), format!("[{index}]")];
        let mut read = read_event_type(raw);
        if let Ok((_, fields)) = &read
            && let Err(error) = schema::check_versions(fields.schemas.as_deref()).await
        {
            read = Err(error);
        }
        let read = sort(read, &at)?;
        entries.event_types.push(Entry { at, name: name(raw, &["name"]), read });
    }
    let check_url = &call.shared.state.check_url;
    for (index, raw) in input.applications.into_iter().flatten().enumerate() {
        let at = vec!["applications".to_owned(), format!("[{index}]")];
        entries.applications.push(read_application(raw, at, check_url)?);
    }
    if input.settings.as_ref().is_some_and(|settings| !settings.is_object()) {
        return Err(ApiError::invalid(&["body", "settings"], "must be an object or null"));
    }
    let settings = input.settings.as_ref().and_then(Value::as_object);
    if settings.is_some_and(|settings| !settings.is_empty()) {
        let words = "the settings of a relay stand in its relay.toml";
        entries.refuse("settings", "settings", vec!["settings".to_owned()], words);
    }
    for (index, raw) in input.connectors.into_iter().flatten().enumerate() {
        let at = vec!["connectors".to_owned(), format!("[{index}]")];
        entries.refuse("connector", &name(raw, &["name"]), at, "relay has no connectors");
    }
    Ok(entries)
}

impl Entries {
    fn refuse(&mut self, kind: &'static str, name: &str, at: Vec<String>, words: &str) {
        let problem = problem(&at, words);
        self.refused.push((kind, Entry { at, name: name.to_owned(), read: Err(vec![problem]) }));
    }
}

fn read_event_type(raw: &RawValue) -> Result<(String, event_type::Fields), ApiError> {
    let input: EventTypeIn = read_json(raw.get().as_bytes())?;
    let name = input.name.clone().unwrap_or_default();
    limits::event_type(&name).map_err(|words| ApiError::invalid(&["body", "name"], words))?;
    Ok((name, input.check()?))
}

fn read_application(
    raw: &RawValue,
    at: Vec<String>,
    check_url: &CheckUrl,
) -> Result<(Entry<ApplicationEntry>, Vec<Entry<EndpointEntry>>), ApiError> {
    let beside = sort(read_json::<Beside<'_>>(raw.get().as_bytes()), &at)?;
    let (beside, wrong) = match beside {
        Ok(beside) => (beside, None),
        Err(problems) => (Beside::default(), Some(problems)),
    };
    let fields = read_json::<ApplicationIn>(raw.get().as_bytes()).and_then(ApplicationIn::check);
    let read = match wrong {
        Some(problems) => Err(problems),
        None => sort(fields, &at)?.map(|fields| ApplicationEntry { id: beside.id, fields }),
    };
    let mut endpoints = Vec::new();
    for (index, raw) in beside.endpoints.into_iter().flatten().enumerate() {
        let at: Vec<String> =
            at.iter().cloned().chain(["endpoints".to_owned(), format!("[{index}]")]).collect();
        let read = sort(read_endpoint(raw, check_url), &at)?;
        endpoints.push(Entry { at, name: name(raw, &["uid", "id", "url"]), read });
    }
    Ok((Entry { at, name: name(raw, &["uid", "id", "name"]), read }, endpoints))
}

fn read_endpoint(raw: &RawValue, check_url: &CheckUrl) -> Result<EndpointEntry, ApiError> {
    let beside: Beside<'_> = read_json(raw.get().as_bytes())?;
    let fields = read_json::<EndpointIn>(raw.get().as_bytes())?.check(check_url)?;
    Ok(EndpointEntry {
        id: beside.id,
        fields,
        sensitive: beside.sensitive.unwrap_or_default(),
        key: draw_key()?,
    })
}

/// What is wrong with an entry, apart from what ends the whole request.
fn sort<T>(read: Result<T, ApiError>, at: &[String]) -> Result<Result<T, Vec<Problem>>, ApiError> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(ApiError::Invalid(problems)) => Ok(Err(problems
            .into_iter()
            .map(|found| {
                let inside = found.loc.into_iter().skip(1);
                let loc = ["body".to_owned()].into_iter().chain(at.iter().cloned());
                Problem { loc: loc.chain(inside).collect(), ..found }
            })
            .collect())),
        Err(error) => Err(error),
    }
}

/// One thing wrong with a whole entry.
pub(super) fn problem(at: &[String], words: &str) -> Problem {
    let loc = ["body".to_owned()].into_iter().chain(at.iter().cloned()).collect();
    Problem { loc, msg: words.to_owned(), kind: "value_error" }
}

/// What people call an entry: the first of these fields that it has.
fn name(raw: &RawValue, fields: &[&str]) -> String {
    let value: Value = serde_json::from_str(raw.get()).unwrap_or_default();
    let found = fields.iter().find_map(|field| value[*field].as_str());
    found.unwrap_or_default().chars().take(limits::UID_MAX).collect()
}
