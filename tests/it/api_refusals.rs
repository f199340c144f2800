//! What the API refuses, and in which words: keys, bodies, requests that are none. Every field and
//! every call have their cases in `api_fields` and `api_calls`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use relay::config::units::{Size, Span};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::clock::START;
use crate::support::server::{JWT_SECRET, OPERATOR_KEY, Relay, parse};

pub fn token(subject: &str) -> String {
    let claims = json!({"iat": 1, "nbf": 1, "exp": START.seconds() + 60, "sub": subject});
    let parts = [json!({"alg": "HS256", "typ": "JWT"}), claims];
    let signed = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let mut mac = Hmac::<Sha256>::new_from_slice(JWT_SECRET).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// What is known and not done yet is not ignored; what is not known is.
#[test]
fn fields_that_come_later() {
    let relay = Relay::start();
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let msg = |field: &str, value: Value| {
        let mut body = json!({"eventType": "a", "payload": {}});
        body[field] = value;
        relay.post("/app/acme/msg", body)
    };
    assert_eq!(msg("application", json!({"name": ""})).problem(), "body.application.name");
    for field in ["payloadRetentionPeriod", "payloadRetentionHours"] {
        assert_eq!(msg(field, json!(0)).problem(), format!("body.{field}"));
        assert_eq!(msg(field, json!(u64::MAX)).problem(), format!("body.{field}"));
    }
    msg("payloadRetentionPeriod", json!(90)).expect(202);
    msg("transformationsParams", json!({"x": 1})).expect(501);
    msg("transformationsParams", json!({"headers": {"x": "y"}})).expect(501);
    msg("unknown", json!({"x": []})).expect(202);
    relay.post("/app/nobody/msg", json!({"eventType": "a", "payload": {}})).expect(404);
}

#[test]
fn keys_of_a_plan() {
    let relay = Relay::start();
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let keys = json!({"keys": [{"application": "a b", "endpoint": "e", "key": key}]});
    assert_eq!(relay.post("/config/plan", keys).problem(), "body.keys[0].application");
    let keys = json!({"keys": [{"application": "a", "endpoint": "", "key": key}]});
    assert_eq!(relay.post("/config/plan", keys).problem(), "body.keys[0].endpoint");
}

#[test]
fn keys_and_tokens() {
    let relay = Relay::start();
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let id = relay.get("/app/acme").text("id").to_owned();
    relay.post("/app", json!({"name": "B", "uid": "b"})).expect(201);
    let with = |method: &str, path: &str, token: &str, body: Option<&str>| {
        let value = format!("Bearer {token}");
        relay.send(method, path, &[("authorization", &value)], body)
    };
    let org = token("org_23rb8YdGqMT0qIzpgGwdXfHirMu");
    with("GET", "/app", &org, None).expect(200);
    let scoped = token(&id);
    with("GET", "/app/acme", &scoped, None).expect(200);
    with("GET", &format!("/app/{id}/endpoint"), &scoped, None).expect(200);
    with("GET", "/event-type", &scoped, None).expect(200);
    let refused = with("GET", "/app/b", &scoped, None).expect(403);
    assert_eq!(refused.text("code"), "insufficient access");
    for (method, path, body) in [
        ("GET", "/app/nobody/msg", None),
        ("GET", "/app", None),
        ("POST", "/app", Some(r#"{"name":"x"}"#)),
        ("DELETE", "/app/acme", None),
        ("POST", "/app/acme/msg", Some(r#"{"eventType":"a","payload":{}}"#)),
        ("POST", "/event-type", Some(r#"{"name":"x","description":""}"#)),
    ] {
        with(method, path, &scoped, body).expect(403);
    }
    for number in 0..20 {
        let answer = with("GET", "/app", &format!("guess{number}"), None).expect(401);
        assert_eq!(answer.text("code"), "authentication_failed");
    }
    let blocked = with("GET", "/app", "guess20", None).expect(429);
    assert_eq!(blocked.header("retry-after"), Some("60"));
    // The right key is not shut out by whoever guesses from the same address.
    relay.get("/app").expect(200);
    relay.folder.clock.advance(Duration::from_secs(60));
    with("GET", "/app", "guess21", None).expect(401);
}

#[test]
fn bodies() {
    let relay = Relay::with(|config| {
        config.intake.max_body = Size(4 << 10);
        config.intake.max_in_flight = Size(8 << 10);
        config.server.body_timeout = Span(Duration::from_millis(200));
    });
    let send =
        |headers: &[(&str, &str)], body: &str| relay.send("POST", "/app", headers, Some(body));
    assert_eq!(send(&[], "{").problem(), "body");
    assert_eq!(send(&[], "").problem(), "body");
    assert_eq!(send(&[], "{\"name\":\"\u{7}\"}").problem(), "body.name");
    send(&[("content-type", "text/plain")], "{}").expect(415);
    send(&[("content-encoding", "gzip")], "{}").expect(415);
    send(&[("content-type", "application/json; charset=utf-8")], r#"{"name":"a"}"#).expect(201);
    send(&[], &format!("{{\"name\":\"{}\"}}", "a".repeat(4 << 10))).expect(413);
    let head =
        format!("POST /api/v1/app HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {OPERATOR_KEY}\r\n");
    let announced = format!("{head}content-length: 999999\r\nexpect: 100-continue\r\n\r\n");
    let answer = relay.raw(announced.as_bytes());
    assert_eq!(parse(&answer).status, 413, "by its length alone");
    let chunk = "a".repeat(4 << 10);
    let chunked = format!(
        "{head}transfer-encoding: chunked\r\n\r\n1000\r\n{chunk}\r\n\
         10\r\n0123456789abcdef\r\n0\r\n\r\n"
    );
    assert_eq!(parse(&relay.raw(chunked.as_bytes())).status, 413, "counted while it comes");
    let slow = format!("{head}content-length: 100\r\n\r\n{{");
    assert_eq!(parse(&relay.raw(slow.as_bytes())).status, 408);
}

#[test]
fn hostile_requests() {
    let relay = Relay::start();
    let key = format!("authorization: Bearer {OPERATOR_KEY}\r\n");
    let head = format!("POST /api/v1/app HTTP/1.1\r\nhost: x\r\n{key}");
    let body = r#"{"name":"a"}"#;
    for (what, request) in [
        (
            "length and chunks",
            format!("{head}content-length: 12\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
        ),
        ("two lengths", format!("{head}content-length: 12\r\ncontent-length: 13\r\n\r\n{body}")),
        (
            "two equal lengths",
            format!("{head}content-length: 12\r\ncontent-length: 12\r\n\r\n{body}"),
        ),
        ("a list of lengths", format!("{head}content-length: 12, 12\r\n\r\n{body}")),
        ("a signed length", format!("{head}content-length: +12\r\n\r\n{body}")),
        ("a negative length", format!("{head}content-length: -1\r\n\r\n{body}")),
        ("a length in hex", format!("{head}content-length: 0xc\r\n\r\n{body}")),
        (
            "two codings",
            format!(
                "{head}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        ("an unknown coding", format!("{head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n")),
        (
            "chunked not last",
            format!("{head}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ),
        ("a space before the colon", format!("{head}content-length : 12\r\n\r\n{body}")),
        ("a folded header", format!("{head}x-a: b\r\n c\r\ncontent-length: 12\r\n\r\n{body}")),
        (
            "a bad chunk size",
            format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n{body}\r\n0\r\n\r\n"),
        ),
        (
            "a websocket",
            format!(
                "GET /api/v1/app HTTP/1.1\r\nhost: x\r\n{key}connection: upgrade\r\n\
                 upgrade: websocket\r\n\r\n"
            ),
        ),
        ("two hosts", format!("{head}host: y\r\ncontent-length: 12\r\n\r\n{body}")),
        ("a null in a header", format!("{head}x-a: \0\r\ncontent-length: 12\r\n\r\n{body}")),
    ] {
        let answer = relay.raw(request.as_bytes());
        assert!(
            answer.starts_with(b"HTTP/1.1 400"),
            "{what}: {}",
            String::from_utf8_lossy(&answer)
        );
        let answers = answer.windows(9).filter(|window| window == b"HTTP/1.1 ").count();
        assert_eq!(answers, 1, "{what}: nothing behind it is taken for a second request");
    }
    assert_eq!(relay.get("/app").json["data"], json!([]), "nothing of that was done");
}

#[test]
fn paths_methods_and_names() {
    let relay = Relay::start();
    assert_eq!(relay.get("/nothing").expect(404).text("code"), "not_found");
    let refused = relay.send("POST", "/app/a", &[], Some("{}")).expect(405);
    assert_eq!(refused.header("allow"), Some("GET, PUT, PATCH, DELETE"));
    relay.get("/app/a%20b").expect(404);
    relay.get("/app/..%2Fb").expect(404);
    relay.get("/health").expect(204);
    relay.send("GET", "/health/ping/", &[("authorization", "")], None).expect(204);
    let named = relay.send("GET", "/app", &[("x-request-id", "mine-1")], None);
    assert_eq!(named.header("x-request-id"), Some("mine-1"));
    assert!(relay.get("/app").header("x-request-id").unwrap().starts_with("req_"));
    let plain = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        parse(&relay.raw(request.as_bytes()))
    };
    assert_eq!(plain("/api/v1/app").expect(401).text("code"), "authentication_failed");
    plain("/healthz").expect(200);
    let head = relay.raw(b"HEAD /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 200"));
    plain("/readyz").expect(200);
    relay.state.readiness.hold("store", "the index is being rebuilt");
    let waiting = plain("/readyz").expect(503);
    assert_eq!(waiting.json["reasons"]["store"], "the index is being rebuilt");
    relay.state.readiness.clear("store");
    plain("/readyz").expect(200);
    let metrics = plain("/metrics").expect(200);
    let text = metrics.json.as_str().unwrap();
    assert!(
        text.contains(r#"relay_http_requests_total{route="/api/v1/app",status="200"} 2"#),
        "{text}"
    );
}
