//! Which sign-in links wait and who is signed in, as an operator looks at it and ends it.

use std::time::Duration;

use relay::store::LINKS_MAX;
use serde_json::{Value, json};

use crate::people_sessions::{by, sign_in};
use crate::support::server::{OPERATOR_KEY, Relay};

const LINKS: &str = "/auth/sign-in-link";

/// Makes one; the code in it.
fn link(relay: &Relay, headers: &[(&str, &str)], name: &str) -> String {
    let body = json!({"name": name, "role": "read-only"}).to_string();
    let made = relay.send("POST", LINKS, headers, Some(&body)).expect(201);
    made.text("url").split_once("#code=").unwrap().1.to_owned()
}

fn listed(relay: &Relay, path: &str) -> Vec<Value> {
    relay.get(path).expect(200).json["data"].as_array().unwrap().clone()
}

fn named(relay: &Relay, name: &str) -> Value {
    let found = listed(relay, LINKS).into_iter().find(|link| link["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

fn id(shown: &Value) -> &str {
    shown["id"].as_str().unwrap()
}

fn follow(relay: &Relay, code: &str, status: u16) {
    let body = json!({"code": code}).to_string();
    let json = ("content-type", "application/json");
    by(relay, &[json], "POST", "/auth/sign-in-link/redeem", &body).expect(status);
}

#[test]
fn links_that_wait_are_listed_and_taken_back() {
    let relay = Relay::start();
    assert_eq!(listed(&relay, LINKS), [json!(null); 0]);
    let codes = ["Ann", "Bo", "Cy"].map(|name| link(&relay, &[], name));
    let made = relay.post("/auth/key", json!({"name": "Boss"})).expect(201);
    let boss = format!("Bearer {}", made.text("token"));
    let theirs = link(&relay, &[("authorization", &boss)], "Di");
    let bo = named(&relay, "Bo");
    let expected = json!({
        "id": id(&bo), "name": "Bo", "role": "read-only", "madeBy": "operator_key",
        "createdAt": bo["createdAt"], "expiresAt": "2026-11-22T00:00:00Z",
    });
    assert_eq!(bo, expected);
    assert_eq!(named(&relay, "Di")["madeBy"], made.json["id"]);
    let shown = json!(listed(&relay, LINKS)).to_string();
    for code in codes.iter().chain([&theirs]) {
        assert!(!shown.contains(&code[3..]), "{shown}");
    }
    let own = format!("{LINKS}/{}", id(&bo));
    relay.delete(&own).expect(204);
    relay.delete(&own).expect(404);
    for wrong in ["x", "si_", &codes[0], &"0".repeat(32), &"Z".repeat(32)] {
        relay.delete(&format!("{LINKS}/{wrong}")).expect(404);
    }
    let relay = relay.restart();
    assert_eq!(listed(&relay, LINKS).len(), 3);
    follow(&relay, &codes[1], 401);
    follow(&relay, &codes[0], 201);
    // Whose maker has no key any more is good for nothing, and is not shown.
    relay.delete(&format!("/auth/key/{}", made.text("id"))).expect(204);
    follow(&relay, &theirs, 401);
    let left: Vec<Value> = listed(&relay, LINKS);
    assert!(left.len() == 1 && left[0]["name"] == "Cy", "{left:?}");
    relay.folder.clock.advance(Duration::from_secs(24 * 3_600));
    assert_eq!(listed(&relay, LINKS).len(), 0);
    let audit = relay.get("/audit-log").expect(200).json.to_string();
    assert!(audit.contains(&format!("/api/v1{own}")), "{audit}");
}

#[test]
fn one_that_is_taken_back_makes_room() {
    let relay = Relay::start();
    (0..LINKS_MAX).for_each(|_| drop(link(&relay, &[], "n")));
    relay.post(LINKS, json!({"name": "n"})).expect(400);
    let all = listed(&relay, LINKS);
    assert_eq!(all.len() as u64, LINKS_MAX);
    relay.delete(&format!("{LINKS}/{}", id(&all[7]))).expect(204);
    link(&relay, &[], "n");
    relay.post(LINKS, json!({"name": "n"})).expect(400);
}

#[test]
fn browsers_that_are_signed_in_are_listed_and_signed_out() {
    let relay = Relay::start();
    let key = |name: &str| {
        let made = relay.post("/auth/key", json!({"name": name})).expect(201);
        (format!("/auth/key/{}/session", made.text("id")), made.text("token").to_owned())
    };
    let ((ann, of_ann), (bo, of_bo)) = (key("Ann"), key("Bo"));
    let cookies = [0; 3].map(|_| {
        relay.folder.clock.advance(Duration::from_secs(1));
        sign_in(&relay, &of_ann)
    });
    let other = sign_in(&relay, &of_bo);
    let first = sign_in(&relay, OPERATOR_KEY);
    let status = |cookie: &str| by(&relay, &[("cookie", cookie)], "GET", "/auth/whoami", "").status;
    let all = listed(&relay, &ann);
    assert_eq!((all.len(), listed(&relay, &bo).len()), (3, 1));
    assert!(all.is_sorted_by_key(|session| session["createdAt"].as_str().unwrap().to_owned()));
    assert!(!json!(all).to_string().contains("se_"), "{all:?}");
    let second = id(&all[1]);
    relay.delete(&format!("{bo}/{second}")).expect(404);
    relay.delete(&format!("{ann}/{second}")).expect(204);
    relay.delete(&format!("{ann}/{second}")).expect(404);
    relay.delete(&format!("{ann}/none")).expect(404);
    assert_eq!(cookies.each_ref().map(|cookie| status(cookie)), [200, 401, 200]);
    assert_eq!((status(&other), status(&first)), (200, 200));
    let configured = "/auth/key/operator_key/session";
    let own = listed(&relay, configured);
    assert_eq!(own.len(), 1);
    relay.delete(&format!("{configured}/{}", id(&own[0]))).expect(204);
    assert_eq!(status(&first), 401);
    relay.folder.clock.advance(Duration::from_secs(8 * 24 * 3_600));
    assert_eq!(listed(&relay, &ann).len(), 0);
    relay.delete(ann.strip_suffix("/session").unwrap()).expect(204);
    relay.get(&ann).expect(404);
}
