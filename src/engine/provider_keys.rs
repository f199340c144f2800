//! Keys and certificates that providers publish, and questions that are answered by calling back:
//! fetched through the guarded transport, from hosts that the provider's row allows, kept for a
//! while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::domain::time::{Clock, Timestamp};
use crate::engine::transport::{OutgoingRequest, Transport, USER_AGENT};

/// Keys that are kept at once; the oldest goes first.
const KEPT_MAX: usize = 64;
/// How long a key is kept.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Fetches in a minute at most: strangers may name what is to be fetched.
const FETCHES: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);
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
    minute: Timestamp,
    fetches: u32,
}

impl ProviderKeys {
    /// Without any yet.
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>) -> ProviderKeys {
        ProviderKeys(Arc::new(Inner { transport, clock, held: Mutex::default() }))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // A map is whole after every step, whoever panicked.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every key that is kept, by its URL.
    pub fn all(&self) -> Vec<(String, String)> {
        let now = self.0.clock.now();
        let held = self.held();
        let fresh = held.keys.iter().filter(|(_, (since, _))| now.since(*since) < KEPT_FOR);
        fresh.map(|(url, (_, text))| (url.clone(), text.clone())).collect()
    }

    /// Fetches a key and keeps it; blocks for `TIMEOUT` at most. An error says why in words.
    pub fn fetch(&self, url: &str) -> Result<(), String> {
        let text = self.call(url)?;
        let now = self.0.clock.now();
        let mut held = self.held();
        if held.keys.len() >= KEPT_MAX && !held.keys.contains_key(url) {
            let oldest = held.keys.iter().min_by_key(|(_, (since, _))| *since);
            if let Some(oldest) = oldest.map(|(url, _)| url.clone()) {
                held.keys.remove(&oldest);
            }
        }
        held.keys.insert(url.to_owned(), (now, text));
        Ok(())
    }

    /// Calls a URL with GET and returns what it answers.
    pub fn call(&self, url: &str) -> Result<String, String> {
        self.spend()?;
        let answer = self.0.transport.send(&OutgoingRequest {
            method: "GET".into(),
            url: url.into(),
            headers: vec![("user-agent".to_owned(), USER_AGENT.to_owned())],
            body: Bytes::new(),
            timeout: TIMEOUT,
        });
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        match answer.status_code {
            200..300 => Ok(text),
            0 => Err(text),
            status => Err(format!("it answered {status}")),
        }
    }

    fn spend(&self) -> Result<(), String> {
        let now = self.0.clock.now();
        let mut held = self.held();
        if now.since(held.minute) >= MINUTE {
            (held.minute, held.fetches) = (now, 0);
        }
        if held.fetches >= FETCHES {
            return Err(format!("more than {FETCHES} fetches in a minute"));
        }
        held.fetches += 1;
        Ok(())
    }
}
