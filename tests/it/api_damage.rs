//! A body that is damaged on disk: what it says is told as damaged, and hides nothing else.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use relay::store::{Content, Verdict};
use serde_json::json;

use crate::support::acme::{acme, next_ready, send, settle};
use crate::support::server::PUBLIC_URL;

/// Changes one byte of the first place in the journal that holds these.
fn damage(data: &Path, needle: &[u8]) {
    let path = data.join("journal/00000001.seg");
    let bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[needle[0] ^ 0x20], at as u64).unwrap();
}

#[test]
fn damaged_content_is_told_and_hides_nothing_else() {
    let relay = acme();
    for event_id in ["first", "second"] {
        let payload = json!({"iban": format!("DE-{event_id}")});
        let body = json!({"eventType": "a.b", "eventId": event_id, "payload": payload});
        relay.post("/app/acme/msg", body).expect(202);
        let ready = next_ready(&relay);
        settle(&relay, &ready, 500, Verdict::RetryAt(ready.due + Duration::from_secs(60)));
    }
    send(&relay, "third", "a.b");
    let data = relay.folder.data().to_owned();
    damage(&data, b"DE-first");
    damage(&data, b"the receiver's own secret");

    let shown = relay.get("/app/acme/msg/first").expect(200).json;
    assert_eq!(shown["payload"], json!({"damaged": true}));
    let shown = relay.get("/app/acme/msg/second").expect(200).json;
    assert_eq!(shown["payload"], json!({"iban": "DE-second"}));
    let listed = relay.get("/app/acme/msg?with_content=true").expect(200).json;
    assert_eq!(listed["data"].as_array().unwrap().len(), 3);

    let attempts = relay.get("/app/acme/attempt/endpoint/books").expect(200).json;
    let answers: Vec<&str> = attempts["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| attempt["response"].as_str().unwrap())
        .collect();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0], "the receiver's own secret");
    assert!(answers[1].contains("relay repair"), "{answers:?}");
}

/// A repair gives up what is damaged and nothing else, and says what it was.
#[test]
fn what_is_damaged_is_given_up_by_name() {
    let relay = acme();
    let body = json!({
        "name": "Shop", "uid": "shop", "type": "generic-webhook", "application": "acme",
        "dedup": "off",
    });
    let made = relay.post("/source", body).expect(201);
    let path = made.text("ingestUrl").strip_prefix(PUBLIC_URL).unwrap().to_owned();
    relay.receive(&path, &[("x-mark", "head-of-a-message")], "{}").expect(200);
    relay.receive(&path, &[], "whole").expect(200);
    relay.patch("/source/shop", json!({"mode": "inspect"})).expect(200);
    relay.receive(&path, &[], "body-of-a-request").expect(200);
    relay.receive(&path, &[("x-mark", "head-of-a-request")], "").expect(200);
    let data = relay.folder.data().to_owned();
    for needle in ["head-of-a-message", "body-of-a-request", "head-of-a-request"] {
        damage(&data, needle.as_bytes());
    }
    let store = relay.state.store.clone();
    let lost: Vec<Content> =
        store.give_up_bodies().unwrap().into_iter().map(|lost| lost.content).collect();
    let kinds: Vec<&str> = lost
        .iter()
        .map(|content| match content {
            Content::Head(_) => "head",
            Content::Request(_) => "request",
            Content::Message(_) => "message",
            Content::Attempt(_) => "attempt",
        })
        .collect();
    assert_eq!(kinds, ["head", "request", "request"]);
    assert!(store.give_up_bodies().unwrap().is_empty());
    let messages = relay.get("/app/acme/msg?with_content=true").expect(200).json;
    assert_eq!(messages["data"][1]["payload"], json!({}), "it is sent without its headers");
    let list = relay.get("/source/shop/request").expect(200).json;
    let gone: Vec<bool> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let path = format!("/source/shop/request/{}", one["id"].as_str().unwrap());
            relay.get(&path).expect(200).json["expired"] == true
        })
        .collect();
    assert_eq!(gone, [true, true, false, true], "the newest first");
}
