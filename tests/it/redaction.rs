//! What `[redact]` names is in no answer of the API but what is polled, and is sent as it came.

use relay::config::{Config, OtherBodies};
use relay::domain::delivery::{AttemptContent, Outcome};
use relay::domain::redact::JsonPath;
use serde_json::{Value, json};

use crate::support::document::Document;
use crate::support::server::{PUBLIC_URL, Relay};
use crate::support::walk::{Seed, attempted};

/// Stands wherever a stranger can put it.
const CARD: &str = "4111222233334444";
const REDACTED: &str = "(redacted)";
/// Who polls is who it was sent to.
const POLLED: [&str; 2] = ["/poller/", "/polling-endpoint/"];

fn configured(hide: bool) -> impl FnOnce(&mut Config) {
    move |config| {
        let path = |text: &str| JsonPath::try_from(text.to_owned()).unwrap();
        config.redact.headers = vec!["X-Card".to_owned()];
        config.redact.json_paths =
            ["$.card.number", "$..ssn", "$.items[*].iban"].map(path).to_vec();
        config.redact.other_bodies = if hide { OtherBodies::Hide } else { OtherBodies::Show };
    }
}

/// JSON with it in every place that is named.
fn json() -> Value {
    json!({
        "card": {"number": CARD, "name": "Ada"}, "deep": [{"ssn": {"text": CARD}}],
        "items": [{"iban": CARD}, {"iban": CARD, "n": 1}], "plain": "seen",
    })
}

/// Text that no path looks into.
fn text() -> String {
    format!("card={CARD}")
}

struct Planted {
    relay: Relay,
    seeds: Vec<Seed>,
}

/// Messages, attempts and requests to sources with it in them; with `others` in text as well.
fn plant(hide: bool, others: bool) -> Planted {
    let relay = Relay::with(configured(hide));
    let first = Seed::plant(&relay, "acme");
    let app = first.app_id().to_owned();
    let filter = json!({"body": {"card": {"number": "1"}}});
    let filtered = json!({"url": "https://h.example/", "filter": filter});
    relay.post(&format!("/app/{app}/endpoint"), filtered).expect(201);
    let own = first.path("/app/{app_id}/endpoint/{endpoint_id}/headers");
    relay.patch(&own, json!({"headers": {"X-CARD": CARD}})).expect(204);
    let messages = format!("/app/{app}/msg");
    let mut bodies = vec![json!({"eventType": "a.b", "payload": json()})];
    if others {
        let raw = json!({"rawPayload": text(), "headers": {"content-type": "text/plain"}});
        bodies.push(json!({"eventType": "a.b", "payload": {}, "transformationsParams": raw}));
    }
    let cut = &json().to_string()[..60];
    let mut answers = vec![(200, json().to_string()), (500, cut.to_owned())];
    if others {
        answers.extend([(200, text()), (0, text())]);
    }
    let mut seeds = vec![first];
    for (index, (status, answer)) in answers.into_iter().enumerate() {
        let sent = relay.post(&messages, bodies[index % bodies.len()].clone()).expect(202);
        let hidden = hide || !others;
        assert!(!hidden || !sent.json.to_string().contains(CARD), "{}", sent.json);
        let message = sent.text("id").to_owned();
        let outcome = if status == 0 { Outcome::Transform } else { Outcome::Status };
        let content = AttemptContent {
            url: "https://h.example/".to_owned(),
            request_headers: vec![("X-card".to_owned(), CARD.to_owned())],
            response_headers: vec![("x-card".to_owned(), CARD.to_owned())],
            response_body: answer.into_bytes(),
            console: others.then(text).into_iter().collect(),
        };
        let attempt = attempted(&relay, &app, &message, (status, outcome), content);
        seeds.push(seeds[0].clone().with("msg_id", &message).with("attempt_id", &attempt));
    }
    for seed in requests(&relay, &seeds[0], others) {
        seeds.push(seed);
    }
    Planted { relay, seeds }
}

/// One that is refused and one that is taken, of two sources.
fn requests(relay: &Relay, seed: &Seed, others: bool) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (kind, status) in [("github", 401), ("none", 200)] {
        let source = json!({
            "name": kind, "type": kind, "application": seed.app_id(),
            "config": if kind == "github" { json!({"secret": "hush"}) } else { json!({}) },
        });
        let source = relay.post("/source", source).expect(201);
        let url = source.text("ingestUrl").strip_prefix(PUBLIC_URL).unwrap().to_owned();
        let url = if others { format!("{url}?{}", text()) } else { url };
        let bodies = [json().to_string(), text()];
        for body in bodies.iter().take(if others { 2 } else { 1 }) {
            let headers = [("x-card", CARD), ("content-type", "application/json")];
            let answer = relay.receive(&url, &headers, body);
            assert_eq!(answer.status, status, "{answer:?}");
        }
        let source = source.text("id").to_owned();
        let listed = relay.get(&format!("/source/{source}/request")).expect(200).json;
        for request in listed["data"].as_array().unwrap() {
            let named = seed.clone().with("source_id", &source);
            seeds.push(named.with("request_id", request["id"].as_str().unwrap()));
        }
    }
    seeds
}

/// Every GET of the document, for everything that was planted: path and answer.
fn walk(planted: &Planted) -> Vec<(String, Value)> {
    let document = Document::read();
    let mut found = Vec::new();
    for operation in document.operations() {
        if operation.method != "GET" || !operation.path.starts_with("/api/v1") {
            continue;
        }
        for seed in &planted.seeds {
            let path = seed.path(operation.path);
            let lists = operation.path.contains("/attempt/");
            let path = if lists { format!("{path}?with_msg=true") } else { path };
            let answer = planted.relay.call("GET", &path, &[], None);
            assert!(answer.status < 300 || answer.status == 404, "{path}: {answer:?}");
            found.push((path, answer.json));
        }
    }
    assert!(found.len() > 100, "{} answers", found.len());
    found
}

#[track_caller]
fn nowhere_but_polled(planted: &Planted) {
    let (mut polled, mut redacted) = (0, 0);
    for (path, answer) in walk(planted) {
        let text = answer.to_string();
        if POLLED.iter().any(|part| path.contains(part)) {
            polled += usize::from(text.contains(CARD));
            assert!(!text.contains(REDACTED), "{path}: {answer}");
        } else {
            assert!(!text.contains(CARD), "{path}: {answer:#}");
            redacted += usize::from(text.contains(REDACTED));
        }
    }
    assert!(polled > 0, "who polls gets the true bytes");
    assert!(redacted > 10, "{redacted} answers hide anything");
}

#[test]
fn what_is_named_is_in_no_answer() {
    nowhere_but_polled(&plant(false, false));
}

#[test]
fn nor_is_anything_in_text_that_is_hidden() {
    nowhere_but_polled(&plant(true, true));
}

#[test]
fn text_is_shown_unless_it_is_hidden() {
    let planted = plant(false, true);
    let shown = walk(&planted);
    let with = |part: &str| shown.iter().any(|(_, answer)| answer.to_string().contains(part));
    assert!(with(&format!("\"rawPayload\":\"{}\"", text())) && with("\"plain\":\"seen\""));
}

#[test]
fn an_endpoint_is_exported_without_it_unless_with_secrets() {
    let Planted { relay, seeds } = plant(false, false);
    let exported = |query: &str| {
        let answer = relay.post(&format!("/environment/export{query}"), json!({})).expect(200);
        answer.json.to_string()
    };
    let shown = relay.get(&seeds[0].path("/app/{app_id}/endpoint/{endpoint_id}/headers"));
    let sensitive = shown.expect(200).json["sensitive"].clone();
    assert!(sensitive.as_array().unwrap().contains(&json!("X-CARD")), "{sensitive}");
    assert!(exported("").contains("\"X-CARD\"") && !exported("").contains(CARD));
    assert!(exported("?with_secrets=true").contains(CARD));
}

#[test]
fn what_is_tried_is_tried_on_what_is_shown() {
    let planted = plant(true, true);
    let (relay, seed) = (&planted.relay, &planted.seeds[0]);
    let code = "function handler(w) { console.log(JSON.stringify(w.payload)); \
                w.payload = {n: w.payload.card?.number ?? 'none'}; return w }";
    let path = seed.path("/api/v1/app/{app_id}/endpoint/{endpoint_id}/dry-run");
    let filter = json!({"body": {"card": {"number": "2"}}});
    for body in [json!({"code": code}), json!({}), json!({"filter": filter})] {
        let tried = relay.call("POST", &path, &[], Some(&body.to_string())).expect(200).json;
        let text = tried.to_string();
        assert!(!text.contains(CARD) && text.contains(REDACTED), "{tried:#}");
    }
}

#[test]
fn a_schema_says_nothing_of_what_it_refuses() {
    let relay = Relay::with(|config| {
        configured(false)(config);
        config.intake.schemas = relay::config::SchemaCheck::Reject;
    });
    relay.post("/app", json!({"name": "a", "uid": "acme"})).expect(201);
    let number = json!({"properties": {"number": {"type": "integer"}}});
    let schema = json!({"properties": {"card": number, "plain": {"type": "integer"}}});
    let event_type = json!({"description": "", "schemas": {"1": schema}});
    relay.put("/event-type/a.b", event_type).expect(201);
    let paths = json!({"eventType": "a.b", "payload": {"card": {"number": CARD}, "plain": 1}});
    let refused = relay.post("/app/acme/msg", paths).expect(422).json;
    assert!(!refused.to_string().contains(CARD), "{refused}");
    assert!(refused.to_string().contains("(redact)"), "{refused}");
}

#[test]
fn nothing_changes_where_nothing_is_configured() {
    let relay = Relay::start();
    let app = relay.post("/app", json!({"name": "a"})).expect(201).text("id").to_owned();
    let sent = relay.post(&format!("/app/{app}/msg"), json!({"eventType": "a", "payload": json()}));
    assert_eq!(sent.expect(202).json["payload"], json());
}
