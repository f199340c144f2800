//! Events as the best-known providers send them, to try a source with; of the others a body that
//! has its id and type where the row says.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use url::form_urlencoded::Serializer;

use super::json;
use super::row::Provider;

/// What a sample is written as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
}

/// Events by type, of each provider that has some.
const FILES: [(&str, Kind, &str); 10] = [
    ("adyen", Kind::Json, include_str!("samples/adyen.json")),
    ("github", Kind::Json, include_str!("samples/github.json")),
    ("gitlab", Kind::Json, include_str!("samples/gitlab.json")),
    ("linear", Kind::Json, include_str!("samples/linear.json")),
    ("mailgun", Kind::Json, include_str!("samples/mailgun.json")),
    ("microsoft-graph", Kind::Json, include_str!("samples/microsoft-graph.json")),
    ("shopify", Kind::Json, include_str!("samples/shopify.json")),
    ("slack", Kind::Json, include_str!("samples/slack.json")),
    ("stripe", Kind::Json, include_str!("samples/stripe.json")),
    ("twilio", Kind::Form, include_str!("samples/twilio.json")),
];

/// The type of an event where neither file nor caller has one.
const EXAMPLE: &str = "example.created";

/// An event as a provider sends it, not signed yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sample {
    /// `POST`.
    pub method: &'static str,
    /// Its headers, with id and type where they stand there.
    pub headers: Vec<(String, String)>,
    /// Its body, with id and type where they stand there.
    pub body: Vec<u8>,
    /// Its type.
    pub event_type: String,
}

/// The types of the events that there are of this provider; none where only a body that is made up
/// can be had.
pub fn samples(provider: &Provider) -> Vec<String> {
    file(provider).map(|(_, events)| events.into_keys().collect()).unwrap_or_default()
}

/// An event of this type, or the first of the provider's, with this id where events have one. A
/// type that is not among [`samples`] gets a body that is made up.
pub fn sample(provider: &Provider, event: Option<&str>, id: &str) -> Sample {
    let found = file(provider).and_then(|(kind, mut events)| {
        let name = match event {
            Some(event) => event.to_owned(),
            None => events.keys().next()?.clone(),
        };
        Some((kind, events.remove(&name)?, name))
    });
    let made_up = found.is_none();
    let (kind, mut body, event_type) = found.unwrap_or_else(|| {
        let event_type = event.unwrap_or(EXAMPLE).to_owned();
        (Kind::Json, made_up_body(provider, &event_type), event_type)
    });
    let mut headers = Vec::new();
    let mut write = |place: &str, value: &str| match place.split_once('.') {
        Some(("header", name)) => headers.push((name.to_owned(), value.to_owned())),
        // What a provider sends without one stays as it is.
        Some(("body", path)) if made_up || holds(&body, path) => {
            json::set(&mut body, path, Value::from(value));
        }
        _ => {}
    };
    if let Some(place) = provider.event_type.iter().find(|place| place.starts_with("header.")) {
        write(place, &event_type);
    }
    if let Some(places) = provider.event_id.first() {
        // Of a batch, the first item.
        let places = places.replace("[].", ".0.");
        let (front, last) = places.rsplit_once('+').unwrap_or(("", &places));
        front.split('+').for_each(|place| write(place, "/sample"));
        write(last, id);
    }
    let (kind, body) = match kind {
        Kind::Json => ("application/json", body.to_string()),
        Kind::Form => ("application/x-www-form-urlencoded", form(&body)),
    };
    headers.push(("content-type".to_owned(), kind.to_owned()));
    Sample { method: "POST", headers, body: body.into_bytes(), event_type }
}

/// A body with its type where the row says.
fn made_up_body(provider: &Provider, event_type: &str) -> Value {
    let mut body = Value::Null;
    let first = provider.event_type.first().and_then(|place| place.strip_prefix("body."));
    if let Some(path) = first {
        json::set(&mut body, path, Value::from(event_type));
    }
    let is_list = provider.event_id.first().is_some_and(|place| place.starts_with("body[]."));
    // Beside the items of a list nothing stands.
    if !body.is_array() && !is_list {
        json::set(&mut body, "sample", json!({ "text": "a sample, Zoë" }));
    }
    body
}

fn holds(body: &Value, path: &str) -> bool {
    matches!(json::text(body.to_string().as_bytes(), path), Ok(Some(_)))
}

fn file(provider: &Provider) -> Option<(Kind, BTreeMap<String, Value>)> {
    let (_, kind, text) = FILES.iter().find(|(name, _, _)| *name == provider.name)?;
    Some((*kind, serde_json::from_str(text).expect("invariant: tested")))
}

fn form(fields: &Value) -> String {
    let none = Map::new();
    let fields = fields.as_object().unwrap_or(&none);
    let pairs = fields.iter().map(|(name, value)| (name, value.as_str().unwrap_or_default()));
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}
