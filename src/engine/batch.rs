//! Several messages in one request, as a JSON array.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::domain::delivery::AttemptContent;
use crate::domain::endpoint::Endpoint;
use crate::domain::transform::{Failure, Part};
use crate::engine::answer::Answer;
use crate::engine::attempt::{Attempter, Made, redacted};
use crate::engine::transformation::{POST, Transformed, Unsigned};
use crate::store::Ready;

/// Bytes of the answer's body that each message of a batch keeps at least.
const KEPT_MIN: usize = 256;
/// Transformations may make so many times `max_bytes` of a batch.
const GROWN_MAX: usize = 4;

/// A message within a batch.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Member<'a> {
    id: String,
    event_type: &'a str,
    timestamp: String,
    /// JSON as it was sent, or a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload<'a>>,
    /// Anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

impl<'a> Member<'a> {
    fn new(id: String, ready: &'a Ready, body: &'a [u8]) -> Member<'a> {
        let message = &ready.message.message;
        let text = std::str::from_utf8(body).ok();
        let json = serde_json::from_slice(body).ok().map(Payload::Json);
        let payload = json.or(text.map(Payload::Text));
        let encode = |bytes| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes);
        Member {
            id,
            event_type: &message.event_type,
            timestamp: message.id.time().to_string(),
            payload_base64: payload.is_none().then(|| encode(body)),
            payload,
        }
    }
}

impl Attempter {
    /// Makes one attempt for all of them; `None` when the endpoint takes no deliveries any more, or
    /// no batches.
    /// What each has of it, in their order: what its transformation drops or fails at is not sent.
    pub fn make_together(&self, all: &[Ready]) -> Option<Vec<Made>> {
        let (_, endpoint) = self.store.endpoint_by_id(all.first()?.endpoint)?;
        if endpoint.disabled.is_some() || endpoint.delivery.batch.is_none() {
            return None;
        }
        let started_at = self.clock.now();
        let prepared = self.prepare_all(all, &endpoint);
        let bodies = all.iter().zip(&prepared);
        let bodies: Vec<_> = bodies
            .filter_map(|(ready, (body, _))| Some((ready, body.as_ref().ok()?)))
            .map(|(ready, body)| Member::new(self.text(ready), ready, body))
            .collect();
        let mut asked = false;
        let sent = (!bodies.is_empty()).then(|| self.post(&bodies, all, &endpoint, &mut asked));
        let (share, moved) = (self.share(bodies.len()), self.has_moved(&endpoint));
        let held = self.clock.now().since(started_at);
        let made = all.iter().zip(prepared).map(|(ready, (body, console))| {
            let event_type = &ready.message.message.event_type;
            let mut content = AttemptContent { console, ..AttemptContent::default() };
            let answer = match (body, &sent) {
                (Ok(_), Some((url, headers, answer))) => {
                    content.url = url.clone();
                    content.request_headers = redacted(&endpoint, headers.clone());
                    content.response_headers = answer.headers.clone();
                    content.response_body = answer.body.iter().take(share).copied().collect();
                    answer.clone()
                }
                (Err(unsent), _) => {
                    content.url = endpoint.url.clone();
                    content.response_body = unsent.body.clone();
                    unsent
                }
                (Ok(_), None) => unreachable!("invariant: what has a body is sent"),
            };
            let retry_schedule = endpoint.delivery.retry_schedule(event_type);
            Made { answer, started_at, held, content, asked, retry_schedule, moved }
        });
        Some(made.collect())
    }

    /// The bytes of each message as the endpoint is to get them, or why it gets none of it.
    ///
    /// What transformations make of them is bounded, and so is how long they take for it: by what a
    /// request may take. Those behind that are not sent, and tried again.
    fn prepare_all(
        &self,
        all: &[Ready],
        endpoint: &Endpoint,
    ) -> Vec<(Result<Bytes, Answer>, Vec<String>)> {
        let most = endpoint.delivery.batch.map_or(0, |batch| batch.max_bytes as usize) * GROWN_MAX;
        let began = Instant::now();
        let (mut bytes, mut prepared) = (0, Vec::with_capacity(all.len()));
        for ready in all {
            let longest = endpoint.delivery.timeout(&ready.message.message.event_type);
            let over = if endpoint.transformation.is_none() || bytes == 0 {
                None
            } else if bytes >= most {
                Some(Failure::TooLarge { what: Part::Batch, limit: most })
            } else {
                (began.elapsed() > longest.unwrap_or(self.timeout)).then_some(Failure::TimedOut)
            };
            let (body, console) = match over {
                Some(failure) => (Err(Answer::untransformed(&failure)), Vec::new()),
                None => self.prepare(ready, endpoint),
            };
            bytes += body.as_ref().map_or(0, Bytes::len);
            prepared.push((body, console));
        }
        prepared
    }

    /// The bytes of one message as the endpoint is to get them, or why it gets none.
    fn prepare(&self, ready: &Ready, endpoint: &Endpoint) -> (Result<Bytes, Answer>, Vec<String>) {
        match self.request(ready, endpoint) {
            Ok(Transformed { result: Ok(Some(request)), console }) => (Ok(request.body), console),
            Ok(Transformed { result: Ok(None), console }) => (Err(Answer::dropped()), console),
            Ok(Transformed { result: Err(failure), console }) => {
                (Err(Answer::untransformed(&failure)), console)
            }
            Err(error) => (Err(self.unreadable(ready, &error)), Vec::new()),
        }
    }

    fn post(
        &self,
        members: &[Member<'_>],
        all: &[Ready],
        endpoint: &Arc<Endpoint>,
        asked: &mut bool,
    ) -> (String, Vec<(String, String)>, Answer) {
        let body = serde_json::to_vec(members).expect("members are text and JSON");
        let request = Unsigned {
            method: POST.to_owned(),
            url: endpoint.url.clone(),
            content_type: "application/json".to_owned(),
            headers: Vec::new(),
            body: body.into(),
        };
        let event_type = &all[0].message.message.event_type;
        let request = self.signed(&batch_id(members), event_type, endpoint, request);
        let (request, answer) = self.prove_and_send(endpoint, request, asked);
        (request.url.to_string(), request.headers, answer)
    }

    fn text(&self, ready: &Ready) -> String {
        self.store.ids().text(ready.message.message.id)
    }

    /// Bytes of the answer that each keeps, so that a large one is not kept a thousand times.
    fn share(&self, members: usize) -> usize {
        (self.response_limit / members.max(1)).max(KEPT_MIN)
    }
}

/// The same for the same messages in the same order, and for no others.
fn batch_id(members: &[Member<'_>]) -> String {
    let mut hash = Sha256::new();
    for member in members {
        hash.update(member.id.as_bytes());
        hash.update(b" ");
    }
    let digest = hash.finalize();
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("batch_{hex}")
}
