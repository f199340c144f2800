//! Every provider's handshakes, and attempts to get a signature out of them;
//! `providers/handshakes.py` says where each case comes from.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use relay::domain::provider::{
    self, Answer, Fetched, Handshake, Provider, Request, Scheme, Setup, handshake, known, verify,
};
use relay::domain::time::Timestamp;
use serde_json::Value;

use crate::support::handshake::{Expected, cases};

fn told(found: Option<Handshake>) -> Expected {
    let answered = |kind: &str, answer: Answer| Expected {
        kind: kind.to_owned(),
        status: answer.status,
        headers: answer.headers.into_iter().collect(),
        body: written(String::from_utf8(answer.body).unwrap()),
        ..Expected::default()
    };
    match found {
        None => Expected { kind: "none".to_owned(), ..Expected::default() },
        Some(Handshake::Answer { answer, .. }) => answered("answer", answer),
        Some(Handshake::Adopt { secret, answer, .. }) => {
            let secret = String::from_utf8(secret.expose().to_vec()).unwrap();
            Expected { secret, ..answered("adopt", answer) }
        }
        Some(Handshake::Confirm { url, answer, .. }) => {
            Expected { url, ..answered("confirm", answer) }
        }
        Some(Handshake::Refuse { status, reason, .. }) => Expected {
            kind: "refuse".to_owned(),
            status,
            reason: reason.code().to_owned(),
            ..Expected::default()
        },
    }
}

/// JSON with its fields in order.
fn written(text: String) -> String {
    match serde_json::from_str::<BTreeMap<String, Value>>(&text) {
        Ok(fields) => serde_json::to_string(&fields).unwrap(),
        Err(_) => text,
    }
}

fn find(name: &str) -> &'static Provider {
    provider::find(name).unwrap_or_else(|| panic!("no row {name}"))
}

#[test]
fn handshakes_of_every_provider() {
    let cases = cases();
    let mut answered: BTreeSet<(String, String)> = BTreeSet::new();
    for case in &cases {
        let secrets: Vec<&str> = case.setup.secrets.iter().map(String::as_str).collect();
        let documents = case.setup.documents.iter();
        let documents: Vec<_> =
            documents.map(|(url, text)| (url.as_str(), text.as_str())).collect();
        let setup = Setup {
            secrets: &secrets,
            verify_token: case.setup.verify_token.as_deref(),
            public_key: case.setup.public_key.as_deref(),
            set_up_mode: case.setup.set_up_mode,
            cloud_events: case.setup.cloud_events,
            fetched: Fetched { documents: &documents, roots: None },
        };
        let request = Request {
            method: &case.method,
            url: &case.url,
            headers: &case.headers,
            body: case.body.as_bytes(),
        };
        let now = Timestamp::from_millis(case.now * 1_000);
        let found = handshake(find(&case.provider), &setup, &request, now);
        if let Some(
            Handshake::Answer { what, .. }
            | Handshake::Adopt { what, .. }
            | Handshake::Confirm { what, .. },
        ) = &found
        {
            answered.insert((case.provider.clone(), what.clone()));
        }
        let what = format!("{}: {} ({})", case.provider, case.what, case.origin);
        assert_eq!(told(found), case.expected, "{what}");
    }
    for provider in known() {
        for row in &provider.handshakes {
            let key = (provider.name.clone(), row.what.clone());
            assert!(answered.contains(&key), "no case is answered by {key:?}");
        }
    }
}

/// The row that the documentation shows.
#[test]
fn a_row_of_ones_own() {
    let page = include_str!("../../docs/providers.md");
    let row = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let strava: Provider = toml::from_str(row).unwrap();
    let ask = |token: &str| {
        let url = format!("https://a.example/?hub.verify_token={token}&hub.challenge=15f7");
        let request = Request { method: "GET", url: &url, headers: &[], body: b"" };
        let setup = Setup { verify_token: Some("STRAVA"), ..Setup::default() };
        told(handshake(&strava, &setup, &request, Timestamp::from_millis(0)))
    };
    assert_eq!(ask("STRAVA").body, r#"{"hub.challenge":"15f7"}"#);
    assert_eq!((ask("other").status, ask("other").reason.as_str()), (401, "mismatch"));
}

const NOW: u64 = 1_795_219_200;

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// What an attacker is answered who asks as the provider does.
fn ask(provider: &str, method: &str, url: &str, body: &str) -> Option<String> {
    let setup = Setup {
        secrets: &["a secret of theirs"],
        public_key: Some("public"),
        verify_token: Some("token"),
        set_up_mode: true,
        ..Setup::default()
    };
    let request = Request { method, url, headers: &[], body: body.as_bytes() };
    match handshake(find(provider), &setup, &request, Timestamp::from_millis(NOW * 1_000))? {
        Handshake::Answer { answer, .. } => Some(String::from_utf8(answer.body).unwrap()),
        _ => None,
    }
}

/// Whether an event with this passes.
fn passes(provider: &str, headers: &[(String, String)], body: &str) -> bool {
    let url = "https://relay.example.com/in/abc";
    let request = Request { method: "POST", url, headers, body: body.as_bytes() };
    let now = Timestamp::from_millis(NOW * 1_000);
    verify(find(provider), &["a secret of theirs"], &request, now).is_ok()
}

/// Asks X's handshake to sign a body, and sends it with what was answered.
fn forge_x(body: &str) -> bool {
    let url = format!("https://relay.example.com/in/abc?crc_token={}", encoded(body));
    let Some(answer) = ask("x", "GET", &url, "") else { return false };
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let signature = answer["response_token"].as_str().unwrap();
    passes("x", &[pair("x-twitter-webhooks-signature", signature)], body)
}

/// The same of Zoom, while it is set up, when nothing but the token's form protects it.
fn forge_zoom(body: &str) -> bool {
    let tokens = [format!("v0:{NOW}:{body}"), body.to_owned()];
    tokens.into_iter().any(|token| {
        let event = "endpoint.url_validation";
        let question = serde_json::json!({ "event": event, "payload": { "plainToken": token } });
        let url = "https://relay.example.com/in/abc";
        let Some(answer) = ask("zoom", "POST", url, &question.to_string()) else { return false };
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let signature = format!("v0={}", answer["encryptedToken"].as_str().unwrap());
        let time = pair("x-zm-request-timestamp", &NOW.to_string());
        passes("zoom", &[pair("x-zm-signature", &signature), time], body)
    })
}

/// The same of Braintree.
fn forge_braintree(payload: &str) -> bool {
    let url = format!("https://relay.example.com/in/abc?bt_challenge={}", encoded(payload));
    let Some(answer) = ask("braintree", "GET", &url, "") else { return false };
    let body = format!("bt_signature={}&bt_payload={}", encoded(&answer), encoded(payload));
    passes("braintree", &[pair("content-type", "application/x-www-form-urlencoded")], &body)
}

#[test]
fn no_handshake_signs_an_event() {
    let hex = "20f9f8ed05f77439fe955c977e4c8a53";
    // What is answered, is; it only never passes for an event.
    assert!(ask("x", "GET", "https://relay.example.com/in/abc?crc_token=abc", "").is_some());
    let url = format!("https://relay.example.com/in/abc?bt_challenge={hex}");
    assert!(ask("braintree", "GET", &url, "").is_some());
    let bodies = ["{}", "{\"a\":1}", "[]", "1", "12345", "true", "null", "\"a\"", "a=b", "a", ""];
    let long = "1".repeat(128);
    let wrapped = format!("{hex}\n");
    let spaced = format!(" {hex}");
    for body in bodies.into_iter().chain([hex, &long, &wrapped, &spaced, "abc==", "PD94bWwgYQ=="]) {
        assert!(!forge_x(body), "X: {body:?}");
        assert!(!forge_zoom(body), "Zoom: {body:?}");
        assert!(!forge_braintree(body), "Braintree: {body:?}");
    }
}

proptest! {
    /// Whatever comes: it is answered or refused, and never verified or adopted.
    #[test]
    fn anything_may_come(
        method in "GET|HEAD|POST|OPTIONS",
        query in "[a-z_.&=%0-9{}]{0,60}",
        name in "[a-z-]{1,20}",
        values in prop::collection::vec("[ -~é]{0,80}", 1..4),
        body in prop::collection::vec(any::<u8>(), 0..200),
        json in "[{}\\[\\]\":,a-z0-9.]{0,80}",
    ) {
        let url = format!("https://relay.example.com/in/abc?{query}");
        for provider in known().iter().filter(|known| known.scheme != Scheme::None) {
            let own = provider.signature.header.clone().unwrap_or_else(|| name.clone());
            let mut headers: Vec<_> = values.iter().map(|value| pair(&own, value)).collect();
            headers.truncate(1 + usize::from(query.len() % 5 == 0));
            headers.push(pair(&name, &values[0]));
            for body in [body.as_slice(), json.as_bytes()] {
                let request = Request { method: &method, url: &url, headers: &headers, body };
                let setup = Setup { secrets: &["00"], ..Setup::default() };
                let now = Timestamp::from_millis(NOW * 1_000);
                let found = handshake(provider, &setup, &request, now);
                let adopted = matches!(&found, Some(Handshake::Adopt { .. }));
                prop_assert!(!adopted, "{}", provider.name);
                prop_assert!(verify(provider, setup.secrets, &request, now).is_err());
            }
        }
    }

    #[test]
    fn no_handshake_signs_any_event(
        body in "[ -~]{0,140}|[0-9a-f]{18,42}\n?|[A-Za-z0-9+/=]{1,130}"
    ) {
        prop_assert!(!forge_x(&body) && !forge_zoom(&body) && !forge_braintree(&body));
    }
}
