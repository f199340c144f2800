//! Live streams: every message once and in the order of acceptance, over all applications, whoever
//! writes meanwhile and however often the stream is cut.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::acme::{acme, send};
use crate::support::live::Stream;
use crate::support::server::{Client, PUBLIC_URL, Relay};

const WRITERS: usize = 4;
const EACH: usize = 60;

fn message(relay: &Client, app: &str, event_id: &str) {
    let body = json!({"eventType": "a.b", "eventId": event_id, "payload": {"n": event_id}});
    relay.post(&format!("/app/{app}/msg"), body).expect(202);
}

fn apps(relay: &Client, names: &[&str]) {
    for name in names {
        relay.post("/app", json!({"name": name, "uid": name})).expect(201);
    }
}

/// The ids of everything that was accepted, in its order: ids sort by time.
fn accepted(relay: &Client, apps: &[&str]) -> Vec<String> {
    let mut ids = BTreeSet::new();
    for app in apps {
        let mut iterator = String::new();
        loop {
            let path = format!("/app/{app}/msg?limit=250{iterator}");
            let page = relay.get(&path).expect(200).json;
            let listed = page["data"].as_array().unwrap().iter();
            ids.extend(listed.map(|item| item["id"].as_str().unwrap().to_owned()));
            if page["done"] == true {
                break;
            }
            iterator = format!("&iterator={}", page["iterator"].as_str().unwrap());
        }
    }
    ids.into_iter().collect()
}

/// Readers that come and go see each message once, in order, while several write to several
/// applications: one that stays, one that is cut after every few and goes on by the last id, and
/// one that reads all of it when everything is there.
#[test]
fn each_once_in_order_over_all_applications() {
    let relay = Relay::start();
    let names: Vec<String> = (0..WRITERS).map(|number| format!("app-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    apps(&relay, &names);
    let all = WRITERS * EACH;
    let client: Client = *relay;
    let (steady, cut) = thread::scope(|scope| {
        let mut stream = Stream::open(&client, "/live", &[]);
        let begin = stream.last.clone();
        let steady =
            scope.spawn(move || (0..all).map(|_| stream.expect("message").id).collect::<Vec<_>>());
        let cut = scope.spawn(move || {
            let (mut seen, mut last) = (Vec::new(), begin);
            while seen.len() < all {
                let mut stream = Stream::open(&client, "/live", &[("last-event-id", &last)]);
                assert_eq!(stream.last, last, "it begins where it was asked to");
                for _ in 0..(all - seen.len()).min(7) {
                    seen.push(stream.expect("message").id);
                }
                last.clone_from(&stream.last);
            }
            seen
        });
        for name in &names {
            scope.spawn(move || {
                (0..EACH).for_each(|n| message(&client, name, &format!("{name}-{n}")))
            });
        }
        (steady.join().unwrap(), cut.join().unwrap())
    });
    let expected = accepted(&relay, &names);
    assert_eq!(expected.len(), all);
    assert_eq!(steady, expected);
    assert_eq!(cut, expected);
    let mut late = Stream::open(&relay, "/live?follow=false&after=1970-01-01T00:00:00Z", &[]);
    let late: Vec<String> = late.rest().into_iter().map(|event| event.id).collect();
    assert_eq!(late, expected);
}

/// More than one step of the index holds, and more than is remembered of the newest.
#[test]
fn a_long_backlog_over_a_restart() {
    let relay = Relay::start();
    apps(&relay, &["one", "two", "three"]);
    for number in 0..700 {
        let app = ["one", "two", "three"][number % 3];
        message(&relay, app, &format!("{number}"));
    }
    let middle = {
        let mut stream = Stream::open(&relay, "/live?after=1970-01-01T00:00:00Z", &[]);
        let first = stream.names(300);
        assert_eq!(first, (0..300).map(|n| n.to_string()).collect::<Vec<_>>());
        stream.last
    };
    let relay = relay.restart();
    message(&relay, "two", "700");
    let path = format!("/live?after={middle}");
    let mut stream = Stream::open(&relay, &path, &[]);
    assert_eq!(stream.names(401), (300..=700).map(|n| n.to_string()).collect::<Vec<_>>());
    message(&relay, "one", "701");
    assert_eq!(stream.names(1), ["701"]);
    let own = format!("/app/two/live?follow=false&after={middle}");
    let own = Stream::open(&relay, &own, &[]).rest();
    let expected = (300..=700).filter(|n| n % 3 == 1).map(|n| n.to_string());
    let own = own.iter().map(|event| event.data["eventId"].as_str().unwrap().to_owned());
    assert_eq!(own.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn what_is_asked_for_is_shown() {
    let relay = acme();
    apps(&relay, &["other"]);
    relay.patch("/app/acme/endpoint/books", json!({"eventTypes": ["book.*"]})).expect(200);
    let endpoint = relay.get("/app/acme/endpoint/books").text("id").to_owned();
    let channel = |event_id: &str, event_type: &str, channel: &str, amount: u32| {
        let body = json!({
            "eventType": event_type, "eventId": event_id, "channels": [channel],
            "tags": [format!("t-{channel}")], "payload": {"amount": amount},
        });
        relay.post("/app/acme/msg", body).expect(202);
    };
    channel("1", "book.sold", "eu", 5);
    channel("2", "book.sold", "us", 50);
    channel("3", "film.sold", "eu", 500);
    message(&relay, "other", "4");
    let seen = |path: &str| {
        let path = format!("{path}follow=false&after=1970-01-01T00:00:00Z");
        let events = Stream::open(&relay, &path, &[]).rest();
        let name = |data: &Value| data["eventId"].as_str().unwrap().to_owned();
        events.iter().map(|event| name(&event.data)).collect::<Vec<_>>().join(",")
    };
    for (path, expected) in [
        ("/live?".to_owned(), "1,2,3,4"),
        ("/live?application=acme&".to_owned(), "1,2,3"),
        ("/app/acme/live?".to_owned(), "1,2,3"),
        ("/app/other/live?".to_owned(), "4"),
        ("/live?event_types=book.sold,a.b&".to_owned(), "1,2,4"),
        ("/live?channel=eu&".to_owned(), "1,3"),
        ("/live?tag=t-us&".to_owned(), "2"),
        ("/app/acme/live?endpoint=books&".to_owned(), "1,2"),
        (format!("/live?endpoint={endpoint}&"), "1,2"),
        ("/live?filter=%7B%22body%22:%7B%22amount%22:%7B%22$gt%22:10%7D%7D%7D&".to_owned(), "2,3"),
        ("/live?filter=%7B%22event_type%22:%22a.b%22%7D&".to_owned(), "4"),
    ] {
        assert_eq!(seen(&path), expected, "{path}");
    }
    let path = "/app/acme/live?follow=false&after=1970-01-01T00:00:00Z&channel=us";
    let bare = &Stream::open(&relay, path, &[]).rest()[0].data;
    let listed = relay.get("/app/acme/msg/2?with_content=false").expect(200).json;
    assert_eq!(bare["payload"], json!({}));
    assert_eq!(bare["appId"], relay.get("/app/acme").json["id"]);
    for (field, value) in listed.as_object().unwrap() {
        assert_eq!(&bare[field], value, "as a list shows it: {field}");
    }
    let whole = &Stream::open(&relay, &format!("{path}&with_content=true"), &[]).rest()[0].data;
    assert_eq!(whole["payload"], json!({"amount": 50}));
}

#[test]
fn what_is_wrong_is_told_before_the_stream_begins() {
    let relay = acme();
    for (path, place) in [
        ("/live?filter=%7B", "query.filter"),
        ("/live?filter=%7B%22body%22:%7B%22a%22:%7B%22$no%22:1%7D%7D%7D", "query.filter"),
        ("/live?after=yesterday", "query.after"),
        ("/live?follow=maybe", "query.follow"),
        ("/live?original=1", "query.original"),
        ("/live?with_content=1", "query.with_content"),
        ("/live?requests=true", "query.requests"),
        ("/live?application=nobody", "query.application"),
        ("/live?source=nobody", "query.source"),
        ("/live?endpoint=books", "query.endpoint"),
        ("/app/acme/live?endpoint=nobody", "query.endpoint"),
        ("/live?event_types=a%20b", "query.event_types"),
        ("/live?channel=a%20b", "query.channel"),
    ] {
        assert_eq!(relay.get(path).problem(), place, "{path}");
    }
    let headers = [("last-event-id", "msg_nobody")];
    assert_eq!(relay.send("GET", "/live", &headers, None).problem(), "header.last-event-id");
    relay.get("/app/nobody/live").expect(404);
    relay.get("/source/nobody/live").expect(404);
}

#[test]
fn what_came_to_a_source_as_it_came() {
    let relay = Relay::start();
    apps(&relay, &["acme"]);
    let source = json!({
        "name": "Shop", "uid": "shop", "type": "generic-webhook", "application": "acme",
        "methods": ["POST", "PUT"],
    });
    let source = relay.post("/source", source).expect(201);
    let token = source.text("ingestUrl").strip_prefix(PUBLIC_URL).unwrap().to_owned();
    message(&relay, "acme", "not-of-the-source");
    let headers = [("content-type", "text/plain"), ("x-signature", "abc"), ("x-odd", "1")];
    let body = "line one\r\nline two\u{1F600}";
    relay.provide("PUT", &format!("{token}/more?x=1"), &headers, body).expect(200);
    let path = "/source/shop/live?follow=false&after=1970-01-01T00:00:00Z&original=true";
    let events = Stream::open(&relay, path, &[]).rest();
    assert_eq!(events.len(), 1, "{events:?}");
    let original = &events[0].data["original"];
    assert_eq!(events[0].data["sourceId"], source.json["id"]);
    assert_eq!((&original["method"], &original["path"]), (&json!("PUT"), &json!("/more")));
    assert_eq!(original["query"], "x=1");
    let bytes = BASE64_STANDARD.decode(original["body"].as_str().unwrap()).unwrap();
    assert_eq!(bytes, body.as_bytes());
    let kept = original["headers"].as_array().unwrap();
    for (name, value) in headers {
        assert!(kept.contains(&json!([name, value])), "{kept:?}");
    }
    relay.patch("/source/shop", json!({"mode": "inspect"})).expect(200);
    relay.receive(&token, &[], "seen").expect(200);
    let path = "/source/shop/live?after=1970-01-01T00:00:00Z&requests=true&with_content=true";
    let mut stream = Stream::open(&relay, path, &[]);
    let verdicts = [stream.expect("request"), stream.expect("request")];
    assert_eq!(verdicts[0].data["verdict"], "accepted");
    assert_eq!(verdicts[1].data["verdict"], "inspected");
    assert_eq!(verdicts[1].data["body"], "seen");
    relay.receive(&token, &[], "and live").expect(200);
    assert_eq!(stream.expect("request").data["body"], "and live");
}

/// What an endpoint is sent is signed with its key, over the body that its transformation leaves.
#[test]
fn what_an_endpoint_would_be_sent() {
    let relay = acme();
    let code = "function handler(webhook) { webhook.payload.n = 7; return webhook }";
    let path = "/app/acme/endpoint/books/transformation";
    relay.patch(path, json!({"code": code})).expect(200);
    send(&relay, "1", "a.b");
    let path = "/app/acme/live?follow=false&after=1970-01-01T00:00:00Z&endpoint=books&\
                original=true";
    let events = Stream::open(&relay, path, &[]).rest();
    let original = &events[0].data["original"];
    let body = BASE64_STANDARD.decode(original["body"].as_str().unwrap()).unwrap();
    let sent: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(sent, json!({"id": "1", "n": 7}));
    let header = |name: &str| {
        let all = original["headers"].as_array().unwrap().iter();
        let found = all.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap());
        found.map(str::to_owned).next().unwrap()
    };
    let secret = relay.get("/app/acme/endpoint/books/secret").text("key").to_owned();
    let key = relay::domain::signature::SigningKey::parse(&secret).unwrap();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let expected = relay::domain::signature::sign([&key], &id, timestamp.parse().unwrap(), &body);
    assert_eq!(header("webhook-signature"), expected);
    assert_eq!(id, events[0].id);
}

#[test]
fn a_token_sees_its_own_application() {
    let relay = acme();
    apps(&relay, &["other"]);
    let token = |capabilities: Value| {
        let body = json!({"capabilities": capabilities});
        let made = relay.post("/auth/app-portal-access/acme", body).expect(200);
        format!("Bearer {}", made.text("token"))
    };
    let base = token(json!(["ViewBase"]));
    let get =
        |path: &str, token: &str| relay.send("GET", path, &[("authorization", token)], None).status;
    assert_eq!(get("/live", &base), 403);
    assert_eq!(get("/app/other/live", &base), 403);
    assert_eq!(get("/app/acme/live?original=true", &base), 403);
    assert_eq!(get("/app/acme/live?source=shop", &base), 422);
    let mut stream = Stream::open(&relay, "/app/acme/live", &[("authorization", &base)]);
    message(&relay, "other", "1");
    send(&relay, "2", "a.b");
    assert_eq!(stream.names(1), ["2"]);
    let manage = token(json!(["ViewBase", "ManageEndpoint"]));
    assert_eq!(get("/app/acme/live?original=true&follow=false", &manage), 200);
}

/// A stream without an event tells that it is there, and where it is.
#[test]
fn signs_of_life() {
    let relay = Relay::with(|config| {
        config.server.live_alive = relay::config::units::Span(Duration::from_millis(100));
    });
    apps(&relay, &["acme"]);
    let mut stream = Stream::open(&relay, "/live?event_types=never", &[]);
    message(&relay, "acme", "1");
    let at = relay.get("/app/acme/msg/1").text("id").to_owned();
    // Nothing of it is shown, and the stream is behind it all the same.
    while stream.last < at {
        stream.comment();
    }
    let path = format!("/live?after={}", stream.last);
    let mut again = Stream::open(&relay, &path, &[]);
    message(&relay, "acme", "2");
    assert_eq!(again.names(1), ["2"]);
}

#[test]
fn streams_end_with_their_token_their_application_and_the_relay() {
    let relay = acme();
    apps(&relay, &["other"]);
    let made = relay.post("/auth/app-portal-access/acme", json!({})).expect(200);
    let token = format!("Bearer {}", made.text("token"));
    let mut of_token = Stream::open(&relay, "/app/acme/live", &[("authorization", &token)]);
    let mut of_other = Stream::open(&relay, "/app/other/live", &[]);
    let mut stays = Stream::open(&relay, "/live", &[]);
    relay.send("POST", "/auth/logout", &[("authorization", &token)], None).expect(204);
    relay.delete("/app/other").expect(204);
    assert_eq!(of_token.expect("end").data["reason"], "unauthorized");
    assert_eq!(of_other.expect("end").data["reason"], "gone");
    assert_eq!((of_token.next(), of_other.next()), (None, None));
    send(&relay, "1", "a.b");
    assert_eq!(stays.names(1), ["1"]);
    drop(relay);
    assert_eq!(stays.expect("end").data["reason"], "stopping");
    assert_eq!(stays.next(), None);
}

#[test]
fn no_more_than_are_allowed() {
    let relay = Relay::with(|config| config.server.live_streams = 2);
    let first = Stream::open(&relay, "/live", &[]);
    let _second = Stream::open(&relay, "/live", &[]);
    let refused = relay.get("/live").expect(503);
    assert!(refused.text("detail").contains("server.live_streams"), "{}", refused.json);
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(first);
    // Its place is free as soon as the server has seen that.
    while relay.get("/live?follow=false").status == 503 {
        thread::yield_now();
    }
}

/// Who does not read is sent no more than fits on the way, and nothing of what it missed is lost.
#[test]
fn a_slow_reader_misses_nothing() {
    let relay = Relay::start();
    apps(&relay, &["acme"]);
    let mut slow = Stream::open(&relay, "/live?with_content=true", &[]);
    let (count, text) = (400, "x".repeat(40_000));
    for number in 0..count {
        let body = json!({
            "eventType": "a.b", "eventId": number.to_string(), "payload": {"t": text},
        });
        relay.post("/app/acme/msg", body).expect(202);
    }
    let expected: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    assert_eq!(slow.names(count), expected);
}

/// Who comes back after what it missed has gone is told so, and sees what is left.
#[test]
fn what_has_gone_is_told() {
    let relay = Relay::start();
    apps(&relay, &["acme"]);
    message(&relay, "acme", "gone");
    let text = "x".repeat(60_000);
    let segment = |relay: &Relay| relay.state.store.oldest_segment().unwrap();
    let mut number = 0;
    while segment(&relay).is_none() {
        let body = json!({
            "eventType": "a.b", "eventId": format!("n{number}"), "payload": {"t": text},
        });
        relay.folder.clock.advance(Duration::from_secs(1));
        relay.post("/app/acme/msg", body).expect(202);
        number += 1;
    }
    relay.state.store.reclaim(segment(&relay).unwrap(), &mut |_| true).unwrap();
    relay.get("/app/acme/msg/gone").expect(404);
    let mut late = Stream::open(&relay, "/live?follow=false&after=1970-01-01T00:00:00Z", &[]);
    let events = late.rest();
    assert_eq!(events[0].kind, "gap", "{events:?}");
    let from = events[0].data["completeFrom"].as_str().unwrap().to_owned();
    let left = accepted(&relay, &["acme"]);
    let shown: Vec<String> = events[1..].iter().map(|event| event.id.clone()).collect();
    assert_eq!(shown, left);
    let kept = relay.get(&format!("/app/acme/msg?after={from}")).expect(200).json;
    assert!(kept["data"].as_array().unwrap().len() <= left.len());
    let mut now = Stream::open(&relay, &format!("/live?follow=false&after={from}"), &[]);
    assert!(now.rest().iter().all(|event| event.kind == "message"), "nothing is missing there");
}
