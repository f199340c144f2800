//! CloudEvents 1.0 in the HTTP binding: the event in the body, or in the headers beside it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::result::is_json_type;
use super::{Context, Outgoing};
use crate::domain::time::Timestamp;

/// What header values are written with (HTTP binding, section 3.1.3.2).
const HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// All but what a URI may hold anywhere (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where the event's attributes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Into a JSON document around the body.
    Structured,
    /// Into `ce-` headers; the body stays as it is.
    Binary,
    /// As structured, in a list of one (HTTP binding, section 3.3).
    Batch,
}

#[derive(Serialize)]
struct Event<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<&'a str>,
    #[serde(flatten)]
    data: Data<'a>,
}

#[derive(Serialize)]
enum Data<'a> {
    #[serde(rename = "data")]
    Json(&'a RawValue),
    #[serde(rename = "data")]
    Text(&'a str),
    #[serde(rename = "data_base64")]
    Bytes(String),
}

/// Makes an event of the request; `source` and `subject` are the attributes of these names.
pub fn wrap(
    outgoing: &mut Outgoing,
    context: &Context,
    mode: Mode,
    (source, subject): (Option<String>, Option<String>),
) {
    let source = source.unwrap_or_else(|| usual_source(context));
    let event = Event {
        specversion: "1.0",
        id: &context.message_id,
        source: &source,
        r#type: &context.event_type,
        time: Timestamp::from_millis(context.timestamp_ms).to_string(),
        subject: subject.as_deref(),
        datacontenttype: outgoing.header("content-type"),
        data: data(outgoing),
    };
    match mode {
        Mode::Structured => {
            let document = serde_json::to_vec(&event).expect("text and JSON are JSON");
            outgoing.set_header("content-type", "application/cloudevents+json; charset=utf-8");
            outgoing.body = document;
        }
        Mode::Batch => {
            let list = serde_json::to_vec(&[event]).expect("text and JSON are JSON");
            let content_type = "application/cloudevents-batch+json; charset=utf-8";
            outgoing.set_header("content-type", content_type);
            outgoing.body = list;
        }
        Mode::Binary => {
            let attributes = [
                ("ce-specversion", Some(event.specversion)),
                ("ce-id", Some(event.id)),
                ("ce-source", Some(event.source)),
                ("ce-type", Some(event.r#type)),
                ("ce-time", Some(event.time.as_str())),
                ("ce-subject", event.subject),
            ];
            let attributes = attributes.map(|(name, value)| {
                (name, value.map(|value| utf8_percent_encode(value, HEADER).to_string()))
            });
            for (name, value) in attributes {
                match value {
                    Some(value) => outgoing.set_header(name, &value),
                    None => outgoing.remove_header(name),
                }
            }
        }
    }
}

/// A URI reference, as the attribute has to be.
fn usual_source(context: &Context) -> String {
    let encode = |text| utf8_percent_encode(text, RESERVED).to_string();
    match &context.source {
        Some(source) => format!("/sources/{}", encode(source)),
        None => format!("/applications/{}", encode(&context.application_id)),
    }
}

/// The body as the JSON format wants it: JSON as it is, other text as a string, bytes in base64.
fn data(outgoing: &Outgoing) -> Data<'_> {
    let content_type = outgoing.header("content-type").unwrap_or("application/json");
    if is_json_type(content_type)
        && let Ok(json) = serde_json::from_slice(&outgoing.body)
    {
        return Data::Json(json);
    }
    match std::str::from_utf8(&outgoing.body) {
        Ok(text) => Data::Text(text),
        Err(_) => Data::Bytes(BASE64.encode(&outgoing.body)),
    }
}
