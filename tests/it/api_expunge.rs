//! Expunging through the API: what is gone from the answers is gone from the disk.

use std::path::Path;
use std::time::Duration;

use relay::store::{Ready, Reference, Reply, Verdict};
use serde_json::json;

use crate::support::acme::{acme, endpoint, finish, next_ready, settle, stats, status};
use crate::support::server::Relay;

/// Whether any file of the folder holds these bytes.
fn holds(folder: &Path, needle: &[u8]) -> bool {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().any(|path| {
        if path.is_dir() {
            return holds(&path, needle);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn expunged_bytes_are_gone_from_the_disk() {
    let relay = acme();
    let data = relay.folder.data().to_owned();
    for event_id in ["secret-one", "secret-two", "kept"] {
        let payload = json!({"iban": format!("DE-{event_id}")});
        let body = json!({"eventType": "a.b", "eventId": event_id, "payload": payload});
        relay.post("/app/acme/msg", body).expect(202);
    }
    let [first, _, kept] = [(); 3].map(|()| next_ready(&relay));
    settle(&relay, &first, 500, Verdict::RetryAt(first.due + Duration::from_secs(60)));
    assert!(holds(&data, b"DE-secret-one") && holds(&data, b"the receiver's own secret"));
    relay.delete("/app/acme/msg/secret-one/content").expect(204);
    relay.delete("/app/acme/msg/secret-one/content").expect(204);
    assert!(!holds(&data, b"DE-secret-one"));
    let shown = relay.get("/app/acme/msg/secret-one").expect(200).json;
    assert_eq!(shown["payload"], json!({"expired": true}));
    assert_eq!(status(&relay, "books", "secret-one"), "canceled");
    relay.send("POST", "/app/acme/msg/secret-one/endpoint/books/resend", &[], None).expect(409);

    let attempts = relay.get("/app/acme/attempt/msg/secret-one").expect(200).json;
    let attempt = attempts["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/app/acme/msg/secret-one/attempt/{attempt}");
    relay.delete(&format!("{path}/content")).expect(204);
    assert!(!holds(&data, b"the receiver's own secret"));
    let shown = relay.get(&path).expect(200).json;
    assert_eq!((&shown["response"], &shown["responseStatusCode"]), (&"".into(), &500.into()));
    assert_eq!(shown["url"], "https://h.example/w");

    let body = json!({"ids": ["secret-two", "nobody"]});
    let results = relay.post("/app/acme/msg/bulk-expunge", body).expect(200).json;
    assert_eq!(results["results"], json!({"secret-two": "expunged", "nobody": "not-found"}));
    assert!(!holds(&data, b"DE-secret-two") && holds(&data, b"DE-kept"));
    // What is left is whole, also without the index.
    let folder = relay.stop();
    std::fs::remove_dir_all(data.join("index")).unwrap();
    let relay = Relay::over(folder);
    assert_eq!(relay.get("/app/acme/msg/kept").expect(200).json["payload"]["iban"], "DE-kept");
    let shown = relay.get("/app/acme/msg/secret-two").expect(200).json;
    assert_eq!(shown["payload"], json!({"expired": true}));
    assert_eq!(stats(&relay, "books"), [0, 1, 0, 2]);
    settle(&relay, &kept, 500, Verdict::RetryAt(kept.due + Duration::from_secs(60)));
    relay.state.store.write_blocking(None, |_| Ok(Reply::Done)).unwrap();
    assert!(holds(&data, b"the receiver's own secret"));
    let begun = relay.send("POST", "/app/acme/msg/expunge-all-contents", &[], None).expect(202);
    finish(&relay, &begun.json);
    relay.state.store.erase().unwrap();
    assert!(!holds(&data, b"DE-kept") && !holds(&data, b"the receiver's own secret"));
    assert!(relay.state.store.account().holds());
}

/// An attempt that is under way when a message is expunged leaves its outcome and nothing else.
#[test]
fn an_answer_that_comes_later_is_not_kept() {
    let relay = acme();
    let data = relay.folder.data().to_owned();
    let failed = |ready: &Ready| {
        settle(&relay, ready, 500, Verdict::RetryAt(ready.due + Duration::from_secs(60)));
        relay.state.store.write_blocking(None, |_| Ok(Reply::Done)).unwrap();
    };
    for event_id in ["secret", "purged", "kept"] {
        let body = json!({"eventType": "a.b", "eventId": event_id, "payload": {}});
        relay.post("/app/acme/msg", body).expect(202);
        if event_id == "purged" {
            relay.delete("/app/acme/msg/secret/content").expect(204);
            let path = "/app/acme/msg/expunge-all-contents";
            finish(&relay, &relay.send("POST", path, &[], None).expect(202).json);
        }
    }
    let [secret, purged, kept] = [(); 3].map(|()| next_ready(&relay));
    failed(&secret);
    failed(&purged);
    assert!(!holds(&data, b"the receiver's own secret"));
    let attempts = relay.get("/app/acme/attempt/msg/secret").expect(200).json;
    assert_eq!(attempts["data"][0]["responseStatusCode"], 500, "{attempts}");
    failed(&kept);
    assert!(holds(&data, b"the receiver's own secret"));
}

/// The row says that the bytes are gone, and the crash comes before they are.
#[test]
fn a_crash_before_the_bytes_are_overwritten_is_made_up_for() {
    let relay = acme();
    let data = relay.folder.data().to_owned();
    let payload = json!({"iban": "DE-secret"});
    let body = json!({"eventType": "a.b", "eventId": "one", "payload": payload});
    relay.post("/app/acme/msg", body).expect(202);
    let store = relay.state.store.clone();
    let application = store.application(&Reference::Name("acme".into())).unwrap();
    let stored = store.message(application.id, &Reference::Name("one".into())).unwrap();
    store
        .write_blocking(None, move |transaction| {
            transaction.expunge_message(&stored);
            Ok(relay::store::Reply::Done)
        })
        .unwrap();
    drop(store);
    assert!(holds(&data, b"DE-secret"));
    let relay = relay.restart();
    relay.state.store.erase().unwrap();
    assert!(!holds(&data, b"DE-secret"));
}

/// What waits of them for all endpoints does not fit one record.
#[test]
fn contents_of_many_that_wait_for_many_endpoints() {
    let relay = acme();
    (0..29).for_each(|number| endpoint(&relay, &format!("more-{number}")));
    let send_all = |name: &str, hours: Option<u64>| {
        for number in 0..60 {
            let event_id = format!("{name}-{number}");
            let mut body = json!({"eventType": "a.b", "eventId": event_id, "payload": {"a": 1}});
            if let Some(hours) = hours {
                body["payloadRetentionHours"] = hours.into();
            }
            relay.post("/app/acme/msg", body).expect(202);
        }
    };
    let is_gone = |event_id: &str| {
        let shown = relay.get(&format!("/app/acme/msg/{event_id}")).expect(200).json;
        assert_eq!(shown["payload"], json!({"expired": true}), "{event_id}");
    };
    send_all("asked", None);
    let begun = relay.send("POST", "/app/acme/msg/expunge-all-contents", &[], None).expect(202);
    let ended = finish(&relay, &begun.json);
    assert_eq!(ended["data"]["lookedAt"], 60, "{ended}");
    send_all("expired", Some(1));
    relay.folder.clock.advance(Duration::from_secs(3_700));
    let mut steps = 1;
    while relay.state.store.expire_contents().unwrap() {
        steps += 1;
    }
    assert!(steps > 2, "{steps}");
    for number in 0..60 {
        is_gone(&format!("asked-{number}"));
        is_gone(&format!("expired-{number}"));
    }
    assert_eq!(status(&relay, "more-28", "expired-59"), "canceled");
}

#[test]
fn a_payload_with_an_end_of_its_own() {
    let relay = acme();
    let send = |event_id: &str, field: &str, count: u64| {
        let mut body = json!({"eventType": "a.b", "eventId": event_id, "payload": {"a": 1}});
        body[field] = count.into();
        relay.post("/app/acme/msg", body)
    };
    send("hours", "payloadRetentionHours", 2).expect(202);
    send("days", "payloadRetentionPeriod", 1).expect(202);
    send("all", "payloadRetentionPeriod", 90).expect(202);
    assert_eq!(send("x", "payloadRetentionPeriod", 91).problem(), "body.payloadRetentionPeriod");
    assert_eq!(send("x", "payloadRetentionHours", 0).problem(), "body.payloadRetentionHours");
    let payload = |event_id: &str| {
        relay.get(&format!("/app/acme/msg/{event_id}")).expect(200).json["payload"].clone()
    };
    let kept = json!({"a": 1});
    let gone = json!({"expired": true});
    for (hours, expected) in
        [(1, [&kept, &kept, &kept]), (2, [&gone, &kept, &kept]), (30, [&gone, &gone, &kept])]
    {
        relay.folder.clock.advance(Duration::from_secs(hours * 3_600));
        while relay.state.store.expire_contents().unwrap() {}
        assert_eq!(["hours", "days", "all"].map(payload).each_ref(), expected);
    }
}
