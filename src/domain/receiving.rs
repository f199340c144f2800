//! What a request to a source is: whether it is from who it should be from, what kind of event it
//! brings, and what names that event.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::domain::provider::{self, By, Fetched, Handshake, Provider, Reason, Request, Setup};
use crate::domain::received::{Head, event_type_name};
use crate::domain::secret::Secret;
use crate::domain::source::{DedupRule, Source, Verification};
use crate::domain::time::Timestamp;

/// The content type of a body that came without one (RFC 9110 section 8.3).
const UNKNOWN_TYPE: &str = "application/octet-stream";
/// Bytes of an event id that are kept; a longer one still names its event.
const EVENT_ID_MAX: usize = 256;

/// A request as it came.
#[derive(Clone, Copy, Debug)]
pub struct Incoming<'a> {
    /// What stood in front of the body.
    pub head: &'a Head,
    /// The body.
    pub body: &'a [u8],
    /// The URL that the provider was given, with what it added to it.
    pub url: &'a str,
}

impl<'a> Incoming<'a> {
    /// For the providers' table.
    pub fn request(&self) -> Request<'a> {
        Request {
            method: &self.head.method,
            url: self.url,
            headers: &self.head.headers,
            body: self.body,
        }
    }
}

/// The content type that the message of a request has.
pub fn content_type(head: &Head) -> String {
    let given = head.values("content-type").next().unwrap_or_default().trim();
    let printable = given.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let fits = printable && given.contains('/') && given.len() <= EVENT_ID_MAX;
    if fits { given } else { UNKNOWN_TYPE }.to_owned()
}

/// The event that a request brings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// As messages name it.
    pub event_type: String,
    /// The provider's id of it, its first `EVENT_ID_MAX` bytes.
    pub event_id: Option<String>,
    /// SHA-256 of each of its ids with its source, empty when nothing is the same event.
    pub keys: Vec<[u8; 32]>,
}

/// Whether a request was verified; `false` for a source that verifies nothing. `wall` is what
/// signatures are timed by, `now` what secrets expire by.
pub fn verify(
    source: &Source,
    incoming: &Incoming<'_>,
    fetched: &Fetched<'_>,
    now: Timestamp,
    wall: Timestamp,
) -> Result<bool, Reason> {
    let Some(row) = source.verification.row() else { return Ok(false) };
    let secrets = source.live_secrets(now);
    let verified = provider::verify_with(row, &secrets, fetched, &incoming.request(), wall);
    verified.map(|verified| verified.by != By::Nobody)
}

/// What handshake of the source's provider a request is; `None` for an event.
pub fn handshake(
    source: &Source,
    incoming: &Incoming<'_>,
    fetched: &Fetched<'_>,
    now: Timestamp,
    wall: Timestamp,
) -> Option<Handshake> {
    let secrets = source.live_secrets(now);
    let verify_token = source.verify_token.as_ref().map(Secret::expose);
    let setup = Setup {
        secrets: &secrets,
        verify_token: verify_token.and_then(|token| std::str::from_utf8(token).ok()),
        public_key: source.public_key.as_deref(),
        set_up_mode: source.set_up,
        cloud_events: source.cloud_events,
        fetched: *fetched,
    };
    let row = source.verification.row().unwrap_or(&UNVERIFIED);
    provider::handshake(row, &setup, &incoming.request(), wall)
}

/// Stands in for the row of a source that verifies nothing.
static UNVERIFIED: LazyLock<Provider> = LazyLock::new(|| {
    let text = "name = \"none\"\ntitle = \"none\"\ndocs = \"\"\nscheme = \"none\"";
    toml::from_str(text).expect("invariant: tested")
});

/// What would make a refused request pass, in words. Costs some dozens of verifications.
pub fn explain(
    source: &Source,
    incoming: &Incoming<'_>,
    now: Timestamp,
    wall: Timestamp,
) -> Vec<String> {
    let Some(row) = source.verification.row() else { return Vec::new() };
    let request = incoming.request();
    let expired = source.secrets.iter().filter(|held| !held.is_live(now));
    let mut found = provider::explain(row, &source.live_secrets(now), &request, wall);
    for held in expired {
        if provider::verify(row, &[held.expose()], &request, wall).is_ok() {
            found.push("it fits with a secret that was rotated away".to_owned());
        }
    }
    found
}

/// What a request brings.
pub fn event(source: &Source, incoming: &Incoming<'_>) -> Event {
    let request = incoming.request();
    let row = source.verification.row();
    let named = row.and_then(|row| request.first_of(&row.event_type));
    let event_type = source.event_type.clone().or_else(|| event_type_name(&named?));
    let ids = row.map(|row| request.ids(&row.event_id)).unwrap_or_default();
    Event {
        event_type: event_type.unwrap_or_else(|| fallback(&source.verification)),
        event_id: ids.first().map(|id| shortened(id)),
        keys: keys(source, incoming, &ids),
    }
}

/// The type of an event whose kind is not told.
fn fallback(verification: &Verification) -> String {
    match verification {
        Verification::Provider(row) => row.name.clone(),
        Verification::Nothing | Verification::Row { .. } => "received".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    let end = (0..=EVENT_ID_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text[..end.unwrap_or(0)].to_owned()
}

fn keys(source: &Source, incoming: &Incoming<'_>, ids: &[String]) -> Vec<[u8; 32]> {
    let key = |parts: &[&[u8]]| -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"event of a source");
        hash.update(source.id.stamp().0.to_be_bytes());
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    };
    let body = || {
        let Head { method, path, query, .. } = incoming.head;
        let url = [path.as_str(), query].concat();
        key(&[b"body", method.as_bytes(), url.as_bytes(), incoming.body])
    };
    match &source.dedup.rule {
        DedupRule::Off => Vec::new(),
        DedupRule::Event if !ids.is_empty() => {
            ids.iter().map(|id| key(&[b"id", id.as_bytes()])).collect()
        }
        DedupRule::Event | DedupRule::Body => vec![body()],
        DedupRule::Fields(places) => {
            let request = incoming.request();
            let found: Vec<Option<String>> =
                places.iter().map(|place| request.first_of(std::slice::from_ref(place))).collect();
            // Requests that have none of them have nothing in common.
            if found.iter().all(Option::is_none) {
                return vec![body()];
            }
            let mut parts: Vec<&[u8]> = vec![b"fields"];
            for (place, value) in places.iter().zip(&found) {
                parts.push(place.as_bytes());
                parts.push(if value.is_some() { b"1" } else { b"0" });
                parts.push(value.as_deref().unwrap_or_default().as_bytes());
            }
            vec![key(&parts)]
        }
    }
}
