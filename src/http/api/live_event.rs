//! The events of a live stream: which messages are wanted, and how each is written.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde::Serialize;
use serde_json::json;

use super::poller::own_headers;
use super::request;
use super::shapes::MessageOut;
use crate::config::HeaderNames;
use crate::domain::endpoint::Endpoint;
use crate::domain::filter::Filter;
use crate::domain::id::{ApplicationId, Id, MessageId, SourceId};
use crate::domain::received::Head;
use crate::domain::redact::Redaction;
use crate::domain::time::Clock;
use crate::engine::credentials::is_own;
use crate::engine::outgoing::signed_headers;
use crate::engine::script::Scripts;
use crate::engine::transformation;
use crate::store::{
    Followed, MessageFilter, Reference, Store, StoreError, StoredMessage, StoredRequest,
};

/// A page is sent when it has so many bytes; one event may be larger.
const PAGE_BYTES: usize = 64 * 1024;
/// A page is made within about this time, however little was found.
const PAGE_TIME: Duration = Duration::from_millis(500);

/// What a stream shows.
#[derive(Clone)]
pub(super) struct Wanted {
    pub whose: Option<ApplicationId>,
    pub filter: Option<Filter>,
    pub names: MessageFilter,
    pub source: Option<SourceId>,
    pub endpoint: Option<Arc<Endpoint>>,
    /// Requests instead of messages.
    pub requests: bool,
    pub with_content: bool,
    /// The bytes as they are.
    pub original: bool,
    /// With every header that came, not only those that endpoints are sent.
    pub all_headers: bool,
    pub redaction: Arc<Redaction>,
    pub scripts: Arc<Scripts>,
    pub clock: Arc<dyn Clock>,
    pub names_of_headers: HeaderNames,
}

/// The events of a page, and how far it came.
pub(super) struct Page {
    pub text: String,
    pub followed: Followed,
}

/// A message as a stream shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveMessageOut {
    app_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<String>,
    #[serde(flatten)]
    message: MessageOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<OriginalOut>,
    /// Why there are no such bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Bytes as they came, or as an endpoint is sent them.
#[derive(Serialize)]
struct OriginalOut {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// An event of this type; what it says may have line breaks in it.
pub(super) fn event(id: &str, kind: &str, data: &str) -> String {
    let mut text = format!("id: {id}\nevent: {kind}\n");
    // JSON as it came may have any of the three line ends in it, and means the same with another.
    for line in data.replace("\r\n", "\n").split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    text
}

impl Wanted {
    /// With what is named as it stands now; `None` when some of it is gone.
    pub fn renewed(&self, store: &Store) -> Option<Wanted> {
        let mut new = self.clone();
        if let Some(application) = self.whose {
            store.application(&Reference::Id(application))?;
        }
        if let Some(source) = self.source {
            store.source(&Reference::Id(source))?;
        }
        if let Some(endpoint) = &self.endpoint {
            new.endpoint = Some(store.endpoint_by_id(endpoint.id)?.1);
        }
        Some(new)
    }

    /// The next events behind a position; blocks.
    pub fn page(&self, store: &Store, after: MessageId) -> Page {
        let (mut text, began) = (String::new(), Instant::now());
        let full = |text: &String| text.len() >= PAGE_BYTES || began.elapsed() >= PAGE_TIME;
        let flow =
            |full: bool| if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let followed = match self.source.filter(|_| self.requests) {
            Some(source) => store.follow_requests(source, after, &mut |stored| {
                text.push_str(&self.request(store, &stored).unwrap_or_default());
                flow(full(&text))
            }),
            None => store.follow(self.whose, after, &mut |stored| {
                if self.wants(store, &stored) {
                    text.push_str(&self.message(store, &stored).unwrap_or_default());
                }
                flow(full(&text))
            }),
        };
        Page { text, followed }
    }

    fn wants(&self, store: &Store, stored: &StoredMessage) -> bool {
        let (message, names) = (&stored.message, &self.names);
        let source = message.origin.as_ref().map(|origin| origin.source);
        (names.event_types.is_empty() || names.event_types.contains(&message.event_type))
            && names.channel.as_ref().is_none_or(|channel| message.channels.contains(channel))
            && names.tag.as_ref().is_none_or(|tag| message.tags.contains(tag))
            && (self.source.is_none() || source == self.source)
            && self.endpoint.as_ref().is_none_or(|endpoint| store.is_wanted_by(endpoint, stored))
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| store.passes(filter, stored, &self.redaction))
    }

    /// The event of a message; `None` when the endpoint's transformation drops it.
    fn message(&self, store: &Store, stored: &StoredMessage) -> Option<String> {
        let (ids, message) = (store.ids(), &stored.message);
        let (original, problem) = match self.original {
            false => (None, None),
            true => match self.original_of(store, stored) {
                Ok(original) => (Some(original?), None),
                Err(problem) => (None, Some(problem)),
            },
        };
        let shown = LiveMessageOut {
            app_id: ids.text(message.application),
            source_id: message.origin.as_ref().map(|origin| ids.text(origin.source)),
            message: MessageOut::read(store, &self.redaction, stored, self.with_content),
            original,
            problem,
        };
        let data = serde_json::to_string(&shown).expect("invariant: keys are text");
        Some(event(&ids.text(message.id), "message", &data))
    }

    /// The bytes that are forwarded; `None` when the endpoint would be sent nothing.
    fn original_of(
        &self,
        store: &Store,
        stored: &StoredMessage,
    ) -> Result<Option<OriginalOut>, String> {
        if let Some(endpoint) = &self.endpoint {
            return self.as_sent(store, endpoint, stored);
        }
        let body = store.body(&stored.body).map_err(lost)?;
        let head = stored.head.as_ref().map(|head| store.head(head)).transpose().map_err(lost)?;
        let message = &stored.message;
        Ok(Some(match head {
            Some(head) if self.all_headers => came(head, &body),
            Some(head) => {
                let content_type = ("content-type".to_owned(), message.content_type.clone());
                let headers = [content_type].into_iter().chain(head.passed_on()).collect();
                came(Head { headers, ..head }, &body)
            }
            None => OriginalOut {
                method: "POST".to_owned(),
                path: String::new(),
                query: String::new(),
                headers: vec![
                    ("content-type".to_owned(), message.content_type.clone()),
                    ("webhook-id".to_owned(), store.ids().text(message.id)),
                ],
                body: STANDARD.encode(&body),
            },
        }))
    }

    /// As a delivery to the endpoint would be made now: transformed, and signed with its keys. Its
    /// own headers go along but for credentials.
    fn as_sent(
        &self,
        store: &Store,
        endpoint: &Endpoint,
        stored: &StoredMessage,
    ) -> Result<Option<OriginalOut>, String> {
        let made = transformation::request(store, &self.scripts, endpoint, stored).map_err(lost)?;
        let request = match made.result {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(None),
            Err(failure) => {
                return Err(format!("the transformation failed ({}): {failure}", failure.code()));
            }
        };
        let none = BTreeMap::new();
        let own = own_headers(endpoint);
        let own = if is_own(endpoint, &request.url) { &own } else { &none };
        let id = store.ids().text(stored.message.id);
        let times = (self.clock.now(), self.clock.wall());
        let headers = signed_headers(&id, endpoint, own, &request, self.names_of_headers, times);
        Ok(Some(OriginalOut {
            method: request.method,
            path: String::new(),
            query: String::new(),
            headers,
            body: STANDARD.encode(&request.body),
        }))
    }

    /// The event of a request; `None` when it is of another type than those asked for.
    fn request(&self, store: &Store, stored: &StoredRequest) -> Option<String> {
        let types = &self.names.event_types;
        if !types.is_empty() && !types.contains(&stored.request.event_type) {
            return None;
        }
        let mut shown = request::shown(store, &self.redaction, stored, self.with_content);
        if self.original {
            let read = store.head(&stored.head);
            match read.and_then(|head| Ok((head, store.body(&stored.body)?))) {
                Ok((head, body)) => shown["original"] = json!(came(head, &body)),
                Err(error) => shown["problem"] = lost(error).into(),
            }
        }
        let position = MessageId::new(stored.request.id.stamp());
        Some(event(&store.ids().text::<_>(Id::clone(&position)), "request", &shown.to_string()))
    }
}

fn came(head: Head, body: &[u8]) -> OriginalOut {
    OriginalOut {
        method: head.method,
        path: head.path,
        query: head.query,
        headers: head.headers,
        body: STANDARD.encode(body),
    }
}

fn lost(error: StoreError) -> String {
    match error {
        StoreError::Expunged => "its content was expunged".to_owned(),
        error => {
            tracing::error!(%error, "a message can't be read");
            "its content can't be read".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_events() {
        let check = |data: &str, lines: &str| {
            let expected = format!("id: msg_1\nevent: message\n{lines}\n");
            assert_eq!(event("msg_1", "message", data), expected);
        };
        check("{}", "data: {}\n");
        check("{\n\"a\": 1\r\n}\r", "data: {\ndata: \"a\": 1\ndata: }\ndata: \n");
        check("{\r\"a\": 1\n\n}", "data: {\ndata: \"a\": 1\ndata: \ndata: }\n");
    }
}
