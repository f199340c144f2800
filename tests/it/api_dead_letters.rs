//! The list of dead letters: what is in it, for whom, in which order, and when it leaves.

use std::time::Duration;

use relay::domain::delivery::{DeadReason, Outcome, Trigger};
use relay::store::{Notice, Ready, Settlement, Verdict};
use serde_json::{Value, json};

use crate::api_refusals::token;
use crate::support::acme::{acme, dead, endpoint, next_ready, send, settle, status};
use crate::support::server::Relay;

/// The event ids of a list, in its order.
pub fn listed(relay: &Relay, path: &str) -> Vec<String> {
    let page = relay.get(path).expect(200).json;
    let items = page["data"].as_array().unwrap().iter();
    items.map(|item| item["eventId"].as_str().unwrap().to_owned()).collect()
}

/// A message that dies at once, with this status and for this reason.
pub fn die(relay: &Relay, event_id: &str, event_type: &str, status_code: u16, why: DeadReason) {
    send(relay, event_id, event_type);
    settle(relay, &next_ready(relay), status_code, Verdict::Dead(why));
    relay.folder.clock.advance(Duration::from_secs(1));
}

/// A message that dies at two endpoints.
pub fn die_at_both(relay: &Relay, event_id: &str) {
    send(relay, event_id, "a.b");
    let both = [next_ready(relay), next_ready(relay)];
    both.iter().for_each(|ready| dead(relay, ready));
}

/// One attempt that a person asked for, and how it ended.
fn resend(relay: &Relay, event_id: &str, status_code: u16) {
    let path = format!("/app/acme/msg/{event_id}/endpoint/books/resend");
    relay.send("POST", &path, &[], None).expect(202);
    let ready: Ready = next_ready(relay);
    assert_eq!(ready.trigger, Trigger::Manual);
    let delivered = status_code == 200;
    relay.state.store.settle(Settlement {
        delivery: ready.delivery(),
        due: ready.due,
        first_due: ready.due,
        trigger: Trigger::Manual,
        started_at: ready.due,
        duration_ms: 1,
        status_code,
        outcome: if delivered { Outcome::Delivered } else { Outcome::Status },
        verdict: if delivered { Verdict::Delivered } else { Verdict::Unchanged },
        content: Default::default(),
    });
    while !matches!(relay.open.as_ref().unwrap().notice(), Notice::Settled { .. }) {}
}

/// Dead letters and what waits, as `/metrics` tells them.
fn counted(relay: &Relay) -> (u64, u64) {
    let asked = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let metrics = String::from_utf8(relay.raw(asked)).unwrap();
    let of = |name| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    (of("relay_dead_letters "), of("relay_deliveries_waiting "))
}

/// Whoever asks is told of what just happened; nothing goes round meanwhile.
#[test]
fn metrics_are_exact() {
    let relay = acme();
    assert_eq!(counted(&relay), (0, 0));
    for (event_id, dead) in [("one", 1), ("two", 2)] {
        die(&relay, event_id, "a.b", 500, DeadReason::Exhausted);
        assert_eq!(counted(&relay), (dead, 0));
    }
    resend(&relay, "one", 500);
    assert_eq!(counted(&relay), (2, 0), "it failed once more");
    resend(&relay, "one", 200);
    assert_eq!(counted(&relay), (1, 0));
    send(&relay, "three", "a.b");
    let relay = relay.restart();
    assert_eq!(counted(&relay), (1, 1));
}

#[test]
fn pages_newest_first() {
    let relay = acme();
    assert!(listed(&relay, "/app/acme/dead-letter").is_empty());
    for event_id in ["one", "two", "three"] {
        die(&relay, event_id, "a.b", 500, DeadReason::Exhausted);
    }
    send(&relay, "waiting", "a.b");
    next_ready(&relay);
    let first = relay.get("/app/acme/dead-letter?limit=2").expect(200).json;
    assert_eq!((&first["data"][0]["eventId"], &first["done"]), (&"three".into(), &false.into()));
    let next = first["iterator"].as_str().unwrap();
    let path = format!("/app/acme/dead-letter?limit=2&iterator={next}");
    let second = relay.get(&path).expect(200).json;
    assert_eq!((&second["data"][0]["eventId"], &second["done"]), (&"one".into(), &true.into()));
    let back = second["prevIterator"].as_str().unwrap();
    let back = format!("/app/acme/dead-letter?limit=2&iterator={back}");
    assert_eq!(listed(&relay, &back), ["three", "two"]);
    let upward = "/app/acme/dead-letter?order=ascending";
    assert_eq!(listed(&relay, upward), ["one", "two", "three"]);
    let endpoint = relay.get("/app/acme/endpoint/books").text("id").to_owned();
    let letter = &first["data"][0];
    assert_eq!(
        (&letter["endpointId"], &letter["reason"], &letter["attempts"], &letter["lastStatusCode"]),
        (&endpoint.into(), &"exhausted".into(), &1.into(), &500.into())
    );
    assert_eq!((&letter["eventType"], &letter["expunged"]), (&"a.b".into(), &false.into()));
    assert_eq!(relay.state.store.figures().dead_letters, 3);
}

#[test]
fn filters() {
    let relay = acme();
    endpoint(&relay, "other");
    relay.patch("/app/acme/endpoint/other", json!({"eventTypes": ["c.d"]})).expect(200);
    relay.patch("/app/acme/endpoint/books", json!({"eventTypes": ["a.b"]})).expect(200);
    die(&relay, "gone", "a.b", 410, DeadReason::Gone);
    die(&relay, "blocked", "a.b", 0, DeadReason::Blocked);
    let between = relay.state.clock.now().to_string();
    die(&relay, "exhausted", "a.b", 503, DeadReason::Exhausted);
    let tagged = json!({
        "eventType": "c.d", "eventId": "tagged", "payload": {}, "tags": ["t"], "channels": ["ch"],
    });
    relay.post("/app/acme/msg", tagged).expect(202);
    settle(&relay, &next_ready(&relay), 500, Verdict::Dead(DeadReason::Exhausted));
    let check = |query: &str, expected: &[&str]| {
        for list in ["/app/acme/dead-letter", "/dead-letter"] {
            assert_eq!(listed(&relay, &format!("{list}?{query}")), expected, "{list} {query}");
        }
    };
    check("", &["tagged", "exhausted", "blocked", "gone"]);
    check("reason=gone", &["gone"]);
    // Nobody learns from it which addresses are kept from them.
    check("reason=exhausted", &["tagged", "exhausted", "blocked"]);
    check("reason=expired", &[]);
    check("status_code_class=500", &["tagged", "exhausted"]);
    check("status_code_class=0", &["blocked"]);
    check("event_types=c.d,x", &["tagged"]);
    check("tag=t", &["tagged"]);
    check("channel=ch&tag=u", &[]);
    check(&format!("since={between}"), &["tagged", "exhausted"]);
    check(&format!("until={between}"), &["blocked", "gone"]);
    let other = relay.get("/app/acme/endpoint/other").text("id").to_owned();
    check(&format!("endpoint_id={other}"), &["tagged"]);
    assert_eq!(listed(&relay, "/app/acme/dead-letter?endpoint_id=other"), ["tagged"]);
    let all = relay.get("/app/acme/dead-letter").json.to_string();
    assert!(!all.contains("\"reason\":\"blocked\""), "{all}");
    let backwards = format!("/app/acme/dead-letter?since={between}&until=2020-01-01T00:00:00Z");
    assert_eq!(relay.get(&backwards).problem(), "query.until");
}

#[test]
fn an_application_sees_its_own() {
    let relay = acme();
    die(&relay, "mine", "a.b", 500, DeadReason::Exhausted);
    relay.post("/app", json!({"name": "Other", "uid": "other"})).expect(201);
    relay
        .post("/app/other/endpoint", json!({"url": "https://h.example/w", "uid": "theirs"}))
        .expect(201);
    let message = json!({"eventType": "a.b", "eventId": "theirs", "payload": {}});
    relay.post("/app/other/msg", message).expect(202);
    dead(&relay, &next_ready(&relay));
    assert_eq!(listed(&relay, "/app/acme/dead-letter"), ["mine"]);
    assert_eq!(listed(&relay, "/app/other/dead-letter"), ["theirs"]);
    assert_eq!(listed(&relay, "/dead-letter"), ["theirs", "mine"]);
    assert_eq!(
        relay.get("/app/acme/dead-letter?endpoint_id=theirs").problem(),
        "query.endpoint_id"
    );
    let acme = relay.get("/app/acme").text("id").to_owned();
    let authorization = format!("Bearer {}", token(&acme));
    let ask = |path: &str| relay.send("GET", path, &[("authorization", &authorization)], None);
    ask("/app/acme/dead-letter").expect(200);
    ask("/app/other/dead-letter").expect(403);
    ask("/dead-letter").expect(403);
    let purge = |path: &str| {
        let headers = [("authorization", authorization.as_str())];
        relay.send("POST", path, &headers, Some(r#"{"plan":true}"#))
    };
    purge("/app/other/dead-letter/purge").expect(403);
    assert_eq!(purge("/app/acme/dead-letter/purge").expect(200).json["count"], 1);
    let looks = json!({"capabilities": ["ViewBase", "CreateAttempts"]});
    let looks = relay.post("/auth/app-portal-access/acme", looks).expect(200);
    let authorization = format!("Bearer {}", looks.text("token"));
    let headers = [("authorization", authorization.as_str())];
    relay.send("POST", "/app/acme/dead-letter/purge", &headers, Some("{}")).expect(403);
    relay.send("POST", "/app/acme/dead-letter/resend", &headers, Some("{}")).expect(202);
}

#[test]
fn one_that_is_delivered_leaves() {
    let relay = acme();
    die(&relay, "one", "a.b", 500, DeadReason::Exhausted);
    let before = relay.get("/app/acme/dead-letter").json["data"][0].clone();
    resend(&relay, "one", 404);
    let after = relay.get("/app/acme/dead-letter").json["data"][0].clone();
    assert_eq!((&after["id"], &after["timestamp"]), (&before["id"], &before["timestamp"]));
    assert_eq!((&after["attempts"], &after["lastStatusCode"]), (&2.into(), &404.into()));
    resend(&relay, "one", 200);
    assert!(listed(&relay, "/app/acme/dead-letter").is_empty());
    assert!(listed(&relay, "/dead-letter").is_empty());
    assert_eq!(relay.state.store.figures().dead_letters, 0);
    assert_eq!(status(&relay, "books", "one"), "success");
}

/// Never tried, so without a status.
#[test]
fn one_that_expired_is_listed() {
    let relay = acme();
    send(&relay, "late", "a.b");
    relay.state.store.expire(next_ready(&relay).delivery());
    while !matches!(relay.open.as_ref().unwrap().notice(), Notice::Settled { .. }) {}
    let page = relay.get("/app/acme/dead-letter?reason=expired").expect(200).json;
    let letter = &page["data"][0];
    assert_eq!((&letter["attempts"], &letter["lastStatusCode"]), (&0.into(), &Value::Null));
}

#[test]
fn those_of_a_deleted_endpoint_are_gone_at_once() {
    let relay = acme();
    endpoint(&relay, "other");
    for number in 0..3 {
        die_at_both(&relay, &format!("e{number}"));
    }
    assert_eq!(listed(&relay, "/app/acme/dead-letter").len(), 6);
    relay.delete("/app/acme/endpoint/other").expect(204);
    assert_eq!(listed(&relay, "/app/acme/dead-letter").len(), 3);
    assert_eq!(listed(&relay, "/dead-letter").len(), 3);
    let store = &relay.state.store;
    assert_eq!(store.figures().dead_letters, 6, "the janitor has not come by");
    while store.tidy().unwrap() {}
    assert_eq!(store.figures().dead_letters, 3);
    relay.delete("/app/acme").expect(204);
    while store.tidy().unwrap() {}
    assert_eq!(store.figures().dead_letters, 0);
    assert!(listed(&relay, "/dead-letter").is_empty());
    assert!(store.account().holds());
}

/// Everything up to the newest segment goes.
fn reclaim(relay: &Relay) {
    let store = &relay.state.store;
    while let Some(oldest) = store.oldest_segment().unwrap() {
        store.reclaim(oldest, &mut |_| true).unwrap();
    }
}

#[test]
fn retention_takes_them_with_their_messages() {
    let relay = acme();
    endpoint(&relay, "slow");
    relay.patch("/app/acme/endpoint/slow", json!({"eventTypes": ["slow"]})).expect(200);
    die(&relay, "old", "a.b", 500, DeadReason::Exhausted);
    // Dead at one endpoint, and kept since it waits for the other.
    send(&relay, "kept", "slow");
    let ready = [next_ready(&relay), next_ready(&relay)];
    let books = relay.get("/app/acme/endpoint/books").text("id").to_owned();
    let of_books = |ready: &&Ready| relay.state.store.ids().text(ready.endpoint) == books;
    dead(&relay, ready.iter().find(of_books).unwrap());
    for _ in 0..30 {
        let payload = json!({"fill": "x".repeat(50_000)});
        relay.post("/app/acme/msg", json!({"eventType": "a.b", "payload": payload})).expect(202);
        settle(&relay, &next_ready(&relay), 200, Verdict::Delivered);
    }
    reclaim(&relay);
    relay.get("/app/acme/msg/old").expect(404);
    assert_eq!(listed(&relay, "/app/acme/dead-letter"), ["kept"]);
    assert_eq!(relay.state.store.figures().dead_letters, 1);
    // What was carried forward is all that the journal needs.
    let folder = relay.stop();
    std::fs::remove_dir_all(folder.data().join("index")).unwrap();
    let relay = Relay::over(folder);
    assert_eq!(listed(&relay, "/dead-letter"), ["kept"]);
    assert_eq!(relay.state.store.figures().dead_letters, 1);
}

#[test]
fn the_journal_gives_the_same_list() {
    let relay = acme();
    for number in 0..5 {
        die(&relay, &format!("e{number}"), "a.b", 500, DeadReason::Exhausted);
    }
    resend(&relay, "e3", 200);
    let before = relay.get("/app/acme/dead-letter").json;
    assert_eq!(before["data"].as_array().unwrap().len(), 4);
    let relay = relay.restart();
    assert_eq!(relay.get("/app/acme/dead-letter").json, before);
    let folder = relay.stop();
    std::fs::remove_dir_all(folder.data().join("index")).unwrap();
    let relay = Relay::over(folder);
    assert!(relay.open.as_ref().unwrap().rebuilt);
    assert_eq!(relay.get("/app/acme/dead-letter").json, before);
    assert_eq!(relay.get("/dead-letter").json, before);
    assert_eq!(relay.state.store.figures().dead_letters, 4);
    assert!(!relay.state.store.lacks_dead_letters());
}
