//! MessageIn: what a message is made of, read and held against the limits.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::application::{ApplicationIn, Fields};
use super::body::Body;
use super::limits::{self, DELIVER_AT_MAX, Problems};
use super::schema::Payload;
use crate::config::units::Span;
use crate::domain::id::ApplicationId;
use crate::domain::time::Timestamp;
use crate::http::error::ApiError;
use crate::store::NewMessage;

/// What a body is sent as when nothing else is said.
const JSON: &str = "application/json";
/// The days in which the Svix API counts retention.
const DAY: Duration = Duration::from_secs(24 * 3_600);
const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageIn<'body> {
    event_type: String,
    #[serde(borrow)]
    payload: &'body RawValue,
    event_id: Option<String>,
    channels: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    deliver_at: Option<String>,
    application: Option<ApplicationIn>,
    payload_retention_period: Option<u64>,
    payload_retention_hours: Option<u64>,
    transformations_params: Option<TransformationsParams>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct TransformationsParams {
    raw_payload: Option<String>,
    /// Of this relay's own: bytes that no JSON text can hold.
    raw_payload_base64: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

impl TransformationsParams {
    /// The body to send instead of `payload`.
    fn raw_body(&self, problems: &mut Problems) -> Option<Bytes> {
        let at = ["transformationsParams", "rawPayloadBase64"];
        let Some(text) = &self.raw_payload_base64 else {
            return self.raw_payload.clone().map(Bytes::from);
        };
        if self.raw_payload.is_some() {
            problems.add(&at, "must not stand beside rawPayload: one body is sent, not two");
        }
        let bytes = STANDARD.decode(text).map(Bytes::from).ok();
        if bytes.is_none() {
            problems.add(&at, "must be base64 with padding (RFC 4648 section 4)");
        }
        bytes
    }
}

fn is_empty_object(payload: &RawValue) -> bool {
    let inner = payload.get().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

impl<'body> MessageIn<'body> {
    /// Fields that this relay knows and can't honour yet are refused, not ignored.
    fn check_later(&self) -> Result<(), ApiError> {
        let later = |field: &str| {
            let words = format!("this relay can't honour {field} yet; nothing was accepted");
            Err(ApiError::NotImplemented(words))
        };
        let Some(params) = &self.transformations_params else { return Ok(()) };
        let headers = params.headers.iter().flatten();
        if headers.clone().any(|(name, _)| !name.eq_ignore_ascii_case("content-type")) {
            return later("transformationsParams.headers other than content-type");
        }
        match params.others.iter().find(|(_, value)| !value.is_null()) {
            Some((name, _)) => later(&format!("transformationsParams.{name}")),
            None => Ok(()),
        }
    }

    /// The message, after the limits were looked at; its body is a part of `whole` where it can.
    fn check(self, whole: &Bytes, kept: Span, now: Timestamp) -> Result<MessageParts, ApiError> {
        let mut problems = Problems::default();
        problems.check(&["eventType"], limits::event_type(&self.event_type));
        if let Some(event_id) = &self.event_id {
            problems.check(&["eventId"], limits::name(event_id));
        }
        if let Some(channels) = &self.channels {
            problems.check(&["channels"], limits::channels(channels));
        }
        problems.check(&["tags"], limits::tags(self.tags.as_deref().unwrap_or_default()));
        if !self.payload.get().starts_with('{') {
            problems
                .add(&["payload"], "must be a JSON object; see transformationsParams.rawPayload");
        }
        let deliver_at = self.deliver_at.as_deref().and_then(|text| {
            let time = Timestamp::parse_rfc3339(text);
            if time.is_none_or(|time| time > now + DELIVER_AT_MAX) {
                let days = DELIVER_AT_MAX.as_secs() / DAY.as_secs();
                let words = format!("must be a time such as {now}, at most {days} days ahead");
                problems.add(&["deliverAt"], words);
            }
            time
        });
        let content_kept = self.content_kept(kept.0, &mut problems);
        let params = self.transformations_params.unwrap_or_default();
        let raw_payload = params.raw_body(&mut problems);
        if raw_payload.is_some() && !is_empty_object(self.payload) {
            let words = "must be {} beside a raw payload: one body is sent, not two";
            problems.add(&["payload"], words);
        }
        let headers = params.headers;
        let location = ["transformationsParams", "headers", "content-type"];
        if headers.as_ref().is_some_and(|headers| headers.len() > 1) {
            problems.add(&location, "is there twice, in another case");
        }
        let content_type = headers
            .and_then(|headers| headers.into_values().next())
            .unwrap_or_else(|| JSON.to_owned());
        problems.check(&location, limits::content_type(&content_type));
        problems.finish()?;
        let raw = raw_payload.is_some();
        let body = raw_payload.unwrap_or_else(|| whole.slice_ref(self.payload.get().as_bytes()));
        Ok(MessageParts {
            event_type: self.event_type,
            event_id: self.event_id,
            channels: self.channels.unwrap_or_default(),
            tags: self.tags.unwrap_or_default(),
            content_type,
            deliver_at,
            content_kept,
            body,
            raw,
            application: self.application.map(application).transpose()?,
        })
    }

    /// How long the payload is kept when that is shorter than everything is.
    fn content_kept(&self, kept: Duration, problems: &mut Problems) -> Option<Duration> {
        let asked = [
            ("payloadRetentionPeriod", self.payload_retention_period, DAY),
            ("payloadRetentionHours", self.payload_retention_hours, HOUR),
        ];
        let mut shortest = None;
        for (field, count, unit) in asked {
            let Some(count) = count else { continue };
            let span = u32::try_from(count).ok().and_then(|count| unit.checked_mul(count));
            match span.filter(|span| (unit..=kept).contains(span)) {
                Some(span) => {
                    shortest = Some(shortest.map_or(span, |least: Duration| least.min(span)))
                }
                None => problems.add(
                    &[field],
                    format!(
                        "must be at least 1 and at most what retention.max_age keeps ({})",
                        kept.as_secs() / unit.as_secs()
                    ),
                ),
            }
        }
        shortest.filter(|span| *span < kept)
    }
}

/// A message but for its application, which only the transaction looks up.
#[derive(Clone)]
pub(super) struct MessageParts {
    event_type: String,
    event_id: Option<String>,
    channels: Vec<String>,
    tags: Vec<String>,
    content_type: String,
    deliver_at: Option<Timestamp>,
    content_kept: Option<Duration>,
    body: Bytes,
    /// Whether the body did not come as `payload`.
    raw: bool,
    /// Made with the message when the path names none.
    pub application: Option<Fields>,
}

impl MessageParts {
    /// What a schema can say something of.
    pub fn payload(&self) -> Option<Payload<'_>> {
        let location: &[&str] = match self.raw {
            false => &["payload"],
            true => &["transformationsParams", "rawPayload"],
        };
        let json = !self.raw || self.content_type.contains("json");
        json.then_some(Payload { event_type: &self.event_type, bytes: &self.body, location })
    }

    /// The payload.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The message of an application.
    pub fn of(self, application: ApplicationId) -> NewMessage {
        NewMessage {
            application,
            event_type: self.event_type,
            event_id: self.event_id,
            channels: self.channels,
            tags: self.tags,
            content_type: self.content_type,
            deliver_at: self.deliver_at,
            content_kept: self.content_kept,
            body: self.body,
            received: None,
            filtered: Default::default(),
        }
    }
}

fn application(input: ApplicationIn) -> Result<Fields, ApiError> {
    input.check().map_err(|error| error.inside("application"))
}

/// Reads a message; `kept` is how long everything is kept.
pub(super) fn read(body: &Body, kept: Span, now: Timestamp) -> Result<MessageParts, ApiError> {
    let input: MessageIn<'_> = body.json_quickly()?;
    input.check_later()?;
    input.check(&body.bytes, kept, now)
}
