//! Sign-ins with a browser: the cookie, from where a call with it may come, and its end.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::server::{Answer, OPERATOR_KEY, Relay};

const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
const HOUR: Duration = Duration::from_secs(3_600);

/// Signs in with the key; the cookie as a browser sends it back.
pub fn sign_in(relay: &Relay, key: &str) -> String {
    let answer = try_sign_in(relay, key).expect(200);
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

fn try_sign_in(relay: &Relay, key: &str) -> Answer {
    let body = json!({"key": key}).to_string();
    relay.send("POST", "/auth/session", &[("authorization", "")], Some(&body))
}

/// A call with these headers and no others but those that every request has.
pub fn by(relay: &Relay, headers: &[(&str, &str)], method: &str, path: &str, body: &str) -> Answer {
    let mut head = format!("{method} /api/v1{path} HTTP/1.1\r\nhost: relay\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("content-length: {}\r\n", body.len());
    }
    let text = format!("{head}connection: close\r\n\r\n{body}");
    let answer = crate::support::server::parse(&relay.raw(text.as_bytes()));
    crate::support::document::Document::read().check(method, &format!("/api/v1{path}"), &answer);
    answer
}

fn whoami(relay: &Relay, cookie: &str) -> Answer {
    by(relay, &[("cookie", cookie)], "GET", "/auth/whoami", "")
}

fn key(relay: &Relay, body: Value) -> (String, String) {
    let made = relay.post("/auth/key", body).expect(201);
    (made.text("id").to_owned(), made.text("token").to_owned())
}

#[test]
fn from_signing_in_to_signing_out() {
    let relay = Relay::start();
    let (id, ann) = key(&relay, json!({"name": "Ann", "scopes": ["read-only"]}));
    let answer = try_sign_in(&relay, &ann).expect(200);
    let expected = json!({"name": "Ann", "role": "read-only", "expiresAt": "2026-11-28T00:00:00Z"});
    assert_eq!(answer.json, expected);
    let set = answer.header("set-cookie").unwrap().to_owned();
    let (cookie, rest) = set.split_once(';').unwrap();
    assert_eq!(rest, " Path=/; Max-Age=604800; HttpOnly; SameSite=Lax");
    assert!(cookie.starts_with("relay-session=se_"), "{set}");
    let shown = whoami(&relay, cookie).expect(200).json;
    let expected = json!({
        "scope": "operator", "role": "read-only", "credential": "session", "id": id,
        "name": "Ann", "permissionSource": "RegionalAuthToken",
        "expiresAt": "2026-11-28T00:00:00Z",
    });
    assert_eq!(shown, expected);
    let own = try_sign_in(&relay, OPERATOR_KEY).expect(200).json;
    assert_eq!((&own["name"], &own["role"]), (&Value::Null, &json!("operator")));
    let relay = relay.restart();
    whoami(&relay, cookie).expect(200);
    by(&relay, &[("cookie", cookie), SAME], "POST", "/app", r#"{"name":"x"}"#).expect(415);
    let typed = [("cookie", cookie), SAME, ("content-type", "application/json")];
    by(&relay, &typed, "POST", "/app", r#"{"name":"x"}"#).expect(403);
    by(&relay, &[("cookie", cookie)], "DELETE", "/auth/session", "").expect(403);
    let out = by(&relay, &[("cookie", cookie), SAME], "DELETE", "/auth/session", "").expect(204);
    let cleared = out.header("set-cookie").unwrap();
    assert!(cleared.starts_with("relay-session=; Path=/; Max-Age=0;"), "{cleared}");
    whoami(&relay, cookie).expect(401);
    by(&relay, &[("cookie", cookie), SAME], "DELETE", "/auth/session", "").expect(204);
    by(&relay, &[], "DELETE", "/auth/session", "").expect(204);
    let other = sign_in(&relay, &ann);
    by(&relay, &[("cookie", &other), SAME], "POST", "/auth/logout", "").expect(204);
    whoami(&relay, &other).expect(401);
}

#[test]
fn behind_tls_the_cookie_is_this_hosts_alone() {
    let relay = Relay::with(|config| {
        config.server.public_url = Some("https://hooks.example.com/".parse().unwrap());
        config.auth.session = relay::config::units::Span(HOUR);
    });
    let answer = try_sign_in(&relay, OPERATOR_KEY).expect(200);
    let set = answer.header("set-cookie").unwrap();
    let (cookie, rest) = set.split_once(';').unwrap();
    assert_eq!(rest, " Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure");
    let value = cookie.strip_prefix("__Host-relay-session=").unwrap();
    whoami(&relay, cookie).expect(200);
    whoami(&relay, &format!("relay-session={value}")).expect(401);
    let origin = [("cookie", cookie), ("origin", "https://hooks.example.com")];
    by(&relay, &origin, "DELETE", "/app/none", "").expect(404);
}

/// Headers, and how a change with them is answered.
#[test]
fn from_where_a_call_with_a_cookie_may_come() {
    let relay = Relay::start();
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let cookie = sign_in(&relay, OPERATOR_KEY);
    let cookie = ("cookie", cookie.as_str());
    let bearer = format!("Bearer {OPERATOR_KEY}");
    let bearer = ("authorization", bearer.as_str());
    let (cross, near) = (("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"));
    let origin = |origin| ("origin", origin);
    let table: &[(&[(&str, &str)], u16)] = &[
        (&[cookie], 403),
        (&[cookie, cross], 403),
        (&[cookie, near], 403),
        (&[cookie, ("sec-fetch-site", "none")], 403),
        (&[cookie, cross, origin("http://relay")], 403),
        (&[cookie, SAME], 200),
        (&[cookie, SAME, origin("http://relay")], 200),
        (&[cookie, origin("http://relay")], 200),
        (&[cookie, origin("http://relay:8080")], 403),
        (&[cookie, origin("http://evil.example")], 403),
        (&[cookie, origin("http://relay.evil.example")], 403),
        (&[cookie, origin("null")], 403),
        (&[cookie, ("referer", "http://relay/")], 403),
        (&[bearer], 200),
        (&[bearer, cross, origin("http://evil.example")], 200),
        (&[bearer, cookie], 200),
        (&[("authorization", "Bearer wrong"), cookie, SAME], 401),
        (&[("authorization", "Basic x"), cookie, SAME], 401),
        (&[SAME], 401),
    ];
    let sensitive = "/app/acme/polling-endpoint/e/consumer/c";
    let endpoint = json!({"url": "https://h.example/", "uid": "e"});
    relay.post("/app/acme/endpoint", endpoint).expect(201);
    for (headers, status) in table {
        let typed = [*headers, &[("content-type", "application/json")]].concat();
        let answer = by(&relay, &typed, "PUT", "/app/acme", r#"{"name":"Acme","uid":"acme"}"#);
        assert_eq!(answer.status, *status, "{headers:?}: {}", answer.json);
        // A reader that moves on changes something too, though it is a GET.
        let moved = by(&relay, headers, "GET", sensitive, "");
        assert_eq!(moved.status, *status, "{headers:?}: {}", moved.json);
        let looked = by(&relay, headers, "GET", "/app", "");
        let expected = if *status == 403 { 200 } else { *status };
        assert_eq!(looked.status, expected, "{headers:?}: {}", looked.json);
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let typed = [cookie, SAME, ("content-type", kind)];
        by(&relay, &typed, "PUT", "/app/acme", r#"{"name":"Acme"}"#).expect(415);
    }
    by(&relay, &[cookie, SAME], "PUT", "/app/acme", r#"{"name":"Acme"}"#).expect(415);
}

/// A page elsewhere must not have a browser sign in as whom it likes either.
#[test]
fn from_where_somebody_may_sign_in() {
    let relay = Relay::start();
    let body = json!({"key": OPERATOR_KEY}).to_string();
    let json = ("content-type", "application/json");
    for (headers, status) in [
        (vec![json], 200),
        (vec![json, SAME], 200),
        (vec![json, ("origin", "http://relay")], 200),
        (vec![json, ("sec-fetch-site", "cross-site")], 403),
        (vec![json, ("origin", "http://evil.example")], 403),
        (vec![SAME], 415),
        (vec![SAME, ("content-type", "text/plain")], 415),
    ] {
        let answer = by(&relay, &headers, "POST", "/auth/session", &body);
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.json);
    }
    let big = json!({"key": "x".repeat(5_000)}).to_string();
    by(&relay, &[json], "POST", "/auth/session", &big).expect(413);
}

#[test]
fn a_session_ends_with_its_key() {
    let relay = Relay::start();
    let (id, ann) = key(&relay, json!({"name": "Ann"}));
    let (_, brief) = key(&relay, json!({"expiresAt": "2026-11-21T01:00:00Z"}));
    let cookies = [sign_in(&relay, &ann), sign_in(&relay, &ann)];
    let ending = try_sign_in(&relay, &brief).expect(200);
    assert_eq!(ending.text("expiresAt"), "2026-11-21T01:00:00Z");
    assert!(ending.header("set-cookie").unwrap().contains("Max-Age=3600;"));
    let configured = sign_in(&relay, OPERATOR_KEY);
    relay.delete(&format!("/auth/key/{id}")).expect(204);
    cookies.iter().for_each(|cookie| drop(whoami(&relay, cookie).expect(401)));
    try_sign_in(&relay, &ann).expect(401);
    whoami(&relay, &configured).expect(200);
    let cookie = ending.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    whoami(&relay, &cookie).expect(200);
    relay.folder.clock.advance(HOUR);
    whoami(&relay, &cookie).expect(401);
    whoami(&relay, &configured).expect(200);
    relay.folder.clock.advance(7 * 24 * HOUR);
    whoami(&relay, &configured).expect(401);
    while relay.state.store.sweep_tokens().unwrap() {}
    let value = |cookie: &str| cookie.split_once('=').unwrap().1.to_owned();
    for over in cookies.iter().chain([&cookie, &configured]) {
        let digest = relay::http::auth::digest(&value(over));
        assert!(relay.state.store.session(&digest).is_none(), "it is swept");
    }
}

/// Another configured key is nobody's that was signed in.
#[test]
fn a_session_ends_with_the_configured_key() {
    let relay = Relay::start();
    let cookie = sign_in(&relay, OPERATOR_KEY);
    let digest = relay::http::auth::digest(cookie.split_once('=').unwrap().1);
    let mut held = relay.state.store.session(&digest).unwrap();
    held.holder = relay::domain::session::Holder::Configured([9; 32]);
    let other = held.clone();
    let put = relay.state.store.write_blocking(None, move |transaction| {
        transaction.end_session(&digest);
        transaction.put_session(&other);
        Ok(relay::store::Reply::Done)
    });
    put.unwrap();
    whoami(&relay, &cookie).expect(401);
}

#[test]
fn of_too_many_the_oldest_ends() {
    let relay = Relay::start();
    let (_, ann) = key(&relay, json!({"name": "Ann"}));
    let other = sign_in(&relay, OPERATOR_KEY);
    let most = relay::store::SESSIONS_MAX;
    let cookies: Vec<String> = (0..most + 2).map(|_| sign_in(&relay, &ann)).collect();
    for (number, cookie) in cookies.iter().enumerate() {
        assert_eq!(whoami(&relay, cookie).status, if number < 2 { 401 } else { 200 }, "{number}");
    }
    whoami(&relay, &other).expect(200);
}

#[test]
fn wrong_keys_are_counted_and_stale_cookies_are_not() {
    let relay = Relay::start();
    let (id, ann) = key(&relay, json!({}));
    let stale = sign_in(&relay, &ann);
    relay.delete(&format!("/auth/key/{id}")).expect(204);
    for _ in 0..30 {
        whoami(&relay, &stale).expect(401);
        whoami(&relay, "relay-session=se_1").expect(401);
    }
    for _ in 0..20 {
        let wrong = try_sign_in(&relay, "sk_wrong").expect(401);
        assert!(wrong.text("detail").contains("no operator key"), "{}", wrong.json);
        assert!(wrong.header("set-cookie").is_none());
    }
    let blocked = try_sign_in(&relay, "sk_wrong").expect(429);
    assert_eq!(blocked.header("retry-after"), Some("60"));
    whoami(&relay, &sign_in(&relay, OPERATOR_KEY)).expect(200);
    let token = relay.post("/app", json!({"name": "A", "uid": "a"})).expect(201);
    drop(token);
    let token = relay.post("/auth/app-portal-access/a", json!({})).expect(200);
    try_sign_in(&relay, token.text("token")).expect(429);
}

/// Outside the API a cookie opens nothing, and the other path of sources is inside.
#[test]
fn where_a_cookie_counts() {
    let relay = Relay::start();
    let cookie = sign_in(&relay, OPERATOR_KEY);
    let raw = |path: &str, headers: &str| {
        let text =
            format!("GET {path} HTTP/1.1\r\nhost: relay\r\n{headers}connection: close\r\n\r\n");
        crate::support::server::parse(&relay.raw(text.as_bytes())).status
    };
    let with = format!("cookie: {cookie}\r\n");
    assert_eq!(raw("/ingest/api/v1/source", &with), 200);
    assert_eq!(raw("/ingest/api/v1/source", ""), 401);
    for path in ["/metrics", "/portal", "/docs", "/in/unknown", "/nothing"] {
        assert_eq!(raw(path, &with), raw(path, ""), "{path}");
    }
}
