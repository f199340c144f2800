//! Requests with which providers ask whether an endpoint is one, and what to answer. None of the
//! answers can be used as a signature over an event.

mod row;

use std::fmt;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

pub use row::{Computed, ECHO_MAX, HandshakeRow, Signed};
pub(super) use row::{HandshakeError, is_braintree, is_crc_token};

use super::encoding::{self, Digest, Encoding, KeyForm};
use super::fetched::Fetched;
use super::reason::Reason;
use super::request::Request;
use super::row::Provider;
use super::verify::{mac, same_text, verify_with};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;

/// What is known of the source that a request came to.
#[derive(Clone, Copy, Default)]
pub struct Setup<'a> {
    /// Its secrets, the one that is used first.
    pub secrets: &'a [&'a str],
    /// The token that was agreed on for handshakes (Meta, eBay); never a key of events.
    pub verify_token: Option<&'a str>,
    /// The public key that stands before Braintree's answers.
    pub public_key: Option<&'a str>,
    /// Whether somebody is setting it up: a secret is taken over, and what the provider can't sign
    /// yet is answered.
    pub set_up_mode: bool,
    /// Whether it takes CloudEvents, and permits who asks as their webhooks do to send them.
    pub cloud_events: bool,
    /// Keys and certificates that were fetched before.
    pub fetched: Fetched<'a>,
}

/// What a request is that is a handshake, and no event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Handshake {
    /// Answer it.
    Answer {
        /// What the provider calls it.
        what: String,
        /// The answer.
        answer: Answer,
    },
    /// Keep the secret, in the same step as the answer: every later event is signed with it.
    Adopt {
        /// What the provider calls it.
        what: String,
        /// The secret.
        secret: Secret,
        /// The answer.
        answer: Answer,
    },
    /// Call this URL with GET, then answer: it is verified that the provider named it.
    Confirm {
        /// What the provider calls it.
        what: String,
        /// On one of the hosts that the row allows.
        url: String,
        /// The answer.
        answer: Answer,
    },
    /// It looks like one and must not be answered as one.
    Refuse {
        /// What the provider calls it.
        what: String,
        /// The status to answer with.
        status: u16,
        /// Why.
        reason: Reason,
    },
}

/// An answer to a handshake, which may hold a secret or what is made of one.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its headers, in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Answer { status, headers, body } = self;
        write!(formatter, "Answer({status}, {} headers, {} bytes)", headers.len(), body.len())
    }
}

/// Tells what handshake of the provider's this request is; `None` for an event, which is verified.
/// A refusal with [`Reason::KeyWanted`] asks for a key: fetch it and ask again.
pub fn handshake(
    provider: &Provider,
    setup: &Setup<'_>,
    request: &Request<'_>,
    now: Timestamp,
) -> Option<Handshake> {
    let own = provider.handshakes.iter();
    let row = own.chain(setup.cloud_events.then_some(&*CLOUD_EVENTS));
    let row = row.into_iter().find(|row| row.is_meant(request))?;
    let what = row.what.clone();
    let made = made(row, provider, setup, request, now);
    Some(made.unwrap_or_else(|reason| Handshake::Refuse {
        what,
        status: row.refusal.unwrap_or(provider.refusal),
        reason,
    }))
}

/// The question of CloudEvents' HTTP webhooks, for sources of any provider.
static CLOUD_EVENTS: LazyLock<HandshakeRow> = LazyLock::new(|| {
    let text =
        "what = \"WebHook-Request-Origin\"\nmethod = \"OPTIONS\"\ncomputed = \"cloudevents\"";
    toml::from_str(text).expect("invariant: tested")
});

fn made(
    row: &HandshakeRow,
    provider: &Provider,
    setup: &Setup<'_>,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Handshake, Reason> {
    let signed = match row.signed {
        Signed::No => false,
        Signed::OutsideSetUp => !setup.set_up_mode,
        Signed::Always => true,
    };
    if signed {
        verify_with(provider, setup.secrets, &setup.fetched, request, now)?;
    }
    if let Some(place) = &row.token {
        let agreed = setup.verify_token.filter(|token| !token.is_empty());
        let agreed = agreed.ok_or(Reason::NoVerifyToken)?;
        let given = request.needed(place)?;
        if !same_text(agreed.as_bytes(), given.as_bytes()) {
            return Err(Reason::VerifyToken);
        }
    }
    let what = row.what.clone();
    if let Some(computed) = row.computed {
        let answer = compute(computed, provider, setup, request)?;
        return Ok(Handshake::Answer { what, answer });
    }
    if let Some(place) = &row.confirm {
        let url = provider.fetchable(&request.needed(place)?)?;
        return Ok(Handshake::Confirm { what, url, answer: fixed(row) });
    }
    if let Some(place) = &row.adopt {
        let secret = challenge(row, request, place)?;
        if !setup.set_up_mode && !setup.secrets.is_empty() {
            return Err(Reason::Settled);
        }
        let answer = wrapped(row, &secret).unwrap_or_else(|| fixed(row));
        let secret = Secret::new(secret.into_bytes());
        return Ok(Handshake::Adopt { what, secret, answer });
    }
    let answer = match &row.echo {
        None => fixed(row),
        Some(place) => {
            let echo = challenge(row, request, place)?;
            wrapped(row, &echo).unwrap_or_else(|| text(row.status, &echo))
        }
    };
    Ok(Handshake::Answer { what, answer })
}

/// What is sent back or kept: neither nothing nor a document, and nothing that breaks a header.
fn challenge(row: &HandshakeRow, request: &Request<'_>, place: &str) -> Result<String, Reason> {
    let found = request.needed(place)?;
    let fits = match row.header.is_some() || row.adopt.is_some() {
        true => row::is_visible(found.as_bytes()),
        false => (1..=ECHO_MAX).contains(&found.len()) && !found.chars().any(char::is_control),
    };
    fits.then_some(found).ok_or_else(|| Reason::Unanswerable { place: place.to_owned() })
}

/// The echo in a field or header.
fn wrapped(row: &HandshakeRow, echo: &str) -> Option<Answer> {
    match (&row.json, &row.header) {
        (Some(field), _) => {
            let fields = Map::from_iter([(field.clone(), Value::from(echo))]);
            Some(json_answer(row.status, &Value::Object(fields)))
        }
        (_, Some(name)) => {
            let headers = vec![(name.to_ascii_lowercase(), echo.to_owned())];
            Some(Answer { status: row.status, headers, body: Vec::new() })
        }
        (None, None) => None,
    }
}

fn fixed(row: &HandshakeRow) -> Answer {
    let body = row.body.as_bytes().to_vec();
    let kind = match body.first() {
        None => return Answer { status: row.status, headers: Vec::new(), body },
        Some(b'{' | b'[') => "application/json",
        Some(_) => "text/plain; charset=utf-8",
    };
    Answer { status: row.status, headers: headers(kind), body }
}

/// What somebody sent must not become a page of the host that sends it back.
fn headers(kind: &str) -> Vec<(String, String)> {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![pair("content-type", kind), pair("x-content-type-options", "nosniff")]
}

fn text(status: u16, body: &str) -> Answer {
    let body = body.as_bytes().to_vec();
    Answer { status, headers: headers("text/plain; charset=utf-8"), body }
}

fn json_answer(status: u16, body: &Value) -> Answer {
    let body = body.to_string().into_bytes();
    Answer { status, headers: headers("application/json"), body }
}

fn compute(
    computed: Computed,
    provider: &Provider,
    setup: &Setup<'_>,
    request: &Request<'_>,
) -> Result<Answer, Reason> {
    let place = computed.challenge();
    let challenge = request.needed(place)?;
    if !computed.may_answer(&challenge) {
        return Err(Reason::Unanswerable { place: place.to_owned() });
    }
    let signed = |form: KeyForm, encoding: Encoding| {
        let secret = setup.secrets.first().ok_or(Reason::Secret { number: 0 })?;
        let key = encoding::key(form, secret).ok_or(Reason::Secret { number: 1 })?;
        Ok(encoding::encode(encoding, &mac(provider.digest, &key, challenge.as_bytes())))
    };
    match computed {
        Computed::X => {
            let token = format!("sha256={}", signed(KeyForm::Utf8, Encoding::Base64)?);
            Ok(json_answer(200, &json!({ "response_token": token })))
        }
        Computed::Zoom => {
            let token = signed(KeyForm::Utf8, Encoding::Hex)?;
            Ok(json_answer(200, &json!({ "plainToken": challenge, "encryptedToken": token })))
        }
        Computed::Braintree => {
            let key = setup.public_key.filter(|key| !key.is_empty()).ok_or(Reason::NoPublicKey)?;
            Ok(text(200, &format!("{key}|{}", signed(KeyForm::Sha1, Encoding::Hex)?)))
        }
        Computed::Ebay => {
            let token = setup.verify_token.filter(|token| !token.is_empty());
            let token = token.ok_or(Reason::NoVerifyToken)?;
            let url = request.url.split(['?', '#']).next().unwrap_or_default();
            let made =
                encoding::digest(Digest::Sha256, format!("{challenge}{token}{url}").as_bytes());
            let made = encoding::encode(Encoding::Hex, &made);
            Ok(json_answer(200, &json!({ "challengeResponse": made })))
        }
        Computed::CloudEvents => {
            let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let headers = vec![
                pair("allow", "OPTIONS, POST"),
                pair("webhook-allowed-origin", &challenge),
                pair("webhook-allowed-rate", "*"),
            ];
            Ok(Answer { status: 200, headers, body: Vec::new() })
        }
    }
}
