//! What a read-only key opens: every call that changes nothing, and no secret.

use relay::http::permissions::{LOOKING, MOVING, SECRET, open_to_readers};
use relay::http::routes;
use serde_json::{Value, json};

use crate::support::document::{Document, Operation};
use crate::support::server::{Answer, Relay, parse};
use crate::support::walk::{Seed, bodies, role};

/// Credentials that are planted here, in what a walk is shown.
const SECRETS: [&str; 4] = ["hunter2-header", "hunter2-variable", "hunter2-password", "whsec_"];

fn reader(relay: &Relay) -> String {
    let made = relay.post("/auth/key", json!({"name": "Ann", "scopes": ["read-only"]}));
    format!("Bearer {}", made.expect(201).text("token"))
}

fn with(relay: &Relay, authorization: &str, method: &str, path: &str, body: &str) -> Answer {
    let body = (method != "GET").then_some(body);
    relay.send(method, path, &[("authorization", authorization)], body)
}

/// The path below `/api/v1` as the routes have it: the names in braces are others there.
fn route_of(call: &Operation<'_>) -> String {
    let bare = |path: &str| {
        let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
        parts.collect::<Vec<_>>().join("/")
    };
    let found = routes::all()
        .into_iter()
        .find(|route| route.method.as_str() == call.method && bare(&route.path) == bare(call.path));
    found.unwrap().path.strip_prefix("/api/v1").unwrap().to_owned()
}

/// Gives the seeded endpoint credentials of every kind.
fn plant_secrets(relay: &Relay, seed: &Seed) -> Vec<String> {
    let endpoint = seed.path("/app/{app_id}/endpoint/{endpoint_id}");
    let auth = json!({"type": "basic", "username": "u", "password": "hunter2-password"});
    relay.patch(&endpoint, json!({"delivery": {"auth": auth}})).expect(200);
    let headers = json!({"headers": {"x-key": "hunter2-header"}});
    relay.patch(&format!("{endpoint}/headers"), headers).expect(204);
    let steps = json!([{"set": {"path": "told", "value": "{{env.WORD}}"}}]);
    let transformation = json!({"steps": steps, "variables": {"WORD": "hunter2-variable"}});
    relay.patch(&format!("{endpoint}/transformation"), transformation).expect(200);
    let source = relay.get(&seed.path("/source/{source_id}")).expect(200);
    let token = source.text("ingestUrl").rsplit('/').next().unwrap().to_owned();
    let mut secrets: Vec<String> = SECRETS.map(str::to_owned).to_vec();
    secrets.push(token);
    secrets
}

/// Everything there is, as an operator reads it.
fn everything(relay: &Relay, seed: &Seed) -> Vec<Value> {
    let calls = Document::read().operations().into_iter();
    let still = calls.filter(|call| {
        let route = call.path.strip_prefix("/api/v1").unwrap_or_default();
        let moves = [
            "/polling-endpoint/",
            "/stats/accounting",
            "/stats/overview",
            "/workers",
            "/audit-log",
        ];
        call.method == "GET"
            && role(call).is_some()
            && !moves.iter().any(|part| route.contains(part))
            && !route.ends_with("/environment/export")
    });
    still.map(|call| relay.call("GET", &seed.path(call.path), &[], None).json).collect()
}

#[test]
fn every_call_of_the_document() {
    let relay = Relay::start();
    let seed = Seed::plant(&relay, "mine");
    let secrets = plant_secrets(&relay, &seed);
    let authorization = reader(&relay);
    let before = everything(&relay, &seed);
    assert!(secrets.iter().any(|secret| format!("{before:?}").contains(secret)));
    let (mut open, mut closed) = (0, 0);
    for call in Document::read().operations().into_iter().filter(|call| role(call).is_some()) {
        let route = route_of(&call);
        // What ends the caller's own sign-in is tried with a session.
        if ["/auth/logout", "/auth/session"].contains(&route.as_str()) {
            continue;
        }
        for body in bodies(&call) {
            let answer = seed.call(&relay, &call, &authorization, body.as_ref());
            let said = format!("{} {} is answered {answer:?}", call.method, call.path);
            if open_to_readers(&call.method, &route) {
                assert!((200..300).contains(&answer.status), "{said}");
                open += 1;
            } else {
                assert_eq!(answer.status, 403, "{said}");
                assert_eq!(answer.json["code"], "insufficient access", "{said}");
                assert!(answer.text("detail").contains("read-only"), "{said}");
                closed += 1;
            }
            for secret in &secrets {
                assert!(!answer.json.to_string().contains(secret), "{secret} leaks: {said}");
            }
        }
    }
    assert!(open > 40 && closed > 40, "{open} open, {closed} closed");
    assert_eq!(everything(&relay, &seed), before, "nothing was changed");
}

/// Any route that is added and no GET is closed until somebody opens it.
#[test]
fn what_is_new_is_closed() {
    let known: Vec<(String, String)> = routes::all()
        .into_iter()
        .filter(|route| route.guarded)
        .map(|route| (route.method.to_string(), route.path.replacen("/api/v1", "", 1)))
        .collect();
    for (method, path) in LOOKING {
        assert!(known.contains(&(method.to_owned(), path.to_owned())), "{method} {path} is gone");
    }
    for path in MOVING.iter().chain(&SECRET) {
        assert!(known.contains(&("GET".to_owned(), (*path).to_owned())), "GET {path} is gone");
        assert!(!open_to_readers("GET", path));
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert!(!open_to_readers(method, "/something/new"), "{method}");
    }
}

#[test]
fn secrets_behind_an_open_call_stay_hidden() {
    let relay = Relay::start();
    let seed = Seed::plant(&relay, "mine");
    let secrets = plant_secrets(&relay, &seed);
    let authorization = reader(&relay);
    let see = |method: &str, path: &str, body: &str| {
        with(&relay, &authorization, method, &seed.path(path), body)
    };
    let endpoint = "/app/{app_id}/endpoint/{endpoint_id}";
    for method in ["GET", "POST"] {
        see(method, "/environment/export?with_secrets=true", "{}").expect(403);
        let shown = see(method, "/environment/export", "{}").expect(200).json;
        let exported = &shown["applications"][0]["endpoints"][0];
        assert_eq!(exported["headers"], json!({}), "{shown}");
        assert!(exported["sensitive"].as_array().unwrap().contains(&json!("x-key")), "{shown}");
    }
    let headers = see("GET", &format!("{endpoint}/headers"), "").expect(200).json;
    assert_eq!(headers["headers"], json!({}), "{headers}");
    let simulate = json!({"payload": {}, "eventType": "invoice.paid"}).to_string();
    let run = format!("{endpoint}/transformation/simulate");
    let shown = see("POST", &run, &simulate).expect(200).json;
    assert!(shown["payload"].as_str().unwrap().contains("(hidden)"), "{shown}");
    let own = relay.post(&seed.path(&run), serde_json::from_str(&simulate).unwrap());
    assert!(
        own.expect(200).text("payload").contains("hunter2-variable"),
        "an operator is shown it"
    );
    for body in ["{}", r#"{"steps": [{"set": {"path": "a", "value": "{{env.WORD}}"}}]}"#] {
        let tried = see("POST", &format!("{endpoint}/dry-run"), body).expect(200).json;
        assert!(tried.to_string().contains("(hidden)"), "{tried}");
        assert!(!tried.to_string().contains("hunter2"), "{tried}");
    }
    let source = see("GET", "/source/{source_id}", "").expect(200);
    assert!(source.text("ingestUrl").ends_with("/in/(hidden)"), "{}", source.json);
    let listed = see("GET", "/source", "").expect(200).json.to_string();
    let libraries = seed.path("/ingest/api/v1/source/{source_id}");
    let head = format!("GET {libraries} HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}");
    let aliased = parse(&relay.raw(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()));
    let aliased = aliased.expect(200).json;
    for secret in &secrets {
        assert!(!listed.contains(secret) && !aliased.to_string().contains(secret), "{secret}");
    }
}

#[test]
fn a_key_tells_what_it_opens() {
    let relay = Relay::start();
    let authorization = reader(&relay);
    let own = with(&relay, &authorization, "GET", "/auth/whoami", "").expect(200).json;
    assert_eq!(
        (&own["scope"], &own["role"], &own["name"], &own["credential"]),
        (&json!("operator"), &json!("read-only"), &json!("Ann"), &json!("key"))
    );
    assert_eq!(relay.get("/auth/whoami").json["role"], "operator");
    let listed = relay.get("/auth/key").json;
    assert_eq!(listed["data"][0]["scopes"], json!(["read-only"]));
    assert_eq!(listed["data"][1]["scopes"], json!(["operator"]));
    for wrong in [json!([]), json!(["admin"]), json!(["operator", "read-only"])] {
        let refused = relay.post("/auth/key", json!({"scopes": wrong}));
        assert_eq!(refused.problem(), "body.scopes");
    }
    let again = relay.restart();
    let own = with(&again, &authorization, "GET", "/auth/whoami", "").expect(200).json;
    assert_eq!(own["role"], "read-only");
    with(&again, &authorization, "POST", "/app", r#"{"name": "x"}"#).expect(403);
}
