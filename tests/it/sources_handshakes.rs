//! Handshakes over the real server: every case of `providers/handshakes.json` as the provider asks
//! it, what is taken over, and what is called back.

use std::collections::BTreeMap;

use relay::domain::source::Expiring;
use relay::store::Reference;
use serde_json::{Value, json};

use crate::support::handshake::{Case, Given, cases};
use crate::support::server::{Answer, Relay};

const TOKEN: &str = "0123456789abcdef";
const BASE: &str = "https://relay.example.com";

fn relay() -> Relay {
    let relay = Relay::with(|config| config.server.public_url = Some(BASE.parse().unwrap()));
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    relay
}

/// A source as the case has it; `None` where none like it can be made.
fn source(relay: &Relay, case: &Case) -> Option<()> {
    let Given { secrets, verify_token, public_key, set_up_mode, cloud_events, .. } = &case.setup;
    let body = json!({
        "name": "s", "uid": "s", "application": "acme", "type": case.provider, "token": TOKEN,
        "config": {"secrets": secrets, "verifyToken": verify_token}, "publicKey": public_key,
        "setUp": set_up_mode, "cloudEvents": cloud_events,
    });
    let made = relay.post("/source", body);
    (made.status == 201).then_some(())
}

fn ask(relay: &Relay, case: &Case) -> Answer {
    let path = case.url.strip_prefix(BASE).unwrap();
    let headers: Vec<(&str, &str)> =
        case.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    relay.provide(&case.method, path, &headers, &case.body)
}

fn messages(relay: &Relay) -> usize {
    relay.get("/app/acme/msg").expect(200).json["data"].as_array().unwrap().len()
}

fn newest(relay: &Relay) -> Value {
    relay.get("/source/s/request?limit=1").expect(200).json["data"][0].clone()
}

#[test]
fn every_provider_is_answered() {
    let cases = cases();
    let shared = relay();
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for case in &cases {
        // One that has fetched nothing yet.
        let fresh = (case.expected.reason == "key-wanted").then(relay);
        let relay = fresh.as_ref().unwrap_or(&shared);
        let what = format!("{} {}", case.provider, case.what);
        assert_eq!(case.now, 1_795_219_200, "{what}: the clock stands there");
        if source(relay, case).is_none() {
            assert!(case.setup.secrets.is_empty(), "{what}");
            continue;
        }
        for (url, text) in &case.setup.documents {
            relay.folder.provider.has(url, 200, text);
        }
        let expected = &case.expected;
        relay.folder.provider.has(&expected.url, 200, "");
        let before = messages(relay);
        let answer = ask(relay, case);
        match expected.kind.as_str() {
            // An event, or nothing of this provider's: judged elsewhere.
            "none" => {}
            "refuse" if expected.reason == "key-wanted" => assert_eq!(answer.status, 503, "{what}"),
            "refuse" => {
                assert_eq!(answer.status, expected.status, "{what}: {answer:?}");
                assert_eq!(newest(relay)["reason"], expected.reason, "{what}");
            }
            _ => answered(relay, case, &answer),
        }
        *asked.entry(expected.kind.clone()).or_default() += 1;
        let events = usize::from(expected.kind == "none");
        assert!(messages(relay) <= before + events, "{what}: a handshake is no event");
        relay.delete("/source/s").expect(204);
    }
    assert!(asked["answer"] > 20 && asked["adopt"] > 1 && asked["confirm"] > 0, "{asked:?}");
    assert!(asked["refuse"] > 20, "{asked:?}");
}

#[track_caller]
fn answered(relay: &Relay, case: &Case, answer: &Answer) {
    let (what, expected) = (format!("{} {}", case.provider, case.what), &case.expected);
    assert_eq!(answer.status, expected.status, "{what}: {answer:?}");
    for (name, value) in &expected.headers {
        assert_eq!(answer.header(name), Some(value.as_str()), "{what}: {name}");
    }
    let body = serde_json::from_str(&expected.body).unwrap_or_else(|_| json!(expected.body));
    let empty = expected.body.is_empty() || case.method == "HEAD";
    assert_eq!(answer.json, if empty { Value::Null } else { body }, "{what}");
    let source = relay.state.store.source(&Reference::Name("s".to_owned())).unwrap();
    match expected.kind.as_str() {
        "adopt" => {
            let kept: Vec<&str> = source.secrets.iter().map(Expiring::expose).collect();
            assert_eq!(kept, [expected.secret.as_str()], "{what}");
            let id = newest(relay)["id"].as_str().unwrap().to_owned();
            let whole = relay.get(&format!("/source/s/request/{id}")).expect(200).json.to_string();
            assert!(!whole.contains(&expected.secret), "{what}: a secret is shown");
        }
        "confirm" => {
            let called = format!("GET {}", expected.url);
            assert_eq!(relay.folder.provider.asked().last(), Some(&called), "{what}");
        }
        _ => {}
    }
    assert_eq!(newest(relay)["verdict"], "handshake", "{what}");
}

/// Who chooses a secret does so once; what is signed with it is an event from then on.
#[test]
fn a_secret_is_taken_over_once() {
    let relay = relay();
    let body = json!({
        "name": "s", "uid": "s", "application": "acme", "type": "asana", "token": TOKEN,
    });
    relay.post("/source", body).expect(201);
    let path = format!("/in/{TOKEN}");
    let answer = relay.receive(&path, &[("x-hook-secret", "chosen-by-asana")], "").expect(200);
    assert_eq!(answer.header("x-hook-secret"), Some("chosen-by-asana"));
    relay.receive(&path, &[("x-hook-secret", "chosen-by-another")], "").expect(401);
    let signature = "b7b7b4bd8a46cbb3aba4a8e6bd3a8f2e9bdd3cf0a4d1d2e3a3c7f0a2b6b0c9d1";
    relay.receive(&path, &[("x-hook-signature", signature)], r#"{"events":[]}"#).expect(401);
    assert_eq!(newest(&relay)["reason"], "mismatch");
    // It survives a restart, and is shown to nobody.
    let folder = relay.stop();
    let relay = Relay::over(folder);
    relay.receive(&path, &[("x-hook-secret", "chosen-by-another")], "").expect(401);
    assert_eq!(newest(&relay)["reason"], "settled");
    let shown = relay.get("/source/s").expect(200).json.to_string();
    assert!(!shown.contains("chosen-by-asana"), "{shown}");
}

/// Handshakes are answered while a source is paused, and by methods that bring no events.
#[test]
fn a_paused_source_answers() {
    let relay = relay();
    let body = json!({
        "name": "s", "uid": "s", "application": "acme", "type": "dropbox", "token": TOKEN,
        "config": {"secret": "s"}, "mode": "paused",
    });
    relay.post("/source", body).expect(201);
    let path = format!("/in/{TOKEN}");
    let answer = relay.provide("GET", &format!("{path}?challenge=abc"), &[], "").expect(200);
    assert_eq!(answer.json, json!("abc"));
    let answer = relay.provide("GET", &path, &[], "").expect(405);
    assert_eq!(answer.header("allow"), Some("POST"));
    let none = json!({"type": "generic-webhook", "mode": "active", "cloudEvents": true});
    relay.patch("/source/s", none).expect(200);
    let asked = [("webhook-request-origin", "events.example.com")];
    let answer = relay.provide("OPTIONS", &path, &asked, "").expect(200);
    assert_eq!(answer.header("webhook-allowed-origin"), Some("events.example.com"));
    let event = relay.receive(&path, &[("content-type", "text/plain")], "hello").expect(200);
    assert_eq!(event.json, json!({}));
    let message = relay.get("/app/acme/msg").json["data"][0].clone();
    assert_eq!(message["eventType"], "received");
}
