//! Operational webhooks: what the operator is told of, and that it costs nothing when nobody is.

use std::time::Duration;

use relay::domain::delivery::DeadReason;
use relay::domain::operational::HIDDEN;
use relay::store::{Notice, Ready, Verdict};
use serde_json::{Value, json};

use crate::api_refusals::token;
use crate::support::acme::{acme, dead, endpoint, next_ready, send, settle};
use crate::support::server::Relay;

const PATH: &str = "/operational-webhook/endpoint";

fn listener(relay: &Relay, uid: &str, event_types: Value) {
    let body = json!({"url": "https://ops.example/w", "uid": uid, "eventTypes": event_types});
    relay.post(PATH, body).expect(201);
}

fn accepted(relay: &Relay) -> u64 {
    relay.state.store.figures().accepted
}

/// What the next message tells.
fn told(relay: &Relay) -> (Value, Ready) {
    let ready = next_ready(relay);
    let body = relay.state.store.body(&ready.message.body).unwrap();
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["type"], ready.message.message.event_type.as_str());
    (told, ready)
}

fn id(relay: &Relay, path: &str) -> String {
    relay.get(path).expect(200).text("id").to_owned()
}

#[test]
fn changes_of_endpoints_are_told() {
    let relay = acme();
    relay.patch("/app/acme/endpoint/books", json!({"description": "a"})).expect(200);
    assert_eq!(accepted(&relay), 0, "nobody is there to be told");
    listener(&relay, "ops", Value::Null);
    listener(&relay, "deleted-only", json!(["endpoint.deleted"]));
    let app = id(&relay, "/app/acme");
    endpoint(&relay, "late");
    let late = id(&relay, "/app/acme/endpoint/late");
    let (first, ready) = told(&relay);
    let data = json!({
        "appId": app, "appUid": "acme", "endpointId": late, "endpointUid": "late",
    });
    assert_eq!(first, json!({"type": "endpoint.created", "data": data}));
    assert_eq!(ready.endpoint, ready.message.message.endpoints[0], "one of the two wants it");
    assert_eq!(accepted(&relay), 1);
    let same = relay.get("/app/acme/endpoint/late").json;
    let same = json!({"url": same["url"], "uid": "late"});
    relay.put("/app/acme/endpoint/late", same).expect(200);
    assert_eq!(accepted(&relay), 1, "nothing was changed");
    relay.patch("/app/acme/endpoint/late", json!({"disabled": true})).expect(200);
    assert_eq!(told(&relay).0["type"], "endpoint.updated");
    let disabled = told(&relay).0;
    assert_eq!(disabled["type"], "endpoint.disabled");
    assert_eq!(disabled["data"]["failSince"], Value::Null);
    relay.patch("/app/acme/endpoint/late", json!({"uid": "books"})).expect(409);
    assert_eq!(accepted(&relay), 3, "what was refused is not told");
    relay.delete("/app/acme").expect(204);
    let deleted: Vec<_> = (0..4).map(|_| told(&relay)).collect();
    assert!(deleted.iter().all(|(told, _)| told["type"] == "endpoint.deleted"));
    assert_eq!(accepted(&relay), 5, "one message for each endpoint, to two that want it");
    // Of these endpoints themselves nobody is told.
    relay.delete(&format!("{PATH}/deleted-only")).expect(204);
    relay.put(&format!("{PATH}/ops"), json!({"url": "https://ops.example/2"})).expect(200);
    assert_eq!(accepted(&relay), 5);
    let relay = relay.restart();
    assert_eq!(relay.get(PATH).json["data"][0]["url"], "https://ops.example/2");
}

#[test]
fn what_becomes_of_deliveries_is_told() {
    let relay = acme();
    listener(&relay, "ops", json!(["message.**"]));
    send(&relay, "one", "a.b");
    let ready = next_ready(&relay);
    let later = relay.state.clock.now() + Duration::from_secs(60);
    for _ in 0..3 {
        settle(&relay, &ready, 500, Verdict::RetryAt(later));
    }
    assert_eq!(accepted(&relay), 1, "three failures are no news");
    settle(&relay, &ready, 503, Verdict::RetryAt(later));
    let (failing, event) = told(&relay);
    let data = &failing["data"];
    assert_eq!(failing["type"], "message.attempt.failing");
    assert_eq!((&data["appUid"], &data["msgEventId"]), (&"acme".into(), &"one".into()));
    assert_eq!(data["msgId"], id(&relay, "/app/acme/msg/one"));
    assert_eq!(data["endpointId"], id(&relay, "/app/acme/endpoint/books"));
    let attempts = relay.get("/app/acme/attempt/msg/one").json;
    let last = json!({
        "id": attempts["data"][0]["id"], "responseStatusCode": 503,
        "timestamp": attempts["data"][0]["timestamp"],
    });
    assert_eq!(data["lastAttempt"], last);
    settle(&relay, &ready, 500, Verdict::RetryAt(later));
    assert_eq!(accepted(&relay), 2, "it is told once");
    settle(&relay, &ready, 200, Verdict::Delivered);
    assert_eq!(told(&relay).0["type"], "message.attempt.recovered");
    send(&relay, "two", "a.b");
    dead(&relay, &next_ready(&relay));
    assert_eq!(told(&relay).0["type"], "message.attempt.exhausted");
    send(&relay, "three", "a.b");
    let expired = next_ready(&relay).delivery();
    relay.state.store.expire(expired);
    let (told, _) = told(&relay);
    assert_eq!(told["data"]["msgEventId"], "three");
    assert_eq!(told["data"]["lastAttempt"], Value::Null, "it had none");
    let before = accepted(&relay);
    settle(&relay, &event, 500, Verdict::Dead(DeadReason::Exhausted));
    assert_eq!(accepted(&relay), before, "no message about a message to the operator");
    relay.open.as_ref().unwrap().store.account().holds().then_some(()).unwrap();
}

#[test]
fn a_full_disk_drops_what_is_told_and_not_what_happened() {
    let relay = acme();
    listener(&relay, "ops", Value::Null);
    send(&relay, "one", "a.b");
    let ready = next_ready(&relay);
    let store = &relay.state.store;
    store.refuse(Some("the disk is full".to_owned()));
    dead(&relay, &ready);
    assert_eq!((store.figures().untold, accepted(&relay)), (1, 1));
    assert_eq!(crate::support::acme::status(&relay, "books", "one"), "fail");
    relay.delete("/app/acme/endpoint/books").expect(204);
    assert_eq!(told(&relay).0["type"], "endpoint.deleted", "a change is told or not made");
    store.refuse(None);
    assert_eq!(store.figures().untold, 1);
}

/// It is in no list, and nobody names it.
#[test]
fn the_hidden_application_stays_hidden() {
    let relay = acme();
    listener(&relay, "ops", Value::Null);
    endpoint(&relay, "late");
    let apps = relay.get("/app").expect(200).json;
    assert_eq!(apps["data"].as_array().unwrap().len(), 1);
    let hidden = relay.state.store.ids().text(HIDDEN);
    for path in ["", "/endpoint", "/msg", "/endpoint/ops", "/endpoint/ops/secret"] {
        relay.get(&format!("/app/{hidden}{path}")).expect(404);
    }
    let message = json!({"eventType": "a.b", "payload": {}});
    relay.post(&format!("/app/{hidden}/msg"), message).expect(404);
    relay.delete(&format!("/app/{hidden}")).expect(404);
    let headers = [("authorization", &*format!("Bearer {}", token(&hidden)))];
    relay.send("GET", &format!("/app/{hidden}/endpoint"), &headers, None).expect(403);
    relay.send("GET", PATH, &headers, None).expect(403);
    let begun = relay.send("PUT", "/stats/usage/event-types", &[], None).expect(202).json;
    let counted = crate::support::acme::finish(&relay, &begun);
    assert_eq!(counted["data"]["counts"], Value::Null, "usage is what tenants sent");
}

/// The calls of any endpoint, with the same shapes.
#[test]
fn the_calls_are_those_of_endpoints() {
    let relay = Relay::start();
    listener(&relay, "ops", json!(["endpoint.*"]));
    let path = format!("{PATH}/ops");
    let shown = relay.get(&path).expect(200);
    assert!(shown.text("id").starts_with("ep_"));
    let old = relay.get(&format!("{path}/secret")).expect(200).text("key").to_owned();
    let new = relay.post(&format!("{path}/secret/rotate"), json!({})).expect(200);
    assert!(new.text("key").starts_with("whsec_") && new.text("key") != old);
    relay.put(&format!("{path}/headers"), json!({"headers": {"X-A": "1"}})).expect(204);
    let headers = relay.get(&format!("{path}/headers")).expect(200).json;
    assert_eq!(headers, json!({"headers": {"X-A": "1"}, "sensitive": []}));
    relay.put(&format!("{PATH}/made"), json!({"url": "https://ops.example/m"})).expect(201);
    assert_eq!(relay.get(PATH).json["data"].as_array().unwrap().len(), 2);
    relay.delete(&path).expect(204);
    relay.get(&path).expect(404);
    let notices = relay.open.as_ref().unwrap();
    while !matches!(notices.notice(), Notice::EndpointDeleted(_)) {}
}
