//! One message to every application: each has it once, whatever happens meanwhile.

use std::thread;

use relay::domain::id::TaskId;
use serde_json::{Value, json};

use crate::support::acme::{acme, endpoint, finish, next_ready, send, settle};
use crate::support::image;
use crate::support::server::Relay;

const PATH: &str = "/msg/broadcast";
/// More than are seen to in two steps.
const APPLICATIONS: usize = 150;
const STEPS_MAX: usize = 100;

fn applications(relay: &Relay) {
    for number in 0..APPLICATIONS {
        let uid = format!("app-{number}");
        relay.post("/app", json!({"name": uid, "uid": uid})).expect(201);
    }
}

fn message() -> Value {
    json!({"eventType": "news.all", "payload": {"to": "everybody"}, "tags": ["news"]})
}

fn messages(relay: &Relay, uid: &str) -> Vec<Value> {
    relay.get(&format!("/app/{uid}/msg")).expect(200).json["data"].as_array().unwrap().clone()
}

fn id(relay: &Relay, begun: &Value) -> TaskId {
    relay.state.store.ids().parse(begun["id"].as_str().unwrap()).unwrap()
}

#[test]
fn every_application_there_is_has_it() {
    let relay = acme();
    relay.patch("/app/acme/endpoint/books", json!({"eventTypes": ["news.*"]})).expect(200);
    relay.post("/app", json!({"name": "Quiet", "uid": "quiet"})).expect(201);
    relay.post("/app", json!({"name": "Has it", "uid": "had"})).expect(201);
    let mut body = message();
    body["eventId"] = json!("news-1");
    relay.post("/app/had/msg", body.clone()).expect(202);
    let key = [("idempotency-key", "once")];
    let text = body.to_string();
    let begun = relay.send("POST", PATH, &key, Some(&text)).expect(202).json;
    assert_eq!(begun["task"], "message.broadcast");
    assert_eq!(relay.send("POST", PATH, &key, Some(&text)).expect(202).json["id"], begun["id"]);
    relay.post(PATH, body).expect(409);
    relay.post("/app", json!({"name": "Late", "uid": "late"})).expect(201);
    let ended = finish(&relay, &begun);
    let data = json!({"lookedAt": 3, "done": 2, "counts": {"eventId taken": 1}});
    assert_eq!(ended["data"], data);
    let ready = next_ready(&relay);
    let sent = relay.state.store.body(&ready.message.body).unwrap();
    assert_eq!(sent, r#"{"to":"everybody"}"#);
    let quiet = &messages(&relay, "quiet")[0];
    assert_eq!((&quiet["eventId"], &quiet["tags"]), (&json!("news-1"), &json!(["news"])));
    assert_eq!(quiet["payload"], json!({"to": "everybody"}));
    assert_eq!(messages(&relay, "had").len(), 1);
    assert_eq!(messages(&relay, "late").len(), 0, "it came later");
    assert_eq!(
        relay.post(PATH, json!({"eventType": "a b", "payload": {}})).problem(),
        "body.eventType"
    );
}

/// It is held against the schema of its event type as any message is.
#[test]
fn one_that_does_not_fit_its_schema_goes_nowhere() {
    let relay = Relay::with(|config| config.intake.schemas = relay::config::SchemaCheck::Reject);
    let schema = json!({"type": "object", "required": ["to"]});
    let event_type = json!({"description": "", "schemas": {"1": schema}});
    relay.put("/event-type/news.all", event_type).expect(201);
    let place = relay.post(PATH, json!({"eventType": "news.all", "payload": {}})).problem();
    assert!(place.starts_with("body.payload"), "{place}");
    relay.post(PATH, message()).expect(202);
}

/// The folder as a crash leaves it, at whatever moment of the work.
#[test]
fn each_has_it_once_over_crashes() {
    let relay = Relay::start();
    applications(&relay);
    let begun = relay.post(PATH, message()).expect(202).json;
    let id = id(&relay, &begun);
    let mut images = vec![image::copy(&relay.folder)];
    thread::scope(|scope| {
        let store = relay.state.store.clone();
        let steps = move || (0..STEPS_MAX).any(|_| !store.advance_task(id).unwrap());
        let work = scope.spawn(steps);
        while !work.is_finished() && images.len() < 8 {
            images.push(image::copy(&relay.folder));
        }
        assert!(work.join().unwrap(), "it has an end");
    });
    images.push(image::copy(&relay.folder));
    let mut begun_again = 0;
    for image in images {
        let relay = Relay::over(image);
        begun_again += relay.state.store.running_tasks().len();
        let ended = finish(&relay, &begun);
        assert_eq!(ended["data"]["done"], APPLICATIONS);
        for number in 0..APPLICATIONS {
            assert_eq!(messages(&relay, &format!("app-{number}")).len(), 1, "{number}");
        }
    }
    assert!(begun_again > 0, "no crash was in the midst of it");
}

/// What it copies from outlives the segment that it was written to, as long as there is work left;
/// what went meanwhile is left out.
#[test]
fn it_outlives_its_segment() {
    let relay = acme();
    applications(&relay);
    let begun = relay.post(PATH, message()).expect(202).json;
    assert!(relay.state.store.advance_task(id(&relay, &begun)).unwrap());
    relay.delete("/app/app-149").expect(204);
    let fill = || {
        for _ in 0..30 {
            let payload = json!({"fill": "x".repeat(50_000)});
            relay
                .post("/app/acme/msg", json!({"eventType": "a.b", "payload": payload}))
                .expect(202);
            settle(&relay, &next_ready(&relay), 200, relay::store::Verdict::Delivered);
        }
        let store = &relay.state.store;
        while let Some(oldest) = store.oldest_segment().unwrap() {
            store.reclaim(oldest, &mut |_| true).unwrap();
        }
    };
    fill();
    assert_eq!(messages(&relay, "app-0").len(), 0, "the first copies have gone by age");
    let ended = finish(&relay, &begun);
    // Acme is one more.
    assert_eq!(ended["data"]["done"], APPLICATIONS);
    assert_eq!(messages(&relay, "app-148")[0]["payload"], json!({"to": "everybody"}));
    endpoint(&relay, "more");
    send(&relay, "after", "a.b");
    relay.open.as_ref().unwrap().store.account().holds().then_some(()).unwrap();
}
