//! Dead letters put back and given up many at once: what is told before, what is done, and how a
//! task that does it stops and goes on.

use std::collections::BTreeMap;

use relay::domain::delivery::DeadReason;
use relay::domain::id::TaskId;
use relay::store::Verdict;
use serde_json::{Value, json};

use crate::api_dead_letters::{die, die_at_both, listed};
use crate::support::acme::{acme, dead, endpoint, finish, next_ready, send, settle, stats, status};
use crate::support::server::Relay;

const RESEND: &str = "/app/acme/dead-letter/resend";
const PURGE: &str = "/app/acme/dead-letter/purge";

fn plan(relay: &Relay, path: &str, filter: &Value) -> Value {
    let mut body = filter.clone();
    body["plan"] = json!(true);
    relay.post(path, body).expect(200).json
}

fn id(relay: &Relay, task: &Value) -> TaskId {
    relay.state.store.ids().parse(task["id"].as_str().unwrap()).unwrap()
}

#[test]
fn what_is_planned_is_done() {
    let relay = acme();
    endpoint(&relay, "slow");
    relay.patch("/app/acme/endpoint/slow", json!({"eventTypes": ["slow"]})).expect(200);
    relay.patch("/app/acme/endpoint/books", json!({"eventTypes": ["a.b", "c.d"]})).expect(200);
    die(&relay, "one", "a.b", 500, DeadReason::Exhausted);
    die(&relay, "two", "a.b", 0, DeadReason::Blocked);
    die(&relay, "three", "c.d", 410, DeadReason::Gone);
    die(&relay, "four", "slow", 500, DeadReason::Exhausted);
    let mut left: Vec<&str> = vec!["four", "three", "two", "one"];
    let cases: [(Value, &[&str], Value); 3] = [
        (json!({"eventTypes": ["x.y"]}), &[], json!({})),
        (
            json!({"endpointId": "books", "reason": "exhausted"}),
            &["one", "two"],
            json!({"exhausted": 2}),
        ),
        (json!({}), &["three", "four"], json!({"exhausted": 1, "gone": 1})),
    ];
    for (filter, meant, by_reason) in cases {
        let told = plan(&relay, RESEND, &filter);
        assert_eq!(listed(&relay, "/app/acme/dead-letter"), left, "a plan changes nothing");
        assert_eq!((&told["count"], &told["byReason"]), (&meant.len().into(), &by_reason));
        let bytes: usize = meant.iter().map(|id| json!({"id": id}).to_string().len()).sum();
        assert_eq!(told["bytes"], bytes, "{filter}");
        let begun = relay.post(RESEND, filter).expect(202).json;
        let ended = finish(&relay, &begun);
        assert_eq!(ended["data"]["done"], told["count"]);
        let counts = ended["data"].get("counts").cloned().unwrap_or(json!({}));
        assert_eq!(counts, told["byReason"]);
        left.retain(|id| !meant.contains(id));
        assert_eq!(listed(&relay, "/app/acme/dead-letter"), left);
        let mut due = BTreeMap::new();
        for _ in meant {
            let ready = next_ready(&relay);
            due.insert(ready.message.message.event_id.clone().unwrap(), ready.attempts);
        }
        let fresh: BTreeMap<_, _> = meant.iter().map(|id| ((*id).to_owned(), 0)).collect();
        assert_eq!(due, fresh, "each has its whole schedule before it");
    }
    assert_eq!(status(&relay, "books", "one"), "pending");
    assert!(relay.state.store.account().holds());
    let named = relay.get("/background-task?task=dead-letter.resend").expect(200).json;
    let task = &named["data"][0];
    assert_eq!(
        (&task["task"], &task["data"]["work"]),
        (&"endpoint.recover".into(), &"dead-letter.resend".into())
    );
    assert_eq!(relay.get("/background-task?task=dead-letter.purge").json["data"], json!([]));
}

/// The estimate is what throttles allow, and none where there is one missing.
#[test]
fn how_long_it_takes() {
    let relay = acme();
    for number in 0..5 {
        die(&relay, &format!("e{number}"), "a.b", 500, DeadReason::Exhausted);
    }
    let seconds = |path: &str| plan(&relay, path, &json!({}))["estimatedSeconds"].clone();
    assert_eq!(seconds(RESEND), Value::Null);
    relay.patch("/app/acme/endpoint/books", json!({"throttleRate": 2})).expect(200);
    assert_eq!(seconds(RESEND), 3);
    relay.patch("/app/acme", json!({"throttleRate": 1})).expect(200);
    assert_eq!(seconds(RESEND), 5);
    assert_eq!(seconds(PURGE), Value::Null);
}

#[test]
fn what_cannot_be_sent_is_left() {
    let relay = acme();
    endpoint(&relay, "off");
    die_at_both(&relay, "one");
    die_at_both(&relay, "two");
    relay.patch("/app/acme/endpoint/off", json!({"disabled": true})).expect(200);
    relay.delete("/app/acme/msg/two/content").expect(204);
    assert_eq!(relay.get("/app/acme/dead-letter").json["data"][0]["expunged"], true);
    let told = plan(&relay, RESEND, &json!({}));
    let skipped = json!({"disabled": 2, "expunged": 1});
    assert_eq!((&told["count"], &told["skipped"]), (&1.into(), &skipped));
    let begun = relay.post(RESEND, json!({})).expect(202).json;
    let ended = finish(&relay, &begun);
    assert_eq!(ended["data"]["counts"], json!({"disabled": 2, "exhausted": 1, "expunged": 1}));
    assert_eq!(listed(&relay, "/app/acme/dead-letter"), ["two", "two", "one"]);
    relay.post(RESEND, json!({"endpointId": "off"})).expect(400);
    assert_eq!(plan(&relay, PURGE, &json!({}))["count"], 3);
    let begun = relay.post(PURGE, json!({"endpointId": "off"})).expect(202).json;
    assert_eq!(finish(&relay, &begun)["data"]["done"], 2);
    assert_eq!(listed(&relay, "/app/acme/dead-letter"), ["two"]);
}

#[test]
fn what_is_purged_is_counted_as_cancelled() {
    let relay = acme();
    for event_id in ["one", "two", "three"] {
        die(&relay, event_id, "a.b", 500, DeadReason::Exhausted);
    }
    send(&relay, "delivered", "a.b");
    settle(&relay, &next_ready(&relay), 200, Verdict::Delivered);
    let since = relay.get("/app/acme/dead-letter").json["data"][1]["timestamp"].clone();
    let begun = relay.post(PURGE, json!({"until": since})).expect(202).json;
    assert_eq!(finish(&relay, &begun)["data"]["done"], 1);
    let account = relay.state.store.account();
    assert_eq!((account.dead, account.cancelled, account.delivered), (2, 1, 1));
    assert!(account.holds());
    assert_eq!(listed(&relay, "/app/acme/dead-letter"), ["three", "two"]);
    assert_eq!(status(&relay, "books", "one"), "canceled");
    // For good: nothing that brings back the dead finds it.
    let all = json!({"since": "2026-11-20T00:00:00Z"});
    let begun = relay.post("/app/acme/endpoint/books/recover", all).expect(202).json;
    assert_eq!(finish(&relay, &begun)["data"]["done"], 2);
    assert!(listed(&relay, "/app/acme/dead-letter").is_empty());
    assert_eq!(stats(&relay, "books"), [1, 2, 0, 1]);
}

const MANY: u64 = 200;

/// Many dead letters, and the first step of a task over them.
fn begun_over_many(path: &str) -> (Relay, Value, u64) {
    let relay = acme();
    for number in 0..MANY {
        send(&relay, &format!("e{number}"), "a.b");
        dead(&relay, &next_ready(&relay));
    }
    let begun = relay.post(path, json!({})).expect(202).json;
    assert!(relay.state.store.advance_task(id(&relay, &begun)).unwrap());
    let left = relay.state.store.figures().dead_letters;
    assert!((1..MANY).contains(&left), "{left}");
    (relay, begun, left)
}

#[test]
fn it_goes_on_after_a_restart() {
    let (relay, begun, _) = begun_over_many(RESEND);
    let relay = relay.restart();
    assert_eq!(relay.state.store.running_tasks(), [id(&relay, &begun)]);
    let ended = finish(&relay, &begun);
    assert_eq!((&ended["data"]["done"], &ended["data"]["lookedAt"]), (&MANY.into(), &MANY.into()));
    assert_eq!(relay.state.store.figures().dead_letters, 0);
    assert_eq!(stats(&relay, "books"), [0, MANY, 0, 0]);
}

#[test]
fn cancelled_half_way() {
    let (relay, begun, left) = begun_over_many(PURGE);
    let task = begun["id"].as_str().unwrap();
    let path = format!("/background-task/{task}/cancel");
    let cancelled = relay.post(&path, json!({})).expect(200).json;
    assert_eq!(
        (&cancelled["status"], &cancelled["data"]["cancelled"]),
        (&"failed".into(), &true.into())
    );
    assert!(!relay.state.store.advance_task(id(&relay, &begun)).unwrap());
    assert_eq!(relay.state.store.figures().dead_letters, left);
    assert_eq!(
        relay.post(&path, json!({})).expect(200).json,
        cancelled,
        "once is as good as twice"
    );
    let account = relay.state.store.account();
    assert_eq!((account.dead, account.cancelled), (left, MANY - left));
    assert!(account.holds() && relay.state.store.running_tasks().is_empty());
    let counted = |status: &str| {
        let tasks = relay.get(&format!("/background-task?status={status}")).expect(200).json;
        tasks["data"].as_array().unwrap().len()
    };
    assert_eq!(["cancelled", "failed", "running", "finished"].map(counted), [1, 1, 0, 0]);
    // The rest is there to be taken by another one, which then can't be cancelled.
    let begun = relay.post(PURGE, json!({})).expect(202).json;
    assert_eq!(finish(&relay, &begun)["data"]["done"], left);
    let path = format!("/background-task/{}/cancel", begun["id"].as_str().unwrap());
    relay.post(&path, json!({})).expect(409);
    relay.post("/background-task/qtask_0000/cancel", json!({})).expect(404);
}

#[test]
fn the_same_key_begins_one_task() {
    let relay = acme();
    die(&relay, "one", "a.b", 500, DeadReason::Exhausted);
    let key = [("idempotency-key", "once")];
    let begun = relay.send("POST", RESEND, &key, Some("{}")).expect(202).json;
    assert_eq!(relay.send("POST", RESEND, &key, Some("{}")).expect(202).json["id"], begun["id"]);
    assert_eq!(relay.send("POST", RESEND, &key, Some(r#"{"plan":false}"#)).status, 409);
}
