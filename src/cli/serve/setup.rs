//! The link with which the first person signs in, on the first start of a relay.

use std::net::SocketAddr;

use crate::cli::failure::Failure;
use crate::cli::token::random;
use crate::domain::secret::write_sign_in_code;
use crate::domain::session::SignInLink;
use crate::domain::token::Role;
use crate::http::api::sign_in_link::{LINK_LIFE, url};
use crate::http::auth::digest;
use crate::http::public;
use crate::http::state::State;
use crate::store::Reply;
use crate::telemetry;

/// A link for an operator, good once and for a day; `None` where there is somebody already.
pub(super) fn link(state: &State, address: SocketAddr) -> Result<Option<String>, Failure> {
    if !state.store.operator_keys().is_empty() {
        return Ok(None);
    }
    let code = write_sign_in_code(&random()?);
    let created_at = state.clock.now().max(state.clock.wall());
    let link = SignInLink {
        digest: digest(&code),
        name: None,
        role: Role::Operator,
        made_by: None,
        created_at,
        expires_at: created_at + LINK_LIFE,
    };
    let kept = state.store.write_blocking(None, move |transaction| {
        transaction.put_link(&link)?;
        Ok(Reply::Done)
    });
    if let Err(error) = kept {
        // Whoever has the operator key makes another with `relay sign-in-link`.
        tracing::warn!(%error, "there is no link to sign in with for the first time");
        return Ok(None);
    }
    let base = public::base(state.config.server.public_url.as_ref(), address);
    Ok(Some(url(&base, &code)))
}

/// On stderr whatever is logged else, and in the log's format, so that whoever reads JSON there
/// goes on reading JSON.
pub(super) fn tell(link: &str) {
    tracing::info!(
        target: telemetry::ALWAYS,
        "sign in with this link, once and within 24 hours: {link}"
    );
}
