//! Messages and the schemas of their event types, as `intake.schemas` has it.

use relay::config::SchemaCheck;
use serde_json::{Value, json};

use crate::support::server::{Answer, Relay};

/// A relay with an application and an event type of two versions.
fn start(mode: SchemaCheck) -> Relay {
    let relay = Relay::with(|config| config.intake.schemas = mode);
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let newest = json!({
        "type": "object", "required": ["id"],
        "properties": {"id": {"type": "integer"}, "lines": {"items": {"type": "string"}}},
    });
    let body = json!({"name": "a.b", "description": "", "schemas": {"1": {}, "2": newest}});
    relay.post("/event-type", body).expect(201);
    relay
}

fn send(relay: &Relay, payload: Value) -> Answer {
    relay.post("/app/acme/msg", json!({"eventType": "a.b", "payload": payload}))
}

fn counted(relay: &Relay, answer: &str) -> bool {
    let line = format!("relay_schema_faults_total{{answer=\"{answer}\"}} 1\n");
    relay.state.metrics.text().contains(&line)
}

#[test]
fn off_checks_nothing() {
    let relay = start(SchemaCheck::Off);
    send(&relay, json!({"id": "x"})).expect(202);
    assert!(!counted(&relay, "accepted") && !counted(&relay, "refused"));
}

#[test]
fn warn_accepts_and_counts() {
    let relay = start(SchemaCheck::Warn);
    send(&relay, json!({"id": 1})).expect(202);
    assert!(!counted(&relay, "accepted"));
    send(&relay, json!({"id": "x"})).expect(202);
    assert!(counted(&relay, "accepted") && !counted(&relay, "refused"));
}

#[test]
fn reject_says_where() {
    let relay = start(SchemaCheck::Reject);
    send(&relay, json!({"id": 1, "lines": ["x"]})).expect(202);
    assert_eq!(send(&relay, json!({"id": "x"})).problem(), "body.payload.id");
    assert!(counted(&relay, "refused"));
    assert_eq!(send(&relay, json!({"id": 1, "lines": ["x", 2]})).problem(), "body.payload.lines.1");
    let missing = send(&relay, json!({}));
    assert!(missing.json["detail"][0]["msg"].as_str().unwrap().contains("\"id\""));
    assert_eq!(missing.problem(), "body.payload");
    let list = relay.get("/app/acme/msg");
    assert_eq!(list.json["data"].as_array().unwrap().len(), 1, "what is refused is not kept");
    let raw = |text: &str, kind: &str| {
        let params = json!({"rawPayload": text, "headers": {"content-type": kind}});
        let body = json!({"eventType": "a.b", "payload": {}, "transformationsParams": params});
        relay.post("/app/acme/msg", body)
    };
    let place = "body.transformationsParams.rawPayload";
    assert_eq!(raw("{", "application/json").problem(), place);
    assert_eq!(raw(r#"{"id":"x"}"#, "application/json").problem(), format!("{place}.id"));
    raw("id=1", "text/plain").expect(202);
    let other = json!({"eventType": "of.nobody", "payload": {"id": "x"}});
    relay.post("/app/acme/msg", other).expect(202);
    relay.patch("/event-type/a.b", json!({"schemas": {"10": {}, "9": {"not": {}}}})).expect(200);
    send(&relay, json!({"id": "x"})).expect(202);
    relay.patch("/event-type/a.b", json!({"schemas": null})).expect(200);
    send(&relay, json!({"id": "x"})).expect(202);
}

#[test]
fn schemas_that_are_none_are_refused_whatever_is_checked() {
    let relay = start(SchemaCheck::Off);
    let wrong = json!({"1": {}, "2": {"properties": {"a": {"type": "strin"}}}});
    let body = json!({"name": "c", "description": "", "schemas": wrong});
    let place = "body.schemas.2.properties.a.type";
    assert_eq!(relay.post("/event-type", body.clone()).problem(), place);
    relay.get("/event-type/c").expect(404);
    assert_eq!(relay.put("/event-type/c", body).problem(), place);
    assert_eq!(relay.patch("/event-type/a.b", json!({"schemas": wrong})).problem(), place);
    let elsewhere = json!({"schemas": {"1": {"$ref": "https://h.example/s.json"}}});
    let answer = relay.patch("/event-type/a.b", elsewhere);
    assert!(answer.json["detail"][0]["msg"].as_str().unwrap().contains("never fetched"));
    assert_eq!(answer.problem(), "body.schemas.1");
    let round = json!({"schemas": {"1": {"$ref": "#"}}});
    assert_eq!(relay.patch("/event-type/a.b", round).problem(), "body.schemas.1");
}
