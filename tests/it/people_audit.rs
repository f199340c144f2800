//! The audit log: an entry for each change, with it or not at all.

use std::collections::BTreeSet;
use std::time::Duration;

use relay::http::permissions::{LOOKING, MOVING};
use serde_json::{Value, json};

use crate::api_refusals::token as signed;
use crate::people_sessions::{by, sign_in};
use crate::support::document::Document;
use crate::support::server::{OPERATOR_KEY, Relay};
use crate::support::walk::{Seed, bodies, role};

const MINUTE: Duration = Duration::from_secs(60);

fn entries(relay: &Relay, query: &str) -> Vec<Value> {
    let listed = relay.get(&format!("/audit-log?limit=250{query}")).expect(200).json;
    listed["data"].as_array().unwrap().clone()
}

fn count(relay: &Relay) -> u64 {
    relay.state.store.audit_entries()
}

fn what(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["what"].as_str().unwrap()).collect()
}

/// Calls that change something and leave no entry, as the document tells.
const UNTOLD: [&str; 4] = ["/{app_id}/msg", "/msg/broadcast", "/commit", "/consumer/{consumer_id}"];

#[test]
fn every_change_has_one_entry() {
    let relay = Relay::start();
    let (mut told, mut wrong) = (BTreeSet::new(), Vec::new());
    for (number, call) in Document::read().operations().into_iter().enumerate() {
        if role(&call).is_none() || call.path.ends_with("/logout") {
            continue;
        }
        let seed = Seed::plant(&relay, &format!("seed-{number}"));
        let before = count(&relay);
        let body = bodies(&call).into_iter().next().flatten();
        let authorization = format!("Bearer {OPERATOR_KEY}");
        let answer = seed.call(&relay, &call, &authorization, body.as_ref());
        let said = format!("{} {} is answered {answer:?}", call.method, call.path);
        let route = |route: &str| route.rsplit('/').next().unwrap_or_default().to_owned();
        let looks = call.method == "GET"
            || LOOKING
                .iter()
                .any(|(method, path)| *method == call.method && call.path.ends_with(&route(path)));
        // Where a listener goes on is told as little as where a consumer does.
        let moves = call.method == "PUT" && call.path.ends_with("/listener/{listener_name}");
        let untold = moves || UNTOLD.iter().any(|end| call.path.ends_with(end));
        // The examples of these name nothing that is there, and try an import.
        let idle = ["/bulk-expunge", "/import/openapi"].iter().any(|end| call.path.ends_with(end));
        let done = (200..300).contains(&answer.status) && !idle;
        let expected = u64::from(!looks && !untold && done);
        if count(&relay) - before != expected {
            wrong.push(said.clone());
        }
        if expected == 1 {
            let newest = &entries(&relay, "&limit=1")[0];
            assert_eq!(newest["method"], json!(call.method), "{said}");
            assert_eq!(newest["path"], json!(seed.path(call.path)), "{said}");
            assert_eq!(newest["requestId"].as_str(), answer.header("x-request-id"), "{said}");
            told.insert(newest["route"].to_string());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(told.len() > 30, "{told:?}");
    assert!(MOVING.iter().all(|path| !told.contains(*path)));
}

#[test]
fn who_did_it_and_from_where() {
    let relay = Relay::with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let app = relay.post("/app", json!({"name": "Acme", "uid": "acme"})).expect(201);
    let ann = relay.post("/auth/key", json!({"name": "Ann"})).expect(201);
    let ann_key = format!("Bearer {}", ann.text("token"));
    let access = json!({"sessionId": "s-1"});
    let token = relay.post("/auth/app-portal-access/acme", access).expect(200);
    let bearers = [
        (ann_key.clone(), ann.text("id").to_owned(), json!("Ann")),
        (format!("Bearer {}", token.text("token")), app.text("id").to_owned(), Value::Null),
        (format!("Bearer {}", signed(app.text("id"))), app.text("id").to_owned(), Value::Null),
        (format!("Bearer {OPERATOR_KEY}"), "operator".to_owned(), Value::Null),
    ];
    let endpoint = r#"{"url": "https://h.example/"}"#;
    for (bearer, who, name) in &bearers {
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-forwarded-for", "198.51.100.7"),
            ("x-request-id", "mine"),
        ];
        relay.send("POST", "/app/acme/endpoint", &headers, Some(endpoint)).expect(201);
        let newest = entries(&relay, "&limit=1").remove(0);
        assert_eq!((&newest["who"], &newest["name"]), (&json!(who), name), "{newest}");
        assert_eq!(newest["address"], "198.51.100.7");
        assert_eq!(newest["requestId"], "mine");
        assert_eq!(newest["route"], "/api/v1/app/{app}/endpoint");
        assert_eq!(newest["path"], "/api/v1/app/acme/endpoint");
        assert_eq!(newest["bySession"], false);
    }
    assert_eq!(entries(&relay, &format!("&who={}", app.text("id")))[1]["sessionId"], "s-1");
    let cookie = sign_in(&relay, ann.text("token"));
    let typed = ("content-type", "application/json");
    let headers = [("cookie", &*cookie), ("sec-fetch-site", "same-origin"), typed];
    by(&relay, &headers, "POST", "/app/acme/endpoint", endpoint).expect(201);
    by(&relay, &headers[..2], "DELETE", "/auth/session", "").expect(204);
    let own = entries(&relay, "&who=Ann");
    assert_eq!(what(&own), ["sign-out", "change", "sign-in", "change"]);
    let sessions: Vec<&Value> = own.iter().map(|entry| &entry["bySession"]).collect();
    assert_eq!(sessions, [true, true, false, false]);
    let relay = relay.restart();
    assert_eq!(entries(&relay, "&who=Ann"), own);
    let refused = [("authorization", &*ann_key)];
    relay.delete(&format!("/auth/key/{}", ann.text("id"))).expect(204);
    relay.send("GET", "/audit-log", &refused, None).expect(401);
}

#[test]
fn with_the_change_or_not_at_all() {
    let relay = Relay::start();
    let before = count(&relay);
    relay.post("/app", json!({"name": ""})).expect(422);
    relay.delete("/app/none").expect(404);
    relay.post("/auth/key", json!({"scopes": ["x"]})).expect(422);
    relay.post("/environment/import?dry_run=true", json!({"eventTypes": []})).expect(200);
    assert_eq!(count(&relay), before, "nothing was changed");
    let key = [("idempotency-key", "k")];
    let first = relay.send("POST", "/app", &key, Some(r#"{"name":"x"}"#)).expect(201);
    let again = relay.send("POST", "/app", &key, Some(r#"{"name":"x"}"#)).expect(201);
    assert_eq!(first.json, again.json);
    relay.send("POST", "/app", &key, Some(r#"{"name":"y"}"#)).expect(409);
    assert_eq!(count(&relay), before + 1, "it was done once");
    let uid = first.text("id");
    let path = format!("/app/{uid}/msg");
    relay.post(&path, json!({"eventType": "a", "payload": {}})).expect(202);
    assert_eq!(count(&relay), before + 1, "a message is none");
    let body = json!({"eventType": "a", "payload": {}, "application": {"name": "New"}});
    relay.post("/app/fresh/msg", body.clone()).expect(202);
    assert_eq!(count(&relay), before + 2, "an application that is made with it is");
    let message = relay.post("/app/fresh/msg", body).expect(202);
    assert_eq!(count(&relay), before + 2);
    let named = json!({"ids": [message.text("id"), "none"]});
    relay.post("/app/fresh/msg/bulk-expunge", named).expect(200);
    assert_eq!(count(&relay), before + 3);
    relay.post("/app/fresh/msg/bulk-expunge", json!({"ids": ["none"]})).expect(200);
    assert_eq!(count(&relay), before + 3);
}

#[test]
fn sign_ins_are_entries_and_failures_are_few() {
    let relay = Relay::with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let fail = |from: &str, path: &str, body: &Value| {
        let headers = [("authorization", ""), ("x-forwarded-for", from)];
        relay.send("POST", path, &headers, Some(&body.to_string()))
    };
    let wrong = json!({"key": "sk_wrong"});
    (0..20).for_each(|_| drop(fail("198.51.100.7", "/auth/session", &wrong).expect(401)));
    fail("198.51.100.7", "/auth/session", &wrong).expect(429);
    let redeem = "/auth/sign-in-link/redeem";
    fail("198.51.100.8", redeem, &json!({"code": "si_wrong"})).expect(401);
    let failed = entries(&relay, "&who=nobody");
    assert_eq!(what(&failed), ["failed-sign-in"; 2]);
    assert_eq!(failed[1]["address"], "198.51.100.7");
    assert_eq!(failed[0]["path"], "/api/v1/auth/sign-in-link/redeem");
    relay.folder.clock.advance(MINUTE);
    fail("198.51.100.7", "/auth/session", &wrong).expect(401);
    assert_eq!(entries(&relay, "&who=nobody").len(), 3);
    let link = relay.post("/auth/sign-in-link", json!({"name": "Ann"})).expect(201);
    let code = link.text("url").split_once("#code=").unwrap().1;
    let made = fail("198.51.100.9", redeem, &json!({"code": code})).expect(201);
    let own = entries(&relay, "&who=Ann");
    assert_eq!(what(&own), ["link-redeemed"]);
    assert_eq!(own[0]["who"], made.json["id"]);
    let all = relay.get("/audit-log?limit=250").json.to_string();
    assert!(!all.contains("sk_") && !all.contains("si_"), "{all}");
}

#[test]
fn pages_and_times() {
    let relay = Relay::start();
    for number in 0..5 {
        relay.post("/app", json!({"name": "x", "uid": format!("a{number}")})).expect(201);
        relay.folder.clock.advance(MINUTE);
    }
    let names = |query: &str| -> Vec<Value> {
        entries(&relay, query).iter().map(|entry| entry["timestamp"].clone()).collect()
    };
    let at = |minute: u32| json!(format!("2026-11-21T00:0{minute}:00Z"));
    assert_eq!(names(""), [at(4), at(3), at(2), at(1), at(0)]);
    assert_eq!(names("&order=ascending&limit=2"), [at(0), at(1)]);
    assert_eq!(names("&before=2026-11-21T00:02:00Z"), [at(1), at(0)]);
    let both = "&after=2026-11-21T00:01:00Z&before=2026-11-21T00:04:00Z";
    assert_eq!(names(both), [at(3), at(2)]);
    assert_eq!(names("&after=2026-11-21T00:01:00Z&limit=2"), [at(3), at(2)]);
    let first = relay.get("/audit-log?limit=2").expect(200);
    assert_eq!(first.json["done"], false);
    let next = relay.get(&format!("/audit-log?limit=2&iterator={}", first.text("iterator")));
    assert_eq!(next.expect(200).json["data"][0]["timestamp"], at(2));
    assert_eq!(relay.get("/audit-log?who=").expect(200).json["data"].as_array().unwrap().len(), 5);
    assert!(names("&who=somebody").is_empty());
    assert_eq!(relay.get("/audit-log?before=soon").expect(422).problem(), "query.before");
    let long = format!("/audit-log?who={}", "x".repeat(257));
    assert_eq!(relay.get(&long).problem(), "query.who");
}

#[test]
fn old_entries_and_too_many_go() {
    let relay = Relay::start();
    let make = |number: u32| {
        let uid = format!("a{number}");
        relay.post("/app", json!({"name": "x", "uid": uid})).expect(201);
    };
    (0..300).for_each(make);
    let store = &relay.state.store;
    assert!(!store.sweep_audit(Some(MINUTE), 300).unwrap(), "none is too much");
    relay.folder.clock.advance(2 * MINUTE);
    (300..305).for_each(make);
    let sweep = |age, most| while store.sweep_audit(age, most).unwrap() {};
    sweep(None, 10);
    assert_eq!(count(&relay), 10);
    let left = entries(&relay, "");
    assert_eq!(left.len(), 10);
    assert_eq!(left[9]["timestamp"], "2026-11-21T00:00:00Z");
    sweep(Some(MINUTE), 10);
    assert_eq!((count(&relay), entries(&relay, "").len()), (5, 5));
    let relay = relay.restart();
    assert_eq!((count(&relay), entries(&relay, "").len()), (5, 5));
}

#[test]
fn it_outlives_the_segment_it_stands_in() {
    let relay = Relay::start();
    let app = relay.post("/app", json!({"name": "x"})).expect(201).text("id").to_owned();
    let before = entries(&relay, "");
    let payload = "x".repeat(30 << 10);
    for _ in 0..100 {
        let message = json!({"eventType": "a", "payload": {"p": payload}});
        relay.post(&format!("/app/{app}/msg"), message).expect(202);
    }
    let mut gone = 0;
    while let Some(oldest) = relay.state.store.oldest_segment().unwrap() {
        relay.state.store.reclaim(oldest, &mut |_| true).unwrap();
        gone += 1;
    }
    assert!(gone > 1, "{gone} segments");
    let folder = relay.stop();
    std::fs::remove_dir_all(folder.data().join("index")).unwrap();
    let relay = Relay::over(folder);
    assert_eq!(entries(&relay, ""), before);
    assert_eq!(count(&relay), 1);
}
