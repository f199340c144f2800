//! A request's body: read within its limits, then read as JSON, telling what is wrong and where.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web;
use bytes::Bytes;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use actix_web::FromRequest;

use crate::http::error::{ApiError, Problem};
use crate::http::server::Shared;

/// A second more to read for each of these.
const BYTES_A_SECOND: u64 = 64 * 1024;
/// Bytes of JSON that a caller's message about it quotes at most.
const QUOTE_MAX: usize = 300;

/// A body in memory, counted among those in flight until it is dropped.
pub struct Body {
    /// As it came.
    pub bytes: Bytes,
    _counted: OwnedSemaphorePermit,
}

impl Body {
    /// Reads all of it; a body over `intake.max_body`, too slow, or compressed is refused.
    pub(super) async fn read(
        request: &HttpRequest,
        payload: Payload,
        shared: &Shared,
    ) -> Result<Body, ApiError> {
        let most = shared.state.config.intake.max_body.0;
        let body = Body::read_any(request, payload, shared, most).await?;
        if !body.bytes.is_empty() {
            must_be_json(request)?;
        }
        Ok(body)
    }

    /// Reads one of any type and at most so many bytes.
    pub(in crate::http) async fn read_any(
        request: &HttpRequest,
        mut payload: Payload,
        shared: &Shared,
        most: u64,
    ) -> Result<Body, ApiError> {
        let announced = content_length(request)?;
        if announced.is_some_and(|length| length > most) {
            return Err(ApiError::TooLarge(most));
        }
        let encoding = request.headers().get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
            let words = "a compressed body is not taken; send it as it is";
            return Err(ApiError::UnsupportedMediaType(words.to_owned()));
        }
        let length = announced.unwrap_or(most);
        let counted = count(&shared.body_bytes, length)?;
        let extra = Duration::from_secs(length / BYTES_A_SECOND);
        let patience = shared.state.config.server.body_timeout.0 + extra;
        let limit = usize::try_from(most).unwrap_or(usize::MAX);
        let payload = web::Payload::from_request(request, &mut payload)
            .await
            .map_err(|error| ApiError::BadRequest(error.to_string()))?;
        let bytes = tokio::time::timeout(patience, payload.to_bytes_limited(limit))
            .await
            .map_err(|_| ApiError::TooSlow)?
            .map_err(|_| ApiError::TooLarge(most))?
            .map_err(|_| ApiError::BadRequest("the request's body broke off".to_owned()))?;
        Ok(Body { bytes, _counted: counted })
    }

    /// Reads it as JSON.
    pub fn json<'body, T: Deserialize<'body>>(&'body self) -> Result<T, ApiError> {
        read_json(&self.bytes)
    }

    /// The same for what every message passes through: the place of an error is looked for only
    /// when there is one.
    pub fn json_quickly<'body, T: Deserialize<'body>>(&'body self) -> Result<T, ApiError> {
        if self.bytes.trim_ascii_start().starts_with(b"{")
            && let Ok(read) = serde_json::from_slice(&self.bytes)
        {
            return Ok(read);
        }
        self.json()
    }

    /// Reads it as JSON; no body at all is an empty object.
    pub fn json_or_empty<'body, T: Deserialize<'body>>(&'body self) -> Result<T, ApiError> {
        read_json(if self.bytes.is_empty() { b"{}" } else { &self.bytes })
    }
}

fn content_length(request: &HttpRequest) -> Result<Option<u64>, ApiError> {
    let Some(value) = request.headers().get(header::CONTENT_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| ApiError::BadRequest("content-length is no number".to_owned()))
}

fn count(semaphore: &Arc<Semaphore>, length: u64) -> Result<OwnedSemaphorePermit, ApiError> {
    let busy = || ApiError::Busy("too many request bodies at once; try again".to_owned());
    let length = u32::try_from(length).map_err(|_| busy())?;
    Arc::clone(semaphore).try_acquire_many_owned(length).map_err(|_| busy())
}

/// Whether the content type is JSON; `None` when there is none.
pub(in crate::http) fn is_json(headers: &HeaderMap) -> Option<bool> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    let text = text.to_ascii_lowercase();
    let essence = text.split(';').next().unwrap_or_default().trim();
    Some(essence == "application/json" || essence.ends_with("+json"))
}

fn must_be_json(request: &HttpRequest) -> Result<(), ApiError> {
    if is_json(request.headers()) != Some(false) {
        return Ok(());
    }
    let words = "the body must be JSON, sent with content-type: application/json";
    Err(ApiError::UnsupportedMediaType(words.to_owned()))
}

/// Reads JSON; what is wrong comes back as 422 with the path of the field.
pub(super) fn read_json<'body, T: Deserialize<'body>>(bytes: &'body [u8]) -> Result<T, ApiError> {
    // An array would be read as the fields in their order, which nobody has promised.
    if bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        let (loc, msg) = (vec!["body".to_owned()], "must be a JSON object".to_owned());
        return Err(ApiError::Invalid(vec![Problem { loc, msg, kind: "value_error.jsondecode" }]));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let mut loc = vec!["body".to_owned()];
        loc.extend(error.path().iter().filter_map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => Some(format!("[{index}]")),
            serde_path_to_error::Segment::Map { key } => Some(key.clone()),
            serde_path_to_error::Segment::Enum { variant } => Some(variant.clone()),
            serde_path_to_error::Segment::Unknown => None,
        }));
        undecodable(loc, &error.into_inner())
    })?;
    reader.end().map_err(|error| undecodable(vec!["body".to_owned()], &error))?;
    Ok(value)
}

fn undecodable(mut loc: Vec<String>, error: &serde_json::Error) -> ApiError {
    let mut msg = in_json(error.to_string());
    // serde names the field that is missing only in its words.
    if let Some(field) = msg.strip_prefix("missing field `").and_then(|rest| rest.split('`').next())
    {
        loc.push(field.to_owned());
    }
    if msg.len() > QUOTE_MAX {
        let end = (0..=QUOTE_MAX).rev().find(|index| msg.is_char_boundary(*index));
        msg.truncate(end.unwrap_or(0));
        msg.push('…');
    }
    ApiError::Invalid(vec![Problem { loc, msg, kind: "value_error.jsondecode" }])
}

/// Says what was expected as JSON has it: serde names types of Rust's.
fn in_json(error: String) -> String {
    const BEFORE: &str = ", expected ";
    let wanted = error.rfind(BEFORE).map(|at| at + BEFORE.len());
    let Some((from, rest)) = wanted.and_then(|from| Some((from, error.get(from..)?))) else {
        return error;
    };
    let expected = rest.split(" at line ").next().unwrap_or(rest);
    let words = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, not negative",
        "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "an array",
        "a map" => "an object",
        _ if expected.starts_with("struct ") => "an object",
        _ => return error,
    };
    format!("{}{words}{}", &error[..from], &rest[expected.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_is_said_in_words_of_json() {
        let check = |text: &str, expected: &str| match read_json::<Example>(text.as_bytes()) {
            Err(ApiError::Invalid(problems)) => {
                assert!(problems[0].msg.contains(expected), "{text}: {}", problems[0].msg);
            }
            other => panic!("{text}: {other:?}"),
        };
        let number = "expected a whole number from 0 to 65535 at line 1";
        check(r#"{"name":"a","rate":70000}"#, number);
        check(r#"{"name":"a","rate":", expected u8"}"#, number);
        check(r#"{"name":"a","list":{}}"#, "invalid type: map, expected an array at line 1");
        check(r#"{"name":"a","list":[256]}"#, "`256`, expected a whole number from 0 to 255");
        check(r#"{"name":1}"#, "invalid type: integer `1`, expected a string");
        check(r#"{"rate":1}"#, "missing field `name`");
    }

    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "only read")]
    struct Example {
        name: String,
        rate: Option<u16>,
        list: Option<Vec<u8>>,
    }

    #[test]
    fn where_it_is_wrong() {
        let check = |text: &str, expected: &[&str]| match read_json::<Example>(text.as_bytes()) {
            Err(ApiError::Invalid(problems)) => assert_eq!(problems[0].loc, expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        };
        check("{}", &["body", "name"]);
        check(r#"{"name":1}"#, &["body", "name"]);
        check(r#"{"name":"a","rate":70000}"#, &["body", "rate"]);
        check(r#"{"name":"a","rate":"1"}"#, &["body", "rate"]);
        check(r#"{"name":"a","list":[1,"x"]}"#, &["body", "list", "[1]"]);
        check(r#"{"name":"a","name":"b"}"#, &["body"]);
        check("", &["body"]);
        check("[]", &["body"]);
        check(r#"{"name":"a"} x"#, &["body"]);
        check("{\"name\":\"\u{0}\"}", &["body", "name"]);
        assert!(read_json::<Example>(br#"{"name":"a","unknown":{"x":1}}"#).is_ok());
        let deep = format!(r#"{{"name":"a","unknown":{}1{}}}"#, "[".repeat(999), "]".repeat(999));
        assert!(read_json::<Example>(deep.as_bytes()).is_err() || deep.len() > 2_000);
    }
}
