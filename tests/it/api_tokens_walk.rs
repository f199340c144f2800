//! Every call of the document with the tokens of one application: with all that they may do and
//! with every single capability, of another application, expired and revoked.

use std::time::Duration;

use relay::http::permissions::{self, TABLE};
use relay::http::routes;
use serde_json::{Value, json};

use crate::support::document::{Document, Operation};
use crate::support::server::{Answer, Relay};
use crate::support::walk::{PRIVATE, Seed, bodies, role};

const CAPABILITIES: [&str; 6] = [
    "ViewBase",
    "ViewEndpointSecret",
    "ManageEndpointSecret",
    "ManageTransformations",
    "CreateAttempts",
    "ManageEndpoint",
];

/// How calls end that try or change transformations.
const TRANSFORMING: [&str; 3] = ["/transformation", "/transformation/simulate", "/dry-run"];

/// How calls end that move consumers and listeners on, or give up what was meant for endpoints.
const MOVING: [&str; 5] =
    ["/seek", "/commit", "/consumer/{consumer_id}", "/purge", "/listener/{listener_name}"];

/// How calls end that have something delivered again.
const AGAIN: [&str; 5] =
    ["/recover", "/replay-missing", "/bulk-replay", "/send-example", "/resend"];

fn token(relay: &Relay, app: &str, capabilities: Option<&[&str]>) -> String {
    let body = json!({"capabilities": capabilities, "expiry": 3_600});
    let made = relay.post(&format!("/auth/app-portal-access/{app}"), body).expect(200);
    made.text("token").to_owned()
}

fn guarded() -> impl Iterator<Item = Operation<'static>> {
    Document::read().operations().into_iter().filter(|call| role(call).is_some())
}

/// Which capabilities open a call, one of them being enough; `None` when none does.
fn openers(method: &str, path: &str) -> Option<&'static [&'static str]> {
    let own = path.starts_with("/api/v1/app/{app_id}");
    let shared = ["/api/v1/event-type", "/api/v1/background-task"];
    let ends = |names: &[&str]| names.iter().any(|name| path.ends_with(name));
    if ["/api/v1/auth/whoami", "/api/v1/auth/logout"].contains(&path) {
        Some(&CAPABILITIES)
    } else if own && method == "GET" && ends(&["/secret"]) {
        Some(&["ViewEndpointSecret", "ManageEndpointSecret", "ManageEndpoint"])
    } else if own && method != "GET" && ends(&TRANSFORMING) {
        Some(&["ManageTransformations"])
    } else if own && ends(&MOVING) {
        Some(&["ManageEndpoint"])
    } else if own && ends(&["/secret/rotate"]) {
        Some(&["ManageEndpointSecret", "ManageEndpoint"])
    } else if own && ends(&AGAIN) || path.ends_with("/background-task/{task_id}/cancel") {
        Some(&["CreateAttempts"])
    } else if method == "GET" && (own || shared.iter().any(|begin| path.starts_with(begin)))
        || own && ends(&["/precheck/active"])
    {
        Some(&["ViewBase"])
    } else if own && ends(&["/endpoint", "/{endpoint_id}", "/headers"]) && method != "GET" {
        Some(&["ManageEndpoint"])
    } else {
        None
    }
}

fn said(call: &Operation<'_>, answer: &Answer) -> String {
    format!("{} {} is answered {} {}", call.method, call.path, answer.status, answer.json)
}

/// Tries every call with a token that has these, and ViewBase.
fn walk_with(capabilities: &[&str]) -> usize {
    let relay = Relay::start();
    let seed = Seed::plant(&relay, "mine");
    let mut opened = 0;
    for call in guarded() {
        // One for each call: logging out is one of them.
        let authorization = format!("Bearer {}", token(&relay, "mine", Some(capabilities)));
        let answer = seed.call(&relay, &call, &authorization, None);
        let openers = openers(&call.method, call.path);
        let open = openers.is_some_and(|any| any.iter().any(|one| capabilities.contains(one)));
        let what = format!("with {capabilities:?} {}", said(&call, &answer));
        assert_eq!(answer.status != 403, open, "{what}");
        assert_ne!(answer.status, 401, "{what}");
        if !open {
            assert_eq!(answer.json["code"], "insufficient access", "{what}");
            assert!(!answer.json.to_string().contains(PRIVATE), "{what}");
        }
        opened += usize::from(open);
    }
    opened
}

#[test]
fn each_capability_opens_its_own_calls() {
    let base = walk_with(&["ViewBase"]);
    assert!(base > 10, "{base} calls");
    for more in &CAPABILITIES[1..] {
        let opened = walk_with(&["ViewBase", more]);
        assert!(opened > base, "{more} opens {opened}, ViewBase {base}");
    }
}

#[test]
fn each_capability_that_is_missing_closes_them() {
    let all = walk_with(&CAPABILITIES);
    for missing in &CAPABILITIES[1..] {
        let rest: Vec<&str> = CAPABILITIES.into_iter().filter(|one| one != missing).collect();
        let opened = walk_with(&rest);
        // What may be managed may be seen and rotated too.
        let closes =
            ["ManageTransformations", "CreateAttempts", "ManageEndpoint"].contains(missing);
        assert_eq!(opened < all, closes, "without {missing} {opened} of {all}");
    }
}

#[test]
fn another_applications_token_reaches_nothing() {
    let relay = Relay::start();
    let mine = Seed::plant(&relay, "mine");
    let before = mine.everything(&relay);
    relay.post("/app", json!({"name": "Foreign", "uid": "foreign"})).expect(201);
    for call in guarded() {
        let authorization = format!("Bearer {}", token(&relay, "foreign", None));
        let body = bodies(&call).into_iter().next().flatten();
        let answer = mine.call(&relay, &call, &authorization, body.as_ref());
        let said = said(&call, &answer);
        if call.path.contains("{app_id}") || role(&call) == Some("operator") {
            assert_eq!(answer.status, 403, "{said}");
        }
        for secret in [PRIVATE, mine.app_id(), "whsec_"] {
            assert!(!answer.json.to_string().contains(secret), "{secret} leaks: {said}");
        }
    }
    assert_eq!(mine.everything(&relay), before, "nothing of it was changed");
}

#[test]
fn its_own_token_is_let_in() {
    let relay = Relay::start();
    for (number, call) in guarded().enumerate() {
        let uid = format!("own-{number}");
        let seed = Seed::plant(&relay, &uid);
        let authorization = format!("Bearer {}", token(&relay, &uid, None));
        let body = bodies(&call).into_iter().next().flatten();
        let answer = seed.call(&relay, &call, &authorization, body.as_ref());
        let said = said(&call, &answer);
        match openers(&call.method, call.path) {
            Some(_) => assert!(answer.status < 300, "{said}"),
            None => assert_eq!(answer.status, 403, "{said}"),
        }
    }
}

#[test]
fn expired_revoked_and_orphaned_ones_reach_nothing() {
    let relay = Relay::with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let seed = Seed::plant(&relay, "mine");
    relay.post("/app", json!({"name": "Gone", "uid": "gone"})).expect(201);
    let expired = token(&relay, "mine", None);
    relay.folder.clock.advance(Duration::from_secs(3_600));
    let revoked = token(&relay, "mine", None);
    let authorization = format!("Bearer {revoked}");
    relay.send("POST", "/auth/logout", &[("authorization", &authorization)], None).expect(204);
    let orphaned = token(&relay, "gone", None);
    relay.delete("/app/gone").expect(204);
    let before = seed.everything(&relay);
    for (number, call) in guarded().enumerate() {
        // Each comes from an address of its own: too many wrong keys from one are answered 429.
        let from = format!("198.51.{}.{}", number / 200, number % 200);
        for (what, token) in [("expired", &expired), ("revoked", &revoked), ("orphan", &orphaned)] {
            let authorization = format!("Bearer {token}");
            let headers = [("authorization", &*authorization), ("x-forwarded-for", &*from)];
            let answer = relay.call(&call.method, &seed.path(call.path), &headers, Some("{}"));
            assert_eq!(answer.status, 401, "{what}: {}", said(&call, &answer));
        }
    }
    assert_eq!(seed.everything(&relay), before);
}

/// The table names routes that are there, each once, and leaves none open by mistake.
#[test]
fn the_table_is_about_routes() {
    let routes = routes::all();
    for (number, (method, path, _)) in TABLE.iter().enumerate() {
        let full = format!("/api/v1{path}");
        let found = routes
            .iter()
            .any(|route| route.guarded && route.method.as_str() == *method && route.path == full);
        assert!(found, "{method} {path} is no route any more");
        let twice = TABLE[..number].iter().any(|row| (row.0, row.1) == (*method, *path));
        assert!(!twice, "{method} {path} stands there twice");
    }
    let closed = routes.iter().filter(|route| {
        let path = route.path.strip_prefix("/api/v1").unwrap_or_default();
        route.guarded && permissions::needed(route.method.as_str(), path).is_none()
    });
    let closed: Vec<Value> = closed.map(|route| json!(route.path)).collect();
    assert!(closed.contains(&json!("/api/v1/stats/accounting")), "{closed:?}");
    assert!(closed.contains(&json!("/api/v1/auth/key")), "{closed:?}");
}
