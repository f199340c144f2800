//! A request that came to a source: what it was, and what was made of it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::domain::headers::{
    check_header_value, is_http_header, is_reserved_header, is_sensitive_header,
};
use crate::domain::id::{ApplicationId, MessageId, RequestId, SourceId};
use crate::domain::subscription::EVENT_TYPE_MAX;

/// What stands in front of a body, as it came.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Head {
    /// `POST`.
    pub method: String,
    /// What stood behind the token in the path, with its slash.
    pub path: String,
    /// The query, undecoded.
    pub query: String,
    /// Names in lower case, and values, in their order.
    pub headers: Vec<(String, String)>,
    /// Who was at the other end, or what a trusted proxy said of it.
    pub peer: Option<IpAddr>,
}

impl Head {
    /// Every value of a header.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.headers.iter().filter(move |(held, _)| held == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Headers of the sender's exchange with this relay, beside those of HTTP itself.
const NOT_PASSED_ON: [&str; 4] = ["accept-encoding", "forwarded", "x-real-ip", "x-request-id"];
/// What proxies in front of this relay say.
const FORWARDED: &str = "x-forwarded-";
/// Headers that this relay alone may set.
const OWN: &str = "relay-";
/// Signature headers have our signature: those that came are renamed to begin so.
const ORIGINAL: &str = "relay-original-";

/// Whether a header's value is what Atlassian signs one request with: the scheme `JWT` and a token
/// in its compact form (RFC 7515 section 7.1). A bearer token is good for more than one.
fn is_signed_token(value: &str) -> bool {
    let token = value.strip_prefix("JWT ").unwrap_or_default();
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let part = |part: &str| !part.is_empty() && part.bytes().all(letter);
    token.starts_with("eyJ") && token.split('.').count() == 3 && token.split('.').all(part)
}

impl Head {
    /// The headers that endpoints are sent, so that a receiver can verify the provider's signature
    /// itself: without those of the connection (RFC 9110 section 7.6.1), of proxies, and those that
    /// only this relay may set. `webhook-…` and `svix-…` become `relay-original-webhook-…`. What
    /// is a credential itself, as the token that GitLab sends, is between the provider and this
    /// relay; a JWT that is signed for one request is none.
    pub fn passed_on(&self) -> Vec<(String, String)> {
        let named = self.values("connection").flat_map(|value| value.split(','));
        let hops: Vec<String> = named.map(|name| name.trim().to_ascii_lowercase()).collect();
        let passes = |name: &str, value: &str| {
            !is_http_header(name)
                && !NOT_PASSED_ON.contains(&name)
                && !name.starts_with(FORWARDED)
                && !name.starts_with(OWN)
                && (!is_sensitive_header(name) || is_signed_token(value))
                && !hops.iter().any(|hop| hop == name)
                && check_header_value(value).is_ok()
        };
        let kept = self.headers.iter().filter(|(name, value)| passes(name, value));
        kept.map(|(name, value)| {
            let name =
                if is_reserved_header(name) { [ORIGINAL, name].concat() } else { name.clone() };
            (name, value.clone())
        })
        .collect()
    }

    /// Who the provider says it is.
    pub fn user_agent(&self) -> Option<&str> {
        self.values("user-agent").next().filter(|value| check_header_value(value).is_ok())
    }
}

/// Where a message comes from that an application did not send itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Origin {
    /// The source.
    pub source: SourceId,
    /// The uid that the source had, or its id: what endpoints name it by.
    pub name: String,
    /// The request that brought it.
    pub request: RequestId,
    /// Whether its signature was verified.
    pub verified: bool,
}

/// What was made of a request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// It became a message.
    Accepted,
    /// Its event had come before, with this request.
    Duplicate(RequestId),
    /// The source is paused: it waits to become a message.
    Held,
    /// The source only shows what comes.
    Inspected,
    /// It was a handshake, which was answered.
    Handshake,
    /// It is not from who it should be from, or not as it should be.
    Refused {
        /// A word for scripts: `mismatch`.
        code: String,
        /// What to do about it, for the operator.
        why: String,
    },
}

impl Verdict {
    /// A word for scripts and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Accepted => "accepted",
            Verdict::Duplicate(_) => "duplicate",
            Verdict::Held => "held",
            Verdict::Inspected => "inspected",
            Verdict::Handshake => "handshake",
            Verdict::Refused { .. } => "refused",
        }
    }

    /// Whether the request may become a message yet.
    pub fn waits(&self) -> bool {
        matches!(self, Verdict::Held | Verdict::Refused { .. })
    }
}

/// A request and what was made of it, without its bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReceivedRequest {
    /// Names it for ever.
    pub id: RequestId,
    /// Where it came to.
    pub source: SourceId,
    /// What was made of it.
    pub verdict: Verdict,
    /// The message that it became, and whose that is.
    pub message: Option<(ApplicationId, MessageId)>,
    /// What kind of event it is, as messages name it.
    pub event_type: String,
    /// The provider's id of its event.
    pub event_id: Option<String>,
}

/// The name that an event goes by here: letters, digits, `-`, `_` and `.` stay, any other
/// character becomes `.` or, at its ends and beside another, nothing.
pub fn event_type_name(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len().min(EVENT_TYPE_MAX));
    for letter in text.chars() {
        let keeps = letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
        if keeps {
            name.push(letter);
        } else if !name.is_empty() && !name.ends_with('.') {
            name.push('.');
        }
        if name.len() == EVENT_TYPE_MAX {
            break;
        }
    }
    let name = name.trim_end_matches('.');
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::subscription::is_name;
    use proptest::prelude::*;

    #[test]
    fn names_of_events() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(event_type_name(text).as_deref(), expected, "{text}");
        };
        check("invoice.paid", Some("invoice.paid"));
        check("orders/create", Some("orders.create"));
        check("pull_request", Some("pull_request"));
        check(" Issue Hook ", Some("Issue.Hook"));
        check("a::b", Some("a.b"));
        check("é", None);
        check("", None);
    }

    #[test]
    fn headers_that_are_passed_on() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let head = Head {
            headers: [
                header("host", "h"),
                header("connection", "close, X-Hop"),
                header("x-hop", "1"),
                header("stripe-signature", "t=1,v1=a"),
                header("x-two", "a"),
                header("x-two", "b"),
                header("webhook-id", "theirs"),
                header("relay-verified", "true"),
                header("x-forwarded-for", "192.0.2.1"),
                header("content-type", "application/json"),
                header("user-agent", "Stripe/1.0"),
                header("x-odd", "\u{fffd}"),
                header("x-gitlab-token", "secret"),
                header("authorization", "Bearer secret"),
            ]
            .into(),
            ..Head::default()
        };
        let passed = [
            header("stripe-signature", "t=1,v1=a"),
            header("x-two", "a"),
            header("x-two", "b"),
            header("relay-original-webhook-id", "theirs"),
        ];
        assert_eq!(head.passed_on(), passed);
        assert_eq!(head.user_agent(), Some("Stripe/1.0"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_or_none(text in "\\PC{0,400}") {
            if let Some(name) = event_type_name(&text) {
                prop_assert!(is_name(&name, EVENT_TYPE_MAX), "{}", name);
                prop_assert_eq!(event_type_name(&name), Some(name.clone()));
            }
        }
    }
}
