//! What a sender does with one delivery: read, sign, post, and keep what came back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::config::HeaderNames;
use crate::domain::delivery::{AttemptContent, Outcome};
use crate::domain::endpoint::Endpoint;
use crate::domain::headers::is_sensitive_header;
use crate::domain::received::Head;
use crate::domain::signature::sign;
use crate::domain::time::{Clock, Timestamp};
use crate::engine::answer::Answer;
use crate::engine::outgoing::{HeaderParts, outgoing_headers};
use crate::engine::transport::{OutgoingRequest, Transport, USER_AGENT};
use crate::store::{Ready, Store, StoreError};

/// What is shown in the place of a credential.
const REDACTED: &str = "(redacted)";
const POST: &str = "POST";
/// The uid or id of the source that a message came to.
const SOURCE: &str = "relay-source";
/// Whether the provider's signature was verified: `true` or `false`.
const VERIFIED: &str = "relay-verified";
/// What the attempt of a damaged body says.
const UNREADABLE: &str =
    "the stored body can't be read: ask the operator, whom relay repair tells the place";

/// Makes attempts.
pub struct Attempter {
    /// Where messages and endpoints stand.
    pub store: Store,
    /// Makes the request.
    pub transport: Arc<dyn Transport>,
    /// The time that is signed.
    pub clock: Arc<dyn Clock>,
    /// Names of the signature headers.
    pub names: HeaderNames,
    /// How long the request may take.
    pub timeout: Duration,
}

/// An attempt that was made.
pub struct Made {
    /// How it ended.
    pub answer: Answer,
    /// When the request began.
    pub started_at: Timestamp,
    /// What was sent and what came back.
    pub content: AttemptContent,
}

impl Attempter {
    /// Makes one attempt; `None` when the endpoint takes no deliveries any more.
    pub fn make(&self, ready: &Ready) -> Option<Made> {
        let (_, endpoint) = self.store.endpoint_by_id(ready.endpoint)?;
        if endpoint.disabled.is_some() {
            return None;
        }
        let started_at = self.clock.now();
        let (headers, answer) = match self.content(ready) {
            Ok((head, body)) => {
                let headers = self.headers(ready, &endpoint, &body, &head);
                let request = OutgoingRequest {
                    method: POST.into(),
                    url: endpoint.url.as_str().into(),
                    headers,
                    body,
                    timeout: self.timeout,
                };
                let answer = self.transport.send(&request);
                (request.headers, answer)
            }
            // Its deliveries are cancelled; this one was under way already.
            Err(StoreError::Expunged) => (Vec::new(), unreadable("the content was expunged")),
            Err(error) => {
                let (ids, id) = (self.store.ids(), ready.delivery());
                let (message_id, endpoint) = (ids.text(id.message), ids.text(id.endpoint));
                tracing::error!(message_id, endpoint, %error, "a message's body can't be read");
                (Vec::new(), unreadable(UNREADABLE))
            }
        };
        let content = AttemptContent {
            url: endpoint.url.clone(),
            request_headers: redacted(headers),
            response_headers: answer.headers.clone(),
            response_body: answer.body.clone(),
        };
        Some(Made { answer, started_at, content })
    }

    fn content(&self, ready: &Ready) -> Result<(Option<Head>, Bytes), StoreError> {
        Ok((self.store.head_to_send(ready)?, self.store.body_to_send(ready)?))
    }

    fn headers(
        &self,
        ready: &Ready,
        endpoint: &Endpoint,
        body: &[u8],
        head: &Option<Head>,
    ) -> Vec<(String, String)> {
        let message = &ready.message.message;
        let id = self.store.ids().text(message.id);
        let timestamp = self.clock.wall().seconds();
        let keys = endpoint.signing_keys(self.clock.now());
        let signature = sign(keys, &id, timestamp, body);
        let mut received = head.as_ref().map(Head::passed_on).unwrap_or_default();
        if let Some(origin) = &message.origin {
            received.push((SOURCE.to_owned(), origin.name.clone()));
            received.push((VERIFIED.to_owned(), origin.verified.to_string()));
        }
        let user_agent = head.as_ref().and_then(Head::user_agent);
        outgoing_headers(&HeaderParts {
            message_id: &id,
            timestamp,
            signature: &signature,
            content_type: &message.content_type,
            endpoint_headers: &endpoint.headers,
            names: self.names,
            received: &received,
            user_agent: user_agent.unwrap_or(USER_AGENT),
        })
    }
}

fn unreadable(why: &str) -> Answer {
    Answer {
        outcome: Outcome::Broken,
        status_code: 0,
        duration: Duration::ZERO,
        headers: Vec::new(),
        body: why.as_bytes().to_vec(),
        retry_after: None,
    }
}

/// Attempts are kept for long: credentials of the endpoint's own headers are not among them.
fn redacted(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers
        .into_iter()
        .map(|(name, value)| {
            let value = if is_sensitive_header(&name) { REDACTED.to_owned() } else { value };
            (name, value)
        })
        .collect()
}
