//! Messages, deliveries and attempts through the API, and the same request sent twice.

use std::thread;

use relay::domain::delivery::{AttemptContent, DeadReason, DeliveryId, Outcome, Trigger};
use relay::store::{Notice, Ready, Reference, Settlement, Verdict};
use serde_json::{Value, json};

use crate::support::server::{OPERATOR_KEY, Relay};

/// A relay with the application `acme` and its endpoint `books`.
fn acme() -> Relay {
    let relay = Relay::start();
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    relay
        .post("/app/acme/endpoint", json!({"url": "https://h.example/w", "uid": "books"}))
        .expect(201);
    relay
}

fn message(relay: &Relay, body: Value) -> String {
    relay.post("/app/acme/msg", body).expect(202).text("id").to_owned()
}

fn next_ready(relay: &Relay) -> Ready {
    loop {
        if let Notice::Ready(ready) = relay.open.as_ref().unwrap().notice() {
            return ready;
        }
    }
}

/// Ends one attempt as the engine would and waits until that is durable.
fn settle(relay: &Relay, ready: &Ready, status_code: u16, verdict: Verdict, answer: &[u8]) {
    let delivered = (200..300).contains(&status_code);
    relay.state.store.settle(Settlement {
        delivery: DeliveryId { replay: ready.replay, ..ready.delivery() },
        due: ready.due,
        first_due: ready.message.message.first_due(),
        trigger: Trigger::Scheduled,
        started_at: ready.due,
        duration_ms: 12,
        status_code,
        outcome: if delivered { Outcome::Delivered } else { Outcome::Status },
        verdict,
        content: AttemptContent {
            url: "https://h.example/w".to_owned(),
            response_body: answer.to_vec(),
            ..AttemptContent::default()
        },
    });
    while !matches!(relay.open.as_ref().unwrap().notice(), Notice::Settled { .. }) {}
}

#[test]
fn bytes_stay_as_they_stood() {
    let relay = acme();
    let payload = r#"{ "b" : 1.00, "a":"\u00e9", "b":2, "big":12345678901234567890123 }"#;
    let text = format!(r#"{{"eventType":"a.b","payload": {payload} ,"tags":["t"]}}"#);
    let made = relay.send("POST", "/app/acme/msg", &[], Some(&text)).expect(202);
    let id = made.text("id").to_owned();
    let application = relay.state.store.application(&Reference::Name("acme".into())).unwrap();
    let named = Reference::read(relay.state.store.ids(), &id);
    let stored = relay.state.store.message(application.id, &named).unwrap();
    assert_eq!(relay.state.store.body(&stored.body).unwrap(), payload);
    let shown = relay.raw(
        format!(
            "GET /api/v1/app/acme/msg/{id} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             authorization: Bearer {OPERATOR_KEY}\r\n\r\n"
        )
        .as_bytes(),
    );
    assert!(String::from_utf8(shown).unwrap().contains(payload));
    let without = relay.get(&format!("/app/acme/msg/{id}?with_content=false")).expect(200);
    assert_eq!(without.json["payload"], json!({}));

    let params = json!({"rawPayload": "<a/>", "headers": {"Content-Type": "text/xml"}});
    let body = json!({"eventType": "a", "payload": {}, "transformationsParams": params});
    let id = message(&relay, body);
    let named = Reference::read(relay.state.store.ids(), &id);
    let stored = relay.state.store.message(application.id, &named).unwrap();
    assert_eq!(stored.message.content_type, "text/xml");
    assert_eq!(relay.state.store.body(&stored.body).unwrap(), "<a/>");
    assert_eq!(relay.get(&format!("/app/acme/msg/{id}")).json["payload"]["rawPayload"], "<a/>");

    let params = json!({"rawPayloadBase64": "AAH/", "headers": {"content-type": "image/x"}});
    let body = json!({"eventType": "a", "payload": {}, "transformationsParams": params});
    let id = message(&relay, body);
    let stored =
        relay.state.store.message(application.id, &Reference::read(relay.state.store.ids(), &id));
    assert_eq!(relay.state.store.body(&stored.unwrap().body).unwrap(), [0, 1, 255].as_slice());
    let shown = relay.get(&format!("/app/acme/msg/{id}"));
    assert_eq!(shown.json["payload"], json!({"rawPayloadBase64": "AAH/"}));

    let two = json!({"rawPayload": "<a/>"});
    let body = json!({"eventType": "a", "payload": {"b": 1}, "transformationsParams": two});
    assert_eq!(relay.post("/app/acme/msg", body).expect(422).problem(), "body.payload");
}

#[test]
fn what_became_of_a_message() {
    let relay = acme();
    for endpoint in [
        json!({"url": "https://o.example/", "uid": "other", "eventTypes": ["user.*"]}),
        json!({"url": "https://e.example/", "uid": "eu", "channels": ["eu"]}),
        json!({"url": "https://d.example/", "uid": "off", "disabled": true}),
    ] {
        relay.post("/app/acme/endpoint", endpoint).expect(201);
    }
    let id = message(&relay, json!({"eventId": "ev1", "eventType": "invoice.paid", "payload": {}}));
    let ready = next_ready(&relay);
    relay
        .post("/app/acme/endpoint", json!({"url": "https://l.example/", "uid": "late"}))
        .expect(201);
    let explain = |relay: &Relay| {
        let answer = relay.get("/app/acme/msg/ev1/explain").expect(200);
        let told = answer.json["data"].as_array().unwrap().iter().map(|item| {
            assert!(item["detail"].as_str().is_some_and(|words| words.len() > 5), "{item}");
            let part = |field: &str| item[field].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}", part("endpointUid"), part("outcome"), part("reason"))
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(
        explain(&relay),
        [
            "late not_matched created_later",
            "off not_matched disabled",
            "eu not_matched channel",
            "other not_matched event_type",
            "books waiting -",
        ]
    );
    let standing = relay.get("/app/acme/endpoint/books/msg?status=1").expect(200);
    assert_eq!(standing.json["data"][0]["statusText"], "pending");
    assert_eq!(standing.json["data"][0]["nextAttempt"], "2026-11-21T00:00:00Z");
    let later = ready.due + std::time::Duration::from_secs(5);
    settle(&relay, &ready, 500, Verdict::RetryAt(later), b"\xff\xfe");
    assert_eq!(explain(&relay)[4], "books waiting retrying");
    settle(
        &relay,
        &Ready { due: later, attempts: 1, ..ready.clone() },
        410,
        Verdict::Dead(DeadReason::Gone),
        b"gone",
    );
    assert_eq!(explain(&relay)[4], "books dead gone");
    attempts_are_listed(&relay, &id);
    let resent = relay.post("/app/acme/msg/ev1/endpoint/books/resend", json!({})).expect(202);
    assert_eq!(resent.json, json!({}));
    assert_eq!(next_ready(&relay).trigger, Trigger::Manual);
    relay.send("POST", "/app/acme/msg/ev1/endpoint/books/resend", &[], None).expect(202);
    relay.post("/app/acme/msg/ev1/endpoint/off/resend", json!({})).expect(400);
    let rubbish = relay.send("POST", "/app/acme/msg/ev1/endpoint/books/resend", &[], Some("{"));
    assert_eq!(rubbish.problem(), "body");
}

/// Of the one attempt that was answered 500 and the one that was answered 410.
fn attempts_are_listed(relay: &Relay, id: &str) {
    let list = relay.get("/app/acme/attempt/endpoint/books?with_msg=true").expect(200);
    let data = list.json["data"].as_array().unwrap();
    assert_eq!(data.len(), 2);
    assert_eq!(data[0]["responseStatusCode"], 410, "newest first");
    assert_eq!((&data[0]["response"], &data[1]["response"]), (&json!("gone"), &json!("//4=")));
    assert_eq!(data[0]["msg"]["eventId"], "ev1");
    assert_eq!((&data[0]["msgId"], &data[0]["triggerType"]), (&json!(id), &json!(0)));
    assert_eq!((&data[0]["status"], &data[0]["statusText"]), (&json!(2), &json!("fail")));
    let path = format!("/app/acme/msg/{id}/attempt/{}", data[0]["id"].as_str().unwrap());
    assert_eq!(relay.get(&path).expect(200).text("response"), "gone");
    let count = |path: &str| relay.get(path).expect(200).json["data"].as_array().unwrap().len();
    assert_eq!(count("/app/acme/attempt/msg/ev1?with_content=false&expanded_statuses=true"), 2);
    assert_eq!(count("/app/acme/attempt/msg/ev1?status_code_class=500"), 1);
    assert_eq!(count("/app/acme/attempt/msg/ev1?status_code_class=0"), 0, "without an answer");
    assert_eq!(count("/app/acme/attempt/msg/ev1?status=0"), 0);
    assert_eq!(count("/app/acme/attempt/msg/ev1?status=1"), 0);
    assert_eq!(count("/app/acme/attempt/msg/ev1?endpoint_id=other"), 0);
    assert_eq!(count("/app/acme/attempt/msg/ev1?event_types=a,invoice.paid&limit=1"), 1);
    assert_eq!(count("/app/acme/endpoint/books/msg?status=1"), 0);
    assert_eq!(count("/app/acme/endpoint/books/msg?status=2"), 1);
    let destinations = relay.get("/app/acme/msg/ev1/endpoint").expect(200);
    assert_eq!(destinations.json["data"][0]["uid"], "books");
    assert_eq!(destinations.json["data"][0]["statusText"], "fail");
}

#[test]
fn an_example_goes_to_one_endpoint() {
    let relay = acme();
    relay.post("/app/acme/endpoint", json!({"url": "https://o.example/", "uid": "o"})).expect(201);
    let schemas = json!({"1": {"examples": [{"first": 1}, {"second": 2}]}});
    let body = json!({"name": "a.b", "description": "", "schemas": schemas});
    relay.post("/event-type", body).expect(201);
    let path = "/app/acme/endpoint/o/send-example";
    let sent = relay.post(path, json!({"eventType": "a.b", "exampleIndex": 1})).expect(200);
    assert_eq!(sent.json["payload"], json!({"second": 2}));
    let destinations = relay.get(&format!("/app/acme/msg/{}/endpoint", sent.text("id")));
    let destinations = destinations.expect(200).json["data"].as_array().unwrap().clone();
    assert_eq!((destinations.len(), &destinations[0]["uid"]), (1, &json!("o")));
    let told = relay.get(&format!("/app/acme/msg/{}/explain", sent.text("id"))).expect(200);
    assert_eq!(told.json["data"][1]["reason"], "example");
    let unknown = relay.post(path, json!({"eventType": "c"}));
    assert_eq!(unknown.problem(), "body.eventType");
    let beyond = relay.post(path, json!({"eventType": "a.b", "exampleIndex": 2}));
    assert_eq!(beyond.problem(), "body.exampleIndex");
}

#[test]
fn lists_of_messages() {
    let relay = acme();
    for number in 0..5 {
        let channels = if number % 2 == 0 { json!(["even"]) } else { Value::Null };
        message(
            &relay,
            json!({
                "eventId": format!("e{number}"), "eventType": format!("t.{number}"), "payload": {},
                "channels": channels, "tags": [format!("tag{number}")],
            }),
        );
    }
    let list = |query: &str| {
        let answer = relay.get(&format!("/app/acme/msg?{query}")).expect(200);
        let ids = answer.json["data"].as_array().unwrap().iter();
        let ids = ids.map(|item| item["eventId"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (ids, answer.json)
    };
    assert_eq!(list("").0, ["e4", "e3", "e2", "e1", "e0"]);
    assert_eq!(list("channel=even").0, ["e4", "e2", "e0"]);
    assert_eq!(list("tag=tag3").0, ["e3"]);
    assert_eq!(list("event_types=t.1,t.2").0, ["e2", "e1"]);
    let (first, page) = list("limit=2");
    assert_eq!(
        (first.as_slice(), &page["done"]),
        (&["e4".to_owned(), "e3".into()][..], &json!(false))
    );
    let (second, page) = list(&format!("limit=2&iterator={}", page["iterator"].as_str().unwrap()));
    assert_eq!(second, ["e2", "e1"]);
    let (back, _) = list(&format!("limit=2&iterator={}", page["prevIterator"].as_str().unwrap()));
    assert_eq!(back, ["e4", "e3"]);
    assert_eq!(list("after=2026-11-20T00:00:00Z&limit=2").0, ["e1", "e0"], "what came right after");
    assert_eq!(list("before=2026-11-20T00:00:00Z").0, [""; 0]);
    assert_eq!(relay.get("/app/acme/msg?before=yesterday").problem(), "query.before");
    assert_eq!(relay.get("/app/acme/msg?limit=300").problem(), "query.limit");
}

#[test]
fn the_same_key_twice() {
    let relay = acme();
    let client = *relay;
    let send = |key: &str, path: &str, body: &Value| {
        client.send("POST", path, &[("idempotency-key", key)], Some(&body.to_string()))
    };
    let body = json!({"eventType": "a", "payload": {"n": 1}});
    let first = send("auto_1", "/app/acme/msg", &body).expect(202);
    let again = send("auto_1", "/app/acme/msg", &body).expect(202);
    assert_eq!(first.json, again.json, "the first reply again");
    let other = json!({"eventType": "a", "payload": {"n": 2}});
    let refused = send("auto_1", "/app/acme/msg", &other).expect(409);
    assert_eq!(refused.text("code"), "conflict");
    let made = send("auto_1", "/app", &json!({"name": "x"})).expect(201);
    assert_eq!(send("auto_1", "/app/", &json!({"name": "x"})).expect(201).json, made.json);
    for wrong in [&"k".repeat(257), "a\tb", ""] {
        assert_eq!(send(wrong, "/app/acme/msg", &body).problem(), "header.idempotency-key");
    }
    relay
        .post("/app/acme/msg", json!({"eventId": "e", "eventType": "a", "payload": {}}))
        .expect(202);
    let taken =
        relay.post("/app/acme/msg", json!({"eventId": "e", "eventType": "b", "payload": {}}));
    assert_eq!(taken.expect(409).text("code"), "conflict");
    let before = relay.get("/app/acme/msg?limit=250").json["data"].as_array().unwrap().len();
    let twins: Vec<Value> = thread::scope(|scope| {
        let sent: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| send("twin", "/app/acme/msg", &body).expect(202).json))
            .collect();
        sent.into_iter().map(|twin| twin.join().unwrap()).collect()
    });
    assert!(twins.iter().all(|twin| *twin == twins[0]), "{twins:?}");
    let after = relay.get("/app/acme/msg?limit=250").json["data"].as_array().unwrap().len();
    assert_eq!(after, before + 1, "eight twins make one message");
}
