//! What is read from memory. Parts of an input are parted by zero bytes.

use relay::domain::filter::{Filter, Subject};
use relay::domain::provider::{self, Fetched, Request, Setup};
use relay::domain::signature::{self, SignedHeaders, SigningKey, VerifyingKey};
use relay::domain::time::Timestamp;
use relay::domain::transform::content::Format;
use relay::domain::transform::step;
use relay::domain::transform::{Context, Outgoing, Transform};

const NOW: Timestamp = Timestamp::from_millis(1_795_219_200_000);

fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut parts = data.splitn(N, |byte| *byte == 0);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// `name: value` in lines.
fn headers(bytes: &[u8]) -> Vec<(String, String)> {
    let text = text(bytes);
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()
}

/// A filter; a body; headers.
pub fn filter(data: &[u8]) {
    let [filter, body, head] = parts(data);
    let Ok(filter) = Filter::parse_text(&text(filter)) else { return };
    let body = serde_json::from_slice(body).ok();
    let headers = headers(head);
    let subject = Subject { headers: &headers, body: body.as_ref(), ..Subject::default() };
    assert_eq!(filter.explain(&subject).is_none(), filter.matches(&subject));
    let again = Filter::parse(filter.as_json()).expect("what was read is read again");
    assert_eq!(again, filter);
}

/// Steps; a body; headers.
pub fn steps(data: &[u8]) {
    let [steps, body, head] = parts(data);
    let Ok(Transform::Steps(steps)) = Transform::parse(&text(steps)) else { return };
    let before = Outgoing {
        method: "POST".to_owned(),
        url: "https://h.example/w".to_owned(),
        headers: headers(head),
        body: body.to_vec(),
    };
    // An error is an outcome.
    let _ = step::apply(&steps, &before, &Context::default());
}

/// A content type; a body.
pub fn content(data: &[u8]) {
    let [content_type, body] = parts(data);
    let _ = Format::of(&text(content_type)).read(body);
}

/// A key; id; timestamp; signatures; a body.
pub fn signature(data: &[u8]) {
    let [key, id, timestamp, signatures, body] = parts(data);
    let (id, timestamp, signatures) = (text(id), text(timestamp), text(signatures));
    let key = text(key);
    if let Ok(key) = SigningKey::parse(&key)
        && !id.contains('.')
    {
        assert_eq!(SigningKey::parse(&key.text()).as_ref(), Ok(&key));
        let signed = signature::sign([&key], &id, NOW.seconds(), body);
        let seconds = NOW.seconds().to_string();
        let headers = SignedHeaders { id: &id, timestamp: &seconds, signature: &signed };
        let verified = signature::verify(&key.verifying(), headers, body, NOW);
        assert!(verified.is_ok() || id.is_empty(), "{verified:?}");
    }
    let Ok(key) = VerifyingKey::parse(&key) else { return };
    let headers = SignedHeaders::find(|name| match name {
        "webhook-id" | "svix-id" => Some(id.as_ref()),
        "webhook-timestamp" | "svix-timestamp" => Some(timestamp.as_ref()),
        _ => Some(signatures.as_ref()),
    });
    if let Ok(headers) = headers {
        let _ = signature::verify(&key, headers, body, NOW);
    }
}

/// Which provider; a secret; method and what stands behind the URL; headers; a body.
pub fn provider(data: &[u8]) {
    let Some((number, rest)) = data.split_first() else { return };
    let rows = provider::known();
    let row = &rows[usize::from(*number) % rows.len()];
    let [secret, line, head, body] = parts(rest);
    let (secret, line, headers) = (text(secret), text(line), headers(head));
    let (method, query) = line.split_once(' ').unwrap_or(("POST", ""));
    let url = format!("https://relay.example.com/in/abc{query}");
    let request = Request { method, url: &url, headers: &headers, body };
    let secrets = [secret.as_ref()];
    let fetched = Fetched::default();
    let verified = provider::verify_with(row, &secrets, &fetched, &request, NOW);
    if verified.is_err() {
        provider::explain(row, &secrets, &request, NOW);
    }
    request.ids(&row.event_id);
    request.first_of(&row.event_type);
    let setup = Setup {
        secrets: &secrets,
        verify_token: Some("agreed"),
        public_key: Some("public"),
        set_up_mode: number % 2 == 0,
        cloud_events: true,
        fetched,
    };
    provider::handshake(row, &setup, &request, NOW);
}
