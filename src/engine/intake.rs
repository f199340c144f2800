//! What is done with a request to a source: verified, looked at, decided; and the same again for
//! one that was kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::config::Sources;
use crate::domain::id::{RequestId, SourceId};
use crate::domain::received::{Head, ReceivedRequest, Verdict};
use crate::domain::receiving::{self, Incoming};
use crate::domain::source::{Dedup, DedupRule, Mode, Source};
use crate::domain::time::{Clock, Timestamp};
use crate::store::{
    DEDUP_WINDOW_MAX, Decision, EventKeys, Filtered, NewRequest, Quarantine, Refusal, Reply, Store,
    StoreError, WriteError,
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
    spent: Mutex<HashMap<SourceId, Spent>>,
}

/// What of refused requests was kept of a source since.
#[derive(Clone, Copy, Default)]
struct Spent {
    since: Timestamp,
    requests: u64,
    bytes: u64,
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
    pub fn new(store: Store, clock: Arc<dyn Clock>, base: &str, settings: Sources) -> Intake {
        let base = base.trim_end_matches('/').to_owned();
        Intake(Arc::new(Inner { store, clock, base, settings, spent: Mutex::default() }))
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

    /// Verifies a request that came with this token and says what is to become of it.
    pub fn decide(&self, source: &Source, token: &str, head: Head, body: Bytes) -> NewRequest {
        let url = self.full_url(token, &head);
        let incoming = Incoming { head: &head, body: &body, url: &url };
        let (now, wall) = (self.0.clock.now(), self.0.clock.wall());
        let verified = receiving::verify(source, &incoming, now, wall);
        let event = receiving::event(source, &incoming);
        let decision = match (&verified, source.mode) {
            (Err(reason), _) => Decision::Keep(Verdict::Refused {
                code: reason.code().to_owned(),
                why: reason.to_string(),
            }),
            (Ok(_), Mode::Paused) => Decision::Keep(Verdict::Held),
            (Ok(_), Mode::Inspect) => Decision::Keep(Verdict::Inspected),
            (Ok(_), Mode::Active) => Decision::Take(self.event_keys(&source.dedup, event.keys)),
        };
        let content_type = incoming.content_type();
        NewRequest {
            source: source.id,
            decision,
            verified: verified.unwrap_or(false),
            head,
            body,
            event_type: event.event_type,
            event_id: event.event_id,
            content_type,
            filtered: Filtered::default(),
        }
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
        let came = id.time();
        let mut judged = Err("it has no token".to_owned());
        for token in &source.tokens {
            let url = self.full_url(token.expose(), &head);
            let incoming = Incoming { head: &head, body: &body, url: &url };
            // As of when it came: it may have waited long for the right secret.
            judged = receiving::verify(source, &incoming, self.0.clock.now(), came)
                .map_err(|reason| reason.to_string());
            if judged.is_ok() {
                break;
            }
        }
        let verified = match judged {
            Ok(verified) => verified,
            Err(_) if anyway => false,
            Err(reason) => return Err(ReleaseError::Refused(reason)),
        };
        let incoming = Incoming { head: &head, body: &body, url: "" };
        let event = receiving::event(source, &incoming);
        let keys = self.event_keys(&source.dedup, event.keys).filter(|_| !anyway);
        let content_type = incoming.content_type();
        let new = NewRequest {
            source: source.id,
            decision: Decision::Take(keys),
            verified,
            head,
            body,
            event_type: event.event_type,
            event_id: event.event_id,
            content_type,
            filtered: Filtered::default(),
        };
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

    /// Makes messages of what came while a source was paused, some of it; returns whether there
    /// may be more. Blocks.
    pub fn release_held(&self, source: &Source) -> Result<bool, WriteError> {
        let held = self.0.store.held_requests(source.id, STEP);
        let more = held.len() == STEP;
        for id in held {
            match self.release(source, id, false) {
                Ok(_) => {}
                Err(ReleaseError::Write(error @ (WriteError::Busy | WriteError::Full(_)))) => {
                    return Err(error);
                }
                Err(ReleaseError::Write(WriteError::Stopping)) => return Ok(false),
                Err(error) => {
                    let request = self.0.store.ids().text(id);
                    tracing::warn!(request, %error, "what a paused source held is not released");
                    self.0.store.let_go(source.id, id)?;
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
