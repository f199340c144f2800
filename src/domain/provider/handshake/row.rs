//! A row's handshakes: which request is one, and what it is answered with.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

use crate::domain::provider::request::Request;

/// One handshake of a provider. A request is it when the method, [`when`](Self::when),
/// [`has`](Self::has), [`lacks`](Self::lacks) and the place of its challenge agree. With none of
/// `echo`, `computed`, `adopt` and `confirm` the answer is `body` as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandshakeRow {
    /// What the provider calls it: `url_verification`.
    pub what: String,
    /// The method; any when unset.
    pub method: Option<String>,
    /// Places that must hold these values: `"body.type" = "url_verification"`.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// Places that must hold something.
    #[serde(default)]
    pub has: Vec<String>,
    /// Places that must hold nothing.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// Whether it is signed as events are.
    #[serde(default)]
    pub signed: Signed,
    /// The place of a token that must be the one that was agreed on.
    pub token: Option<String>,
    /// The place of what is sent back.
    pub echo: Option<String>,
    /// An answer that is made of challenge and secret.
    pub computed: Option<Computed>,
    /// The place of a secret that is kept from then on, in the same step as the answer.
    pub adopt: Option<String>,
    /// The place of a URL that is called to agree.
    pub confirm: Option<String>,
    /// The JSON field of the answer that holds the echo; text alone when unset.
    pub json: Option<String>,
    /// The header of the answer that holds the echo, the body staying empty.
    pub header: Option<String>,
    /// The answer's status.
    #[serde(default = "ok")]
    pub status: u16,
    /// The answer's body, where nothing is sent back.
    #[serde(default)]
    pub body: String,
    /// The status when it must not be answered; as for events when unset.
    pub refusal: Option<u16>,
}

/// Whether a handshake is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signed {
    /// Anybody may ask; the answer tells nothing.
    #[default]
    No,
    /// Verified as events are, but not while the source is set up.
    OutsideSetUp,
    /// Verified as events are.
    Always,
}

/// Answers that are computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Computed {
    /// `query.crc_token` signed as X's events are.
    X,
    /// `body.payload.plainToken` with its MAC.
    Zoom,
    /// `query.bt_challenge` signed as Braintree's events are, behind the public key.
    Braintree,
    /// The digest of `query.challenge_code`, verify token and URL.
    Ebay,
    /// The permission of CloudEvents' HTTP webhooks, section 4.
    CloudEvents,
}

impl Computed {
    /// Where its challenge stands.
    pub fn challenge(self) -> &'static str {
        match self {
            Computed::X => "query.crc_token",
            Computed::Zoom => "body.payload.plainToken",
            Computed::Braintree => "query.bt_challenge",
            Computed::Ebay => "query.challenge_code",
            Computed::CloudEvents => "header.webhook-request-origin",
        }
    }

    /// Whether the answer to such a challenge can be no signature over an event. The other half of
    /// it is that no event may look like one that can.
    pub fn may_answer(self, challenge: &str) -> bool {
        let bytes = challenge.as_bytes();
        match self {
            // Not even for somebody else who verifies with the same secret, and takes any JSON.
            Computed::X => is_crc_token(bytes) && !is_json(bytes) && !is_form(challenge),
            // What is signed of an event begins with `v0:`.
            Computed::Zoom => (1..=ECHO_MAX).contains(&bytes.len()) && !challenge.contains(':'),
            Computed::Braintree => is_braintree(bytes),
            Computed::Ebay | Computed::CloudEvents => is_visible(bytes),
        }
    }
}

/// Characters of a challenge or secret that are taken or sent back.
pub const ECHO_MAX: usize = 4_096;

/// Whether this may be what X asks to be signed. No event's body may be: the verification refuses
/// all of this shape.
pub fn is_crc_token(bytes: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(byte);
    (1..=128).contains(&bytes.len()) && bytes.iter().all(fits)
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// A name and a value: `=` elsewhere than at the end, where base64 has it.
fn is_form(text: &str) -> bool {
    text.trim_end_matches('=').contains('=')
}

/// Whether this is what Braintree asks to be signed.
pub fn is_braintree(bytes: &[u8]) -> bool {
    let fits = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (20..=40).contains(&bytes.len()) && bytes.iter().all(fits)
}

/// Whether a header may hold it.
pub fn is_visible(bytes: &[u8]) -> bool {
    (1..=ECHO_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}

fn ok() -> u16 {
    200
}

/// What is wrong with a handshake's row.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum HandshakeError {
    /// Two things at once.
    #[error("handshake {0:?} may have one of echo, computed, adopt and confirm")]
    Two(String),
    /// A place that is none.
    #[error("handshake: {0:?} is no place: write header.NAME, query.NAME or body.FIELD")]
    Place(String),
    /// A wrapping of nothing.
    #[error("handshake {0:?}: json and header wrap an echo or a secret")]
    Wrapping(String),
    /// A secret that everybody may set at any time, or an empty condition.
    #[error("handshake {0:?} says of no request that it is one")]
    Any(String),
}

impl HandshakeRow {
    /// Whether the row is sound.
    pub fn check(&self) -> Result<(), HandshakeError> {
        let Self { echo, adopt, confirm, computed, .. } = self;
        let places = [echo, adopt, confirm].into_iter().flatten();
        let what = || self.what.clone();
        if places.clone().count() + usize::from(computed.is_some()) > 1 {
            return Err(HandshakeError::Two(what()));
        }
        if echo.is_none() && adopt.is_none() && (self.json.is_some() || self.header.is_some()) {
            return Err(HandshakeError::Wrapping(what()));
        }
        let conditions = self.when.len() + self.has.len() + self.lacks.len();
        let bare = self.method.as_deref().is_none_or(|method| method == "POST");
        if bare && conditions == 0 && computed.is_none() && places.clone().count() == 0 {
            return Err(HandshakeError::Any(what()));
        }
        let all = places.chain(self.token.iter()).chain(self.when.keys());
        let mut all = all.chain(&self.has).chain(&self.lacks);
        let wrong = all.find(|place| {
            let split = place.split_once('.').map(|(place, rest)| (place, !rest.is_empty()));
            !matches!(split, Some(("header" | "query" | "body", true)))
        });
        wrong.map_or(Ok(()), |place| Err(HandshakeError::Place(place.clone())))
    }

    /// Whether this request is it.
    pub fn is_meant(&self, request: &Request<'_>) -> bool {
        let method = self.method.as_deref().is_none_or(|method| method == request.method);
        let challenge = self.computed.map(Computed::challenge);
        let own = [&self.echo, &self.adopt, &self.confirm, &self.token];
        let mut needed = own.into_iter().flatten().chain(&self.has).map(String::as_str);
        method
            && self.when.iter().all(|(place, value)| request.at(place).as_ref() == Some(value))
            && challenge.into_iter().chain(needed.by_ref()).all(|place| holds(request, place))
            && !self.lacks.iter().any(|place| holds(request, place))
    }
}

/// A header that stands twice holds something too; which of two, nobody answers.
fn holds(request: &Request<'_>, place: &str) -> bool {
    match place.split_once('.') {
        Some(("header", name)) => request.headers(name).next().is_some(),
        _ => request.at(place).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> HandshakeRow {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn rows_that_are_none() {
        let check = |text: &str, expected: &str| {
            let error = read(&format!("what = \"a\"\n{text}")).check().expect_err(text);
            assert!(error.to_string().contains(expected), "{text}: {error}");
        };
        check("echo = \"query.a\"\nadopt = \"query.b\"", "one of echo");
        check("echo = \"a\"", "\"a\" is no place");
        check("echo = \"query.a\"\nlacks = [\"form.b\"]", "\"form.b\" is no place");
        check("method = \"HEAD\"\njson = \"a\"", "wrap an echo");
        check("method = \"POST\"", "of no request");
        assert!(read("what = \"a\"\nmethod = \"HEAD\"").check().is_ok());
    }

    /// No challenge that is answered passes as an event: the other half is in the verification.
    #[test]
    fn challenges_that_are_answered() {
        let check = |computed: Computed, challenge: &str, expected: bool| {
            assert_eq!(computed.may_answer(challenge), expected, "{computed:?} {challenge}");
        };
        check(Computed::X, "M2RkODJkZmMtYjlkYi00NmQ4LTk0MGUtM2JjYzkwM2Q4MjQ0", true);
        check(Computed::X, "abc==", true);
        let long = "a".repeat(129);
        for event in [
            "{}",
            "{\"a\":1}",
            "a&b=1",
            "a=1",
            "a b",
            "\"a\"",
            "",
            &long,
            "[1]",
            "1",
            "true",
            "-1e5",
        ] {
            check(Computed::X, event, false);
        }
        check(Computed::Zoom, "qgg8vlvZRS6UYooatFL8Aw", true);
        check(Computed::Zoom, "v0:1795219200:{}", false);
        check(Computed::Zoom, "", false);
        check(Computed::Braintree, "20f9f8ed05f77439fe955c977e4c8a53", true);
        for payload in ["PD94bWwgYQ==\n", "20F9F8ED05F77439FE955C977E4C8A53", "20f9", ""] {
            check(Computed::Braintree, payload, false);
        }
        check(Computed::CloudEvents, "eventgrid.azure.net", true);
        check(Computed::CloudEvents, "a\r\nb", false);
    }
}
