//! Sources over the real server: verified, refused, remembered, held, released, rotated, routed.

mod fetched;
mod held;
mod kept;
mod tried;

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use relay::store::{Notice, Ready};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::server::{Answer, PUBLIC_URL, Relay};

const SECRET: &str = "It's a Secret to Everybody";

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let hex: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// A relay with the application `acme`, an endpoint for everything, and a source of GitHub's.
fn shop(more: Value) -> (Relay, String) {
    let relay = Relay::start();
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    relay
        .post("/app/acme/endpoint", json!({"url": "https://h.example/w", "uid": "books"}))
        .expect(201);
    let path = source(&relay, "shop", more);
    (relay, path)
}

/// Makes a source of GitHub's and gives the path of its URL.
fn source(relay: &Relay, uid: &str, more: Value) -> String {
    let mut body = json!({
        "name": "GitHub", "uid": uid, "type": "github", "application": "acme",
        "config": {"secret": SECRET},
    });
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    let made = relay.post("/source", body).expect(201);
    path_of(&made)
}

fn path_of(answer: &Answer) -> String {
    answer.text("ingestUrl").strip_prefix(PUBLIC_URL).unwrap().to_owned()
}

/// GitHub's request, signed with this secret.
fn push(relay: &Relay, path: &str, secret: &str, delivery: &str, body: &str) -> Answer {
    let signed = signature(secret, body);
    let headers = [
        ("content-type", "application/json"),
        ("user-agent", "GitHub-Hookshot/1"),
        ("x-github-event", "push"),
        ("x-github-delivery", delivery),
        ("x-hub-signature-256", signed.as_str()),
    ];
    relay.receive(path, &headers, body)
}

fn requests(relay: &Relay, query: &str) -> Vec<Value> {
    let list = relay.get(&format!("/source/shop/request{query}")).expect(200);
    list.json["data"].as_array().unwrap().clone()
}

fn verdicts(relay: &Relay) -> Vec<String> {
    let word = |request: &Value| request["verdict"].as_str().unwrap().to_owned();
    requests(relay, "?order=ascending").iter().map(word).collect()
}

fn messages(relay: &Relay) -> Vec<Value> {
    let list = relay.get("/app/acme/msg?order=ascending").expect(200);
    list.json["data"].as_array().unwrap().clone()
}

fn ready(relay: &Relay) -> Ready {
    loop {
        if let Notice::Ready(ready) = relay.open.as_ref().unwrap().notice() {
            return ready;
        }
    }
}

#[test]
fn an_event_becomes_a_message_once() {
    let (relay, path) = shop(json!({}));
    let body = r#"{"ref": "refs/heads/main",  "n": 1.0}"#;
    push(&relay, &path, SECRET, "d1", body).expect(200);
    let ready = ready(&relay);
    let message = &ready.message.message;
    assert_eq!(message.event_type, "push");
    let store = &relay.state.store;
    assert_eq!(store.body_to_send(&ready).unwrap(), body.as_bytes(), "byte for byte");
    let head = store.head(&ready.message.head.unwrap()).unwrap();
    assert!(head.passed_on().contains(&("x-github-event".to_owned(), "push".to_owned())));
    let origin = message.origin.as_ref().unwrap();
    assert!(origin.verified && origin.name == "shop");

    push(&relay, &path, SECRET, "d1", body).expect(200);
    push(&relay, &path, SECRET, "d1", r#"{"other":"body"}"#).expect(200);
    push(&relay, &path, SECRET, "d2", body).expect(200);
    assert_eq!(verdicts(&relay), ["accepted", "duplicate", "duplicate", "accepted"]);
    assert_eq!(messages(&relay).len(), 2);
    let listed = requests(&relay, "?order=ascending");
    assert_eq!(listed[1]["duplicateOf"], listed[0]["id"]);
    assert_eq!(listed[0]["msgId"].as_str().unwrap(), messages(&relay)[0]["id"]);
    assert_eq!(listed[0]["eventId"], "d1");

    // Over a restart, until the window ends.
    let folder = relay.stop();
    let relay = Relay::over(folder);
    push(&relay, &path, SECRET, "d1", body).expect(200);
    relay.folder.clock.advance(Duration::from_secs(24 * 3_600));
    push(&relay, &path, SECRET, "d1", body).expect(200);
    let newest: Vec<String> = verdicts(&relay).split_off(4);
    assert_eq!(newest, ["duplicate", "accepted"]);
    // A person may have it all the same.
    let duplicate = &requests(&relay, "?verdict=duplicate")[0];
    let path = format!("/source/shop/request/{}/release", duplicate["id"].as_str().unwrap());
    let again = relay.post(&path, json!({})).expect(200);
    assert_eq!(again.text("verdict"), "duplicate");
    let forced = relay.post(&path, json!({"anyway": true})).expect(200);
    assert_eq!(forced.text("verdict"), "accepted");
    relay.post(&path, json!({"anyway": true})).expect(409);
    assert_eq!(messages(&relay).len(), 4);
}

#[test]
fn what_is_refused_says_why_and_is_released_when_the_secret_is_right() {
    let (relay, path) = shop(json!({"config": {"secret": "an old one"}}));
    let answer = push(&relay, &path, SECRET, "d1", "{}").expect(401);
    let other = relay.receive(&path, &[], "{}").expect(401);
    assert_eq!(answer.json, other.json, "a sender learns nothing of why");
    assert!(messages(&relay).is_empty());
    let refused = &requests(&relay, "?order=ascending")[0];
    assert_eq!(
        (refused["reason"].as_str(), refused["eventType"].as_str()),
        (Some("mismatch"), Some("push"))
    );
    let id = refused["id"].as_str().unwrap();
    let whole = relay.get(&format!("/source/shop/request/{id}")).expect(200);
    assert_eq!(whole.text("body"), "{}");
    assert_eq!(whole.text("method"), "POST");
    let release = format!("/source/shop/request/{id}/release");
    relay.post(&release, json!({})).expect(409);

    relay.patch("/source/shop", json!({"config": {"secret": SECRET}})).expect(200);
    let told = relay.post("/source/shop/request/release", json!({})).expect(200).json;
    assert_eq!(
        (&told["released"], &told["refused"], &told["done"]),
        (&json!(1), &json!(1), &json!(true))
    );
    assert_eq!(messages(&relay).len(), 1);
    assert_eq!(verdicts(&relay), ["accepted", "refused"]);
    // Released once, remembered as if it had come right.
    push(&relay, &path, SECRET, "d1", "{}").expect(200);
    assert_eq!(messages(&relay).len(), 1);
    // The secret that was replaced counts for a while beside it.
    push(&relay, &path, "an old one", "d2", "{}").expect(200);
    relay.folder.clock.advance(Duration::from_secs(24 * 3_600));
    push(&relay, &path, "an old one", "d3", "{}").expect(401);
    let refused = &requests(&relay, "?limit=1")[0];
    let why = refused["detail"].as_str().unwrap();
    assert!(why.contains("a secret that was rotated away"), "{why}");
}

#[test]
fn a_refusal_says_what_would_fit() {
    let (relay, path) = shop(json!({}));
    let signed = signature(SECRET, "{}");
    let headers = [("x-hub-signature-256", signed.as_str())];
    relay.receive(&path, &headers, "{}\n").expect(401);
    let why = requests(&relay, "")[0]["detail"].as_str().unwrap().to_owned();
    assert!(why.contains("without the line end"), "{why}");
}

#[test]
fn a_paused_source_holds_and_an_inspected_one_shows() {
    let (relay, path) = shop(json!({"mode": "paused"}));
    push(&relay, &path, SECRET, "d1", "{}").expect(200);
    push(&relay, &path, SECRET, "d1", "{}").expect(200);
    push(&relay, &path, "wrong", "d2", "{}").expect(401);
    assert_eq!(verdicts(&relay), ["held", "held", "refused"]);
    assert!(messages(&relay).is_empty());
    relay.patch("/source/shop", json!({"mode": "active"})).expect(200);
    while relay.state.intake.release_all_held().unwrap() {}
    assert_eq!(verdicts(&relay), ["accepted", "duplicate", "refused"]);
    assert_eq!(messages(&relay).len(), 1);
    relay.patch("/source/shop", json!({"mode": "inspect"})).expect(200);
    push(&relay, &path, SECRET, "d3", "{}").expect(200);
    assert_eq!(verdicts(&relay)[3], "inspected");
    assert_eq!(messages(&relay).len(), 1);
}

#[test]
fn urls_are_rotated_with_an_overlap() {
    let (relay, path) = shop(json!({}));
    let answer = relay.post("/source/shop/token/rotate", json!({"overlapSeconds": 60})).expect(200);
    let fresh = path_of(&answer);
    assert_ne!(fresh, path);
    push(&relay, &path, SECRET, "d1", "{}").expect(200);
    push(&relay, &fresh, SECRET, "d2", "{}").expect(200);
    relay.folder.clock.advance(Duration::from_secs(60));
    push(&relay, &path, SECRET, "d3", "{}").expect(404);
    push(&relay, &fresh, SECRET, "d4", "{}").expect(200);
    // With no overlap nothing old counts any more, whatever was granted before.
    let rotate = |body: Value| path_of(&relay.post("/source/shop/token/rotate", body).expect(200));
    let second = rotate(json!({"overlapSeconds": 3_600}));
    let third = rotate(json!({"overlapSeconds": 0}));
    for old in [&fresh, &second] {
        push(&relay, old, SECRET, "d5", "{}").expect(404);
    }
    push(&relay, &third, SECRET, "d6", "{}").expect(200);
    relay.patch("/source/shop", json!({"config": {"secret": "second"}})).expect(200);
    push(&relay, &third, SECRET, "d7", "{}").expect(200);
    let config = json!({"secret": "third", "overlapSeconds": 0});
    relay.patch("/source/shop", json!({"config": config})).expect(200);
    for old in [SECRET, "second"] {
        push(&relay, &third, old, "d8", "{}").expect(401);
    }
    assert_eq!(relay.post("/source/shop/token/rotate", json!({"overlap": 0})).status, 422);
    relay.delete("/source/shop").expect(204);
    push(&relay, &third, "third", "d9", "{}").expect(404);
    assert_eq!(messages(&relay).len(), 5);
}

/// Every endpoint, and why it does not want the message.
fn matched(relay: &Relay, message: &Value) -> Vec<String> {
    let id = message["id"].as_str().unwrap();
    let told = relay.get(&format!("/app/acme/msg/{id}/explain?order=ascending")).expect(200);
    let told = told.json["data"].as_array().unwrap().clone();
    told.iter()
        .map(|one| {
            let reason = one["reason"].as_str().unwrap_or("matched");
            format!("{} {reason}", one["endpointUid"].as_str().unwrap())
        })
        .collect()
}

#[test]
fn endpoints_choose_by_source_and_content() {
    let (relay, path) = shop(json!({"channels": ["code"]}));
    let other = source(&relay, "other", json!({}));
    let endpoint = |uid: &str, more: Value| {
        let mut body = json!({"url": "https://h.example/w", "uid": uid});
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        relay.post("/app/acme/endpoint", body).expect(201);
    };
    endpoint("by-source", json!({"sources": ["shop"]}));
    endpoint("by-content", json!({"filter": {"body": {"ref": {"$startsWith": "refs/tags/"}}}}));
    endpoint(
        "by-header",
        json!({"filter": {"headers": {"x-github-event": "push"}, "verified": true}}),
    );
    endpoint("by-channel", json!({"channels": ["code"]}));
    let matched = |message: &Value| matched(&relay, message);
    push(&relay, &path, SECRET, "d1", r#"{"ref":"refs/tags/v1"}"#).expect(200);
    push(&relay, &other, SECRET, "d1", r#"{"ref":"refs/heads/a"}"#).expect(200);
    relay
        .post("/app/acme/msg", json!({"eventType": "a", "payload": {"ref": "refs/tags/v2"}}))
        .expect(202);
    let found = messages(&relay);
    assert_eq!(
        matched(&found[0]),
        [
            "books matched",
            "by-source matched",
            "by-content matched",
            "by-header matched",
            "by-channel matched"
        ]
    );
    assert_eq!(
        matched(&found[1]),
        [
            "books matched",
            "by-source source",
            "by-content filter",
            "by-header matched",
            "by-channel channel"
        ]
    );
    assert_eq!(
        matched(&found[2]),
        [
            "books matched",
            "by-source source",
            "by-content matched",
            "by-header filter",
            "by-channel channel"
        ]
    );
    // What is changed counts from then on, and is shown as it was given.
    let patch = json!({"filter": {"body": {"ref": {"$endsWith": "/a"}}}, "sources": null});
    let shown = relay.patch("/app/acme/endpoint/by-content", patch.clone()).expect(200);
    assert_eq!(shown.json["filter"], patch["filter"]);
    push(&relay, &other, SECRET, "d2", r#"{"ref":"refs/heads/a"}"#).expect(200);
    assert!(matched(&messages(&relay)[3]).contains(&"by-content matched".to_owned()));
    relay.patch("/app/acme/endpoint/by-content", json!({"filter": null})).expect(200);
    push(&relay, &other, SECRET, "d3", "not JSON").expect(200);
    assert!(matched(&messages(&relay)[4]).contains(&"by-content matched".to_owned()));
}

#[test]
fn which_requests_are_the_same_event() {
    let (relay, path) = shop(json!({"dedup": ["body.id", "header.x-part"]}));
    let send = |id: &str, part: &str, body: &str| {
        let signed = signature(SECRET, body);
        let headers =
            [("x-hub-signature-256", signed.as_str()), ("x-part", part), ("x-github-delivery", id)];
        relay.receive(&path, &headers, body).expect(200);
    };
    send("1", "a", r#"{"id":1,"x":1}"#);
    send("2", "a", r#"{"id":1,"x":2}"#);
    send("3", "b", r#"{"id":1,"x":1}"#);
    assert_eq!(verdicts(&relay), ["accepted", "duplicate", "accepted"]);
    relay.patch("/source/shop", json!({"dedup": "off"})).expect(200);
    send("1", "a", r#"{"id":1,"x":1}"#);
    relay.patch("/source/shop", json!({"dedup": "body"})).expect(200);
    send("4", "c", r#"{"id":9}"#);
    send("5", "d", r#"{"id":9}"#);
    assert_eq!(verdicts(&relay)[3..], ["accepted", "accepted", "duplicate"]);
}

#[test]
fn what_a_source_takes() {
    let reply =
        json!({"status": 202, "body": "[accepted]", "headers": {"Content-Type": "text/plain"}});
    let (relay, path) = shop(json!({
        "maxBody": 10, "methods": ["PUT"], "reply": reply, "refusalStatus": 406,
        "eventType": "fixed",
    }));
    let signed = signature(SECRET, "{}");
    let headers = [("x-hub-signature-256", signed.as_str())];
    let allowed = relay.receive(&path, &headers, "{}").expect(405);
    assert_eq!(allowed.header("allow"), Some("PUT"));
    let answer = relay.provide("PUT", &path, &headers, "{}").expect(202);
    assert_eq!(answer.json, json!("[accepted]"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    relay.provide("PUT", &path, &headers, "{ }").expect(406);
    relay.provide("PUT", &path, &headers, "01234567890").expect(413);
    relay.provide("PUT", &path, &[("content-encoding", "gzip")], "{}").expect(415);
    relay.provide("PUT", "/in/nobody-knows-this-one", &headers, "{}").expect(404);
    assert_eq!(messages(&relay)[0]["eventType"], "fixed");
    // What stands behind the token is a part of what came.
    relay.provide("PUT", &format!("{path}/more/x?q=1"), &headers, "{}").expect(202);
    let newest = requests(&relay, "?limit=1")[0]["id"].as_str().unwrap().to_owned();
    let whole = relay.get(&format!("/source/shop/request/{newest}")).expect(200);
    assert_eq!((whole.text("path"), whole.text("query")), ("/more/x", "q=1"));
}

#[test]
fn refused_requests_are_kept_within_bounds() {
    let relay = Relay::with(|config| {
        config.sources.quarantine_requests = 3;
        config.sources.quarantine_bytes = relay::config::units::Size(10_000);
    });
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let path = source(&relay, "shop", json!({}));
    let large = "3".repeat(10_000);
    for body in ["1", "22", &large, "4", "5", "6"] {
        push(&relay, &path, "wrong", "d", body).expect(401);
    }
    let kept = requests(&relay, "?order=ascending");
    let bodies: Vec<String> = kept
        .iter()
        .map(|one| {
            let id = one["id"].as_str().unwrap();
            relay.get(&format!("/source/shop/request/{id}")).expect(200).text("body").to_owned()
        })
        .collect();
    assert_eq!(bodies, ["1", "22", "4"], "three, and 10,000 bytes, in a day");
    relay.folder.clock.advance(Duration::from_secs(24 * 3_600));
    push(&relay, &path, "wrong", "d", "7777777").expect(401);
    let id = relay.state.store.ids().parse(kept[0]["id"].as_str().unwrap());
    let waiting = relay.state.store.waiting_requests(relay.state.store.sources()[0].id, None, 10);
    assert_eq!(waiting.len(), 3, "the oldest went");
    assert!(!waiting.contains(&id.unwrap()));
}
