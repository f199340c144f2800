//! Transformations, and the count of attempts.

use relay::store::Verdict;
use serde_json::{Value, json};

use crate::support::acme::{acme, dead, next_ready, send, settle};

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
