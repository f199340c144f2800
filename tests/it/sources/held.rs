//! What a paused source answered for becomes messages, whatever happened to the source meanwhile.

use std::time::Duration;

use serde_json::json;

use super::{SECRET, matched, messages, push, requests, shop, verdicts};

/// The secret of then is gone by the time the source goes on.
#[test]
fn what_was_held_needs_no_secret_again() {
    let (relay, path) = shop(json!({"mode": "paused"}));
    push(&relay, &path, SECRET, "d1", "{}").expect(200);
    let sure = json!({"url": "https://h.example/w", "uid": "sure", "filter": {"verified": true}});
    relay.post("/app/acme/endpoint", sure).expect(201);
    let change = json!({"config": {"secret": "another"}, "mode": "active"});
    relay.patch("/source/shop", json!({"config": {"secret": "another"}})).expect(200);
    relay.folder.clock.advance(Duration::from_secs(40 * 24 * 3_600));
    relay.patch("/source/shop", change).expect(200);
    let source = relay.state.store.sources()[0].clone();
    while relay.state.intake.release_held(&source).unwrap() {}
    assert_eq!(verdicts(&relay), ["accepted"]);
    // It was verified when it came, and filters are told so.
    assert!(matched(&relay, &messages(&relay)[0]).contains(&"sure matched".to_owned()));
}

/// Ids that stand in the query are the same before, while and after it is held.
#[test]
fn what_is_held_is_told_apart_as_it_is_elsewhere() {
    let (relay, path) = shop(json!({"dedup": ["query.id"]}));
    let come = |id: &str| push(&relay, &format!("{path}?id={id}"), SECRET, "d", "{}").expect(200);
    come("1");
    relay.patch("/source/shop", json!({"mode": "paused"})).expect(200);
    come("1");
    come("2");
    come("3");
    relay.patch("/source/shop", json!({"mode": "active"})).expect(200);
    let source = relay.state.store.sources()[0].clone();
    while relay.state.intake.release_held(&source).unwrap() {}
    come("3");
    let told = ["accepted", "duplicate", "accepted", "accepted", "duplicate"];
    let shown = requests(&relay, "?order=ascending");
    let shown: Vec<&str> = shown.iter().map(|one| one["verdict"].as_str().unwrap()).collect();
    assert_eq!(shown, told);
    let tried = relay.post("/source/shop/dry-run", json!({"dedup": ["query.id"]})).expect(200).json;
    assert_eq!((&tried["accepted"], &tried["duplicates"]), (&json!(3), &json!(2)));
}

/// A window is as long as it was when the event came, not when the source went on.
#[test]
fn an_event_that_comes_again_while_its_source_is_paused_is_one() {
    let (relay, path) = shop(json!({"dedupWindowSeconds": 60}));
    push(&relay, &path, SECRET, "d1", "{}").expect(200);
    relay.patch("/source/shop", json!({"mode": "paused"})).expect(200);
    push(&relay, &path, SECRET, "d1", "{}").expect(200);
    relay.folder.clock.advance(Duration::from_secs(120));
    relay.patch("/source/shop", json!({"mode": "active"})).expect(200);
    let source = relay.state.store.sources()[0].clone();
    while relay.state.intake.release_held(&source).unwrap() {}
    assert_eq!(messages(&relay).len(), 1);
}
