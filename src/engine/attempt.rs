//! What a sender does with one delivery: read, sign, post, and keep what came back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::HeaderNames;
use crate::domain::delivery::{AttemptContent, Outcome};
use crate::domain::egress::EndpointAuth;
use crate::domain::endpoint::Endpoint;
use crate::domain::headers::{REDACTED, is_sensitive_header};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::transform::Failure;
use crate::engine::access_token::{AccessTokens, NoToken};
use crate::engine::answer::Answer;
use crate::engine::credentials::{Proof, is_own, proof};
use crate::engine::outgoing::signed_headers;
use crate::engine::permission::Permissions;
use crate::engine::script::Scripts;
use crate::engine::transformation::{self, POST, Transformed, Unsigned};
use crate::engine::transport::{OutgoingRequest, Transport};
use crate::store::{Ready, Store, StoreError};

/// What the attempt of a damaged body says.
const UNREADABLE: &str =
    "the stored body can't be read: ask the operator, whom relay repair tells the place";

const UNAUTHORIZED: u16 = 401;

/// Makes attempts.
pub struct Attempter {
    /// Where messages and endpoints stand.
    pub store: Store,
    /// Runs transformations.
    pub scripts: Arc<Scripts>,
    /// Makes the request.
    pub transport: Arc<dyn Transport>,
    /// What some requests prove themselves with.
    pub tokens: AccessTokens,
    /// Whom it may be made to.
    pub permissions: Arc<Permissions>,
    /// The time that is signed.
    pub clock: Arc<dyn Clock>,
    /// Names of the signature headers.
    pub names: HeaderNames,
    /// How long the request may take.
    pub timeout: Duration,
    /// Bytes of an answer's body that are kept.
    pub response_limit: usize,
}

/// An attempt that was made.
pub struct Made {
    /// How it ended.
    pub answer: Answer,
    /// When it began.
    pub started_at: Timestamp,
    /// How long a sender was at it.
    pub held: Duration,
    /// What was sent and what came back.
    pub content: AttemptContent,
    /// Whether its endpoint was asked how fast it may be sent to.
    pub asked: bool,
    /// The delays between attempts, where the endpoint has its own.
    pub retry_schedule: Option<Vec<Duration>>,
    /// Whether the endpoint was given another URL meanwhile.
    pub moved: bool,
}

impl Attempter {
    /// Makes one attempt; `None` when the endpoint takes no deliveries any more.
    pub fn make(&self, ready: &Ready) -> Option<Made> {
        let (_, endpoint) = self.store.endpoint_by_id(ready.endpoint)?;
        if endpoint.disabled.is_some() {
            return None;
        }
        if endpoint.delivery.batch.is_some() {
            // One alone is an array too: a receiver of batches gets nothing else.
            return self.make_together(std::slice::from_ref(ready))?.pop();
        }
        let started_at = self.clock.now();
        let mut asked = false;
        let (sent, console) = match self.request(ready, &endpoint) {
            Ok(Transformed { result: Ok(Some(request)), console }) => {
                let message = &ready.message.message;
                let id = self.store.ids().text(message.id);
                let request = self.signed(&id, &message.event_type, &endpoint, request);
                let (request, answer) = self.prove_and_send(&endpoint, request, &mut asked);
                ((request.url.to_string(), request.headers, answer), console)
            }
            Ok(Transformed { result, console }) => {
                let answer = match result {
                    Err(failure) => Answer::untransformed(&failure),
                    Ok(_) => Answer::dropped(),
                };
                ((endpoint.url.clone(), Vec::new(), answer), console)
            }
            Err(error) => {
                let answer = self.unreadable(ready, &error);
                ((endpoint.url.clone(), Vec::new(), answer), Vec::new())
            }
        };
        let (url, headers, answer) = sent;
        let content = AttemptContent {
            url,
            request_headers: redacted(&endpoint, headers),
            response_headers: answer.headers.clone(),
            response_body: answer.body.clone(),
            console,
        };
        let retry_schedule = endpoint.delivery.retry_schedule(&ready.message.message.event_type);
        let moved = self.has_moved(&endpoint);
        let held = self.clock.now().since(started_at);
        Some(Made { answer, started_at, held, content, asked, retry_schedule, moved })
    }

    /// Whether an endpoint has another URL than it had.
    pub(super) fn has_moved(&self, endpoint: &Endpoint) -> bool {
        let now = self.store.endpoint_by_id(endpoint.id);
        now.is_some_and(|(_, now)| now.url != endpoint.url)
    }

    /// What is said of a body that can't be read.
    pub(super) fn unreadable(&self, ready: &Ready, error: &StoreError) -> Answer {
        if matches!(error, StoreError::Expunged) {
            // Its deliveries are cancelled; this one was under way already.
            return Answer::unsent(Outcome::Broken, "the content was expunged");
        }
        let (ids, id) = (self.store.ids(), ready.delivery());
        let (message_id, endpoint_id) = (ids.text(id.message), ids.text(id.endpoint));
        tracing::error!(message_id, endpoint_id, %error, "a message's body can't be read");
        Answer::unsent(Outcome::Broken, UNREADABLE)
    }

    /// Sends with what the endpoint's settings prove requests with; once more with a new token when
    /// the one that was held is refused.
    pub(super) fn prove_and_send(
        &self,
        endpoint: &Arc<Endpoint>,
        mut request: OutgoingRequest,
        asked: &mut bool,
    ) -> (OutgoingRequest, Answer) {
        let without = |why: NoToken| Answer::unsent(why.outcome, &why.words);
        let proof = match proof(&self.tokens, endpoint, &request.url) {
            Ok(proof) => proof,
            Err(why) => return (request, without(why)),
        };
        let Some(proof) = proof else { return self.send(endpoint, request, None, asked) };
        proof.add(&mut request);
        let (request, answer) = self.send(endpoint, request, Some(&proof), asked);
        if answer.status_code != UNAUTHORIZED {
            return (request, answer);
        }
        match proof.renewed(&self.tokens) {
            None => (request, answer),
            Some(Err(why)) => (request, without(why)),
            Some(Ok(proof)) => {
                let mut request = request;
                proof.add(&mut request);
                let answer = self.transport.send(&request);
                (request, answer)
            }
        }
    }

    /// Sends, after the receiver has permitted it where it is to be asked.
    fn send(
        &self,
        endpoint: &Arc<Endpoint>,
        request: OutgoingRequest,
        proof: Option<&Proof>,
        asked: &mut bool,
    ) -> (OutgoingRequest, Answer) {
        if endpoint.delivery.cloud_events {
            let (now, transport) = (self.clock.now(), &*self.transport);
            match self.permissions.ensure(endpoint, &request, proof, now, transport) {
                Ok(was) => *asked = was,
                Err(refused) => return (refused.request, refused.answer),
            }
        }
        let answer = self.transport.send(&request);
        (request, answer)
    }

    /// What is to be sent.
    pub(super) fn request(
        &self,
        ready: &Ready,
        endpoint: &Endpoint,
    ) -> Result<Transformed, StoreError> {
        self.store.read_to_send(ready, |stored| {
            transformation::request(&self.store, &self.scripts, endpoint, stored)
        })
    }

    /// Signed under this id, with the patience that its event type has. The endpoint's own headers
    /// go to its own place alone: who may write its transformation may not see what is in them.
    pub(super) fn signed(
        &self,
        id: &str,
        event_type: &str,
        endpoint: &Arc<Endpoint>,
        request: Unsigned,
    ) -> OutgoingRequest {
        let none = BTreeMap::new();
        let own = if is_own(endpoint, &request.url) { &endpoint.headers } else { &none };
        let times = (self.clock.now(), self.clock.wall());
        let headers = signed_headers(id, endpoint, own, &request, self.names, times);
        let method = if request.method == POST { POST.into() } else { request.method.into() };
        let url = request.url.into();
        let timeout = endpoint.delivery.timeout(event_type).unwrap_or(self.timeout);
        OutgoingRequest {
            method,
            url,
            headers,
            body: request.body,
            timeout,
            endpoint: Some(Arc::clone(endpoint)),
            answer_limit: None,
        }
    }
}

impl Answer {
    /// Nothing was sent, for the transformation failed.
    pub(super) fn untransformed(failure: &Failure) -> Answer {
        let words = format!("the transformation failed ({}): {failure}", failure.code());
        Answer::unsent(Outcome::Transform, &words)
    }

    /// Nothing was sent, for the transformation wants it so.
    pub(super) fn dropped() -> Answer {
        Answer::unsent(Outcome::Dropped, "the transformation dropped it")
    }
}

/// Attempts are kept for long: credentials of the endpoint's own headers and settings are not
/// among them.
pub(super) fn redacted(
    endpoint: &Endpoint,
    headers: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let proof = endpoint.delivery.auth.as_ref().map(EndpointAuth::header_name);
    let secret = |name: &str| {
        is_sensitive_header(name) || proof.is_some_and(|proof| proof.eq_ignore_ascii_case(name))
    };
    headers
        .into_iter()
        .map(|(name, value)| {
            let value = if secret(&name) { REDACTED.to_owned() } else { value };
            (name, value)
        })
        .collect()
}
