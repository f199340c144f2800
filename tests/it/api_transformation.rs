//! Transformations, and the count of attempts.

use relay::http::state::TRIES;
use relay::store::Verdict;
use serde_json::{Value, json};

use crate::support::acme::{acme, dead, next_ready, send, settle};
use crate::support::server::{Client, OPERATOR_KEY};

const HANDLER: &str = "function handler(webhook) { webhook.payload = {n: webhook.payload.n + 1}; \
                       console.log('seen', webhook.eventType); return webhook }";

#[test]
fn a_transformation_is_set_shown_and_tried() {
    let relay = acme();
    let path = "/app/acme/endpoint/books/transformation";
    let none = json!({"code": null, "enabled": false, "variables": null, "updatedAt": null});
    assert_eq!(relay.get(path).expect(200).json, none);
    let set = relay.patch(path, json!({"code": HANDLER, "variables": {"KEY": "hush"}})).expect(200);
    assert_eq!((&set.json["code"], &set.json["enabled"]), (&json!(HANDLER), &json!(true)));
    assert_eq!(set.json["variables"], json!({"KEY": "(hidden)"}), "values may be credentials");
    let off = relay.patch(path, json!({"enabled": false})).expect(200);
    assert_eq!((&off.json["code"], &off.json["enabled"]), (&json!(HANDLER), &json!(false)));
    let kept = relay.get(path).expect(200);
    assert_eq!(kept.json, off.json);

    let simulate = format!("{path}/simulate");
    let tried = relay.post(&simulate, json!({"payload": {"n": 1}, "eventType": "a.b"})).expect(200);
    assert_eq!(tried.text("payload"), r#"{"n":2}"#);
    assert_eq!(tried.json["console"], json!(["log: seen a.b"]));
    let steps = json!({
        "steps": [{"pick": "data"}, {"set_method": "PUT"}], "payload": {"data": {"a": 1}},
        "eventType": "a.b",
    });
    let tried = relay.post(&simulate, steps).expect(200);
    assert_eq!((tried.text("payload"), tried.text("method")), (r#"{"a":1}"#, "PUT"));
    let drop = json!({
        "code": "function handler(w) { w.cancel = true; return w }", "payload": {},
        "eventType": "a",
    });
    assert_eq!(relay.post(&simulate, drop).expect(200).json["dropped"], json!(true));
    let throw = "function handler() { throw new Error('no') }";
    let throw = json!({"code": throw, "payload": {}, "eventType": "a"});
    assert_eq!(relay.post(&simulate, throw).expect(200).json["error"]["code"], "thrown");

    for (wrong, place) in [
        (json!({"code": "function handler( {"}), "body.code"),
        (json!({"code": "let x = 1"}), "body.code"),
        (json!({"steps": [{"pick": ""}]}), "body.steps.[0].pick"),
        (json!({"steps": [], "code": HANDLER}), "body.steps"),
    ] {
        assert_eq!(relay.patch(path, wrong.clone()).problem(), place, "{wrong}");
    }
    assert_eq!(relay.get(path).expect(200).json, off.json, "nothing was changed");
    // It stays over a restart, sealed.
    let folder = relay.stop();
    let relay = crate::support::server::Relay::over(folder);
    assert_eq!(relay.get(path).expect(200).json, off.json);
    relay.patch(path, json!({"code": null})).expect(200);
    assert_eq!(relay.get(path).expect(200).json, none);
    relay.get("/app/acme/endpoint/nobody/transformation").expect(404);
}

/// Whose code it is sees the variables by name: it could tell what they hold.
#[test]
fn tried_code_does_not_see_what_is_stored() {
    let relay = acme();
    let path = "/app/acme/endpoint/books/transformation";
    relay.patch(path, json!({"code": HANDLER, "variables": {"KEY": "hush"}})).expect(200);
    send(&relay, "1", "a.b");
    let access = relay.post("/auth/app-portal-access/acme", json!({})).expect(200);
    let bearer = format!("Bearer {}", access.text("token"));
    let code = "function handler(w, context) { w.payload = context.env; return w }";
    let tried = |path: &str, body: Value, bearer: &str| {
        let headers = [("authorization", bearer)];
        let text = body.to_string();
        relay.send("POST", path, &headers, Some(&text)).expect(200).json.to_string()
    };
    let simulate = json!({"code": code, "payload": {}, "eventType": "a"});
    let dry_run = json!({"code": code});
    for (path, body) in [
        (format!("{path}/simulate"), simulate),
        ("/app/acme/endpoint/books/dry-run".to_owned(), dry_run),
    ] {
        let told = tried(&path, body.clone(), &bearer);
        assert!(told.contains("(hidden)") && !told.contains("hush"), "{told}");
        let told = tried(&path, body, &format!("Bearer {OPERATOR_KEY}"));
        assert!(told.contains("hush"), "{told}");
    }
}

#[test]
fn a_dry_run_has_its_turn_and_its_limits() {
    let relay = acme();
    for number in 0..5 {
        send(&relay, &number.to_string(), "a.b");
    }
    let dry = "/app/acme/endpoint/books/dry-run";
    let code = "function handler(w) { w.payload = 'a'.repeat(900000); return w }";
    let tried = relay.post(dry, json!({"code": code})).expect(200).json;
    let left_out = |one: &&Value| one["request"]["payloadLeftOut"].as_u64() >= Some(900_000);
    let data = tried["data"].as_array().unwrap();
    assert_eq!((data.len(), data.iter().filter(left_out).count()), (5, 1));
    assert_eq!(tried["stopped"], false);
    // One that takes its time has one of the turns, and gives it back.
    let turns = &relay.state.tries;
    assert_eq!(turns.available_permits(), TRIES);
    let client: Client = *relay;
    let body = json!({
        "code": "function handler(w) { for (;;) {} }", "payload": {}, "eventType": "a",
    });
    let path = "/app/acme/endpoint/books/transformation/simulate";
    let running = std::thread::spawn(move || client.post(path, body));
    while turns.available_permits() == TRIES && !running.is_finished() {
        std::thread::yield_now();
    }
    assert_eq!(turns.available_permits(), TRIES - 1);
    let ended = running.join().unwrap().expect(200);
    assert_eq!(ended.json["error"]["code"], "timed_out", "{}", ended.json);
    assert_eq!(turns.available_permits(), TRIES);
}

#[test]
fn attempts_are_counted_as_they_are_listed() {
    let relay = acme();
    for event_id in ["1", "2", "3"] {
        send(&relay, event_id, if event_id == "3" { "c.d" } else { "a.b" });
        let ready = next_ready(&relay);
        match event_id {
            "1" => dead(&relay, &ready),
            _ => settle(&relay, &ready, 200, Verdict::Delivered),
        }
    }
    let path = "/app/acme/attempt/endpoint/books";
    let check = |query: &str, expected: usize| {
        let counted = relay.get(&format!("{path}/count?{query}")).expect(200).json;
        assert_eq!(counted, json!({"count": expected}), "{query}");
        let listed: Value = relay.get(&format!("{path}?{query}")).expect(200).json;
        assert_eq!(listed["data"].as_array().unwrap().len(), expected, "{query}");
    };
    check("", 3);
    check("status=0", 2);
    check("status=2", 1);
    check("status=1", 0);
    check("status_code_class=500", 1);
    check("event_types=a.b", 2);
    check("status=0&event_types=a.b", 1);
    check("before=2020-01-01T00:00:00Z", 0);
}
