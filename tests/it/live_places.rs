//! Where listeners go on, over restarts and until nobody has used them for a month; and sources
//! that are there for a while only.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::acme::{acme, send};
use crate::support::server::Relay;

#[test]
fn where_listeners_go_on() {
    let relay = acme();
    relay.get("/listener/laptop").expect(404);
    send(&relay, "1", "a.b");
    let id = relay.get("/app/acme/msg/1").text("id").to_owned();
    let put = |path: &str, position: &str| relay.put(path, json!({"position": position}));
    put("/listener/laptop", &id).expect(200);
    put("/app/acme/listener/laptop", "2026-11-21T00:00:00Z").expect(200);
    assert_eq!(relay.get("/listener/laptop").text("position"), id);
    assert_ne!(relay.get("/app/acme/listener/laptop").text("position"), id);
    assert_eq!(relay.get("/listener").json["data"].as_array().unwrap().len(), 1);
    assert_eq!(put("/listener/laptop", "soon").problem(), "body.position");
    let relay = relay.restart();
    assert_eq!(relay.get("/listener/laptop").text("position"), id, "over a restart");
    for number in 1..50 {
        relay.put(&format!("/app/acme/listener/l{number}"), json!({"position": id})).expect(200);
    }
    let refused = relay.put("/app/acme/listener/one-more", json!({"position": id})).expect(400);
    assert_eq!(refused.text("code"), "limit_reached");
    relay.delete("/app/acme/listener/l1").expect(204);
    relay.put("/app/acme/listener/one-more", json!({"position": id})).expect(200);
    relay.folder.clock.advance(Duration::from_secs(20 * 86_400));
    relay.put("/listener/busy", json!({"position": id})).expect(200);
    relay.folder.clock.advance(Duration::from_secs(11 * 86_400));
    while relay.state.store.sweep_listeners().unwrap() {}
    relay.get("/listener/laptop").expect(404);
    relay.get("/app/acme/listener/one-more").expect(404);
    relay.get("/listener/busy").expect(200);
}

#[test]
fn sources_that_end() {
    let relay = Relay::start();
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let make = |uid: &str, end: Value| {
        let body = json!({
            "name": uid, "uid": uid, "type": "generic-webhook", "application": "acme",
            "expiresAt": end,
        });
        relay.post("/source", body)
    };
    assert_eq!(make("never", json!("soon")).problem(), "body.expiresAt");
    let end = (relay.state.store.now() + Duration::from_secs(3_600)).to_string();
    assert_eq!(make("brief", json!(end)).expect(201).text("expiresAt"), end);
    assert!(make("lasting", Value::Null).expect(201).json["expiresAt"].is_null());
    relay.patch("/source/brief", json!({"name": "renamed"})).expect(200);
    let relay = relay.restart();
    assert_eq!(relay.get("/source/brief").text("expiresAt"), end, "over a change and a restart");
    assert!(!relay.state.store.sweep_sources().unwrap());
    relay.get("/source/brief").expect(200);
    relay.folder.clock.advance(Duration::from_secs(3_601));
    while relay.state.store.sweep_sources().unwrap() {}
    relay.get("/source/brief").expect(404);
    relay.get("/source/lasting").expect(200);
}
