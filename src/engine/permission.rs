//! Whether an endpoint takes events of this relay: asked before it is sent any, where its settings
//! say so, and kept for a day (CloudEvents, HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section
//! 4, "Abuse protection").

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::domain::delivery::Outcome;
use crate::domain::endpoint::Endpoint;
use crate::domain::headers::is_reserved_header;
use crate::domain::id::EndpointId;
use crate::domain::throttle::Rate;
use crate::domain::time::Timestamp;
use crate::engine::answer::Answer;
use crate::engine::credentials::{Proof, is_own};
use crate::engine::transport::{OutgoingRequest, Transport, USER_AGENT};

/// How long a permission holds: the receiver may have thought better of it.
const HOLDS_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Endpoints whose permissions are kept at once; those that end first go.
const KEPT_MAX: usize = 10_000;
/// URLs of one endpoint, which its transformation may choose; the oldest goes.
const URLS_MAX: usize = 16;
const ORIGIN: &str = "webhook-request-origin";
const ALLOWED_ORIGIN: &str = "webhook-allowed-origin";
const ALLOWED_RATE: &str = "webhook-allowed-rate";

/// What receivers permitted.
pub struct Permissions {
    /// Who asks: a host name.
    origin: String,
    held: Mutex<HashMap<EndpointId, Vec<Permission>>>,
}

struct Permission {
    url: String,
    until: Timestamp,
    rate: Option<Rate>,
}

/// The request that asks, and what was answered to it.
pub struct Refused {
    /// What was asked.
    pub request: OutgoingRequest,
    /// Why nothing may be sent.
    pub answer: Answer,
}

impl Permissions {
    /// None yet, for a relay that the outside reaches by this host.
    pub fn new(origin: &str) -> Permissions {
        Permissions { origin: origin.to_owned(), held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<EndpointId, Vec<Permission>>> {
        // A map is whole after every step, whoever panicked.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How fast an endpoint may be sent to, over all its URLs; `None` when none is permitted.
    pub fn rate(&self, endpoint: EndpointId, now: Timestamp) -> Option<Option<Rate>> {
        let held = self.held();
        let mut live = held.get(&endpoint)?.iter().filter(|held| now < held.until).peekable();
        live.peek()?;
        Some(live.filter_map(|held| held.rate).min())
    }

    /// Makes sure that an endpoint may be sent a request at its URL, asking it, with the same
    /// proof, if that is not known; returns whether it was asked.
    pub(super) fn ensure(
        &self,
        endpoint: &Arc<Endpoint>,
        request: &OutgoingRequest,
        proof: Option<&Proof>,
        now: Timestamp,
        transport: &dyn Transport,
    ) -> Result<bool, Box<Refused>> {
        let url = &*request.url;
        let known = |held: &Permission| held.url == url && now < held.until;
        if self.held().get(&endpoint.id).is_some_and(|held| held.iter().any(known)) {
            return Ok(false);
        }
        let mut request = self.question(endpoint, url, request.timeout);
        proof.into_iter().for_each(|proof| proof.add(&mut request));
        let answer = transport.send(&request);
        match self.permitted(&answer) {
            Ok(rate) => {
                let permission = Permission { url: url.to_owned(), until: now + HOLDS_FOR, rate };
                self.keep(endpoint.id, permission);
                Ok(true)
            }
            Err(why) => Err(Box::new(Refused { request, answer: refusal(answer, why) })),
        }
    }

    fn question(&self, endpoint: &Arc<Endpoint>, url: &str, timeout: Duration) -> OutgoingRequest {
        // What is in them is for the endpoint's own place, as with a delivery.
        let own = endpoint.headers.iter().filter(|_| is_own(endpoint, url));
        let own = own.filter(|(name, _)| !is_reserved_header(name));
        let mut headers = vec![
            (ORIGIN.to_owned(), self.origin.clone()),
            ("user-agent".to_owned(), USER_AGENT.to_owned()),
        ];
        headers.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        OutgoingRequest {
            method: "OPTIONS".into(),
            url: url.into(),
            headers,
            body: Bytes::new(),
            timeout,
            endpoint: Some(Arc::clone(endpoint)),
            answer_limit: None,
        }
    }

    /// The rate that an answer permits, or why it permits nothing.
    fn permitted(&self, answer: &Answer) -> Result<Option<Rate>, Option<String>> {
        if answer.outcome != Outcome::Delivered {
            let status = answer.status_code;
            let words = format!("it answered OPTIONS with {status}, not with a permission");
            return Err((status != 0).then_some(words));
        }
        let header = |name: &str| {
            let mut headers = answer.headers.iter();
            headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        let allowed = header(ALLOWED_ORIGIN).unwrap_or_default();
        if allowed != "*" && !allowed.eq_ignore_ascii_case(&self.origin) {
            let given = if allowed.is_empty() { "is missing" } else { "names another" };
            return Err(Some(format!(
                "its answer to OPTIONS permits nothing to {}: {ALLOWED_ORIGIN} {given}",
                self.origin
            )));
        }
        match header(ALLOWED_RATE) {
            None | Some("*") => Ok(None),
            Some(text) => match text.parse() {
                Ok(rate) if rate > 0 => Ok(Some(Rate::per_minute(rate))),
                _ => Err(Some(format!("its {ALLOWED_RATE} is no number of requests a minute"))),
            },
        }
    }

    fn keep(&self, endpoint: EndpointId, permission: Permission) {
        let mut held = self.held();
        if held.len() >= KEPT_MAX && !held.contains_key(&endpoint) {
            let end = |held: &Vec<Permission>| held.iter().map(|held| held.until).max();
            let first = held.iter().min_by_key(|(_, held)| end(held)).map(|(id, _)| *id);
            first.and_then(|id| held.remove(&id));
        }
        let own = held.entry(endpoint).or_default();
        own.retain(|held| held.url != permission.url);
        if own.len() >= URLS_MAX {
            own.remove(0);
        }
        own.push(permission);
    }
}

/// An answer that permits nothing is a failure whatever its status says.
fn refusal(answer: Answer, why: Option<String>) -> Answer {
    let outcome = match answer.outcome {
        Outcome::Delivered => Outcome::Protocol,
        outcome => outcome,
    };
    let body = why.map_or(answer.body, String::into_bytes);
    Answer { outcome, body, ..answer }
}
