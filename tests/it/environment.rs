//! The catalogue as one document: out of one relay, into another, and again.

use serde_json::{Value, json};

use crate::support::server::{Answer, Relay};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A relay with two applications, an endpoint in each, and an event type.
fn source() -> Relay {
    let relay = Relay::start();
    relay.post("/app", json!({"name": "Acme", "uid": "acme", "throttleRate": 9})).expect(201);
    let books = json!({
        "url": "https://h.example/w", "uid": "books", "eventTypes": ["invoice.*"],
        "secret": SECRET, "headers": {"x-team": "books", "authorization": "Bearer x"},
        "channels": ["eu"], "metadata": {"k": "v"}, "throttleRate": 3, "disabled": true,
    });
    relay.post("/app/acme/endpoint", books).expect(201);
    let named = relay.post("/app", json!({"name": "Without a uid"})).expect(201);
    let path = format!("/app/{}/endpoint", named.text("id"));
    relay.post(&path, json!({"url": "https://h.example/2"})).expect(201);
    let schemas = json!({"1": {"type": "object"}});
    let body = json!({"name": "invoice.paid", "description": "Paid", "schemas": schemas});
    relay.post("/event-type", body).expect(201);
    relay.put("/event-type/old", json!({"description": "", "archived": true})).expect(201);
    relay
}

fn import(relay: &Relay, document: &Value) -> Vec<(String, String)> {
    let answer = relay.post("/environment/import?per_item=true", document.clone()).expect(200);
    items(&answer)
}

fn items(answer: &Answer) -> Vec<(String, String)> {
    let items = answer.json["items"].as_array().unwrap().iter();
    let item = |item: &Value| {
        let text = |field: &str| item[field].as_str().unwrap().to_owned();
        (format!("{} {}", text("kind"), text("name")), text("action"))
    };
    items.map(item).collect()
}

fn actions(items: &[(String, String)]) -> Vec<&str> {
    items.iter().map(|(_, action)| action.as_str()).collect()
}

/// Without what each relay makes for itself.
fn essence(relay: &Relay) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                for gone in ["id", "uid", "createdAt", "updatedAt"] {
                    members.remove(gone);
                }
                members.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut document = relay.get("/environment/export?with_secrets=true").expect(200).json;
    strip(&mut document);
    document
}

#[test]
fn from_one_relay_to_another_and_again() {
    let (source, target) = (source(), Relay::start());
    let document = source.post("/environment/export?with_secrets=true", json!({})).expect(200).json;
    let found = import(&target, &document);
    assert_eq!(actions(&found), ["created"; 6], "{found:?}");
    assert_eq!(essence(&source), essence(&target));
    let secret = target.get("/app/acme/endpoint/books/secret").expect(200);
    assert_eq!(secret.text("key"), SECRET);
    assert_eq!(actions(&import(&target, &document)), ["left"; 6]);
    assert_eq!(actions(&import(&source, &document)), ["left"; 6]);
    let id = document["applications"][1]["id"].as_str().unwrap();
    let named = target.get(&format!("/app/{id}")).expect(200);
    assert_eq!(named.text("uid"), id, "what names it there names it here");

    let mut changed = document.clone();
    changed["applications"][0]["name"] = json!("Acme Inc.");
    let endpoint = &mut changed["applications"][0]["endpoints"][0];
    (endpoint["secret"], endpoint["disabled"]) = (json!(OTHER_SECRET), json!(false));
    changed["eventTypes"][0]["description"] = json!("It was paid");
    let dry = target.post("/environment/import?dry_run=true", changed.clone()).expect(200);
    let expected = ["updated", "left", "updated", "updated", "left", "left"];
    assert_eq!((actions(&items(&dry)), &dry.json["dryRun"]), (expected.to_vec(), &json!(true)));
    assert_eq!(target.get("/app/acme").text("name"), "Acme");
    target.post("/environment/import", changed.clone()).expect(204);
    assert_eq!(target.get("/app/acme").text("name"), "Acme Inc.");
    assert_eq!(target.get("/app/acme/endpoint/books/secret").text("key"), OTHER_SECRET);
    assert_eq!(actions(&import(&target, &changed)), ["left"; 6]);
}

#[test]
fn secrets_only_when_asked_for() {
    let source = source();
    let document = source.get("/environment/export").expect(200).json;
    let text = document.to_string();
    assert!(!text.contains("whsec_") && !text.contains("Bearer x"), "{text}");
    let endpoint = &document["applications"][0]["endpoints"][0];
    assert_eq!(endpoint["sensitive"], json!(["authorization"]));
    assert_eq!(endpoint["headers"], json!({"x-team": "books"}));
    let required = ["version", "createdAt", "eventTypes", "settings", "connectors"];
    assert!(required.iter().all(|field| document.get(field).is_some()), "{text}");
    // What the document does not have stays as it is.
    assert_eq!(actions(&import(&source, &document)), ["left"; 6]);
    let target = Relay::start();
    let answer = target.post("/environment/import?per_item=true", document).expect(200);
    let notes = answer.json["items"][3]["notes"].to_string();
    assert!(notes.contains("new secret") && notes.contains("authorization"), "{notes}");
}

#[test]
fn all_or_nothing_or_each_by_itself() {
    let relay = Relay::start();
    let document = json!({
        "eventTypes": [{"name": "a.b", "description": ""}, {"name": "a b", "description": ""},
                       {"name": "c", "description": "", "schemas": {"1": {"type": "x"}}}],
        "settings": {"enforceHttps": true},
        "connectors": [{"name": "Slack", "transformation": "…"}],
        "applications": [
            {"uid": "one", "name": "One", "endpoints": [
                {"uid": "good", "url": "https://h.example/"}, {"uid": "bad", "url": "ftp://h"},
                {"url": "https://h.example/"},
            ]},
            {"name": "Nameless"},
            {"uid": "two", "endpoints": [{"uid": "e", "url": "https://h.example/"}]},
        ],
    });
    let answer = relay.post("/environment/import", document.clone()).expect(422);
    let places: Vec<String> = answer.json["detail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| {
            let parts = problem["loc"].as_array().unwrap().iter();
            parts.map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join(".")
        })
        .collect();
    let expected = [
        "body.eventTypes.[1].name",
        "body.eventTypes.[2].schemas.1.type",
        "body.applications.[0].endpoints.[1].url",
        "body.applications.[0].endpoints.[2]",
        "body.applications.[1]",
        "body.applications.[2].name",
        "body.applications.[2].endpoints.[0]",
        "body.settings",
        "body.connectors.[0]",
    ];
    assert_eq!(places, expected);
    relay.get("/event-type/a.b").expect(404);
    let found = import(&relay, &document);
    let done: Vec<&str> = found
        .iter()
        .filter(|(_, action)| action == "created")
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(done, ["event_type a.b", "application one", "endpoint one/good"]);
    assert_eq!(found.iter().filter(|(_, action)| action == "refused").count(), expected.len());
    relay.get("/app/one/endpoint/good").expect(200);
    relay.get("/app/two").expect(404);
    relay.post("/environment/import", json!({"applications": 1})).expect(422);
    relay.post("/environment/import", json!({"settings": [1]})).expect(422);
    let newer = relay.post("/environment/import", json!({"version": 2, "eventTypes": []}));
    assert_eq!(newer.expect(422).problem(), "body.version");
    relay.post("/environment/import", json!({})).expect(204);
}

/// Everything about an id that is not there any more: it is not made anew under another one.
#[test]
fn ids_of_this_relay_that_are_gone() {
    let relay = source();
    let document = relay.get("/environment/export").expect(200).json;
    let id = document["applications"][1]["id"].as_str().unwrap();
    relay.delete(&format!("/app/{id}")).expect(204);
    relay.delete("/app/acme/endpoint/books").expect(204);
    let found = import(&relay, &document);
    let expected = ["left", "left", "left", "created", "refused", "refused"];
    assert_eq!(actions(&found), expected, "{found:?}");
}
