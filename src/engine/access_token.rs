//! Access tokens by client credentials (RFC 6749 section 4.4): asked for once, kept until shortly
//! before they end.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use crate::domain::delivery::Outcome;
use crate::domain::egress::CredentialsIn;
use crate::domain::endpoint::Endpoint;
use crate::domain::time::{Clock, Timestamp};
use crate::engine::fetched::Fetched;
use crate::engine::transport::{OutgoingRequest, Transport, USER_AGENT};

/// Tokens that are kept at once; the one that ends first goes.
const KEPT_MAX: usize = 4_096;
/// A token is not used any more this long before its end, or a quarter of its life.
const MARGIN: Duration = Duration::from_secs(60);
/// How long one is kept whose end is not told.
const UNTOLD: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// How long nobody asks again after a failure.
const FAILED_FOR: Duration = Duration::from_secs(3);
/// A token that was refused is replaced by a new one this often at most.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// Bytes of the answer, of its token, and of the words that are passed on, at most.
const ANSWER_MAX: usize = 64 << 10;
const TOKEN_MAX: usize = 12 << 10;
const WORDS_MAX: usize = 200;

/// What an access token is asked for with.
#[derive(Clone)]
pub struct Grant {
    /// Who gives the token.
    pub url: String,
    /// Who asks.
    pub client_id: String,
    /// Proves it.
    pub client_secret: String,
    /// How both are sent.
    pub credentials_in: CredentialsIn,
    /// What the token is to be good for.
    pub scope: Option<String>,
    /// Whom it is to be shown to.
    pub audience: Option<String>,
    /// Whose TLS and proxy the request uses, which shares its tokens within its application.
    pub endpoint: Option<Arc<Endpoint>>,
}

impl Grant {
    /// Tells it from others without holding its credentials.
    fn id(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let owner = self.endpoint.as_ref().map(|endpoint| format!("{:?}", endpoint.application));
        let given = [
            Some(&self.url),
            Some(&self.client_id),
            Some(&self.client_secret),
            self.scope.as_ref(),
            self.audience.as_ref(),
            owner.as_ref(),
        ];
        for part in given {
            hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            hash.update(part.map_or("", |part| part));
        }
        hash.update([u8::from(self.credentials_in == CredentialsIn::Body)]);
        hash.finalize().into()
    }

    /// Id and secret, encoded as in a form before they are joined (section 2.3.1).
    fn basic(&self) -> String {
        STANDARD.encode(format!("{}:{}", encoded(&self.client_id), encoded(&self.client_secret)))
    }

    /// Whether a text holds the secret, in any spelling in which it was sent.
    fn is_in(&self, text: &str) -> bool {
        let spellings = [self.client_secret.clone(), encoded(&self.client_secret), self.basic()];
        spellings.iter().any(|secret| text.contains(secret))
    }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// No token: how asking for it ended, and why in words for a tenant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoToken {
    /// Of the request for it, [`Outcome::Token`] when it was answered.
    pub outcome: Outcome,
    /// `the token endpoint answered 401: invalid_client`.
    pub words: String,
}

/// Tokens that are held, by who gave them to whom for what; clones share them.
#[derive(Clone)]
pub struct AccessTokens(Arc<Inner>);

struct Inner {
    tokens: Fetched<HashMap<[u8; 32], Held>>,
    timeout: Duration,
    landed: Condvar,
}

enum Held {
    /// One thread asks, the others wait for it.
    Flight,
    Token {
        token: Arc<str>,
        until: Timestamp,
        /// When it took the place of one that was refused.
        renewed: Option<Timestamp>,
    },
    /// The one that stood was refused, at this time: the next who asks gets a new one.
    Refused(Timestamp),
    Failed {
        why: NoToken,
        until: Timestamp,
    },
}

impl Held {
    fn is_over(&self, now: Timestamp) -> bool {
        match self {
            Held::Flight => false,
            Held::Refused(_) => true,
            Held::Token { until, .. } | Held::Failed { until, .. } => *until <= now,
        }
    }
}

/// Makes room for those that wait when the thread that asks ends by a panic.
struct Landing<'a>(&'a AccessTokens, [u8; 32]);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let mut held = self.0.held();
        if matches!(held.get(&self.1), Some(Held::Flight)) {
            held.remove(&self.1);
        }
        drop(held);
        self.0.0.landed.notify_all();
    }
}

impl AccessTokens {
    /// None yet; asking for one takes `timeout` at most.
    pub fn new(
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        timeout: Duration,
    ) -> AccessTokens {
        let (tokens, landed) = (Fetched::new(transport, clock), Condvar::new());
        AccessTokens(Arc::new(Inner { tokens, timeout, landed }))
    }

    fn held(&self) -> MutexGuard<'_, HashMap<[u8; 32], Held>> {
        self.0.tokens.held()
    }

    /// A token that is good now: the one that is held, or a new one, asked for by one thread for
    /// all that want it. Blocks for twice the timeout at most.
    pub fn token(&self, grant: &Grant) -> Result<Arc<str>, NoToken> {
        let id = grant.id();
        let late = Instant::now() + 2 * self.0.timeout;
        let mut held = self.held();
        loop {
            let now = self.0.tokens.clock.now();
            match held.get(&id) {
                Some(over) if over.is_over(now) => break,
                Some(Held::Token { token, .. }) => return Ok(Arc::clone(token)),
                Some(Held::Failed { why, .. }) => return Err(why.clone()),
                Some(Held::Refused(_)) | None => break,
                Some(Held::Flight) => {
                    // It lands for others too: each of those waits for its own.
                    let left = late.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(late_words());
                    }
                    let waited = self.0.landed.wait_timeout(held, left);
                    held = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        let renewed = match held.get(&id) {
            Some(Held::Refused(at)) => Some(*at),
            Some(Held::Token { renewed, .. }) => *renewed,
            _ => None,
        };
        make_room(&mut held, &id, self.0.tokens.clock.now());
        held.insert(id, Held::Flight);
        drop(held);
        let landing = Landing(self, id);
        let asked = self.ask(grant);
        let now = self.0.tokens.clock.now();
        let kept = match &asked {
            Ok((token, lasts)) => {
                // None at all would have each delivery ask for its own.
                let lasts = lasts.unwrap_or(UNTOLD).clamp(FAILED_FOR, LONGEST);
                let until = now + lasts.saturating_sub(MARGIN.min(lasts / 4));
                Held::Token { token: Arc::clone(token), until, renewed }
            }
            Err(why) => Held::Failed { why: why.clone(), until: now + FAILED_FOR },
        };
        self.held().insert(id, kept);
        drop(landing);
        asked.map(|(token, _)| token)
    }

    /// Forgets a token that was refused, so that the next who asks gets a new one; false when it
    /// took the place of a refused one a short while ago, and another would fare no better.
    pub fn refused(&self, grant: &Grant, refused: &str) -> bool {
        let (id, now) = (grant.id(), self.0.tokens.clock.now());
        let mut held = self.held();
        match held.get(&id) {
            Some(Held::Token { token, renewed, .. }) if **token == *refused => {
                let renew = renewed.is_none_or(|at| now.since(at) >= RENEW_EVERY);
                if renew {
                    held.insert(id, Held::Refused(now));
                }
                renew
            }
            // Somebody else was told so before.
            _ => true,
        }
    }

    /// Forgets what is held, whatever came of it.
    pub fn forget(&self, grant: &Grant) {
        let mut held = self.held();
        if !matches!(held.get(&grant.id()), Some(Held::Flight)) {
            held.remove(&grant.id());
        }
    }

    /// Asks for a token: what it is, and how long it lasts when that is told.
    fn ask(&self, grant: &Grant) -> Result<(Arc<str>, Option<Duration>), NoToken> {
        let answer = self.0.tokens.transport.send(&self.request(grant));
        let read: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let failed = |outcome, words| Err(NoToken { outcome, words });
        match answer.status_code {
            0 => {
                let why = String::from_utf8_lossy(&answer.body);
                return failed(answer.outcome, format!("the token endpoint gave no token: {why}"));
            }
            200..300 => {}
            status => {
                let told = told(&read, grant);
                let words = format!("the token endpoint answered {status}{told}");
                return failed(Outcome::Token, words);
            }
        }
        let token = read["access_token"].as_str().filter(|token| {
            (1..=TOKEN_MAX).contains(&token.len())
                && token.bytes().all(|byte| byte.is_ascii_graphic())
        });
        let Some(token) = token else {
            let words = "the token endpoint's answer has no access_token that can be sent";
            return failed(Outcome::Token, words.to_owned());
        };
        // Its type is not looked at: bearer tokens are called many things.
        // Some servers write the number as text.
        let lasts = &read["expires_in"];
        let lasts = lasts.as_u64().or_else(|| lasts.as_str()?.parse().ok());
        Ok((token.into(), lasts.map(Duration::from_secs)))
    }

    fn request(&self, grant: &Grant) -> OutgoingRequest {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        for (name, value) in [("scope", &grant.scope), ("audience", &grant.audience)] {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        let mut headers = vec![
            ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
            ("accept".to_owned(), "application/json".to_owned()),
            ("user-agent".to_owned(), USER_AGENT.to_owned()),
        ];
        let (id, secret) = (&grant.client_id, &grant.client_secret);
        match grant.credentials_in {
            CredentialsIn::Body => {
                form.append_pair("client_id", id).append_pair("client_secret", secret);
            }
            CredentialsIn::Header => {
                headers.push(("authorization".to_owned(), format!("Basic {}", grant.basic())));
            }
        }
        OutgoingRequest {
            method: "POST".into(),
            url: grant.url.as_str().into(),
            headers,
            body: Bytes::from(form.finish()),
            timeout: self.0.timeout,
            endpoint: grant.endpoint.clone(),
            answer_limit: Some(ANSWER_MAX),
        }
    }
}

fn late_words() -> NoToken {
    let words = "the token endpoint did not answer in time".to_owned();
    NoToken { outcome: Outcome::TimedOut, words }
}

/// What the server says of itself (section 5.2), as far as it can be passed on: never the secret,
/// should it repeat what it was sent.
fn told(answer: &serde_json::Value, grant: &Grant) -> String {
    let parts = ["error", "error_description"].into_iter().filter_map(|name| {
        let text = answer[name].as_str()?;
        let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        (plain && !text.is_empty() && !grant.is_in(text)).then_some(text)
    });
    let joined = parts.collect::<Vec<_>>().join(", ");
    let cut = &joined[..joined.len().min(WORDS_MAX)];
    if cut.is_empty() { String::new() } else { format!(": {cut}") }
}

fn make_room(held: &mut HashMap<[u8; 32], Held>, id: &[u8; 32], now: Timestamp) {
    if held.len() < KEPT_MAX || held.contains_key(id) {
        return;
    }
    held.retain(|_, one| !one.is_over(now));
    let ends = held.iter().filter_map(|(id, one)| match one {
        Held::Flight => None,
        Held::Refused(at) => Some((*at, *id)),
        Held::Token { until, .. } | Held::Failed { until, .. } => Some((*until, *id)),
    });
    if held.len() >= KEPT_MAX
        && let Some((_, first)) = ends.min()
    {
        held.remove(&first);
    }
}

#[cfg(test)]
mod tests;
