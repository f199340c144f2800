//! `/auth/session`: a browser signs in with an operator key, and out again. Open to anybody, as the
//! key comes in the body; wrong ones are counted as wrong keys are everywhere.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use super::body::{Body, is_json};
use super::limits::Problems;
use super::token_secret::Minted;
use crate::domain::audit::{Actor, Asked, Deed, Note};
use crate::domain::secret::write_session;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::http::audit;
use crate::http::auth::{Caller, Credential, digest};
use crate::http::error::ApiError;
use crate::http::server::Shared;
use crate::http::session::{self, Person};
use crate::store::{Reply, WriteError};

/// Bytes of a body that nobody has shown a key for.
const BODY_MAX: u64 = 4 * 1024;
/// Characters of an operator key at most.
pub const KEY_MAX: usize = 256;

#[derive(Deserialize)]
struct SessionIn {
    key: String,
}

/// The small body of somebody who is not known yet, from no other page than this relay's.
pub(super) async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    shared: &Shared,
) -> Result<Body, ApiError> {
    session::not_from_elsewhere(&shared.state.config, request.headers())?;
    if is_json(request.headers()) != Some(true) {
        let words = "the body must be JSON, sent with content-type: application/json";
        return Err(ApiError::UnsupportedMediaType(words.to_owned()));
    }
    let payload: Payload = payload.into_inner();
    Body::read_any(request, payload, shared, BODY_MAX).await
}

/// The time that callers mean.
pub(super) fn wall(shared: &Shared) -> Timestamp {
    let clock = &shared.state.clock;
    clock.now().max(clock.wall())
}

/// Somebody came with what is not right: counted, and noted now and then.
pub(super) async fn wrong(
    request: &HttpRequest,
    shared: &Shared,
    words: &'static str,
) -> Result<HttpResponse, ApiError> {
    let (failures, now) = (&shared.failures, shared.state.clock.now());
    let client = shared.state.access.client(request.peer_addr(), request.headers());
    let Some(client) = client else { return Err(ApiError::WrongSignIn(words)) };
    if let Some(seconds) = failures.blocked(client, now) {
        return Err(ApiError::TooManyFailures(seconds));
    }
    if failures.record(client, now) {
        tracing::warn!(%client, "too many wrong keys: refused for a minute");
    }
    if failures.note(client, now) {
        let note = audit::note(request, shared, Actor::Nobody, Deed::SignInFailed);
        let noted = shared.state.store.write(None, move |transaction| {
            transaction.note(note);
            Ok(Reply::Done)
        });
        if let Err(error) = noted.await {
            tracing::warn!(%client, %error, "a failed sign-in is not in the audit log");
        }
    }
    Err(ApiError::WrongSignIn(words))
}

/// What a browser is given for a session, and what is kept of that.
pub(super) fn draw(shared: &Shared, left: Duration) -> (String, [u8; 32]) {
    let Minted { text, digest, .. } = shared.mint.draw(write_session);
    (session::set(&shared.state.config, &text, left), digest)
}

/// Signs in with an operator key.
pub(super) async fn create(
    request: HttpRequest,
    payload: web::Payload,
    shared: Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    let body = read(&request, payload, &shared).await?;
    let SessionIn { key } = body.json()?;
    let mut problems = Problems::default();
    if !(1..=KEY_MAX).contains(&key.len()) {
        problems.add(&["key"], format!("has 1 to {KEY_MAX} characters"));
    }
    problems.finish()?;
    let now = wall(&shared);
    let Some(person) = Person::with_key(&shared.state, &digest(key.trim()), now) else {
        return wrong(&request, &shared, "this is no operator key of this relay").await;
    };
    let expires_at = person.session_end(&shared.state.config, now);
    let (cookie, digest) = draw(&shared, expires_at.since(now));
    let session = Session { digest, holder: person.holder, created_at: now, expires_at };
    let note = audit::note(&request, &shared, audit::actor_of(&person), Deed::SignIn);
    let kept = shared.state.store.write(None, move |transaction| {
        transaction.put_session(&session);
        transaction.note(note);
        Ok(Reply::Done)
    });
    kept.await?;
    let name = person.key.as_ref().and_then(|key| key.name.clone());
    let shown = json!({
        "name": name, "role": person.role().name(), "expiresAt": expires_at.to_string(),
    });
    Ok(HttpResponse::Ok().insert_header((header::SET_COOKIE, cookie)).json(shown))
}

/// Signs out whoever the cookie is of; one that is over, or none, is taken away all the same.
pub(super) async fn end(
    request: HttpRequest,
    shared: Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    let (config, headers) = (&shared.state.config, request.headers());
    // It alone counts where both came.
    let by_key = headers.contains_key(header::AUTHORIZATION);
    let Some(cookie) = session::presented(config, headers).filter(|_| !by_key) else {
        return Ok(signed_out(&shared));
    };
    session::from_own_page(config, headers)?;
    let digest = digest(cookie);
    let caller = session::caller(&shared.state, headers).await;
    sign_out(&request, &shared, digest, caller.as_ref()).await?;
    Ok(signed_out(&shared))
}

/// Ends the session of a caller that came with its cookie.
pub(super) async fn end_of(
    request: &HttpRequest,
    shared: &Shared,
    caller: &Caller,
) -> Result<HttpResponse, ApiError> {
    let Credential::Session(signed_in) = &caller.credential else {
        return Err(ApiError::Unauthenticated);
    };
    sign_out(request, shared, signed_in.session.digest, Some(caller)).await?;
    Ok(signed_out(shared))
}

async fn sign_out(
    request: &HttpRequest,
    shared: &Shared,
    digest: [u8; 32],
    caller: Option<&Caller>,
) -> Result<(), WriteError> {
    let note = caller.map(|caller| {
        let note = audit::note(request, shared, audit::actor(caller), Deed::SignOut);
        let asked = note.asked.map(|asked| Asked { by_session: true, ..asked });
        Note { asked, ..note }
    });
    let ended = shared.state.store.write(None, move |transaction| {
        let ended = transaction.end_session(&digest);
        if let (Some(_), Some(note)) = (ended, note) {
            transaction.note(note);
        }
        Ok(Reply::Done)
    });
    ended.await.map(|_| ())
}

fn signed_out(shared: &Shared) -> HttpResponse {
    let cookie = session::clear(&shared.state.config);
    HttpResponse::NoContent().insert_header((header::SET_COOKIE, cookie)).finish()
}
