//! Transformations, which come with a later version, and the count of attempts.

use relay::store::Verdict;
use serde_json::{Value, json};

use crate::support::acme::{acme, dead, next_ready, send, settle};

#[test]
fn there_are_no_transformations_yet() {
    let relay = acme();
    let path = "/app/acme/endpoint/books/transformation";
    let none = json!({"code": null, "enabled": false, "variables": null, "updatedAt": null});
    assert_eq!(relay.get(path).expect(200).json, none);
    let code = json!({"code": "function handler(webhook) { return webhook }", "enabled": true});
    let answer = relay.patch(path, code.clone()).expect(501);
    assert!(answer.text("detail").contains("nothing was changed"));
    relay.post(&format!("{path}/simulate"), code).expect(501);
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
