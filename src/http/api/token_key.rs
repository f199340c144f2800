//! `/auth/key`: operator keys, made, listed and revoked.

use std::sync::Arc;

use actix_web::HttpResponse;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::limits::{self, NAME_MAX, Problems};
use super::page;
use crate::domain::id::{Ids, KeyId, KeyKind};
use crate::domain::secret::write_operator_key;
use crate::domain::time::Timestamp;
use crate::domain::token::{OperatorKey, Role};
use crate::http::error::ApiError;
use crate::store::Reference;

/// What the key of the configuration or of the data folder is called where keys are named by id.
pub(super) const CONFIGURED: &str = "operator_key";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OperatorKeyIn {
    name: Option<String>,
    expires_at: Option<String>,
    scopes: Option<Vec<String>>,
}

/// ApiTokenOut, without `token` but right after it was made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyOut {
    id: String,
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    created_at: Option<String>,
    expires_at: Option<String>,
    scopes: [&'static str; 1],
    /// Where it comes from, when not from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
}

impl KeyOut {
    fn new(ids: &Ids, key: &OperatorKey, token: Option<String>) -> KeyOut {
        KeyOut {
            id: ids.text(key.id),
            name: key.name.clone(),
            token,
            created_at: Some(key.created_at.to_string()),
            expires_at: key.expires_at.map(|time| time.to_string()),
            scopes: [key.role.name()],
            origin: None,
        }
    }

    fn configured(origin: &str) -> KeyOut {
        KeyOut {
            id: CONFIGURED.to_owned(),
            name: None,
            token: None,
            created_at: None,
            expires_at: None,
            scopes: [Role::Operator.name()],
            origin: Some(origin.to_owned()),
        }
    }
}

/// Every operator key, oldest first, and last the one that this relay was started with.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let ids = call.ids();
    let request = page::request::<String>(&call.query()?, ids, false)?;
    let mut keys: Vec<KeyOut> =
        call.store().operator_keys().iter().map(|key| KeyOut::new(ids, key, None)).collect();
    keys.push(KeyOut::configured(&call.shared.state.access.origin));
    let page = page::slice(keys, &request, |key| key.id.clone());
    page::json(ids, &request, page, |key| key.id.clone(), Ok).map(page::ok)
}

/// Makes one; this answer alone has it.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let body = call.body().await?;
    let input: OperatorKeyIn = body.json()?;
    let now = call.wall();
    let (role, expires_at) = check(&input, now)?;
    let minted = call.shared.mint.draw(write_operator_key);
    let (digest, reply) = (minted.digest, minted.reply());
    let written = call
        .write_once(&body, move |transaction| {
            let id = KeyId::new(transaction.mint());
            let name = input.name;
            let key = OperatorKey { id, name, digest, created_at: now, expires_at, role };
            transaction.put_operator_key(key)?;
            Ok(reply)
        })
        .await?;
    let minted = call.shared.mint.again(&written, write_operator_key)?;
    let key: Arc<OperatorKey> = call.store().operator_key(&minted.digest).ok_or_else(|| {
        ApiError::Conflict("the key that was made with this Idempotency-Key is revoked".to_owned())
    })?;
    Ok(HttpResponse::Created().insert_header(("cache-control", "no-store")).json(KeyOut::new(
        call.ids(),
        &key,
        Some(minted.text),
    )))
}

fn check(input: &OperatorKeyIn, now: Timestamp) -> Result<(Role, Option<Timestamp>), ApiError> {
    let mut problems = Problems::default();
    if let Some(name) = &input.name {
        problems.check(&["name"], limits::text(name, 1, NAME_MAX));
    }
    let role = match input.scopes.as_deref() {
        None => Some(Role::Operator),
        Some([name]) => Role::read(name),
        Some(_) => None,
    };
    if role.is_none() {
        let words = "must be [\"operator\"] or [\"read-only\"], or be left out for the former";
        problems.add(&["scopes"], words);
    }
    let mut end = None;
    if let Some(text) = &input.expires_at {
        end = Timestamp::parse_rfc3339(text);
        match end {
            None => problems.add(&["expiresAt"], "must be a time such as 2026-11-21T00:00:00Z"),
            Some(end) if end <= now => problems.add(&["expiresAt"], "must lie ahead"),
            Some(_) => {}
        }
    }
    problems.finish()?;
    Ok((role.unwrap_or_default(), end))
}

/// Revokes one, at once.
pub(super) async fn revoke(call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    if call.parameter("key") == CONFIGURED {
        let origin = &call.shared.state.access.origin;
        return Err(ApiError::Conflict(format!(
            "this key comes from {origin}: change it there and restart"
        )));
    }
    let Reference::Id(id) = call.reference::<KeyKind>("key")? else {
        return Err(ApiError::not_found());
    };
    call.write(move |transaction| {
        transaction.revoke_operator_key(id)?;
        Ok(crate::store::Reply::Done)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}
