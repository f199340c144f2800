//! Who calls: an operator key, or a token of the Svix API's kind when `auth.jwt_secret` is set.

use std::net::{IpAddr, SocketAddr};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::domain::application::Application;
use crate::domain::id::Ids;
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::http::failures::Failures;
use crate::http::server::Shared;
use crate::http::token;

/// Bytes of a key or token at most.
const TOKEN_MAX: usize = 8 * 1024;
/// Hops of `X-Forwarded-For` that are looked at, from the right.
const HOPS_MAX: usize = 32;

/// What may open the API.
pub struct Access {
    operator_keys: Vec<[u8; 32]>,
    jwt_secret: Option<Secret>,
    trusted_proxies: Vec<IpNet>,
}

/// How much a caller may see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Every application.
    Everything,
    /// The application of this id or uid, and what a portal for it needs.
    Application(String),
}

/// Somebody whose key was right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// How much may be seen.
    pub scope: Scope,
    /// Tells callers apart in the scope of an `Idempotency-Key`.
    pub owner: String,
}

impl Caller {
    /// Whether this caller may see the application.
    pub fn may_see(&self, ids: &Ids, application: &Application) -> bool {
        match &self.scope {
            Scope::Everything => true,
            Scope::Application(name) => {
                application.uid.as_ref() == Some(name) || ids.text(application.id) == *name
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
        Access { operator_keys, jwt_secret, trusted_proxies }
    }

    /// Who sent this `Authorization` header; takes as long whichever key it is nearly like.
    pub fn caller(&self, authorization: Option<&str>, wall: Timestamp) -> Option<Caller> {
        let (scheme, text) = authorization?.split_once(' ')?;
        let text = text.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || text.is_empty() || text.len() > TOKEN_MAX {
            return None;
        }
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        let mut known = Choice::from(0);
        for key in &self.operator_keys {
            known |= key.ct_eq(&digest);
        }
        if known.into() {
            return Some(Caller { scope: Scope::Everything, owner: "operator".to_owned() });
        }
        let subject = token::subject(self.jwt_secret.as_ref()?, text, wall)?;
        let scope = if subject.starts_with("org_") {
            Scope::Everything
        } else if subject.starts_with("app_") {
            Scope::Application(subject.clone())
        } else {
            return None;
        };
        Some(Caller { scope, owner: subject })
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

/// Lets a request with a right key through and leaves its [`Caller`] with it.
pub(super) async fn require<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let shared = Shared::of(request.request());
    let (access, failures): (&Access, &Failures) = (&shared.state.access, &shared.failures);
    let now = shared.state.clock.now();
    let client = access.client(request.peer_addr(), request.headers());
    if let Some(seconds) = client.and_then(|client| failures.blocked(client, now)) {
        return Ok(request
            .error_response(ApiError::TooManyFailures(seconds))
            .map_into_right_body());
    }
    let authorization = request.headers().get(header::AUTHORIZATION);
    let text = authorization.and_then(|value| value.to_str().ok());
    match access.caller(text, shared.state.clock.wall()) {
        Some(caller) => {
            request.extensions_mut().insert(caller);
            Ok(next.call(request).await?.map_into_left_body())
        }
        None => {
            // A request without any key guesses nothing.
            if let (Some(client), Some(_)) = (client, authorization)
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
        assert_eq!(check(Some("Bearer sk_right")), Some(Scope::Everything));
        assert_eq!(check(Some("bearer  sk_right")), Some(Scope::Everything));
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
