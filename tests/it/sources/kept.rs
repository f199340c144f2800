//! What is kept of requests: for how long, how much, and that it goes for good.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use relay::domain::id::SourceId;
use relay::domain::received::{Head, Verdict};
use relay::domain::source::Mode;
use relay::store::{Amount, Decision, Filtered, NewRequest, Reply, Transaction, Waiting};
use serde_json::json;

use super::{SECRET, messages, push, requests, shop, source, verdicts};
use crate::support::acme::{next_ready, settle};
use crate::support::server::Relay;

/// Whether any file of the folder holds these bytes.
fn holds(folder: &Path, needle: &str) -> bool {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().any(|path| {
        if path.is_dir() {
            return holds(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    })
}

/// What comes from now on stands in another segment.
fn end_segment(relay: &Relay) {
    relay.state.store.end_segment(relay::domain::time::Timestamp::MAX);
    relay.state.store.write_blocking(None, |_| Ok(Reply::Done)).unwrap();
}

/// Everything up to the newest segment goes.
fn reclaim(relay: &Relay) {
    end_segment(relay);
    let store = &relay.state.store;
    while let Some(oldest) = store.oldest_segment().unwrap() {
        store.reclaim(oldest, &mut |_| true).unwrap();
    }
}

fn id(relay: &Relay, at: usize) -> String {
    requests(relay, "?order=ascending")[at]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_paused_source_says_when_it_can_hold_no_more() {
    let relay = Relay::with(|config| config.sources.held_requests = 2);
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let path = source(&relay, "shop", json!({"mode": "paused"}));
    for delivery in ["d1", "d2"] {
        push(&relay, &path, SECRET, delivery, delivery).expect(200);
    }
    let full = push(&relay, &path, SECRET, "d3", "d3").expect(507);
    assert!(full.text("detail").contains("sources.held_requests"), "{}", full.json);
    assert_eq!(verdicts(&relay), ["held", "held"], "it is to be sent again");
    relay.patch("/source/shop", json!({"mode": "active"})).expect(200);
    while relay.state.intake.release_all_held().unwrap() {}
    relay.patch("/source/shop", json!({"mode": "paused"})).expect(200);
    push(&relay, &path, SECRET, "d3", "d3").expect(200);
    assert_eq!(verdicts(&relay), ["accepted", "accepted", "held"]);
}

/// What is held outlives its segment, and goes with its source.
#[test]
fn what_is_held_is_kept_as_long_as_its_source() {
    let (relay, path) = shop(json!({"mode": "paused"}));
    push(&relay, &path, SECRET, "d1", r#"{"said":"held-word"}"#).expect(200);
    push(&relay, &path, "wrong", "d2", r#"{"said":"refused-word"}"#).expect(401);
    reclaim(&relay);
    assert_eq!(verdicts(&relay), ["held"]);
    let first = relay.state.store.sources()[0].clone();
    assert!(relay.state.store.waiting_requests(first.id, None, 10).is_empty());
    reclaim(&relay);
    relay.patch("/source/shop", json!({"mode": "active"})).expect(200);
    while relay.state.intake.release_all_held().unwrap() {}
    assert_eq!(messages(&relay).len(), 1);
    relay.patch("/source/shop", json!({"mode": "paused"})).expect(200);
    push(&relay, &path, SECRET, "d3", "{}").expect(200);
    let held = relay.state.store.held_requests(first.id, 10)[0];
    let refused = relay.delete("/source/shop").expect(409);
    assert!(refused.text("detail").contains("holds 1 requests"), "{}", refused.json);
    relay.delete("/source/shop?discard_held=true").expect(204);
    reclaim(&relay);
    assert!(relay.state.store.held_requests(first.id, 10).is_empty());
    assert!(relay.state.store.request(first.id, held).is_none());
    let relay = relay.restart();
    assert!(relay.state.store.held_requests(first.id, 10).is_empty());
}

#[test]
fn what_is_released_is_held_once_and_expunged_whole() {
    let (relay, path) = shop(json!({"config": {"secret": "another"}}));
    let data = relay.folder.data().to_owned();
    push(&relay, &path, SECRET, "d1", r#"{"said":"first-word"}"#).expect(401);
    push(&relay, &path, SECRET, "d1", r#"{"said":"second-word"}"#).expect(401);
    push(&relay, &path, SECRET, "d3", r#"{"said":"third-word"}"#).expect(401);
    relay.patch("/source/shop", json!({"config": {"secret": SECRET}})).expect(200);
    let told = relay.post("/source/shop/request/release", json!({})).expect(200).json;
    assert_eq!((&told["released"], &told["duplicates"]), (&json!(2), &json!(1)));
    relay.state.store.erase().unwrap();
    let message = messages(&relay)[0]["id"].as_str().unwrap().to_owned();
    relay.delete(&format!("/app/acme/msg/{message}/content")).expect(204);
    assert!(!holds(&data, "first-word"), "the copy of before it was released");
    // The duplicate outlives the segment that it came in, with its bytes.
    let duplicate = format!("/source/shop/request/{}", id(&relay, 1));
    assert_eq!(relay.get(&duplicate).expect(200).text("body"), r#"{"said":"second-word"}"#);
    relay.delete(&format!("{duplicate}/content")).expect(204);
    relay.delete(&format!("{duplicate}/content")).expect(204);
    assert!(!holds(&data, "second-word"));
    assert_eq!(relay.get(&duplicate).expect(200).json["expired"], true);
    relay.post(&format!("{duplicate}/release"), json!({"anyway": true})).expect(409);
    // Of a request that is a message the message goes, and what was sent of it.
    let (_, third) = (next_ready(&relay), next_ready(&relay));
    settle(
        &relay,
        &third,
        500,
        relay::store::Verdict::RetryAt(third.due + Duration::from_secs(60)),
    );
    relay.state.store.write_blocking(None, |_| Ok(Reply::Done)).unwrap();
    assert!(holds(&data, "the receiver's own secret"));
    let third = id(&relay, 2);
    relay.delete(&format!("/source/shop/request/{third}/content")).expect(204);
    assert!(!holds(&data, "third-word"));
    assert!(!holds(&data, "the receiver's own secret"), "of its attempt");
    let message = messages(&relay)[1].clone();
    assert_eq!(message["payload"], json!({"expired": true}));
    assert_eq!(relay.delete("/source/shop/request/req_x/content").status, 404);
}

/// A released duplicate reads as gone when its bytes are, not as an error.
#[test]
fn a_released_duplicate_outlives_the_segment_it_came_in() {
    let (relay, path) = shop(json!({"config": {"secret": "another"}}));
    push(&relay, &path, SECRET, "d1", "{}").expect(401);
    push(&relay, &path, SECRET, "d1", "{}").expect(401);
    end_segment(&relay);
    relay.patch("/source/shop", json!({"config": {"secret": SECRET}})).expect(200);
    let oldest = relay.state.store.oldest_segment().unwrap().unwrap();
    relay.post("/source/shop/request/release", json!({})).expect(200);
    let duplicate = format!("/source/shop/request/{}", id(&relay, 1));
    relay.state.store.reclaim(oldest, &mut |_| true).unwrap();
    assert_eq!(relay.get(&duplicate).expect(200).text("body"), "{}");
    let taken = relay.post(&format!("{duplicate}/release"), json!({"anyway": true})).expect(200);
    assert_eq!(taken.text("verdict"), "accepted");
}

/// What counts what waits is what waits, after every way in and out.
#[test]
fn what_waits_is_counted_as_it_is() {
    let relay = Relay::with(|config| config.sources.quarantine_requests = 3);
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let path = source(&relay, "shop", json!({"config": {"secret": "another"}}));
    let day = Duration::from_secs(24 * 3_600);
    let own = relay.state.store.sources()[0].id;
    let check = |what: &str| {
        let store = &relay.state.store;
        let waiting: Waiting = store.waiting(own);
        let refused = store.waiting_requests(own, None, 100).len() as u64;
        let held = store.held_requests(own, 100).len() as u64;
        assert_eq!((waiting.refused.requests, waiting.held.requests), (refused, held), "{what}");
        assert_eq!(waiting.refused.bytes == 0, refused == 0, "{what}");
        assert_eq!(waiting.held.bytes == 0, held == 0, "{what}");
        (refused, held)
    };
    for round in 0..3 {
        for number in 0..2 {
            push(&relay, &path, SECRET, &format!("d{round}{number}"), "{}").expect(401);
        }
        relay.folder.clock.advance(day);
    }
    assert_eq!(check("the oldest made room"), (3, 0));
    relay.delete(&format!("/source/shop/request/{}/content", id(&relay, 5))).expect(204);
    assert_eq!(check("expunged"), (2, 0));
    relay.patch("/source/shop", json!({"config": {"secret": SECRET}})).expect(200);
    let one = format!("/source/shop/request/{}/release", id(&relay, 4));
    relay.post(&one, json!({})).expect(200);
    assert_eq!(check("released"), (1, 0));
    relay.patch("/source/shop", json!({"mode": "paused"})).expect(200);
    push(&relay, &path, SECRET, "held", "{}").expect(200);
    assert_eq!(check("held"), (1, 1));
    reclaim(&relay);
    assert_eq!(check("its segment is gone"), (0, 1));
    assert_eq!(relay.state.store.sources()[0].mode, Mode::Paused);
    relay.patch("/source/shop", json!({"mode": "active"})).expect(200);
    while relay.state.intake.release_all_held().unwrap() {}
    assert_eq!(check("let go on"), (0, 0));
}

fn refused(source: SourceId) -> NewRequest {
    let verdict = Verdict::Refused { code: "mismatch".to_owned(), why: String::new() };
    NewRequest {
        source,
        decision: Decision::Keep(verdict),
        verified: false,
        head: Head::default(),
        body: "{}".into(),
        event_type: "push".to_owned(),
        event_id: None,
        content_type: "application/json".to_owned(),
        filtered: Filtered::default(),
        adopt: None,
    }
}

/// Several that make room in one group: none of them has what another one took away go again.
#[test]
fn what_waits_is_counted_as_it_is_within_a_group() {
    let (relay, _) = shop(json!({}));
    let store = &relay.state.store;
    let own = store.sources()[0].id;
    let most = Amount { requests: 3, bytes: 1_000 };
    let most = Waiting { refused: most, held: most };
    let (go, wait) = mpsc::channel::<()>();
    let (told, answers) = mpsc::channel();
    // The first holds the group open until the others wait behind it.
    let first = move |_: &mut Transaction<'_>| {
        wait.recv().unwrap();
        Ok(Reply::Done)
    };
    let answer = told.clone();
    store.submit(None, first, move |result| answer.send(result.is_ok()).unwrap()).unwrap();
    for _ in 0..8 {
        let answer = told.clone();
        let receive = move |transaction: &mut Transaction<'_>| {
            transaction.receive(refused(own), &most)?;
            Ok(Reply::Done)
        };
        store.submit(None, receive, move |result| answer.send(result.is_ok()).unwrap()).unwrap();
    }
    go.send(()).unwrap();
    assert_eq!(answers.iter().take(9).collect::<Vec<_>>(), [true; 9]);
    let held = store.waiting_requests(own, None, 100).len() as u64;
    assert_eq!(store.waiting(own).refused.requests, held);
}

/// A header that is a credential itself is neither shown nor passed on.
#[test]
fn credentials_are_not_shown() {
    let (relay, _) = shop(json!({}));
    let path = source(&relay, "lab", json!({"type": "gitlab", "config": {"secret": "tok-en"}}));
    let headers = [("x-gitlab-token", "tok-en"), ("x-gitlab-event", "Push Hook")];
    relay.receive(&path, &headers, "{}").expect(200);
    relay.receive(&path, &[("x-gitlab-token", "tok-en-2")], "{}").expect(401);
    let list = relay.get("/source/lab/request").expect(200).json;
    for one in list["data"].as_array().unwrap() {
        let path = format!("/source/lab/request/{}", one["id"].as_str().unwrap());
        let shown = relay.get(&path).expect(200).json.to_string();
        assert!(shown.contains("x-gitlab-token") && !shown.contains("tok-en"), "{shown}");
    }
}
