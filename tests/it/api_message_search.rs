//! The search over messages: what is found by what, in which order, for whom, and where a page
//! ends early.

use std::time::Duration;

use bytes::Bytes;
use relay::config::{Config, OtherBodies};
use relay::domain::delivery::DeadReason;
use relay::domain::id::ApplicationId;
use relay::domain::redact::JsonPath;
use relay::store::{ApplicationReference, NewMessage, Reply, Verdict};
use serde_json::{Value, json};

use crate::api_dead_letters::die;
use crate::api_refusals::token;
use crate::support::acme::{acme, dead, next_ready, send, settle};
use crate::support::server::{PUBLIC_URL, Relay};

const ALL: &str = "/message-search";
const OWN: &str = "/app/acme/message-search";

/// What one page has, by event id.
pub fn names(page: &Value) -> Vec<String> {
    let items = page["data"].as_array().unwrap().iter();
    items.map(|item| item["eventId"].as_str().unwrap_or("-").to_owned()).collect()
}

#[track_caller]
pub fn found(relay: &Relay, path: &str) -> Vec<String> {
    names(&relay.get(path).expect(200).json)
}

/// Every page of a list, one behind the other.
pub fn walk(relay: &Relay, path: &str) -> (Vec<String>, usize) {
    let (mut all, mut pages, mut iterator) = (Vec::new(), 0, String::new());
    loop {
        let page = relay.get(&format!("{path}{iterator}")).expect(200).json;
        all.extend(names(&page));
        pages += 1;
        assert!(pages < 300, "{path} has no end");
        assert!(page["searchedTo"].is_null() || page["done"] == false, "{page}");
        if page["done"] == true {
            return (all, pages);
        }
        iterator = format!("&iterator={}", page["iterator"].as_str().unwrap());
    }
}

pub fn application(relay: &Relay, uid: &str) -> ApplicationId {
    relay.post("/app", json!({"name": uid, "uid": uid})).expect(201);
    id_of(relay, uid)
}

fn id_of(relay: &Relay, uid: &str) -> ApplicationId {
    let store = &relay.state.store;
    store.application(&ApplicationReference::read(store.ids(), uid)).unwrap().id
}

/// Messages, named by their event ids.
pub fn fill(relay: &Relay, messages: Vec<(ApplicationId, String, Bytes)>) {
    // As much as goes into one record.
    for some in messages.chunks(100) {
        let some = some.to_vec();
        let written = relay.state.store.write_blocking(None, move |transaction| {
            for (application, name, body) in some {
                let new = NewMessage::plain(application, "a.b".to_owned(), body);
                transaction.accept(NewMessage { event_id: Some(name), ..new })?;
            }
            Ok(Reply::Done)
        });
        written.unwrap();
    }
}

#[test]
fn by_what_names_it() {
    let relay = acme();
    send(&relay, "one", "a.b");
    let first = relay.get("/app/acme/msg/one").text("id").to_owned();
    let unmatched = application(&relay, "other");
    fill(&relay, vec![(unmatched, "two".to_owned(), Bytes::from_static(b"{}"))]);
    let second = relay.get("/app/other/msg/two").text("id").to_owned();
    dead(&relay, &next_ready(&relay));
    let attempt = relay.get("/app/acme/attempt/msg/one").expect(200).json;
    let attempt = attempt["data"][0]["id"].as_str().unwrap().to_owned();
    let endpoint = relay.get("/app/acme/endpoint/books").text("id").to_owned();
    let named = [(&first, "id"), (&attempt, "attempt"), (&endpoint, "endpoint")];
    for (q, field) in named.into_iter().chain([(&"one".to_owned(), "eventId")]) {
        for path in [ALL, OWN, "/message-search?app=acme"] {
            let mark = if path.contains('?') { '&' } else { '?' };
            let page = relay.get(&format!("{path}{mark}q={q}")).expect(200).json;
            assert_eq!(names(&page), ["one"], "{q} by {path}");
            let item = &page["data"][0];
            assert_eq!(item["match"], json!({"field": field}));
            assert_eq!((&item["appName"], &item["payload"]), (&json!("Acme"), &json!({})));
            assert_eq!(item["deliveries"]["fail"], 1, "{item}");
            assert_eq!(page["done"], true);
        }
        assert!(found(&relay, &format!("/app/other/message-search?q={q}")).is_empty(), "{q}");
        assert!(found(&relay, &format!("{ALL}?q={q}&status=0")).is_empty(), "{q}");
        assert!(found(&relay, &format!("{ALL}?q={q}&before=2020-01-01T00:00:00Z")).is_empty());
        assert_eq!(found(&relay, &format!("{ALL}?q={q}&status=2&event_types=a.b")), ["one"]);
    }
    // Nothing was ever tried of it: each application is asked.
    assert_eq!(found(&relay, &format!("{ALL}?q={second}")), ["two"]);
    assert!(found(&relay, &format!("{OWN}?q={second}")).is_empty());
    assert!(found(&relay, &format!("{ALL}?q={}", first.replace("msg_", "atmpt_"))).is_empty());
    // Another relay's id may be an event id, or stand in a body.
    let foreign = "msg_000000000000000000000000000";
    let body = Bytes::from(format!("{{\"re\":\"{foreign}\"}}"));
    fill(&relay, vec![(unmatched, "three".to_owned(), body.clone())]);
    assert_eq!(found(&relay, &format!("{ALL}?q={foreign}")), ["three"]);
    fill(&relay, vec![(unmatched, foreign.to_owned(), body)]);
    assert_eq!(found(&relay, &format!("{ALL}?q={foreign}")), [foreign]);
    assert_eq!(found(&relay, &format!("{ALL}?q={foreign}&in=body")), [foreign, "three"]);
}

#[test]
fn pages_over_all_applications_newest_first() {
    let relay = Relay::start();
    let applications: Vec<ApplicationId> =
        (0..12).map(|number| application(&relay, &format!("app-{number}"))).collect();
    // Some are busy, some silent, one has nothing; their messages stand among one another.
    let owner = |number: usize| applications[(number * number + number / 3) % 11];
    let messages =
        (0..150).map(|number| (owner(number), format!("m{number:03}"), Bytes::from_static(b"{}")));
    fill(&relay, messages.collect());
    let newest: Vec<String> = (0..150).rev().map(|number| format!("m{number:03}")).collect();
    let check = |relay: &Relay| {
        assert_eq!(walk(relay, &format!("{ALL}?limit=7")), (newest.clone(), 22));
        assert_eq!(walk(relay, &format!("{ALL}?limit=250")).0, newest);
        let oldest: Vec<String> = newest.iter().rev().cloned().collect();
        assert_eq!(walk(relay, &format!("{ALL}?limit=11&order=ascending")).0, oldest);
        for (number, application) in applications.iter().enumerate() {
            let own: Vec<String> = newest
                .iter()
                .filter(|name| owner(name[1..].parse().unwrap()) == *application)
                .cloned()
                .collect();
            let path = format!("/app/app-{number}/message-search?limit=3");
            assert_eq!(walk(relay, &path).0, own);
            assert_eq!(walk(relay, &format!("{ALL}?app=app-{number}")).0, own);
        }
        // From the middle back to the newest.
        let middle = relay.get(&format!("{ALL}?limit=20")).json["iterator"].clone();
        let middle = format!("{ALL}?limit=8&iterator={}", middle.as_str().unwrap());
        let page = relay.get(&middle).expect(200).json;
        assert_eq!(names(&page), newest[20..28]);
        let back = page["prevIterator"].as_str().unwrap();
        let back = relay.get(&format!("{ALL}?limit=8&iterator={back}")).expect(200).json;
        assert_eq!((names(&back), &back["done"]), (newest[12..20].to_vec(), &json!(false)));
    };
    check(&relay);
    // Where each has its newest was in memory alone, and is learned again.
    let relay = relay.restart();
    check(&relay);
    check(&relay);
    fill(&relay, vec![(applications[3], "last".to_owned(), Bytes::new())]);
    assert_eq!(found(&relay, &format!("{ALL}?limit=2")), ["last", "m149"]);
    relay.delete("/app/app-3").expect(204);
    let left = walk(&relay, "/message-search?limit=100").0;
    assert!(left.iter().all(|name| name != "last") && left.len() < 150, "{}", left.len());
}

#[test]
fn filters() {
    let relay = acme();
    relay.patch("/app/acme/endpoint/books", json!({"eventTypes": ["a.b"]})).expect(200);
    die(&relay, "dead", "a.b", 500, DeadReason::Exhausted);
    send(&relay, "sent", "a.b");
    settle(&relay, &next_ready(&relay), 200, Verdict::Delivered);
    relay.folder.clock.advance(Duration::from_secs(1));
    let between = relay.state.clock.now().to_string();
    relay.folder.clock.advance(Duration::from_secs(1));
    send(&relay, "waits", "a.b");
    let tagged = json!({
        "eventType": "c.d", "eventId": "tagged", "payload": {}, "tags": ["t"], "channels": ["ch"],
    });
    relay.post("/app/acme/msg", tagged).expect(202);
    let source = json!({"name": "s", "uid": "shop", "type": "generic-webhook",
        "application": "acme", "config": {}, "eventType": "e.f"});
    let source = relay.post("/source", source).expect(201);
    let url = source.text("ingestUrl").strip_prefix(PUBLIC_URL).unwrap().to_owned();
    relay.receive(&url, &[("content-type", "application/json")], "{\"in\":1}").expect(200);
    let check = |query: &str, expected: &[&str]| {
        for path in [ALL, OWN] {
            assert_eq!(found(&relay, &format!("{path}?{query}")), expected, "{path} {query}");
        }
    };
    check("", &["-", "tagged", "waits", "sent", "dead"]);
    check("status=2", &["dead"]);
    check("status=0", &["sent"]);
    check("status=1", &["waits"]);
    check("status=3", &[]);
    check("status=4", &[]);
    check("event_types=c.d,e.f", &["-", "tagged"]);
    check("tag=t&channel=ch", &["tagged"]);
    check("tag=u", &[]);
    check("source=shop", &["-"]);
    check(&format!("source={}", source.text("id")), &["-"]);
    check("source=nobody", &[]);
    check(&format!("after={between}"), &["-", "tagged", "waits"]);
    check(&format!("before={between}"), &["sent", "dead"]);
    check(&format!("before={between}&status=2&q=DEAD&in=body"), &["dead"]);
    assert_eq!(found(&relay, "/message-search?source=shop&q=%22in%22"), ["-"]);
    assert_eq!(relay.get("/message-search?app=nobody").problem(), "query.app");
}

#[test]
fn text_in_bodies() {
    let relay = acme();
    let post = |event_id: &str, payload: Value| {
        let body = json!({"eventType": "a.b", "eventId": event_id, "payload": payload});
        relay.post("/app/acme/msg", body).expect(202);
    };
    let day = Duration::from_secs(24 * 3_600);
    post("old", json!({"customer": "Ada Lovelace"}));
    relay.folder.clock.advance(day * 3);
    post("one", json!({"customer": "Ada Lovelace", "fill": "x".repeat(400)}));
    post("two", json!({"customer": "Grace Hopper", "note": "ada"}));
    let page = relay.get("/message-search?q=ada%20LOVE").expect(200).json;
    assert_eq!(names(&page), ["one"]);
    let excerpt = page["data"][0]["match"]["excerpt"].as_str().unwrap();
    assert!(excerpt.starts_with("{\"customer\":\"Ada Lovelace\"") && excerpt.ends_with("x…"));
    assert_eq!(excerpt.chars().count(), 200);
    assert_eq!(page["data"][0]["match"]["field"], "body");
    assert_eq!(found(&relay, "/message-search?q=ADA"), ["two", "one"]);
    assert!(found(&relay, "/message-search?q=a.a").is_empty());
    let before = |days: u32| {
        let now = relay.state.clock.now();
        relay::domain::time::Timestamp::from_millis(
            now.millis() - u64::try_from((day * days).as_millis()).unwrap(),
        )
    };
    let since = |days| format!("/message-search?q=lovelace&after={}", before(days));
    assert_eq!(found(&relay, &since(4)), ["one", "old"]);
    assert_eq!(found(&relay, &since(7)), ["one", "old"]);
    assert_eq!(relay.get(&since(8)).problem(), "query.after");
    let older = format!("/message-search?q=lovelace&before={}", before(2));
    assert_eq!(found(&relay, &format!("{older}&after={}", before(8))), ["old"]);
    assert!(found(&relay, &older).is_empty(), "the day before");
    // Only text needs a window.
    found(&relay, &format!("/message-search?after={}", before(100)));
    found(&relay, &format!("/message-search?q=old&after={}", before(100)));
    let gone = relay.get("/app/acme/msg/one").text("id").to_owned();
    relay.delete(&format!("/app/acme/msg/{gone}/content")).expect(204);
    assert_eq!(found(&relay, "/message-search?q=ADA"), ["two"]);
}

/// Stands where it is redacted.
const CARD: &str = "4111222233334444";

fn hiding(others: bool) -> Relay {
    Relay::with(|config: &mut Config| {
        let path = |text: &str| JsonPath::try_from(text.to_owned()).unwrap();
        config.redact.json_paths = ["$.card.number", "$..ssn"].map(path).to_vec();
        config.redact.other_bodies = if others { OtherBodies::Hide } else { OtherBodies::Show };
    })
}

/// Nobody learns by asking for it, digit by digit, what is not shown.
#[test]
fn what_is_redacted_is_not_found() {
    let relay = hiding(true);
    relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let payload = json!({
        "name": "Ada", "card": {"number": CARD}, "deep": [{"ssn": {"text": CARD}}], "last": 1,
    });
    let body = json!({"eventType": "a.b", "eventId": "json", "payload": payload});
    relay.post("/app/acme/msg", body).expect(202);
    let acme = id_of(&relay, "acme");
    let escaped: String = CARD.bytes().map(|digit| format!("\\u00{digit:02x}")).collect();
    let escaped = format!("{{\"ca\\u0072d\":{{\"number\":\"{escaped}\"}},\"name\":\"Ada\"}}");
    let bodies = [
        ("escaped", escaped),
        ("text", format!("Ada {CARD}")),
        ("cut", format!("{{\"name\":\"Ada\",\"card\":{{\"number\":\"{CARD}")),
    ];
    let bodies = bodies.map(|(name, body)| (acme, name.to_owned(), Bytes::from(body)));
    fill(&relay, bodies.to_vec());
    for path in [ALL, OWN] {
        for length in 1..=CARD.len() {
            for part in [&CARD[..length], &CARD[CARD.len() - length..]] {
                if part == "1" {
                    continue;
                }
                let page = relay.get(&format!("{path}?q={part}")).expect(200).json;
                assert!(names(&page).is_empty(), "{part}: {page}");
            }
        }
        for q in ["number%22:%224", "%22ssn%22:%7B", "1", "ada"] {
            let page = relay.get(&format!("{path}?q={q}")).expect(200).json;
            assert!(!page.to_string().contains("4111"), "{q}: {page}");
        }
        assert_eq!(found(&relay, &format!("{path}?q=ada")), ["escaped", "json"]);
        let page = relay.get(&format!("{path}?q=ada&limit=1")).expect(200).json;
        let excerpt = page["data"][0]["match"]["excerpt"].as_str().unwrap();
        assert!(excerpt.contains("(redacted)"), "{excerpt}");
    }
    let shown = hiding(false);
    let acme = application(&shown, "acme");
    let text = Bytes::from(format!("Ada {CARD}"));
    fill(&shown, vec![(acme, "text".to_owned(), text)]);
    assert_eq!(found(&shown, "/message-search?q=4111"), ["text"], "what is shown is found");
}

#[test]
fn an_application_finds_its_own() {
    let relay = acme();
    send(&relay, "mine", "a.b");
    let other = application(&relay, "other");
    let secret = Bytes::from_static(b"{\"id\":\"mine\"}");
    fill(&relay, vec![(other, "theirs".to_owned(), secret)]);
    let theirs = relay.get("/app/other/msg/theirs").text("id").to_owned();
    let authorization = format!("Bearer {}", token(relay.get("/app/acme").text("id")));
    let ask = |path: &str| relay.send("GET", path, &[("authorization", &authorization)], None);
    ask(ALL).expect(403);
    ask("/message-search?app=acme").expect(403);
    ask("/app/other/message-search").expect(403);
    for q in ["mine", "theirs", &theirs, "", "mine&in=body", "mine&app=other"] {
        let page = ask(&format!("{OWN}?q={q}")).expect(200).json;
        let only = names(&page).iter().all(|name| name == "mine");
        assert!(only && !page.to_string().contains("theirs"), "{q}: {page}");
    }
    assert_eq!(names(&ask(&format!("{OWN}?q=mine&in=body")).json), ["mine"]);
}

/// What the relay tells its operator is no message of an application.
#[test]
fn operational_webhooks_are_not_found() {
    let relay = acme();
    relay.post("/operational-webhook/endpoint", json!({"url": "https://h.example/"})).expect(201);
    endpoint_disabled(&relay);
    let hidden = loop {
        let ready = next_ready(&relay);
        if ready.message.message.event_type != "a.b" {
            break ready.message.message.id;
        }
    };
    let id = relay.state.store.ids().text(hidden);
    assert!(found(&relay, &format!("{ALL}?q={id}")).is_empty());
    assert!(found(&relay, ALL).iter().all(|name| name == "gone"));
    assert!(relay.get("/operational-webhook/endpoint").json["data"][0]["id"].is_string());
    let endpoint = relay.get("/operational-webhook/endpoint").json["data"][0]["id"].clone();
    assert!(found(&relay, &format!("{ALL}?q={}", endpoint.as_str().unwrap())).is_empty());
}

fn endpoint_disabled(relay: &Relay) {
    send(relay, "gone", "a.b");
    settle(relay, &next_ready(relay), 410, Verdict::Dead(DeadReason::Exhausted));
}
