//! Every call of the API, from the table of routes: what keys, paths, methods and bodies it
//! refuses.

use serde_json::{Value, json};

use crate::api_refusals::token;
use crate::support::server::{Answer, OPERATOR_KEY, Relay, parse};
use crate::support::source::calls;

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// Shortly before the clock of these tests.
const SINCE: &str = "2026-11-20T00:00:00Z";
/// Of what the paths name, what is there.
const THERE: [(&str, &str); 2] = [("{app}", "acme"), ("{name}", "a.b")];
/// No name of anything, too long a one, and one that would be another path.
const NO_NAMES: [&str; 3] = ["no%20body", "..%2Facme", "%C3%A9"];

fn relay() -> Relay {
    let relay = Relay::start();
    for uid in ["acme", "other"] {
        relay.post("/app", json!({"name": uid, "uid": uid})).expect(201);
        let endpoint = json!({"url": "https://h.example/", "uid": "e"});
        relay.post(&format!("/app/{uid}/endpoint"), endpoint).expect(201);
    }
    let told = json!({"url": "https://h.example/", "uid": "e"});
    relay.post("/operational-webhook/endpoint", told).expect(201);
    relay.post("/event-type", json!({"name": "a.b", "description": ""})).expect(201);
    let source = json!({"name": "s", "uid": "s", "type": "generic-webhook", "application": "acme"});
    relay.post("/source", source).expect(201);
    let message = json!({"eventType": "a.b", "payload": {}, "eventId": "one"});
    relay.post("/app/acme/msg", message).expect(202);
    relay
}

/// A path with names that are there, but for one parameter.
fn path(pattern: &str, wrong: Option<(&str, &str)>) -> String {
    let names = [
        ("{endpoint}", "e"),
        ("{sink}", "e"),
        ("{consumer}", "one"),
        ("{listener}", "one"),
        ("{msg}", "one"),
        ("{attempt}", "atmpt_none"),
        ("{source}", "s"),
        ("{request}", "in_none"),
    ];
    let mut path = pattern.to_owned();
    for (parameter, name) in wrong.into_iter().chain(THERE).chain(names) {
        path = path.replace(parameter, name);
    }
    path
}

fn parameters(pattern: &str) -> Vec<String> {
    let parts = pattern.split('/').filter(|part| part.starts_with('{'));
    parts.map(str::to_owned).collect()
}

/// A body that is right for the call.
fn body(method: &str, pattern: &str) -> Option<Value> {
    Some(match (method, pattern) {
        ("GET" | "DELETE", _) => return None,
        ("PATCH", _) => json!({}),
        (_, "/app" | "/app/{app}") => json!({"name": "a"}),
        (_, "/app/{app}/endpoint" | "/app/{app}/endpoint/{endpoint}") => {
            json!({"url": "https://h.example/"})
        }
        (_, "/operational-webhook/endpoint" | "/operational-webhook/endpoint/{endpoint}") => {
            json!({"url": "https://h.example/"})
        }
        (_, path) if path.ends_with("/seek") => json!({"after": SINCE}),
        (_, path) if path.ends_with("/listener/{listener}") => json!({"position": SINCE}),
        (_, path) if path.ends_with("/headers") => json!({"headers": {}}),
        (_, "/app/{app}/endpoint/{endpoint}/send-example") => json!({"eventType": "a.b"}),
        (_, "/app/{app}/msg" | "/msg/broadcast") => json!({"eventType": "a.b", "payload": {}}),
        (_, "/app/{app}/msg/bulk-expunge") => json!({"ids": ["one"]}),
        (_, "/app/{app}/msg/precheck/active") => json!({"eventType": "a.b"}),
        (_, "/stats/usage/app") => json!({"since": SINCE, "until": SINCE}),
        (_, path) if path.ends_with("/recover") => json!({"since": SINCE}),
        (_, path) if path.ends_with("-replay") || path.ends_with("replay-missing") => {
            json!({"since": SINCE})
        }
        (_, "/source" | "/source/{source}") if method != "PATCH" => {
            json!({"name": "s", "type": "generic-webhook", "application": "acme"})
        }
        (_, "/source/{source}/dry-run") => json!({"dedup": "body"}),
        (_, "/event-type" | "/event-type/{name}") => json!({"name": "c", "description": ""}),
        _ => json!({}),
    })
}

fn send(relay: &Relay, method: &str, path: &str, body: Option<&Value>) -> Answer {
    relay.send(method, path, &[], body.map(Value::to_string).as_deref())
}

/// The shape of every error but 422.
#[track_caller]
fn refused(answer: Answer, status: u16, code: &str, what: &str) {
    assert_eq!((answer.status, &answer.json["code"]), (status, &json!(code)), "{what}: {answer:?}");
    assert!(answer.json["detail"].is_string(), "{what}: {answer:?}");
}

#[test]
fn the_source_has_the_calls() {
    let calls = calls();
    assert!(calls.len() >= 40, "{calls:#?}");
    let has =
        |method: &str, path: &str| calls.iter().any(|call| (&*call.0, &*call.1) == (method, path));
    assert!(has("POST", "/app/{app}/msg") && has("GET", "/stats/accounting"));
    assert!(has("DELETE", "/event-type/{name}") && has("POST", "/auth/logout"));
}

#[test]
fn keys_that_may_not() {
    let relay = relay();
    let stranger = format!("Bearer {}", token(relay.get("/app/other").text("id")));
    for (method, pattern, later) in calls() {
        let method = method.as_str();
        let (what, path) = (format!("{method} {pattern}"), path(&pattern, None));
        let bare =
            format!("{method} /api/v1{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        refused(parse(&relay.raw(bare.as_bytes())), 401, "authentication_failed", &what);
        // What every tenant may see: the event types, tasks of its own, and itself.
        let own = ["/background-task", "/auth/whoami", "/auth/logout"];
        let own = own.iter().any(|begin| pattern.starts_with(begin));
        if later || own || method == "GET" && pattern.starts_with("/event-type") {
            continue;
        }
        let body = body(method, &pattern).map(|body| body.to_string());
        let headers = [("authorization", stranger.as_str())];
        let answer = relay.send(method, &path, &headers, body.as_deref());
        refused(answer, 403, "insufficient access", &what);
    }
    relay.get("/app/acme/endpoint/e").expect(200);
}

#[test]
fn paths_that_name_nothing() {
    let relay = relay();
    let long = "a".repeat(257);
    for (method, pattern, later) in calls() {
        let method = method.as_str();
        for parameter in parameters(&pattern) {
            for name in NO_NAMES.into_iter().chain([long.as_str()]) {
                let what = format!("{method} {pattern} with {parameter} {name}");
                let path = path(&pattern, Some((&parameter, name)));
                let answer = send(&relay, method, &path, body(method, &pattern).as_ref());
                match (method, parameter.as_str()) {
                    // Where it looks at what the path names, it does that first.
                    _ if later && answer.status != 404 => {
                        refused(answer, 501, "not_implemented", &what)
                    }
                    ("PUT", "{name}") => assert_eq!(answer.problem(), "path.name", "{what}"),
                    _ => refused(answer, 404, "not_found", &what),
                }
            }
        }
    }
    for (method, pattern, _) in calls() {
        let known = calls().into_iter().filter(|call| call.1 == pattern).map(|call| call.0);
        let known: Vec<_> = known.collect();
        let others = METHODS.into_iter().chain(["OPTIONS"]);
        for other in others.filter(|other| !known.iter().any(|one| one == other)) {
            let answer = send(&relay, other, &path(&pattern, None), None);
            refused(answer, 405, "method_not_allowed", &format!("{other}, not {method} {pattern}"));
        }
    }
}

#[test]
fn bodies_that_are_none() {
    let relay = relay();
    let large = format!("{{\"x\":\"{}\"}}", "a".repeat(1 << 20));
    let deep = format!("{{\"x\":{}", "[".repeat(5_000));
    for (method, pattern, later) in calls() {
        let method = method.as_str();
        let Some(right) = body(method, &pattern).filter(|_| !later) else { continue };
        let (what, path) = (format!("{method} {pattern}"), path(&pattern, None));
        let right = right.to_string();
        let with =
            |headers: &[(&str, &str)], body: &str| relay.send(method, &path, headers, Some(body));
        for (name, value) in [("content-type", "text/plain"), ("content-encoding", "gzip")] {
            refused(with(&[(name, value)], &right), 415, "unsupported_media_type", &what);
        }
        refused(with(&[], &large), 413, "payload_too_large", &what);
        for wrong in ["{", "{} x", "\u{0}", "{\"\u{7}\": 1}", "[]", "[{}]", "7", "null", &deep] {
            let answer = with(&[], wrong);
            let first = &answer.json["detail"][0];
            assert!(first["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{what}: {answer:?}");
            assert_eq!(first["type"], "value_error.jsondecode", "{what}: {wrong:.9}");
            assert!(answer.problem().starts_with("body"), "{what}: {wrong:.9}");
        }
    }
}

/// What would end a header and begin another, or a second request, is refused where it comes in.
#[test]
fn names_that_would_split_a_request() {
    let relay = relay();
    let lines = ["a\r\nx: y", "a\nx: y", "a\rx", "a\u{0}", "a\r\n\r\nPOST / HTTP/1.1", "\u{e9}"];
    for text in lines {
        for (path, body) in [
            ("/app/acme/endpoint/e/headers", json!({"headers": {"x-a": text}})),
            ("/app/acme/endpoint/e/headers", json!({"headers": {text: "a"}})),
            ("/app/acme/endpoint/e", json!({"url": "https://h.example/", "headers": {text: "a"}})),
        ] {
            assert!(relay.put(path, body).problem().starts_with("body.headers"), "{text:?}");
        }
        let message = json!({
            "eventType": "a", "payload": {},
            "transformationsParams": {"headers": {"content-type": format!("text/{text}")}},
        });
        let place = relay.post("/app/acme/msg", message).problem();
        assert_eq!(place, "body.transformationsParams.headers.content-type", "{text:?}");
    }
    for text in ["a\u{0}b", "a\rb", "a\nb"] {
        let head = format!(
            "POST /api/v1/app HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATOR_KEY}\r\n\
             idempotency-key: {text}\r\ncontent-length: 12\r\nconnection: close\r\n\r\n"
        );
        let answer = relay.raw(format!("{head}{{\"name\":\"a\"}}").as_bytes());
        assert!(answer.starts_with(b"HTTP/1.1 400"), "{text:?}");
    }
    let long = "k".repeat(257);
    for key in ["", " ", "\u{e9}", &long] {
        let answer =
            relay.send("POST", "/app", &[("idempotency-key", key)], Some(r#"{"name":"a"}"#));
        assert_eq!(answer.problem(), "header.idempotency-key", "{key:?}");
    }
    assert_eq!(relay.get("/app").json["data"].as_array().unwrap().len(), 2, "nothing was made");
}
