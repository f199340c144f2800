//! `/auth/sign-in-link`: a link that makes an operator key for somebody, once, and signs in the
//! browser that follows it.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use super::call::Call;
use super::limits::{self, NAME_MAX, Problems};
use super::session::{draw, read, wall, wrong};
use crate::domain::audit::{Actor, Deed, Note};
use crate::domain::id::KeyId;
use crate::domain::secret::{is_sign_in_code, write_operator_key, write_sign_in_code};
use crate::domain::session::{Holder, Session, SignInLink};
use crate::domain::time::Timestamp;
use crate::domain::token::{OperatorKey, Role};
use crate::http::audit;
use crate::http::auth::{Access, Credential, digest};
use crate::http::error::ApiError;
use crate::http::public;
use crate::http::server::Shared;
use crate::store::{Refusal, Reply, Transaction, WriteError};

/// How long a link waits for somebody to follow it.
pub const LINK_LIFE: Duration = Duration::from_secs(24 * 3_600);
/// Characters of a code at most; those that are made here have 75.
const CODE_MAX: usize = 128;
/// What whoever follows the first link is called when no name was said.
const FIRST: &str = "operator";
const WRONG: &str = "this link is not good any more: it was followed already, its time is over, or \
                     who made it has no key now; ask for another";

/// Where a link leads, below how the outside reaches the relay; browsers send no fragment.
pub fn url(base: &str, code: &str) -> String {
    format!("{base}/setup#code={code}")
}

#[derive(Deserialize)]
struct SignInLinkIn {
    name: String,
    role: Option<String>,
}

#[derive(Deserialize)]
struct RedeemIn {
    code: String,
    name: Option<String>,
}

/// Makes one for somebody.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let body = call.body().await?;
    let input: SignInLinkIn = body.json()?;
    let mut problems = Problems::default();
    problems.check(&["name"], limits::text(&input.name, 1, NAME_MAX));
    let role = input.role.as_deref().map_or(Some(Role::Operator), Role::read);
    if role.is_none() {
        problems.add(&["role"], "must be operator or read-only");
    }
    problems.finish()?;
    let now = call.wall();
    let minted = call.shared.mint.draw(write_sign_in_code);
    let (link, reply) = (
        SignInLink {
            digest: minted.digest,
            name: Some(input.name),
            role: role.unwrap_or_default(),
            made_by: holder(&call),
            created_at: now,
            expires_at: now + LINK_LIFE,
        },
        minted.reply(),
    );
    let written = call
        .write_once(&body, move |transaction| {
            transaction.put_link(&link)?;
            Ok(reply)
        })
        .await?;
    let minted = call.shared.mint.again(&written, write_sign_in_code)?;
    let link = call.store().sign_in_link(&minted.digest).ok_or_else(|| {
        let words = "the link that was made with this Idempotency-Key was followed already";
        ApiError::Conflict(words.to_owned())
    })?;
    let config = &call.shared.state.config.server;
    let listening = call.request.app_config().local_addr();
    let url = url(&public::base(config.public_url.as_ref(), listening), &minted.text);
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({ "url": url, "expiresAt": link.expires_at.to_string() })))
}

/// The key that the caller has, as far as it is one that is kept.
fn holder(call: &Call) -> Option<Holder> {
    match &call.caller.credential {
        Credential::Configured => call.shared.state.access.configured(),
        Credential::Key(key) => Some(Holder::Key(key.id)),
        Credential::Session(signed_in) => Some(signed_in.session.holder),
        Credential::Token(_) | Credential::Signed(_) => None,
    }
}

/// Follows one: makes the key, which is shown this once, and signs in.
pub(super) async fn redeem(
    request: HttpRequest,
    payload: web::Payload,
    shared: Data<Shared>,
) -> Result<HttpResponse, ApiError> {
    let body = read(&request, payload, &shared).await?;
    let input: RedeemIn = body.json()?;
    let mut problems = Problems::default();
    if !(1..=CODE_MAX).contains(&input.code.len()) {
        problems.add(&["code"], format!("has 1 to {CODE_MAX} characters"));
    }
    if let Some(name) = &input.name {
        problems.check(&["name"], limits::text(name, 1, NAME_MAX));
    }
    problems.finish()?;
    let code = input.code.trim();
    if !is_sign_in_code(code) {
        return wrong(&request, &shared, WRONG).await;
    }
    let now = wall(&shared);
    let minted = shared.mint.draw(write_operator_key);
    let asked = audit::note(&request, &shared, Actor::Nobody, Deed::LinkRedeemed);
    let (state, of_code, made) = (shared.state.clone(), digest(code), minted.digest);
    let life = shared.state.config.auth.session.0;
    let (expires_at, (cookie, of_session)) = (now + life, draw(&shared, life));
    let written = shared.state.store.write(None, move |transaction| {
        let link = transaction.take_link(&of_code)?;
        let good = now < link.expires_at && maker_is_good(transaction, &state.access, &link, now);
        // What was taken comes back with the refusal, and is swept when its time is over.
        let link = Some(link).filter(|_| good).ok_or(Refusal::NotFound)?;
        let id = KeyId::new(transaction.mint());
        let name = input.name.or(link.name).unwrap_or_else(|| FIRST.to_owned());
        let actor = Actor::Key { id, name: Some(name.clone()) };
        transaction.put_operator_key(OperatorKey {
            id,
            name: Some(name),
            digest: made,
            created_at: now,
            expires_at: None,
            role: link.role,
        })?;
        let holder = Holder::Key(id);
        let session = Session { digest: of_session, holder, created_at: now, expires_at };
        transaction.put_session(&session);
        transaction.note(Note { actor, ..asked });
        Ok(Reply::Done)
    });
    match written.await {
        Ok(_) => {}
        Err(WriteError::Refused(Refusal::NotFound)) => {
            return wrong(&request, &shared, WRONG).await;
        }
        Err(error) => return Err(error.into()),
    }
    let key: Arc<OperatorKey> =
        shared.state.store.operator_key(&minted.digest).ok_or_else(|| {
            ApiError::Conflict("the key that this link made was revoked meanwhile".to_owned())
        })?;
    let shown = json!({
        "id": shared.state.store.ids().text(key.id), "name": key.name, "role": key.role.name(),
        "token": minted.text, "expiresAt": expires_at.to_string(),
    });
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::SET_COOKIE, cookie))
        .json(shown))
}

fn maker_is_good(
    transaction: &Transaction<'_>,
    access: &Access,
    link: &SignInLink,
    now: Timestamp,
) -> bool {
    match link.made_by {
        None => true,
        Some(Holder::Configured(digest)) => access.is_configured(&digest),
        Some(Holder::Key(id)) => transaction.operator_key(id).is_some_and(|key| key.is_valid(now)),
    }
}
