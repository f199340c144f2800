//! What is done with a request to a source: verified, looked at, decided; and in `release` the same
//! again for one that was kept.

mod release;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::config::Sources;
use crate::domain::egress::CredentialsIn;
use crate::domain::id::SourceId;
use crate::domain::provider::{Answer, Fetched, Handshake, Reason};
use crate::domain::received::{Head, Verdict, event_type_name};
use crate::domain::receiving::{self, Event, Incoming};
use crate::domain::source::{Dedup, DedupRule, Mode, Source};
use crate::domain::time::{Clock, Timestamp};
use crate::engine::access_token::Grant;
use crate::engine::alert::Tally;
use crate::engine::provider_keys::ProviderKeys;
use crate::store::{
    Amount, DEDUP_WINDOW_MAX, Decision, EventKeys, Filtered, NewRequest, Store, StoredRequest,
    Waiting,
};

pub use release::ReleaseError;

/// Where providers post to, below `server.public_url`.
pub const PATH: &str = "/in/";
/// What of refused requests is kept is counted by the day.
const DAY: Duration = Duration::from_secs(24 * 3_600);

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
    tally: OnceLock<Arc<Tally>>,
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

fn refused(reason: &Reason) -> Decision {
    let (code, why) = (reason.code().to_owned(), reason.to_string());
    Decision::Keep(Verdict::Refused { code, why })
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
        let (spent, tally) = (Mutex::default(), OnceLock::new());
        Intake(Arc::new(Inner { store, clock, base, settings, keys, spent, tally }))
    }

    /// Has what comes counted for alerts from now on. Once for a relay.
    pub fn count_for(&self, tally: Arc<Tally>) {
        // A second one would be told nothing: there is one thread that alerts.
        let _ = self.0.tally.set(tally);
    }

    /// Takes note of what was made of a request.
    pub fn count(&self, source: SourceId, verdict: &Verdict) {
        if let Some(tally) = self.0.tally.get() {
            tally.came(source, matches!(verdict, Verdict::Refused { .. }));
        }
    }

    /// The URL that a provider is given.
    pub fn url(&self, token: &str) -> String {
        format!("{}{PATH}{token}", self.0.base)
    }

    /// How much of a source waits to become messages at most.
    pub fn most_waiting(&self) -> Waiting {
        let settings = &self.0.settings;
        let amount = |requests, bytes| Amount { requests, bytes };
        Waiting {
            refused: amount(settings.quarantine_requests, settings.quarantine_bytes.0),
            held: amount(settings.held_requests, settings.held_bytes.0),
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
        let most = self.most_waiting().refused;
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
        match receiving::handshake(source, &incoming, &fetched, now, wall) {
            Some(Handshake::Refuse { reason: Reason::KeyWanted { url }, .. }) => {
                return Decided::Fetch(url);
            }
            Some(Handshake::Refuse { status, reason, .. }) => {
                let event = receiving::event(source, &incoming);
                let new = self.request(source, head, body, event, refused(&reason));
                return Decided::Refused { new, status: Some(status) };
            }
            Some(asked) => return self.shaken(source, head, body, asked),
            None if !takes_events => return Decided::OtherMethod,
            None => {}
        }
        let verified = match receiving::verify(source, &incoming, &fetched, now, wall) {
            Err(Reason::KeyWanted { url }) => return Decided::Fetch(url),
            verified => verified,
        };
        let mut event = receiving::event(source, &incoming);
        let keys = self.event_keys(&source.dedup, std::mem::take(&mut event.keys));
        let decision = match (&verified, source.mode) {
            (Err(reason), _) => refused(reason),
            (Ok(_), Mode::Inspect) => Decision::Keep(Verdict::Inspected),
            (Ok(_), Mode::Paused) => Decision::Hold(keys),
            (Ok(_), Mode::Active) => Decision::Take(keys),
        };
        let new = self.request(source, head, body, event, decision);
        match verified {
            Ok(verified) => Decided::Event(NewRequest { verified, ..new }),
            Err(_) => Decided::Refused { new, status: None },
        }
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
        let event_type = event_type_name(&what).unwrap_or_default();
        let event = Event { event_type, event_id: None, keys: Vec::new() };
        let decision = Decision::Keep(Verdict::Handshake);
        let new = NewRequest { adopt, ..self.request(source, head, body, event, decision) };
        Decided::Handshake { new: Box::new(new), answer, confirm }
    }

    /// What verifies requests of this source and was fetched before.
    fn documents(&self, source: &Source) -> Vec<(String, String)> {
        let fetches = source.verification.row().is_some_and(|row| !row.fetch.hosts.is_empty());
        if fetches { self.0.keys.all() } else { Vec::new() }
    }

    /// Fetches a key that a request of this source needs; blocks. An error says why in words.
    pub fn fetch(&self, source: &Source, url: &str) -> Result<(), String> {
        let row = source.verification.row().map(|row| &row.fetch);
        let grant = row.filter(|row| !row.token_url.is_empty()).map(|row| {
            let secrets = source.live_secrets(self.0.clock.now());
            let credentials = secrets.first().map_or("", |secret| *secret);
            let (id, secret) = credentials.split_once(':').unwrap_or((credentials, ""));
            Grant {
                url: row.token_url.clone(),
                client_id: id.to_owned(),
                client_secret: secret.to_owned(),
                credentials_in: CredentialsIn::Header,
                scope: Some(row.scope.clone()),
                audience: None,
                endpoint: None,
            }
        });
        self.0.keys.fetch(source.id, url, grant.as_ref())
    }

    /// What verifies and answers by calling providers.
    pub fn keys(&self) -> &ProviderKeys {
        &self.0.keys
    }

    fn request(
        &self,
        source: &Source,
        head: Head,
        body: Bytes,
        event: Event,
        decision: Decision,
    ) -> NewRequest {
        let content_type = receiving::content_type(&head);
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
}
