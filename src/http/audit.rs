//! What the audit log is told of a request.

use actix_web::{HttpMessage, HttpRequest};

use crate::domain::audit::{Actor, Asked, Deed, Note};
use crate::domain::session::Holder;
use crate::http::auth::{Caller, Credential};
use crate::http::observe::RequestId;
use crate::http::routes::Matched;
use crate::http::server::Shared;
use crate::http::session::Person;

/// Bytes of a path that are kept.
const PATH_MAX: usize = 1_024;

/// Who calls.
pub(super) fn actor(caller: &Caller) -> Actor {
    match &caller.credential {
        Credential::Configured => Actor::Operator,
        Credential::Key(key) => Actor::Key { id: key.id, name: key.name.clone() },
        Credential::Session(signed_in) => match &signed_in.key {
            Some(key) => Actor::Key { id: key.id, name: key.name.clone() },
            None => Actor::Operator,
        },
        Credential::Token(token) => {
            Actor::Application { id: token.application, session: token.session.clone() }
        }
        Credential::Signed(_) => Actor::Signed { subject: caller.owner.clone() },
    }
}

/// Who signs in.
pub(super) fn actor_of(person: &Person) -> Actor {
    match (&person.key, person.holder) {
        (Some(key), _) => Actor::Key { id: key.id, name: key.name.clone() },
        (None, Holder::Key(id)) => Actor::Key { id, name: None },
        (None, Holder::Configured(_)) => Actor::Operator,
    }
}

/// An entry about this request.
pub(super) fn note(request: &HttpRequest, shared: &Shared, actor: Actor, deed: Deed) -> Note {
    let extensions = request.extensions();
    let route = extensions.get::<Matched>().map(|matched| matched.0.to_string());
    let request_id = extensions.get::<RequestId>().map(|id| id.0.clone());
    let caller = extensions.get::<Caller>();
    let path = request.path();
    let end = (0..=path.len().min(PATH_MAX)).rev().find(|end| path.is_char_boundary(*end));
    let asked = Asked {
        method: request.method().to_string(),
        route: route.unwrap_or_default(),
        path: path[..end.unwrap_or(0)].to_owned(),
        address: shared.state.access.client(request.peer_addr(), request.headers()),
        request_id: request_id.unwrap_or_default(),
        by_session: caller
            .is_some_and(|caller| matches!(caller.credential, Credential::Session(_))),
    };
    Note { actor, deed, asked: Some(asked), detail: None }
}
