//! What is tried on what is stored, and what the Svix libraries are shown.

use serde_json::{Value, json};

use super::{SECRET, push, shop, source, verdicts};
use crate::support::server::OPERATOR_KEY;

#[test]
fn what_is_stored_is_tried_again() {
    let (relay, path) = shop(json!({}));
    for (delivery, body) in [("1", r#"{"n":1}"#), ("2", r#"{"n":1}"#), ("3", r#"{"n":3}"#)] {
        push(&relay, &path, SECRET, delivery, body).expect(200);
    }
    let tried = relay.post("/source/shop/dry-run", json!({"dedup": ["body.n"]})).expect(200).json;
    assert_eq!((&tried["accepted"], &tried["duplicates"]), (&json!(2), &json!(1)));
    assert_eq!(tried["data"][1]["duplicateOf"], tried["data"][0]["requestId"]);
    let dry = "/app/acme/endpoint/books/dry-run";
    let filter = json!({"filter": {"body": {"n": {"$gt": 2}}}});
    let tried = relay.post(dry, filter).expect(200).json;
    assert_eq!((&tried["sent"], &tried["notMatched"]), (&json!(1), &json!(2)));
    let reason = tried["data"][1]["reason"].as_str().unwrap();
    assert!(reason.contains("body.n is 1, wanted $gt 2"), "{reason}");
    let code = "function handler(w) { if (w.payload.n > 2) throw new Error('big'); \
                w.cancel = w.payload.n == 1; return w }";
    let tried = relay.post(dry, json!({"code": code})).expect(200).json;
    assert_eq!((&tried["failed"], &tried["dropped"]), (&json!(1), &json!(2)));
    let steps = json!({"steps": [{"pick": "n"}], "limit": 1});
    let tried = relay.post(dry, steps).expect(200).json;
    assert_eq!(tried["data"][0]["request"]["payload"], "3");
    assert_eq!(verdicts(&relay), ["accepted", "accepted", "accepted"], "nothing was changed");
}

/// A type that the Svix libraries don't know would break their whole list.
#[test]
fn libraries_are_shown_what_they_read() {
    let (relay, _) = shop(json!({}));
    source(&relay, "phone", json!({"type": "twilio"}));
    let asked = |path: &str| {
        let key = format!("Bearer {OPERATOR_KEY}");
        let list = relay.provide("GET", path, &[("authorization", &key)], "").expect(200).json;
        let types = list["data"].as_array().unwrap().iter().map(|one| one["type"].clone());
        types.collect::<Vec<Value>>()
    };
    assert_eq!(asked("/ingest/api/v1/source?order=ascending"), ["github", "generic-webhook"]);
    assert_eq!(asked("/api/v1/source?order=ascending"), ["github", "twilio"]);
    // What stands in for a type that they can't read takes no verification away.
    let key = format!("Bearer {OPERATOR_KEY}");
    let headers = [("authorization", key.as_str()), ("content-type", "application/json")];
    let patch = json!({"name": "Renamed"}).to_string();
    relay.provide("PATCH", "/ingest/api/v1/source/phone", &headers, &patch).expect(200);
    let put = json!({
        "name": "Again", "uid": "phone", "type": "generic-webhook", "application": "acme",
    })
    .to_string();
    relay.provide("PUT", "/ingest/api/v1/source/phone", &headers, &put).expect(200);
    let phone = relay.get("/source/phone").expect(200);
    assert_eq!((phone.text("name"), phone.text("type")), ("Again", "twilio"));
    // One of a name that there is none of is made.
    let body = json!({
        "name": "Clerk", "type": "clerk", "config": {"secret": "whsec_c2VjcmV0"},
        "application": "acme",
    });
    let made = relay.put("/source/clerk", body.clone()).expect(201);
    assert_eq!((made.text("uid"), made.text("type")), ("clerk", "svix"));
    assert_eq!(relay.put("/source/clerk", body).expect(200).text("id"), made.text("id"));
}

/// CloudEvents as they come: in headers, as one document, as a list of them.
#[test]
fn cloud_events_are_events() {
    let (relay, _) = shop(json!({}));
    let path = source(&relay, "events", json!({"type": "cloudevents"}));
    let binary = [
        ("ce-id", "1"),
        ("ce-source", "/orders"),
        ("ce-type", "order.paid"),
        ("ce-specversion", "1.0"),
        ("content-type", "application/json"),
    ];
    relay.receive(&path, &binary, "{}").expect(200);
    relay.receive(&path, &binary, "{ }").expect(200);
    let mut event = json!({"source": "/orders", "type": "order.sent", "specversion": "1.0"});
    let mut one = |id: &str| {
        event["id"] = json!(id);
        event.clone()
    };
    let structured = [("content-type", "application/cloudevents+json")];
    relay.receive(&path, &structured, &one("2").to_string()).expect(200);
    let batch = [("content-type", "application/cloudevents-batch+json")];
    relay.receive(&path, &batch, &json!([one("2"), one("3")]).to_string()).expect(200);
    relay.receive(&path, &batch, &json!([one("3"), one("2")]).to_string()).expect(200);
    let listed = relay.get("/source/events/request?order=ascending").expect(200).json;
    let told = |field: &str| {
        let all = listed["data"].as_array().unwrap().iter();
        all.map(|one| one[field].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // A batch with an event that is new is new.
    assert_eq!(told("verdict"), ["accepted", "duplicate", "accepted", "accepted", "duplicate"]);
    assert_eq!(told("eventType")[1..4], ["order.paid", "order.sent", "order.sent"]);
}
