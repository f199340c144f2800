//! Recover and replay through the API: what a background task does, also over a restart.

use std::time::Duration;

use relay::domain::id::TaskId;
use relay::store::Verdict;
use serde_json::{Value, json};

use crate::support::acme::{acme, dead, endpoint, finish, next_ready, send, settle, stats, status};
use crate::support::server::Relay;

#[test]
fn recover_puts_back_what_is_dead() {
    let relay = acme();
    send(&relay, "old", "a.b");
    dead(&relay, &next_ready(&relay));
    relay.folder.clock.advance(Duration::from_secs(60));
    let since = relay.state.clock.now().to_string();
    for event_id in ["dead", "delivered", "waiting"] {
        send(&relay, event_id, "a.b");
    }
    let ready = [next_ready(&relay), next_ready(&relay), next_ready(&relay)];
    dead(&relay, &ready[0]);
    settle(&relay, &ready[1], 200, Verdict::Delivered);
    assert_eq!(stats(&relay, "books"), [1, 1, 2, 0]);

    let path = "/app/acme/endpoint/books/recover";
    let key = [("idempotency-key", "once")];
    let body = json!({"since": since}).to_string();
    let begun = relay.send("POST", path, &key, Some(&body)).expect(202).json;
    assert_eq!((&begun["status"], &begun["task"]), (&"running".into(), &"endpoint.recover".into()));
    let again = relay.send("POST", path, &key, Some(&body)).expect(202).json;
    assert_eq!(again["id"], begun["id"]);
    let ended = finish(&relay, &begun);
    assert_eq!((&ended["data"]["lookedAt"], &ended["data"]["done"]), (&3.into(), &1.into()));
    let recovered = next_ready(&relay);
    assert_eq!((recovered.delivery(), recovered.attempts), (ready[0].delivery(), 0));
    let standing = ["old", "dead", "delivered", "waiting"].map(|id| status(&relay, "books", id));
    assert_eq!(standing, ["fail", "pending", "success", "pending"]);
    settle(&relay, &recovered, 200, Verdict::Delivered);
    assert_eq!(status(&relay, "books", "dead"), "success");
    let attempts = relay.get("/app/acme/attempt/msg/dead").expect(200).json;
    assert_eq!(attempts["data"].as_array().unwrap().len(), 2);
    let counted = relay.get("/app/acme/endpoint/books/attempt-stats").expect(200).json;
    assert_eq!(counted, json!({"success": 2, "fail": 2, "canceled": 0}));
    relay.open.as_ref().unwrap().store.account().holds().then_some(()).unwrap();

    let far = json!({"since": "2020-01-01T00:00:00Z"});
    assert_eq!(relay.post(path, far).problem(), "body.since");
    let wrong = json!({"since": since, "until": "2020-01-01T00:00:00Z"});
    assert_eq!(relay.post(path, wrong).problem(), "body.until");
    assert_eq!(relay.post(path, json!({})).problem(), "body.since");
    relay.patch("/app/acme/endpoint/books", json!({"disabled": true})).expect(200);
    relay.post(path, json!({"since": since})).expect(400);
}

/// Without being asked what is due later is left, and counted.
#[test]
fn recover_hurries_what_waits_when_it_is_asked_to() {
    let relay = acme();
    let since = relay.state.clock.now().to_string();
    for event_id in ["later", "dead", "new", "delivered"] {
        send(&relay, event_id, "a.b");
    }
    let ready = [(); 4].map(|()| next_ready(&relay));
    let later = relay.state.store.now() + Duration::from_secs(3_600);
    settle(&relay, &ready[0], 500, Verdict::RetryAt(later));
    dead(&relay, &ready[1]);
    settle(&relay, &ready[3], 200, Verdict::Delivered);
    assert_eq!(stats(&relay, "books"), [1, 2, 1, 0]);
    let path = "/app/acme/endpoint/books/recover";
    let begun = relay.post(path, json!({"since": since})).expect(202).json;
    let ended = finish(&relay, &begun);
    let data = &ended["data"];
    assert_eq!((&data["done"], &data["counts"]), (&1.into(), &json!({"waiting": 1})), "{ended}");
    assert_eq!(next_ready(&relay).delivery(), ready[1].delivery());

    let begun = relay.post(path, json!({"since": since, "waiting": true})).expect(202).json;
    assert_eq!(begun["task"], "endpoint.recover");
    assert_eq!(finish(&relay, &begun)["data"]["done"], 1, "what is due already goes by itself");
    let hurried = next_ready(&relay);
    assert_eq!((hurried.delivery(), hurried.attempts), (ready[0].delivery(), 0));
    assert!(hurried.due < later);
    assert_eq!(stats(&relay, "books"), [1, 3, 0, 0]);
    assert!(relay.open.as_ref().unwrap().store.account().holds());
    let relay = relay.restart();
    assert!(relay.open.as_ref().unwrap().store.account().holds());
    assert_eq!(status(&relay, "books", "later"), "pending");
}

#[test]
fn a_replay_makes_new_deliveries() {
    let relay = acme();
    for (event_id, event_type) in [("one", "a.b"), ("two", "c.d")] {
        send(&relay, event_id, event_type);
        settle(&relay, &next_ready(&relay), 200, Verdict::Delivered);
    }
    endpoint(&relay, "late");
    assert_eq!(status(&relay, "late", "one"), Value::Null);
    let path = "/app/acme/endpoint/late/replay-missing";
    let body = json!({"since": "2020-01-01T00:00:00Z"});
    let begun = relay.post(path, body.clone()).expect(202).json;
    assert_eq!(finish(&relay, &begun)["data"]["done"], 2);
    let ready = [next_ready(&relay), next_ready(&relay)];
    assert_eq!(ready.each_ref().map(|ready| ready.replay), [1, 1]);
    assert_eq!(status(&relay, "late", "one"), "pending");
    settle(&relay, &ready[0], 200, Verdict::Delivered);
    dead(&relay, &ready[1]);
    assert_eq!(stats(&relay, "late"), [1, 0, 1, 0]);
    let begun = relay.post(path, body).expect(202).json;
    assert_eq!(finish(&relay, &begun)["data"]["done"], 0, "nothing is missing any more");

    let check = |filter: Value, expected: u64| {
        let mut body = json!({"since": "2020-01-01T00:00:00Z"});
        body.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        let begun = relay.post("/app/acme/endpoint/late/bulk-replay", body).expect(202).json;
        assert_eq!(finish(&relay, &begun)["data"]["done"], expected, "{filter}");
    };
    check(json!({"eventTypes": ["x.y"]}), 0);
    check(json!({"status": 2, "eventTypes": ["a.b"]}), 0);
    check(json!({"statusCodeClass": 200}), 1);
    let again = next_ready(&relay);
    assert_eq!(again.replay, 2);
    assert_eq!(again.message, ready[0].message);
    check(json!({"status": 2, "statusCodeClass": 500}), 1);
    settle(&relay, &next_ready(&relay), 200, Verdict::Delivered);
    settle(&relay, &again, 200, Verdict::Delivered);
    assert_eq!(stats(&relay, "late"), [2, 0, 0, 0]);
    // One more attempt is of the last delivery.
    relay.send("POST", "/app/acme/msg/one/endpoint/late/resend", &[], None).expect(202);
    assert_eq!(next_ready(&relay).replay, 2);
    let explained = relay.get("/app/acme/msg/one/explain").expect(200).json;
    assert_eq!(explained["data"][0]["outcome"], "delivered");
    for (field, value) in [("status", json!(5)), ("statusCodeClass", json!(7)), ("tag", json!(""))]
    {
        let mut body = json!({"since": "2020-01-01T00:00:00Z"});
        body[field] = value;
        let answer = relay.post("/app/acme/endpoint/late/bulk-replay", body);
        assert_eq!(answer.problem(), format!("body.{field}"));
    }
}

#[test]
fn a_task_goes_on_after_a_restart() {
    let relay = acme();
    const COUNT: u64 = 600;
    for number in 0..COUNT {
        send(&relay, &format!("e{number}"), "a.b");
    }
    endpoint(&relay, "late");
    let body = json!({"since": "2020-01-01T00:00:00Z"});
    let begun = relay.post("/app/acme/endpoint/late/replay-missing", body).expect(202).json;
    let text = begun["id"].as_str().unwrap().to_owned();
    let id: TaskId = relay.state.store.ids().parse(&text).unwrap();
    assert!(relay.state.store.advance_task(id).unwrap());
    let shown = relay.get(&format!("/background-task/{text}")).expect(200).json;
    assert_eq!(shown["status"], "running");
    let done = shown["data"]["done"].as_u64().unwrap();
    assert!((1..COUNT).contains(&done), "{shown}");
    let relay = relay.restart();
    assert_eq!(relay.state.store.running_tasks(), [id]);
    assert_eq!(finish(&relay, &begun)["data"]["done"], COUNT);
    assert!(relay.state.store.running_tasks().is_empty());
    assert_eq!(stats(&relay, "late"), [0, COUNT, 0, 0]);
    let listed = |query: &str| {
        let tasks = relay.get(&format!("/background-task?{query}")).expect(200).json;
        tasks["data"].as_array().unwrap().len()
    };
    assert_eq!(listed("status=finished&task=endpoint.replay"), 1);
    assert_eq!(listed("status=running") + listed("task=endpoint.recover"), 0);
    assert_eq!(relay.get("/background-task?status=odd").problem(), "query.status");
    relay.get("/background-task/qtask_0000").expect(404);
}

#[test]
fn usage_is_counted_in_the_background() {
    let relay = acme();
    send(&relay, "one", "a.b");
    send(&relay, "two", "c.d");
    let window = json!({
        "since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z",
        "appIds": ["acme", "nobody"],
    });
    let begun = relay.post("/stats/usage/app", window).expect(202).json;
    assert_eq!(begun["unresolvedAppIds"], json!(["nobody"]));
    let acme = relay.get("/app/acme").json["id"].as_str().unwrap().to_owned();
    assert_eq!(finish(&relay, &begun)["data"]["counts"], json!({acme: 2}));
    let begun = relay.send("PUT", "/stats/usage/event-types", &[], None).expect(202).json;
    assert_eq!(finish(&relay, &begun)["data"]["counts"], json!({"a.b": 1, "c.d": 1}));
}

#[test]
fn an_application_is_made_with_its_first_message() {
    let relay = acme();
    let body =
        |application: Value| json!({"eventType": "a.b", "payload": {}, "application": application});
    relay.post("/app/new/msg", json!({"eventType": "a.b", "payload": {}})).expect(404);
    relay.post("/app/new/msg", body(json!({"name": "New"}))).expect(202);
    assert_eq!(relay.get("/app/new").expect(200).text("name"), "New");
    relay.post("/app/new/msg", body(json!({"name": "Other", "uid": "new"}))).expect(202);
    assert_eq!(relay.get("/app/new").expect(200).text("name"), "New", "it was there");
    let answer = relay.post("/app/third/msg", body(json!({"name": "A", "uid": "other"})));
    assert_eq!(answer.problem(), "body.application.uid");
    assert_eq!(relay.post("/app/third/msg", body(json!({}))).problem(), "body.application.name");
}

/// Everything up to the newest segment goes.
fn reclaim(relay: &Relay) {
    let store = &relay.state.store;
    while let Some(oldest) = store.oldest_segment().unwrap() {
        store.reclaim(oldest, &mut |_| true).unwrap();
    }
}

#[test]
fn a_replay_that_waits_outlives_its_segment() {
    let relay = acme();
    send(&relay, "first", "a.b");
    settle(&relay, &next_ready(&relay), 200, Verdict::Delivered);
    endpoint(&relay, "late");
    let body = json!({"since": "2020-01-01T00:00:00Z"});
    let begun = relay.post("/app/acme/endpoint/late/replay-missing", body).expect(202).json;
    finish(&relay, &begun);
    let replay = next_ready(&relay);
    let fill = || {
        for _ in 0..30 {
            let payload = json!({"fill": "x".repeat(50_000)});
            relay
                .post("/app/acme/msg", json!({"eventType": "a.b", "payload": payload}))
                .expect(202);
            for ready in [next_ready(&relay), next_ready(&relay)] {
                settle(&relay, &ready, 200, Verdict::Delivered);
            }
        }
        reclaim(&relay);
    };
    fill();
    assert_eq!(status(&relay, "late", "first"), "pending");
    let store = &relay.state.store;
    let page = store.due(replay.endpoint, relay.state.clock.now(), 10, &[]);
    assert_eq!(page.ready.len(), 1);
    assert_eq!(
        (page.ready[0].replay, page.ready[0].message.message.id),
        (1, replay.message.message.id)
    );
    assert_eq!(store.body(&page.ready[0].message.body).unwrap(), r#"{"id":"first"}"#);
    relay.get(&format!("/background-task/{}", begun["id"].as_str().unwrap())).expect(404);
    settle(&relay, &replay, 200, Verdict::Delivered);
    fill();
    relay.get("/app/acme/msg/first").expect(404);
    assert_eq!(stats(&relay, "late"), stats(&relay, "books"), "no delivery is left of it");
}

#[test]
fn whether_a_message_would_go_anywhere() {
    let relay = acme();
    let path = "/app/acme/msg/precheck/active";
    let active = |body: Value| relay.post(path, body).expect(200).json["active"].clone();
    assert_eq!(active(json!({"eventType": "a.b"})), true);
    relay.patch("/app/acme/endpoint/books", json!({"eventTypes": ["user.*"]})).expect(200);
    assert_eq!(active(json!({"eventType": "a.b"})), false);
    assert_eq!(active(json!({"eventType": "user.new", "channels": ["eu"]})), true);
    relay.patch("/app/acme/endpoint/books", json!({"disabled": true})).expect(200);
    assert_eq!(active(json!({"eventType": "user.new"})), false);
    assert_eq!(relay.post(path, json!({"eventType": "a b"})).problem(), "body.eventType");
}

#[test]
fn the_headers_an_attempt_sent() {
    let relay = acme();
    send(&relay, "one", "a.b");
    settle(&relay, &next_ready(&relay), 200, Verdict::Delivered);
    let attempts = relay.get("/app/acme/attempt/msg/one").expect(200).json;
    let attempt = attempts["data"][0]["id"].as_str().unwrap();
    let path = format!("/app/acme/msg/one/attempt/{attempt}/headers");
    let sent = json!({"webhook-id": "msg_1", "x-own": "theirs"});
    let expected = json!({"sensitive": ["authorization"], "sentHeaders": sent});
    assert_eq!(relay.get(&path).expect(200).json, expected);
    // Who may not change the endpoint's headers is told their names.
    let looks = json!({"capabilities": ["ViewBase"]});
    let token = relay.post("/auth/app-portal-access/acme", looks).expect(200);
    let authorization = format!("Bearer {}", token.text("token"));
    let shown = relay.send("GET", &path, &[("authorization", &authorization)], None).expect(200);
    let sent = json!({"webhook-id": "msg_1"});
    let expected = json!({"sensitive": ["authorization", "x-own"], "sentHeaders": sent});
    assert_eq!(shown.json, expected);
}
