//! `/auth/whoami` and `/auth/logout`: what a caller can know of its own key, and how it ends it.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::call::Call;
use super::session;
use crate::http::auth::{Credential, Scope};
use crate::http::error::ApiError;
use crate::store::Reply;

/// Who calls: the scope of its key or token, what it may do, and when it ends.
pub(super) async fn whoami(call: Call) -> Result<HttpResponse, ApiError> {
    let caller = &call.caller;
    let mut shown = match &caller.scope {
        Scope::Everything(role) => json!({ "scope": "operator", "role": role.name() }),
        Scope::Application(_) => {
            let application = call.own_application()?;
            json!({
                "scope": "application",
                "appId": call.ids().text(application.id),
                "appUid": application.uid,
                "capabilities": caller.capabilities.names(),
            })
        }
    };
    let (credential, end) = match &caller.credential {
        Credential::Configured => ("configured", None),
        Credential::Key(key) => {
            shown["id"] = json!(call.ids().text(key.id));
            shown["name"] = json!(key.name);
            ("key", key.expires_at)
        }
        Credential::Session(signed_in) => {
            if let Some(key) = &signed_in.key {
                shown["id"] = json!(call.ids().text(key.id));
                shown["name"] = json!(key.name);
            }
            ("session", Some(signed_in.session.expires_at))
        }
        Credential::Token(token) => {
            shown["featureFlags"] = json!(token.feature_flags);
            shown["sessionId"] = json!(token.session);
            ("token", Some(token.expires_at))
        }
        Credential::Signed(end) => ("signed", Some(*end)),
    };
    shown["credential"] = json!(credential);
    // Client libraries refuse an answer without it, and know no words but these.
    let signed = matches!(caller.credential, Credential::Signed(_));
    shown["permissionSource"] = json!(if signed { "SvixJwt" } else { "RegionalAuthToken" });
    shown["expiresAt"] = end.map_or(Value::Null, |end| json!(end.to_string()));
    Ok(HttpResponse::Ok().json(shown))
}

/// Row 39: revokes the token or ends the session it is called with, and nothing that is not kept
/// for its caller alone.
pub(super) async fn logout(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let _: serde::de::IgnoredAny = body.json_or_empty()?;
    let words = match &call.caller.credential {
        Credential::Session(_) => {
            return session::end_of(&call.request, &call.shared, &call.caller).await;
        }
        Credential::Token(token) => {
            let digest = token.digest;
            call.write(move |transaction| {
                transaction.revoke_token(&digest);
                Ok(Reply::Done)
            })
            .await?;
            return Ok(HttpResponse::NoContent().finish());
        }
        Credential::Key(_) => "an operator key ends by DELETE /api/v1/auth/key/{id}".to_owned(),
        Credential::Configured => {
            let origin = &call.shared.state.access.origin;
            format!("this key comes from {origin}: it ends when it is changed there")
        }
        Credential::Signed(end) => {
            format!("this token was signed, not kept: it is good until {end}")
        }
    };
    Err(ApiError::BadRequest(words))
}
