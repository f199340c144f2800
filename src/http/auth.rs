//! Who calls: an operator key, a token of one application, or a token of the Svix API's kind when
//! `auth.jwt_secret` is set.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::domain::application::Application;
use crate::domain::event_type::EventType;
use crate::domain::secret::{Secret, is_application_token};
use crate::domain::session::Holder;
use crate::domain::time::Timestamp;
use crate::domain::token::{ApplicationToken, Capabilities, Capability, OperatorKey, Role};
use crate::http::error::ApiError;
use crate::http::failures::Failures;
use crate::http::server::Shared;
use crate::http::session::{self, SignedIn};
use crate::http::state::State;
use crate::http::token;
use crate::store::{ApplicationReference, Reference, Store};

/// Bytes of a key or token at most.
const TOKEN_MAX: usize = 8 * 1024;
/// Hops of `X-Forwarded-For` that are looked at, from the right.
const HOPS_MAX: usize = 32;

/// What may open the API, besides what the store knows.
pub struct Access {
    /// Where the operator keys below come from, in words.
    pub origin: String,
    operator_keys: Vec<[u8; 32]>,
    jwt_secret: Option<Secret>,
    trusted_proxies: Vec<IpNet>,
}

/// How much a caller may see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Every application, and what belongs to none; the role says what may be done there.
    Everything(Role),
    /// The application of this id or uid, and what a portal for it needs.
    Application(String),
}

/// What a caller came with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credential {
    /// The operator key of the configuration or of the data folder.
    Configured,
    /// An operator key that was made through the API.
    Key(Arc<OperatorKey>),
    /// The cookie of a session.
    Session(Arc<SignedIn>),
    /// A token of one application.
    Token(Arc<ApplicationToken>),
    /// An HS256 token, and when it ends.
    Signed(Timestamp),
}

/// Somebody whose key was right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// How much may be seen.
    pub scope: Scope,
    /// What may be done in the scope of one application.
    pub capabilities: Capabilities,
    /// What it came with.
    pub credential: Credential,
    /// Tells callers apart in the scope of an `Idempotency-Key`.
    pub owner: String,
}

impl Caller {
    pub(super) fn person(role: Role, credential: Credential, owner: String) -> Caller {
        let capabilities = match role {
            Role::Operator => Capabilities::all(),
            // So that what asks for a capability, as values of headers do, stays hidden too.
            Role::ReadOnly => [Capability::ViewBase].into_iter().collect(),
        };
        Caller { scope: Scope::Everything(role), capabilities, credential, owner }
    }

    /// Whether this caller may see the event type: with a token, when it has none of the feature
    /// flags or the token has one of them.
    pub fn sees(&self, event_type: &EventType) -> bool {
        let flags = &event_type.feature_flags;
        match &self.credential {
            Credential::Token(token) => {
                flags.is_empty() || flags.iter().any(|flag| token.feature_flags.contains(flag))
            }
            _ => true,
        }
    }

    /// Whether this caller may see the application.
    pub fn may_see(&self, store: &Store, application: &Application) -> bool {
        match &self.scope {
            Scope::Everything(_) => true,
            // What can be an id is one: a uid that looks like another's id opens nothing.
            Scope::Application(name) => {
                let own = store.application(&ApplicationReference::read(store.ids(), name));
                own.is_some_and(|own| own.id == application.id)
            }
        }
    }
}

impl Access {
    /// With the SHA-256 of every operator key.
    pub fn new(
        operator_keys: Vec<[u8; 32]>,
        jwt_secret: Option<Secret>,
        trusted_proxies: Vec<IpNet>,
    ) -> Access {
        let origin = "the configuration".to_owned();
        Access { origin, operator_keys, jwt_secret, trusted_proxies }
    }

    /// Whether an operator key that the relay was started with has this SHA-256; takes as long
    /// whichever it is nearly like.
    pub fn is_configured(&self, digest: &[u8; 32]) -> bool {
        let known = self.operator_keys.iter().map(|key| key.ct_eq(digest));
        known.fold(Choice::from(0), |known, key| known | key).into()
    }

    /// The operator key that the relay was started with, by its SHA-256.
    pub fn configured(&self) -> Option<Holder> {
        self.operator_keys.first().map(|digest| Holder::Configured(*digest))
    }

    /// Who sent this `Authorization` header, without a look at the store; takes as long whichever
    /// key it is nearly like.
    pub fn caller(&self, authorization: Option<&str>, wall: Timestamp) -> Option<Caller> {
        let text = bearer(authorization)?;
        if self.is_configured(&digest(text)) {
            let owner = "operator".to_owned();
            return Some(Caller::person(Role::Operator, Credential::Configured, owner));
        }
        let (subject, end) = token::subject(self.jwt_secret.as_ref()?, text, wall)?;
        let credential = Credential::Signed(end);
        if subject.starts_with("org_") {
            Some(Caller::person(Role::Operator, credential, subject))
        } else if subject.starts_with("app_") {
            Some(Caller {
                scope: Scope::Application(subject.clone()),
                capabilities: Capabilities::all(),
                credential,
                owner: subject,
            })
        } else {
            None
        }
    }

    /// Who is at the other end: the peer, or what trusted proxies say of it.
    pub fn client(&self, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = peer?.ip().to_canonical();
        if !self.trusts(client) {
            return Some(client);
        }
        let forwarded: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        for hop in forwarded.iter().rev().take(HOPS_MAX) {
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            client = address.to_canonical();
            if !self.trusts(client) {
                break;
            }
        }
        Some(client)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}

/// Who sends a request with these headers; `None` when their key is not right, or not any more.
pub(super) async fn caller_of(state: &State, headers: &HeaderMap) -> Option<Caller> {
    let authorization = headers.get(header::AUTHORIZATION);
    let text = authorization.and_then(|value| value.to_str().ok());
    match state.access.caller(text, state.clock.wall()) {
        // Of two ways to say who calls the one that no browser adds by itself counts.
        None if authorization.is_none() => session::caller(state, headers).await,
        None => kept(state, text).await,
        caller => caller,
    }
}

/// Who comes with a key or token that the store knows and whose time is not over.
async fn kept(state: &State, authorization: Option<&str>) -> Option<Caller> {
    let text = bearer(authorization)?;
    let digest = digest(text);
    // Callers mean the wall clock, which may be ahead of engine time (docs/storage.md).
    let now = state.clock.now().max(state.clock.wall());
    if let Some(key) = state.store.operator_key(&digest) {
        let owner = state.store.ids().text(key.id);
        let valid = key.is_valid(now);
        return valid.then(|| Caller::person(key.role, Credential::Key(key), owner));
    }
    if !is_application_token(text) {
        return None;
    }
    let store = state.store.clone();
    // It may wait for the disk: away from the threads that serve.
    let token = web::block(move || store.token(&digest)).await.ok().flatten()?;
    let application = state.store.application(&Reference::Id(token.application))?;
    (now < token.expires_at).then(|| Caller {
        scope: Scope::Application(state.store.ids().text(application.id)),
        capabilities: token.capabilities,
        owner: token.digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        credential: Credential::Token(Arc::new(token)),
    })
}

fn bearer(authorization: Option<&str>) -> Option<&str> {
    let (scheme, text) = authorization?.split_once(' ')?;
    let text = text.trim();
    let right = scheme.eq_ignore_ascii_case("bearer") && !text.is_empty();
    (right && text.len() <= TOKEN_MAX).then_some(text)
}

/// What is kept of a key or token: it has 32 random bytes, which no list of guesses holds.
pub fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Lets a request with a right key through and leaves its [`Caller`] with it.
pub(super) async fn require<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let shared = Shared::of(request.request());
    let (access, failures): (&Access, &Failures) = (&shared.state.access, &shared.failures);
    let now = shared.state.clock.now();
    let client = access.client(request.peer_addr(), request.headers());
    let blocked = client.and_then(|client| failures.blocked(client, now));
    let caller = caller_of(&shared.state, request.headers()).await;
    let authorized = request.headers().contains_key(header::AUTHORIZATION);
    match (caller, blocked) {
        // A right key is let through whoever else guesses from its address, as behind a proxy.
        (Some(caller), _) => {
            request.extensions_mut().insert(caller);
            Ok(next.call(request).await?.map_into_left_body())
        }
        (None, Some(seconds)) => {
            let refusal = ApiError::TooManyFailures(seconds);
            Ok(request.error_response(refusal).map_into_right_body())
        }
        (None, None) => {
            // A request without any key guesses nothing, nor does one with the cookie of a session
            // that is over.
            if let Some(client) = client.filter(|_| authorized)
                && failures.record(client, now)
            {
                tracing::warn!(%client, "too many wrong keys: refused for a minute");
            }
            Ok(request.error_response(ApiError::Unauthenticated).map_into_right_body())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        let networks = vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()];
        Access::new(vec![Sha256::digest(b"sk_right").into()], None, networks)
    }

    #[test]
    fn operator_keys() {
        let check = |header: Option<&str>| {
            access().caller(header, Timestamp::default()).map(|caller| caller.scope)
        };
        let everything = Scope::Everything(Role::Operator);
        assert_eq!(check(Some("Bearer sk_right")), Some(everything.clone()));
        assert_eq!(check(Some("bearer  sk_right")), Some(everything));
        for wrong in ["sk_right", "Bearer", "Bearer ", "Bearer sk_wrong", "Basic sk_right", ""] {
            assert_eq!(check(Some(wrong)), None, "{wrong}");
        }
        assert_eq!(check(None), None);
    }

    #[test]
    fn whose_address_is_believed() {
        let check = |peer: &str, forwarded: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                let value = header::HeaderValue::from_str(value).unwrap();
                headers.append(header::HeaderName::from_static("x-forwarded-for"), value);
            }
            access().client(Some(peer.parse().unwrap()), &headers).unwrap().to_string()
        };
        assert_eq!(check("192.0.2.1:9", &["198.51.100.7"]), "192.0.2.1", "an untrusted peer");
        assert_eq!(check("127.0.0.1:9", &[]), "127.0.0.1");
        assert_eq!(check("127.0.0.1:9", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(check("127.0.0.1:9", &["1.1.1.1, 198.51.100.7, 10.1.1.1"]), "198.51.100.7");
        assert_eq!(check("127.0.0.1:9", &["1.1.1.1", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(check("127.0.0.1:9", &["1.1.1.1, rubbish"]), "127.0.0.1");
        assert_eq!(check("[::ffff:127.0.0.1]:9", &["198.51.100.7"]), "198.51.100.7");
    }
}
