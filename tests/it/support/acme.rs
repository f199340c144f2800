//! A relay with the application `acme` and its endpoint `books`, and what is done with it.

use relay::domain::delivery::{AttemptContent, DeadReason, Outcome, Trigger};
use relay::domain::id::TaskId;
use relay::store::{Notice, Ready, Settlement, Verdict};
use serde_json::{Value, json};

use super::server::Relay;

const STEPS: usize = 100;

pub fn acme() -> Relay {
    let relay = Relay::start();
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    endpoint(&relay, "books");
    relay
}

pub fn endpoint(relay: &Relay, uid: &str) {
    let body = json!({"url": "https://h.example/w", "uid": uid});
    relay.post("/app/acme/endpoint", body).expect(201);
}

pub fn send(relay: &Relay, event_id: &str, event_type: &str) {
    let body = json!({"eventType": event_type, "eventId": event_id, "payload": {"id": event_id}});
    relay.post("/app/acme/msg", body).expect(202);
}

pub fn next_ready(relay: &Relay) -> Ready {
    loop {
        if let Notice::Ready(ready) = relay.open.as_ref().unwrap().notice() {
            return ready;
        }
    }
}

pub fn settle(relay: &Relay, ready: &Ready, status_code: u16, verdict: Verdict) {
    relay.state.store.settle(Settlement {
        delivery: ready.delivery(),
        due: ready.due,
        first_due: ready.message.message.first_due(),
        trigger: Trigger::Scheduled,
        started_at: ready.due,
        duration_ms: 12,
        status_code,
        outcome: if status_code == 200 { Outcome::Delivered } else { Outcome::Status },
        verdict,
        content: AttemptContent {
            url: "https://h.example/w".to_owned(),
            request_headers: [
                ("webhook-id", "msg_1"),
                ("authorization", "(redacted)"),
                ("x-own", "theirs"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
            response_body: b"the receiver's own secret".to_vec(),
            ..AttemptContent::default()
        },
    });
    while !matches!(relay.open.as_ref().unwrap().notice(), Notice::Settled { .. }) {}
}

pub fn dead(relay: &Relay, ready: &Ready) {
    settle(relay, ready, 500, Verdict::Dead(DeadReason::Exhausted));
}

/// Lets the task go on to its end, as the engine does; gives what the API then shows of it.
pub fn finish(relay: &Relay, begun: &Value) -> Value {
    let text = begun["id"].as_str().unwrap();
    let store = &relay.state.store;
    let id: TaskId = store.ids().parse(text).unwrap();
    for _ in 0..STEPS {
        if !store.advance_task(id).unwrap() {
            let shown = relay.get(&format!("/background-task/{text}")).expect(200).json;
            assert_eq!(shown["status"], "finished", "{shown}");
            return shown;
        }
    }
    panic!("{text} has no end");
}

pub fn status(relay: &Relay, endpoint: &str, event_id: &str) -> Value {
    let listed = relay.get(&format!("/app/acme/endpoint/{endpoint}/msg")).expect(200).json;
    let found = listed["data"].as_array().unwrap().iter().find(|item| item["eventId"] == event_id);
    found.map_or(Value::Null, |item| item["statusText"].clone())
}

pub fn stats(relay: &Relay, endpoint: &str) -> [u64; 4] {
    let counted = relay.get(&format!("/app/acme/endpoint/{endpoint}/stats")).expect(200).json;
    ["success", "pending", "fail", "canceled"].map(|name| counted[name].as_u64().unwrap())
}
