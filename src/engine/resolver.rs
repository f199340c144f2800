//! Names to addresses, on a few threads of its own, every answer judged by the address guard.
//!
//! ureq asks before every request and dials exactly what it is given, so what was checked is what
//! is connected to. Address literals and remembered names never leave the calling thread.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::engine::guard::{AddressGuard, Blocked};
use crate::engine::proxy::GLANCE;

const LOOKUP_THREADS: usize = 16;
const LOOKUP_STACK: usize = 256 << 10;
/// Threads that names of each [`Trust`] and of less may hold, so that dead zones leave room: half
/// for what did not fail, a quarter for what is known.
const THREADS: [usize; 3] = [LOOKUP_THREADS, LOOKUP_THREADS * 3 / 4, LOOKUP_THREADS / 2];
const WAITING_NAMES: usize = 4_096;
const REMEMBERED_NAMES: usize = 4_096;
const REMEMBER: Duration = Duration::from_secs(30);
const REMEMBER_FAILURE: Duration = Duration::from_secs(5);
/// How long a known name waits for a fresh answer before the last one is used once more.
const REFRESH_PATIENCE: Duration = Duration::from_secs(1);
/// How long after it was due for a refresh an answer may still be used.
const STALE: Duration = Duration::from_secs(300);
/// Addresses ureq keeps of an answer.
const DIALLED: usize = 16;

/// Looks a name up; blocking. The system's resolver in service, a script in tests.
pub type Lookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Why there is no address to connect to.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ResolveError {
    /// The guard refused one of the addresses.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// The name has no address, or the lookup failed.
    #[error("no address for the name: {0}")]
    NotFound(String),
    /// No answer in time.
    #[error("the name lookup took too long")]
    TimedOut,
    /// Too many names wait to be looked up.
    #[error("too many name lookups are waiting")]
    Busy,
}

/// What the system's resolver says, IPv4 and IPv6 in its order.
pub fn system_lookup(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
}

type Addresses = Result<Arc<[IpAddr]>, ResolveError>;

/// An answer and when it was given.
#[derive(Clone)]
struct Remembered {
    answer: Addresses,
    at: Instant,
}

impl Remembered {
    fn is_fresh(&self, now: Instant) -> bool {
        let keep = if self.answer.is_ok() { REMEMBER } else { REMEMBER_FAILURE };
        now.duration_since(self.at) < keep
    }

    fn is_usable_late(&self, now: Instant) -> bool {
        self.answer.is_ok() && now.duration_since(self.at) < REMEMBER + STALE
    }
}

/// One lookup under way and everyone who waits for it.
#[derive(Default)]
struct Flight {
    answer: Mutex<Option<Addresses>>,
    landed: Condvar,
}

/// What is known of a name before it is looked up.
#[derive(Clone, Copy)]
enum Trust {
    /// Its last lookup gave an answer.
    Answered,
    /// It was never looked up, or not lately.
    New,
    /// Its last lookup failed.
    Failed,
}

/// Names to look up, and who is at it; what there are three of is by [`Trust`].
#[derive(Default)]
struct Desk {
    flights: HashMap<Box<str>, Arc<Flight>>,
    waiting: [VecDeque<Box<str>>; 3],
    running: [usize; 3],
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Desk {
    /// The next name that a thread may be given to, counted as running; and its trust.
    fn take(&mut self) -> Option<(Box<str>, Trust)> {
        for trust in [Trust::Answered, Trust::New, Trust::Failed] {
            let class = trust as usize;
            if (0..=class).all(|at| self.running[at..].iter().sum::<usize>() < THREADS[at])
                && let Some(name) = self.waiting[class].pop_front()
            {
                self.running[class] += 1;
                return Some((name, trust));
            }
        }
        None
    }
}

struct Shared {
    lookup: Box<Lookup>,
    known: RwLock<HashMap<Box<str>, Remembered>>,
    desk: Mutex<Desk>,
    work: Condvar,
}

/// Looks names up for every agent and lets the guard judge each answer, remembered or not.
pub struct GuardedResolver {
    guard: Arc<AddressGuard>,
    shared: Arc<Shared>,
}

impl GuardedResolver {
    /// `lookup` is [`system_lookup`] in service. Threads are started when first needed.
    pub fn new(guard: Arc<AddressGuard>, lookup: Box<Lookup>) -> GuardedResolver {
        let shared = Shared {
            lookup,
            known: RwLock::default(),
            desk: Mutex::default(),
            work: Condvar::new(),
        };
        GuardedResolver { guard, shared: Arc::new(shared) }
    }

    /// Between 1 and 16 addresses of `host` that may be connected to, within `patience`.
    pub fn addresses(
        &self,
        host: &str,
        port: u16,
        patience: Duration,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let mut addresses = self.shared.all(bare, port, patience)?;
        self.guard.check_all(&addresses)?;
        addresses.truncate(DIALLED);
        Ok(addresses)
    }

    /// Addresses of a host that the operator chose, which no guard judges: a proxy. An IPv6
    /// address stands without brackets.
    pub fn of_operator(
        &self,
        host: &str,
        port: u16,
        patience: Duration,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let mut addresses = self.shared.all(host, port, patience)?;
        addresses.truncate(DIALLED);
        Ok(addresses)
    }
}

impl GuardedResolver {
    /// Drops every remembered answer, for an operator who moved a name and reloads.
    pub fn forget(&self) {
        self.shared.known.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for GuardedResolver {
    fn drop(&mut self) {
        lock(&self.shared.desk).closed = true;
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn all(
        self: &Arc<Self>,
        host: &str,
        port: u16,
        patience: Duration,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(literal, port)]);
        }
        let found = self.find(host, patience)?;
        Ok(found.iter().map(|ip| SocketAddr::new(*ip, port)).collect())
    }

    fn find(self: &Arc<Self>, name: &str, patience: Duration) -> Addresses {
        let now = Instant::now();
        let known = self.remembered(name);
        if let Some(known) = &known
            && known.is_fresh(now)
        {
            return known.answer.clone();
        }
        let late = known.as_ref().filter(|known| known.is_usable_late(now));
        let patience = if late.is_some() { patience.min(REFRESH_PATIENCE) } else { patience };
        let trust = match &known {
            None => Trust::New,
            Some(known) if known.answer.is_ok() => Trust::Answered,
            Some(_) => Trust::Failed,
        };
        let awaited = match self.join(name, trust) {
            Ok(flight) => wait(&flight, patience),
            Err(error) => Err(error),
        };
        match (awaited, late) {
            (Err(ResolveError::TimedOut | ResolveError::Busy), Some(late)) => late.answer.clone(),
            (awaited, _) => awaited,
        }
    }

    fn remembered(&self, name: &str) -> Option<Remembered> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The lookup of `name` that is under way, or a new one.
    fn join(self: &Arc<Self>, name: &str, trust: Trust) -> Result<Arc<Flight>, ResolveError> {
        let mut desk = lock(&self.desk);
        if let Some(flight) = desk.flights.get(name) {
            return Ok(flight.clone());
        }
        // It may have landed since it was looked for.
        if let Some(known) = self.remembered(name)
            && known.is_fresh(Instant::now())
        {
            let flight = Flight { answer: Mutex::new(Some(known.answer)), ..Flight::default() };
            return Ok(Arc::new(flight));
        }
        if desk.flights.len() >= WAITING_NAMES {
            return Err(ResolveError::Busy);
        }
        let queued: usize = desk.waiting.iter().map(VecDeque::len).sum();
        if desk.idle <= queued && desk.threads < LOOKUP_THREADS && !self.start_thread(&mut desk) {
            return Err(ResolveError::Busy);
        }
        let flight = Arc::new(Flight::default());
        desk.flights.insert(name.into(), flight.clone());
        desk.waiting[trust as usize].push_back(name.into());
        self.work.notify_one();
        Ok(flight)
    }

    /// Whether a thread is there to take the next name.
    fn start_thread(self: &Arc<Self>, desk: &mut Desk) -> bool {
        let shared = self.clone();
        let started = thread::Builder::new()
            .name(format!("lookup-{}", desk.threads))
            .stack_size(LOOKUP_STACK)
            .spawn(move || shared.work());
        if started.is_ok() {
            desk.threads += 1;
        }
        desk.threads > 0
    }

    fn work(&self) {
        let mut desk = lock(&self.desk);
        while !desk.closed {
            let Some((name, trust)) = desk.take() else {
                desk.idle += 1;
                desk = self.work.wait(desk).unwrap_or_else(PoisonError::into_inner);
                desk.idle -= 1;
                continue;
            };
            drop(desk);
            let answer = match (self.lookup)(&name) {
                Ok(found) if found.is_empty() => {
                    Err(ResolveError::NotFound("the answer is empty".to_owned()))
                }
                Ok(found) => Ok(Arc::from(found)),
                Err(error) => Err(ResolveError::NotFound(error.to_string())),
            };
            self.remember(&name, answer.clone());
            desk = lock(&self.desk);
            desk.running[trust as usize] -= 1;
            // This thread goes on with the next name; a limit may have kept others from theirs.
            self.work.notify_one();
            if let Some(flight) = desk.flights.remove(&name) {
                *lock(&flight.answer) = Some(answer);
                flight.landed.notify_all();
            }
        }
    }

    fn remember(&self, name: &str, answer: Addresses) {
        let now = Instant::now();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_NAMES && !known.contains_key(name) {
            known.retain(|_, entry| entry.is_fresh(now));
            let oldest = known.iter().min_by_key(|(_, entry)| entry.at).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest.filter(|_| known.len() >= REMEMBERED_NAMES) {
                known.remove(&oldest);
            }
        }
        known.insert(name.into(), Remembered { answer, at: now });
    }
}

fn wait(flight: &Flight, patience: Duration) -> Addresses {
    let landed = flight
        .landed
        .wait_timeout_while(lock(&flight.answer), patience, |answer| answer.is_none())
        .unwrap_or_else(PoisonError::into_inner);
    landed.0.clone().unwrap_or(Err(ResolveError::TimedOut))
}

/// A thread that panics ends the process, so a poisoned lock is never met in service.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The resolver as one agent holds it.
#[derive(Clone)]
pub struct AgentResolver {
    /// Asked by all.
    pub resolver: Arc<GuardedResolver>,
    /// Behind a proxy that looks names up itself, one that is not known here is no failure.
    pub proxy_looks_up: bool,
}

impl std::fmt::Debug for AgentResolver {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("AgentResolver")
    }
}

impl Resolver for AgentResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let default_port = if uri.scheme_str() == Some("http") { 80 } else { 443 };
        let port = uri.port_u16().unwrap_or(default_port);
        let patience = *timeout.after;
        let patience = if self.proxy_looks_up { patience.min(GLANCE) } else { patience };
        let found = match self.resolver.addresses(host, port, patience) {
            Err(ResolveError::Blocked(blocked)) => Err(ResolveError::Blocked(blocked)),
            Err(_) if self.proxy_looks_up => Ok(Vec::new()),
            found => found,
        };
        let found = found.map_err(|error| ureq::Error::Other(Box::new(error)))?;
        let mut addresses = self.empty();
        for address in found {
            addresses.push(address);
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests;
