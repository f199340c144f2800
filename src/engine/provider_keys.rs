//! Keys and certificates that providers publish, and questions that are answered by calling back:
//! fetched through the guarded transport, from hosts that the provider's row allows, kept for a
//! while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::domain::id::SourceId;
use crate::domain::time::{Clock, Timestamp};
use crate::engine::access_token::{AccessTokens, Grant};
use crate::engine::fetched::Fetched;
use crate::engine::transport::{OutgoingRequest, Transport, USER_AGENT};
use crate::metrics::Worker;

/// Keys that are kept at once; the oldest goes first.
const KEPT_MAX: usize = 64;
/// How long a key is kept.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Fetches for one source in a minute at most: strangers may name what is to be fetched.
const FETCHES: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);
/// Requests that wait for one key at once; others are to be sent again.
const WAITERS: usize = 4;
/// How long what could not be fetched is not asked for again.
const FAILED_FOR: Duration = Duration::from_secs(10);
/// Providers wait for their answer meanwhile.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a key or certificate at most.
const ANSWER_MAX: usize = 64 << 10;

/// What was fetched; clones share it.
#[derive(Clone)]
pub struct ProviderKeys(Arc<Inner>);

struct Inner {
    keys: Fetched<Held>,
    tokens: AccessTokens,
    worker: OnceLock<Worker>,
}

#[derive(Default)]
struct Held {
    keys: HashMap<String, (Timestamp, String)>,
    askers: HashMap<SourceId, Asker>,
    /// What is fetched by one thread while others wait for it.
    flights: HashMap<String, Arc<Mutex<()>>>,
}

/// What was fetched for one source within a minute.
#[derive(Default)]
struct Asker {
    minute: Timestamp,
    fetches: u32,
    failed: HashMap<String, (Timestamp, String)>,
}

impl ProviderKeys {
    /// Without any yet.
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> ProviderKeys {
        let tokens = AccessTokens::new(Arc::clone(&transport), Arc::clone(&clock), TIMEOUT);
        let (keys, worker) = (Fetched::new(transport, clock), OnceLock::new());
        ProviderKeys(Arc::new(Inner { keys, tokens, worker }))
    }

    /// Has what is fetched told of. Once for a relay.
    pub fn report_to(&self, worker: Worker) {
        // A second one would be told nothing.
        let _ = self.0.worker.set(worker);
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.keys.held()
    }

    /// Every key that is kept, by its URL.
    pub fn all(&self) -> Vec<(String, String)> {
        let now = self.0.keys.clock.now();
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
            None => self.told(|| self.read(asker, url, grant)),
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

    fn told(&self, fetch: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        let Some(worker) = self.0.worker.get() else { return fetch() };
        let began = Instant::now();
        let fetched = fetch();
        worker.ran(began.elapsed());
        fetched.inspect_err(|why| worker.failed(why))
    }

    /// What came of asking a short while ago.
    fn known(&self, asker: SourceId, url: &str) -> Option<Result<(), String>> {
        let now = self.0.keys.clock.now();
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
            None => self.send(url, Vec::new()),
            Some(grant) => self.token(grant).and_then(|token| {
                let header = ("authorization".to_owned(), format!("Bearer {token}"));
                self.send(url, vec![header])
            }),
        };
        let now = self.0.keys.clock.now();
        let mut held = self.held();
        match text {
            // It would be kept for as long as a whole one.
            Ok((_, false)) => {
                let why = format!("it broke off, or is longer than {ANSWER_MAX} bytes");
                let asker = held.askers.entry(asker).or_default();
                asker.failed.insert(url.to_owned(), (now, why.clone()));
                Err(why)
            }
            Ok((text, true)) => {
                held.make_room(url);
                held.keys.insert(url.to_owned(), (now, text));
                Ok(())
            }
            Err(why) => {
                // The token may be why: the next try takes a new one.
                grant.into_iter().for_each(|grant| self.0.tokens.forget(grant));
                let asker = held.askers.entry(asker).or_default();
                asker.failed.insert(url.to_owned(), (now, why.clone()));
                Err(why)
            }
        }
    }

    fn token(&self, grant: &Grant) -> Result<Arc<str>, String> {
        self.0.tokens.token(grant).map_err(|why| {
            let why = why.words;
            format!("no access token with the source's secret, CLIENT_ID:CLIENT_SECRET: {why}")
        })
    }

    /// Calls a URL with GET for a source.
    pub fn call(&self, asker: SourceId, url: &str) -> Result<(), String> {
        self.spend(asker)?;
        self.told(|| self.send(url, Vec::new()).map(|_| ()))
    }

    /// What stands there, and whether that is all of it.
    fn send(
        &self,
        url: &str,
        mut headers: Vec<(String, String)>,
    ) -> Result<(String, bool), String> {
        headers.push(("user-agent".to_owned(), USER_AGENT.to_owned()));
        let answer = self.0.keys.transport.send(&OutgoingRequest {
            method: "GET".into(),
            url: url.into(),
            headers,
            body: Bytes::new(),
            timeout: TIMEOUT,
            endpoint: None,
            answer_limit: Some(ANSWER_MAX),
        });
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        match answer.status_code {
            200..300 => Ok((text, answer.is_whole)),
            0 => Err(text),
            status => Err(format!("it answered {status}")),
        }
    }

    fn spend(&self, asker: SourceId) -> Result<(), String> {
        let now = self.0.keys.clock.now();
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
