//! Sign-in links: made for somebody, followed once.

use std::time::Duration;

use serde_json::{Value, json};

use crate::people_sessions::by;
use crate::support::server::{Answer, Relay};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn link(relay: &Relay, body: Value) -> Answer {
    relay.post("/auth/sign-in-link", body).expect(201)
}

fn code(link: &Answer) -> String {
    link.text("url").split_once("/setup#code=").unwrap().1.to_owned()
}

fn follow(relay: &Relay, code: &str, name: Option<&str>) -> Answer {
    let body = json!({"code": code, "name": name}).to_string();
    let json = ("content-type", "application/json");
    by(relay, &[json], "POST", "/auth/sign-in-link/redeem", &body)
}

#[test]
fn somebody_is_brought_in() {
    let relay = Relay::start();
    let made = link(&relay, json!({"name": "Ann", "role": "read-only"}));
    assert_eq!(made.text("expiresAt"), "2026-11-22T00:00:00Z");
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let url = made.text("url");
    assert!(url.starts_with(&format!("http://{}/setup#code=si_", relay.address)), "{url}");
    let (relay, code) = (relay.restart(), code(&made));
    let redeemed = follow(&relay, &code, None).expect(201);
    assert_eq!((redeemed.text("name"), redeemed.text("role")), ("Ann", "read-only"));
    assert_eq!(redeemed.text("expiresAt"), "2026-11-28T00:00:00Z");
    let cookie = redeemed.header("set-cookie").unwrap().split(';').next().unwrap();
    let own = by(&relay, &[("cookie", cookie)], "GET", "/auth/whoami", "").expect(200).json;
    assert_eq!((&own["id"], &own["role"]), (&redeemed.json["id"], &json!("read-only")));
    let key = format!("Bearer {}", redeemed.text("token"));
    by(&relay, &[("authorization", &key)], "GET", "/app", "").expect(200);
    by(&relay, &[("authorization", &key)], "DELETE", "/app/x", "").expect(403);
    let again = follow(&relay, &code, None).expect(401);
    assert!(again.text("detail").contains("ask for another"), "{}", again.json);
    assert_eq!(relay.get("/auth/key").json["data"].as_array().unwrap().len(), 2);
    let other = self::code(&link(&relay, json!({"name": "Bo"})));
    let redeemed = follow(&relay, &other, Some("Bob")).expect(201);
    assert_eq!((redeemed.text("name"), redeemed.text("role")), ("Bob", "operator"));
}

#[test]
fn public_url_leads_to_it() {
    let relay = Relay::with(|config| {
        config.server.public_url = Some("https://hooks.example.com/relay/".parse().unwrap());
    });
    let made = link(&relay, json!({"name": "Ann"}));
    assert!(made.text("url").starts_with("https://hooks.example.com/relay/setup#code=si_"));
}

#[test]
fn a_link_is_good_for_a_day_and_while_its_maker_is() {
    let relay = Relay::start();
    let late = code(&link(&relay, json!({"name": "Late"})));
    let made = relay.post("/auth/key", json!({"name": "Boss"})).expect(201);
    let boss = format!("Bearer {}", made.text("token"));
    let body = r#"{"name": "Friend"}"#;
    let by_boss = [("authorization", &*boss)];
    let theirs = relay.send("POST", "/auth/sign-in-link", &by_boss, Some(body)).expect(201);
    relay.delete(&format!("/auth/key/{}", made.text("id"))).expect(204);
    follow(&relay, &code(&theirs), None).expect(401);
    relay.folder.clock.advance(DAY - Duration::from_millis(1));
    let last = code(&link(&relay, json!({"name": "x"})));
    relay.folder.clock.advance(Duration::from_millis(1));
    follow(&relay, &late, None).expect(401);
    follow(&relay, &last, None).expect(201);
    for wrong in ["si_", "x", &last.replacen("si_", "se_", 1)] {
        follow(&relay, wrong, None).expect(401);
    }
}

#[test]
fn so_many_wait_and_no_more() {
    let relay = Relay::start();
    let first = code(&link(&relay, json!({"name": "n"})));
    (1..relay::store::LINKS_MAX).for_each(|_| drop(link(&relay, json!({"name": "n"}))));
    let refused = relay.post("/auth/sign-in-link", json!({"name": "n"})).expect(400);
    assert_eq!(refused.text("code"), "limit_reached");
    follow(&relay, &first, None).expect(201);
    link(&relay, json!({"name": "n"}));
    relay.folder.clock.advance(DAY);
    relay.post("/auth/sign-in-link", json!({"name": "n"})).expect(400);
    relay.folder.clock.advance(Duration::from_secs(1));
    while relay.state.store.sweep_tokens().unwrap() {}
    (0..relay::store::LINKS_MAX).for_each(|_| drop(link(&relay, json!({"name": "n"}))));
}

/// A client library sends a request again when no answer came.
#[test]
fn the_same_key_makes_one() {
    let relay = Relay::start();
    let again = || {
        let key = [("idempotency-key", "k")];
        relay.send("POST", "/auth/sign-in-link", &key, Some(r#"{"name":"n"}"#))
    };
    let (first, second) = (again().expect(201), again().expect(201));
    assert_eq!(first.json, second.json);
    follow(&relay, &code(&first), None).expect(201);
    assert!(again().expect(409).text("detail").contains("followed already"));
}

/// With as many keys as there may be a link waits for one to go.
#[test]
fn a_link_outlives_a_refusal() {
    let relay = Relay::start();
    let waiting = code(&link(&relay, json!({"name": "n"})));
    let make = (0..relay::store::OPERATOR_KEYS_MAX).map(|_| relay.post("/auth/key", json!({})));
    let mut keys: Vec<Answer> = make.collect();
    let last = keys.pop().unwrap().expect(201);
    assert_eq!(follow(&relay, &waiting, None).expect(400).text("code"), "limit_reached");
    relay.delete(&format!("/auth/key/{}", last.text("id"))).expect(204);
    follow(&relay, &waiting, None).expect(201);
}
