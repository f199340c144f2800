//! Something of everything the API has, so that tests can walk every call of the document.

use std::collections::BTreeMap;

use relay::domain::delivery::{AttemptContent, DeliveryId, Outcome, Trigger};
use relay::store::{Notice, Ready, Settlement, Verdict};
use serde_json::{Value, json};

use super::document::{Document, Operation};
use super::server::{Answer, PUBLIC_URL, Relay};

/// Stands in everything of a seeded application that only its owner may read.
pub const PRIVATE: &str = "nobody-else";

/// A source of the application, and a request that it refused.
fn source(relay: &Relay, app_id: &str) -> (String, String) {
    let config = json!({"secret": PRIVATE});
    let source =
        json!({"name": PRIVATE, "type": "github", "application": app_id, "config": config});
    let source = relay.post("/source", source).expect(201);
    let url = source.text("ingestUrl");
    relay.receive(url.strip_prefix(PUBLIC_URL).unwrap(), &[], "{}").expect(401);
    let source = source.text("id").to_owned();
    let requests = relay.get(&format!("/source/{source}/request")).expect(200).json;
    (source, requests["data"][0]["id"].as_str().unwrap().to_owned())
}

/// What the braces of the document's paths stand for: an application and all it has.
#[derive(Clone)]
pub struct Seed {
    names: BTreeMap<&'static str, String>,
}

impl Seed {
    /// Makes an application with the uid `{uid}` and one of everything. A path of the document with
    /// another name in braces needs one more here.
    pub fn plant(relay: &Relay, uid: &str) -> Seed {
        let name = format!("{PRIVATE} {uid}");
        let app = relay.post("/app", json!({"name": name, "uid": uid})).expect(201);
        let app_id = app.text("id").to_owned();
        let url = format!("https://{PRIVATE}.example/{uid}");
        let endpoint =
            json!({"url": url, "headers": {"x-own": PRIVATE}, "metadata": {"k": PRIVATE}});
        let endpoint = relay.post(&format!("/app/{app_id}/endpoint"), endpoint).expect(201);
        let message = json!({"eventType": "invoice.paid", "payload": {"a": PRIVATE}});
        let message = relay.post(&format!("/app/{app_id}/msg"), message).expect(202);
        let schemas = json!({"1": {"examples": [{"example": true}]}});
        let event_type = json!({"description": "", "schemas": schemas});
        relay.put("/event-type/invoice.paid", event_type);
        let recover = format!("/app/{app_id}/endpoint/{}/recover", endpoint.text("id"));
        let task = relay.post(&recover, json!({"since": "2026-11-20T00:00:00Z"})).expect(202);
        let (key_id, session_id) = key(relay);
        let link_id = link(relay);
        let told = json!({"url": format!("https://{PRIVATE}.example/told")});
        let told = relay.post("/operational-webhook/endpoint", told).expect(201);
        let (source, request) = source(relay, &app_id);
        for owner in ["", &format!("/app/{app_id}")] {
            let begins = json!({"position": "2026-11-20T00:00:00Z"});
            relay.put(&format!("{owner}/listener/laptop"), begins).expect(200);
        }
        let names = BTreeMap::from([
            ("source_id", source),
            ("request_id", request),
            ("operational_endpoint_id", told.text("id").to_owned()),
            ("task_id", task.text("id").to_owned()),
            ("attempt_id", attempt(relay, &app_id, message.text("id"))),
            ("sink_id", endpoint.text("id").to_owned()),
            ("consumer_id", "worker-1".to_owned()),
            ("listener_name", "laptop".to_owned()),
            ("app_id", app_id),
            ("endpoint_id", endpoint.text("id").to_owned()),
            ("msg_id", message.text("id").to_owned()),
            ("event_type_name", "invoice.paid".to_owned()),
            ("key_id", key_id),
            ("session_id", session_id),
            ("link_id", link_id),
        ]);
        Seed { names }
    }

    pub fn app_id(&self) -> &str {
        &self.names["app_id"]
    }

    /// The path with what was planted for every name in braces.
    #[track_caller]
    pub fn path(&self, pattern: &str) -> String {
        let mut path = pattern.to_owned();
        for (name, value) in &self.names {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        assert!(!path.contains('{'), "{path}: plant one of these in Seed::plant");
        if path.ends_with("/live") {
            // All that there is, and no waiting for more.
            path.push_str("?follow=false&after=1970-01-01T00:00:00Z&with_content=true");
        }
        path
    }

    /// The same with another one for a name.
    pub fn with(mut self, name: &'static str, value: &str) -> Seed {
        self.names.insert(name, value.to_owned());
        self
    }

    /// Does a call as the document's example of it says.
    #[track_caller]
    pub fn call(
        &self,
        relay: &Relay,
        operation: &Operation<'_>,
        authorization: &str,
        body: Option<&Value>,
    ) -> Answer {
        let headers = [("authorization", authorization)];
        let body = body.map(Value::to_string);
        relay.call(&operation.method, &self.path(operation.path), &headers, body.as_deref())
    }

    /// All that the owner can read without changing what the next one is told.
    pub fn everything(&self, relay: &Relay) -> Vec<Value> {
        let document = Document::read();
        let mine = |operation: &Operation<'_>| {
            operation.method == "GET"
                && operation.path.contains("{app_id}")
                && !operation.path.contains("/polling-endpoint/")
                && !operation.path.ends_with("/live")
        };
        let read = |operation: Operation<'_>| {
            relay.call("GET", &self.path(operation.path), &[], None).json
        };
        document.operations().into_iter().filter(mine).map(read).collect()
    }
}

/// Who may do a call: `operator`, `application`, or anybody.
pub fn role<'a>(operation: &'a Operation<'_>) -> Option<&'a str> {
    operation.told["security"][0]["bearer"][0].as_str()
}

/// The bodies that the document gives for a call; nothing once where it takes none.
pub fn bodies(operation: &Operation<'_>) -> Vec<Option<Value>> {
    let document = Document::read();
    let body = &operation.told["requestBody"];
    let Some(schema) = document.json(body) else { return vec![None] };
    let examples = schema["examples"].as_array().into_iter().flatten();
    examples.map(|example| Some(example.clone())).collect()
}

/// A new operator key and a browser that is signed in with it; the others that were made here go,
/// as there is a limit.
fn key(relay: &Relay) -> (String, String) {
    for old in relay.get("/auth/key?limit=250").json["data"].as_array().unwrap() {
        let id = old["id"].as_str().unwrap();
        if old["origin"].is_null() {
            relay.delete(&format!("/auth/key/{id}")).expect(204);
        }
    }
    let made = relay.post("/auth/key", json!({})).expect(201);
    let (key, own) = (made.text("id").to_owned(), [("sec-fetch-site", "same-origin")]);
    let body = json!({"key": made.text("token")}).to_string();
    relay.send("POST", "/auth/session", &own, Some(&body)).expect(200);
    let sessions = relay.get(&format!("/auth/key/{key}/session")).expect(200).json;
    (key, sessions["data"][0]["id"].as_str().unwrap().to_owned())
}

/// A sign-in link that waits; there is a limit of them too.
fn link(relay: &Relay) -> String {
    let waiting = || relay.get("/auth/sign-in-link").expect(200).json["data"].clone();
    for old in waiting().as_array().unwrap() {
        let id = old["id"].as_str().unwrap();
        relay.delete(&format!("/auth/sign-in-link/{id}")).expect(204);
    }
    relay.post("/auth/sign-in-link", json!({"name": "n"})).expect(201);
    waiting()[0]["id"].as_str().unwrap().to_owned()
}

/// Ends the message's first attempt as the engine would; its id.
fn attempt(relay: &Relay, app_id: &str, message: &str) -> String {
    let content = AttemptContent {
        url: format!("https://{PRIVATE}.example/"),
        response_body: PRIVATE.as_bytes().to_vec(),
        ..AttemptContent::default()
    };
    attempted(relay, app_id, message, (200, Outcome::Delivered), content)
}

/// The same with what it sent and was answered.
pub fn attempted(
    relay: &Relay,
    app_id: &str,
    message: &str,
    (status_code, outcome): (u16, Outcome),
    content: AttemptContent,
) -> String {
    let open = relay.open.as_ref().unwrap();
    let named = relay.state.store.ids().parse(message).unwrap();
    let ready: Ready = loop {
        match open.notice() {
            Notice::Ready(ready) if ready.delivery().message == named => break ready,
            _ => {}
        }
    };
    relay.state.store.settle(Settlement {
        delivery: DeliveryId { replay: ready.replay, ..ready.delivery() },
        due: ready.due,
        first_due: ready.message.message.first_due(),
        trigger: Trigger::Scheduled,
        started_at: ready.due,
        duration_ms: 12,
        status_code,
        outcome,
        verdict: Verdict::Delivered,
        content,
    });
    while !matches!(open.notice(), Notice::Settled { .. }) {}
    let attempts = relay.get(&format!("/app/{app_id}/attempt/msg/{message}"));
    attempts.json["data"][0]["id"].as_str().unwrap().to_owned()
}
