//! What is done with a request to a source: verified, looked at, decided; and the same again for
//! one that was kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::config::Sources;
use crate::domain::id::{RequestId, SourceId};
use crate::domain::provider::{Answer, Fetched, Handshake, Reason};
use crate::domain::received::{Head, ReceivedRequest, Verdict, event_type_name};
use crate::domain::receiving::{self, Incoming};
use crate::domain::source::{Dedup, DedupRule, Mode, Source};
use crate::domain::time::{Clock, Timestamp};
use crate::engine::provider_keys::ProviderKeys;
use crate::store::{
    DEDUP_WINDOW_MAX, Decision, EventKeys, Filtered, NewRequest, Quarantine, Refusal, Reply, Store,
    StoreError, StoredRequest, WriteError,
};

/// Where providers post to, below `server.public_url`.
pub const PATH: &str = "/in/";
/// What of refused requests is kept is counted by the day.
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Requests that are made messages in one go, when a source is active again.
const STEP: usize = 100;

/// Takes requests in; clones share what they count.
#[derive(Clone)]
pub struct Intake(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    /// How the outside reaches this relay, without a slash at its end.
    base: String,
    settings: Sources,
    keys: ProviderKeys,
    spent: Mutex<HashMap<SourceId, Spent>>,
}

/// What of refused requests was kept of a source since.
#[derive(Clone, Copy, Default)]
struct Spent {
    since: Timestamp,
    requests: u64,
    bytes: u64,
}

/// What is to become of a request.
pub enum Decided {
    /// Store it, then answer what was made of it.
    Event(NewRequest),
    /// Store it with what it hands over, call the URL if there is one, answer.
    Handshake {
        /// To be stored.
        new: Box<NewRequest>,
        /// The answer.
        answer: Answer,
        /// A URL of the provider's that says yes.
        confirm: Option<String>,
    },
    /// Store it within the bounds, answer with the status, or else the source's.
    Refused {
        /// To be stored.
        new: NewRequest,
        /// What the provider expects.
        status: Option<u16>,
    },
    /// Fetch the key at this URL and ask again.
    Fetch(String),
    /// The source takes no events by this method.
    OtherMethod,
}

fn refused(reason: &Reason) -> Verdict {
    Verdict::Refused { code: reason.code().to_owned(), why: reason.to_string() }
}

/// Why a kept request did not become a message.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Its bytes are gone or damaged.
    #[error(transparent)]
    Content(#[from] StoreError),
    /// It is refused still.
    #[error("{0}")]
    Refused(String),
    /// It can't be written now.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Intake {
    /// With the URL that the outside reaches this relay by.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        base: &str,
        settings: Sources,
        keys: ProviderKeys,
    ) -> Intake {
        let base = base.trim_end_matches('/').to_owned();
        Intake(Arc::new(Inner { store, clock, base, settings, keys, spent: Mutex::default() }))
    }

    /// The URL that a provider is given.
    pub fn url(&self, token: &str) -> String {
        format!("{}{PATH}{token}", self.0.base)
    }

    /// How much of refused requests is kept.
    pub fn quarantine(&self) -> Quarantine {
        Quarantine {
            requests: self.0.settings.quarantine_requests,
            bytes: self.0.settings.quarantine_bytes.0,
        }
    }

    /// Whether what was refused is kept: so much of a source in a day, and no more.
    pub fn may_keep(&self, source: SourceId, bytes: u64) -> bool {
        let now = self.0.clock.now();
        // Numbers are whole after every step, whoever panicked.
        let mut spent = self.0.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let held = spent.entry(source).or_insert(Spent { since: now, ..Spent::default() });
        if now.since(held.since) >= DAY {
            *held = Spent { since: now, ..Spent::default() };
        }
        let most = self.quarantine();
        let keeps = held.requests < most.requests && held.bytes + bytes <= most.bytes;
        if keeps {
            held.requests += 1;
            held.bytes += bytes;
        }
        keeps
    }

    /// The URL that a request was sent to, as the provider was given it.
    fn full_url(&self, token: &str, head: &Head) -> String {
        let query = if head.query.is_empty() { "" } else { "?" };
        [&self.url(token), &head.path, query, &head.query].concat()
    }

    /// Verifies a request that came with this token and says what is to become of it. Without
    /// `takes_events` it can be a handshake alone.
    pub fn decide(
        &self,
        source: &Source,
        token: &str,
        head: Head,
        body: Bytes,
        takes_events: bool,
    ) -> Decided {
        let url = self.full_url(token, &head);
        let incoming = Incoming { head: &head, body: &body, url: &url };
        let (now, wall) = (self.0.clock.now(), self.0.clock.wall());
        let documents = self.documents(source);
        let documents: Vec<(&str, &str)> =
            documents.iter().map(|(url, text)| (url.as_str(), text.as_str())).collect();
        let fetched = Fetched { documents: &documents, roots: None };
        let keep = |verdict| Decision::Keep(verdict);
        match receiving::handshake(source, &incoming, &fetched, now, wall) {
            Some(Handshake::Refuse { reason: Reason::KeyWanted { url }, .. }) => {
                return Decided::Fetch(url);
            }
            Some(Handshake::Refuse { status, reason, .. }) => {
                let new = self.request(source, head, body, keep(refused(&reason)));
                return Decided::Refused { new, status: Some(status) };
            }
            Some(asked) => return self.shaken(source, head, body, asked),
            None if !takes_events => return Decided::OtherMethod,
            None => {}
        }
        let verified = receiving::verify(source, &incoming, &fetched, now, wall);
        let decision = match (&verified, source.mode) {
            (Err(Reason::KeyWanted { url }), _) => return Decided::Fetch(url.clone()),
            (Err(reason), _) => {
                let new = self.request(source, head, body, keep(refused(reason)));
                return Decided::Refused { new, status: None };
            }
            (Ok(_), Mode::Inspect) => keep(Verdict::Inspected),
            (Ok(_), mode) => {
                let event = receiving::event(source, &incoming);
                let keys = self.event_keys(&source.dedup, event.keys);
                if mode == Mode::Paused { Decision::Hold(keys) } else { Decision::Take(keys) }
            }
        };
        let new = self.request(source, head, body, decision);
        Decided::Event(NewRequest { verified: verified.unwrap_or(false), ..new })
    }

    /// An answered handshake. What it hands over is kept nowhere but in the source.
    fn shaken(&self, source: &Source, head: Head, body: Bytes, asked: Handshake) -> Decided {
        let (what, answer, adopt, confirm) = match asked {
            Handshake::Answer { what, answer } => (what, answer, None, None),
            Handshake::Adopt { what, secret, answer } => (what, answer, Some(secret), None),
            Handshake::Confirm { what, url, answer } => (what, answer, None, Some(url)),
            Handshake::Refuse { what, .. } => (what, Answer::default(), None, None),
        };
        let secret = adopt.is_some() || source.verify_token.is_some();
        let shown = Head { headers: Vec::new(), query: String::new(), ..head.clone() };
        let (head, body) = if secret { (shown, Bytes::new()) } else { (head, body) };
        let new = self.request(source, head, body, Decision::Keep(Verdict::Handshake));
        let event_type = event_type_name(&what).unwrap_or_default();
        let new = NewRequest { event_type, event_id: None, adopt, ..new };
        Decided::Handshake { new: Box::new(new), answer, confirm }
    }

    /// What verifies requests of this source and was fetched before.
    fn documents(&self, source: &Source) -> Vec<(String, String)> {
        let fetches = source.verification.row().is_some_and(|row| !row.fetch.hosts.is_empty());
        if fetches { self.0.keys.all() } else { Vec::new() }
    }

    /// What verifies and answers by calling providers.
    pub fn keys(&self) -> &ProviderKeys {
        &self.0.keys
    }

    fn request(&self, source: &Source, head: Head, body: Bytes, decision: Decision) -> NewRequest {
        let url = self.full_url(source.token(), &head);
        let incoming = Incoming { head: &head, body: &body, url: &url };
        let event = receiving::event(source, &incoming);
        let content_type = incoming.content_type();
        NewRequest {
            source: source.id,
            decision,
            verified: false,
            head,
            body,
            event_type: event.event_type,
            event_id: event.event_id,
            content_type,
            filtered: Filtered::default(),
            adopt: None,
        }
    }

    /// What would name the event of a stored request by the rule of this source; `None` when its
    /// bytes are gone.
    pub fn keys_by(&self, source: &Source, stored: &StoredRequest) -> Option<Vec<[u8; 32]>> {
        let head = self.0.store.head(&stored.head).ok()?;
        let body = self.0.store.body(&stored.body).ok()?;
        let url = self.full_url(source.token(), &head);
        let incoming = Incoming { head: &head, body: &body, url: &url };
        Some(receiving::event(source, &incoming).keys)
    }

    fn event_keys(&self, dedup: &Dedup, keys: Vec<[u8; 32]>) -> Option<EventKeys> {
        let window = dedup.window.unwrap_or(self.0.settings.dedup_window.0).min(DEDUP_WINDOW_MAX);
        (dedup.rule != DedupRule::Off && !keys.is_empty()).then_some(EventKeys { keys, window })
    }

    /// Puts what would make a refused request pass behind the reason.
    pub fn explain(&self, source: &Source, token: &str, new: &mut NewRequest) {
        let url = self.full_url(token, &new.head);
        let incoming = Incoming { head: &new.head, body: &new.body, url: &url };
        let (now, wall) = (self.0.clock.now(), self.0.clock.wall());
        let Decision::Keep(Verdict::Refused { why, .. }) = &mut new.decision else { return };
        for words in receiving::explain(source, &incoming, now, wall) {
            why.push_str("; ");
            why.push_str(&words);
        }
    }

    /// Makes a message of a request that was kept: verified again by the source as it is now, or,
    /// with `anyway`, taken whether it is refused, a duplicate or neither. Blocks.
    pub fn release(
        &self,
        source: &Source,
        id: RequestId,
        anyway: bool,
    ) -> Result<ReceivedRequest, ReleaseError> {
        let missing = || WriteError::Refused(Refusal::NotFound);
        let stored = self.0.store.request(source.id, id).ok_or_else(missing)?;
        let head = self.0.store.head(&stored.head)?;
        let body = self.0.store.body(&stored.body)?;
        let verified = match self.verified_now(source, id, &head, &body) {
            Ok(verified) => verified,
            // What is held passed when it came: the secret of then may be gone.
            Err(_) if stored.request.verdict == Verdict::Held => {
                self.0.store.held_verified(source.id, id)
            }
            Err(_) if anyway => false,
            Err(reason) => return Err(ReleaseError::Refused(reason)),
        };
        let url = self.full_url(source.token(), &head);
        let incoming = Incoming { head: &head, body: &body, url: &url };
        let event = receiving::event(source, &incoming);
        let keys = self.event_keys(&source.dedup, event.keys).filter(|_| !anyway);
        let new = self.request(source, head, body, Decision::Take(keys));
        let new = NewRequest { verified, ..new };
        let filtered = self.0.store.filter_request(source, &new);
        let new = NewRequest { filtered, ..new };
        let written = self.0.store.write_blocking(None, move |transaction| {
            Ok(Reply::Received(Box::new(transaction.release(id, new)?)))
        })?;
        match written.reply {
            Reply::Received(request) => Ok(*request),
            _ => Err(missing().into()),
        }
    }

    /// Whether a kept request is verified by the secrets that its source has now. Blocks while a
    /// key is fetched.
    fn verified_now(
        &self,
        source: &Source,
        id: RequestId,
        head: &Head,
        body: &Bytes,
    ) -> Result<bool, String> {
        let mut judged = Err("it has no token".to_owned());
        for token in &source.tokens {
            let url = self.full_url(token.expose(), head);
            let incoming = Incoming { head, body, url: &url };
            let verify = || {
                let documents = self.documents(source);
                let documents: Vec<(&str, &str)> =
                    documents.iter().map(|(url, text)| (url.as_str(), text.as_str())).collect();
                let fetched = Fetched { documents: &documents, roots: None };
                // As of when it came: it may have waited long for the right secret.
                receiving::verify(source, &incoming, &fetched, self.0.clock.now(), id.time())
            };
            let verified = match verify() {
                Err(Reason::KeyWanted { url }) if self.0.keys.fetch(&url).is_ok() => verify(),
                verified => verified,
            };
            judged = verified.map_err(|reason| reason.to_string());
            if judged.is_ok() {
                break;
            }
        }
        judged
    }

    /// Makes messages of what came while a source was paused, some of it; returns whether there
    /// may be more. Blocks.
    pub fn release_held(&self, source: &Source) -> Result<bool, WriteError> {
        let held = self.0.store.held_requests(source.id, STEP);
        let mut more = held.len() == STEP;
        for id in held {
            match self.release(source, id, false) {
                Ok(_) => {}
                Err(ReleaseError::Write(WriteError::Stopping)) => return Ok(false),
                // Gone, damaged, or a message already: it will be no other next time.
                Err(
                    error @ (ReleaseError::Write(WriteError::Refused(_))
                    | ReleaseError::Content(
                        StoreError::Expunged | StoreError::Damaged { .. },
                    )),
                ) => {
                    let request = self.0.store.ids().text(id);
                    tracing::warn!(request, %error, "what a paused source held is not released");
                    self.0.store.let_go(source.id, id)?;
                }
                Err(ReleaseError::Write(error)) => return Err(error),
                // Its bytes may be readable next time; the others need not wait for it.
                Err(error) => {
                    let request = self.0.store.ids().text(id);
                    tracing::error!(request, %error, "what a paused source held can't be read");
                    more = false;
                }
            }
        }
        Ok(more)
    }

    /// The same for every source that is active again.
    pub fn release_all_held(&self) -> Result<bool, WriteError> {
        let mut more = false;
        for source in self.0.store.sources() {
            if source.mode == Mode::Active {
                more |= self.release_held(&source)?;
            }
        }
        Ok(more)
    }
}
