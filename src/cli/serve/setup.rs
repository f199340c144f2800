//! The link with which the first person signs in, at each start until somebody has.

use std::net::SocketAddr;

use crate::cli::failure::Failure;
use crate::cli::token::random;
use crate::domain::audit::{Actor, Asked, AuditEntry, Deed, Note};
use crate::domain::secret::write_sign_in_code;
use crate::domain::session::SignInLink;
use crate::domain::token::Role;
use crate::http::api::sign_in_link::{LINK_LIFE, url};
use crate::http::auth::digest;
use crate::http::public;
use crate::http::state::State;
use crate::store::{AuditFilter, PageRequest, PageStart, Reply, Store};
use crate::telemetry;

/// How the path ends under which keys are made.
const KEYS: &str = "/auth/key";

/// A link for an operator, good once and for a day, in the place of that of an earlier start;
/// `None` where there is somebody already.
pub(super) fn link(state: &State, address: SocketAddr) -> Result<Option<String>, Failure> {
    if somebody_is_there(&state.store) {
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
    // Nobody but a start makes one without a name.
    let earlier: Vec<SignInLink> =
        state.store.sign_in_links().into_iter().filter(|link| link.name.is_none()).collect();
    let kept = state.store.write_blocking(None, move |transaction| {
        for link in &earlier {
            // One that somebody followed just now is gone already.
            let _ = transaction.take_link(&link.digest);
        }
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

/// Whether anybody has a key of their own, or had one, or signed in: the audit log remembers what
/// has ended since.
fn somebody_is_there(store: &Store) -> bool {
    if !store.operator_keys().is_empty() {
        return true;
    }
    let passes = |entry: &AuditEntry| is_somebodys(&entry.note);
    let filter = AuditFilter { passes: &passes, before: None, after: None };
    let mut start = PageStart::First;
    loop {
        let request = PageRequest { limit: 1, start, descending: false };
        let page = store.list_audit(&filter, &request);
        match page.scanned_to {
            _ if !page.items.is_empty() => return true,
            Some(place) if !page.done => start = PageStart::After(place),
            _ => return false,
        }
    }
}

fn is_somebodys(note: &Note) -> bool {
    let made_a_key = |asked: &Asked| asked.method == "POST" && asked.path.ends_with(KEYS);
    matches!(note.deed, Deed::SignIn | Deed::LinkRedeemed)
        || matches!(note.actor, Actor::Key { .. })
        || note.asked.as_ref().is_some_and(made_a_key)
}

/// On stderr whatever is logged else, and in the log's format, so that whoever reads JSON there
/// goes on reading JSON.
pub(super) fn tell(link: &str) {
    tracing::info!(
        target: telemetry::ALWAYS,
        "sign in with this link, once and within 24 hours: {link}"
    );
}
