//! The cookie of a session: how it is set and read, who comes with it, and from where a call with
//! it may come.
//!
//! A browser sends a cookie along whoever's page makes the call. So a call with one that may change
//! something has to say that a page of this relay makes it, in headers that no page can set.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web;

use crate::config::Config;
use crate::domain::secret::is_session;
use crate::domain::session::{Holder, Session};
use crate::domain::time::Timestamp;
use crate::domain::token::{OperatorKey, Role};
use crate::http::api::body::is_json;
use crate::http::auth::{Caller, Credential, digest};
use crate::http::error::ApiError;
use crate::http::permissions::MOVING;
use crate::http::state::State;

/// Behind TLS: browsers take a cookie of such a name only with `Secure`, from this host alone.
const SECURE: &str = "__Host-relay-session";
const PLAIN: &str = "relay-session";
/// Says which page makes a call, in browsers and on hosts that can be trusted with it.
const SITE: &str = "sec-fetch-site";

/// Somebody with a right operator key.
pub(super) struct Person {
    /// The key.
    pub holder: Holder,
    /// What is kept of it, when it was made through the API.
    pub key: Option<Arc<OperatorKey>>,
}

/// A session and the key it came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// What is kept of the key, when it was made through the API.
    pub key: Option<Arc<OperatorKey>>,
}

impl Person {
    /// Whose key has this digest, while it is good.
    pub fn with_key(state: &State, digest: &[u8; 32], now: Timestamp) -> Option<Person> {
        if state.access.is_configured(digest) {
            return Some(Person { holder: Holder::Configured(*digest), key: None });
        }
        let key = state.store.operator_key(digest).filter(|key| key.is_valid(now))?;
        Some(Person { holder: Holder::Key(key.id), key: Some(key) })
    }

    /// Whose key something hangs on, while it is good.
    fn behind(state: &State, holder: Holder, now: Timestamp) -> Option<Person> {
        match holder {
            Holder::Configured(digest) => {
                state.access.is_configured(&digest).then_some(Person { holder, key: None })
            }
            Holder::Key(id) => {
                let key = state.store.operator_key_by_id(id).filter(|key| key.is_valid(now))?;
                Some(Person { holder, key: Some(key) })
            }
        }
    }

    /// What the key opens.
    pub fn role(&self) -> Role {
        self.key.as_ref().map_or(Role::Operator, |key| key.role)
    }

    /// When a session that begins now ends: with its key at the latest.
    pub fn session_end(&self, config: &Config, now: Timestamp) -> Timestamp {
        let end = now + config.auth.session.0;
        let key = self.key.as_ref().and_then(|key| key.expires_at);
        key.map_or(end, |key| end.min(key))
    }

    /// As a caller by that session.
    pub fn signed_in(self, state: &State, session: Session) -> Caller {
        let owner = match self.holder {
            Holder::Configured(_) => "operator".to_owned(),
            Holder::Key(id) => state.store.ids().text(id),
        };
        let role = self.role();
        let credential = Credential::Session(Arc::new(SignedIn { session, key: self.key }));
        Caller::person(role, credential, owner)
    }
}

/// Whether browsers reach the relay by TLS alone.
fn is_secure(config: &Config) -> bool {
    config.server.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
}

fn name(config: &Config) -> &'static str {
    if is_secure(config) { SECURE } else { PLAIN }
}

/// The cookie of a session that came; what has another shape is none.
pub(super) fn presented<'a>(config: &Config, headers: &'a HeaderMap) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';'));
    let mut named = pairs.filter_map(|pair| pair.trim().split_once('='));
    let found = named.find(|(own, _)| *own == name(config));
    found.map(|(_, value)| value).filter(|value| is_session(value))
}

/// Who comes with a cookie. One whose session or key is over is as none: it is no guess. Guessing
/// is of no use with 256 random bits, and a browser that was left open must not have the address of
/// everybody behind it refused.
pub(super) async fn caller(state: &State, headers: &HeaderMap) -> Option<Caller> {
    let digest = digest(presented(&state.config, headers)?);
    // Callers mean the wall clock, which may be ahead of engine time (docs/storage.md).
    let now = state.clock.now().max(state.clock.wall());
    let store = state.store.clone();
    // It may wait for the disk: away from the threads that serve.
    let session = web::block(move || store.session(&digest)).await.ok().flatten()?;
    let person = Person::behind(state, session.holder, now)?;
    (now < session.expires_at).then(|| person.signed_in(state, session))
}

/// What sets the cookie in a browser, for so long.
pub(super) fn set(config: &Config, value: &str, left: Duration) -> String {
    cookie(config, value, left.as_secs())
}

/// What takes it away.
pub(super) fn clear(config: &Config) -> String {
    cookie(config, "", 0)
}

fn cookie(config: &Config, value: &str, seconds: u64) -> String {
    let secure = if is_secure(config) { "; Secure" } else { "" };
    let name = name(config);
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

/// Refuses what a page elsewhere may have a browser do with somebody's cookie; `route` is the path
/// below `/api/v1` as the routes have it.
pub(super) fn check_call(
    caller: &Caller,
    config: &Config,
    (method, route): (&Method, &str),
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    let by_cookie = matches!(caller.credential, Credential::Session(_));
    let looks = *method == Method::HEAD || *method == Method::GET && !MOVING.contains(&route);
    if !by_cookie || looks {
        return Ok(());
    }
    from_own_page(config, headers)?;
    let length = headers.get(header::CONTENT_LENGTH).map(|value| value.as_bytes());
    let has_body = headers.contains_key(header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length != b"0");
    // What forms send without asking the relay first is none of these types.
    if has_body && is_json(headers) != Some(true) {
        let words = "with a cookie the body must come with content-type: application/json";
        return Err(ApiError::UnsupportedMediaType(words.to_owned()));
    }
    Ok(())
}

/// Refuses a call that no page of this relay makes, or that does not say which page does.
pub(super) fn from_own_page(config: &Config, headers: &HeaderMap) -> Result<(), ApiError> {
    if page(config, headers) == Some(true) { Ok(()) } else { Err(ApiError::OtherPage) }
}

/// Refuses a call that says that a page elsewhere makes it; programs say nothing.
pub(super) fn not_from_elsewhere(config: &Config, headers: &HeaderMap) -> Result<(), ApiError> {
    if page(config, headers) == Some(false) { Err(ApiError::OtherPage) } else { Ok(()) }
}

/// Whether a page of this relay makes the call; `None`: it does not say.
fn page(config: &Config, headers: &HeaderMap) -> Option<bool> {
    if headers.contains_key(SITE) {
        return Some(headers.get_all(SITE).all(|value| value.as_bytes() == b"same-origin"));
    }
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let mut origins = headers.get_all(header::ORIGIN).peekable();
    origins.peek()?;
    Some(origins.all(|value| value.to_str().is_ok_and(|origin| is_own(config, origin, host))))
}

/// Whether an origin is the host that was asked for, or that of `server.public_url`.
fn is_own(config: &Config, origin: &str, host: Option<&str>) -> bool {
    let public = config.server.public_url.as_ref();
    if public.is_some_and(|url| url.origin().ascii_serialization() == origin) {
        return true;
    }
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let schemes: &[&str] = if is_secure(config) { &["https"] } else { &["http", "https"] };
    schemes.contains(&scheme) && host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::write_session;

    fn config(public_url: Option<&str>) -> Config {
        let mut config = Config::default();
        config.server.public_url = public_url.map(|url| url.parse().unwrap());
        config
    }

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = given.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), header::HeaderValue::from_str(value).unwrap())
        });
        let mut headers = HeaderMap::new();
        pairs.for_each(|(name, value)| headers.append(name, value));
        headers
    }

    #[test]
    fn which_pages_are_own() {
        let check = |public_url, given: &[(&'static str, &str)], expected| {
            let config = config(public_url);
            assert_eq!(page(&config, &headers(given)), expected, "{public_url:?} {given:?}");
        };
        check(None, &[], None);
        check(None, &[("host", "h:8080")], None);
        check(None, &[("sec-fetch-site", "same-origin")], Some(true));
        for site in ["cross-site", "same-site", "none", "Same-Origin", ""] {
            check(None, &[("sec-fetch-site", site)], Some(false));
        }
        let both = [("sec-fetch-site", "cross-site"), ("host", "h"), ("origin", "http://h")];
        check(None, &both, Some(false));
        let twice = [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")];
        check(None, &twice, Some(false));
        let from = |origin| [("host", "h:8080"), ("origin", origin)];
        check(None, &from("http://h:8080"), Some(true));
        check(None, &from("http://H:8080"), Some(true));
        check(None, &from("https://h:8080"), Some(true));
        for origin in
            ["null", "", "h:8080", "http://h", "http://h:8081", "http://evil", "ftp://h:8080"]
        {
            check(None, &from(origin), Some(false));
            check(Some("https://pub.example"), &from(origin), Some(false));
        }
        let public = Some("https://pub.example/relay/");
        check(public, &from("https://pub.example"), Some(true));
        check(public, &from("https://h:8080"), Some(true));
        check(public, &from("http://h:8080"), Some(false));
        check(public, &from("http://pub.example"), Some(false));
        check(public, &from("https://pub.example:444"), Some(false));
        let two = [("host", "h"), ("origin", "http://h"), ("origin", "http://evil")];
        check(None, &two, Some(false));
    }

    #[test]
    fn cookies() {
        let (plain, secure) = (config(None), config(Some("https://h.example/")));
        let value = write_session(&[7; 32]);
        let set = |config: &Config| set(config, "se_1", Duration::from_secs(60));
        let rest = "=se_1; Path=/; Max-Age=60; HttpOnly; SameSite=Lax";
        assert_eq!(set(&plain), format!("relay-session{rest}"));
        assert_eq!(set(&config(Some("http://h.example"))), format!("relay-session{rest}"));
        assert_eq!(set(&secure), format!("__Host-relay-session{rest}; Secure"));
        assert!(clear(&plain).starts_with("relay-session=; Path=/; Max-Age=0;"));
        let read = |config: &Config, text: &str| {
            presented(config, &headers(&[("cookie", text)])).map(str::to_owned)
        };
        let own = Some(value.clone());
        assert_eq!(read(&plain, &format!("relay-session={value}")), own);
        assert_eq!(read(&plain, &format!("a=b; relay-session={value}; c")), own);
        assert_eq!(read(&secure, &format!("__Host-relay-session={value}")), own);
        assert_eq!(read(&secure, &format!("relay-session={value}")), None, "anybody may set it");
        for other in ["", "relay-session", "relay-session=", "relay-session=se_1", "x=y"] {
            assert_eq!(read(&plain, other), None, "{other}");
        }
    }
}
