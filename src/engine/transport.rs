//! One signed request over HTTP/1.1, bounded in time and bytes, and what came of it.
//!
//! One ureq agent per origin: an agent's pool is one list behind one lock, and a shared one costs
//! fifty times the CPU at a hundred hosts. No redirects, no decompression, no proxy from the
//! environment; what is dialled is what the guard let through.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ureq::Body;
use ureq::http::{self, header};

use crate::domain::delivery::Outcome;
use crate::domain::endpoint::Endpoint;
use crate::domain::time::Clock;
pub use crate::engine::answer::Answer;
use crate::engine::answer::{UNREACHABLE, classify, failure_text, outcome_of, parse_retry_after};
use crate::engine::origin::{Origin, millis};
use crate::engine::proxy::Proxies;
use crate::engine::resolver::GuardedResolver;
use crate::engine::tls::Tls;

/// What every delivery calls itself unless its endpoint's headers say otherwise.
pub const USER_AGENT: &str = concat!("relay/", env!("CARGO_PKG_VERSION"));

const MAX_ORIGINS: usize = 4_096;
const ORIGIN_IDLE: Duration = Duration::from_secs(60);
const SWEEP_EVERY: Duration = Duration::from_secs(15);

/// Makes one HTTP request of a delivery; blocking, and never longer than the request's timeout.
pub trait Transport: Send + Sync {
    /// Sends and reads the answer. Never fails: every failure is an outcome.
    fn send(&self, request: &OutgoingRequest) -> Answer;
}

/// One HTTP request of a delivery.
#[derive(Clone)]
pub struct OutgoingRequest {
    /// `POST`, unless a transformation chose another; `GET` and `DELETE` go without the body.
    pub method: Cow<'static, str>,
    /// Where to, as `parse_endpoint_url` serialised it.
    pub url: Arc<str>,
    /// In the order they are sent.
    pub headers: Vec<(String, String)>,
    /// The bytes that were signed.
    pub body: Bytes,
    /// From begin to the last byte read.
    pub timeout: Duration,
    /// Whose TLS and proxy its connection uses; `None`: what all use.
    pub endpoint: Option<Arc<Endpoint>>,
    /// Bytes of the answer's body that are kept; `None`: `delivery.response_limit`.
    pub answer_limit: Option<usize>,
}

/// Without headers and body, which hold a tenant's secrets.
impl fmt::Debug for OutgoingRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("OutgoingRequest");
        shown.field("origin", &origin_name(&self.url)).field("bytes", &self.body.len());
        shown.field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// How [`UreqTransport`] behaves.
#[derive(Clone, Debug)]
pub struct TransportSettings {
    /// `delivery.timeout`, the timeout of requests that ask for no other.
    pub timeout: Duration,
    /// `delivery.response_limit`, bytes of an answer's body that are kept.
    pub response_limit: usize,
    /// `delivery.threads`, idle connections kept for one origin.
    pub max_idle: usize,
    /// What connections believe and show.
    pub tls: Tls,
    /// What they go through until [`UreqTransport::set_proxies`].
    pub proxies: Proxies,
}

/// Sends through ureq.
pub struct UreqTransport {
    settings: TransportSettings,
    /// Locked before `origins`.
    proxies: RwLock<Proxies>,
    resolver: Arc<GuardedResolver>,
    clock: Arc<dyn Clock>,
    origins: RwLock<HashMap<Box<str>, Arc<Origin>>>,
    born: Instant,
    swept: AtomicU64,
    closed: AtomicBool,
}

impl UreqTransport {
    /// A transport without a connection yet.
    pub fn new(
        settings: TransportSettings,
        resolver: Arc<GuardedResolver>,
        clock: Arc<dyn Clock>,
    ) -> UreqTransport {
        UreqTransport {
            proxies: RwLock::new(settings.proxies.clone()),
            settings,
            resolver,
            clock,
            origins: RwLock::default(),
            born: Instant::now(),
            swept: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// From now on requests go through these; those in flight end as they began. Whether that
    /// changes anything.
    pub fn set_proxies(&self, proxies: Proxies) -> bool {
        let mut held = self.proxies.write().unwrap_or_else(PoisonError::into_inner);
        if *held == proxies {
            return false;
        }
        *held = proxies;
        // Their agents know the old ones.
        let mut origins = self.origins.write().unwrap_or_else(PoisonError::into_inner);
        let dropped = std::mem::take(&mut *origins);
        drop(origins);
        drop(held);
        drop(dropped);
        true
    }

    /// Ends every request in flight, as broken, and every later one: the hard stop.
    pub fn shutdown(&self) {
        let origins = self.origins.write().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::SeqCst);
        for origin in origins.values() {
            origin.shutdown();
        }
    }

    /// Closes the connections of origins not used for a minute. Posting does it now and then by
    /// itself; a janitor calls it for the time when nothing is posted.
    pub fn sweep(&self) {
        let now = self.now();
        self.swept.store(now, Ordering::Relaxed);
        let idle = millis(ORIGIN_IDLE);
        let mut swept = Vec::new();
        let mut origins = self.origins.write().unwrap_or_else(PoisonError::into_inner);
        origins.retain(|_, origin| {
            let keep = origin.is_busy() || now.saturating_sub(origin.last_used()) < idle;
            if !keep {
                swept.push(origin.clone());
            }
            keep
        });
        drop(origins);
    }

    /// Origins that hold an agent at the moment, at most 4,096 and those in flight.
    pub fn origins(&self) -> usize {
        self.origins.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn now(&self) -> u64 {
        millis(self.born.elapsed())
    }

    /// The agent of a request. Endpoints with a TLS of their own share none with others, and those
    /// that chose a proxy only with those that chose the same; an error is for the operator.
    fn origin(&self, name: &str, request: &OutgoingRequest) -> Result<Arc<Origin>, String> {
        let now = self.now();
        if now.saturating_sub(self.swept.load(Ordering::Relaxed)) >= millis(SWEEP_EVERY) {
            self.sweep();
        }
        let delivery = request.endpoint.as_ref().map(|endpoint| &endpoint.delivery);
        let own_tls = delivery.and_then(|delivery| delivery.tls.as_ref());
        let choice = delivery.and_then(|delivery| delivery.proxy.as_deref());
        let key = key(name, request.endpoint.as_ref().filter(|_| own_tls.is_some()), choice);
        let origins = self.origins.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(origin) = origins.get(&*key)
            && origin.own_tls.as_ref() == own_tls
        {
            origin.touch(now);
            return Ok(origin.clone());
        }
        drop(origins);
        // Held until the agent is there to be taken away with the others.
        let proxies = self.proxies.read().unwrap_or_else(PoisonError::into_inner);
        let proxy = proxies.choose(choice, &request.url);
        let proxy = proxy.map_err(|error| error.to_string())?;
        let made = Origin::new(&self.settings, self.resolver.clone(), own_tls, proxy)?;
        let mut origins = self.origins.write().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::SeqCst) {
            made.shutdown();
        }
        let mut dropped = Vec::new();
        if origins.len() >= MAX_ORIGINS && !origins.contains_key(&*key) {
            let idle = origins.iter().filter(|(_, origin)| !origin.is_busy());
            let oldest = idle.min_by_key(|(_, origin)| origin.last_used());
            let oldest = oldest.map(|(name, _)| name.clone());
            dropped.extend(oldest.and_then(|oldest| origins.remove(&oldest)));
        }
        // One whose endpoint was changed since goes, with its connections.
        if origins.get(&*key).is_some_and(|origin| origin.own_tls.as_ref() != own_tls) {
            dropped.extend(origins.remove(&*key));
        }
        let origin = origins.entry(key.into()).or_insert_with(|| Arc::new(made));
        origin.touch(now);
        let origin = origin.clone();
        drop(origins);
        drop(dropped);
        Ok(origin)
    }

    /// The first bytes of a body, and whether they are all of it: when it breaks off the status is
    /// known, and the rest of an endless one is not worth a connection.
    fn read_body(&self, body: &mut Body, limit: Option<usize>) -> (Vec<u8>, bool) {
        let limit = limit.unwrap_or(self.settings.response_limit);
        let announced = body.content_length().and_then(|length| usize::try_from(length).ok());
        let mut kept = Vec::with_capacity(announced.map_or(0, |length| length.min(limit) + 1));
        let beyond = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        // A body read to its end gives the connection back, any other one closes it.
        let read = body.as_reader().take(beyond).read_to_end(&mut kept);
        if read.is_err() {
            tracing::debug!(kept = kept.len(), "an answer's body broke off");
        }
        let is_whole = read.is_ok() && kept.len() <= limit;
        kept.truncate(limit);
        (kept, is_whole)
    }

    fn answer(
        &self,
        started: Instant,
        limit: Option<usize>,
        response: http::Response<Body>,
    ) -> Answer {
        let (head, mut body) = response.into_parts();
        let (body, is_whole) = self.read_body(&mut body, limit);
        let status_code = head.status.as_u16();
        let retry_after = matches!(status_code, 429 | 503)
            .then(|| head.headers.get(header::RETRY_AFTER)?.to_str().ok())
            .flatten()
            .and_then(|text| parse_retry_after(text, self.clock.wall()));
        let headers = head.headers.iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Answer {
            outcome: outcome_of(status_code),
            status_code,
            duration: started.elapsed(),
            headers: headers.collect(),
            body,
            is_whole,
            retry_after,
        }
    }
}

impl Transport for UreqTransport {
    fn send(&self, request: &OutgoingRequest) -> Answer {
        let started = Instant::now();
        let name = origin_name(&request.url);
        let origin = match self.origin(name, request) {
            Ok(origin) => origin,
            Err(cause) => {
                tracing::warn!(origin = name, cause, "no connection as the endpoint asks for");
                return Answer::unsent(Outcome::Connect, UNREACHABLE);
            }
        };
        let usual = request.timeout == self.settings.timeout;
        let first = origin.attempt(request, (!usual).then_some(request.timeout));
        let result = match first {
            Err(error) if classify(&error).stale => {
                // The peer closed an idle connection as we took it: no attempt was made yet.
                let left = request.timeout.saturating_sub(started.elapsed());
                origin.attempt(request, Some(left))
            }
            first => first,
        };
        match result {
            Ok(response) => self.answer(started, request.answer_limit, response),
            Err(error) => {
                let failure = classify(&error);
                origin.log(self.now(), name, failure.outcome, &error);
                let duration = if failure.reached { started.elapsed() } else { Duration::ZERO };
                Answer {
                    outcome: failure.outcome,
                    status_code: 0,
                    duration,
                    headers: Vec::new(),
                    body: failure_text(&failure, &error).into_bytes(),
                    is_whole: true,
                    retry_after: None,
                }
            }
        }
    }
}

/// What tells an agent from the others: its origin, and what of the endpoint's settings it uses.
fn key<'a>(name: &'a str, own: Option<&Arc<Endpoint>>, choice: Option<&str>) -> Cow<'a, str> {
    if own.is_none() && choice.is_none() {
        return Cow::Borrowed(name);
    }
    let own = own.map(|endpoint| endpoint.id);
    Cow::Owned(format!("{name} {own:?} {choice:?}"))
}

/// Scheme, host and port of a normalised URL.
fn origin_name(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}
