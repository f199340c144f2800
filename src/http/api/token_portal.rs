//! `/auth/app-portal-access/{app}` and `/auth/app/{app}/expire-all`: tokens of one application.

use std::time::Duration;

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::json;

use super::application::ApplicationIn;
use super::call::Call;
use super::limits::{self, FEATURE_FLAGS_MAX, Problems, SESSIONS_MAX};
use super::limits::{TOKEN_EXPIRY_MAX, TOKEN_EXPIRY_MIN};
use crate::domain::id::ApplicationId;
use crate::domain::secret::write_application_token;
use crate::domain::token::{ApplicationToken, Capabilities, Capability};
use crate::http::error::ApiError;
use crate::http::portal;
use crate::store::{ApplicationReference, Author, Reference, Refusal};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppPortalAccessIn {
    application: Option<ApplicationIn>,
    capabilities: Option<Vec<String>>,
    feature_flags: Option<Vec<String>>,
    expiry: Option<u64>,
    session_id: Option<String>,
    read_only: Option<bool>,
}

impl AppPortalAccessIn {
    fn check(&self, problems: &mut Problems) {
        for flag in self.feature_flags.iter().flatten() {
            problems.check(&["featureFlags"], limits::name(flag));
        }
        if self.feature_flags.as_ref().is_some_and(|flags| flags.len() > FEATURE_FLAGS_MAX) {
            problems.add(&["featureFlags"], format!("must have at most {FEATURE_FLAGS_MAX} items"));
        }
        if let Some(session) = &self.session_id {
            problems.check(&["sessionId"], limits::session(session));
        }
        let (least, most) = (TOKEN_EXPIRY_MIN.as_secs(), TOKEN_EXPIRY_MAX.as_secs());
        if self.expiry.is_some_and(|expiry| !(least..=most).contains(&expiry)) {
            problems.add(&["expiry"], format!("must be {least} to {most} seconds"));
        }
    }

    /// What the token may do: all of it when nothing is said.
    fn capabilities(&self, problems: &mut Problems) -> Capabilities {
        let Some(names) = &self.capabilities else {
            let all = Capabilities::all();
            // A portal that only looks is not shown the secrets unless that is asked for.
            let base = [Capability::ViewBase].into_iter().collect();
            return if self.read_only == Some(true) { base } else { all };
        };
        let read = |name: &String| Capability::read(name);
        let given: Option<Capabilities> = names.iter().map(read).collect();
        let known = Capability::ALL.map(Capability::name).join(", ");
        match given.filter(|_| names.len() <= Capability::ALL.len()) {
            None => {
                problems.add(&["capabilities"], format!("are some of {known}"));
                Capabilities::default()
            }
            Some(given) if !given.allow(Capability::ViewBase) => {
                problems.add(&["capabilities"], "must have ViewBase among them");
                given
            }
            Some(given) if self.read_only == Some(true) => given.read_only(),
            Some(given) => given,
        }
    }
}

/// Row 38: a link into the portal of an application, and the token that is in it.
pub(super) async fn access(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let reference: ApplicationReference = call.reference("app")?;
    let body = call.body().await?;
    let mut input: AppPortalAccessIn = body.json_or_empty()?;
    let mut problems = Problems::default();
    input.check(&mut problems);
    let capabilities = input.capabilities(&mut problems);
    problems.finish()?;
    let new = input.application.take().map(|new| new.check().map_err(|e| e.inside("application")));
    let new = new.transpose()?.map(|fields| fields.named(call.parameter("app"))).transpose()?;
    let created_at = call.wall();
    let expiry = input.expiry.map_or(TOKEN_EXPIRY_MAX, Duration::from_secs);
    let minted = call.shared.mint.draw(write_application_token);
    let (digest, reply) = (minted.digest, minted.reply());
    let most = call.shared.state.config.auth.tokens_per_application;
    let written = call
        .write_once(&body, move |transaction| {
            let application = match (transaction.application(&reference), &reference, new) {
                (Err(Refusal::NotFound), Reference::Name(_), Some(fields)) => {
                    let id = ApplicationId::new(transaction.mint());
                    let made = fields.make(id, transaction.now());
                    transaction.put_application(made, Author::Caller)?
                }
                (found, _, _) => found?,
            };
            let token = ApplicationToken {
                digest,
                application: application.id,
                capabilities,
                feature_flags: input.feature_flags.unwrap_or_default(),
                session: input.session_id,
                created_at,
                expires_at: created_at + expiry,
            };
            transaction.put_token(&token, most)?;
            Ok(reply)
        })
        .await?;
    let token = call.shared.mint.again(&written, write_application_token)?.text;
    let config = &call.shared.state.config.server;
    let listening = call.request.app_config().local_addr();
    let url = portal::link(config.public_url.as_ref(), listening, &token);
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(json!({ "url": url, "token": token })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExpireAllIn {
    expiry: Option<u64>,
    session_ids: Option<Vec<String>>,
}

/// Has the tokens of an application end, at once or so many seconds from now.
pub(super) async fn expire_all(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let application = call.application()?;
    let body = call.body().await?;
    call.check_key(&body)?;
    let input: ExpireAllIn = body.json_or_empty()?;
    let mut problems = Problems::default();
    let most = TOKEN_EXPIRY_MAX.as_secs();
    if input.expiry.is_some_and(|expiry| expiry > most) {
        problems.add(&["expiry"], format!("must be at most {most} seconds"));
    }
    let sessions = input.session_ids.unwrap_or_default();
    if sessions.len() > SESSIONS_MAX {
        problems.add(&["sessionIds"], format!("must have at most {SESSIONS_MAX} items"));
    }
    for session in sessions.iter().take(SESSIONS_MAX) {
        problems.check(&["sessionIds"], limits::session(session));
    }
    problems.finish()?;
    let at = call.wall() + Duration::from_secs(input.expiry.unwrap_or(0));
    let note = call.note();
    call.read(move |store| {
        store.note(note)?;
        Ok(store.expire_tokens(application.id, at, &sessions)?)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}
