//! What a transform is run on: a stored message, a request to a source, or a file.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::client::{Client, path_part};
use crate::cli::failure::Failure;
use crate::cli::signed_request::read_input;
use crate::cli::source;
use crate::cli::token::wall_clock;
use crate::domain::received::Head;
use crate::domain::time::Timestamp;
use crate::domain::transform::{Context, Outgoing};

const JSON: &str = "application/json";
/// The content type of what is none of the kinds that are known.
const UNKNOWN: &str = "application/octet-stream";

/// The request before the transform, and what the transform is told beside it.
pub(super) struct Input {
    pub outgoing: Outgoing,
    pub context: Context,
}

/// A message as the API shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: String,
    event_type: String,
    payload: Box<RawValue>,
    timestamp: String,
}

/// A payload that is no JSON object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
enum Raw {
    #[serde(rename = "rawPayload")]
    Text(String),
    #[serde(rename = "rawPayloadBase64")]
    Base64(String),
}

/// A message, its body byte for byte. Its headers, where it came to a source, are not told.
pub(super) fn message(client: &Client, app: &str, id: &str) -> Result<Input, Failure> {
    let path = format!("/api/v1/app/{}/msg/{}", path_part(app), path_part(id));
    let text = client.get_text(&path)?;
    let read = serde_json::from_str::<Message>(&text);
    let message =
        read.map_err(|error| gone(&format!("the relay's answer is no message: {error}")))?;
    let body = payload(message.payload.get()).ok_or_else(|| gone("its content is gone"))?;
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok();
    let text = std::str::from_utf8(&body).is_ok();
    let content_type = match (is_json, text) {
        (true, _) => JSON,
        (false, true) => "text/plain; charset=utf-8",
        (false, false) => UNKNOWN,
    };
    let timestamp = Timestamp::parse_rfc3339(&message.timestamp).unwrap_or_default();
    Ok(Input {
        outgoing: posted(content_type, body),
        context: Context {
            message_id: message.id,
            event_type: message.event_type,
            application_id: app.to_owned(),
            timestamp_ms: timestamp.millis(),
            ..example()?
        },
    })
}

fn gone(words: &str) -> Failure {
    Failure::failed(anyhow::anyhow!("{}", words.to_owned()))
}

/// The bytes that a payload was; none for one that was expunged or can't be read any more.
fn payload(shown: &str) -> Option<Vec<u8>> {
    if [r#"{"expired":true}"#, r#"{"damaged":true}"#].contains(&shown) {
        return None;
    }
    let bytes = match serde_json::from_str::<Raw>(shown) {
        Ok(Raw::Text(text)) => text.into_bytes(),
        Ok(Raw::Base64(text)) => STANDARD.decode(text).unwrap_or_default(),
        Err(_) => return Some(shown.as_bytes().to_vec()),
    };
    // A JSON object is shown as it is: this one only looks like what is not.
    let is_object = serde_json::from_slice::<BTreeMap<String, serde::de::IgnoredAny>>(&bytes);
    Some(if is_object.is_ok() { shown.as_bytes().to_vec() } else { bytes })
}

/// A request to a source, with the headers that endpoints are sent.
pub(super) fn request(client: &Client, reference: &str, id: &str) -> Result<Input, Failure> {
    let source = client.get(&source::path(reference))?;
    let path = format!("{}/request/{}", source::path(reference), path_part(id));
    let request = client.get(&path)?;
    let text = |field: &str| request[field].as_str().unwrap_or_default().to_owned();
    if request["expired"] == true {
        return Err(gone("the headers and the body of this request are gone"));
    }
    let pairs = request["headers"].as_array().into_iter().flatten();
    let part = |pair: &Value, index: usize| pair[index].as_str().unwrap_or_default().to_owned();
    let head = Head {
        method: text("method"),
        path: text("path"),
        query: text("query"),
        headers: pairs.map(|pair| (part(pair, 0), part(pair, 1))).collect(),
        peer: None,
    };
    let body = match request["bodyBase64"].as_str() {
        Some(base64) => STANDARD.decode(base64).unwrap_or_default(),
        None => text("body").into_bytes(),
    };
    let name = source["uid"].as_str().or(source["id"].as_str()).unwrap_or_default().to_owned();
    let verified = source["type"] != source::UNVERIFIED && request["verdict"] != "refused";
    let mut outgoing = posted(head.values("content-type").next().unwrap_or(UNKNOWN), body);
    outgoing.headers.extend(head.passed_on());
    outgoing.headers.push(("relay-source".to_owned(), name.clone()));
    outgoing.headers.push(("relay-verified".to_owned(), verified.to_string()));
    let message = request["msgId"].as_str();
    let timestamp = Timestamp::parse_rfc3339(&text("timestamp")).unwrap_or_default();
    let example = example()?;
    Ok(Input {
        outgoing,
        context: Context {
            message_id: message.map_or(example.message_id.clone(), str::to_owned),
            event_type: text("eventType"),
            source: Some(name),
            verified,
            application_id: source["application"].as_str().unwrap_or_default().to_owned(),
            timestamp_ms: timestamp.millis(),
            path: head.path,
            query: head.query,
            ..example
        },
    })
}

/// A body from a file, whose ending tells what it is.
pub(super) fn file(path: &Path) -> Result<Input, Failure> {
    let content_type = match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") | None => JSON,
        Some("xml") => "application/xml",
        Some("form") => "application/x-www-form-urlencoded",
        Some("txt") => "text/plain; charset=utf-8",
        Some(_) => UNKNOWN,
    };
    Ok(Input { outgoing: posted(content_type, read_input(path)?), context: example()? })
}

fn posted(content_type: &str, body: Vec<u8>) -> Outgoing {
    Outgoing {
        method: "POST".to_owned(),
        url: String::new(),
        headers: vec![("content-type".to_owned(), content_type.to_owned())],
        body,
    }
}

/// What a transform is told where there is no message.
fn example() -> Result<Context, Failure> {
    Ok(Context {
        message_id: "msg_example".to_owned(),
        event_type: "example".to_owned(),
        endpoint_id: "ep_example".to_owned(),
        application_id: "app_example".to_owned(),
        timestamp_ms: wall_clock()?.millis(),
        ..Context::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_as_they_were() {
        let check = |shown: &str, expected: Option<&str>| {
            let bytes = payload(shown).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(bytes.as_deref(), expected, "{shown}");
        };
        check("{ \"a\": 1.0 }", Some("{ \"a\": 1.0 }"));
        check(r#"{"rawPayload":"<a/>"}"#, Some("<a/>"));
        check(r#"{"rawPayload":"[1, 2]"}"#, Some("[1, 2]"));
        check(r#"{"rawPayloadBase64":"aGk="}"#, Some("hi"));
        check(r#"{"rawPayload":"{}"}"#, Some(r#"{"rawPayload":"{}"}"#));
        check(r#"{"rawPayload":"a","b":1}"#, Some(r#"{"rawPayload":"a","b":1}"#));
        check(r#"{"expired":true}"#, None);
    }
}
