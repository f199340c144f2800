//! Which sign-in links wait for somebody, and which browsers are signed in: what an operator looks
//! at and ends. Only digests are kept, and half of one is the name of each here: nobody finds the
//! code or the cookie by it.

use std::sync::Arc;

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::json;

use super::call::Call;
use super::token_key::CONFIGURED;
use crate::domain::id::{Ids, KeyKind};
use crate::domain::session::{Holder, Session, SignInLink};
use crate::http::error::ApiError;
use crate::store::{Reference, Reply};

/// A link that nobody has followed yet, without the code in it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WaitingLinkOut {
    id: String,
    name: Option<String>,
    role: &'static str,
    made_by: Option<String>,
    created_at: String,
    expires_at: String,
}

impl WaitingLinkOut {
    fn new(ids: &Ids, link: SignInLink) -> WaitingLinkOut {
        let maker = |holder| match holder {
            Holder::Configured(_) => CONFIGURED.to_owned(),
            Holder::Key(id) => ids.text(id),
        };
        WaitingLinkOut {
            id: write(&link.digest),
            name: link.name,
            role: link.role.name(),
            made_by: link.made_by.map(maker),
            created_at: link.created_at.to_string(),
            expires_at: link.expires_at.to_string(),
        }
    }
}

/// A browser that is signed in, without its cookie.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeySessionOut {
    id: String,
    created_at: String,
    expires_at: String,
}

impl KeySessionOut {
    fn new(session: &Session) -> KeySessionOut {
        KeySessionOut {
            id: write(&session.digest),
            created_at: session.created_at.to_string(),
            expires_at: session.expires_at.to_string(),
        }
    }
}

/// What one of them is called.
fn write(digest: &[u8; 32]) -> String {
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(name: &str) -> Result<[u8; 16], ApiError> {
    let is_name = name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(name, 16).ok().filter(|_| is_name);
    number.map(u128::to_be_bytes).ok_or_else(ApiError::not_found)
}

/// Every link that is good still, oldest first.
pub(super) async fn links(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let (now, access) = (call.wall(), Arc::clone(&call.shared.state.access));
    let found = call
        .read(move |store| {
            let mut links = store.sign_in_links();
            links.retain(|link| {
                let maker_is_good = match link.made_by {
                    None => true,
                    Some(Holder::Configured(digest)) => access.is_configured(&digest),
                    Some(Holder::Key(id)) => {
                        store.operator_key_by_id(id).is_some_and(|key| key.is_valid(now))
                    }
                };
                now < link.expires_at && maker_is_good
            });
            links.sort_by_key(|link| (link.created_at, link.digest));
            let shown = links.into_iter().map(|link| WaitingLinkOut::new(store.ids(), link));
            Ok(shown.collect::<Vec<_>>())
        })
        .await?;
    Ok(HttpResponse::Ok().json(json!({ "data": found })))
}

/// Takes one back: it is good for nothing from now on.
pub(super) async fn end_link(call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let link = read(call.parameter("link"))?;
    call.write(move |transaction| {
        transaction.revoke_link(link)?;
        Ok(Reply::Done)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Whose sessions are meant: those of the key in the path.
fn holder(call: &Call) -> Result<Holder, ApiError> {
    if call.parameter("key") == CONFIGURED {
        return call.shared.state.access.configured().ok_or_else(ApiError::not_found);
    }
    let Reference::Id(id) = call.reference::<KeyKind>("key")? else {
        return Err(ApiError::not_found());
    };
    let key = call.store().operator_key_by_id(id).ok_or_else(ApiError::not_found)?;
    Ok(Holder::Key(key.id))
}

/// Every browser that is signed in with a key, oldest first.
pub(super) async fn sessions(call: Call) -> Result<HttpResponse, ApiError> {
    call.sees_everything()?;
    let (holder, now) = (holder(&call)?, call.wall());
    let found = call
        .read(move |store| {
            let mut sessions = store.sessions_of(holder);
            sessions.retain(|session| now < session.expires_at);
            Ok(sessions.iter().map(KeySessionOut::new).collect::<Vec<_>>())
        })
        .await?;
    Ok(HttpResponse::Ok().json(json!({ "data": found })))
}

/// Signs one of them out.
pub(super) async fn end_session(call: Call) -> Result<HttpResponse, ApiError> {
    call.changes_everything()?;
    let (holder, session) = (holder(&call)?, read(call.parameter("session"))?);
    call.write(move |transaction| {
        transaction.revoke_session(holder, session)?;
        Ok(Reply::Done)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let mut digest = [0x0a; 32];
        digest[31] = 1;
        assert_eq!(write(&digest), "0a".repeat(16));
        assert_eq!(read(&write(&digest)).unwrap(), [0x0a; 16]);
        for wrong in ["", "0a", &"0a".repeat(17), &"+a".repeat(16), &"zz".repeat(16)] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
