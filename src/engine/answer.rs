//! What came of an attempt, in the domain's words, and what a tenant is told about it.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;

use crate::domain::delivery::{Asks, Outcome};
use crate::domain::time::Timestamp;
use crate::engine::connection::LinkError;
use crate::engine::resolver::ResolveError;

const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);

/// The one sentence for every way of not reaching an endpoint: whether an address is private,
/// closed or silent is for the operator's log, or a tenant could map the operator's network.
pub const UNREACHABLE: &str = "no connection to the endpoint could be made: check that its \
    host name resolves to a public address and that something listens there";

/// How one attempt ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// How it ended.
    pub outcome: Outcome,
    /// The status read, 0 when none was.
    pub status_code: u16,
    /// From begin to the end of the answer or the failure; zero when no connection was made, so
    /// that it does not tell a tenant why.
    pub duration: Duration,
    /// The answer's headers in order; bytes that are not UTF-8 replaced.
    pub headers: Vec<(String, String)>,
    /// The first bytes of the answer's body, or words for a tenant when there was no answer.
    pub body: Vec<u8>,
    /// Whether that is all of it: it did not break off, and it was not longer.
    pub is_whole: bool,
    /// What a 429 or 503 asked for, between 1 s and 24 h.
    pub retry_after: Option<Duration>,
}

/// Where an answer says what is to be done, whatever its status.
const WEBHOOK_DELIVERY: &str = "webhook-delivery";

impl Answer {
    /// What the receiver asks for; a value that is not known asks for nothing.
    pub fn asks(&self) -> Option<Asks> {
        let mut named = self.headers.iter();
        let found = named.find(|(name, _)| name.eq_ignore_ascii_case(WEBHOOK_DELIVERY));
        match found?.1.trim() {
            "disable" => Some(Asks::Disable),
            "abort-message" => Some(Asks::AbortMessage),
            _ => None,
        }
    }

    /// Nothing was sent, and why not, for a tenant.
    pub fn unsent(outcome: Outcome, why: &str) -> Answer {
        Answer {
            outcome,
            status_code: 0,
            duration: Duration::ZERO,
            headers: Vec::new(),
            body: why.as_bytes().to_vec(),
            is_whole: true,
            retry_after: None,
        }
    }
}

/// A failure before an answer: its outcome, and whether the endpoint was reached at all.
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    pub(super) reached: bool,
    /// The connection was an idle one that the peer had closed: worth another at once.
    pub(super) stale: bool,
}

impl Failure {
    fn unreached(outcome: Outcome) -> Failure {
        Failure { outcome, reached: false, stale: false }
    }

    fn reached(outcome: Outcome) -> Failure {
        Failure { outcome, reached: true, stale: false }
    }
}

/// Sorts an error by type, never by its text.
pub(super) fn classify(error: &ureq::Error) -> Failure {
    match error {
        ureq::Error::Other(inner) => {
            if let Some(error) = inner.downcast_ref::<ResolveError>() {
                let blocked = matches!(error, ResolveError::Blocked(_));
                return Failure::unreached(if blocked { Outcome::Blocked } else { Outcome::Dns });
            }
            match inner.downcast_ref::<LinkError>() {
                Some(LinkError::Connect(ureq::Error::Timeout(_))) => {
                    Failure::unreached(Outcome::TimedOut)
                }
                Some(LinkError::Connect(_)) => Failure::unreached(Outcome::Connect),
                Some(LinkError::Proxy { cause, .. }) if cause.is_timeout() => {
                    Failure::unreached(Outcome::TimedOut)
                }
                Some(LinkError::Proxy { .. }) => Failure::unreached(Outcome::Connect),
                Some(LinkError::TooMuch(_)) => Failure::reached(Outcome::Protocol),
                Some(LinkError::Tls(_)) => Failure::reached(Outcome::Tls),
                Some(LinkError::Lost { reused, .. }) => {
                    Failure { stale: *reused, ..Failure::reached(Outcome::Broken) }
                }
                None => Failure::reached(Outcome::Broken),
            }
        }
        ureq::Error::Timeout(_) => Failure::reached(Outcome::TimedOut),
        ureq::Error::HostNotFound => Failure::unreached(Outcome::Dns),
        ureq::Error::ConnectionFailed => Failure::unreached(Outcome::Connect),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::TlsRequired => {
            Failure::reached(Outcome::Tls)
        }
        ureq::Error::Io(_) => Failure::reached(Outcome::Broken),
        _ => Failure::reached(Outcome::Protocol),
    }
}

/// What a tenant reads in place of an answer.
pub(super) fn failure_text(failure: &Failure, error: &ureq::Error) -> String {
    if !failure.reached {
        return UNREACHABLE.to_owned();
    }
    match failure.outcome {
        Outcome::TimedOut => "the endpoint did not answer in time".to_owned(),
        Outcome::Tls => format!("the TLS handshake failed: {}", detail(error)),
        Outcome::Protocol => {
            format!("what came back is not HTTP/1.x or breaks its limits: {}", detail(error))
        }
        _ => "the connection broke before a complete answer".to_owned(),
    }
}

/// What an error says, without the library's word before it.
pub(super) fn detail(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Other(inner) => inner.to_string(),
        other => other.to_string(),
    }
}

/// The outcome of an answer whose head was read: 2xx alone is success.
pub(super) fn outcome_of(status: u16) -> Outcome {
    if (200..300).contains(&status) { Outcome::Delivered } else { Outcome::Status }
}

/// Reads `Retry-After` (RFC 9110 10.2.3), seconds or a date against the wall clock, clamped to 1 s
/// to 24 h; `None` for anything else.
pub fn parse_retry_after(text: &str, wall: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_or(LONGEST_WAIT, Duration::from_secs)
    } else {
        let date = DateTimeParser::new().parse_timestamp(text).ok()?;
        let millis = u64::try_from(date.as_millisecond()).unwrap_or(0);
        Timestamp::from_millis(millis).since(wall)
    };
    Some(wait.clamp(SHORTEST_WAIT, LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_clamped_and_garbage_ignored() {
        let wall = Timestamp::parse_rfc3339("2026-11-21T00:00:00Z").unwrap();
        let check = |text: &str, expected: Option<u64>| {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(parse_retry_after(text, wall), expected, "{text}");
        };
        check("0", Some(1));
        check("1", Some(1));
        check("120", Some(120));
        check(" 120 ", Some(120));
        check("86400", Some(86_400));
        check("86401", Some(86_400));
        check("1000000000000", Some(86_400));
        check("99999999999999999999999999", Some(86_400));
        check("Sat, 21 Nov 2026 00:02:00 GMT", Some(120));
        check("Fri, 20 Nov 2026 00:00:00 GMT", Some(1));
        check("Wed, 29 Dec 9999 00:00:00 GMT", Some(86_400));
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(1));
        for garbage in ["", "-1", "1.5", "soon", "1e3", "٣", "2026-11-21T00:00:00Z", "0x10"] {
            check(garbage, None);
        }
    }
}
