//! What is shown of a message: MessageOut, and bodies as payloads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::id::Ids;
use crate::domain::message::Message;
use crate::domain::received::Origin;
use crate::domain::redact::Redaction;
use crate::store::{Store, StoreError, StoredMessage};

/// MessageOut.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageOut {
    id: String,
    event_type: String,
    payload: Box<RawValue>,
    timestamp: String,
    event_id: Option<String>,
    channels: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliver_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<OriginOut>,
}

/// Where a message came to that no application sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OriginOut {
    source_id: String,
    source: String,
    request_id: String,
    verified: bool,
}

impl OriginOut {
    fn new(ids: &Ids, origin: &Origin) -> OriginOut {
        OriginOut {
            source_id: ids.text(origin.source),
            source: origin.name.clone(),
            request_id: ids.text(origin.request),
            verified: origin.verified,
        }
    }
}

impl MessageOut {
    /// With `payload` as it is shown, `{}` without.
    pub fn new(ids: &Ids, message: &Message, payload: Option<Box<RawValue>>) -> MessageOut {
        let given = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        MessageOut {
            id: ids.text(message.id),
            event_type: message.event_type.clone(),
            payload: payload.unwrap_or_else(|| raw("{}".to_owned())),
            timestamp: message.id.time().to_string(),
            event_id: message.event_id.clone(),
            channels: given(&message.channels),
            tags: given(&message.tags),
            deliver_at: message.deliver_at.map(|time| time.to_string()),
            origin: message.origin.as_ref().map(|origin| OriginOut::new(ids, origin)),
        }
    }

    /// The same with the payload read from the store when it is asked for: `{"expired":true}` for
    /// one that was expunged, `{"damaged":true}` for one that can't be read any more.
    pub fn read(
        store: &Store,
        redaction: &Redaction,
        stored: &StoredMessage,
        with_content: bool,
    ) -> MessageOut {
        let payload = with_content.then(|| match store.body(&stored.body) {
            Ok(bytes) => shown(redaction, &bytes),
            Err(StoreError::Expunged) => raw(r#"{"expired":true}"#.to_owned()),
            Err(error) => {
                let message_id = store.ids().text(stored.message.id);
                tracing::error!(message_id, %error, "the body of a message can't be read");
                raw(r#"{"damaged":true}"#.to_owned())
            }
        });
        MessageOut::new(store.ids(), &stored.message, payload)
    }
}

/// A body as a payload: itself when it is a JSON object, which is all that client libraries take;
/// any other is shown as text, or as base64 when it is none.
pub fn shown(redaction: &Redaction, bytes: &[u8]) -> Box<RawValue> {
    let bytes = &*redaction.body(bytes);
    let whole = serde_json::from_slice::<Box<RawValue>>(bytes);
    match whole {
        Ok(value) if value.get().starts_with('{') => value,
        _ => {
            let shown = match std::str::from_utf8(bytes) {
                Ok(text) => serde_json::json!({"rawPayload": text}),
                Err(_) => serde_json::json!({"rawPayloadBase64": STANDARD.encode(bytes)}),
            };
            raw(shown.to_string())
        }
    }
}

fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).expect("invariant: made by a JSON writer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(shown(&Redaction::default(), bytes).get(), expected);
        };
        check(b"{ \"a\" : 1.0 }", "{ \"a\" : 1.0 }");
        check(b"[1]", r#"{"rawPayload":"[1]"}"#);
        check(b"<a/>", r#"{"rawPayload":"<a/>"}"#);
        check(b"", r#"{"rawPayload":""}"#);
        check(b"\xff\x00", r#"{"rawPayloadBase64":"/wA="}"#);
    }
}
