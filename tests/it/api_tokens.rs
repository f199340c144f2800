//! Operator keys and tokens of one application: made, shown once, kept as digests, ended.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api_refusals::token as signed;
use crate::support::server::{Answer, OPERATOR_KEY, Relay};

const HOUR: Duration = Duration::from_secs(3_600);

fn acme(change: impl FnOnce(&mut relay::config::Config)) -> Relay {
    let relay = Relay::with(change);
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    relay
}

fn access(relay: &Relay, app: &str, body: Value) -> String {
    let made = relay.post(&format!("/auth/app-portal-access/{app}"), body).expect(200);
    made.text("token").to_owned()
}

fn with(relay: &Relay, token: &str, method: &str, path: &str) -> Answer {
    relay.send(method, path, &[("authorization", &format!("Bearer {token}"))], None)
}

fn whoami(relay: &Relay, token: &str) -> Answer {
    with(relay, token, "GET", "/auth/whoami")
}

/// Whether any file below the folder holds the text.
fn holds(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = fs::read(path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[test]
fn a_link_opens_one_application_until_it_ends() {
    let relay = acme(|_| ());
    let input = json!({
        "expiry": 3_600, "capabilities": ["CreateAttempts", "ViewBase"],
        "featureFlags": ["beta"], "sessionId": "s-1",
    });
    let made = relay.post("/auth/app-portal-access/acme", input).expect(200);
    let (token, url) = (made.text("token").to_owned(), made.text("url"));
    assert_eq!(made.header("cache-control"), Some("no-store"));
    assert_eq!(url, format!("http://{}/portal#key={token}", relay.address));
    let page = relay.call("GET", "/portal", &[("authorization", "")], None).expect(200);
    assert!(page.json.as_str().unwrap().contains("portal.js"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    let expected = json!({
        "scope": "application", "credential": "token", "permissionSource": "RegionalAuthToken",
        "appId": relay.get("/app/acme").text("id"), "appUid": "acme",
        "capabilities": ["ViewBase", "CreateAttempts"], "featureFlags": ["beta"],
        "sessionId": "s-1", "expiresAt": "2026-11-21T01:00:00Z",
    });
    assert_eq!(whoami(&relay, &token).expect(200).json, expected);
    assert!(!holds(relay.folder.data(), &token), "it is kept as a digest");
    let folder = relay.stop();
    fs::remove_dir_all(folder.data().join("index")).unwrap();
    let relay = Relay::over(folder);
    assert_eq!(whoami(&relay, &token).expect(200).json, expected, "the journal has it");
    relay.folder.clock.advance(HOUR - Duration::from_millis(1));
    whoami(&relay, &token).expect(200);
    relay.folder.clock.advance(Duration::from_millis(1));
    whoami(&relay, &token).expect(401);
    assert!(!relay.state.store.sweep_tokens().unwrap());
    relay.folder.clock.advance(Duration::from_secs(1));
    whoami(&relay, &token).expect(401);
}

#[test]
fn by_default_all_capabilities_for_seven_days() {
    let relay = acme(|config| {
        config.server.public_url = Some("https://hooks.example.com/relay/".parse().unwrap());
    });
    let made = relay.send("POST", "/auth/app-portal-access/acme", &[], None).expect(200);
    assert!(made.text("url").starts_with("https://hooks.example.com/relay/portal#key=tk_"));
    let shown = whoami(&relay, made.text("token")).json;
    assert_eq!(shown["capabilities"].as_array().unwrap().len(), 6);
    assert_eq!(shown["expiresAt"], "2026-11-28T00:00:00Z");
    let given = ["ViewBase", "ViewEndpointSecret", "ManageEndpoint"];
    for (input, left) in [
        (json!({"readOnly": true}), &given[..1]),
        (json!({"readOnly": true, "capabilities": given}), &given[..2]),
    ] {
        let token = access(&relay, "acme", input);
        assert_eq!(whoami(&relay, &token).json["capabilities"], json!(left));
        with(&relay, &token, "DELETE", "/app/acme/endpoint/e").expect(403);
    }
}

#[test]
fn the_application_is_made_with_it() {
    let relay = acme(|_| ());
    let path = "/auth/app-portal-access/fresh";
    relay.post(path, json!({})).expect(404);
    let wrong = json!({"application": {"name": ""}});
    assert_eq!(relay.post(path, wrong).problem(), "body.application.name");
    let other = json!({"application": {"name": "Fresh", "uid": "other"}});
    assert_eq!(relay.post(path, other).problem(), "body.application.uid");
    let token = access(&relay, "fresh", json!({"application": {"name": "Fresh"}}));
    assert_eq!(whoami(&relay, &token).json["appUid"], "fresh");
    access(&relay, "fresh", json!({"application": {"name": "Ignored"}}));
    assert_eq!(relay.get("/app/fresh").text("name"), "Fresh");
}

#[test]
fn secrets_and_headers_need_their_capability() {
    let relay = acme(|_| ());
    let headers = json!({"x-tenant": "hunter2", "authorization": "hunter3"});
    let endpoint = json!({"url": "https://h.example/", "uid": "e", "headers": headers});
    relay.post("/app/acme/endpoint", endpoint).expect(201);
    let base = access(&relay, "acme", json!({"capabilities": ["ViewBase"]}));
    let path = "/app/acme/endpoint/e/headers";
    let shown = with(&relay, &base, "GET", path).expect(200).json;
    assert_eq!(shown, json!({"headers": {}, "sensitive": ["authorization", "x-tenant"]}));
    relay.post("/app/acme/msg", json!({"eventType": "a.b", "payload": {}})).expect(202);
    let polled = |token: &str| {
        let page = with(&relay, token, "GET", "/app/acme/poller/e").expect(200).json;
        page["data"][0]["headers"].clone()
    };
    assert_eq!(polled(&base), json!({"content-type": "application/json"}));
    let refused = with(&relay, &base, "GET", "/app/acme/endpoint/e/secret").expect(403);
    assert!(refused.text("detail").contains("ViewEndpointSecret"), "{}", refused.json);
    let all = access(&relay, "acme", json!({}));
    let shown = with(&relay, &all, "GET", path).expect(200).json;
    assert_eq!(shown["headers"], json!({"x-tenant": "hunter2"}));
    assert_eq!(shown["sensitive"], json!(["authorization"]));
    let own = json!({"content-type": "application/json", "x-tenant": "hunter2"});
    assert_eq!(polled(&all), own);
    with(&relay, &all, "GET", "/app/acme/endpoint/e/secret").expect(200);
}

#[test]
fn feature_flags_show_event_types() {
    let relay = acme(|_| ());
    for (name, flags) in
        [("open", json!(null)), ("beta", json!(["b", "c"])), ("late", json!(["l"]))]
    {
        let body = json!({"name": name, "description": "", "featureFlags": flags});
        relay.post("/event-type", body).expect(201);
    }
    let seen = |token: &str| {
        let listed = with(&relay, token, "GET", "/event-type").expect(200).json;
        let names = listed["data"].as_array().unwrap().iter();
        names.map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let none = access(&relay, "acme", json!({}));
    let some = access(&relay, "acme", json!({"featureFlags": ["c"]}));
    assert_eq!(seen(&none), ["open"]);
    assert_eq!(seen(&some), ["beta", "open"]);
    assert_eq!(seen(OPERATOR_KEY), ["beta", "late", "open"]);
    with(&relay, &none, "GET", "/event-type/beta").expect(404);
    with(&relay, &some, "GET", "/event-type/beta").expect(200);
}

#[test]
fn so_many_and_no_more() {
    let relay = acme(|config| config.auth.tokens_per_application = 2);
    relay.post("/app", json!({"name": "Other", "uid": "other"})).expect(201);
    let path = "/auth/app-portal-access/acme";
    let first = access(&relay, "acme", json!({"expiry": 3_600}));
    access(&relay, "acme", json!({"expiry": 7_200}));
    let refused = relay.post(path, json!({})).expect(400);
    assert_eq!(refused.text("code"), "limit_reached");
    access(&relay, "other", json!({}));
    with(&relay, &first, "POST", "/auth/logout").expect(204);
    whoami(&relay, &first).expect(401);
    access(&relay, "acme", json!({"expiry": 3_600}));
    relay.post(path, json!({})).expect(400);
    relay.folder.clock.advance(HOUR);
    relay.post(path, json!({})).expect(400);
    while relay.state.store.sweep_tokens().unwrap() {}
    access(&relay, "acme", json!({}));
    relay.post(path, json!({})).expect(400);
}

#[test]
fn all_of_an_application_end() {
    let relay = acme(|_| ());
    relay.post("/app", json!({"name": "Other", "uid": "other"})).expect(201);
    let other = access(&relay, "other", json!({"sessionId": "a"}));
    let one = access(&relay, "acme", json!({"sessionId": "a"}));
    let two = access(&relay, "acme", json!({"sessionId": "b"}));
    let plain = access(&relay, "acme", json!({"expiry": 3_600}));
    let path = "/auth/app/acme/expire-all";
    relay.post(path, json!({"sessionIds": ["a", "none"]})).expect(204);
    whoami(&relay, &one).expect(401);
    whoami(&relay, &two).expect(200);
    relay.post(path, json!({"expiry": 7_200})).expect(204);
    assert_eq!(whoami(&relay, &two).json["expiresAt"], "2026-11-21T02:00:00Z");
    assert_eq!(whoami(&relay, &plain).json["expiresAt"], "2026-11-21T01:00:00Z", "it ends before");
    relay.folder.clock.advance(2 * HOUR);
    for ended in [&two, &plain] {
        whoami(&relay, ended).expect(401);
    }
    whoami(&relay, &other).expect(200);
    // More than one step.
    let many: Vec<String> = (0..300).map(|_| access(&relay, "acme", json!({}))).collect();
    relay.post(path, json!({})).expect(204);
    while relay.state.store.sweep_tokens().unwrap() {}
    assert!(many.iter().all(|token| relay.state.store.token(&digest(token)).is_none()));
    whoami(&relay, &other).expect(200);
}

fn digest(token: &str) -> [u8; 32] {
    relay::http::auth::digest(token)
}

/// A client library sends a request again when no answer came.
#[test]
fn the_same_key_makes_one() {
    let relay = acme(|_| ());
    let again = |relay: &Relay, path: &str, body: &str| {
        relay.send("POST", path, &[("idempotency-key", "k")], Some(body))
    };
    for (path, body) in [("/auth/app-portal-access/acme", "{}"), ("/auth/key", r#"{"name":"n"}"#)] {
        let first = again(&relay, path, body);
        let second = again(&relay, path, body);
        assert_eq!((first.status, &first.json), (second.status, &second.json));
        assert_eq!(again(&relay, path, r#"{"expiry":4000}"#).status, 409);
    }
    assert_eq!(relay.get("/auth/key").json["data"].as_array().unwrap().len(), 2);
    let relay = relay.restart();
    let refused = again(&relay, "/auth/app-portal-access/acme", "{}").expect(409);
    assert!(refused.text("detail").contains("shown once"), "{}", refused.json);
}

#[test]
fn operator_keys() {
    let relay = acme(|_| ());
    let input = json!({"name": "deploy", "expiresAt": "2026-11-21T01:00:00Z"});
    let made = relay.post("/auth/key", input).expect(201);
    let (id, key) = (made.text("id").to_owned(), made.text("token").to_owned());
    assert!(key.starts_with("sk_") && !holds(relay.folder.data(), &key));
    let shown = whoami(&relay, &key).expect(200).json;
    assert_eq!((&shown["scope"], &shown["name"]), (&json!("operator"), &json!("deploy")));
    let lasting = with(&relay, &key, "POST", "/auth/key");
    assert_eq!(lasting.status, 422, "{lasting:?}");
    let lasting = relay.post("/auth/key", json!({})).expect(201).text("token").to_owned();
    let listed = relay.get("/auth/key").expect(200).json;
    let names = listed["data"].as_array().unwrap().iter().map(|item| item["name"].clone());
    assert_eq!(names.collect::<Vec<_>>(), [json!("deploy"), Value::Null, Value::Null]);
    assert!(!listed.to_string().contains("sk_"), "{listed}");
    assert_eq!(listed["data"][2]["origin"], "the configuration");
    let folder = relay.stop();
    fs::remove_dir_all(folder.data().join("index")).unwrap();
    let relay = Relay::over(folder);
    with(&relay, &key, "GET", "/app").expect(200);
    relay.folder.clock.advance(HOUR);
    with(&relay, &key, "GET", "/app").expect(401);
    with(&relay, &lasting, "DELETE", &format!("/auth/key/{id}")).expect(204);
    relay.delete(&format!("/auth/key/{id}")).expect(404);
    let own = relay.delete("/auth/key/operator_key").expect(409);
    assert!(own.text("detail").contains("the configuration"), "{}", own.json);
    let many = relay::store::OPERATOR_KEYS_MAX;
    for _ in 1..many {
        relay.post("/auth/key", json!({})).expect(201);
    }
    let refused = relay.post("/auth/key", json!({})).expect(400);
    assert_eq!(refused.text("code"), "limit_reached");
    let first = relay.get("/auth/key?limit=100").json;
    assert_eq!(
        (first["done"].clone(), first["data"].as_array().unwrap().len()),
        (json!(false), many)
    );
}

#[test]
fn only_tokens_log_out() {
    let relay = acme(|_| ());
    let key = relay.post("/auth/key", json!({})).expect(201).text("token").to_owned();
    let jwt = signed(relay.get("/app/acme").text("id"));
    for stays in [OPERATOR_KEY, &key, &jwt] {
        let refused = with(&relay, stays, "POST", "/auth/logout").expect(400);
        assert!(refused.text("detail").len() > 20, "{}", refused.json);
        whoami(&relay, stays).expect(200);
    }
    let shown = whoami(&relay, &jwt).json;
    assert_eq!(
        (&shown["credential"], &shown["permissionSource"]),
        (&"signed".into(), &"SvixJwt".into())
    );
}
