//! `/app/{app}/endpoint/{endpoint}/send-example`: one message from an event type's examples, to one
//! endpoint.

use actix_web::HttpResponse;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::application::unexpected;
use super::call::Call;
use super::shapes::{self, MessageOut};
use crate::domain::schema::newest;
use crate::http::error::ApiError;
use crate::store::{NewMessage, Reply};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExampleIn {
    event_type: String,
    example_index: Option<u16>,
}

/// What of a JSON schema says how a message looks.
#[derive(Deserialize)]
struct Schema<'text> {
    #[serde(borrow)]
    examples: Option<Vec<&'text RawValue>>,
    #[serde(borrow)]
    example: Option<&'text RawValue>,
}

/// Row 20: accepts the example and makes one delivery, whatever the endpoint subscribes to.
pub(super) async fn send(mut call: Call) -> Result<HttpResponse, ApiError> {
    let application = call.application()?;
    let endpoint = call.endpoint(&application)?;
    let body = call.body().await?;
    let input: ExampleIn = body.json()?;
    if endpoint.disabled.is_some() {
        let words = "the endpoint is disabled; enable it first".to_owned();
        return Err(ApiError::BadRequest(words));
    }
    let event_type = call.store().event_type(&input.event_type).ok_or_else(|| {
        ApiError::invalid(&["body", "eventType"], "is no event type of the catalogue")
    })?;
    let index = usize::from(input.example_index.unwrap_or(0));
    let schemas = event_type.schemas.as_deref().unwrap_or("{}");
    let example = example(schemas, index).ok_or_else(|| {
        let words = format!(
            "the newest schema of {} has no example {index} that is an object; add it to \
             \"examples\"",
            event_type.name
        );
        ApiError::invalid(&["body", "exampleIndex"], words)
    })?;
    let payload = example.clone();
    let written = call
        .write_once(&body, move |transaction| {
            let new = NewMessage::plain(application.id, input.event_type, example);
            transaction.accept_for(new, vec![endpoint.id]).map(Reply::Message)
        })
        .await?;
    let Reply::Message(stored) = &written.reply else { return Err(unexpected(&written.reply)) };
    let shown = Some(shapes::shown(&call.redaction(), &payload));
    Ok(HttpResponse::Ok().json(MessageOut::new(call.ids(), &stored.message, shown)))
}

/// The example at `index` of the newest version, as it was written; where a schema has no list of
/// them, the index says nothing.
fn example(schemas: &str, index: usize) -> Option<Bytes> {
    let (_, newest) = newest(schemas)?;
    let schema: Schema<'_> = serde_json::from_str(newest.get()).ok()?;
    let found = match schema.examples {
        Some(examples) => examples.into_iter().nth(index),
        None => schema.example,
    }?;
    found.get().starts_with('{').then(|| Bytes::copy_from_slice(found.get().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples() {
        let check = |schemas: &str, index: usize, expected: Option<&str>| {
            let found = example(schemas, index);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{schemas} {index}");
        };
        check("{}", 0, None);
        check(r#"{"1":{"type":"object"}}"#, 0, None);
        let both = r#"{"9":{"examples":[{"a":9}]},"10":{"examples":[{"b": 1.0},{"c":2}, 7]}}"#;
        check(both, 0, Some(r#"{"b": 1.0}"#));
        check(both, 1, Some(r#"{"c":2}"#));
        check(both, 2, None);
        check(both, 3, None);
        check(r#"{"1":{"example":{"e":1}}}"#, 0, Some(r#"{"e":1}"#));
        check(r#"{"1":{"example":{"e":1}}}"#, 5, Some(r#"{"e":1}"#));
        check(r#"{"1":{"examples":[],"example":{"e":1}}}"#, 0, None);
    }
}
