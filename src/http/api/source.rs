//! `/source`: where providers post to. The shapes are those of the Svix API's ingest calls, which
//! client libraries find below `/ingest`.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::application::unexpected;
use super::call::Call;
use super::limits::{self, Problems};
use super::page;
use super::query::wrong;
use super::source_in::{Fields, SourceIn, SourceOut};
use crate::domain::id::SourceId;
use crate::domain::provider;
use crate::domain::source::{Source, TOKENS_MAX};
use crate::engine::declare::sources::{draw_token, replace, rotate};
use crate::http::error::ApiError;
use crate::store::{
    ApplicationReference, Author, Reference, Refusal, Reply, SourceReference, Transaction, Written,
};

/// Where client libraries of the Svix API ask.
const INGEST: &str = "/ingest/";

/// What stands in the URL of a source for its token.
const NOT_SHOWN: &str = "(hidden)";

/// Every kind of source.
pub(super) async fn types(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let known = provider::known()
        .iter()
        .map(|row| json!({ "type": row.name, "title": row.title, "docs": row.docs }));
    Ok(HttpResponse::Ok().json(json!({ "data": known.collect::<Vec<_>>() })))
}

/// Sources, newest first.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let query = call.query()?;
    let request = page::request(&query, call.ids(), true)?;
    let application = match query.text("application") {
        None => None,
        Some(name) => {
            let reference = ApplicationReference::read(call.ids(), name);
            let found = call.store().application(&reference);
            Some(found.ok_or_else(|| wrong("application", "names no application"))?.id)
        }
    };
    let page = call.store().list_sources(&request, |source| {
        application.is_none_or(|application| source.application == application)
    });
    let name = |source: &Arc<Source>| source.id;
    let bytes = page::json(call.ids(), &request, page, name, |source| Ok(shown(&call, &source)))?;
    Ok(page::ok(bytes))
}

fn shown(call: &Call, source: &Source) -> Value {
    let mut shown = out(call, source);
    if for_libraries(call) {
        shown.for_libraries();
    }
    as_json(&shown)
}

fn out<'a>(call: &Call, source: &'a Source) -> SourceOut<'a> {
    let state = &call.shared.state;
    // Who knows the URL may post to it: it is a secret itself.
    let token = call.changes_everything().map_or(NOT_SHOWN, |()| source.token());
    SourceOut::new(call.ids(), source, state.intake.url(token), state.clock.now())
}

fn as_json(shown: &SourceOut<'_>) -> Value {
    serde_json::to_value(shown).expect("invariant: keys are text")
}

fn for_libraries(call: &Call) -> bool {
    call.request.path().starts_with(INGEST)
}

/// Makes one; the answer has its URL.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let body = call.body().await?;
    let fields = body.json::<SourceIn>()?.check()?;
    needs_secret(&fields, None)?;
    let (ids, overlap) = (call.ids().clone(), overlap(&call));
    let written = call
        .write_once(&body, move |transaction| {
            let application = ApplicationReference::read(&ids, &fields.application);
            put(transaction, fields, &application, None, overlap)
        })
        .await?;
    answer(&call, &written)
}

/// One source.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let source = call.source()?;
    Ok(HttpResponse::Ok().json(shown(&call, &source)))
}

/// Replaces one, or makes one of the name in the path; secrets that are not given stay, and the URL
/// of one that is there does.
pub(super) async fn put_one(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let reference: SourceReference = call.reference("source")?;
    let found = call.store().source(&reference);
    let name = match (&found, reference) {
        (None, Reference::Name(name)) => Some(name),
        (None, Reference::Id(_)) => return Err(ApiError::not_found()),
        (Some(_), _) => None,
    };
    let body = call.body().await?;
    let mut fields = body.json::<SourceIn>()?.check()?;
    if let Some(name) = name {
        limits::name(&name).map_err(|_| ApiError::not_found())?;
        if fields.source.uid.get_or_insert_with(|| name.clone()) != &name {
            let words = format!("must be {name:?} as in the path, or be left out");
            return Err(ApiError::invalid(&["body", "uid"], words));
        }
    }
    change(&call, found.as_deref(), fields).await
}

/// Changes what is given, as a JSON Merge Patch (RFC 7396).
pub(super) async fn patch(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let source = call.source()?;
    let body = call.body().await?;
    let patch: Map<String, Value> = body.json()?;
    let mut whole = as_json(&out(&call, &source));
    merge(&mut whole, Value::Object(patch));
    let text = whole.to_string();
    let whole: SourceIn = super::body::read_json(text.as_bytes())?;
    change(&call, Some(&source), whole.check()?).await
}

async fn change(
    call: &Call,
    source: Option<&Source>,
    mut fields: Fields,
) -> Result<HttpResponse, ApiError> {
    if let Some(source) = source.filter(|_| for_libraries(call)) {
        fields.keep_unshown(&source.verification);
    }
    needs_secret(&fields, source)?;
    let overlap = fields.overlap.unwrap_or_else(|| overlap(call));
    let ids = call.ids().clone();
    let id = source.map(|source| source.id);
    let written = call
        .write(move |transaction| {
            let application = ApplicationReference::read(&ids, &fields.application);
            put(transaction, fields, &application, id, overlap)
        })
        .await?;
    answer(call, &written)
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (name, value) in patch {
        match value {
            Value::Null => drop(fields.remove(&name)),
            value => merge(fields.entry(name).or_insert(Value::Null), value),
        }
    }
}

/// What verifies needs something to verify with, but while a handshake is still to give it.
fn needs_secret(fields: &Fields, old: Option<&Source>) -> Result<(), ApiError> {
    let given = match (&fields.secrets, old) {
        (Some(secrets), _) => !secrets.is_empty(),
        (None, Some(old)) => !old.secrets.is_empty(),
        (None, None) => false,
    };
    match fields.source.verification.row() {
        Some(row) if row.needs_secret() && !given && !fields.source.set_up => {
            let words = format!(
                "is missing: {} signs with one (the type \"generic-webhook\" verifies nothing)",
                row.title
            );
            Err(ApiError::invalid(&["body", "config", "secret"], words))
        }
        _ => Ok(()),
    }
}

fn put(
    transaction: &mut Transaction<'_>,
    fields: Fields,
    application: &ApplicationReference,
    id: Option<SourceId>,
    overlap: Duration,
) -> Result<Reply, Refusal> {
    let application = transaction.application(application).map_err(|_| Refusal::Invalid {
        location: vec!["body".to_owned(), "application".to_owned()],
        message: "names no application".to_owned(),
    })?;
    let (now, until) = (transaction.now(), transaction.now() + overlap);
    let old = id.map(|id| transaction.source(&SourceReference::Id(id))).transpose()?;
    let mut source = Source { application: application.id, updated_at: now, ..fields.source };
    match &old {
        Some(old) => {
            (source.id, source.created_at) = (old.id, old.created_at);
            source.secrets.clone_from(&old.secrets);
            source.tokens.clone_from(&old.tokens);
            if source.verify_token.is_none() {
                source.verify_token.clone_from(&old.verify_token);
            }
        }
        None => (source.id, source.created_at) = (SourceId::new(transaction.mint()), now),
    }
    if let Some(secrets) = &fields.secrets {
        replace(&mut source.secrets, secrets, now, until);
    }
    match fields.token {
        Some(token) => rotate(&mut source.tokens, token, until, TOKENS_MAX),
        None if source.tokens.is_empty() => {
            rotate(&mut source.tokens, draw_token(), until, TOKENS_MAX);
        }
        None => {}
    }
    let source = transaction.put_source(source, Author::Caller)?;
    Ok(Reply::Source { source, created: old.is_none() })
}

/// Deletes one: its URL answers 404 from then on; what it took in stays.
pub(super) async fn delete(call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let reference: SourceReference = call.reference("source")?;
    let discard_held = call.query()?.flag("discard_held", false)?;
    call.write(move |transaction| {
        let id = transaction.source(&reference)?.id;
        transaction.delete_source(id, Author::Caller, discard_held)?;
        Ok(Reply::Done)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RotateTokenIn {
    overlap_seconds: Option<u64>,
}

/// Gives it another URL; the old one counts for the overlap.
pub(super) async fn rotate_token(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let reference = SourceReference::Id(call.source()?.id);
    let body = call.body().await?;
    let input: RotateTokenIn = body.json_or_empty()?;
    let mut problems = Problems::default();
    problems.check(&["overlapSeconds"], limits::overlap(input.overlap_seconds));
    problems.finish()?;
    let overlap = input.overlap_seconds.map_or(overlap(&call), Duration::from_secs);
    let written = call
        .write_once(&body, move |transaction| {
            let mut source = Source::clone(&*transaction.source(&reference)?);
            let now = transaction.now();
            rotate(&mut source.tokens, draw_token(), now + overlap, TOKENS_MAX);
            source.updated_at = now;
            let source = transaction.put_source(source, Author::Caller)?;
            Ok(Reply::Source { source, created: false })
        })
        .await?;
    let Reply::Source { source, .. } = &written.reply else {
        return Err(unexpected(&written.reply));
    };
    let url = call.shared.state.intake.url(source.token());
    Ok(HttpResponse::Ok().json(json!({ "ingestUrl": url })))
}

fn overlap(call: &Call) -> Duration {
    call.shared.state.config.sources.rotation_overlap.0
}

fn answer(call: &Call, written: &Written) -> Result<HttpResponse, ApiError> {
    let Reply::Source { source, created } = &written.reply else {
        return Err(unexpected(&written.reply));
    };
    let status = if *created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(shown(call, source)))
}
