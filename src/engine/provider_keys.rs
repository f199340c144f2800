//! Keys and certificates that providers publish, and questions that are answered by calling back:
//! fetched through the guarded transport, from hosts that the provider's row allows, kept for a
//! while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use url::form_urlencoded;

use crate::domain::id::SourceId;
use crate::domain::time::{Clock, Timestamp};
use crate::engine::transport::{OutgoingRequest, Transport, USER_AGENT};

/// Keys that are kept at once; the oldest goes first.
const KEPT_MAX: usize = 64;
/// How long a key is kept.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Fetches for one source in a minute at most: strangers may name what is to be fetched.
const FETCHES: u32 = 20;
const DAY_S: u64 = 24 * 3_600;
const MINUTE: Duration = Duration::from_secs(60);
/// Requests that wait for one key at once; others are to be sent again.
const WAITERS: usize = 4;
/// Access tokens that are kept at once.
const TOKENS_MAX: usize = 64;
/// An access token is not used any more this long before its end.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);
/// How long what could not be fetched is not asked for again.
const FAILED_FOR: Duration = Duration::from_secs(10);
/// Providers wait for their answer meanwhile.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What was fetched; clones share it.
#[derive(Clone)]
pub struct ProviderKeys(Arc<Inner>);

struct Inner {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    keys: HashMap<String, (Timestamp, String)>,
    askers: HashMap<SourceId, Asker>,
    /// What is fetched by one thread while others wait for it.
    flights: HashMap<String, Arc<Mutex<()>>>,
    /// Access tokens and when they end, by who gave them for what.
    tokens: HashMap<[u8; 32], (Timestamp, String)>,
}

/// What was fetched for one source within a minute.
#[derive(Default)]
struct Asker {
    minute: Timestamp,
    fetches: u32,
    failed: HashMap<String, (Timestamp, String)>,
}

/// An access token that a fetch needs: OAuth 2.0 client credentials (RFC 6749 section 4.4).
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who gives the token.
    pub url: String,
    /// What it is asked for.
    pub scope: String,
    /// Client id, colon, client secret.
    pub credentials: String,
}

impl Grant {
    /// Tells it from others without holding its credentials.
    fn id(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [&self.url, &self.scope, &self.credentials] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

impl ProviderKeys {
    /// Without any yet.
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> ProviderKeys {
        ProviderKeys(Arc::new(Inner { transport, clock, held: Mutex::default() }))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Maps are whole after every step, whoever panicked.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every key that is kept, by its URL.
    pub fn all(&self) -> Vec<(String, String)> {
        let now = self.0.clock.now();
        let held = self.held();
        let fresh = held.keys.iter().filter(|(_, (since, _))| now.since(*since) < KEPT_FOR);
        fresh.map(|(url, (_, text))| (url.clone(), text.clone())).collect()
    }

    /// Fetches a key that a source needs and keeps it; who asks while it is on its way gets it
    /// too. Blocks for three times `TIMEOUT` at most. An error says why in words.
    pub fn fetch(&self, asker: SourceId, url: &str, grant: Option<&Grant>) -> Result<(), String> {
        let flight = {
            let mut held = self.held();
            let flight = held.flights.entry(url.to_owned()).or_default();
            // One is the map's. Each that waits takes a thread that others need.
            if Arc::strong_count(flight) > WAITERS {
                return Err("it is being fetched by others".to_owned());
            }
            Arc::clone(flight)
        };
        let one = flight.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match self.known(asker, url) {
            Some(known) => known,
            None => self.read(asker, url, grant),
        };
        drop(one);
        let mut held = self.held();
        // Whoever asks from now on finds what came of it.
        if Arc::strong_count(&flight) == 2 {
            held.flights.remove(url);
        }
        drop(flight);
        drop(held);
        result
    }

    /// What came of asking a short while ago.
    fn known(&self, asker: SourceId, url: &str) -> Option<Result<(), String>> {
        let now = self.0.clock.now();
        let held = self.held();
        if held.keys.get(url).is_some_and(|(since, _)| now.since(*since) < KEPT_FOR) {
            return Some(Ok(()));
        }
        let (since, why) = held.askers.get(&asker)?.failed.get(url)?;
        (now.since(*since) < FAILED_FOR).then(|| Err(why.clone()))
    }

    fn read(&self, asker: SourceId, url: &str, grant: Option<&Grant>) -> Result<(), String> {
        self.spend(asker)?;
        let text = match grant {
            None => self.send("GET", url, Vec::new(), Bytes::new()),
            Some(grant) => self.token(grant).and_then(|token| {
                let header = ("authorization".to_owned(), format!("Bearer {token}"));
                self.send("GET", url, vec![header], Bytes::new())
            }),
        };
        let now = self.0.clock.now();
        let mut held = self.held();
        match text {
            Ok(text) => {
                held.make_room(url);
                held.keys.insert(url.to_owned(), (now, text));
                Ok(())
            }
            Err(why) => {
                // The token may be why: the next try takes a new one.
                grant.and_then(|grant| held.tokens.remove(&grant.id()));
                let asker = held.askers.entry(asker).or_default();
                asker.failed.insert(url.to_owned(), (now, why.clone()));
                Err(why)
            }
        }
    }

    fn token(&self, grant: &Grant) -> Result<String, String> {
        let (id, now) = (grant.id(), self.0.clock.now());
        if let Some((until, token)) = self.held().tokens.get(&id)
            && now < *until
        {
            return Ok(token.clone());
        }
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("scope", &grant.scope)
            .finish();
        let credentials = STANDARD.encode(&grant.credentials);
        let headers = vec![
            ("authorization".to_owned(), format!("Basic {credentials}")),
            ("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()),
        ];
        let words = |why: String| {
            format!("no access token with the source's secret, CLIENT_ID:CLIENT_SECRET: {why}")
        };
        let text = self.send("POST", &grant.url, headers, form.into()).map_err(words)?;
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let token = answer["access_token"].as_str();
        let token = token.filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
        let token = token.ok_or_else(|| words("the answer has none".to_owned()))?.to_owned();
        let lasts = Duration::from_secs(answer["expires_in"].as_u64().unwrap_or(0).min(DAY_S));
        let mut held = self.held();
        held.tokens.retain(|_, (until, _)| now < *until);
        if lasts > TOKEN_MARGIN && held.tokens.len() < TOKENS_MAX {
            held.tokens.insert(id, (now + (lasts - TOKEN_MARGIN), token.clone()));
        }
        Ok(token)
    }

    /// Calls a URL with GET for a source.
    pub fn call(&self, asker: SourceId, url: &str) -> Result<(), String> {
        self.spend(asker)?;
        self.send("GET", url, Vec::new(), Bytes::new()).map(|_| ())
    }

    fn send(
        &self,
        method: &'static str,
        url: &str,
        mut headers: Vec<(String, String)>,
        body: Bytes,
    ) -> Result<String, String> {
        headers.push(("user-agent".to_owned(), USER_AGENT.to_owned()));
        let answer = self.0.transport.send(&OutgoingRequest {
            method: method.into(),
            url: url.into(),
            headers,
            body,
            timeout: TIMEOUT,
        });
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        match answer.status_code {
            200..300 => Ok(text),
            0 => Err(text),
            status => Err(format!("it answered {status}")),
        }
    }

    fn spend(&self, asker: SourceId) -> Result<(), String> {
        let now = self.0.clock.now();
        let mut held = self.held();
        held.askers.retain(|_, asker| now.since(asker.minute) < MINUTE);
        let asker = held.askers.entry(asker).or_insert(Asker { minute: now, ..Asker::default() });
        if asker.fetches >= FETCHES {
            return Err(format!("more than {FETCHES} fetches in a minute for one source"));
        }
        asker.fetches += 1;
        Ok(())
    }
}

impl Held {
    /// The oldest key goes where this one would be one too many.
    fn make_room(&mut self, url: &str) {
        if self.keys.len() < KEPT_MAX || self.keys.contains_key(url) {
            return;
        }
        let oldest = self.keys.iter().min_by_key(|(_, (since, _))| *since);
        if let Some(oldest) = oldest.map(|(url, _)| url.clone()) {
            self.keys.remove(&oldest);
        }
    }
}
