//! `/audit-log`: who changed what, and who signed in.

use actix_web::HttpResponse;
use serde::Serialize;

use super::call::Call;
use super::limits::NAME_MAX;
use super::page;
use super::query::wrong;
use crate::domain::audit::{Actor, Asked, AuditEntry};
use crate::domain::id::{AuditId, Ids, Stamp};
use crate::http::error::ApiError;
use crate::store::{AuditFilter, PageStart};

/// AuditEntryOut.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuditEntryOut<'a> {
    id: String,
    timestamp: String,
    what: &'static str,
    who: String,
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    by_session: bool,
    method: Option<&'a str>,
    route: Option<&'a str>,
    path: Option<&'a str>,
    address: Option<String>,
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// Who it was, by id or in a word.
fn who(ids: &Ids, actor: &Actor) -> String {
    match actor {
        Actor::Operator => "operator".to_owned(),
        Actor::Key { id, .. } => ids.text(*id),
        Actor::Signed { subject } => subject.clone(),
        Actor::Application { id, .. } => ids.text(*id),
        Actor::Configuration => "configuration".to_owned(),
        Actor::Nobody => "nobody".to_owned(),
    }
}

fn name(actor: &Actor) -> Option<&str> {
    match actor {
        Actor::Key { name, .. } => name.as_deref(),
        _ => None,
    }
}

impl<'a> AuditEntryOut<'a> {
    fn new(ids: &Ids, entry: &'a AuditEntry) -> AuditEntryOut<'a> {
        let note = &entry.note;
        let asked = note.asked.as_ref();
        let text = |of: fn(&Asked) -> &String| asked.map(|asked| of(asked).as_str());
        let session_id = match &note.actor {
            Actor::Application { session, .. } => session.as_deref(),
            _ => None,
        };
        AuditEntryOut {
            id: ids.text(entry.id),
            timestamp: entry.id.time().to_string(),
            what: note.deed.name(),
            who: who(ids, &note.actor),
            name: name(&note.actor),
            session_id,
            by_session: asked.is_some_and(|asked| asked.by_session),
            method: text(|asked| &asked.method),
            route: text(|asked| &asked.route),
            path: text(|asked| &asked.path),
            address: asked.and_then(|asked| asked.address).map(|address| address.to_string()),
            request_id: text(|asked| &asked.request_id),
            detail: note.detail.as_deref(),
        }
    }
}

/// Entries, newest first.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let query = call.query()?;
    let wanted = query.text("who").map(str::to_owned);
    if wanted.as_ref().is_some_and(|wanted| wanted.chars().count() > NAME_MAX) {
        return Err(wrong("who", &format!("has at most {NAME_MAX} characters")));
    }
    let (before, after) = (query.time("before")?, query.time("after")?);
    let mut request = page::request::<AuditId>(&query, call.ids(), true)?;
    // As in other lists of what happened: what came right after it, forward in time.
    if let (PageStart::First, true, None, Some(after)) =
        (&request.start, request.descending, before, after)
    {
        request.start = PageStart::Before(AuditId::new(Stamp::first_at(after)));
    }
    call.read(move |store| {
        let ids = store.ids();
        let passes = |entry: &AuditEntry| {
            let actor = &entry.note.actor;
            let is = |wanted: &String| {
                name(actor) == Some(wanted.as_str()) || who(ids, actor) == *wanted
            };
            wanted.as_ref().is_none_or(is)
        };
        let page = store.list_audit(&AuditFilter { passes: &passes, before, after }, &request);
        page::json(
            ids,
            &request,
            page,
            |entry| entry.id,
            |entry| {
                let shown = serde_json::to_value(AuditEntryOut::new(ids, &entry));
                shown.map_err(|error| ApiError::Internal(error.to_string()))
            },
        )
    })
    .await
    .map(page::ok)
}
