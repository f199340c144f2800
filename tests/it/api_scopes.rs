//! Every call of the document with every kind of key: an application's token reaches its own
//! application and nothing else.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api_refusals::token;
use crate::support::document::{Document, Operation};
use crate::support::server::{Answer, OPERATOR_KEY, Relay};
use crate::support::walk::{PRIVATE, Seed, bodies, role};

/// Calls that ask for a key.
fn guarded() -> impl Iterator<Item = (Operation<'static>, Option<Value>)> {
    let guarded = Document::read().operations().into_iter().filter(|call| role(call).is_some());
    guarded.map(|call| {
        let body = bodies(&call).into_iter().next().flatten();
        (call, body)
    })
}

/// Whether its path names what belongs to one application.
fn is_own(call: &Operation<'_>) -> bool {
    call.path.contains('{') && !call.path.contains("{event_type_name}")
}

fn shown(call: &Operation<'_>, answer: &Answer) -> String {
    format!("{} {} is answered {} {}", call.method, call.path, answer.status, answer.json)
}

#[test]
fn a_foreign_token_reaches_nothing() {
    let relay = Relay::start();
    let mine = Seed::plant(&relay, "mine");
    let before = mine.everything(&relay);
    assert!(before.iter().any(|answer| answer.to_string().contains(PRIVATE)));
    relay.post("/app", serde_json::json!({"name": "Foreign", "uid": "foreign"})).expect(201);
    let foreign = relay.get("/app/foreign").text("id").to_owned();
    let authorization = format!("Bearer {}", token(&foreign));
    let mut walked = 0;
    for (call, body) in guarded() {
        let answer = mine.call(&relay, &call, &authorization, body.as_ref());
        let said = shown(&call, &answer);
        if role(&call) == Some("operator") {
            assert_eq!(answer.status, 403, "only operators: {said}");
        } else if is_own(&call) {
            assert!([401, 403, 404].contains(&answer.status), "{said}");
        }
        for secret in [PRIVATE, mine.app_id(), "whsec_"] {
            assert!(!answer.json.to_string().contains(secret), "{secret} leaks: {said}");
        }
        walked += 1;
    }
    assert!(walked > 40, "only {walked} calls walked");
    assert_eq!(mine.everything(&relay), before, "nothing of it was changed");
}

/// The other way round: the document says `application` only where such a token is let in.
#[test]
fn its_own_token_is_let_in() {
    let relay = Relay::start();
    for (number, (call, body)) in guarded().enumerate() {
        // Each call has an application of its own, since some delete it.
        let seed = Seed::plant(&relay, &format!("own-{number}"));
        let authorization = format!("Bearer {}", token(seed.app_id()));
        let answer = seed.call(&relay, &call, &authorization, body.as_ref());
        let said = shown(&call, &answer);
        match role(&call) {
            Some("application") => assert!(![401, 403, 404].contains(&answer.status), "{said}"),
            Some("operator") => assert_eq!(answer.status, 403, "{said}"),
            other => panic!("the role {other:?} of {} has no test", call.path),
        }
    }
}

/// Whether or not there is anything at the path.
#[test]
fn no_key_and_a_wrong_one_reach_nothing() {
    let relay = Relay::with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let seed = Seed::plant(&relay, "mine");
    let before = seed.everything(&relay);
    for (number, (call, body)) in guarded().enumerate() {
        let path = seed.path(call.path);
        let body = body.map(|body| body.to_string());
        // Each comes from an address of its own: too many wrong keys from one are answered 429.
        let from = format!("198.51.{}.{}", number / 200, number % 200);
        for key in ["", "Bearer", "Bearer wrong", &format!("Basic {OPERATOR_KEY}")] {
            let headers = [("authorization", key), ("x-forwarded-for", &from)];
            let answer = relay.call(&call.method, &path, &headers, body.as_deref());
            assert_eq!(answer.status, 401, "{key}: {}", shown(&call, &answer));
        }
    }
    assert_eq!(seed.everything(&relay), before);
}

/// What the document gives as an example of a request is taken as it stands.
#[test]
fn examples_are_taken() {
    let logo = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/ui/icon.svg");
    let relay = Relay::with(|config| config.portal.logo = Some(logo.into()));
    relay.post("/app", serde_json::json!({"name": "default", "uid": "default"})).expect(201);
    let (mut answered, mut number) = (BTreeMap::new(), 0);
    // What is signed in with an operator key does not sign out, and nobody has the keys and codes
    // of the examples.
    let others = ["/logout", "/auth/session", "/sign-in-link/redeem"];
    let operations = Document::read().operations().into_iter();
    for call in operations.filter(|call| !others.iter().any(|end| call.path.ends_with(end))) {
        for body in bodies(&call) {
            let seed = Seed::plant(&relay, &format!("seed-{number}"));
            number += 1;
            let operator = format!("Bearer {OPERATOR_KEY}");
            let answer = seed.call(&relay, &call, &operator, body.as_ref());
            let said = shown(&call, &answer);
            let later = answer.status == 501;
            // A uid of the examples is taken by the second of them that makes something.
            let taken = answer.status == 409 && body.is_some();
            assert!((200..300).contains(&answer.status) || later || taken, "{said}");
            *answered.entry(answer.status).or_insert(0) += 1;
        }
    }
    assert!(answered[&200] > 25 && answered[&201] > 1, "{answered:?}");
}
